package queue_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/queue"
)

// fake is SQS as far as batches go: it refuses messages that hold "refuse", and batches with one that holds "away". The local
// AWS refuses a batch as a whole only.
type fake struct {
	mu      sync.Mutex
	batches []int            // how many messages each had
	taken   map[string]int32 // delays in seconds, by setting
}

type entry struct {
	ID           string `json:"Id"`
	MessageBody  string
	DelaySeconds int32
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var batch struct{ Entries []entry }
	err := json.NewDecoder(r.Body).Decode(&batch)
	if err != nil || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".SendMessageBatch") {
		http.Error(w, "no batch", http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches = append(f.batches, len(batch.Entries))
	successful, failed := []map[string]any{}, []map[string]any{}
	for _, e := range batch.Entries {
		switch {
		case strings.Contains(e.MessageBody, "away"):
			http.Error(w, `{"__type":"AccessDenied","message":"not you"}`, http.StatusForbidden)
			return
		case strings.Contains(e.MessageBody, "refuse"):
			failed = append(failed, map[string]any{"Id": e.ID, "Code": "InternalError", "Message": "try again", "SenderFault": false})
		default:
			successful = append(successful, f.take(e))
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"Successful": successful, "Failed": failed})
}

func (f *fake) take(e entry) map[string]any {
	message, _ := guard.ParseMessage([]byte(e.MessageBody)) // what is no request shows as one without a setting
	request, _ := message.(guard.Request)
	f.taken[request.Setting] = e.DelaySeconds
	sum := md5.Sum([]byte(e.MessageBody))
	return map[string]any{"Id": e.ID, "MessageId": e.ID, "MD5OfMessageBody": hex.EncodeToString(sum[:])}
}

// TestPost: each request goes once, ten in a call, with its own delay; who was not taken is named, and nobody else.
func TestPost(t *testing.T) {
	f := &fake{taken: map[string]int32{}}
	server := httptest.NewServer(f)
	defer server.Close()
	q := queue.Queue{URL: server.URL, SQS: sqs.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIA", "x", ""),
	})}
	var requests []guard.Delayed
	for i := range 34 {
		reason := map[int]string{3: "refuse", 12: "refuse", 25: "away"}[i]
		requests = append(requests, guard.Delayed{
			Request: guard.Request{Setting: fmt.Sprint(i), Reason: reason}, After: time.Duration(i) * time.Minute,
		})
	}
	errs := q.Post(t.Context(), requests)
	if len(errs) != len(requests) || len(f.batches) != 4 {
		t.Fatalf("%d errors of %d requests in batches of %v", len(errs), len(requests), f.batches)
	}
	for i, err := range errs {
		delay, taken := f.taken[fmt.Sprint(i)]
		text := map[bool]string{true: "AccessDenied", false: "SQS did not take the message: InternalError try again"}[i/10 == 2]
		switch failed := i == 3 || i == 12 || i/10 == 2; {
		case failed && (err == nil || !strings.Contains(err.Error(), text)):
			t.Errorf("request %d: error %v, want %q", i, err, text)
		case !failed && (err != nil || !taken || delay != int32(min(i*60, 900))):
			t.Errorf("request %d: error %v, taken %v after %d s, want it after %d s", i, err, taken, delay, min(i*60, 900))
		}
	}
}

// TestPostNothing makes no call.
func TestPostNothing(t *testing.T) {
	if errs := (queue.Queue{}).Post(t.Context(), nil); len(errs) != 0 {
		t.Errorf("errors %v", errs)
	}
}

// TestIs: a queue of the same name in another account is another one, and so is one whose name begins alike.
func TestIs(t *testing.T) {
	q := queue.Queue{URL: "https://sqs.us-east-1.amazonaws.com/123456789012/icaguard-requests"}
	for arn, want := range map[string]bool{
		"arn:aws:sqs:us-east-1:123456789012:icaguard-requests": true, "": false, ":": false, "icaguard-requests": false,
		"arn:aws:sqs:us-east-1:999999999999:icaguard-requests": false, "arn:aws:sqs:us-east-1:123456789012:icaguard-requests-2": false,
	} {
		if q.Is(arn) != want {
			t.Errorf("%q: want %v", arn, want)
		}
	}
	if (queue.Queue{}).Is("") {
		t.Error("no queue is nobody's")
	}
}
