package localaws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// Call is one call that the recorder saw, reads too.
type Call struct {
	Service     string // signing name: s3, iam, kms, events, sqs …
	Operation   string // the SDK's name of the operation
	Action      string // the IAM action that it needs
	Resource    string // that it names: bucket, role, policy, provider, key, parameter or table; empty for others
	Status      int    // HTTP; 0 when a fault cut the connection
	Fault       Kind   // that struck it; empty: none
	Done        bool   // AWS did it, whatever the caller heard
	AccessKeyID string
	Time        time.Time
}

// Emit receives the event of a call before the caller receives its answer.
type Emit func(context.Context, Envelope) error

// Recorder is a reverse proxy in front of moto that makes the events AWS would send, and injects faults.
type Recorder struct {
	target *url.URL
	server *http.Server
	url    string
	log    *slog.Logger
	direct Emit
	setUp  func(region string) aws.Config // of clients that call moto itself

	mu         sync.Mutex
	emit       Emit
	identities map[string]Identity
	faults     []*Fault                 // pointers: Inject's remove finds its own
	stacks     map[stackKey]*StackState // played, by name
	functions  map[string]*Function     // that Invoke reaches, by name
	calls      []Call
	failures   []error
}

func startRecorder(ctx context.Context, local *AWS) (*Recorder, error) {
	target, err := url.Parse(local.endpoint)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Recorder{
		target:     target,
		url:        "http://" + listener.Addr().String(),
		log:        slog.New(slog.NewTextHandler(local.output, nil)),
		setUp:      local.DirectConfig,
		identities: map[string]Identity{},
		stacks:     map[stackKey]*StackState{},
		functions:  map[string]*Function{},
	}
	r.direct = func(ctx context.Context, event Envelope) error {
		return putEvent(ctx, eventbridge.NewFromConfig(local.DirectConfig(event.Region)), busEvent{
			Source: event.Source, DetailType: event.DetailType, Time: event.Time, Resources: event.Resources, Detail: event.Detail,
		})
	}
	r.emit = r.direct
	r.server = &http.Server{Handler: r.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with close
	return r, nil
}

// URL is the endpoint for SDK clients. Its host is an address, so S3 clients use paths for buckets of their own accord.
func (r *Recorder) URL() string { return r.url }

// Identify says who uses an access key. Calls with a key nobody named are those of an IAM user named like the key.
func (r *Recorder) Identify(accessKeyID string, who Identity) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.identities[accessKeyID] = who
}

// SetEmit intercepts events, to duplicate, reorder or drop them; nil restores the delivery to moto's default bus.
func (r *Recorder) SetEmit(emit Emit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.emit = emit; emit == nil {
		r.emit = r.direct
	}
}

// Deliver puts an event on the default bus of its region, as the recorder does on its own: for what SetEmit held
// back, and for events that no call makes (constructed or recorded ones).
func (r *Recorder) Deliver(ctx context.Context, event Envelope) error { return r.direct(ctx, event) }

// Inject adds a fault. Of several that match a call the one injected first counts. remove may be called repeatedly.
func (r *Recorder) Inject(fault Fault) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fault.stale = &staleReads{read: map[string]*staleRead{}}
	added := &fault
	r.faults = append(r.faults, added)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.faults = slices.DeleteFunc(r.faults, func(f *Fault) bool { return f == added })
	}
}

// Calls are all calls seen since the start or the last ResetCalls, in the order of their answers.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// ResetCalls forgets the calls seen.
func (r *Recorder) ResetCalls() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = nil
}

// Err is what went wrong in the recorder itself: events that could not be delivered, moto not answering.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.failures...)
}

func (r *Recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls, r.faults = nil, nil
	clear(r.stacks)
}

func (r *Recorder) close() error { return errors.Join(r.server.Close(), r.Err()) }

func (r *Recorder) fail(ctx context.Context, err error) {
	r.log.ErrorContext(ctx, "recorder", "error", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, err)
}

type requestKey struct{}

// handler reads and names a call, then lets the proxy have it answered by exchange.
func (r *Recorder) handler() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(r.target)
			p.Out.Host = p.In.Host // moto finds the bucket in it, and writes queue URLs with it
		},
		Transport: exchange{r, &http.Transport{DisableKeepAlives: true, DisableCompression: true}},
		ErrorHandler: func(_ http.ResponseWriter, req *http.Request, err error) {
			if !errors.Is(err, errCut) && req.Context().Err() == nil {
				r.fail(req.Context(), fmt.Errorf("recorder: %s %s: %w", req.Method, req.URL.Path, err))
			}
			panic(http.ErrAbortHandler) // breaks the connection
		},
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelWarn),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // the caller went away
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), requestKey{}, identify(req, body))))
	})
}

// exchange answers a call: by a fault or by moto. It records the call and emits its event before the caller learns of it.
type exchange struct {
	recorder *Recorder
	moto     http.RoundTripper
}

func (e exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	call, ok := req.Context().Value(requestKey{}).(request)
	if !ok {
		return nil, errors.New("recorder: call without its name")
	}
	if call.Unknown { // a fault would hide that
		e.recorder.remember(call, Call{Status: http.StatusNotImplemented})
		return refusal(call, "Its row belongs in internal/localaws/names.go.").response(req), nil
	}
	fault := e.recorder.takeFault(call)
	if err := fault.wait(req.Context()); err != nil {
		if fault.Kind == Slow { // the caller went away meanwhile
			e.recorder.remember(call, Call{Fault: fault.Kind})
		}
		return nil, err
	}
	if fault.Kind == Cut {
		e.recorder.remember(call, Call{Fault: fault.Kind})
		return nil, errCut
	}
	got, err := e.answer(req, call, &fault)
	if err != nil {
		return nil, err
	}
	done := !fault.replaces() && got.Status < http.StatusMultipleChoices
	if fault.Kind != Malformed && fault.Kind != Empty { // that call was not done, and did not fail in AWS's eyes
		e.recorder.record(req.Context(), call, got)
	}
	if fault.Kind == Lost || fault.Kind == Killed {
		e.recorder.remember(call, Call{Fault: fault.Kind, Done: done})
		if fault.Kind == Killed && fault.Kill != nil {
			fault.Kill()
		}
		return nil, errCut
	}
	e.recorder.remember(call, Call{Status: got.Status, Fault: fault.Kind, Done: done})
	return got.response(req), nil
}

// answer forgets the fault of a stale read that is none.
func (e exchange) answer(req *http.Request, call request, fault *Fault) (answer, error) {
	if fault.replaces() {
		return fault.answer(call, e.recorder.identity(call.AccessKeyID)), nil
	}
	if played, ok := e.recorder.playedStack(req.Context(), call); ok {
		return played, nil
	}
	if function := e.recorder.invoked(call); function != nil {
		return invoke(req.Context(), function, call)
	}
	if fault.Kind != Stale {
		return e.ask(req, call)
	}
	asked := req.Method + " " + req.URL.String() + "\n" + string(call.Body)
	got, stale, err := fault.stale.answer(asked, fault.Times, func() (answer, error) { return e.ask(req, call) })
	if !stale {
		*fault = Fault{}
	}
	return got, err
}

// ask lets moto answer.
func (e exchange) ask(req *http.Request, call request) (answer, error) {
	response, err := e.moto.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body}.withoutWebPage(call).withRequestID(call), err
}

func (a answer) response(req *http.Request) *http.Response {
	length := int64(len(a.Body))
	if req.Method == http.MethodHead {
		length = -1 // keep the header that moto sent
	}
	return &http.Response{
		StatusCode: a.Status, ProtoMajor: 1, ProtoMinor: 1, Header: a.Header,
		Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: length, Request: req,
	}
}

// record emits the event of a call that changes something. It does not fail the call, as on AWS; Err tells.
func (r *Recorder) record(ctx context.Context, call request, got answer) {
	redirected, refused := got.Status/100 == 3, got.Status == http.StatusNotImplemented // neither is a call to AWS yet
	if call.EventName == "" || redirected || refused {
		return
	}
	event := envelope(call, r.identity(call.AccessKeyID), got, time.Now())
	r.mu.Lock()
	emit := r.emit
	r.mu.Unlock()
	// The change is made: a caller who hangs up does not keep its event from happening.
	if err := emit(context.WithoutCancel(ctx), event); err != nil {
		r.fail(ctx, fmt.Errorf("recorder: emit %s: %w", call.EventName, err))
	}
}

// remember keeps a call with what became of it.
func (r *Recorder) remember(call request, became Call) {
	became.Service, became.Operation, became.Action, became.Resource = call.Service, call.Operation, call.Action, call.resource()
	became.AccessKeyID, became.Time = call.AccessKeyID, time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, became)
}

func (r *Recorder) identity(accessKeyID string) Identity {
	r.mu.Lock()
	defer r.mu.Unlock()
	if who, ok := r.identities[accessKeyID]; ok {
		return who
	}
	return IAMUser(account, accessKeyID)
}

// takeFault returns the fault for a call and counts it; the zero Fault is none.
func (r *Recorder) takeFault(call request) Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, fault := range r.faults {
		if !fault.matches(call) {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			continue
		}
		if fault.Times > 0 && fault.Kind != Stale {
			if fault.Times--; fault.Times == 0 {
				r.faults = slices.Delete(r.faults, i, i+1)
			}
		}
		return *fault
	}
	return Fault{}
}

// busEvent is what an event on a bus says; the bus adds its account and region.
type busEvent struct {
	Source, DetailType string
	Time               time.Time
	Resources          []string
	Detail             any
}

// putEvent is how AWS's own events reach the default bus here. AWS refuses such sources in PutEvents; moto does not.
func putEvent(ctx context.Context, client *eventbridge.Client, event busEvent) error {
	detail, err := json.Marshal(event.Detail)
	if err != nil {
		return err
	}
	output, err := client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		Source: aws.String(event.Source), DetailType: aws.String(event.DetailType),
		Detail: aws.String(string(detail)), Time: aws.Time(event.Time), Resources: event.Resources,
	}}})
	if err != nil {
		return err
	}
	if output.FailedEntryCount > 0 {
		return fmt.Errorf("refused: %s %s", aws.ToString(output.Entries[0].ErrorCode), aws.ToString(output.Entries[0].ErrorMessage))
	}
	return nil
}
