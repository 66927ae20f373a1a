package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// notifications are the present entries, and those of ICA's that icaguard has recorded.
type notifications struct {
	Present, ICA []entry
}

// authors is what icaguard has recorded of a bucket's notifications. ICA's entries are ICA's business: there is no document to
// compare with, so icaguard records what ICA's role wrote.
type authors struct {
	ICA    []entry `json:"ica"`
	Others []entry `json:"others"` // in our own account, and there before ICA's role last wrote
}

// recordedNotifications names the authors in the ledger.
const recordedNotifications = "notifications"

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
	}, guard.Spec[notifications]{Read: readNotifications, Compare: compareNotifications, Put: putNotifications, Merges: true})
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
	return notifications{Present: present, ICA: recorded.ICA}, err
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

// recordedAuthors knows nobody before the first check: then what leads to another account is taken for ICA's, as that
// is where ICA lives.
func recordedAuthors(
	ctx context.Context,
	c guard.Clients,
	s icaconfig.Storage,
	present []entry,
) (a authors, known bool, err error) {
	foundHere := authors{ICA: leadingOut(present, c.Account), Others: stayingIn(present, c.Account)}
	if c.Store == nil {
		return foundHere, false, nil
	}
	value, err := c.Store.Get(ctx, s.Bucket.ARN, recordedNotifications)
	if err != nil {
		return authors{}, false, fmt.Errorf("get what ICA put on bucket %s: %w", s.Bucket.Name, err)
	}
	if value == "" {
		return foundHere, false, nil
	}
	if err := json.Unmarshal([]byte(value), &a); err != nil {
		return authors{}, false, fmt.Errorf("get what ICA put on bucket %s: %w", s.Bucket.Name, err)
	}
	return a, true, nil
}

// recordNotifications records whose the present entries are, when an event tells who wrote them or nothing is known yet.
func recordNotifications(ctx context.Context, c guard.Clients, s icaconfig.Storage, events []guard.Event) error {
	present, err := readEntries(ctx, c, s)
	if err != nil {
		return err
	}
	before, known, err := recordedAuthors(ctx, c, s, present)
	if err != nil {
		return err
	}
	now := before
	if writer, wrote := lastWriter(events); wrote && known {
		now = before.after(writer.Issuer == s.Role.ARN, present, c.Account)
	}
	if known && before.same(now) {
		return nil
	}
	text, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("record what ICA put on bucket %s: %w", s.Bucket.Name, err)
	}
	return c.Store.Put(ctx, s.Bucket.ARN, recordedNotifications, string(text))
}

// lastWriter is who put the notifications last: a put replaces all of them, so the present ones are the last writer's.
func lastWriter(events []guard.Event) (writer cloudtrail.Actor, wrote bool) {
	var last guard.Event
	for _, event := range events {
		if slices.Contains(notificationEvents(), event.Event) && !event.Time.Before(last.Time) {
			last, wrote = event, true
		}
	}
	return last.Actor, wrote
}

// after is who wrote what, once ICA's role or somebody else has written the present entries. ICA reads, adds its own and writes
// all: what is in our own account and was there before stays others'. Of a stranger's write nothing becomes ICA's, and what leads
// to another account is nobody's yet, because events come in any order and ICA's may still be on its way.
func (a authors) after(byICA bool, present []entry, account string) authors {
	if byICA {
		a.ICA = lackingIn(a.Others, present)
	}
	return authors{ICA: a.ICA, Others: lackingIn(a.ICA, stayingIn(present, account))}
}

func (a authors) same(b authors) bool {
	return slices.EqualFunc(a.ICA, b.ICA, entry.identical) && slices.EqualFunc(a.Others, b.Others, entry.identical)
}

func compareNotifications(_ icaconfig.Storage, got notifications) guard.Comparison {
	if len(got.ICA) == 0 {
		return guard.Note("no notification of ICA's was seen on the bucket yet: nothing can be restored",
			"nothing: icaguard records what ICA's role puts there")
	}
	var v guard.Comparison
	for _, e := range lackingIn(got.Present, got.ICA) {
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
	missing := lackingIn(got.Present, got.ICA)
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
	var targets []string
	for _, e := range lackingIn(got.Present, got.ICA) {
		targets = append(targets, e.Target)
	}
	return fmt.Errorf("ICA's target %s is gone or no longer lets S3 in: %w", strings.Join(targets, ", "), err)
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
