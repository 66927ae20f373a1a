package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/guard"
)

// Verdict of a test.
type Verdict string

// The verdicts. A run is passed only if every test is.
const (
	Passed   Verdict = "passed"
	Failed   Verdict = "FAILED"
	NotTried Verdict = "not tried"
)

// Test is one line of the report.
type Test struct {
	Name     string    `json:"name"`
	What     string    `json:"what"`
	Expected string    `json:"expected"`
	Observed string    `json:"observed"`
	Verdict  Verdict   `json:"verdict"`
	Began    time.Time `json:"began"`
	Seconds  float64   `json:"seconds"`
}

// failed is a test with what went wrong.
func (t Test) failed(err error) Test {
	t.Verdict, t.Observed = Failed, err.Error()
	if errors.Is(err, errNothingThere) {
		t.Verdict = NotTried
	}
	return t
}

func (t Test) passed(observed string, took time.Duration) Test {
	t.Verdict, t.Observed, t.Seconds = Passed, observed, took.Seconds()
	return t
}

// play breaks a setting and waits for what must come of it. Whatever comes, also an interruption, what can be put back is
// put back before the next one.
func (r *runner) play(ctx context.Context, b Break) Test {
	t := Test{Name: b.Setting, What: b.Way, Expected: string(b.Expect), Began: time.Now()}
	before, err := r.state(ctx, b)
	var notes []string
	if err == nil && b.Expect == Noted {
		notes, err = r.notes(ctx, b.Setting)
	}
	if err != nil {
		return t.failed(fmt.Errorf("read before: %w", err))
	}
	t.Began = time.Now()
	seen := evidence.Break{Setting: b.Setting, Way: b.Way, Event: b.Event, Began: t.Began}
	took, observed, err := time.Duration(0), "", b.Do(ctx, r.lab)
	if err != nil {
		err = fmt.Errorf("break: %w", err)
	} else {
		took, observed, err = r.await(ctx, b, before, notes, t.Began)
	}
	if b.Undo != nil && (err != nil || b.Expect != Restored) && !errors.Is(err, errNothingThere) {
		err = errors.Join(err, r.undo(ctx, b, before))
	}
	if err != nil {
		r.breaks = append(r.breaks, seen)
		return t.failed(err)
	}
	seen.Took = took
	r.breaks = append(r.breaks, seen)
	return t.passed(observed, took)
}

// state is what the SDK reads of a setting, as text.
func (r *runner) state(ctx context.Context, b Break) (string, error) {
	value, err := b.Read(ctx, r.lab)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(value)
	return string(data), err
}

var (
	errUnbroken    = errors.New("the change broke nothing")
	errNotRestored = errors.New("not restored")
	errUntold      = errors.New("nobody was told")
	errTouched     = errors.New("icaguard changed what it only watches")
	errNotShown    = errors.New("icaguard validate does not show it")
)

func (r *runner) await(
	ctx context.Context, b Break, before string, notes []string, since time.Time,
) (time.Duration, string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.site.Patience)
	defer cancel()
	if b.Expect == Restored {
		return r.awaitRestore(ctx, b, before, since)
	}
	told := func(context.Context) (string, error) {
		m, found := r.ears.told(b.Setting, since, string(guard.ActionRequired))
		if !found {
			return "", errUntold
		}
		return "told: " + m.Subject, nil
	}
	if b.Expect == Noted {
		told = func(ctx context.Context) (string, error) { return r.noted(ctx, b.Setting, notes) }
	}
	observed, err := r.site.poll(ctx, told)
	took := time.Since(since)
	if err != nil {
		return 0, "", err
	}
	if now, err := r.state(ctx, b); err != nil || now == before {
		return 0, "", errors.Join(fmt.Errorf("%w: %s", errTouched, now), err)
	}
	return took, observed, nil
}

// awaitRestore waits until the state is as before and people are told so: a read right after the change may show the old
// state, so one of them alone proves nothing. It takes the time of the first reading after which the state stayed.
func (r *runner) awaitRestore(ctx context.Context, b Break, before string, since time.Time) (time.Duration, string, error) {
	var back time.Time
	broken := false
	observed, err := r.site.poll(ctx, func(ctx context.Context) (string, error) {
		now, err := r.state(ctx, b)
		switch {
		case err != nil:
			return "", err
		case now != before:
			broken, back = true, time.Time{}
		case back.IsZero():
			back = time.Now()
		}
		m, told := r.ears.told(b.Setting, since, string(guard.Restored))
		if alert, ok := r.ears.told(b.Setting, since, string(guard.ActionRequired)); ok {
			return "", final{fmt.Errorf("%w: told instead: %s", errNotRestored, alert.Subject)}
		}
		switch {
		case now != before:
			return "", fmt.Errorf("%w: it is %s, was %s", errNotRestored, now, before)
		case !told && !broken:
			return "", errUnbroken
		case !told:
			return "", errUntold
		}
		if !broken { // restored between two readings
			back = m.Sent
		}
		return "reads as before; told: " + m.Subject, nil
	})
	return max(back.Sub(since), 0), observed, err
}

// noted is what icaguard validate says about a setting beyond what it said before.
func (r *runner) noted(ctx context.Context, setting string, before []string) (string, error) {
	notes, err := r.notes(ctx, setting)
	if err != nil {
		return "", final{err}
	}
	for _, note := range notes {
		if !slices.Contains(before, note) {
			return "shown: " + note, nil
		}
	}
	return "", errNotShown
}

// notes are what icaguard validate finds worth knowing about a setting.
func (r *runner) notes(ctx context.Context, setting string) ([]string, error) {
	out, err := r.icaguard(ctx, "validate", "--storage", r.storage.Name, "--setting", setting, "--json")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Outcomes []struct{ Notes []struct{ What string } }
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("icaguard validate: %w: %s", err, out)
	}
	var all []string
	for _, o := range answer.Outcomes {
		for _, note := range o.Notes {
			all = append(all, note.What)
		}
	}
	return all, nil
}

// undo puts the state back by hand.
func (r *runner) undo(ctx context.Context, b Break, before string) error {
	if err := b.Undo(context.WithoutCancel(ctx), r.lab); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.site.Patience)
	defer cancel()
	_, err := r.site.poll(ctx, func(ctx context.Context) (string, error) {
		now, err := r.state(ctx, b)
		if err == nil && now != before {
			err = fmt.Errorf("undo: %w: it is %s, was %s", errNotRestored, now, before)
		}
		return "", err
	})
	return err
}
