package localaws_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

func TestLogsAreDelivered(t *testing.T) {
	local := localawstest.Start(t)
	logs := cloudwatchlogs.NewFromConfig(local.DirectConfig("eu-central-1"))
	var seen strings.Builder
	function, err := localaws.StartFunction(t.Context(), localaws.FunctionConfig{
		Name: "echo", ARN: functionARN, Binary: buildEcho(t), Logs: logs, Log: &seen,
	})
	if err != nil {
		t.Fatal(err)
	}
	find := func(pattern string) (lines []string) {
		out, err := logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: aws.String("/aws/lambda/echo"), FilterPattern: &pattern,
		})
		if err != nil {
			return nil // no such group yet
		}
		for _, event := range out.Events {
			lines = append(lines, aws.ToString(event.Message))
		}
		return lines
	}
	write := func(lines string) {
		invoke(t, function, `{"Records":[{"messageId":"1","body":"log `+lines+`"}]}`)
	}
	// While it runs.
	write(`{\"requestId\":\"3b1c-77\"}\nsecond\n\nunfinished`)
	eventually(t, "the lines in the log group", func() bool { return len(find("")) == 2 })
	if got := find(`"3b1c-77"`); !slices.Equal(got, []string{`{"requestId":"3b1c-77"}`}) {
		t.Errorf("found %q", got)
	}
	equal(t, "lines that are not there", len(find(`"3b1c-78"`)), 0)
	// What it wrote before it crashed; the next process has a stream of its own.
	invoke(t, function, `{"Records":[{"messageId":"1","body":"crash"}]}`)
	equal(t, "its last words", len(find(`"unfinished"`)), 1)
	write(`third\n`)
	if err := function.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "lines", len(find("")), 4)
	streams, err := logs.DescribeLogStreams(
		t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String("/aws/lambda/echo")},
	)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "streams", len(streams.LogStreams), 2)
	if !strings.Contains(seen.String(), "second") {
		t.Errorf("Log received %q", seen.String())
	}
}

func TestLostLogsAreTold(t *testing.T) {
	local := localawstest.Start(t)
	config := local.DirectConfig("eu-central-1")
	config.BaseEndpoint = aws.String("http://127.0.0.1:1")
	config.RetryMaxAttempts = 1
	function, err := localaws.StartFunction(t.Context(), localaws.FunctionConfig{
		Name: "echo", ARN: functionARN, Binary: buildEcho(t), Logs: cloudwatchlogs.NewFromConfig(config),
	})
	if err != nil {
		t.Fatal(err)
	}
	invoke(t, function, `{"Records":[{"messageId":"1","body":"log x\n"}]}`)
	if err := function.Close(); err == nil || !strings.Contains(err.Error(), "/aws/lambda/echo") {
		t.Errorf("Close() = %v", err)
	}
}
