package watch

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// regionTrails are the trails that cover one region.
type regionTrails struct {
	Region string
	Trails []trailState
}

// trailState is a trail that covers the region.
type trailState struct {
	ARN     string
	Home    string // the region in which events about it appear
	Logging bool
	Writes  bool // management events that write are logged
	KMS     bool // those of KMS, too
	// Unknown: an organisation's trail that this account may not read.
	Unknown bool
}

func readTrails(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]regionTrails, error) {
	var all []regionTrails
	known := map[string]trailState{}
	for _, region := range s.Home.Regions() {
		out, err := trailClient(c, region).DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{})
		if err != nil {
			return nil, fmt.Errorf("describe trails in %s: %w", region, err)
		}
		h := regionTrails{Region: region}
		for _, trail := range out.TrailList {
			if aws.ToString(trail.HomeRegion) != region && !aws.ToBool(trail.IsMultiRegionTrail) {
				continue
			}
			arn := aws.ToString(trail.TrailARN)
			if _, done := known[arn]; !done {
				if known[arn], err = readTrail(ctx, c, trail); err != nil {
					return nil, err
				}
			}
			h.Trails = append(h.Trails, known[arn])
		}
		all = append(all, h)
	}
	return all, nil
}

// readTrail asks in the trail's own region. An organisation's trail may be closed to its members.
func readTrail(ctx context.Context, c guard.Clients, trail types.Trail) (trailState, error) {
	state := trailState{ARN: aws.ToString(trail.TrailARN), Home: aws.ToString(trail.HomeRegion)}
	client := trailClient(c, aws.ToString(trail.HomeRegion))
	status, err := client.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: trail.TrailARN})
	if err == nil {
		state.Logging = aws.ToBool(status.IsLogging)
		var selectors *cloudtrail.GetEventSelectorsOutput
		if selectors, err = client.GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: trail.TrailARN}); err == nil {
			state.Writes, state.KMS = logged(selectors)
			return state, nil
		}
	}
	switch class := awserr.Classify(err); {
	case class != awserr.Transient && aws.ToBool(trail.IsOrganizationTrail):
		// Members may be refused in several ways, the id of another account in the ARN among them. That logging is on may be
		// known all the same.
		state.Unknown = status == nil || state.Logging
		return state, nil
	case class == awserr.Gone:
		return state, nil // deleted since it was listed: it logs nothing
	}
	return trailState{}, fmt.Errorf("read trail %s: %w", state.ARN, err)
}

// kmsSource is how selectors name KMS.
const kmsSource = "kms.amazonaws.com"

// logged tells whether a trail's selectors let management events that write through, and among them those of KMS.
func logged(out *cloudtrail.GetEventSelectorsOutput) (writes, kms bool) {
	for _, s := range out.EventSelectors {
		if aws.ToBool(s.IncludeManagementEvents) && s.ReadWriteType != types.ReadWriteTypeReadOnly {
			writes = true
			kms = kms || !slices.Contains(s.ExcludeManagementEventSources, kmsSource)
		}
	}
	for _, s := range out.AdvancedEventSelectors {
		if w, k := loggedAdvanced(s.FieldSelectors); w {
			writes, kms = true, kms || k
		}
	}
	return writes, kms
}

// loggedAdvanced reads one advanced selector: all of its fields have to match an event. A field that nobody here knows
// may leave our
// events out, so it does not count as logging them.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
func loggedAdvanced(fields []types.AdvancedFieldSelector) (writes, kms bool) {
	kms = true
	for _, field := range fields {
		switch aws.ToString(field.Field) {
		case "eventCategory":
			writes = slices.Contains(field.Equals, "Management")
		case "readOnly":
			if slices.Contains(field.Equals, "true") {
				return false, false
			}
		case "eventSource":
			if len(field.NotEquals) == 0 {
				return false, false
			}
			kms = !slices.Contains(field.NotEquals, kmsSource)
		default:
			return false, false
		}
	}
	return writes, kms
}

func compareTrails(s icaconfig.Storage, got []regionTrails) guard.Comparison {
	v := guard.Comparison{Notes: unheardTrails(s, got)}
	for _, h := range got {
		needsKMS := slices.Contains(s.Home.KeyRegions, h.Region)
		switch {
		case slices.ContainsFunc(h.Trails, func(t trailState) bool { return t.Logging && t.Writes && (t.KMS || !needsKMS) }):
		case slices.ContainsFunc(h.Trails, func(t trailState) bool { return t.Unknown }):
			v.Notes = append(v.Notes, guard.Finding{
				What: "it is not known whether a trail logs management events in " + h.Region + ": this account may not read " +
					"the organisation's trail",
				Remediation: "let icaguard probe show that events arrive",
			})
		default:
			v.Alerts = append(v.Alerts, guard.Finding{What: h.whyNothing(needsKMS), Remediation: self.Trail().Remediation(s)})
		}
	}
	return v
}

// unheardTrails: StopLogging and the like are recorded in the trail's home region, and of an organisation's trail in the
// account that manages it.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html
func unheardTrails(s icaconfig.Storage, got []regionTrails) []guard.Finding {
	var notes []guard.Finding
	seen := map[string]bool{}
	for _, t := range slices.Concat(trailsOf(got)...) {
		where := t.Home
		if owner, err := arn.Parse(t.ARN); err == nil && owner.AccountID != s.Home.Account {
			where += ", account " + owner.AccountID
		} else if slices.Contains(s.Home.Regions(), t.Home) {
			continue
		}
		if !seen[t.ARN] && !t.Unknown {
			notes = append(notes, guard.Finding{
				What: "who stops trail " + t.ARN + " is recorded in " + where + ", from where icaguard receives no events: only the " +
					"scheduled audit finds it",
				Remediation: "let whoever watches " + where + " report StopLogging, DeleteTrail, UpdateTrail and PutEventSelectors",
			})
		}
		seen[t.ARN] = true
	}
	return notes
}

func trailsOf(regions []regionTrails) [][]trailState {
	all := make([][]trailState, len(regions))
	for i, r := range regions {
		all[i] = r.Trails
	}
	return all
}

// whyNothing says why no events arrive from the region.
func (h regionTrails) whyNothing(needsKMS bool) string {
	if len(h.Trails) == 0 {
		return "no CloudTrail trail covers " + h.Region + ": icaguard receives no events from there"
	}
	var why []string
	for _, t := range h.Trails {
		fault := "logs no KMS events, which the named key needs"
		if !t.Logging {
			fault = "has logging off"
		} else if !t.Writes {
			fault = "logs no management events that write"
		}
		why = append(why, t.ARN+" "+fault)
	}
	text := "icaguard receives no events from " + h.Region + ": " + strings.Join(why, ", ")
	if needsKMS {
		text = strings.Replace(text, "receives no events", "does not receive all events", 1)
	}
	return text
}
