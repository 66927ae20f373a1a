package settings

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// maxCORSRules is S3's limit for one bucket (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html).
const maxCORSRules = 100

func bucketCORS() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "bucket-cors",
			Title:  "Bucket CORS lets ICA's web pages upload and read",
			Effect: "uploads from the browser fail at once with a CORS error in its console; uploads by CLI go on",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("S3 console, bucket %s, Permissions, CORS: add ICA's rule as the first one", s.Bucket.Name)
			},
			On:       guard.OnBucket,
			Triggers: []guard.Trigger{bucketEvents("PutBucketCors", "DeleteBucketCors")},
			Reads:    guard.Actions(guard.OnBucket, "s3:GetBucketCORS"),
		},
		Writes: guard.Actions(guard.OnBucket, "s3:PutBucketCORS"),
	}, guard.Spec[[]types.CORSRule]{
		Read: readCORS, Compare: compareCORS, Put: putCORS, Merges: true,
		Witness: func(e guard.Event, _ []types.CORSRule) ([]types.CORSRule, bool) { return witnessCORS(e) },
		Missing: func(s icaconfig.Storage, from, in []types.CORSRule) []string {
			return missingRules(restoredRules(s, from), restoredRules(s, in))
		},
	})
}

// eventRule is a rule as an event has it.
type eventRule struct {
	ID            word
	AllowedHeader many[word]
	AllowedMethod many[word]
	AllowedOrigin many[word]
	ExposeHeader  many[word]
	MaxAgeSeconds word
}

func witnessCORS(e guard.Event) ([]types.CORSRule, bool) {
	if e.Event == "DeleteBucketCors" {
		return nil, true
	}
	var written struct{ CORSRule many[eventRule] }
	if e.Event != "PutBucketCors" || !eventDocument(e.Parameters.Fields()["CORSConfiguration"], nil, &written) {
		return nil, false
	}
	var rules []types.CORSRule
	for _, r := range written.CORSRule {
		age, err := strconv.ParseInt(cmp.Or(string(r.MaxAgeSeconds), "0"), 10, 32)
		if err != nil {
			return nil, false
		}
		rules = append(rules, types.CORSRule{
			ID: optional(string(r.ID)), MaxAgeSeconds: aws.Int32(int32(age)), AllowedHeaders: texts[string](r.AllowedHeader),
			AllowedMethods: texts[string](r.AllowedMethod), AllowedOrigins: texts[string](r.AllowedOrigin),
			ExposeHeaders: texts[string](r.ExposeHeader),
		})
	}
	return rules, true
}

// missingRules names the rules that the other configuration does not have. An id is only a name.
func missingRules(from, in []types.CORSRule) []string {
	var names []string
	for i, rule := range from {
		if !slices.ContainsFunc(in, func(other types.CORSRule) bool { return equalRule(rule, other) }) {
			names = append(names, fmt.Sprintf("CORS rule %d for %s", i+1, strings.Join(rule.AllowedOrigins, ", ")))
		}
	}
	return names
}

// wantCORS is the one rule that ICA needs; the bucket may have others.
func wantCORS(s icaconfig.Storage) types.CORSRule {
	rule := s.Bucket.CORS
	want := types.CORSRule{
		ID:             optional(rule.ID),
		AllowedHeaders: rule.AllowedHeaders,
		AllowedMethods: rule.AllowedMethods,
		AllowedOrigins: rule.AllowedOrigins,
		ExposeHeaders:  rule.ExposeHeaders,
	}
	if rule.MaxAgeSeconds != 0 {
		want.MaxAgeSeconds = &rule.MaxAgeSeconds
	}
	return want
}

func readCORS(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]types.CORSRule, error) {
	out, err := s3Client(c, s.Region.AWS).GetBucketCors(ctx, &s3.GetBucketCorsInput{
		Bucket:              &s.Bucket.Name,
		ExpectedBucketOwner: &c.Account,
	})
	if awserr.IsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get cors of bucket %s: %w", s.Bucket.Name, err)
	}
	if len(out.CORSRules) == 0 { // S3 takes none for an error of its own, see API_GetBucketCors
		return nil, fmt.Errorf("get cors of bucket %s: %w", s.Bucket.Name, awserr.ErrBroken)
	}
	return out.CORSRules, nil
}

// compareCORS asks what S3 would answer ICA's pages: S3 uses the first rule that matches origin and method of a request
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html), so for every method of ours that first rule must
// also give our headers. Methods that suffer the same fault share one difference.
func compareCORS(s icaconfig.Storage, got []types.CORSRule) guard.Comparison {
	ours := wantCORS(s)
	var diffs []guard.Diff
	for _, origin := range ours.AllowedOrigins {
		for _, method := range ours.AllowedMethods {
			fault := faultOfRequest(ours, got, origin, method)
			if fault == "" {
				continue
			}
			path := "CORS for " + origin
			same := slices.IndexFunc(diffs, func(d guard.Diff) bool { return d.Path == path && d.Found == fault })
			if same < 0 {
				diffs = append(diffs, guard.Diff{Path: path, Expected: "a rule that allows " + method, Found: fault})
			} else {
				diffs[same].Expected += ", " + method
			}
		}
	}
	return guard.Comparison{Diffs: diffs}
}

// faultOfRequest says what is wrong with the answer to ICA's request, or nothing.
func faultOfRequest(ours types.CORSRule, got []types.CORSRule, origin, method string) string {
	at := slices.IndexFunc(got, func(r types.CORSRule) bool { return answers(r, origin, method) })
	if at < 0 {
		return "none"
	}
	missing := append(lacking(got[at].AllowedHeaders, ours.AllowedHeaders), lacking(got[at].ExposeHeaders, ours.ExposeHeaders)...)
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("rule %d answers first and lacks header %s", at+1, strings.Join(missing, ", "))
}

// answers reports whether S3 would use the rule for this origin and method.
func answers(r types.CORSRule, origin, method string) bool {
	return slices.Contains(r.AllowedMethods, method) &&
		slices.ContainsFunc(r.AllowedOrigins, func(pattern string) bool { return icaconfig.MatchesOrigin(pattern, origin) })
}

// lacking lists the headers of need that are not in have. Header names ignore case; "*" is needed and had as such.
func lacking(have, need []string) []string {
	var missing []string
	for _, header := range need {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, header) }) {
			missing = append(missing, header)
		}
	}
	return missing
}

// restoredRules are our rule first and every other rule after it, unchanged and in order. A rule that is exactly ours
// is moved, not doubled.
func restoredRules(s icaconfig.Storage, got []types.CORSRule) []types.CORSRule {
	ours := wantCORS(s)
	rules := []types.CORSRule{ours}
	for _, rule := range got {
		if !sameRule(rule, ours) {
			rules = append(rules, rule)
		}
	}
	return rules
}

func putCORS(ctx context.Context, c guard.Clients, s icaconfig.Storage, got []types.CORSRule) error {
	rules := restoredRules(s, got)
	if len(rules) > maxCORSRules {
		return fmt.Errorf(
			"bucket %s: %w: it has %d CORS rules of others; remove one that is no longer needed", s.Bucket.Name, guard.ErrFull,
			len(got),
		)
	}
	_, err := s3Client(c, s.Region.AWS).PutBucketCors(ctx, &s3.PutBucketCorsInput{
		Bucket:              &s.Bucket.Name,
		ExpectedBucketOwner: &c.Account,
		CORSConfiguration:   &types.CORSConfiguration{CORSRules: rules},
	})
	if err != nil {
		return fmt.Errorf("put cors on bucket %s: %w", s.Bucket.Name, err)
	}
	return nil
}

// sameRule says that a is b, our rule: by our ID, which S3 wants once, or by the same lists. A rule with another ID or age
// is somebody's own.
func sameRule(a, b types.CORSRule) bool {
	if b.ID != nil && aws.ToString(a.ID) == aws.ToString(b.ID) {
		return true
	}
	return aws.ToString(a.ID) == aws.ToString(b.ID) && equalRule(a, b)
}

// equalRule compares what the rules do.
func equalRule(a, b types.CORSRule) bool {
	return aws.ToInt32(a.MaxAgeSeconds) == aws.ToInt32(b.MaxAgeSeconds) &&
		sameSet(a.AllowedHeaders, b.AllowedHeaders) && sameSet(a.AllowedMethods, b.AllowedMethods) &&
		sameSet(a.AllowedOrigins, b.AllowedOrigins) && sameSet(a.ExposeHeaders, b.ExposeHeaders)
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
