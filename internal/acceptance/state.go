package acceptance

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// State is what is known of a run from outside: it is written before anything is created, so that what a run that was
// killed left behind can be found and removed.
type State struct {
	ID        string    `json:"id"`
	Account   string    `json:"account"`
	ICARegion string    `json:"icaRegion"`
	Home      string    `json:"home"`   // AWS region of icaguard
	Region    string    `json:"region"` // of the bucket and the key
	Begun     time.Time `json:"begun"`
	Trail     bool      `json:"trail"` // icaguard's own trail is created
	// Bootstrapped are the regions that were not prepared for CDK before.
	Bootstrapped []string `json:"bootstrapped,omitempty"`
	Key          string   `json:"key,omitempty"`      // ARN
	Provider     string   `json:"provider,omitempty"` // ARN
	Prefix       string   `json:"prefix"`             // RoleSessionName prefix, which no ICA knows

	path string
}

const (
	idLetters = "abcdefghjkmnpqrstuvwxyz23456789"
	idLength  = 4
)

// newID has four letters: enough for runs that may stand beside each other, and short names.
func newID() string {
	var random [idLength]byte
	_, _ = rand.Read(random[:]) // it never fails
	for i, b := range random {
		random[i] = idLetters[int(b)%len(idLetters)]
	}
	return string(random[:])
}

// name is that of all that the run creates under names of its own; more may follow.
func (s State) name(more string) string { return "ica-acceptance-" + s.ID + more }

func (s State) bucket() string    { return s.name("-ica") }
func (s State) role() string      { return s.name("-role") }
func (s State) policy() string    { return s.name("-policy") }
func (s State) parameter() string { return "/" + s.name("/session-name-prefix") }
func (s State) inbox() string     { return s.name("-inbox") }
func (s State) events() string    { return s.name("-events") }
func (s State) files() string     { return s.name("-files") }

// boundary is the ARN of the permissions boundary that icaguard makes for the role.
func (s State) boundary() string {
	return "arn:" + partition + ":iam::" + s.Account + ":policy/" + icaconfig.BoundaryPrefix + s.role()
}

// discreet is a text without the prefix and without ids of access keys.
func (s State) discreet(text string) string {
	if s.Prefix != "" {
		text = strings.ReplaceAll(text, s.Prefix, "PREFIX")
	}
	return uniqueID().ReplaceAllString(text, "${1}IOSFODNN7EXAMPLE")
}

// tagKey marks all that the run deploys.
const tagKey = "ica-acceptance"

func (s State) save() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("acceptance: state: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o750); err != nil {
		return fmt.Errorf("acceptance: state: %w", err)
	}
	whole := s.path + ".new" // a run that is killed while it writes leaves the file as it was
	err = os.WriteFile(whole, append(data, '\n'), 0o600)
	if err == nil {
		err = os.Rename(whole, s.path)
	}
	if err != nil {
		return fmt.Errorf("acceptance: state: %w", err)
	}
	return nil
}

const stateFile = "run.json"

var (
	errNoState  = errors.New("no run has left its file here: nothing to remove, or REPORT names another folder")
	errBadState = errors.New("this is not the file of a run: nothing is removed by it")
)

// whole says that nothing is missing by which the run's own things are told from others.
func (s State) whole() bool {
	id := len(s.ID) == idLength && strings.Trim(s.ID, idLetters) == ""
	return id && s.Account != "" && s.Home != "" && s.Region != "" && !s.Begun.IsZero()
}

func loadState(folder string) (State, error) {
	path := filepath.Join(folder, stateFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return State{}, fmt.Errorf("%s: %w", path, errNoState)
	}
	s := State{path: path}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return State{}, fmt.Errorf("acceptance: state: %w", err)
	}
	if !s.whole() {
		return State{}, fmt.Errorf("%s: %w", path, errBadState)
	}
	return s, nil
}
