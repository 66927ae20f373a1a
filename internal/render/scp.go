package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// mostOfSCP is AWS's limit in characters; white space counts when it is not pasted into the console
// (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html).
const mostOfSCP = 5120

// scpBody denies everybody but the guard and CloudFormation what changes the settings. Both the actions and the resources
// come from the table of settings, so a setting that is added is covered.
func scpBody(r Request) (any, error) {
	var all []policy.Statement
	for _, s := range append([]icaconfig.Storage{r.Storage}, r.Others...) {
		for _, statement := range denials(s, r.Account) {
			all = merged(all, statement)
		}
	}
	if body := policy.New(all...); len(indented(body)) <= mostOfSCP {
		return body, nil
	}
	return compact(policy.New(all...))
}

// compact saves the white space.
func compact(body any) (json.RawMessage, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("marshal: %w", err)
	}
	if size := len(text) + len("\n"); size > mostOfSCP {
		return nil, fmt.Errorf("it has %d characters, but AWS takes %d: render one for each storage, with --storage", size, mostOfSCP)
	}
	return text, nil
}

// merged adds a statement, or only its resources where another has the same actions and exceptions.
func merged(all []policy.Statement, s policy.Statement) []policy.Statement {
	for i := range all {
		if same := indented(all[i].Action) == indented(s.Action) && indented(all[i].Condition) == indented(s.Condition); same {
			all[i].Resource = slices.Compact(slices.Sorted(slices.Values(append(all[i].Resource, s.Resource...))))
			return all
		}
	}
	return append(all, s)
}

// denials are the statements for one storage, one for each service, and one for what ICA's own role has to be able to do.
func denials(s icaconfig.Storage, account string) []policy.Statement {
	guards := policy.Values{
		"arn:aws:iam::" + account + ":role/" + guard.RemediateFunction,
		"arn:aws:iam::" + account + ":role/cdk-*-cfn-exec-role-*", // CloudFormation's, as cdk bootstrap makes it
	}
	var all []policy.Statement
	for _, service := range []string{"s3", "iam", "kms"} {
		ours, icas := split(changing(service, s), s)
		all = append(all, deny(ours, resources(service, s), guards)...)
		all = append(all, deny(icas, resources(service, s), append(slices.Clone(guards), s.Role.ARN))...)
	}
	return all
}

func deny(actions, on []string, but policy.Values) []policy.Statement {
	if len(actions) == 0 {
		return nil
	}
	return []policy.Statement{{
		Effect: "Deny", Action: actions, Resource: on, Condition: policy.Condition{"ArnNotLike": {"aws:PrincipalArn": but}},
	}}
}

// split tells the actions that ICA itself uses: it puts its notification on the bucket.
func split(actions []string, s icaconfig.Storage) (ours, icas []string) {
	var allowed []string
	for _, calls := range s.Role.Policy.Document.Calls() {
		allowed = append(allowed, calls.Actions...)
	}
	for _, action := range actions {
		if slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, action) }) {
			icas = append(icas, action)
		} else {
			ours = append(ours, action)
		}
	}
	return ours, icas
}

// changing lists the actions of a service that change what the guard keeps: those with which it writes, and those behind
// the events on which it checks. What it only watches stays the lab's own.
func changing(service string, s icaconfig.Storage) []string {
	var actions []string
	for _, setting := range settings.All() {
		writes := written(service, setting, s)
		if len(writes) == 0 {
			continue
		}
		actions = append(actions, writes...)
		for _, trigger := range setting.Triggers {
			if trigger.Source != "aws."+service {
				continue
			}
			for _, event := range trigger.Events {
				actions = append(actions, actionOf(service, event)...)
			}
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

func written(service string, setting guard.Setting, s icaconfig.Storage) []string {
	var actions []string
	for _, action := range setting.Writes {
		if strings.HasPrefix(action.Name, service+":") && (action.If == nil || action.If(s)) {
			actions = append(actions, action.Name)
		}
	}
	return actions
}

// actionOf is the IAM action behind an event, if it has one of its own. In S3 only two deletions do; the others are done
// with the action that puts, which the guard writes with. KMS's DeleteKey is AWS's own act when the waiting time is over
// (Service Authorization Reference).
func actionOf(service, event string) []string {
	own := event != "DeleteKey"
	if service == "s3" {
		own = slices.Contains([]string{"DeleteBucket", "DeleteBucketPolicy"}, event)
	}
	if !own {
		return nil
	}
	return []string{service + ":" + event}
}

// resources are those of the storage that the service's actions are about.
func resources(service string, s icaconfig.Storage) []string {
	switch service {
	case "s3":
		return []string{s.Bucket.ARN}
	case "kms":
		var all []string
		for _, key := range s.Keys() {
			all = append(all, key.ARN)
		}
		return all
	}
	all := []string{s.Provider.ARN, s.Role.ARN, s.Role.Policy.ARN}
	if s.Role.Boundary.Ours {
		all = append(all, s.Role.Boundary.ARN)
	}
	return all
}

func applySCP(r Request) []string {
	lines := comment(
		"For the organisation's management account. It lets only icaguard and CloudFormation change what icaguard guards: nobody "+
			"else of",
		"account "+r.Account+", administrators included, can repair, delete or re-create any of it while it is attached.",
	)
	for _, s := range append([]icaconfig.Storage{r.Storage}, r.Others...) {
		if s.Mode == icaconfig.Observe {
			lines = append(
				lines,
				comment("Storage "+s.Name+" is in mode observe: then icaguard repairs nothing either. Go to enforce first.")...)
		}
	}
	return append(lines,
		"id=$("+words("aws", "organizations", "create-policy", "--type", "SERVICE_CONTROL_POLICY", "--name", "icaguard-"+r.Account,
			"--description", "Only icaguard and CloudFormation change what ICA needs", "--content", r.file(),
			"--query", "Policy.PolicySummary.Id", "--output", "text")+") &&",
		"  "+words("aws", "organizations", "attach-policy", "--target-id", r.Account, "--policy-id")+` "$id"`)
}
