package settings

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
)

const (
	icaTopic   = "arn:aws:sns:us-east-1:" + illuminasAccount + ":ica"
	otherTopic = "arn:aws:sns:us-east-1:" + illuminasAccount + ":ica-other"
	labQueue   = "arn:aws:sqs:us-east-1:123456789012:lab"
)

// icaEntry is a notification of ICA's: its topic is in Illumina's account.
func icaEntry() entry {
	return entry{
		Target: icaTopic, ID: "ica", Events: []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"},
		Filters: []filter{{"prefix", "ica/"}},
	}
}

// foreignEntry is one of the lab's own.
func foreignEntry() entry {
	return entry{
		Target:  labQueue,
		ID:      "portal",
		Events:  []types.Event{"s3:ObjectCreated:*"},
		Filters: []filter{{"prefix", "portal/"}, {"suffix", ".csv"}},
	}
}

// makeTargets makes what the entries lead to.
func (s *fixture) makeTargets(t *testing.T) {
	t.Helper()
	for _, name := range []string{"ica", "ica-other"} {
		if _, err := sns.NewFromConfig(s.as(t, illuminasAccount)).CreateTopic(
			t.Context(), &sns.CreateTopicInput{Name: &name},
		); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sqs.NewFromConfig(s.DirectConfig("us-east-1")).CreateQueue(
		t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("lab")},
	); err != nil {
		t.Fatal(err)
	}
}

func bucketNotificationCases() []testCase {
	const id = "bucket-notification"
	// put makes a testCase in which somebody puts entries, after which there are others; nil: all as before.
	put := func(name string, want guard.Status, before, after []entry) testCase {
		c := testCase{setting: id, name: name, want: want, breakIt: func(w *env) { w.putEntries(before...) }}
		if after != nil {
			c.check = func(w *env, _ guard.Outcome) { w.expectEntries(after...) }
		}
		return c
	}
	list := func(entries ...entry) []entry { return entries }
	ica, lab := icaEntry(), foreignEntry()
	with := func(e entry, change func(*entry)) entry {
		e.Events, e.Filters = slices.Clone(e.Events), slices.Clone(e.Filters)
		change(&e)
		return e
	}
	narrowed := with(ica, func(e *entry) { e.Events = e.Events[:1] })
	lookAlike := with(ica, func(e *entry) {
		e.ID = "made-by-terraform"
		slices.Reverse(e.Events)
	})
	otherLab := with(lab, func(e *entry) { e.ID, e.Filters = "reports", one("prefix", "reports/") })
	widened := with(lab, func(e *entry) { e.Filters = e.Filters[:1] })
	greedy := with(lab, func(e *entry) { e.ID, e.Filters = "all", nil })
	sameName := with(otherLab, func(e *entry) { e.ID = ica.ID })
	second := with(ica, func(e *entry) { e.Target, e.ID, e.Filters[0].Value = otherTopic, "ica-2", "ica2/" })
	bus := entry{Target: toEventBridge}
	return slices.Concat([]testCase{
		put("ICA's entry removed", guard.Restored, list(lab), nil),
		put("emptied", guard.Restored, nil, list(ica)),
		put("overwritten by another tool", guard.Restored, list(otherLab), list(ica, otherLab)),
		put(
			"overwritten by another tool that also turns EventBridge on", guard.Restored, list(otherLab, bus),
			list(ica, otherLab, bus),
		),
		put("ICA's entry narrowed", guard.Restored, list(narrowed, lab), nil),
		put("ICA's entry under another name and in another order", guard.InSync, list(lookAlike, lab), list(lookAlike, lab)),
		put("an entry of others added, one altered", guard.InSync, list(ica, otherLab, widened), list(ica, otherLab, widened)),
		put("all entries of others removed", guard.InSync, list(ica), list(ica)),
		put("replaced by an entry that listens to the same files", guard.ActionRequired, list(greedy), list(greedy)),
		{
			setting: id, name: "ICA's entry removed and its name taken", want: guard.Restored,
			breakIt: func(w *env) { w.putEntries(sameName) },
			check: func(w *env, _ guard.Outcome) {
				if got := w.entries(); len(got) != 2 || !got[0].equal(ica) || got[0].ID == ica.ID || got[1].ID != sameName.ID ||
					!got[1].equal(sameName) {
					w.t.Errorf("entries (a name stands for one of them only): %v", got)
				}
			},
		},
	}, notificationTargetCases(), notificationAuthorCases(second))
}

func one(name, value string) []filter { return []filter{{name, value}} }

func notificationTargetCases() []testCase {
	const id = "bucket-notification"
	lost := foreignEntry()
	lost.Target, lost.ID, lost.Filters = "arn:aws:sqs:us-east-1:123456789012:lost", "lost", one("prefix", "lost/")
	return []testCase{
		{
			setting: id, name: "ICA's entry removed, and its target gone", want: guard.ActionRequired,
			notShown: "a target that is there and does not let S3 in, which AWS refuses in the same words",
			breakIt: func(w *env) {
				w.t.Cleanup(w.deleteTopic())
				w.putEntries(foreignEntry())
			},
			check: func(w *env, o guard.Outcome) {
				w.expectEntries(foreignEntry())
				if !strings.Contains(o.Problem, icaTopic+" is gone") || !strings.Contains(o.Remediation, "ICA's own target") {
					w.t.Errorf("problem %q, to do %q", o.Problem, o.Remediation)
				}
			},
		},
		{
			setting: id, name: "ICA's entry removed, and a target of others gone", want: guard.Restored,
			breakIt: func(w *env) { w.putUnchecked(lost) },
			check:   func(w *env, _ guard.Outcome) { w.expectEntries(icaEntry(), lost) },
		},
	}
}

// notificationAuthorCases are about who put what.
func notificationAuthorCases(second entry) []testCase {
	const id = "bucket-notification"
	return []testCase{
		{
			setting: id, name: "ICA's role adds an entry, then all are removed", want: guard.Restored,
			breakIt: func(w *env) {
				w.putAsICA(icaEntry(), second, foreignEntry())
				w.putEntries()
			},
			check: func(w *env, _ guard.Outcome) { w.expectEntries(icaEntry(), second) },
		},
		{
			setting: id, name: "ICA's role puts an entry in our own account, then all are removed", want: guard.Restored,
			breakIt: func(w *env) {
				w.putAsICA(icaEntry(), foreignEntry(), entry{Target: toEventBridge})
				w.putEntries()
			},
			check: func(w *env, _ guard.Outcome) { w.expectEntries(icaEntry(), entry{Target: toEventBridge}) },
		},
		{
			setting: id, name: "ICA's role takes its entry away", want: guard.ActionRequired,
			breakIt: func(w *env) { w.putAsICA(foreignEntry()) },
			check: func(w *env, o guard.Outcome) {
				w.expectEntries(foreignEntry())
				if len(o.Alerts) != 1 || !strings.Contains(o.Alerts[0].What, icaTopic) || o.Alerts[0].Match != icaTopic {
					w.t.Errorf("alerts %+v", o.Alerts)
				}
				w.putEntries(icaEntry()) // the former memory is kept: somebody puts it back, and it is guarded again
				w.deliver(id, w.last("PutBucketNotification", w.seconds+1))
				w.putEntries(foreignEntry())
				expectStatus(w.t, w.reconcile(id), guard.Restored)
				w.expectEntries(icaEntry(), foreignEntry())
			},
		},
		{
			setting: id, name: "emptied before anything of ICA was seen", want: withNotes,
			breakIt: func(w *env) {
				w.store.recorded = nil
				w.putEntries()
			},
			check: func(w *env, _ guard.Outcome) { w.expectEntries() },
		},
	}
}

func (w *env) putEntries(entries ...entry) {
	w.t.Helper()
	w.must(w.s3.PutBucketNotificationConfiguration(w.t.Context(), w.entriesInput(entries)))
}

func (w *env) putUnchecked(entries ...entry) {
	w.t.Helper()
	input := w.entriesInput(entries)
	input.SkipDestinationValidation = aws.Bool(true)
	w.must(w.s3.PutBucketNotificationConfiguration(w.t.Context(), input))
}

func (w *env) entriesInput(entries []entry) *s3.PutBucketNotificationConfigurationInput {
	w.t.Helper()
	configuration, err := notificationConfiguration(entries)
	w.must(configuration, err)
	return &s3.PutBucketNotificationConfigurationInput{Bucket: &w.storage.Bucket.Name, NotificationConfiguration: configuration}
}

// putAsICA puts entries, and lets the guard hear that it was ICA's role.
func (w *env) putAsICA(entries ...entry) {
	w.t.Helper()
	w.deliver("bucket-notification", w.putEvent(w.seconds+1, true, entries...))
	w.requeued = nil
}

// putEvent puts entries as ICA's role or as somebody of the lab, and answers the event.
func (w *env) putEvent(second int64, byICA bool, entries ...entry) localaws.Envelope {
	w.t.Helper()
	w.seconds = max(w.seconds, second)
	key, who := "AKIALAB", localaws.IAMUser(w.local.Account(), "stranger")
	if byICA {
		key, who = "AKIAICA"+w.storage.Role.Name, localaws.AssumedRole(w.local.Account(), w.storage.Role.Name, secretPrefix+"-session")
	}
	w.local.Recorder().Identify(key, who)
	client := awsclient.S3(w.local.Config("us-east-1", key), "us-east-1")
	w.must(client.PutBucketNotificationConfiguration(w.t.Context(), w.entriesInput(entries)))
	return w.last("PutBucketNotification", second)
}

func (w *env) entries() []entry {
	w.t.Helper()
	clients := w.engine.Clients
	clients.Config = w.local.Config("us-east-1", "AKIATEST")
	got, err := readEntries(w.t.Context(), clients, w.storage)
	w.must(got, err)
	return got
}

func (w *env) expectEntries(want ...entry) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.entries(), cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("notifications (-want +got):\n%s", diff)
	}
}

// deleteTopic deletes ICA's topic and returns what brings it back: all envs share it.
func (w *env) deleteTopic() (restore func()) {
	w.t.Helper()
	illumina := sns.NewFromConfig(w.local.as(w.t, illuminasAccount))
	w.must(illumina.DeleteTopic(w.t.Context(), &sns.DeleteTopicInput{TopicArn: aws.String(icaTopic)}))
	ctx := context.WithoutCancel(w.t.Context())
	return func() { w.must(illumina.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("ica")})) }
}

func TestEqualEntries(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*entry)
		want   bool
	}{
		"itself":             {func(*entry) {}, true},
		"another id":         {func(e *entry) { e.ID = "" }, true},
		"another order":      {func(e *entry) { slices.Reverse(e.Events) }, true},
		"an event twice":     {func(e *entry) { e.Events = append(e.Events, e.Events[0]) }, true},
		"S3's own spelling":  {func(e *entry) { e.Filters = one("Prefix", "ica/") }, true},
		"a filter for all":   {func(e *entry) { e.Filters = append(e.Filters, filter{"suffix", ""}) }, true},
		"another target":     {func(e *entry) { e.Target = otherTopic }, false},
		"an event less":      {func(e *entry) { e.Events = e.Events[:1] }, false},
		"another prefix":     {func(e *entry) { e.Filters = one("prefix", "ICA/") }, false},
		"suffix, not prefix": {func(e *entry) { e.Filters = one("suffix", "ica/") }, false},
		"no filter":          {func(e *entry) { e.Filters = nil }, false},
	} {
		other := icaEntry()
		c.change(&other)
		if got := icaEntry().equal(other); got != c.want {
			t.Errorf("%s: equal %v, want %v", name, got, c.want)
		}
	}
}

// wrote is the event of a write, as CloudTrail tells it.
func wrote(second int64, byICA bool, entries ...entry) guard.Event {
	e := guard.Event{
		EventID: fmt.Sprint("event-", second), Event: "PutBucketNotification", Time: time.Unix(second, 0).UTC(),
		Actor: cloudtrail.Actor{ARN: "arn:aws:iam::123456789012:user/lab"},
	}
	if second == 0 {
		e.Time = time.Time{}
	}
	if byICA {
		e.Actor.Issuer = "arn:aws:iam::123456789012:role/ICA"
	}
	written := map[string]any{"xmlns": "http://s3.amazonaws.com/doc/2006-03-01/"}
	for _, one := range entries {
		list, element, target := "TopicConfiguration", "Topic", map[string]any{"Id": one.ID, "Event": one.Events}
		switch {
		case one.Target == toEventBridge:
			written["EventBridgeConfiguration"] = ""
			continue
		case strings.Contains(one.Target, ":sqs:"):
			list, element = "QueueConfiguration", "Queue"
		}
		target[element] = one.Target
		target["Filter"] = map[string]any{"S3Key": map[string]any{"FilterRule": one.Filters}}
		before, _ := written[list].([]any)
		written[list] = append(before, target)
	}
	e.Parameters = guard.Parameters(text(map[string]any{"bucketName": "b", "NotificationConfiguration": written}))
	return e
}

// TestNotificationAuthors plays events in the order in which they happen to arrive. Entries are letters: i and j are
// ICA's, l, b (EventBridge) and c (in another account of its organisation) the lab's. "ica@10 li: lib" is a pass that
// hears that ICA's role wrote l and i at second 10, and finds l, i and b on the bucket. "?" is an event without
// parameters, "!" one that is unreadable.
func TestNotificationAuthors(t *testing.T) {
	for _, c := range []struct {
		name, before   string // ICA's|others'
		passes         []string
		after, because string
	}{
		{"ICA's first", "|l", []string{"ica@10 li: li"}, "i|l", ""},
		{"ICA's first, in our account", "|l", []string{"ica@10 lb: lb"}, "b|l", ""},
		{"ICA drops others' by the way", "|l", []string{"ica@10 i: i"}, "i|", ""},
		{"ICA's last is removed by ICA", "i|l", []string{"ica@10 l: l"}, "i|l", "removed"},
		{"and ICA puts another", "i|l", []string{"ica@10 l: l", "ica@20 lj: lj"}, "j|l", ""},
		{"a stranger adds", "i|", []string{"lab@10 il: il"}, "i|l", ""},
		{"a stranger removes ICA's", "i|l", []string{"lab@10 l: l"}, "i|l", ""},
		{"the bucket has more by now", "|l", []string{"ica@10 li: lib"}, "|lb", "has other notifications by now"},
		{"emptied before it was heard", "|l", []string{"ica@10 li: "}, "|l", "lost i"},
		{"emptied, and both are heard", "|l", []string{"ica@10 li, lab@11 : "}, "|", "lost i"},
		{"emptied, heard the other way round", "|l", []string{"lab@11 : ", "ica@10 li: "}, "|", "lost i"},
		{"a second check", "|l", []string{"ica@10? li: li"}, "|l", "came without what it wrote"},
		{"a second check of a learnt one", "|l", []string{"ica@10 li: li", "ica@10? li: "}, "i|l", ""},
		{"unreadable", "i|l", []string{"ica@10! l: l"}, "i|l", "cannot be read"},
		{"unreadable after a lost one", "|l", []string{"ica@10 li: ", "ica@20? lij: "}, "|l", "lost i"},
		{"without a time", "|l", []string{"ica@0 li: li"}, "|l", "does not say when"},
		{"an old event twice", "|l", []string{"ica@10 li: li", "ica@20 lij: lij", "ica@10 li: li"}, "ij|l", ""},
		{"an older event of ICA's, late", "|l", []string{"ica@20 lij: lij", "ica@5 l: l"}, "ij|l", ""},
		{"the lab's own, heard in time", "|l", []string{"lab@5 lb: lb", "ica@10 lbi: lbi"}, "i|lb", ""},
		{"the lab's own, heard late", "|l", []string{"ica@10 lbi: lbi", "lab@5 lb: lbi"}, "i|lb", ""},
		{"the lab's own, seen without its event", "|l", []string{": lb", "ica@10 lbi: lbi"}, "i|lb", ""},
		{"the lab's own to another account", "|l", []string{"lab@5 lc: lc", "ica@10 lci: lci"}, "i|lc", ""},
		{"the lab's own to another account, heard late", "i|l", []string{"ica@10 lcij: lcij", "lab@5 lci: lcij"}, "ij|lc", ""},
		{"a stranger's event overtakes ICA's", "|", []string{"lab@20 il: il"}, "|il", ""},
		{"and ICA's comes late", "|", []string{"lab@20 il: il", "ica@10 i: il"}, "|l", "has other notifications by now"},
		{"and ICA writes again", "|", []string{"lab@20 il: il", "ica@10 i: il", "ica@30 il: il"}, "i|l", ""},
		{"and ICA's is lost", "|", []string{"lab@20 il: il", "ica@30 il: il"}, "|il", "had been written by others before"},
		{"ICA's first is lost, and the lab's comes late", "|", []string{"ica@20 il: il", "lab@10 il: il"}, "i|l", ""},
		{"nothing was known, and somebody writes", "", []string{"lab@5 lc: lc"}, "|l", ""},
		{"nothing was known, and ICA writes", "", []string{"ica@5 li: li"}, "i|l", ""},
		{"no event", "i|l", []string{": ", ": l", ": il"}, "i|l", ""},
	} {
		before, known := c.before, c.before != ""
		if !known {
			before = "ic|l" // what is found at first
		}
		ica, others, _ := strings.Cut(before, "|")
		now := authors{ICA: lettered(ica), Others: lettered(others)}
		for _, p := range c.passes {
			events, present := passOf(p)
			now, known = now.after(events, "arn:aws:iam::123456789012:role/ICA", present, "123456789012", known), true
		}
		because := now.Missed.Why
		if len(now.Missed.Lost) > 0 {
			because = "lost " + strings.Join(now.Missed.Lost, "")
		}
		if !now.Removed.Time.IsZero() {
			because = "removed"
		}
		for letter, e := range letters() {
			because = strings.ReplaceAll(because, e.Target, string(letter))
		}
		after := lettersOf(now.ICA) + "|" + lettersOf(now.Others)
		if sortedLetters(after) != sortedLetters(c.after) || !strings.Contains(because, c.because) || c.because == "" && because != "" {
			t.Errorf("%s: %s because %q, want %s because %q", c.name, after, because, c.after, c.because)
		}
	}
}

func letters() map[rune]entry {
	second, central := icaEntry(), foreignEntry()
	second.Target, second.Filters = otherTopic, one("prefix", "ica2/")
	central.Target, central.Filters = "arn:aws:sqs:us-east-1:222233334444:central", one("prefix", "central/")
	return map[rune]entry{'i': icaEntry(), 'j': second, 'l': foreignEntry(), 'b': {Target: toEventBridge}, 'c': central}
}

func lettered(text string) []entry {
	var all []entry
	for _, letter := range strings.TrimSpace(text) {
		all = append(all, letters()[letter])
	}
	return all
}

func lettersOf(entries []entry) string {
	var text strings.Builder
	for _, e := range entries {
		for letter, known := range letters() {
			if e.equal(known) {
				text.WriteRune(letter)
			}
		}
	}
	return text.String()
}

func sortedLetters(both string) string {
	ica, others, _ := strings.Cut(both, "|")
	return string(slices.Sorted(slices.Values([]rune(ica)))) + "|" + string(slices.Sorted(slices.Values([]rune(others))))
}

func passOf(text string) (events []guard.Event, present []entry) {
	heard, found, _ := strings.Cut(text, ":")
	for _, one := range strings.Split(heard, ",") {
		who, document, _ := strings.Cut(strings.TrimSpace(one), " ")
		author, when, ok := strings.Cut(who, "@")
		if !ok {
			continue
		}
		second, _ := strconv.ParseInt(strings.TrimRight(when, "?!"), 10, 64)
		e := wrote(second, author == "ica", lettered(document)...)
		switch when[len(when)-1] {
		case '?':
			e.Parameters = ""
		case '!':
			e.Parameters = `{"NotificationConfiguration": {"NewTargetConfiguration": {"Target": "x"}}}`
		}
		events = append(events, e)
	}
	return events, lettered(found)
}

// TestEventEntries: old and new events of one configuration decode alike, and what is not known says nothing.
func TestEventEntries(t *testing.T) {
	read := func(file string) guard.Event {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e, err := cloudtrail.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		return guard.Event{Event: e.Name, Parameters: guard.Parameters(text(e.Parameters))}
	}
	function := entry{
		Target: "arn:aws:lambda:us-east-1:111122223333:function:sample-ingest", ID: "00000000-0000-4000-8000-000000000001",
		Events: []types.Event{"s3:ObjectCreated:*"},
	}
	sample := icaEntry()
	sample.Target = "arn:aws:sns:us-east-1:444455556666:ica"
	for file, want := range map[string][]entry{
		"testdata/inputs/event-s3-PutBucketNotification-console-2018.json": {function},
		"../../../events/aws.s3.PutBucketNotification.json":                {sample},
	} {
		if got, ok := eventEntries(read(file)); !ok || !cmp.Equal(want, got) {
			t.Errorf("%s: %v %v", file, ok, cmp.Diff(want, got))
		}
	}
	for written, want := range map[string][]entry{
		`""`:                         {},
		`{"xmlns": "http://s3…"}`:    {},
		`{"TopicConfiguration": ""}`: {},
		`{"LambdaFunctionConfigurations": [{"LambdaFunctionArn": "` + function.Target + `", "Events": ["s3:ObjectCreated:*"]}]}`:      {function},
		`{"CloudFunctionConfiguration": {"CloudFunction": "` + function.Target + `", "Event": ["s3:ObjectCreated:*"], "Filter": ""}}`: {function},
		`{"QueueConfiguration": {"Id": 7, "Queue": "` + labQueue + `", "Event": "s3:ObjectCreated:*", "Filter": {"S3Key": {"FilterRule":
			[{"Name": "Prefix", "Value": "portal/"}, {"Name": "Suffix", "Value": ".csv"}]}}}, "EventBridgeConfiguration": ""}`: {foreignEntry(), {Target: toEventBridge}},
		`{"QueueConfiguration": {"Queue": "` + labQueue + `", "Event": "s3:ObjectCreated:*", "Filter": {"S3Key": {"FilterRule":
			{"Name": "prefix", "Value": true}}}}}`: {{Target: labQueue, Events: []types.Event{"s3:ObjectCreated:*"}, Filters: one("prefix", "true")}},
		`null`:             nil,
		`"text"`:           nil,
		`[{"Topic": "x"}]`: nil,
		`{"Unknown": {}}`:  nil,
		`{"TopicConfiguration": {"Event": "s3:ObjectCreated:*"}}`:                                nil,
		`{"TopicConfiguration": {"Topic": "x", "Event": "y", "Condition": "new"}}`:               nil,
		`{"TopicConfiguration": {"Topic": "x", "Event": {"y": 1}}}`:                              nil,
		`{"TopicConfiguration": [{"Topic": "x", "Event": "y"}, {"Subject": "z", "Event": "y"}]}`: nil,
	} {
		e := guard.Event{Event: "PutBucketNotification", Parameters: guard.Parameters(`{"NotificationConfiguration": ` + written + `}`)}
		got, ok := eventEntries(e)
		if ok != (want != nil) || ok && !sameEntries(want, got) {
			t.Errorf("%s: %v %v, want %v", written, ok, got, want)
		}
	}
}

// TestICAEntriesSurviveTheOrderOfEvents plays, against the engine, what made icaguard forget them.
func TestICAEntriesSurviveTheOrderOfEvents(t *testing.T) {
	const id = "bucket-notification"
	ica, lab := icaEntry(), foreignEntry()
	second := icaEntry()
	second.Target, second.ID, second.Filters = otherTopic, "ica-2", one("prefix", "ica2/")
	inSync := func(w *env, want ...guard.Status) {
		w.t.Helper()
		for _, o := range w.engine.Audit(w.t.Context(), guard.Request{Setting: id}) {
			if got := statusOf(o); !slices.Contains(append(want, guard.InSync), got) {
				w.t.Errorf("audit: %s %+v", got, o)
			}
		}
	}
	t.Run("emptied before the second check", func(t *testing.T) {
		w := newEnv(t, newFixture(t), variant{})
		expectStatus(t, w.deliver(id, w.putEvent(10, true, ica, second, lab)), guard.InSync)
		w.putEntries()
		expectStatus(t, w.again(), guard.Restored)
		w.expectEntries(ica, second)
		inSync(w)
	})
	t.Run("emptied before its event came", func(t *testing.T) {
		w := newEnv(t, newFixture(t), variant{})
		event := w.putEvent(10, true, ica, second, lab)
		w.putEntries(lab)
		o := w.deliver(id, event)
		expectStatus(t, o, guard.RestoreFailed) // the read may be stale: nothing is written yet
		if !strings.Contains(o.Problem, "another document was written than is read") || !strings.Contains(o.Problem, otherTopic) {
			t.Errorf("problem %q", o.Problem)
		}
		w.expectEntries(lab)
		o = w.again()
		expectStatus(t, o, guard.ActionRequired) // what was known is restored, what was never seen is told
		w.expectEntries(ica, lab)
		if len(o.Diffs) != 1 || len(o.Alerts) != 1 || !strings.Contains(o.Alerts[0].What, otherTopic) {
			t.Errorf("diffs %+v, alerts %+v", o.Diffs, o.Alerts)
		}
		expectStatus(t, w.deliver(id, w.putEvent(20, true, ica, second, lab)), guard.InSync) // ICA connects again
		w.putEntries(lab)
		expectStatus(t, w.reconcile(id), guard.Restored)
		w.expectEntries(ica, second, lab)
	})
	t.Run("late and twice", func(t *testing.T) {
		w := newEnv(t, newFixture(t), variant{})
		first := w.putEvent(10, true, ica, lab)
		other := lab
		other.ID, other.Filters = "own", one("prefix", "own/")
		stranger := w.putEvent(11, false, ica, lab, other)
		w.deliver(id, stranger)
		w.deliver(id, first)
		w.deliver(id, first, first)
		inSync(w, withNotes)
		w.putEntries(ica, lab) // the lab removes its own
		w.deliver(id, w.last("PutBucketNotification", 12))
		w.deliver(id, first)
		w.expectEntries(ica, lab)
		w.putEntries()
		w.reconcile(id)
		w.expectEntries(ica)
	})
	t.Run("an audit keeps what is known", func(t *testing.T) {
		w := newEnv(t, newFixture(t), variant{})
		w.putEntries()
		before := w.store.recorded[w.storage.Bucket.ARN+" "+recordedNotifications]
		for _, o := range w.engine.Audit(t.Context(), guard.Request{Setting: id}) {
			expectStatus(t, o, guard.Drifted)
		}
		expectStatus(t, w.handle(guard.Request{Setting: id, FoundByAudit: true})[0], guard.Restored)
		w.expectEntries(ica)
		if after := w.store.recorded[w.storage.Bucket.ARN+" "+recordedNotifications]; after != before || before == "" {
			t.Errorf("recorded %s, then %s", before, after)
		}
	})
	t.Run("an entry of the lab's that ICA wrote too", func(t *testing.T) {
		w := newEnv(t, newFixture(t), variant{})
		own := lab
		own.ID, own.Filters = "own", one("prefix", "own/")
		w.putEntries(ica, lab, own) // its event is lost
		w.deliver(id, w.putEvent(10, true, ica, lab, own, second))
		o := w.deliver(id, w.putEvent(11, false, ica, lab, second))
		expectStatus(t, o, withNotes)
		w.expectEntries(ica, second, lab)
	})
	t.Run("a record that cannot be read", func(t *testing.T) {
		w := newEnv(t, newFixture(t), variant{})
		w.store.recorded[w.storage.Bucket.ARN+" "+recordedNotifications] = `{"ica": 7}`
		expectStatus(t, w.reconcile(id), guard.InSync)
		w.putEntries(lab)
		expectStatus(t, w.reconcile(id), guard.Restored)
		w.expectEntries(ica, lab)
	})
	t.Run("a stale read", func(t *testing.T) {
		w := newEnv(t, newFixture(t), variant{})
		remove := w.local.Recorder().Inject(localaws.Fault{
			Operation: "GetBucketNotificationConfiguration", AccessKeyID: w.key, Kind: localaws.Stale,
		})
		inSync(w)
		event := w.putEvent(10, true, ica, second, lab)
		w.engine.Sleep = func(context.Context, time.Duration) error { remove(); return nil }
		expectStatus(t, w.deliver(id, event), guard.InSync)
		w.putEntries()
		expectStatus(t, w.again(), guard.Restored)
		w.expectEntries(ica, second)
	})
}

// TestNotificationsWithoutStore: what ICA put cannot be told, so nothing is called in sync.
func TestNotificationsWithoutStore(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	w.putEntries(foreignEntry())
	w.store.away = context.DeadlineExceeded
	o := w.reconcile("bucket-notification")
	expectStatus(t, o, guard.Unknown)
	if o.BackupError == "" || len(w.requeued) != 1 {
		t.Errorf("not kept %q, again %v", o.BackupError, w.requeued)
	}
	w.store.away = nil
	expectStatus(t, w.reconcile("bucket-notification"), guard.Restored)
	w.engine.Clients.Store = nil // as on the command line
	for _, o := range w.engine.Audit(t.Context(), guard.Request{Setting: "bucket-notification"}) {
		expectStatus(t, o, guard.InSync)
	}
}
