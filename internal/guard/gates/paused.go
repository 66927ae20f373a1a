package gates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// Pause keeps the guard from restoring until it ends. It is an SSM parameter, PauseParameters and the storage's name, so that
// CloudTrail knows who set it. There is none without an end.
type Pause struct {
	Storage  string    `json:"-"` // or guard.PauseAll
	Until    time.Time `json:"until"`
	Reason   string    `json:"reason"`
	Settings []string  `json:"settings,omitempty"` // ids; none: all
}

// LongestPause is how long a pause may last, so that one that is forgotten, or meant to blind the guard, ends by itself.
const LongestPause = 7 * 24 * time.Hour

var errTooLong = errors.New("it ends more than 7 days from now, which is no pause: set it again with icaguard pause")

var errNoEnd = errors.New(`it has no end: write {"until": "2006-01-02T15:04:05Z", "reason": "…"}, or use: icaguard pause`)

// ParsePause reads the parameter's value.
func ParsePause(storage, text string) (Pause, error) {
	p := Pause{Storage: storage}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return Pause{}, fmt.Errorf("pause: parse %s%s: %w", guard.PauseParameters, storage, err)
	}
	if p.Until.IsZero() {
		return Pause{}, fmt.Errorf("pause: parse %s%s: %w", guard.PauseParameters, storage, errNoEnd)
	}
	return p, nil
}

func (p Pause) covers(setting string) bool {
	return len(p.Settings) == 0 || slices.Contains(p.Settings, setting)
}

// String is for people.
func (p Pause) String() string {
	text := fmt.Sprintf("%s paused until %s: %s", p.Storage, p.Until.UTC().Format("2006-01-02 15:04Z"), p.Reason)
	if len(p.Settings) > 0 {
		text += " (only " + strings.Join(p.Settings, ", ") + ")"
	}
	return text
}

// Pauses reads the pauses of a configuration, once for one batch of requests.
type Pauses struct {
	clients  guard.Clients
	baseline icaconfig.Baseline
	now      func() time.Time

	once   sync.Once
	active []Pause
	err    error
}

// NewPauses makes no call.
func NewPauses(c guard.Clients, b icaconfig.Baseline, now func() time.Time) *Pauses {
	return &Pauses{clients: c, baseline: b, now: now}
}

// Active lists the pauses that have not ended. What cannot be read is in the error, beside those that can.
func (p *Pauses) Active(ctx context.Context) ([]Pause, error) {
	p.once.Do(func() { p.active, p.err = p.load(ctx) })
	return p.active, p.err
}

// Gate holds what is paused.
func (p *Pauses) Gate(ctx context.Context, t guard.Target) (guard.Hold, error) {
	pauses, err := p.Active(ctx)
	for _, pause := range pauses {
		if pause.covers(t.ID) && pause.concerns(t) {
			return guard.Hold{
				Reason:      "paused: " + pause.String(),
				Remediation: "nothing until then; to end it now: icaguard resume " + pause.Storage,
			}, nil
		}
	}
	return guard.Hold{}, err
}

// concerns: what storages share is paused with the first of them that is.
func (p Pause) concerns(t guard.Target) bool {
	return p.Storage == guard.PauseAll || slices.Contains(t.Storages, p.Storage)
}

// pauseNames are the parameters of all pauses that a configuration can have.
func pauseNames(b icaconfig.Baseline) []string {
	names := []string{guard.PauseParameters + guard.PauseAll}
	for _, s := range b.Storages {
		names = append(names, guard.PauseParameters+s.Name)
	}
	return names
}

// load asks for the parameters by name, ten at a time
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html):
// a path would need a permission on more than ours.
func (p *Pauses) load(ctx context.Context) (active []Pause, err error) {
	client := ssm.NewFromConfig(p.clients.Config, func(o *ssm.Options) { o.Region = p.baseline.HomeRegion })
	for names := range slices.Chunk(pauseNames(p.baseline), 10) {
		out, callErr := client.GetParameters(ctx, &ssm.GetParametersInput{Names: names})
		if callErr != nil {
			err = errors.Join(err, fmt.Errorf("pause: read parameters %s…: %w", guard.PauseParameters, callErr))
			continue
		}
		for _, parameter := range out.Parameters {
			pause, parseErr := ParsePause(
				strings.TrimPrefix(aws.ToString(parameter.Name), guard.PauseParameters), aws.ToString(parameter.Value),
			)
			if parseErr == nil && pause.Until.Sub(p.now()) > LongestPause+time.Hour { // the clock of who set it may be ahead
				parseErr = fmt.Errorf("pause: %s: %w", aws.ToString(parameter.Name), errTooLong)
			}
			err = errors.Join(err, parseErr)
			if parseErr == nil && pause.Until.After(p.now()) {
				active = append(active, pause)
			}
		}
	}
	return active, err
}

// Statements allow what the gates read: the state of our own stacks, and the pauses.
func Statements(b icaconfig.Baseline) []policy.Statement {
	var stacks, pauses []string
	for _, s := range b.Stacks {
		// CloudFormation ends a stack's ARN with an id that nobody knows in advance.
		stacks = append(stacks, b.ARN("cloudformation", s.Region, "stack/"+s.Name+"/*"))
	}
	for _, name := range pauseNames(b) {
		pauses = append(pauses, b.ARN("ssm", b.HomeRegion, "parameter"+name))
	}
	return []policy.Statement{
		{
			Effect: "Allow", Resource: stacks,
			Action: policy.Values{"cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks"},
		},
		{Effect: "Allow", Action: policy.Values{"ssm:GetParameters"}, Resource: pauses},
	}
}
