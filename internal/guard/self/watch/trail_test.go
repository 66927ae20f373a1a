package watch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

func guardTrailCases() []selfCase {
	const id = "guard-trail"
	stop := func(w *selfEnv) {
		w.must(
			trailClient(w.stranger, inHome).StopLogging(w.t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String(guard.TrailName)}),
		)
	}
	selectors := func(s types.EventSelector) func(*selfEnv) {
		return func(w *selfEnv) {
			w.putSelectors(&cloudtrail.PutEventSelectorsInput{EventSelectors: []types.EventSelector{s}})
		}
	}
	advanced := func(fields ...types.AdvancedFieldSelector) func(*selfEnv) {
		return func(w *selfEnv) {
			w.putSelectors(
				&cloudtrail.PutEventSelectorsInput{AdvancedEventSelectors: []types.AdvancedEventSelector{{FieldSelectors: fields}}},
			)
		}
	}
	field := func(name string, equals ...string) types.AdvancedFieldSelector {
		return types.AdvancedFieldSelector{Field: aws.String(name), Equals: equals}
	}
	management := field("eventCategory", "Management")
	noKMS := types.AdvancedFieldSelector{Field: aws.String("eventSource"), NotEquals: []string{"kms.amazonaws.com"}}
	excluding := types.EventSelector{
		IncludeManagementEvents:       aws.Bool(true),
		ReadWriteType:                 types.ReadWriteTypeWriteOnly,
		ExcludeManagementEventSources: []string{"kms.amazonaws.com"},
	}
	organisations := func(w *selfEnv) {
		w.update(&cloudtrail.UpdateTrailInput{IsOrganizationTrail: aws.Bool(true)})
		w.local.Recorder().Inject(localaws.Fault{Operation: "GetTrailStatus", AccessKeyID: w.key, Kind: localaws.Denied, Times: 1})
	}
	return []selfCase{
		{setting: id, name: "logging stopped", breakIt: stop, want: guard.ActionRequired, says: "trail/icaguard has logging off"},
		{
			setting: id, name: "deleted", want: guard.ActionRequired, says: "no CloudTrail trail covers us-east-1",
			breakIt: func(w *selfEnv) {
				w.must(
					trailClient(w.stranger, inHome).DeleteTrail(w.t.Context(), &cloudtrail.DeleteTrailInput{Name: aws.String(guard.TrailName)}),
				)
			},
		},
		{
			setting: id, name: "logs reads only", want: guard.ActionRequired, says: "logs no management events that write",
			breakIt: selectors(types.EventSelector{IncludeManagementEvents: aws.Bool(true), ReadWriteType: types.ReadWriteTypeReadOnly}),
		},
		{
			setting: id, name: "logs data events only", want: guard.ActionRequired, says: "logs no management events that write",
			breakIt: selectors(types.EventSelector{IncludeManagementEvents: aws.Bool(false), ReadWriteType: types.ReadWriteTypeAll}),
		},
		{setting: id, name: "KMS excluded where no key is named", breakIt: selectors(excluding), want: guard.InSync},
		{
			setting: id,
			name:    "KMS excluded where a key is named",
			key:     true,
			breakIt: selectors(excluding),
			want:    guard.ActionRequired,
			says: "does not receive all events from eu-central-1: arn:aws:cloudtrail:us-east-1:123456789012:trail/icaguard logs no " +
				"KMS events",
		},
		{
			setting: id, name: "of one region only", want: guard.ActionRequired, says: "no CloudTrail trail covers eu-central-1",
			breakIt: func(w *selfEnv) { w.update(&cloudtrail.UpdateTrailInput{IsMultiRegionTrail: aws.Bool(false)}) },
		},
		{setting: id, name: "advanced selectors, all management events", key: true, breakIt: advanced(management), want: guard.InSync},
		{
			setting: id,
			name:    "advanced selectors, writes only",
			key:     true,
			breakIt: advanced(management, field("readOnly", "false")),
			want:    guard.InSync,
		},
		{
			setting: id, name: "advanced selectors, reads only", breakIt: advanced(management, field("readOnly", "true")),
			want: guard.ActionRequired, says: "logs no management events that write",
		},
		{
			setting: id,
			name:    "advanced selectors, data events only",
			breakIt: advanced(field("eventCategory", "Data"), field("resources.type", "AWS::S3::Object")),
			want:    guard.ActionRequired,
			says:    "logs no management events that write",
		},
		{
			setting: id, name: "advanced selectors, some events only", breakIt: advanced(management, field("eventName", "CreateUser")),
			want: guard.ActionRequired, says: "logs no management events that write",
		},
		{
			setting: id,
			name:    "advanced selectors without KMS where no key is named",
			breakIt: advanced(management, noKMS),
			want:    guard.InSync,
		},
		{
			setting: id, name: "advanced selectors without KMS where a key is named", key: true, breakIt: advanced(management, noKMS),
			want: guard.ActionRequired, says: "logs no KMS events",
		},
		{
			setting: id, name: "stopped, but another trail hears as much", want: guard.InSync,
			breakIt: func(w *selfEnv) {
				w.must(trailClient(w.stranger, away).CreateTrail(w.t.Context(), &cloudtrail.CreateTrailInput{
					Name: aws.String("other"), S3BucketName: aws.String(guard.TrailName + "-trail"), IsMultiRegionTrail: aws.Bool(true),
				}))
				w.must(trailClient(w.stranger, away).StartLogging(w.t.Context(), &cloudtrail.StartLoggingInput{Name: aws.String("other")}))
				stop(w)
			},
		},
		{
			setting: id, name: "an organisation's trail that may not be read", breakIt: organisations, want: withNotes,
			says: "it is not known whether a trail logs management events in eu-central-1",
		},
	}
}

func (w *selfEnv) putSelectors(put *cloudtrail.PutEventSelectorsInput) {
	w.t.Helper()
	put.TrailName = aws.String(guard.TrailName)
	w.must(trailClient(w.stranger, inHome).PutEventSelectors(w.t.Context(), put))
}

func (w *selfEnv) update(update *cloudtrail.UpdateTrailInput) {
	w.t.Helper()
	update.Name = aws.String(guard.TrailName)
	w.must(trailClient(w.stranger, inHome).UpdateTrail(w.t.Context(), update))
}

// TestUnheardTrails: where a trail is stopped, that is recorded, and icaguard may receive nothing from there.
func TestUnheardTrails(t *testing.T) {
	w := &selfEnv{t: t, local: localawstest.Start(t)}
	w.configure(false)
	arn := func(region, account string) string {
		return "arn:aws:cloudtrail:" + region + ":" + account + ":trail/some"
	}
	for name, c := range map[string]struct {
		trail trailState
		says  string
	}{
		"at home":             {trailState{ARN: arn(inHome, "123456789012"), Home: inHome}, ""},
		"in a region of ours": {trailState{ARN: arn(away, "123456789012"), Home: away}, ""},
		"elsewhere":           {trailState{ARN: arn("us-west-2", "123456789012"), Home: "us-west-2"}, "in us-west-2, from where"},
		"an organisation's": {
			trailState{ARN: arn(inHome, "999999999999"), Home: inHome}, "is recorded in us-east-1, account 999999999999, from where",
		},
		"not readable, which is said": {trailState{ARN: arn(inHome, "999999999999"), Home: inHome, Unknown: true}, ""},
	} {
		c.trail.Logging, c.trail.Writes, c.trail.KMS = true, true, true
		got := compareTrails(w.storage(), []regionTrails{{inHome, []trailState{c.trail}}, {away, []trailState{c.trail}}})
		said := fmt.Sprint(got.Notes)
		if c.says == "" && strings.Contains(said, "is recorded in") || c.says != "" && strings.Count(said, c.says) != 1 {
			t.Errorf("%s: %s, want %q once", name, said, c.says)
		}
	}
}
