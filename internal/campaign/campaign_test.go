package campaign

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

const bucket = "arn:aws:s3:::lab-1"

// mail is one of many about bucket-cors, if it is no summary.
func mail(status, body string) localawstest.Mail {
	m := localawstest.Mail{Message: body, MessageAttributes: map[string]struct{ Type, Value string }{}}
	m.MessageAttributes["status"] = struct{ Type, Value string }{"String", status}
	if status != "summary" {
		m.MessageAttributes["setting"] = struct{ Type, Value string }{"String", "bucket-cors"}
	}
	return m
}

func TestTold(t *testing.T) {
	c := Change{Events: []string{"e1", "e2"}, Setting: "bucket-cors", Resource: bucket}
	about := "CORS\n\nresource  " + bucket + "\nstatus    x\n"
	for name, want := range map[string]struct {
		mails  []localawstest.Mail
		told   int
		summed bool
	}{
		"nothing":                 {nil, 0, false},
		"by one of its events":    {[]localawstest.Mail{mail("restored", about+"event     e2 by somebody\n")}, 1, false},
		"by another event":        {[]localawstest.Mail{mail("restored", about+"event     e3 by somebody\n")}, 0, false},
		"by an audit":             {[]localawstest.Mail{mail("restored", about)}, 1, false},
		"twice the same":          {[]localawstest.Mail{mail("restored", about), mail("restored", about+"event     e1\n")}, 2, false},
		"first one, then another": {[]localawstest.Mail{mail("unverified", about), mail("restored", about)}, 1, false},
		"of another resource":     {[]localawstest.Mail{mail("restored", strings.ReplaceAll(about, "lab-1", "lab-11"))}, 0, false},
		"in a summary":            {[]localawstest.Mail{mail("summary", "STORAGE\n\n"+about)}, 0, true},
		"in a summary's table":    {[]localawstest.Mail{mail("summary", "lab bucket-cors in-sync "+bucket+"\n")}, 0, false},
	} {
		if told, summed := c.Told(want.mails), c.Summed(want.mails); told != want.told || summed != want.summed {
			t.Errorf("%s: told %d times, in a summary %v; want %d, %v", name, told, summed, want.told, want.summed)
		}
	}
}

func TestCountTold(t *testing.T) {
	var c Count
	c.Told(0, 1, false)
	c.Told(0, 1, true)
	c.Told(1, 1, true)
	c.Told(2, 1, false)
	c.Told(2, 2, false)
	if want := (Count{Untold: 1, Summed: 1, Once: 2, Twice: 1}); c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
}

func TestBelow(t *testing.T) {
	var tally Tally
	tally.Add("killed", Count{Strikes: 150})
	tally.Add("killed", Count{Strikes: 50})
	tally.Add("cut", Count{Strikes: 199})
	tally.Add("slow", Count{Strikes: 120})
	tally.Add(AmongSteps("slow"), Count{Strikes: 80})
	kinds := []string{"killed", "cut", "never", "slow", AmongSteps("slow"), AmongSteps("lost")}
	if below := tally.below(200, kinds); !slices.Equal(below, []string{"cut", "never", AmongSteps("lost")}) {
		t.Errorf("%v", below)
	}
}

func TestRarest(t *testing.T) {
	var tally Tally
	tally.Add("a", Count{Strikes: 4})
	tally.Add("b", Count{Strikes: 3})
	tally.Add("c", Count{Strikes: 9})
	parts := [][]string{{AmongSteps("a")}, {"a"}, {"b", "c"}}
	for i, want := range []int{0, 2, 1} { // random steps, then what is rarest; what is under way counts
		if got := tally.next(parts, 1); got != want {
			t.Errorf("draw %d: part %d, want %d", i, got, want)
		}
		tally.Add("a", Count{Strikes: 1})
	}
}

// drawnBy are the cases that the options draw.
func drawnBy(t *testing.T, o Options) (drawn []string) {
	t.Helper()
	parts := []Part[int]{{Kinds: []string{"x"}, Sample: 3}, {Kinds: []string{"y"}, Sample: 3}}
	for i := range parts {
		for _, name := range strings.Fields("a b c d e f g h") {
			parts[i].Cases = append(parts[i].Cases, Case[int]{Name: parts[i].Kinds[0] + "/" + name})
		}
	}
	jobs := make(chan job[int])
	go func() {
		defer close(jobs)
		draw(t, o, parts, &Tally{}, jobs)
	}()
	for j := range jobs {
		drawn = append(drawn, Trial{name: j.Name, seed: j.seed}.String())
	}
	return drawn
}

// TestDraw: the same again with the same seed, and parts with the same cases try the same ones.
func TestDraw(t *testing.T) {
	first := drawnBy(t, Options{Seed: 7})
	if again := drawnBy(t, Options{Seed: 7}); len(first) != 6 || !slices.Equal(first, again) {
		t.Errorf("%q, then %q", first, again)
	}
	if strings.ReplaceAll(first[0], "x/", "y/") != first[3] {
		t.Errorf("parts with the same cases draw %s and %s", first[0], first[3])
	}
	if other := drawnBy(t, Options{Seed: 8}); slices.Equal(first, other) {
		t.Error("another seed draws the same")
	}
	if named := drawnBy(t, Options{Seed: 7, Case: "y/*"}); len(named) != 8 || !strings.Contains(named[0], "y/a") {
		t.Errorf("%q", named)
	}
	if full := drawnBy(t, Options{Seed: 7, Full: true}); len(full) != 16 {
		t.Errorf("%q", full)
	}
}

// TestLater: what is delayed comes in the order of its time, after all that is not, and once nothing is left to do.
func TestLater(t *testing.T) {
	local := localawstest.Start(t)
	requests := localawstest.NewQueue(t, local, "requests", nil)
	l := newLater(t, local, requests, "later")
	functions := sqs.NewFromConfig(local.DirectConfig(localawstest.Region), func(o *sqs.Options) { o.BaseEndpoint = &l.url })
	for body, delay := range map[string]int32{"in a minute": 60, "in 15 s": 15, "now": 0} {
		if _, err := functions.SendMessage(
			t.Context(), &sqs.SendMessageInput{QueueUrl: &requests.URL, MessageBody: &body, DelaySeconds: delay},
		); err != nil {
			t.Fatal(err)
		}
	}
	var came []string
	for _, next := range []bool{false, false, true, true, true} {
		l.release(next)
		for _, message := range requests.Take() {
			came = append(came, aws.ToString(message.Body))
		}
	}
	if want := []string{"now", "in 15 s", "in a minute"}; !slices.Equal(came, want) {
		t.Errorf("%q, want %q", came, want)
	}
}

func TestUnexplained(t *testing.T) {
	batch := func(struck localaws.Kind, failed ...string) Batch {
		b := Batch{Batch: localaws.Batch{Failed: failed, Messages: []events.SQSMessage{{MessageId: "m"}, {MessageId: "n"}}}}
		if struck != "" {
			b.Struck = []localaws.Kind{struck}
		}
		return b
	}
	killed, stale, calm := batch(localaws.Killed, "m"), batch(localaws.Stale, "m"), batch("", "m")
	if why := Unexplained([]Batch{killed, stale, calm, batch(localaws.Cut), batch("")}); len(why) != 2 {
		t.Errorf("%q", why)
	}
	letter := func(reason string) types.Message {
		m := types.Message{MessageId: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{}}
		if reason != "" {
			m.MessageAttributes["reason"] = types.MessageAttributeValue{StringValue: &reason}
		}
		return m
	}
	for name, c := range map[string]struct {
		letter    types.Message
		batches   []Batch
		explained bool
	}{
		"each batch was struck":        {letter(""), []Batch{killed, killed, killed, killed, killed}, true},
		"one was not":                  {letter(""), []Batch{killed, killed, calm, killed, killed}, false},
		"a stale read explains none":   {letter(""), []Batch{killed, killed, stale, killed, killed}, false},
		"others failed":                {letter(""), slices.Repeat([]Batch{batch(localaws.Killed, "n")}, 5), false},
		"not understood":               {letter("message: parse"), []Batch{killed}, false},
		"SNS did not take it":          {letter(notDelivered + "15 times"), []Batch{batch(localaws.Denied)}, true},
		"SNS did not, and nothing was": {letter(notDelivered + "15 times"), []Batch{batch("")}, false},
	} {
		if why := UnexplainedLetter(c.letter, c.batches); (why == "") != c.explained {
			t.Errorf("%s: %q", name, why)
		}
	}
}
