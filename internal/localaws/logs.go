package localaws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// logStream delivers what a sandbox writes to its function's log group, line by line, as Lambda does; the lines that
// Lambda adds itself (START, END, REPORT) are not there.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
type logStream struct {
	client      *cloudwatchlogs.Client
	group, name string
	ctx         context.Context // the sandbox's: io.Writer takes none

	created bool
	rest    []byte // of a line that has not ended yet
	err     error  // the first that happened
}

// newLogStreamName is a name of Lambda's form, the same as AWS_LAMBDA_LOG_STREAM_NAME in the sandbox.
func newLogStreamName() string {
	return time.Now().UTC().Format("2006/01/02/") + "[$LATEST]" + newUUID()
}

// Write never fails: the function must not notice. What went wrong is told by close.
func (l *logStream) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	if end := bytes.LastIndexByte(l.rest, '\n'); end >= 0 {
		l.deliver(l.rest[:end])
		l.rest = bytes.Clone(l.rest[end+1:])
	}
	return len(p), nil
}

// close delivers a last line without an end, once nobody writes any more.
func (l *logStream) close() error {
	l.deliver(l.rest)
	l.rest = nil
	if l.err != nil {
		return fmt.Errorf("deliver the log of %s: %w", l.group, l.err)
	}
	return nil
}

func (l *logStream) deliver(lines []byte) {
	var events []types.InputLogEvent
	now := aws.Int64(time.Now().UnixMilli())
	for line := range bytes.SplitSeq(lines, []byte("\n")) {
		if len(line) > 0 { // CloudWatch Logs refuses empty messages
			events = append(events, types.InputLogEvent{Timestamp: now, Message: aws.String(string(line))})
		}
	}
	if len(events) == 0 || l.err != nil {
		return
	}
	if l.err = l.create(); l.err != nil {
		return
	}
	_, l.err = l.client.PutLogEvents(
		l.ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &l.group, LogStreamName: &l.name, LogEvents: events},
	)
}

// create makes the stream, and the group where the template has none.
func (l *logStream) create() error {
	if l.created {
		return nil
	}
	stream := &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &l.group, LogStreamName: &l.name}
	_, err := l.client.CreateLogStream(l.ctx, stream)
	var noGroup *types.ResourceNotFoundException
	if errors.As(err, &noGroup) {
		if _, err = l.client.CreateLogGroup(l.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &l.group}); err == nil {
			_, err = l.client.CreateLogStream(l.ctx, stream)
		}
	}
	if err != nil {
		return err
	}
	l.created = true
	return nil
}
