package localawstest

import (
	"io"
	"strings"
	"sync"
	"testing"
)

// Buffer collects a function's log. One from NewBuffer shows it among the test's output too, which is searched for the prefix.
type Buffer struct {
	tee  io.Writer
	mu   sync.Mutex
	text strings.Builder
}

// NewBuffer returns a buffer whose contents also go to the test's output.
func NewBuffer(t testing.TB) *Buffer { return &Buffer{tee: t.Output()} }

// Write takes what several goroutines write at a time.
func (b *Buffer) Write(p []byte) (int, error) {
	if b.tee != nil {
		_, _ = b.tee.Write(p) // a finished test takes no more
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Take returns what was written so far and forgets it.
func (b *Buffer) Take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.text.Reset()
	return b.text.String()
}
