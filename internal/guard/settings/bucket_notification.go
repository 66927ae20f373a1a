package settings

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// notifications are the present entries, and what icaguard has recorded of who put them.
type notifications struct {
	Present  []entry
	Recorded authors
}

func bucketNotification() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "bucket-notification",
			Title:  "The notifications that ICA put on the bucket are still there",
			Effect: "files that come into the bucket, or go, do not show up in ICA",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf(
					"S3 console, bucket %s, Properties, Event notifications: remove or narrow what listens to the same events as ICA's entry; "+
						"if ICA's own target is gone, let ICA connect the storage again",
					s.Bucket.Name,
				)
			},
			On: guard.OnBucket,
			// CloudTrail's documentation has the short name, the API the long one.
			Triggers: []guard.Trigger{bucketEvents(notificationEvents()...)},
			Reads:    guard.Actions(guard.OnBucket, "s3:GetBucketNotification"),
		},
		Writes: guard.Actions(guard.OnBucket, "s3:PutBucketNotification"),
		Record: recordNotifications,
	}, guard.Spec[notifications]{
		Read: readNotifications, Compare: compareNotifications, Put: putNotifications, Merges: true,
		Witness: func(e guard.Event, got notifications) (notifications, bool) {
			written, ok := eventEntries(e)
			return notifications{Present: written, Recorded: got.Recorded}, ok
		},
		Missing: func(_ icaconfig.Storage, from, in notifications) []string {
			var names []string
			for _, e := range lackingIn(restoredEntries(in), restoredEntries(from)) {
				names = append(names, "notification to "+e.Target+" for "+e.String())
			}
			return names
		},
	})
}

func notificationEvents() []string {
	return []string{"PutBucketNotification", "PutBucketNotificationConfiguration"}
}

func readNotifications(ctx context.Context, c guard.Clients, s icaconfig.Storage) (notifications, error) {
	present, err := readEntries(ctx, c, s)
	if err != nil {
		return notifications{}, err
	}
	recorded, _, err := recordedAuthors(ctx, c, s, present)
	return notifications{Present: present, Recorded: recorded}, err
}

func readEntries(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]entry, error) {
	out, err := s3Client(c, s.Region.AWS).GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
	})
	if err != nil {
		return nil, fmt.Errorf("get notifications of bucket %s: %w", s.Bucket.Name, err)
	}
	return entriesOf(out), nil
}

func compareNotifications(st icaconfig.Storage, got notifications) guard.Comparison {
	known := got.Recorded
	v := known.missed(got.Present)
	missing := lackingIn(got.Present, known.ICA)
	switch {
	case len(known.ICA) == 0:
		return v.And(guard.Note("no notification of ICA's was seen on the bucket yet: nothing can be restored",
			"nothing: icaguard records what ICA's role puts there"))
	case !known.Removed.Time.IsZero():
		return v.And(known.removed(missing))
	case len(missing) > 0 && len(leadingOut(missing, accountOf(st))) == 0:
		// ICA's targets are in Illumina's account. What leads into our own may have been here before ICA read and wrote
		// all.
		return v.And(guard.Note("an entry for "+targets(missing)+", in this account, was in what ICA's role wrote and is gone: it is "+
			"not put back, as it may be the lab's own", "put it back if files do not show up in ICA"))
	}
	for _, e := range missing {
		is := "none"
		if at := slices.IndexFunc(got.Present, e.alteredTo); at >= 0 {
			is = got.Present[at].String()
		}
		v.Diffs = append(v.Diffs, guard.Diff{Path: "notification of ICA to " + e.Target, Expected: e.String(), Found: is})
	}
	return v
}

// restoredEntries are all present entries in order, and behind them those of ICA's that are missing.
func restoredEntries(got notifications) []entry {
	missing := lackingIn(got.Present, got.Recorded.ICA)
	all := slices.DeleteFunc(slices.Clone(got.Present), func(p entry) bool {
		return slices.ContainsFunc(missing, func(m entry) bool { return m.alteredTo(p) })
	})
	for _, m := range missing {
		if slices.ContainsFunc(all, func(e entry) bool { return e.ID == m.ID }) {
			m.ID = "" // taken by others: S3 gives it another
		}
		all = append(all, m)
	}
	return all
}

// putNotifications tells a target of ICA's that is gone, which needs a person, from one of others, which must not keep ICA
// blind: S3 refuses the whole for either and does not say which. Others' are to blame if it refuses what is there already.
func putNotifications(ctx context.Context, c guard.Clients, s icaconfig.Storage, got notifications) error {
	err := writeEntries(ctx, c, s, restoredEntries(got), false)
	if !awserr.IsTargetRefused(err) {
		return err
	}
	if len(got.Present) > 0 && awserr.IsTargetRefused(writeEntries(ctx, c, s, got.Present, false)) {
		return writeEntries(ctx, c, s, restoredEntries(got), true)
	}
	return fmt.Errorf("ICA's target %s is gone or no longer lets S3 in: %w", targets(lackingIn(got.Present, got.Recorded.ICA)), err)
}

func writeEntries(ctx context.Context, c guard.Clients, s icaconfig.Storage, entries []entry, unchecked bool) error {
	configuration, err := notificationConfiguration(entries)
	if err != nil {
		return fmt.Errorf("put notifications on bucket %s: %w", s.Bucket.Name, err)
	}
	_, err = s3Client(c, s.Region.AWS).PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
		NotificationConfiguration: configuration, SkipDestinationValidation: &unchecked,
	})
	if err != nil {
		return fmt.Errorf("put notifications on bucket %s: %w", s.Bucket.Name, err)
	}
	return nil
}
