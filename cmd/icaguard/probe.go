package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

func newProbe() *cobra.Command {
	var timeout time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Prove that a change in every region reaches the deployed guard",
		Long: `Make one harmless call for each service and region that the guard listens to, and wait until the function ` + guard.RemediateFunction + ` logs
that very call: the whole way from CloudTrail over EventBridge and the queue is proven, with its time.

Each call puts again what is there, so nothing changes; that is read before and after. IAM: TagRole, a tag that the
role of ICA has. S3: PutPublicAccessBlock, as the bucket has it. KMS: EnableKey, on a key that is enabled. What is not
there to be put again, or belongs to another account, is skipped with the reason. Events of other services (` + "SSM, and those about the guard itself" + `) go the same way.

It needs, besides what validate needs: iam:TagRole, s3:PutBucketPublicAccessBlock, kms:EnableKey, and
logs:FilterLogEvents on the log group ` + remediateLog + `.

Exit status: 0 all arrived, 1 something did not arrive, 2 something could not be tried.`,
		Example: `  icaguard probe
  icaguard probe --timeout 15m --json | jq '.probes[] | {service, region, seconds}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return fmt.Errorf("--timeout %s: %w", timeout, errNoTime)
			}
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			plan := cmd.OutOrStdout()
			if asJSON {
				plan = cmd.ErrOrStderr()
			}
			found, err := s.probe(cmd.Context(), plan, timeout)
			if err != nil {
				return err
			}
			return found.print(cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Minute, "how long to wait for what was called")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON; what will be done then goes to standard error")
	return cmd
}

var errNoTime = errors.New("calls need some time to arrive, usually seconds")

// The results of a probe.
const (
	arrived    = "arrived"
	notArrived = "not-arrived"
	ignored    = "ignored" // it arrived, and the deployed guard has nothing to do with it
	skipped    = "skipped"
	failed     = "failed"
)

// probe is one call and what became of it. The keys are a promise to scripts.
type probe struct {
	Service   string    `json:"service"`
	Region    string    `json:"region"`
	Call      string    `json:"call"`
	Resource  string    `json:"resource,omitempty"`
	Result    string    `json:"result"`
	Problem   string    `json:"problem,omitempty"` // why it was skipped or failed, or what is odd
	RequestID string    `json:"requestId,omitempty"`
	Called    time.Time `json:"called,omitzero"`
	Seconds   float64   `json:"seconds,omitempty"` // from the call to the function's log

	subject subject
}

// probing is the result of the command.
type probing struct {
	ExitCode    int     `json:"exitCode"` // 0 all arrived, 1 something did not, 2 something could not be tried
	Probes      []probe `json:"probes"`
	Remediation string  `json:"remediation,omitempty"`
}

func (s session) probe(ctx context.Context, plan io.Writer, timeout time.Duration) (probing, error) {
	if err := s.mustBeDeployed(ctx, gates.NewDeploys(s.clients(), s.baseline.Home)); err != nil {
		return probing{}, fmt.Errorf("probe: %w", err)
	}
	log := s.newFunctionLog()
	if err := log.check(ctx); err != nil {
		return probing{}, err
	}
	probes := s.planned(ctx)
	s.printPlan(plan, probes, timeout)
	for i := range probes {
		probes[i].try(ctx)
	}
	if err := log.await(ctx, probes, timeout); err != nil {
		return probing{}, err
	}
	return resultOf(probes, timeout), nil
}

func (s session) printPlan(w io.Writer, probes []probe, timeout time.Duration) {
	if s.baseline.AuditIAM {
		fmt.Fprintf(w, "IAM's events are not received (iamEvents: audit); IAM is audited every %s\n", icaconfig.IAMAuditEvery)
	}
	fmt.Fprintln(w, "puts again, as it is:")
	for _, p := range probes {
		if p.Result == "" {
			fmt.Fprintf(w, "  %s %s %s: %s\n", p.Service, p.Region, p.Call, p.Resource)
		} else {
			fmt.Fprintf(w, "  %s %s %s: nothing\n", p.Service, p.Region, p.Call)
		}
	}
	fmt.Fprintf(w, "then waits up to %s for these calls in the log group %s in %s\n\n", timeout, remediateLog, s.baseline.HomeRegion)
}

var errNoRequestID = errors.New("the call was answered without a request id, by which its event could be found")

// try makes the call between two readings, which have to be equal.
func (p *probe) try(ctx context.Context) {
	if p.Result != "" {
		return
	}
	before, err := p.subject.read(ctx)
	if err == nil && before.unfit != "" {
		p.Result, p.Problem = skipped, before.unfit
		return
	}
	if err == nil {
		p.Called = time.Now().UTC().Truncate(time.Millisecond)
		p.RequestID, err = before.put(ctx)
	}
	if err == nil && p.RequestID == "" {
		err = errNoRequestID
	}
	if err != nil {
		p.Result, p.Problem = failed, err.Error()
		return
	}
	p.Result = notArrived // until it does
	switch after, err := p.subject.read(ctx); {
	case err != nil:
		p.add("it could not be read again after the call: " + err.Error())
	case after.state != before.state:
		p.add(
			"somebody changed it during the call, find out in CloudTrail who: before " + before.state + ", after " + cmp.Or(
				after.unfit, after.state,
			),
		)
	}
}

// add tells one problem more, once.
func (p *probe) add(problem string) {
	if !strings.Contains(p.Problem, problem) {
		p.Problem = strings.TrimPrefix(p.Problem+"; "+problem, "; ")
	}
}

// resultOf decides the exit status: what did not arrive counts more than what could not be tried.
func resultOf(probes []probe, timeout time.Duration) probing {
	result := probing{Probes: probes}
	for _, p := range probes {
		switch {
		case p.Result == notArrived:
			result.ExitCode = 1
			result.Remediation = "what did not arrive within " + timeout.String() + " may be late, or the way is broken: " +
				"icaguard validate --setting guard-trail --setting guard-rules --setting guard-queue --setting guard-function checks each " +
				"part of it, " +
				"icaguard dead-letters shows what got stuck; else try again with a longer --timeout"
		case p.Result == ignored:
			result.ExitCode = 1
		case (p.Result != arrived || p.Problem != "") && result.ExitCode == 0:
			result.ExitCode = 2
		}
	}
	return result
}

// print answers the exit status, if it is not 0.
func (r probing) print(w io.Writer, asJSON bool) error {
	printed := r.printTable
	if asJSON {
		printed = func(w io.Writer) error { return printJSON(w, r) }
	}
	if err := printed(w); err != nil || r.ExitCode == 0 {
		return err
	}
	return exitCode(r.ExitCode)
}

func (r probing) printTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tREGION\tCALL\tRESULT")
	for _, p := range r.Probes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.Service, p.Region, p.Call, p.result())
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("probe: print: %w", err)
	}
	for _, p := range r.Probes {
		if p.Problem != "" {
			fmt.Fprintf(w, "\n%s %s %s: %s\n", p.Service, p.Region, p.Result, p.Problem)
		}
	}
	if r.Remediation != "" {
		fmt.Fprintf(w, "\n%s\n", r.Remediation)
	}
	return nil
}

func (p probe) result() string {
	switch p.Result {
	case arrived:
		return fmt.Sprintf("arrived after %.1f s", p.Seconds)
	case notArrived:
		return "did not arrive (request " + p.RequestID + ")"
	}
	return p.Result
}
