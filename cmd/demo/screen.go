package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/icaguard/icaguard/internal/guard"
)

// screen prints what happens as it happens. Recorder, poller and functions speak at the same time, so it locks.
type screen struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newScreen(out io.Writer) *screen { return &screen{out: out, start: time.Now()} }

// step announces what comes next.
func (s *screen) step(format string, args ...any) {
	s.print("\n%5.1fs  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

// line tells one thing that happened, and where.
func (s *screen) line(where, format string, args ...any) {
	s.print("        %-12s %s\n", where, fmt.Sprintf(format, args...))
}

func (s *screen) print(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format, args...)
}

func (s *screen) indented(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		s.print("        │ %s", line)
	}
}

func (s *screen) table(rows [][]string) {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, "        "+strings.Join(row, "\t"))
	}
	_ = w.Flush() // a bytes.Buffer takes everything
	s.print("%s", b.String())
}

// functionLog shows the outcomes among the JSON lines that a function logs, and every line that is not about routine.
func (s *screen) functionLog(home string) io.Writer {
	return &lineWriter{line: func(line []byte) { s.logLine(home, line) }}
}

func (s *screen) logLine(home string, line []byte) {
	var entry struct {
		Level, Msg string
		Source     string
		Region     string
		Event      string
		Setting    string
		Status     guard.Status
		Storages   []string
		Problem    string
		Error      string
		Diffs      []guard.Diff
	}
	if json.Unmarshal(line, &entry) != nil {
		s.line("Lambda", "%s", line)
		return
	}
	switch {
	case entry.Msg == "event":
		service, relay := strings.TrimPrefix(entry.Source, "aws."), ""
		if entry.Region != home {
			relay = "rule icaguard-relay-" + service + " in " + entry.Region + " → home bus → "
		}
		s.line("EventBridge", "%srule icaguard-events-%s → SQS %s → Lambda: %s", relay, service, guard.RequestQueue, entry.Event)
	case entry.Msg == "outcome" && entry.Status == guard.InSync: // reported by the audit
	case entry.Msg == "outcome":
		s.line("Lambda", "%s of %s: %s %s", entry.Setting, strings.Join(entry.Storages, ", "), entry.Status, entry.Problem)
		for _, d := range entry.Diffs {
			s.line("", "%s: expected %s, found %s", d.Path, d.Expected, d.Found)
		}
	case entry.Level != "INFO":
		s.line("Lambda", "%s %s %s", entry.Level, entry.Msg, entry.Error)
	}
}

// lineWriter cuts what is written into lines.
type lineWriter struct {
	mu   sync.Mutex
	rest []byte
	line func([]byte)
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.line(line)
		w.rest = rest
	}
}

// cdkLog shows of the CDK command line's output what a person wants to see: stacks that are done, and their outputs.
func (s *screen) cdkLog() io.Writer {
	return &lineWriter{line: func(line []byte) {
		text := string(line)
		if strings.Contains(text, "✅") || strings.HasPrefix(text, "icaguard-") && strings.Contains(text, " = ") {
			s.line("cdk", "%s", strings.TrimSpace(text))
		}
	}}
}
