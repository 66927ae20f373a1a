package cloudtrail

import (
	"strings"
	"testing"
)

func TestPlain(t *testing.T) {
	longARN := "arn:aws:iam::123456789012:role/" + strings.Repeat("p", 512) + "/" + strings.Repeat("n", 64)
	for text, want := range map[string]string{
		"":                             "",
		"Admin/console-session":        "Admin/console-session",
		"Zoë 研究":                       "Zoë 研究",
		" a\n\tb\r\n  c ":              "a b c",
		"a\x00b\x1b[2Jc\u007fd\u009be": "a b [2Jc d e",
		"a\u202eb\u2066c\u200bd\ufeffe\u2028f\u061cg\U000e0041h": "a b c d e f g h",
		longARN:                         longARN,
		strings.Repeat("x", 1<<20):      strings.Repeat("x", 700) + "…",
		strings.Repeat("研", 701):        strings.Repeat("研", 700) + "…",
		strings.Repeat("x", 699) + " y": strings.Repeat("x", 699) + "…",
	} {
		if got := Plain(text); got != want {
			t.Errorf("%.60q becomes %.60q, want %.60q", text, got, want)
		}
	}
}

// TestEventsArePlain: every text of an event that is shown, whoever chose it.
func TestEventsArePlain(t *testing.T) {
	const evil = `x\n\u202ey\u001b`
	e, err := Parse([]byte(`{"eventID":"` + evil + `","requestID":"` + evil + `","eventSource":"iam.amazonaws.com","eventName":"` + evil +
		`","errorCode":"` + evil + `","sourceIPAddress":"` + evil + `","awsRegion":"` + evil + `","recipientAccountId":"` + evil +
		`","userIdentity":{"arn":"` + evil + `","sessionContext":{"sessionIssuer":{"arn":"` + evil + `"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		e.ID, e.RequestID, e.Name, e.ErrorCode, e.Region, e.Account, e.Actor.ARN, e.Actor.Issuer, e.Actor.From,
	} {
		if text != "x y" {
			t.Errorf("%q", text)
		}
	}
}
