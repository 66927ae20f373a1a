package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Target is what a check is about: a row on a resource, with the storages that depend on it.
type Target struct {
	Row
	Resource string   // ARN
	Storages []string // SelfName alone for icaguard's own
	Mode     icaconfig.Mode
	// Storage is one of those that depend on the resource: whatever concerns the resource is the same for all of them.
	Storage icaconfig.Storage
}

// Self reports whether the resource is icaguard's own.
func (t Target) Self() bool { return t.Storages[0] == SelfName }

// row is one of the two kinds of rows, and how it is worked on.
type row interface {
	onKind
	Target(icaconfig.Storage) Target
	audit(context.Context, *run, job) Outcome
	reconcile(context.Context, *run, job) Outcome
}

// job is one coalesced request with what it names.
type job struct {
	Target
	row     row
	index   int
	request Request
	// before is what an attempt before stored, wrote and did not read back; beforeErr says that this is not known.
	before    Backup
	beforeErr error

	exceptions excepting
}

// key tells a check from all others.
func (r Request) key() string { return r.Setting + " " + r.Resource }

func (j job) key() string { return j.request.key() }

// outcome is a job's before anything is known.
func (j job) outcome() Outcome {
	return Outcome{
		Storages: j.Storages, Setting: j.ID, Title: j.Title, Resource: j.Resource,
		Events: j.request.Events, Attempt: int(j.request.Attempt), FoundByAudit: j.request.FoundByAudit, on: j.On,
		exceptions: j.exceptions,
	}
}

// Target is the setting on what the storage depends on; without a resource where it has none.
func (s Setting) Target(st icaconfig.Storage) Target {
	t := Target{Row: s.Row, Resource: s.On.ARN(st), Storage: st}
	if t.Resource != "" {
		shared := s.On.Shared(st)
		t.Storages, t.Mode = shared.Storages, shared.Mode
	}
	return t
}

// Target is the check on all of icaguard's resources of its kind.
func (s SelfCheck) Target(st icaconfig.Storage) Target {
	return Target{Row: s.Row, Resource: s.On.ARN(st), Storages: []string{SelfName}, Mode: icaconfig.Observe, Storage: st}
}

// RowsOf are the rows of a table.
func RowsOf[R interface{ row() Row }](table []R) []Row {
	rows := make([]Row, len(table))
	for i, r := range table {
		rows[i] = r.row()
	}
	return rows
}

func (r Row) row() Row { return r }

func (r Row) kind() *Kind { return r.On }

// targets lists every row on every resource once, in the order of the tables.
func (e *Engine) targets() []job {
	var jobs []job
	add := func(r row) {
		for i, storage := range e.Baseline.Storages {
			for _, view := range r.kind().Each(storage) {
				t := r.Target(view)
				if t.Self() && i == 0 || !t.Self() && t.Storages[0] == storage.Name { // the first storage stands for all
					jobs = append(jobs, job{Target: t, row: r})
				}
			}
		}
	}
	for _, s := range e.Settings {
		add(s)
	}
	for _, s := range e.Self {
		add(s)
	}
	return jobs
}

// jobs coalesces the requests. What is no longer configured is nobody's to check and left out.
func (e *Engine) jobs(requests []Request) []job {
	var jobs []job
	for _, j := range e.targets() {
		asked := false
		for _, request := range requests {
			if !request.asksFor(j.Resource, j.ID) {
				continue
			}
			request.Resource, request.Setting, request.Settings = j.Resource, j.ID, nil
			if asked {
				request = j.request.merge(request)
			}
			j.request, asked = request, true
		}
		if asked {
			j.index, j.request.Events = len(jobs), j.carried(j.request.Events)
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// RequestsFor asks for all that a storage depends on, or only for the settings with these ids.
func (e *Engine) RequestsFor(storage string, ids ...string) []Request {
	var requests []Request
	for _, j := range e.targets() {
		request := Request{Resource: j.Resource, Setting: j.ID}
		if len(ids) == 0 {
			request.Setting = ""
		}
		if slices.Contains(j.Storages, storage) && (len(ids) == 0 || slices.Contains(ids, j.ID)) &&
			!slices.ContainsFunc(requests, func(r Request) bool { return r.key() == request.key() }) {
			requests = append(requests, request)
		}
	}
	return requests
}

var (
	errUnknownName = errors.New("no such name")
	errNothing     = errors.New("nothing to check")
)

// Ask makes the requests for a setting, or all, of a storage, or all. icaguard's own settings are nobody's storage's:
// they are asked for where they are named.
func (e *Engine) Ask(storage, setting string) ([]Request, error) {
	var storages, settings []string
	for _, s := range e.Baseline.Storages {
		storages = append(storages, s.Name)
	}
	for _, row := range e.Rows() {
		settings = append(settings, row.ID)
	}
	switch own := func(s SelfCheck) bool { return s.ID == setting }; {
	case storage != "" && !slices.Contains(storages, storage):
		return nil, fmt.Errorf("storage %q: %w: there are %s", storage, errUnknownName, strings.Join(storages, ", "))
	case setting != "" && !slices.Contains(settings, setting):
		return nil, fmt.Errorf("setting %q: %w: there are %s", setting, errUnknownName, strings.Join(settings, ", "))
	case storage == "" || slices.ContainsFunc(e.Self, own):
		return []Request{{Setting: setting}}, nil
	case setting == "":
		return e.RequestsFor(storage), nil
	}
	requests := e.RequestsFor(storage, setting)
	if len(requests) == 0 {
		return nil, fmt.Errorf("%w: storage %s has nothing that setting %s is about", errNothing, storage, setting)
	}
	return requests, nil
}
