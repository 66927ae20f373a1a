package localawstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Post is a message that the function sent to a queue.
type Post struct {
	QueueURL     string `json:"QueueUrl"`
	MessageBody  string
	DelaySeconds int
}

// Postbox stands before the recorder for SQS alone and notes what the function sends: a queue shows nobody a message
// that is delayed, nor how long it is.
type Postbox struct {
	URL string

	mu    sync.Mutex
	posts []Post
}

// NewPostbox starts one until the test ends.
func NewPostbox(t testing.TB, endpoint string) *Postbox {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &Postbox{}
	server := httptest.NewServer(&httputil.ReverseProxy{Transport: p, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// RoundTrip passes a call on and notes the messages that SQS took.
func (p *Postbox) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	onward := r.Clone(r.Context())
	onward.Body = io.NopCloser(bytes.NewReader(body))
	response, err := http.DefaultTransport.RoundTrip(onward)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	answer, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(answer))
	switch target := r.Header.Get("X-Amz-Target"); {
	case strings.HasSuffix(target, ".SendMessage"):
		p.note(body)
	case strings.HasSuffix(target, ".SendMessageBatch"):
		p.noteBatch(body, answer)
	}
	return response, err
}

func (p *Postbox) note(body []byte) {
	var sent Post
	_ = json.Unmarshal(body, &sent) // SQS took it, so it is JSON
	p.mu.Lock()
	defer p.mu.Unlock()
	p.posts = append(p.posts, sent)
}

// noteBatch notes those of a batch's messages that SQS took.
func (p *Postbox) noteBatch(body, answer []byte) {
	var batch struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []struct {
			Post
			ID string `json:"Id"`
		}
	}
	var taken struct {
		Successful []struct {
			ID string `json:"Id"`
		}
	}
	_, _ = json.Unmarshal(body, &batch), json.Unmarshal(answer, &taken) // SQS took it, so it is JSON
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, entry := range batch.Entries {
		for _, one := range taken.Successful {
			if one.ID == entry.ID {
				entry.QueueURL = batch.QueueURL
				p.posts = append(p.posts, entry.Post)
			}
		}
	}
}

// Take answers the messages since the last call.
func (p *Postbox) Take() []Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.posts
	p.posts = nil
	return taken
}
