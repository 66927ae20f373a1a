package settings

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/campaign"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/ledger"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

var options = campaign.Flags() //nolint:gochecknoglobals // flags are read before any test runs

// TestCampaign breaks storages under faults while the real functions guard them.
func TestCampaign(t *testing.T) {
	binaries := campaign.Build(t)
	fixture := func(t *testing.T) *fixture {
		t.Helper()
		s := &fixture{binaries: binaries}
		s.furnish(t, localawstest.Start(t))
		return s
	}
	campaign.Run(t, *options, fixture, undisturbedPart())
}

// guarded is an env that the real functions guard.
type guarded struct {
	*env
	*campaign.Guard
}

// newGuarded makes an env as ICA needs it, and icaguard around it as it is deployed.
func newGuarded(t *testing.T, s *fixture, v variant) *guarded {
	t.Helper()
	w := newEnv(t, s, v)
	if s.envs == 1 {
		deployment.MakeHome(t, s.AWS, w.storage.Home)
	}
	kept := ledger.Ledger{Config: s.DirectConfig(localawstest.Region), Table: guard.LedgerTable, Now: w.engine.Now}
	for key, value := range w.store.recorded {
		resource, what, _ := strings.Cut(key, " ")
		w.must(nil, kept.Put(t.Context(), resource, what, value))
	}
	g := &guarded{w, campaign.NewGuard(t, s.AWS, s.binaries, w.storage.Name, w.config, w.storage.Home)}
	s.received(t) // creating it is no change
	return g
}

// received takes the events since the last call, as EventBridge would put them into the queue.
func (f *fixture) received(t *testing.T) []string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var bodies []string
	for _, event := range f.heard {
		body, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(body))
	}
	f.heard = nil
	return bodies
}

// deliver puts events on the queue, and then those of what icaguard did, until nothing is left to do.
func (g *guarded) deliver(events ...string) {
	g.t.Helper()
	for ; len(events) > 0; events = g.local.received(g.t) {
		g.Requests.Send(events...)
		g.Settle()
	}
}

// audit is the scheduled audit and what comes of it.
func (g *guarded) audit() {
	g.t.Helper()
	g.Audit(deployment.Audit)
	g.deliver(g.local.received(g.t)...)
}

// undisturbedPart breaks each setting in each way, and nothing disturbs icaguard.
func undisturbedPart() campaign.Part[*fixture] {
	part := campaign.Part[*fixture]{Sample: 6}
	for _, c := range testCases() {
		part.Cases = append(part.Cases, campaign.Case[*fixture]{
			Name: "undisturbed/" + c.setting + "/" + c.name,
			Run: func(t *testing.T, s *fixture, trial campaign.Trial) {
				g := newGuarded(t, s, c.variant)
				c.breakIt(g.env)
				g.deliver(s.received(t)...)
				g.audit()
				if diff := cmp.Diff(g.before, g.state()); c.check == nil && diff != "" {
					t.Errorf("state (-before +after):\n%s", diff)
				}
				mails := g.Mail.Take()
				trial.Tally.Add("none", campaign.Count{
					Steps: 1, Restores: campaign.Restores(mails), Alerts: campaign.Alerts(mails), DeadLetters: len(g.Dead()),
				})
			},
		})
	}
	return part
}
