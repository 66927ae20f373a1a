package localaws

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/localaws/authz"
	"github.com/icaguard/icaguard/internal/policy"
)

// Grants are all policies that decide about a caller's calls.
type Grants struct {
	Identity []policy.Statement // of the role's or user's own policies
	Boundary []policy.Statement // of its permissions boundary; nil: it has none
	Resource []policy.Statement // of the policies of queues, topics and tables, each with its Resource
	Function string             // ARN of the Lambda function whose credentials they are; "": none's
}

// Without are the grants without an action: no statement allows it by its name any more.
func (g Grants) Without(action string) Grants {
	g.Identity = slices.Clone(g.Identity)
	for i, s := range g.Identity {
		if !s.IsDeny() {
			s.Action = slices.DeleteFunc(slices.Clone(s.Action), func(a string) bool { return a == action })
			g.Identity[i] = s
		}
	}
	return g
}

// Refusal is a call that the caller's policies do not allow.
type Refusal struct {
	AccessKeyID, Operation, Action, Resource string
	Why                                      string // for people: AWS's reason, and the statement that comes nearest
}

// Error is the refusal for a person who reads it in a test's output.
func (r Refusal) Error() string {
	return fmt.Sprintf("the policies of %s do not allow %s on %s (%s): %s", r.AccessKeyID, r.Action, r.Resource, r.Operation, r.Why)
}

// Judged is one permission that a call needed, and by what it was judged.
type Judged struct {
	authz.Call

	Operation string
	grants    Grants
}

// Again judges it once more, without an action; "": as it was. It asks nobody.
func (j Judged) Again(without string) (authz.Decision, error) {
	j.Identity = j.grants.Without(without).Identity
	decision, err := authz.Decide(j.grants.Resource, j.Call)
	if err != nil {
		return decision, fmt.Errorf("localaws: %w", err)
	}
	return decision, nil
}

// OwnedBy is the same permission on a resource that belongs to another account. ARNs of buckets do not tell whose they are.
func (j Judged) OwnedBy(account string) Judged {
	j.Keys = maps.Clone(j.Keys)
	j.Keys["aws:ResourceAccount"] = []string{account}
	return j
}

// authority is what binds one access key, and what was asked of it.
type authority struct {
	Grants
	judged map[string]Judged
}

// Authorize lets an access key do from now on what the grants allow and nothing else. Nobody takes a refusal for a small
// thing: one that TakeRefusals did not take is an error of the recorder.
func (r *Recorder) Authorize(accessKeyID string, g Grants) {
	r.mu.Lock()
	defer r.mu.Unlock()
	judged := map[string]Judged{}
	if before := r.authorities[accessKeyID]; before != nil {
		judged = before.judged
	}
	r.authorities[accessKeyID] = &authority{g, judged}
}

// Free lets an access key do everything again.
func (r *Recorder) Free(accessKeyID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.authorities, accessKeyID)
}

// TakeRefusals answers and forgets what was refused to an access key.
func (r *Recorder) TakeRefusals(accessKeyID string) []Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	var taken []Refusal
	r.refusals = slices.DeleteFunc(r.refusals, func(refusal Refusal) bool {
		ours := refusal.AccessKeyID == accessKeyID
		if ours {
			taken = append(taken, refusal)
		}
		return ours
	})
	return taken
}

// Judged are the permissions that the calls of an access key needed so far, each once.
func (r *Recorder) Judged(accessKeyID string) []Judged {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Judged
	if of := r.authorities[accessKeyID]; of != nil {
		for _, key := range slices.Sorted(maps.Keys(of.judged)) {
			all = append(all, of.judged[key])
		}
	}
	return all
}

// authorize answers a call that its caller's policies do not allow, as AWS does; nil where they do, or nobody said which
// it has. What cannot be judged is an error of the recorder.
func (r *Recorder) authorize(ctx context.Context, call request) *answer {
	r.mu.Lock()
	of := r.authorities[call.AccessKeyID]
	r.mu.Unlock()
	if of == nil {
		return nil
	}
	who := r.identity(call.AccessKeyID)
	needed, err := r.permissions(ctx, call)
	if err != nil {
		return r.unjudged(ctx, call, err)
	}
	for _, p := range needed {
		c := p.asked(call, who, of.Function)
		c.Identity, c.Boundary = of.Identity, of.Boundary
		r.note(of, Judged{c, call.Operation, of.Grants})
		decision, err := authz.Decide(of.Resource, c)
		if err != nil {
			return r.unjudged(ctx, call, err)
		}
		if !decision.Allowed {
			r.refuse(call, c, decision)
			refused := denied(call, fmt.Sprintf(
				"User: %s is not authorized to perform: %s on resource: %s %s", who.ARN(), p.action, p.resource, decision.Why))
			return &refused
		}
	}
	return nil
}

func (r *Recorder) unjudged(ctx context.Context, call request, err error) *answer {
	r.fail(ctx, fmt.Errorf("authorize: %w", err))
	refused := refusal(call, err.Error())
	return &refused
}

func (r *Recorder) refuse(call request, c authz.Call, decision authz.Decision) {
	why := decision.Why + "; nearest: " + authz.Nearest(c)
	if len(decision.By) > 0 {
		why = decision.Why + ": " + strings.Join(decision.By, ", ")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals = append(r.refusals, Refusal{call.AccessKeyID, call.Operation, c.Action, c.Resource, why})
}

// note keeps what was asked: the keys that differ from call to call are part of the question.
func (r *Recorder) note(of *authority, j Judged) {
	key := fmt.Sprint(j.Action, " ", j.Resource, " ", j.Keys)
	r.mu.Lock()
	defer r.mu.Unlock()
	of.judged[key] = j
}

// asked is the question of a call for one permission, with the request context that AWS would have. What a service has
// keys of its own for that no call here carries is absent; all others are not known.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (p permission) asked(call request, who Identity, function string) authz.Call {
	c := authz.Call{
		Principal: policy.Principal{"AWS": {who.PrincipalARN(), who.ARN()}}, Action: p.action, Resource: p.resource,
		Keys: map[string][]string{
			"aws:PrincipalArn": {who.PrincipalARN()}, "aws:PrincipalAccount": {who.account}, "aws:PrincipalIsAWSService": {"false"},
			"aws:RequestedRegion": {call.Region}, "aws:ResourceAccount": {accountOf(p.resource)},
			"aws:SecureTransport": {"true"}, // SDKs use TLS with AWS
			"aws:SourceAccount":   nil, "aws:SourceArn": nil, "aws:PrincipalServiceName": nil, "aws:TagKeys": nil,
			"lambda:SourceFunctionArn": nil,
			"iam:PolicyARN":            nil, "kms:BypassPolicyLockoutSafetyCheck": nil,
		},
	}
	if !slices.Contains([]string{"UpdateAssumeRolePolicy", "UpdateRole"}, call.Operation) {
		c.Keys["iam:PermissionsBoundary"] = nil
	}
	if who.role != "" {
		c.Session = who.ARN()
	}
	if function != "" {
		c.Keys["lambda:SourceFunctionArn"] = []string{function}
	}
	maps.Copy(c.Keys, p.keys)
	return c
}

// accountOf is whose a resource is. ARNs of buckets do not tell: they count as the account's, as a stranger's bucket refuses
// by itself. What the policies say to a stranger's, Judged.OwnedBy asks.
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[4] == "" {
		return account
	}
	return parts[4]
}

// forbidden records and answers a call that is refused; its event tells so.
func (e exchange) forbidden(req *http.Request, call request, refused answer) *http.Response {
	e.recorder.record(req.Context(), call, refused)
	e.recorder.remember(call, Call{Status: refused.Status})
	return refused.response(req)
}
