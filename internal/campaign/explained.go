package campaign

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/localaws"
)

// failed reports whether a message of the batch comes again.
func (b Batch) failed() bool { return b.Result.FunctionError != "" || len(b.Failed) > 0 }

// disturbed: a stale read makes no batch fail.
func (b Batch) disturbed() bool {
	return slices.ContainsFunc(b.Struck, func(k localaws.Kind) bool { return k != localaws.Stale })
}

// Unexplained are the batches that failed although nothing struck them.
func Unexplained(batches []Batch) (why []string) {
	for _, b := range batches {
		if b.failed() && !b.disturbed() {
			why = append(why, fmt.Sprintf("messages %q come again: %s%s", b.Failed, b.Result.FunctionError, b.Result.Payload))
		}
	}
	return why
}

// notDelivered begins the reason of a notice that SNS never took.
const notDelivered = "notice not delivered "

// UnexplainedLetter is why a fault does not explain a dead letter, "" if it does: each batch that had it failed, and was
// struck; or SNS never took the notice.
func UnexplainedLetter(letter types.Message, batches []Batch) string {
	reason := aws.ToString(letter.MessageAttributes["reason"].StringValue)
	if reason != "" && !strings.HasPrefix(reason, notDelivered) {
		return "icaguard did not understand it: " + reason
	}
	had, struck := 0, 0
	for _, b := range batches {
		switch {
		case reason != "" && slices.ContainsFunc(b.Struck, func(k localaws.Kind) bool { return k != localaws.Stale }):
			return ""
		case !slices.Contains(b.Failed, aws.ToString(letter.MessageId)):
		case b.disturbed():
			had, struck = had+1, struck+1
		default:
			had++
		}
	}
	if had < maxReceives || struck < had {
		return fmt.Sprintf("it failed %d times, %d of them struck by a fault", had, struck)
	}
	return ""
}
