package main

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// TestInterruptedCommand: what a command runs ends with it, as make passes an interrupt on to nobody.
func TestInterruptedCommand(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	cmd := command(ctx, "sh", "-c", "sleep 20; true") // which keeps the output open
	cmd.Stdout = &out
	began := time.Now()
	if err := cmd.Run(); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("ended after %s: %v", time.Since(began), err)
	}
}
