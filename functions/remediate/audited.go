package main

import (
	"context"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/notify"
)

// summary is the name of the fingerprint of what people were last told of an audit.
const summary = "summary"

// audited tells people when an audit found something else than what they know. It audits itself, as a message of the
// queue is nobody's word: what is told and recorded is what was read here. What is not reached in time is unknown, and
// said. A ledger that is away makes people be told only if something needs attention.
func (h *handler) audited(ctx context.Context, a guard.Audited) error {
	store := h.engine.Clients.Store
	last, ledgerErr := store.Get(ctx, guard.SelfName, summary)
	if ledgerErr == nil && last == a.Fingerprint {
		return nil
	}
	outcomes := h.engine.Audit(ctx)
	found := notify.Fingerprint(outcomes)
	if ledgerErr == nil && last == found || ledgerErr != nil && guard.ExitCode(outcomes) == 0 {
		return nil
	}
	notice, err := notify.Summary("audit", outcomes, 0)
	if err != nil {
		return err
	}
	if err := h.notify(ctx, notice); err != nil {
		return err // not recorded: the message comes again
	}
	if err := store.Put(ctx, guard.SelfName, summary, found); err != nil {
		h.log.ErrorContext(ctx, "the summary is not recorded, so the next audit is told too", "error", err)
	}
	return nil
}
