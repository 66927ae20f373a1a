package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"

	"github.com/aws/aws-cdk-go/awscdk/v2/cxapi"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// Quotas of CloudFormation for one template.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const (
	mostTemplateBytes = 1 << 20
	mostResources     = 500
	mostOutputs       = 200
	mostReferences    = 60 // dynamic references, by which the template resolves ICA's prefixes; icaconfig refuses more
)

// Quotas of EventBridge. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const (
	mostRules   = 300 // of one event bus
	mostPattern = 2048
)

var (
	errTooMany = errors.New("too many storages for one account: let storages share a role (role.name), or use a second account")
	errTooBig  = errors.New("more than AWS takes")
)

// limit is a quota of AWS that the number of storages can pass.
type limit struct {
	of   string
	most int
	need func(icaconfig.Baseline) int
}

func limits() []limit {
	attached := func(statements func(icaconfig.Baseline) []policy.Statement) func(icaconfig.Baseline) int {
		return func(b icaconfig.Baseline) int { return len(packed(statements(b))) - 1 }
	}
	return []limit{
		{"managed policies on role " + guard.RemediateFunction, mostAttached, attached(remediateStatements)},
		{"managed policies on role " + guard.ValidateFunction, mostAttached, attached(validateStatements)},
		{"outputs of the guard's stack", mostOutputs, func(b icaconfig.Baseline) int { return outputsPerStorage*len(b.Storages) + 3 }},
	}
}

// checkLimits refuses at synth what AWS would refuse half-way through a deploy, and says how many storages fit.
func checkLimits(b icaconfig.Baseline) error {
	for _, l := range limits() {
		if need := l.need(b); need > l.most {
			return fmt.Errorf(
				"%d storages need %d %s, AWS allows %d: the first %d fit: %w", len(b.Storages), need, l.of, l.most, l.fitting(b),
				errTooMany,
			)
		}
	}
	if err := checkPolicies(b); err != nil {
		return err
	}
	return checkPatterns(b)
}

// checkPolicies finds a statement that alone is too long, as a condition on many long tags makes it: it is cut between
// its resources only.
func checkPolicies(b icaconfig.Baseline) error {
	for i, p := range packed(remediateStatements(b)) {
		if n := length(p); n > most(i) {
			return fmt.Errorf("a policy of role %s has %d characters, IAM allows %d: fewer or shorter tags: %w",
				guard.RemediateFunction, n, most(i), errTooBig)
		}
	}
	return nil
}

// fitting is how many storages, in the order of the file, stay within the limit.
func (l limit) fitting(b icaconfig.Baseline) int {
	return sort.Search(len(b.Storages), func(n int) bool { return l.need(first(b, n+1)) > l.most })
}

// first is the baseline of the first n storages and their roles.
func first(b icaconfig.Baseline, n int) icaconfig.Baseline {
	b.Storages = b.Storages[:n]
	unused := func(r *icaconfig.Role) bool {
		return !slices.ContainsFunc(b.Storages, func(s icaconfig.Storage) bool { return s.Role == r })
	}
	b.Roles = slices.DeleteFunc(slices.Clone(b.Roles), unused)
	return b
}

// checkPatterns holds the rules to their quotas. They do not grow with the number of storages, so these are ours to
// fix, not the user's.
func checkPatterns(b icaconfig.Baseline) error {
	for _, region := range b.Regions() {
		rules := slices.DeleteFunc(self.AllRules(b.Home), func(r self.Rule) bool { return r.Region != region })
		if len(rules) > mostRules {
			return fmt.Errorf("%d rules in %s, AWS allows %d: %w", len(rules), region, mostRules, errTooBig)
		}
		i := slices.IndexFunc(rules, func(r self.Rule) bool { return len(text(r.Pattern)) > mostPattern })
		if i >= 0 {
			return fmt.Errorf(
				"rule %s has a pattern of %d characters, AWS allows %d: %w", rules[i].Name, len(text(rules[i].Pattern)), mostPattern,
				errTooBig,
			)
		}
	}
	return nil
}

// checkTemplates holds the templates to CloudFormation's quotas. checkLimits refuses long before, and knows how many
// storages fit.
func checkTemplates(assembly cxapi.CloudAssembly) error {
	for _, stack := range *assembly.Stacks() {
		template, err := os.ReadFile(*stack.TemplateFullPath())
		if err != nil {
			return fmt.Errorf("read the template of %s: %w", *stack.StackName(), err)
		}
		content, _ := stack.Template().(map[string]any)
		for _, quota := range []struct {
			of         string
			need, most int
		}{
			{"bytes", len(template), mostTemplateBytes},
			{"resources", members(content["Resources"]), mostResources},
			{"outputs", members(content["Outputs"]), mostOutputs},
			{"dynamic references", bytes.Count(template, []byte("{{resolve:")), mostReferences},
		} {
			if quota.need > quota.most {
				return fmt.Errorf(
					"stack %s has %d %s, CloudFormation allows %d: %w", *stack.StackName(), quota.need, quota.of, quota.most, errTooBig,
				)
			}
		}
	}
	return nil
}

func members(value any) int {
	object, _ := value.(map[string]any)
	return len(object)
}
