package settings

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/guard"
)

func bucketRequestPaymentCases() []testCase {
	const id = "bucket-request-payment"
	pays := func(payer types.Payer) func(*env) {
		return func(w *env) {
			w.must(w.s3.PutBucketRequestPayment(w.t.Context(), &s3.PutBucketRequestPaymentInput{
				Bucket: &w.storage.Bucket.Name, RequestPaymentConfiguration: &types.RequestPaymentConfiguration{Payer: payer},
			}))
		}
	}
	stays := func(text string) func(*env, guard.Outcome) {
		return func(w *env, o guard.Outcome) {
			if got := w.state()[id]; got != `"Requester"` {
				w.t.Errorf("payer %s: it is the lab's to decide", got)
			}
			if text == "" {
				return
			}
			expectTold(w.t, o, text)
		}
	}
	const copies = "crossAccountCopy: true"
	return []testCase{
		{
			setting: id, name: "requester pays, with cross-account copy", variant: variant{bucket: copies}, want: guard.ActionRequired,
			breakIt: pays(types.PayerRequester), check: stays("copies fail with 403"),
			notShown: "the 403 itself",
		},
		{setting: id, name: "requester pays", want: withNotes, breakIt: pays(types.PayerRequester), check: stays("")},
		{setting: id, name: "the owner pays, set again", want: guard.InSync, breakIt: pays(types.PayerBucketOwner)},
	}
}

func TestPayerOfNoBucket(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	w.deleteBucket()
	o := w.reconcile("bucket-request-payment")
	expectStatus(t, o, guard.ActionRequired)
	if o.RootCause != "bucket" {
		t.Errorf("root cause %q: setting bucket reports that it is gone", o.RootCause)
	}
}
