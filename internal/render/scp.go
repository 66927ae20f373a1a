package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// mostOfSCP is AWS's limit in characters; white space counts when it is not pasted into the console
// (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html).
const mostOfSCP = 5120

// DefaultQualifier is in the names of the roles that `cdk bootstrap` makes, unless it was given another
// (https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-customizing.html).
const DefaultQualifier = "hnb659fds"

// scpBody denies everybody but remediate and CloudFormation what changes one storage's settings. Both the actions and
// the resources come from the table of settings, so a setting that is added is covered.
func scpBody(r Request) (any, error) {
	s := r.Storage
	remediate := s.Home.ARN("iam", "", "role/"+guard.RemediateFunction)
	deployers := append(policy.Values{remediate}, r.cdkRoles("cfn-exec")...)
	var all []policy.Statement
	for _, service := range []string{"s3", "iam", "kms"} {
		ours, icas := split(changing(service, s), s)
		all = append(all, deny(ours, resources(service, s), deployers)...)
		all = append(all, deny(icas, resources(service, s), append(slices.Clone(deployers), s.Role.ARN))...)
	}
	return fitting(policy.New(all...))
}

// ownSCPBody denies everybody but CDK's roles what changes icaguard's own resources, and the roles of CDK themselves:
// whoever may write a role that an exception names passes every other statement. What is denied comes from the table of
// self checks; pauses and addresses stay people's to set. All but mappings is one statement, as the exceptions are most of
// its length.
func ownSCPBody(r Request) (any, error) {
	h, cdk := r.Storage.Home, append(r.cdkRoles("cfn-exec"), r.cdkRoles("deploy")...)
	actions := passing()
	on := []string{
		h.ARN("iam", "", "policy/icaguard-*"), h.ARN("cloudformation", "*", "stack/icaguard-*"),
		h.ARN("iam", "", "role/cdk-"+r.Qualifier+"-*"), h.ARN("logs", h.HomeRegion, "log-group:/aws/lambda/icaguard-*"),
	}
	for _, check := range self.All() {
		arn := check.On.ARN(r.Storage)
		switch {
		case check.On == self.OnPauses, check.On == self.OnTrails && !h.CreateTrail:
			continue
		case check.On == self.OnTrails:
			arn = h.ARN("cloudtrail", "*", "trail/icaguard-*")
		}
		actions, on = append(actions, heard(check)...), append(on, arn)
	}
	slices.Sort(actions)
	return fitting(policy.New(append(deny(slices.Compact(actions), on, cdk), denyMappings(r))...))
}

// denyMappings: a mapping's ARN holds an id that nobody knows in advance, so it is told by its function
// (Service Authorization Reference: lambda:FunctionArn). Those of icaguard are in the home region only.
func denyMappings(r Request) policy.Statement {
	h := r.Storage.Home
	return policy.Statement{
		Effect: "Deny", Resource: []string{"*"},
		Action: policy.Values{
			"lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping",
		},
		Condition: policy.Condition{
			"ArnLike":      {"lambda:FunctionArn": {h.ARN("lambda", h.HomeRegion, "function:icaguard-*")}},
			"ArnNotEquals": {"aws:PrincipalArn": {r.cdkRole("cfn-exec", h.HomeRegion)}},
		},
	}
}

// passing are the ways to act as a role of ours without changing it: through a stack, which keeps its role, or by giving
// the role to a service.
func passing() policy.Values {
	return policy.Values{
		"cloudformation:CreateChangeSet", "cloudformation:DeleteStack", "cloudformation:ExecuteChangeSet",
		"cloudformation:SetStackPolicy", "cloudformation:UpdateStack", "cloudformation:UpdateTerminationProtection", "iam:PassRole",
	}
}

// cdkRoles are the roles of a kind that `cdk bootstrap` made in the regions of the file, by their exact ARNs: by a
// pattern anybody could name a role so that it passes.
func (r Request) cdkRoles(kind string) policy.Values {
	var roles policy.Values
	for _, region := range r.Storage.Home.Regions() {
		roles = append(roles, r.cdkRole(kind, region))
	}
	return roles
}

func (r Request) cdkRole(kind, region string) string {
	h := r.Storage.Home
	return h.ARN("iam", "", "role/cdk-"+r.Qualifier+"-"+kind+"-role-"+h.Account+"-"+region)
}

// heard are the IAM actions behind the events that an own row listens to, those on the row's resources: a mapping is no
// function (denyMappings), a subscription no topic.
func heard(check guard.SelfCheck) policy.Values {
	var actions policy.Values
	for _, trigger := range check.Triggers {
		for _, event := range trigger.Events {
			if strings.HasSuffix(event, "EventSourceMapping") || strings.Contains(event, "ubscri") {
				continue
			}
			service := strings.TrimPrefix(trigger.Source, "aws.")
			if service == "monitoring" {
				service = "cloudwatch"
			}
			actions = append(actions, service+":"+event)
		}
	}
	return actions
}

// fitting is the document as it is, or without its white space where only so AWS takes it.
func fitting(body policy.Document) (any, error) {
	if len(indented(body)) <= mostOfSCP {
		return body, nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("marshal: %w", err)
	}
	if size := len(text) + len("\n"); size > mostOfSCP {
		return nil, fmt.Errorf("it has %d characters, but AWS takes %d: use shorter names or fewer regions", size, mostOfSCP)
	}
	return json.RawMessage(text), nil
}

func deny(actions, on []string, but policy.Values) []policy.Statement {
	if len(actions) == 0 || len(on) == 0 {
		return nil
	}
	return []policy.Statement{{
		Effect: "Deny", Action: actions, Resource: on, Condition: policy.Condition{"ArnNotEquals": {"aws:PrincipalArn": but}},
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

// givesRights is the setting that is about what others let the role do.
const givesRights = "role-foreign-policies"

// changing lists the actions of a service that change what icaguard restores: those with which it writes, and those
// behind the events on which it checks. What it only watches of a bucket stays the lab's own; what it only watches of
// the role, an inline policy of others, gives rights to whoever holds the role.
func changing(service string, s icaconfig.Storage) []string {
	var actions []string
	for _, setting := range settings.All() {
		writes := written(service, setting, s)
		if len(writes) == 0 && setting.ID != givesRights {
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
// with the action that puts, which icaguard writes with. KMS's DeleteKey and DeleteExpiredKeyMaterial are AWS's own acts
// when a time is over, and DisconnectCustomKeyStore is no action on a key (Service Authorization Reference).
func actionOf(service, event string) []string {
	own := !slices.Contains([]string{"DeleteKey", "DeleteExpiredKeyMaterial", "DisconnectCustomKeyStore"}, event)
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

// scpLimits say what no such policy does, for the people who attach it.
func scpLimits() []string {
	return comment(
		"It does not bind the organisation's management account, nor who may assume CDK's deploy role or pass its execution role",
		"to CloudFormation. cdk bootstrap of these regions and icaguard probe, whose calls it denies, need it detached.",
		"AWS attaches few of them to one account: put the others on its organisational unit.",
	)
}

func applySCP(r Request) []string {
	s := r.Storage
	lines := comment(
		"For the organisation's management account. It lets only icaguard and CloudFormation change what icaguard restores of",
		"storage "+s.Name+"; nobody else of account "+r.Account+" can repair, delete or re-create it while it is attached.",
		"Without the policy of icaguard render scp-icaguard it is worth little: who may change the roles that it excepts may",
		"change everything.",
	)
	lines = append(lines, scpLimits()...)
	if s.Mode == icaconfig.Observe {
		lines = append(lines, comment("It is in mode observe: then icaguard restores nothing either. Go to enforce first.")...)
	}
	return append(lines, attachSCP(r, "icaguard-"+s.Name, "Only icaguard and CloudFormation change what ICA needs")...)
}

func applyOwnSCP(r Request) []string {
	lines := comment(
		"For the organisation's management account. It lets only CDK's roles with qualifier "+r.Qualifier+" change icaguard's own",
		"resources in account "+r.Account+", and those roles themselves. One for each account, beside that of each storage",
		"(icaguard render scp).",
	)
	return append(append(lines, scpLimits()...), attachSCP(r, "icaguard-"+r.Account, "Only CloudFormation changes icaguard")...)
}

func attachSCP(r Request, name, description string) []string {
	return []string{
		"id=$(" + words("aws", "organizations", "create-policy", "--type", "SERVICE_CONTROL_POLICY", "--name", name,
			"--description", description, "--content", r.file(), "--query", "Policy.PolicySummary.Id", "--output", "text") + ") &&",
		"  " + words("aws", "organizations", "attach-policy", "--target-id", r.Account, "--policy-id") + ` "$id"`,
	}
}
