package campaign

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// later stands before the recorder for SQS alone and takes the waiting out of delayed messages. What the functions send to
// the queue of requests goes to a queue beside it, with the time when it is due; it arrives in that order, once nothing is
// left to do before.
type later struct {
	url              string
	server           *httptest.Server
	requests, beside *localawstest.Queue
	ahead            atomic.Int64 // how far the time of the messages is ahead, in nanoseconds
	waiting          []waiting
}

type waiting struct {
	body string
	due  int64
}

func newLater(t testing.TB, local *localaws.AWS, requests *localawstest.Queue, name string) *later {
	t.Helper()
	l := &later{requests: requests, beside: localawstest.NewQueue(t, local, name, nil)}
	target, err := url.Parse(local.Recorder().URL())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Transport: l, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // a cut connection stays one
	})
	t.Cleanup(server.Close)
	l.server, l.url = server, server.URL
	return l
}

func (l *later) now() int64 { return time.Now().UnixNano() + l.ahead.Load() }

// RoundTrip sends to the other queue what is sent to the queue of requests.
func (l *later) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if strings.Contains(r.Header.Get("X-Amz-Target"), ".SendMessage") {
		body = l.redirected(body)
	}
	onward := r.Clone(r.Context())
	onward.Body, onward.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return http.DefaultTransport.RoundTrip(onward)
}

func (l *later) redirected(body []byte) []byte {
	var call map[string]any
	if json.Unmarshal(body, &call) != nil || call["QueueUrl"] != l.requests.URL {
		return body
	}
	call["QueueUrl"] = l.beside.URL
	messages := []any{call}
	if entries, batch := call["Entries"].([]any); batch {
		messages = entries
	}
	for _, m := range messages {
		message, _ := m.(map[string]any)
		delay, _ := message["DelaySeconds"].(float64)
		delete(message, "DelaySeconds")
		due := strconv.FormatInt(l.now()+int64(delay*float64(time.Second)), 10)
		message["MessageAttributes"] = map[string]any{"due": map[string]any{"DataType": "Number", "StringValue": due}}
	}
	redirected, _ := json.Marshal(call) // it was JSON
	return redirected
}

// release lets arrive what is due by now, or failing that and if it may, what is due next. It reports whether something did.
func (l *later) release(next bool) bool {
	for _, message := range l.beside.Take() {
		l.waiting = append(l.waiting, waiting{aws.ToString(message.Body), due(message)})
	}
	slices.SortStableFunc(l.waiting, func(a, b waiting) int { return int((a.due - b.due) / int64(time.Millisecond)) })
	if now := l.now(); next && len(l.waiting) > 0 && l.waiting[0].due > now {
		l.ahead.Add(l.waiting[0].due - now)
	}
	released := false
	for ; len(l.waiting) > 0 && l.waiting[0].due <= l.now(); released = true {
		l.requests.Send(l.waiting[0].body)
		l.waiting = l.waiting[1:]
	}
	return released
}

func due(message types.Message) int64 {
	at, _ := strconv.ParseInt(aws.ToString(message.MessageAttributes["due"].StringValue), 10, 64) // ours
	return at
}
