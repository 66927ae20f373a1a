// Command demo shows icaguard at work on a local AWS: the real CDK app deployed by the real command line, the real
// functions, a person who breaks the ICA setup, and icaguard that restores it.
//
// It stands apart from the command line icaguard, so that the tool which holds people's AWS credentials has no test
// server in it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Stdout)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted:
		fmt.Fprintln(os.Stderr, "\ninterrupted; everything that was started has been stopped")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "\nthe demo failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	return play(ctx, newScreen(out))
}
