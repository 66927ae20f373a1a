package guard

import (
	"sync"
	"time"
)

// SecondChecks are the second checks that this process has posted and that are still to come: 100 events on one
// resource need one. Nothing but that post is spared by what it holds; what another process posted costs a read more.
type SecondChecks struct {
	mu  sync.Mutex
	due map[string]dueCheck
}

type dueCheck struct {
	at     time.Time
	events []Event // that came after it was posted
}

// underWay reports whether a check is on its way that reads long enough after now, and then keeps the events for it.
// Otherwise the caller posts one.
func (s *SecondChecks) underWay(key string, events []Event, now time.Time) bool {
	const spread = 3 * time.Second // a read that much later shows the change
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.due[key]
	if due.at.Sub(now) >= spread {
		due.events = newest(append(due.events, events...))
		s.due[key] = due
		return true
	}
	if s.due == nil {
		s.due = map[string]dueCheck{}
	}
	s.due[key] = dueCheck{at: now.Add(secondCheck), events: due.events}
	return false
}

// take are the events that came after the check was posted; it is here now.
func (s *SecondChecks) take(key string) []Event {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.due[key].events
	delete(s.due, key)
	return events
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
