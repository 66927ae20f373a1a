package policy

import "slices"

// MostManaged is IAM's limit for a managed policy, in characters without white space.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const MostManaged = 6144

// Pack spreads statements over policies of at most so many characters each, by the policy's number, without white space as
// IAM counts them. A statement that does not fit is cut between its resources; one that alone is too long stands alone.
func Pack(statements []Statement, most func(number int) int) [][]Statement {
	policies := [][]Statement{nil}
	for _, s := range statements {
		continued := false
		for _, resource := range s.Resource {
			last := len(policies) - 1
			longer := with(policies[last], s, resource, continued)
			if len(policies[last]) > 0 && len(New(longer...).JSON()) > most(last) {
				policies = append(policies, nil)
				last++
				longer = with(nil, s, resource, false)
			}
			policies[last], continued = longer, true
		}
	}
	return policies
}

// with is the policy with one more resource in its last statement, or with the statement begun.
func with(policy []Statement, s Statement, resource string, continued bool) []Statement {
	policy = slices.Clone(policy)
	if continued {
		last := &policy[len(policy)-1]
		last.Resource = append(slices.Clone(last.Resource), resource)
		return policy
	}
	s.Resource = []string{resource}
	return append(policy, s)
}
