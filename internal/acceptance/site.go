package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Site is where the program runs: all in which AWS and the local AWS of the tests differ.
type Site struct {
	// Local says that no AWS is behind it: what it answers proves nothing about AWS, and nobody's rights are checked.
	Local bool
	// Config is that of SDK clients in the name of whoever runs the program.
	Config func(region string) aws.Config
	// Command is one of the project's commands, in its folder and with the rights of whoever runs the program.
	Command func(ctx context.Context, name string, args ...string) *exec.Cmd
	// CLI is the path of the command line icaguard. Deploy may be what makes it.
	CLI string
	// Bootstrap prepares an environment for CDK: aws://ACCOUNT/REGION. Its stack gets the tag, KEY=VALUE.
	Bootstrap func(ctx context.Context, config, environment, tag string) error
	// Deploy deploys the ica.yaml at config with the project's own tools.
	Deploy func(ctx context.Context, config string) error
	// Assumed hears of a session that the program has taken: its access key, and the role and name of the session.
	Assumed func(accessKeyID, role, session string)
	// Patience is how long a restore, a message or an event may take; Pause lies between two readings.
	Patience, Pause time.Duration
}

// final is an error after which waiting is of no use.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// poll asks until there is no error or ctx ends; then it answers the last error but that.
func (s Site) poll(ctx context.Context, ask func(context.Context) (string, error)) (string, error) {
	var last error
	for {
		answer, err := ask(ctx)
		if err == nil {
			return answer, nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if errors.As(err, new(final)) && ctx.Err() == nil {
			return "", err
		}
		if guard.Sleep(ctx, s.Pause) != nil {
			return "", fmt.Errorf("within %s: %w", s.Patience, last)
		}
	}
}

// lab is the account as the program sees it: it changes and reads by the AWS SDK as a person would, by no code of the
// product's.
type lab struct {
	site    Site
	run     State
	storage icaconfig.Storage
}

// home is the configuration for the region of icaguard itself.
func (l lab) home() aws.Config { return l.site.Config(l.run.Home) }

// region is the bucket's and the key's.
func (l lab) region() string { return l.storage.Region.AWS }
