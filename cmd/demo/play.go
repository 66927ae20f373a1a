package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/deployed"
)

// patience is how long a restore may take before the demo calls it missing.
const patience = time.Minute

// play is the whole demo. It returns no error only if every change was read back as restored.
func play(ctx context.Context, s *screen) (err error) {
	s.step("Start a local AWS: moto, behind a recorder that makes CloudTrail events of calls")
	local, err := localaws.Start(ctx, localaws.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, local.Close()) }()

	dir, err := os.MkdirTemp("", "icaguard-demo-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stage, err := setStage(ctx, local, dir)
	if err != nil {
		return err
	}
	lab := newLab(local, stage.baseline)
	s.line(
		"you", "have a CloudTrail trail, a KMS key in %s, a bucket %s from before", lab.eu.Region.AWS,
		stage.baseline.Storages[2].Bucket.Name,
	)
	s.line("you", "put the RoleSessionName prefix that ICA shows into the parameter %s", lab.prod.Role.Prefixes[0].Parameter)

	s.step("Deploy cmd/demo/ica.yaml, three storages in two regions: cdk bootstrap, cdk deploy --all (some seconds)")
	icaguard, err := deploy(ctx, s, local, stage)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, icaguard.Close()) }()
	if err := lab.subscribe(ctx, icaguard.TopicARN); err != nil {
		return err
	}
	s.line("you", "subscribed to the SNS topic %s", guard.AlertTopic)
	return act(ctx, s, lab, icaguard)
}

// deploy deploys, and lets the CDK command line say that nothing is left to deploy.
func deploy(ctx context.Context, s *screen, local *localaws.AWS, st stage) (*deployed.Guard, error) {
	options := deployed.Options{Config: st.config, CDKLog: s.cdkLog(), Log: s.functionLog(st.baseline.HomeRegion)}
	icaguard, err := deployed.Deploy(ctx, local, options)
	if err != nil {
		return nil, err
	}
	s.step("Is there anything left to deploy? cdk diff --fail")
	if err := icaguard.CDK(ctx, options, "diff", "--fail", "--method", "template"); err != nil {
		return nil, errors.Join(err, icaguard.Close())
	}
	s.line("cdk", "no differences")
	return icaguard, nil
}

// act is what happens on the stage once it is set.
func act(ctx context.Context, s *screen, lab *lab, icaguard *deployed.Guard) error {
	stop, err := listen(ctx, s, lab, icaguard)
	if err != nil {
		return err
	}
	defer stop()
	s.step("First check, as after every deploy: icaguard reconcile --all")
	before, err := lab.snapshot(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(lab.reconcileAll(ctx, icaguard), lab.awaitQuiet(ctx, icaguard.QueueURL)); err != nil {
		return err
	}
	s.line("subscriber", "got:")
	if err := lab.showNotices(ctx, s, 0); err != nil {
		return err
	}
	rows := [][]string{{"SETTING", "BEFORE", "BROKEN", "AFTER", "RESTORED IN"}}
	for _, c := range lab.changes() {
		row, err := playChange(ctx, s, lab, c, before)
		if err := errors.Join(err, lab.awaitQuiet(ctx, icaguard.QueueURL)); err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if err := lab.validate(ctx, s, icaguard); err != nil {
		return err
	}
	s.step("Before and after")
	s.table(rows)
	s.step("What the subscriber of %s got", guard.AlertTopic)
	if err := lab.showNotices(ctx, s, len(rows)-1); err != nil {
		return err
	}
	return explain(ctx, s)
}

// playChange lets somebody break one setting and waits until it reads back as before.
func playChange(ctx context.Context, s *screen, lab *lab, c change, before snapshot) ([]string, error) {
	s.step("Somebody breaks ICA: %s", c.title)
	since := time.Now()
	if err := c.do(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", c.title, err)
	}
	s.line("ICA", "now: %s", c.effect)
	after, err := lab.awaitState(ctx, before)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.title, err)
	}
	took := time.Since(since).Round(time.Millisecond)
	s.line("read back", "%s: %s, restored after %d ms", c.setting, after[c.setting], took.Milliseconds())
	return []string{
		c.setting,
		before[c.setting],
		lab.broken()[c.setting],
		after[c.setting],
		fmt.Sprintf("%d ms", took.Milliseconds()),
	}, nil
}

// listen starts the event source mapping and shows what passes on the way to it.
func listen(ctx context.Context, s *screen, lab *lab, icaguard *deployed.Guard) (stop func(), err error) {
	recorder := lab.local.Recorder()
	recorder.SetEmit(func(ctx context.Context, e localaws.Envelope) error {
		s.line("CloudTrail", "%s %s by %s", e.Source, e.Detail.EventName, e.Detail.UserIdentity["arn"])
		return errors.Join(lab.note(ctx, e), recorder.Deliver(ctx, e))
	})
	poller, err := icaguard.Poller(ctx, func(b localaws.Batch) {
		if b.Result.FunctionError != "" {
			s.line("Lambda", "failed: %s %s", b.Result.FunctionError, b.Result.Payload)
		}
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := localaws.Poll(ctx, poller); err != nil {
			s.line("SQS", "polling failed: %v", err)
		}
	})
	return func() {
		cancel()
		running.Wait()
		recorder.SetEmit(nil)
	}, nil
}

// explain says what of all this was real.
func explain(ctx context.Context, s *screen) error {
	gaps, err := localaws.Gaps(ctx)
	if err != nil {
		return err
	}
	emulated := 0
	for _, gap := range gaps {
		if gap.Emulated {
			emulated++
		}
	}
	s.step("Real and simulated")
	s.line("real", "the CDK app, its command line and templates; both function binaries; the AWS SDK; the EventBridge patterns")
	s.line("simulated", "AWS itself, by moto; CloudTrail's events, by a recorder; Lambda's runtime and its polling of SQS")
	s.line(
		"", "%d differences to AWS are emulated after its documentation, %d are not shown: internal/localaws/emulation.py",
		emulated, len(gaps)-emulated,
	)
	s.line("not shown", "CloudTrail's delay on AWS (some seconds), IAM's and S3's eventual consistency, e-mail")
	return nil
}
