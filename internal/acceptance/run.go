// Package acceptance is the program for the first hour on a sandbox account: it deploys icaguard with a storage of its
// own, breaks each setting as a person would, waits for what must come of it, answers what icaguard believes of AWS, and
// removes everything.
//
// Invariant: what it says of AWS it has read by the AWS SDK, by no code of the product's; what it creates is named after
// the run, or is icaguard's own, which the account must not have had; nothing else is touched; whatever happens, it removes
// what it created and says what is left.
package acceptance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/icaguard/icaguard/internal/acceptance/beliefs"
	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Options of a run.
type Options struct {
	Site      Site
	Out       io.Writer // what people read while it runs
	Folder    string    // where the report goes
	Account   string    // the id that whoever runs it has confirmed
	ICARegion string
	Home      string // AWS region of icaguard; "": the bucket's
	Breaks    []Break
	Version   string // of the checkout
	// Try makes the experiments about the beliefs: beliefs.Try.
	Try func(context.Context, evidence.Evidence) beliefs.Tried
}

// runner is one run.
type runner struct {
	Options
	site    Site
	out     io.Writer
	run     State
	caller  string
	storage icaconfig.Storage
	config  string // path of ica.yaml
	lab     *lab
	ears    *ears
	tests   []Test
	breaks  []evidence.Break
	answers []beliefs.Answered
}

var (
	// ErrFailed says that the report has a test that did not pass.
	ErrFailed = errors.New("a test did not pass")
	// ErrLeft says that something could not be removed.
	ErrLeft         = errors.New("something is left in the account")
	errUnconfirmed  = errors.New("nothing was done: confirm the account")
	errOtherAccount = errors.New("refused: these are credentials of another account")
)

// Run is the whole program. Its error is nil only if every test passed and nothing is left.
func Run(ctx context.Context, o Options) error {
	r := &runner{Options: o, site: o.Site, out: o.Out}
	if err := r.examine(ctx); err != nil {
		return err
	}
	r.printPlan()
	switch o.Account {
	case r.run.Account:
	case "":
		return fmt.Errorf("%w: ACCOUNT=%s", errUnconfirmed, r.run.Account)
	default:
		return fmt.Errorf("%w: ACCOUNT=%s, but they are of %s", errOtherAccount, o.Account, r.run.Account)
	}
	if err := r.run.claim(ctx, r.site); err != nil {
		return err
	}
	r.perform(ctx)
	left := r.removeAll(ctx)
	r.tests = append(r.tests, removalTest(left, time.Now()))
	if err := r.report(left); err != nil {
		return err
	}
	return r.verdict(left)
}

func (r *runner) verdict(left []string) error {
	var errs []error
	for _, t := range r.tests {
		if t.Verdict != Passed && t.Name != removal {
			errs = append(errs, fmt.Errorf("%w: %s: %s", ErrFailed, t.Name, t.Observed))
		}
	}
	if len(left) > 0 {
		errs = append(errs, fmt.Errorf("%w: %s; make acceptance CLEAN=1 tries again", ErrLeft, strings.Join(left, "; ")))
	}
	return errors.Join(errs...)
}

// examine reads what the plan needs and refuses what is no sandbox. It changes nothing.
func (r *runner) examine(ctx context.Context) error {
	region, err := regionOf(r.ICARegion)
	if err != nil {
		return err
	}
	if r.Home == "" {
		r.Home = region.AWS
	}
	r.run = State{
		ID: newID(), ICARegion: r.ICARegion, Home: r.Home, Region: region.AWS, Begun: time.Now().UTC().Truncate(time.Second),
		path: filepath.Join(r.Folder, stateFile),
	}
	if old, err := loadState(r.Folder); err == nil {
		return fmt.Errorf("%s: %w (run %s): make acceptance CLEAN=1", old.path, errUnfinished, old.ID)
	}
	r.run.Prefix = "acceptance-prefix-" + newID() + newID()
	if r.run.Account, r.caller, err = whoami(ctx, r.site, r.Home); err != nil {
		return err
	}
	r.run.Provider = "arn:" + partition + ":iam::" + r.run.Account + ":oidc-provider/oidc.eks." + region.AWS + ".amazonaws.com/id/" +
		region.OIDCProviderID
	if err := occupied(ctx, r.site, r.run); err != nil {
		return err
	}
	if other, err := claimant(ctx, r.site); err != nil {
		return err
	} else if other != "" {
		return fmt.Errorf("%w: run %s, by parameter %s in %s", errClaimed, other, claimName, icaconfig.IAMRegion)
	}
	if r.run.Trail, err = needsTrail(ctx, r.site, r.Home); err != nil {
		return err
	}
	r.run.Bootstrapped, err = unprepared(ctx, r.site, r.run)
	return err
}

var (
	errUnanswered = errors.New("no belief was answered")
	errUnfinished = errors.New("another run has not removed what it created")
	errNoRegion   = errors.New("ICA_REGION must be one of ICA's regions that Illumina's page has an OIDC provider for")
)

func regionOf(ica string) (icaconfig.Region, error) {
	for _, region := range icaconfig.Regions() {
		if region.ID == ica && region.OIDCProviderID != "" && region.Namespace != "" {
			return region, nil
		}
	}
	return icaconfig.Region{}, fmt.Errorf("%s: %w", ica, errNoRegion)
}

// perform does all but removing. What it cannot do is a test that failed.
func (r *runner) perform(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	var listening sync.WaitGroup
	defer func() { stop(); listening.Wait() }()
	r.lab, r.ears = &lab{site: r.site, run: r.run}, &ears{}
	if err := r.deploy(ctx, &listening); err != nil {
		r.add(Test{Name: "deployment", What: "deploy icaguard", Expected: "deployed", Began: time.Now()}.failed(err))
		return
	}
	r.add(r.testCommand(ctx, "deployment", "every setting and icaguard itself are in sync", "validate"))
	r.add(r.testCommand(ctx, "probe", "a harmless change in every service and region arrives at the function", "probe"))
	r.add(r.testAccess(ctx))
	var tried beliefs.Tried
	var trying sync.WaitGroup
	trying.Go(func() { tried = r.Try(ctx, r.evidence(nil)) }) // on resources of its own, so while the breaks wait
	r.playAll(ctx)
	r.say("wait for what is still tried of the beliefs")
	trying.Wait()
	if ctx.Err() == nil {
		r.add(r.testEvents())
		r.add(r.answer(ctx, tried))
		r.add(r.testCommand(ctx, "afterwards", "every setting and icaguard itself are in sync again", "validate"))
	}
}

// mostInRow is how many breaks may fail one after the other: each has waited for as long as the program waits.
const mostInRow = 3

var errNoUse = fmt.Errorf("%w: the last %d breaks failed", errNothingThere, mostInRow)

func (r *runner) playAll(ctx context.Context) {
	inRow := 0
	for _, b := range r.Breaks {
		if ctx.Err() != nil {
			return
		}
		if inRow >= mostInRow {
			r.add(Test{Name: b.Setting, What: b.Way, Expected: string(b.Expect), Began: time.Now()}.failed(errNoUse))
			continue
		}
		r.say("break %s: %s", b.Setting, b.Way)
		t := r.play(ctx, b)
		if inRow++; t.Verdict == Passed {
			inRow = 0
		}
		r.add(t)
	}
}

// add takes a test down and says how it went.
func (r *runner) add(t Test) {
	r.tests = append(r.tests, t)
	r.say("  %-26s %s  %.1f s  %s", t.Name, t.Verdict, t.Seconds, firstLine(t.Observed))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func (r *runner) say(format string, args ...any) {
	fmt.Fprintf(r.out, "%s  %s\n", time.Now().UTC().Format(time.TimeOnly), r.run.discreet(fmt.Sprintf(format, args...)))
}

// deploy makes what the run needs and deploys with the project's own tools.
func (r *runner) deploy(ctx context.Context, listening *sync.WaitGroup) (err error) {
	if err := r.lab.prepare(ctx); err != nil {
		return err
	}
	if r.config, r.storage, err = r.lab.run.configure(); err != nil {
		return err
	}
	r.run, r.lab.storage = r.lab.run, r.storage
	wait, err := r.ears.open(ctx, r.lab)
	if err != nil {
		return err
	}
	listening.Go(wait)
	for _, region := range r.run.Bootstrapped {
		r.say("prepare %s for CDK", region)
		if err := r.site.Bootstrap(ctx, r.config, "aws://"+r.run.Account+"/"+region, tagKey+"="+r.run.ID); err != nil {
			return err
		}
	}
	r.say("deploy icaguard with %s (some minutes)", r.config)
	if err := r.site.Deploy(ctx, r.config); err != nil {
		return err
	}
	if err := r.ears.subscribe(ctx, r.lab, listening); err != nil {
		return err
	}
	if out, err := r.icaguard(ctx, "reconcile", "--all"); err != nil {
		return fmt.Errorf("icaguard reconcile: %w: %s", err, out)
	}
	return nil
}

// icaguard runs the command line and answers what it printed.
func (r *runner) icaguard(ctx context.Context, args ...string) ([]byte, error) {
	cmd := r.site.Command(ctx, r.site.CLI, append(args, "--config", r.config)...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("icaguard %s: %w: %s%s", args[0], err, out, errors.String())
	}
	return out, nil
}

// testCommand is passed when a command of the command line ends well, which may take some tries.
func (r *runner) testCommand(ctx context.Context, name, expected string, args ...string) Test {
	t := Test{Name: name, What: "icaguard " + strings.Join(args, " "), Expected: expected, Began: time.Now()}
	waiting, cancel := context.WithTimeout(ctx, r.site.Patience)
	defer cancel()
	_, err := r.site.poll(waiting, func(ctx context.Context) (string, error) { return "", second(r.icaguard(ctx, args...)) })
	if err != nil {
		return t.failed(err)
	}
	return t.passed("exit status 0", time.Since(t.Began))
}

// testEvents: without events of its own the run has no samples, and the beliefs about them no answer.
func (r *runner) testEvents() Test {
	t := Test{Name: "events", What: "take the raw events down", Expected: "the run's own queues got them", Began: time.Now()}
	_, events, err := r.ears.all()
	if len(events) == 0 {
		return t.failed(errors.Join(errSilent, err))
	}
	return t.passed(fmt.Sprintf("%d events", len(events)), 0)
}

// evidence is what the run has seen so far.
func (r *runner) evidence(breaks []evidence.Break) evidence.Evidence {
	return evidence.Evidence{
		Local: r.site.Local, Account: r.run.Account, Partition: partition, Storage: r.storage, Config: r.site.Config,
		Events: r.ears.named, Breaks: breaks, Scratch: r.run.name("-b"),
	}
}

// answer answers the beliefs from what was tried and seen. What is refuted is no failed test: it is for those who develop
// icaguard.
func (r *runner) answer(ctx context.Context, tried beliefs.Tried) Test {
	t := Test{Name: "beliefs", What: "answer what icaguard believes of AWS", Expected: "all have an answer", Began: time.Now()}
	answers, err := tried.Answers(ctx, r.evidence(r.breaks))
	r.answers = answers
	if len(answers) == 0 {
		return t.failed(errors.Join(errUnanswered, err))
	}
	var counts []string
	for verdict, n := range beliefs.Counts(answers) {
		counts = append(counts, fmt.Sprintf("%d %s", n, verdict))
	}
	slices.Sort(counts)
	observed := strings.Join(counts, ", ")
	if err != nil { // what was not provoked is not seen, and its answer says so
		observed += "; not tried: " + err.Error()
	}
	return t.passed(observed, time.Since(t.Began))
}

// printPlan says what the run will do to the account.
func (r *runner) printPlan() {
	trail := "the account's own trail"
	if r.run.Trail {
		trail = "a trail that icaguard creates, as the account has none that logs"
	}
	bootstrap := "prepared for CDK already"
	if len(r.run.Bootstrapped) > 0 {
		bootstrap = "prepare for CDK and remove that again: " + strings.Join(r.run.Bootstrapped, ", ")
	}
	fmt.Fprintf(r.out, `Acceptance test of icaguard %s, run %s

  account     %s, as %s
  regions     icaguard in %s, bucket and key in %s; %s
  events      %s
  deploys     icaguard as it is here (stacks icaguard-*), with a storage of its own: bucket %s, role %s,
              ICA's OIDC provider of %s; a KMS key; queues and rules named %s
  lets in     Illumina's role %s, as for copies between projects, to that bucket, which holds a
              test file for a moment
  breaks      %d settings, each once; takes ICA's role for a moment; meanwhile tries what icaguard believes of AWS,
              on things of its own
  checks      that all %d rows of icaguard are in sync, before and after
  removes     all of it, also when it is interrupted (Ctrl-C); the KMS key is deleted by AWS after 7 days
  takes       about half an hour, five minutes less where CDK is prepared already; much longer only if icaguard
              restores nothing; about 1 USD at list price

Use an account that nothing else needs. What else is in it is not touched.
`, r.Version, r.run.ID, r.run.Account, r.caller, r.run.Home, r.run.Region, bootstrap, trail, r.run.bucket(), r.run.role(),
		r.ICARegion, r.run.events(), crossAccountRole(r.ICARegion), len(r.Breaks), len(self.AllRows()))
}

func crossAccountRole(ica string) string {
	region, err := regionOf(ica)
	if err != nil {
		return ""
	}
	return region.CrossAccountRole
}
