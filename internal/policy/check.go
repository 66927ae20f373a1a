package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is what a person should know about one statement.
type Finding struct {
	Statement Place
	Text      string // masked
}

// String is one line.
func (f Finding) String() string { return f.Statement.String() + ": " + f.Text }

// Widens finds what in the document's Allow statements grants more than the resources within (ARNs with wildcards; "*" for a key
// policy), or to nobody in particular: wildcards in principals or actions, NotPrincipal, NotAction, NotResource, other resources.
func Widens(d Document, within ...string) []Finding {
	return d.find(func(s Statement) []string {
		if s.Effect != allow {
			return nil
		}
		return slices.Concat(s.widePrincipals(), s.wideActions(), s.wideResources(within))
	})
}

func (d Document) find(of func(Statement) []string) []Finding {
	var all []Finding
	for _, s := range d.placed() {
		for _, text := range of(s.Statement) {
			all = append(all, Finding{s.Place, text})
		}
	}
	return all
}

func (s Statement) widePrincipals() (texts []string) {
	if s.principals().not {
		return []string{"Allow with NotPrincipal admits everyone else: name who may, under Principal"}
	}
	for _, p := range s.principals().names {
		if strings.ContainsAny(p.name, "*?") {
			texts = append(texts, "Principal "+show("", p.name)+" admits more than one: name who may")
		}
	}
	return texts
}

func (s Statement) wideActions() (texts []string) {
	if s.actions().not {
		return []string{"Allow with NotAction permits everything else: name the actions"}
	}
	for _, a := range s.actions().values {
		if strings.ContainsAny(a, "*?") {
			texts = append(texts, "Action "+a+" permits more than one: name the actions")
		}
	}
	return texts
}

func (s Statement) wideResources(within []string) (texts []string) {
	if s.resources().not {
		return []string{"Allow with NotResource covers everything else: name the resources"}
	}
	for _, r := range s.resources().values {
		_, variable := valuePattern(r, true)
		inside := func(w string) bool { return matchResource(w, r) == yes }
		if variable || !slices.ContainsFunc(within, inside) {
			texts = append(texts, "Resource "+show("", r)+" is none of "+strings.Join(within, ", "))
		}
	}
	return texts
}

// Grants says that some Allow statement is, at least in part, about the resource (an ARN with or without wildcards).
func Grants(d Document, resource string) bool {
	return slices.ContainsFunc(d.statements, func(s entry) bool {
		on := s.resources()
		return s.Effect == allow && len(on.values) > 0 && on.matches(resource, matchResource) > no
	})
}

// AdministratorLike finds Allow statements that make their holder an administrator: on all resources, all actions but
// some, or one of those with which a holder grants itself the rest. Conditions are not considered.
func AdministratorLike(d Document) []Finding {
	return d.find(func(s Statement) []string {
		if s.Effect != allow || !s.onEverything() {
			return nil
		}
		if s.actions().not {
			return []string{"it permits all actions but some on all resources"}
		}
		var power []string
		for _, a := range s.actions().values {
			if slices.ContainsFunc(selfGranting(), func(g string) bool { return matchAction(a, g) == yes }) {
				power = append(power, a)
			}
		}
		if power == nil {
			return nil
		}
		return []string{
			fmt.Sprintf("it permits %s on all resources: whoever holds it can grant itself everything", strings.Join(power, ", ")),
		}
	})
}

// onEverything says that the statement reaches the roles and policies of the account whatever their names are.
func (s Statement) onEverything() bool {
	if s.resources().not {
		return true
	}
	return slices.ContainsFunc(s.resources().values, func(r string) bool {
		arn := arnParts(r)
		if arn == nil {
			return wildcards(r).overlaps(wildcards("arn:*:iam::*:role/*"))
		}
		names := wildcards(arn[5])
		return matchAction(arn[2], "iam") == yes && (names.covers(wildcards("role/*")) || names.covers(wildcards("policy/*")))
	})
}

// selfGranting are IAM actions with which a principal can raise its own permissions.
func selfGranting() []string {
	return []string{
		"iam:AttachRolePolicy", "iam:AttachUserPolicy", "iam:CreatePolicyVersion", "iam:DeleteRolePermissionsBoundary",
		"iam:PutRolePolicy", "iam:PutUserPolicy", "iam:SetDefaultPolicyVersion", "iam:UpdateAssumeRolePolicy",
	}
}

// DeletedPrincipal is a name that no longer stands for anybody. Recreating the user or role under its old name does not
// bring it back; putting the document again with the ARN does (IAM: Principal).
type DeletedPrincipal struct {
	Statement Place
	ID        string // AROA… (role) or AIDA… (user)
	Not       bool   // it stands under NotPrincipal: an exception that was lost
}

// DeletedPrincipals finds the unique ids that AWS shows in place of the ARNs of deleted roles and users.
func DeletedPrincipals(d Document) []DeletedPrincipal {
	var all []DeletedPrincipal
	for _, s := range d.placed() {
		for _, p := range s.principals().names {
			if deletedID(p.name) {
				all = append(all, DeletedPrincipal{s.Place, p.name, s.principals().not})
			}
		}
	}
	return all
}

func deletedID(name string) bool {
	return (strings.HasPrefix(name, "AROA") || strings.HasPrefix(name, "AIDA")) && !strings.Contains(name, ":")
}
