package policy

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// choices are bytes that each decide something, so that a fuzz target changes one decision of a document at a time.
type choices []byte

func (c *choices) among(n int) int {
	if len(*c) == 0 || n <= 0 {
		return 0
	}
	first := (*c)[0]
	*c = (*c)[1:]
	return int(first) % n
}

func (c *choices) of(from ...string) string { return from[c.among(len(from))] }

// some are one to three.
func (c *choices) some(from ...string) []string {
	all := []string{c.of(from...)}
	for range c.among(3) {
		all = append(all, c.of(from...))
	}
	return all
}

// statement is one of the oracle's, or one that is put together, with conditions of the oracle's.
func (c *choices) statement(rows []oracleRow) Statement {
	s := read(rows[(c.among(256)*256+c.among(256))%len(rows)])
	if c.among(4) == 0 {
		return s
	}
	s.Effect = c.of(deny, allow)
	s.Principal, s.NotPrincipal, s.Action, s.NotAction, s.Resource, s.NotResource = nil, nil, nil, nil, nil, nil
	const bucket = "arn:aws:s3:::lab-prod-ica"
	who := Principal{"AWS": c.some("*", "arn:aws:iam::111122223333:role/Illumina_ICA_Role", "111122223333",
		"arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:role/Other",
		"arn:aws:sts::111122223333:assumed-role/Illumina_ICA_Role/x", "AROAEXAMPLEICA0000001")}
	what := c.some("s3:GetObject", "S3:putobject", "s3:*", "s3:Get*", "*", "kms:Decrypt", "s3:ListBucket",
		"s3:?etObject", "s3:PutBucketNotification")
	where := c.some(bucket, bucket+"/*", bucket+"/ica/*", "*", "arn:aws:s3:::*", "arn:aws:s3:::other/*",
		bucket+"/${aws:username}/*", "arn:*")
	switch c.among(6) {
	case 0:
		s.NotPrincipal, s.Action, s.Resource = who, what, where
	case 1:
		s.Principal, s.NotAction, s.Resource = who, what, where
	case 2:
		s.Principal, s.Action, s.NotResource = who, what, where
	default:
		s.Principal, s.Action, s.Resource = who, what, where
	}
	switch c.among(4) {
	case 0:
		s.Condition = nil
	case 1:
		s.Condition = read(rows[(c.among(256)*256+c.among(256))%len(rows)]).Condition
	}
	s.Sid = c.of("", "A", "B", "C")
	return s
}

// within is a part of what one of the statements says, or the contrary.
func (c *choices) within(all []Statement) Statement {
	parts := split(all[c.among(len(all))])
	part := parts[c.among(len(parts))]
	part.Effect = c.of(part.Effect, allow, deny)
	return part
}

func read(r oracleRow) Statement {
	var s Statement
	if err := json.Unmarshal(r.Statement, &s); err != nil {
		panic(err) // the oracle's own test reads all of them
	}
	return s
}

// strength is that of the strongest answer: 0 no, 1 may, 2 certain.
func strength(hits []Hit) int {
	strongest := min(len(hits), 1)
	for _, h := range hits {
		if h.Certain {
			strongest = 2
		}
	}
	return strongest
}

// FuzzLaws: what must hold for any documents, callers and calls. More statements deny no less and allow no less; what is
// equal or covered answers alike or stronger; what the functions that write documents make means what it says.
func FuzzLaws(f *testing.F) {
	var all oracle
	readOracle(f, "denies.json", &all)
	for seed := range uint64(60) {
		r, text := rand.New(rand.NewPCG(seed, 31)), make([]byte, 64)
		for i := range text {
			text[i] = byte(r.Uint32())
		}
		f.Add(text, seed)
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		c := choices(text)
		row := all.Rows[c.among(len(all.Rows))]
		who := forget(rand.New(rand.NewPCG(seed, 32)), row.caller())
		l := laws{t, who, all.Calls[row.Calls]}
		var one, other []Statement
		for range 1 + c.among(3) {
			one = append(one, c.statement(all.Rows))
		}
		for range 1 + c.among(2) {
			other = append(other, c.statement(all.Rows))
		}
		l.checkMore(one, other)
		l.checkEqual(New(one...), c)
		l.checkCovers(New(one...), other[0])
		l.checkCovers(New(one...), c.within(one))
		l.checkUnknown(New(one...), seed)
		l.checkPlain(New(one...))
		l.checkExcept(other[0])
		l.checkMerge(New(one...), other)
		l.checkWithoutActions(New(one...), other[0].Action)
		l.checkNarrowed(New(other...), New(one...), c.of("aws:PrincipalArn", "s3:prefix", "aws:SourceVpce"))
	})
}

type laws struct {
	t     *testing.T
	who   Caller
	calls []Calls
}

func (l laws) denies(d Document) int { return strength(Denies(d, l.who, l.calls)) }

func (l laws) allows(d Document) bool { return Allows(d, l.who, l.calls) }

// checkMore: adding statements.
func (l laws) checkMore(one, other []Statement) {
	l.t.Helper()
	a, more := New(one...), New(slices.Concat(one, other)...)
	if l.denies(more) < l.denies(a) {
		l.t.Errorf("it denies less with more: %v\n%v", a, more)
	}
	if l.allows(a) && !l.allows(more) {
		l.t.Errorf("it allows less with more: %v\n%v", a, more)
	}
	everywhere := l
	everywhere.who.On = ""
	if lack := Lacks(a, everywhere.who, l.calls); everywhere.allows(a) && len(lack) > 0 {
		l.t.Errorf("it allows what it lacks: %v: %v", lack, a)
	}
	lacks := func(d Document) map[string]bool {
		all := map[string]bool{}
		for _, lack := range Lacks(d, l.who, l.calls) {
			all[lack.Action+" "+lack.Resource] = lack.Certain
		}
		return all
	}
	before := lacks(a)
	for call, certain := range lacks(more) {
		if was, ok := before[call]; !ok || certain && !was {
			l.t.Errorf("it lacks more with more: %s: %v\n%v", call, a, more)
		}
	}
}

// checkEqual: the same statements in another order, repeated, and each of them split by its actions and resources.
func (l laws) checkEqual(d Document, c choices) {
	l.t.Helper()
	var spread []Statement
	for _, s := range slices.Backward(d.Statements()) {
		spread = append(spread, split(s)...)
	}
	left := New(slices.Delete(slices.Clone(spread), 0, 1)...)
	spread = append(spread, spread[c.among(len(spread))])
	other := New(spread...)
	checkPair(l.t, d, other)
	if !Equal(d, other) {
		l.t.Errorf("it is not what it was: %v\n%v", d, other)
	}
	l.checkSame(d, other)
	if Equal(d, left) {
		l.checkSame(d, left)
	}
}

func (l laws) checkSame(d, other Document) {
	l.t.Helper()
	if l.denies(d) != l.denies(other) || l.allows(d) != l.allows(other) {
		l.t.Errorf("equal, but it denies %d and %d, allows %v and %v: %v\n%v",
			l.denies(d), l.denies(other), l.allows(d), l.allows(other), d, other)
	}
}

// checkUnknown: under conditions that nobody knows, nothing is certain.
func (l laws) checkUnknown(d Document, seed uint64) {
	l.t.Helper()
	operator, key, value := unknownCondition(rand.New(rand.NewPCG(seed, 33)))
	var all []Statement
	for _, s := range d.Statements() {
		s.Condition = Condition{operator: {key: {value}}}
		all = append(all, s)
	}
	if l.denies(New(all...)) > 1 || l.allows(New(all...)) && len(l.who.questions(l.calls)) > 0 {
		l.t.Errorf("certain under %s %s %s: %v", operator, key, value, New(all...))
	}
}

func split(s Statement) []Statement {
	if len(s.Action) == 0 || len(s.Resource) == 0 {
		return []Statement{s}
	}
	var all []Statement
	for _, action := range s.Action {
		for _, resource := range s.Resource {
			part := s
			part.Action, part.Resource = Values{action}, Values{resource}
			all = append(all, part)
		}
	}
	return all
}

// checkCovers: what covers does at least what is covered.
func (l laws) checkCovers(have Document, need Statement) {
	l.t.Helper()
	if !Covers(need, need) {
		l.t.Errorf("it does not cover itself: %v", need)
	}
	if !have.Covers(need) {
		return
	}
	same := Document{version: have.version}
	for _, s := range have.statements {
		if s.Effect == need.Effect {
			same.statements = append(same.statements, s)
		}
	}
	if need.IsDeny() && l.denies(same) < l.denies(New(need)) || !need.IsDeny() && l.allows(New(need)) && !l.allows(same) {
		l.t.Errorf("it covers less than it says: %v\n%v", have, need)
	}
}

// checkPlain: the plainest form means the same.
func (l laws) checkPlain(d Document) {
	l.t.Helper()
	plain := d.Plain()
	if l.denies(d) != l.denies(plain) || l.allows(d) != l.allows(plain) || !Equal(plain, plain.Plain()) {
		l.t.Errorf("it is another when plain: %v\n%v", d, plain)
	}
}

// checkExcept: a Deny with an exception spares the role that it names, and hits nobody else less.
func (l laws) checkExcept(s Statement) {
	l.t.Helper()
	fixed, ok := Except(s, l.who.RoleARN)
	if !ok || !s.IsDeny() {
		return
	}
	if l.denies(New(fixed)) > 0 {
		l.t.Errorf("it is not spared: %v\n%v", s, fixed)
	}
	if strings.ContainsAny(s.JSON(), "*?$") && len(s.NotPrincipal) > 0 || slices.Contains(s.NotPrincipal["AWS"], otherRole) {
		return // it names others by wildcards, or this one
	}
	other := l
	other.who.RoleARN, other.who.RoleID = otherRole, ""
	if other.denies(New(fixed)) < other.denies(New(s)) {
		l.t.Errorf("it spares another: %v\n%v", s, fixed)
	}
}

const otherRole = "arn:aws:iam::111122223333:role/Other"

// checkMerge: afterwards ours are there, all of theirs too as they were, and doing it again does nothing.
func (l laws) checkMerge(present Document, ours []Statement) {
	l.t.Helper()
	merged, changes, err := Merge(present, ours)
	if err != nil {
		if !merged.Empty() || len(changes) > 0 {
			l.t.Errorf("a document beside %v", err)
		}
		return
	}
	sids := []string{}
	for _, s := range ours {
		sids = append(sids, s.Sid)
	}
	theirs := func(d Document) (all []string) {
		for _, s := range d.statements {
			if s.Sid != "" && slices.Contains(sids, s.Sid) {
				continue
			}
			all = append(all, s.JSON())
		}
		return all
	}
	if kept := theirs(merged); !slices.Equal(theirs(present), kept[:min(len(kept), len(theirs(present)))]) {
		l.t.Errorf("theirs are others: %v\n%v", present, merged)
	}
	if len(changes) == 0 && merged.JSON() != present.JSON() {
		l.t.Errorf("changed without a word: %v\n%v", present, merged)
	}
	if len(sids) != len(slices.Compact(slices.Sorted(slices.Values(sids)))) {
		return // ours contradict each other
	}
	for _, need := range ours {
		if !merged.Covers(need) {
			l.t.Errorf("ours is not there: %v\n%v", need, merged)
		}
	}
	if _, again, err := Merge(merged, ours); err != nil || len(again) > 0 {
		l.t.Errorf("once more changes %v, %v: %v", again, err, merged)
	}
}

// checkWithoutActions: what is left allows nothing more, and denies the same.
func (l laws) checkWithoutActions(d Document, actions []string) {
	l.t.Helper()
	rest, found := d.WithoutActions(actions...)
	if len(found) == 0 && rest.JSON() != d.JSON() || l.denies(rest) != l.denies(d) || l.allows(rest) && !l.allows(d) {
		l.t.Errorf("without %v: %v\n%v", found, d, rest)
	}
	if _, again := rest.WithoutActions(actions...); len(again) > 0 {
		l.t.Errorf("%v are still there: %v", again, rest)
	}
}

// checkNarrowed: what is put in the place of a narrower statement is one of those that are wanted, and allows no less.
func (l laws) checkNarrowed(want, got Document, key string) {
	l.t.Helper()
	out, found := Narrowed(want, got, key)
	changed := 0
	for i, s := range out.Statements() {
		if Same(s, got.Statements()[i]) {
			continue
		}
		changed++
		if !slices.ContainsFunc(want.Statements(), func(w Statement) bool { return Same(w, s) }) {
			l.t.Errorf("nobody wants %v", s)
		}
	}
	if changed != min(found, changed) || found == 0 && !Equal(out, got) || l.allows(got) && !l.allows(out) {
		l.t.Errorf("%d of %v narrow:\n%v\n%v", found, want, got, out)
	}
	if _, none := Narrowed(want, want, key); none > 0 && len(want.statements) == 1 {
		l.t.Errorf("it narrows itself: %v", want)
	}
}
