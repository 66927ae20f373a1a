package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/policy"
)

// Templates are the synthesised CloudFormation templates of one ica.yaml.
type Templates struct{ resources []templateResource }

type templateResource struct {
	Type       string
	Properties struct {
		RoleName            string
		Policies            []struct{ PolicyDocument json.RawMessage }
		ManagedPolicyArns   []json.RawMessage
		PermissionsBoundary json.RawMessage
		Roles               []any
		PolicyDocument      json.RawMessage
		ResourcePolicy      struct{ PolicyDocument json.RawMessage }
		ManagedPolicyName   string
	}

	stack, id string
}

// Synthesise runs the CDK app, as a process, over an ica.yaml that needs no other file, and reads the templates. The
// binary stands for those of both functions, which the templates hold only by their digests.
func Synthesise(ctx context.Context, config, binary string) (Templates, error) {
	root, err := moduleRoot()
	if err != nil {
		return Templates{}, fmt.Errorf("localaws: synth: %w", err)
	}
	dir, err := os.MkdirTemp("", "icaguard-synth-")
	if err != nil {
		return Templates{}, fmt.Errorf("localaws: synth: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := makeBuild(dir, config, binary); err != nil {
		return Templates{}, fmt.Errorf("localaws: synth: %w", err)
	}
	features, err := cdkContext(root)
	if err != nil {
		return Templates{}, fmt.Errorf("localaws: synth: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "run", "./cdk")
	output := &tail{next: io.Discard}
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, output, output
	cmd.Env = commandEnv("http://localhost", setUpKey, map[string]string{
		"CONFIG": filepath.Join(dir, "ica.yaml"), "DIST": dir, "CDK_OUTDIR": filepath.Join(dir, "cdk.out"),
		"CDK_DEFAULT_ACCOUNT": account, "CDK_CONTEXT_JSON": features,
	})
	inOwnGroup(cmd)
	if err := cmd.Run(); err != nil {
		return Templates{}, fmt.Errorf("localaws: synth: %w; its last output:\n%s", err, output)
	}
	return readTemplates(filepath.Join(dir, "cdk.out"))
}

// makeBuild lays out what make build does.
func makeBuild(dir, config, binary string) error {
	if err := os.WriteFile(filepath.Join(dir, "ica.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	for _, function := range []string{"remediate", "validate"} {
		folder := filepath.Join(dir, function)
		err := os.Mkdir(folder, 0o700)
		err = errors.Join(err, os.WriteFile(filepath.Join(folder, "ica.yaml"), []byte(config), 0o600))
		if err = errors.Join(err, os.Symlink(binary, filepath.Join(folder, "bootstrap"))); err != nil {
			return err
		}
	}
	return nil
}

// cdkContext is cdk.json's, which decides what CDK makes of the same code.
func cdkContext(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "cdk.json"))
	if err != nil {
		return "", err
	}
	var cdk struct{ Context json.RawMessage }
	err = json.Unmarshal(text, &cdk)
	return string(cdk.Context), err
}

func readTemplates(dir string) (Templates, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.template.json"))
	if err == nil && len(files) == 0 {
		err = errors.New("no template")
	}
	var all Templates
	for _, file := range files {
		text, readErr := os.ReadFile(file)
		var template struct{ Resources map[string]templateResource }
		if err = errors.Join(err, readErr, json.Unmarshal(text, &template)); err != nil {
			break
		}
		for _, id := range slices.Sorted(maps.Keys(template.Resources)) {
			resource := template.Resources[id]
			resource.stack, resource.id = file, id
			all.resources = append(all.resources, resource)
		}
	}
	if err != nil {
		return Templates{}, fmt.Errorf("localaws: synth: read templates: %w", err)
	}
	return all, nil
}

var errUnresolved = errors.New("localaws: synth: a reference is not resolved here")

// Grants are those of a role in the templates, with names replaced: pairs of old and new text, as of strings.NewReplacer.
func (t Templates) Grants(role string, oldNew ...string) (Grants, error) {
	var g Grants
	names := strings.NewReplacer(oldNew...)
	add := func(to *[]policy.Statement, document json.RawMessage) error {
		if len(document) == 0 {
			return nil
		}
		if err := add(to, names.Replace(string(document))); err != nil {
			return fmt.Errorf("%w: %w", errUnresolved, err)
		}
		return nil
	}
	var errs []error
	for _, r := range t.resources {
		switch {
		case r.Type == "AWS::SQS::QueuePolicy", r.Type == "AWS::SNS::TopicPolicy":
			errs = append(errs, add(&g.Resource, r.Properties.PolicyDocument))
		case r.Type == "AWS::DynamoDB::Table":
			errs = append(errs, add(&g.Resource, r.Properties.ResourcePolicy.PolicyDocument))
		case r.Type == "AWS::IAM::Policy", r.Type == "AWS::IAM::RolePolicy", len(r.Properties.Roles) > 0:
			errs = append(errs, fmt.Errorf("%w: %s %s", errUnresolved, r.Type, r.id))
		case r.Type == "AWS::IAM::Role" && r.Properties.RoleName == role:
			errs = append(errs, t.ofRole(r, func(document json.RawMessage) error { return add(&g.Identity, document) }))
		}
	}
	if len(g.Identity) == 0 {
		errs = append(errs, fmt.Errorf("localaws: synth: role %s has no policies", role))
	}
	return g, errors.Join(errs...)
}

// ofRole adds a role's inline policies and the managed ones of its stack that it refers to.
func (t Templates) ofRole(role templateResource, add func(json.RawMessage) error) error {
	var errs []error
	for _, inline := range role.Properties.Policies {
		errs = append(errs, add(inline.PolicyDocument))
	}
	for _, arn := range role.Properties.ManagedPolicyArns {
		var to struct{ Ref string }
		_ = json.Unmarshal(arn, &to) // a text refers to nothing
		i := slices.IndexFunc(t.resources, func(r templateResource) bool { return r.stack == role.stack && r.id == to.Ref })
		if i < 0 {
			return fmt.Errorf("%w: %s", errUnresolved, arn)
		}
		errs = append(errs, add(t.resources[i].Properties.PolicyDocument))
	}
	if len(role.Properties.PermissionsBoundary) > 0 {
		errs = append(errs, fmt.Errorf("%w: boundary of %s", errUnresolved, role.id))
	}
	return errors.Join(errs...)
}
