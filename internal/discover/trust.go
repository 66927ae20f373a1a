package discover

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// aboutEKS says that a trust policy, as IAM returns it, has to do with an OIDC provider of EKS, as ICA's are.
func aboutEKS(encoded string) bool {
	return strings.Contains(decoded(encoded), ":oidc-provider/oidc.eks.")
}

// decoded undoes the URL encoding in which IAM returns documents (IAM API, GetRole).
func decoded(text string) string {
	plain, err := url.PathUnescape(text)
	if err != nil || strings.HasPrefix(strings.TrimSpace(text), "{") {
		return text
	}
	return plain
}

// notUnderstood keeps the text to itself: it may hold the prefix.
const notUnderstood = "its trust policy is not understood"

// trusts reads the statements that let tokens of EKS in, and the prefixes, by which the caller can tell texts that hold one.
func trusts(encoded string) (all []Trust, prefixes []icaconfig.Secret, problem string) {
	list, path, ok := statementsOf(decoded(encoded))
	if !ok {
		return nil, nil, notUnderstood
	}
	for i, raw := range list {
		var s policy.Statement
		if json.Unmarshal(raw, &s) != nil {
			return nil, nil, notUnderstood
		}
		hosts := admitted(s)
		if len(hosts) == 0 {
			continue
		}
		name := sessionName(s, raw, path(i))
		prefixes = append(prefixes, name.prefixes...)
		for _, host := range hosts {
			all = together(all, Trust{Host: host, Subject: subject(s, host), Queries: name.queries, Problem: name.problem})
		}
	}
	return all, prefixes, ""
}

// together joins what two statements say of the same tokens, as each of two credentials may have its own statement.
func together(all []Trust, one Trust) []Trust {
	i := slices.IndexFunc(all, func(t Trust) bool { return t.Host == one.Host && t.Subject == one.Subject })
	if i < 0 {
		return append(all, one)
	}
	all[i].Queries = slices.Concat(all[i].Queries, one.Queries)
	all[i].Problem = cmp.Or(all[i].Problem, one.Problem)
	return all
}

// statementsOf splits a document, in which one statement may stand without a list, and says where each stands.
func statementsOf(text string) (list []json.RawMessage, path func(int) string, ok bool) {
	const all = "Role.AssumeRolePolicyDocument.Statement"
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(text), &doc) != nil {
		return nil, nil, false
	}
	if !strings.HasPrefix(string(doc.Statement), "[") {
		return []json.RawMessage{doc.Statement}, func(int) string { return all }, true
	}
	ok = json.Unmarshal(doc.Statement, &list) == nil
	return list, func(i int) string { return fmt.Sprintf("%s[%d]", all, i) }, ok
}

// admitted are the providers of EKS whose tokens the statement lets in.
func admitted(s policy.Statement) []string {
	web := func(action string) bool {
		return strings.EqualFold(action, "sts:AssumeRoleWithWebIdentity") || strings.EqualFold(action, "sts:*") || action == "*"
	}
	if s.Effect != "Allow" || !slices.ContainsFunc(s.Action, web) {
		return nil
	}
	var hosts []string
	for _, provider := range s.Principal["Federated"] {
		if _, host, ok := strings.Cut(provider, ":oidc-provider/"); ok && strings.HasPrefix(host, "oidc.eks.") {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func subject(s policy.Statement, host string) string {
	if _, _, values := asked(s.Condition, host+":sub"); len(values) > 0 {
		return values[0]
	}
	return ""
}

// asked is where a condition asks for a value under a key, the first place where it does. What it asks not to be there
// counts for nothing.
func asked(c policy.Condition, name string) (operator, key string, values policy.Values) {
	for _, operator := range slices.Sorted(maps.Keys(c)) {
		if !slices.Contains(asking(), operator) {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(c[operator])) {
			if strings.EqualFold(key, name) {
				return operator, key, c[operator][key]
			}
		}
	}
	return "", "", nil
}

// asking are the operators that ask for a text to be there, with or without a set's qualifier.
func asking() (operators []string) {
	for _, set := range []string{"", "ForAnyValue:", "ForAllValues:"} {
		for _, operator := range []string{"StringEquals", "StringLike", "StringEqualsIfExists", "StringLikeIfExists"} {
			operators = append(operators, set+operator)
		}
	}
	return operators
}

// named is where a statement asks for session names.
type named struct {
	queries  []string
	problem  string
	prefixes []icaconfig.Secret
}

// sessionName finds the condition on the session name. The query is made after the document's own shape, as a statement, and
// a value, may stand alone or in a list.
func sessionName(s policy.Statement, raw json.RawMessage, path string) named {
	var shape struct {
		Condition map[string]map[string]json.RawMessage
	}
	if json.Unmarshal(raw, &shape) != nil {
		return named{problem: notUnderstood}
	}
	operator, key, values := asked(s.Condition, "sts:RoleSessionName")
	if values == nil {
		return named{problem: "the trust policy asks for no session name: every ICA tenant of the region could take the role"}
	}
	return patterns(values, shape.Condition[operator][key], fmt.Sprintf("%s.Condition.%q.%q", path, operator, key))
}

// patterns checks the values of the condition, of which each is enough. No text of it holds one.
func patterns(values policy.Values, raw json.RawMessage, query string) named {
	var found named
	for i, value := range values {
		prefix, ends := strings.CutSuffix(value, "-*")
		found.prefixes = append(found.prefixes, icaconfig.Secret(prefix))
		if err := icaconfig.CheckPrefix(prefix); err != nil {
			found.problem = "the session name that the trust policy asks for is no prefix of ICA's: " + err.Error()
			continue
		}
		if !ends {
			found.problem = cmp.Or(found.problem, "the session name that the trust policy asks for does not end with -*")
		}
		at := query
		if strings.HasPrefix(string(raw), "[") {
			at += fmt.Sprintf("[%d]", i)
		}
		found.queries = append(found.queries, at)
	}
	return found
}
