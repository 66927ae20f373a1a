package self

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// exampleBaseline is that of ica.example.yaml, whose names the samples use.
func exampleBaseline(t testing.TB) icaconfig.Baseline {
	t.Helper()
	file, err := icaconfig.Load("../../../ica.example.yaml", guard.Exceptable(settings.All()))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner("111122223333", "aws")
	if err != nil {
		t.Fatal(err)
	}
	return file.Baseline(owner)
}

// FuzzRoute: an event leads to rows that listen to it, on resources of the baseline, once each, and what it leads to is a
// check for the engine. One that leads nowhere is ignored for a reason that can be shown. No session of ICA's role is.
func FuzzRoute(f *testing.F) {
	for _, event := range golden.Seeds(f, filepath.Join(eventsDir, "*.json"), filepath.Join(eventsDir, "recorded", "*.json")) {
		f.Add(event, "")
		f.Add(bytes.Replace(event, []byte(`"eventName"`), []byte(`"errorCode":"AccessDenied","eventName"`), 1), "")
		f.Add(bytes.ReplaceAll(event, []byte("111122223333"), []byte("999999999999")), "")
	}
	f.Add([]byte(`{"eventSource":"iam.amazonaws.com","eventName":"UpdateRole20150331v2","recipientAccountId":111122223333,`+
		`"requestParameters":{"roleName":["illumina_ica_role",""]},"userIdentity":{"arn":"arn:aws:sts::123456789012:assumed-role/x/y"}}`),
		"arn:aws:sts::123456789012:assumed-role/x/y")
	b := exampleBaseline(f)
	engine := guard.Engine{Baseline: b, Settings: settings.All(), Self: All()}
	rows := engine.Rows()
	f.Fuzz(func(t *testing.T, body []byte, self string) {
		e, err := cloudtrail.Parse(body)
		if err != nil {
			return
		}
		requests := guard.Route(e, self, rows, b)
		if len(requests) > 0 && (e.ErrorCode != "" || e.Account != b.Account) {
			t.Errorf("a failed call, or another account's, leads to %+v", requests)
		}
		if len(requests) == 0 {
			if why := guard.WhyIgnored(e, rows, b); why == "" || strings.ContainsFunc(why, unicode.IsControl) {
				t.Errorf("ignored as %q", why)
			}
		}
		seen := map[string]bool{}
		for _, r := range requests {
			key := r.Setting + " " + r.Resource
			at := slices.IndexFunc(rows, func(row guard.Row) bool { return row.ID == r.Setting })
			if seen[key] || at < 0 || engine.Count([]guard.Request{r}) != 1 {
				t.Fatalf("not one check: %s", key)
			}
			seen[key] = true
			listens := func(trigger guard.Trigger) bool {
				return trigger.Source == e.Source &&
					(slices.Contains(trigger.Events, e.Name) || slices.Contains(trigger.Events, cloudtrail.APIName(e.Name)))
			}
			if !slices.ContainsFunc(rows[at].Triggers, listens) {
				t.Errorf("%s does not listen to %s %s", r.Setting, e.Source, e.Name)
			}
			if echo := self != "" && e.Actor.ARN == self; len(r.Events) > 1 || len(r.Events) == 0 && !echo {
				t.Errorf("%d events", len(r.Events))
			}
			for _, event := range r.Events {
				if strings.Contains(event.Actor.ARN, ":assumed-role/"+b.Roles[0].Name+"/") && !strings.HasSuffix(event.Actor.ARN, "/***") {
					t.Errorf("a session of ICA's role is shown: %s", event.Actor.ARN)
				}
			}
			if _, err := guard.Encode(r); err != nil {
				t.Error(err)
			}
		}
	})
}
