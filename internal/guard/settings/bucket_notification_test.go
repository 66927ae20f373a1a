package settings

import (
	"context"
	"slices"
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

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
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
				if got := w.entries(); len(got) != 2 || !got[0].equal(ica) || got[0].ID == ica.ID || !got[1].identical(sameName) {
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
			setting: id, name: "ICA's role takes its entry away", want: withNotes,
			breakIt: func(w *env) { w.putAsICA(foreignEntry()) },
			check:   func(w *env, _ guard.Outcome) { w.expectEntries(foreignEntry()) },
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
	w.putEntries(entries...)
	w.reconcileFor("bucket-notification", w.byICA())
	w.requeued = nil
}

func (w *env) byICA() guard.Event {
	return guard.Event{EventID: "2", Event: "PutBucketNotification", Time: time.Unix(1, 0), Actor: cloudtrail.Actor{
		ARN: "arn:aws:sts::123456789012:assumed-role/" + w.storage.Role.Name + "/session", Issuer: w.storage.Role.ARN,
	}}
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

// TestNotificationAuthors plays events in the order in which they happen to arrive.
func TestNotificationAuthors(t *testing.T) {
	const account = "123456789012"
	ica, lab := icaEntry(), foreignEntry()
	bus := entry{Target: toEventBridge}
	names := func(entries []entry) string {
		var all []string
		for _, e := range entries {
			all = append(all, e.Target)
		}
		return strings.Join(all, " ")
	}
	for name, c := range map[string]struct {
		before      authors
		byICA       bool
		present     []entry
		ica, others string
	}{
		"ICA's first":                        {authors{Others: []entry{lab}}, true, []entry{lab, ica}, icaTopic, labQueue},
		"ICA's first, in our account":        {authors{Others: []entry{lab}}, true, []entry{lab, bus}, toEventBridge, labQueue},
		"ICA drops others' by the way":       {authors{Others: []entry{lab}}, true, []entry{ica}, icaTopic, ""},
		"a stranger adds":                    {authors{ICA: []entry{ica}}, false, []entry{ica, lab}, icaTopic, labQueue},
		"a stranger removes ICA's":           {authors{ICA: []entry{ica}}, false, []entry{lab}, icaTopic, labQueue},
		"a stranger's event overtakes ICA's": {authors{}, false, []entry{ica, lab}, "", labQueue},
		"and then ICA's arrives":             {authors{Others: []entry{lab}}, true, []entry{ica, lab}, icaTopic, labQueue},
	} {
		after := c.before.after(c.byICA, c.present, account)
		if names(after.ICA) != c.ica || names(after.Others) != c.others {
			t.Errorf("%s: ICA's %q, others' %q; want %q and %q", name, names(after.ICA), names(after.Others), c.ica, c.others)
		}
	}
}

func TestLastWriter(t *testing.T) {
	at := func(second int64, event, arn string) guard.Event {
		return guard.Event{Event: event, Time: time.Unix(second, 0), Actor: cloudtrail.Actor{ARN: arn}}
	}
	writer, wrote := lastWriter([]guard.Event{
		at(1, "PutBucketNotification", "first"), at(3, "PutBucketNotificationConfiguration", "last"),
		at(2, "PutBucketNotification", "second"), at(4, "CreateBucket", "nobody"),
	})
	if writer.ARN != "last" || !wrote {
		t.Errorf("last writer %q, %v", writer.ARN, wrote)
	}
	if _, wrote := lastWriter([]guard.Event{at(1, "CreateBucket", "nobody")}); wrote {
		t.Error("creating a bucket puts no notifications")
	}
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
