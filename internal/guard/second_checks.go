package guard

import (
	"slices"
	"sync"
	"time"

	"github.com/icaguard/icaguard/internal/cloudtrail"
)

// SecondChecks are the second checks that this process has posted and that are still to come: a hundred events of one
// actor on one resource need one. Nothing but that post is spared by what it holds; what another process posted costs a
// read more.
type SecondChecks struct {
	mu  sync.Mutex
	due map[string]dueCheck
}

// dueCheck is a check that was posted, and on account of whom.
type dueCheck struct {
	at     time.Time
	actors []cloudtrail.Actor
}

// underWay reports whether a check is on its way that reads long enough after now, and that names everybody who is behind
// the events. Otherwise the caller posts one.
func (s *SecondChecks) underWay(key string, events []Event, now time.Time) bool {
	const spread = 3 * time.Second // a read that much later shows the change
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.due[key]
	if due.at.Sub(now) >= spread && due.names(events) {
		return true
	}
	if s.due == nil {
		s.due = map[string]dueCheck{}
	}
	if !due.at.After(now) {
		due.actors = nil
	}
	for _, event := range events {
		due.actors = append(due.actors, event.Actor)
	}
	s.due[key] = dueCheck{at: now.Add(secondCheck), actors: due.actors}
	return false
}

func (d dueCheck) names(events []Event) bool {
	return !slices.ContainsFunc(events, func(e Event) bool { return !slices.Contains(d.actors, e.Actor) })
}

// forget is for a check that could not be posted.
func (s *SecondChecks) forget(key string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.due, key)
}
