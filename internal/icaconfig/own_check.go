package icaconfig

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/icaguard/icaguard/internal/policy"
	"github.com/icaguard/icaguard/internal/yamlspec"
)

// Limits in characters without white space (IAM and AWS STS quotas; Amazon S3 User Guide for the bucket policy, in bytes).
const (
	mostOfManagedPolicy = 6144
	mostOfTrustPolicy   = 2048
	mostOfBucketPolicy  = 20 * 1024
	mostOfFile          = 64 * 1024 // of the user's own, and of S3's CORS configuration
)

// longestPrefix is the longest that CheckPrefix lets pass.
const longestPrefix = 62

// accountToCheck stands for the account where ica.yaml names none.
const accountToCheck = "000000000000"

// ownKey is a key of documents:, how to find its file and how to read it.
type ownKey struct {
	key  string
	file func(DocumentsSpec) string
	read func(u *userFiles, name string, text []byte) error
}

func ownKeys() []ownKey {
	return []ownKey{
		{"documents.permissionPolicy", func(s DocumentsSpec) string { return s.PermissionPolicy }, (*userFiles).readPolicy},
		{"documents.trustPolicy", func(s DocumentsSpec) string { return s.TrustPolicy }, (*userFiles).readTrust},
		{
			"documents.crossAccountStatements",
			func(s DocumentsSpec) string { return s.CrossAccountStatements },
			(*userFiles).readStatements,
		},
		{"documents.cors", func(s DocumentsSpec) string { return s.CORS }, (*userFiles).readCORS},
	}
}

func (u *userFiles) readPolicy(name string, text []byte) (err error) {
	u.policies[name], err = readDocument(text)
	return err
}

func (u *userFiles) readTrust(name string, text []byte) (err error) {
	u.policies[name], err = readTrust(text)
	return err
}

func (u *userFiles) readStatements(name string, text []byte) (err error) {
	u.policies[name], err = readStatements(text)
	return err
}

func (u *userFiles) readCORS(name string, text []byte) (err error) {
	u.cors[name], err = readCORS(text)
	return err
}

// readDocuments reads the user's own documents, dir is nil where there is no place to read them from. A file that
// several keys name is read once for each key, as another key wants another document.
func (d checker) readDocuments(f *File, dir fs.FS) {
	f.files = userFiles{texts: map[string][]byte{}, policies: map[string]policy.Document{}, cors: map[string]CORSRule{}}
	type place struct{ key, name string }
	done, keys := map[place]error{}, ownKeys()
	for i, s := range f.Storages {
		for _, own := range keys {
			name := own.file(s.Documents)
			if name == "" {
				continue
			}
			err, read := done[place{own.key, name}]
			if !read {
				err = f.files.read(dir, name, own.read)
				done[place{own.key, name}] = err
			}
			if err != nil {
				d.document(at(i, own.key), name, err.Error())
			}
		}
	}
}

func (u *userFiles) read(dir fs.FS, name string, parse func(*userFiles, string, []byte) error) error {
	text, err := readBeside(dir, name)
	if err != nil {
		return err
	}
	u.texts[name] = text
	return parse(u, name, text)
}

func readBeside(dir fs.FS, name string) ([]byte, error) {
	if dir == nil {
		return nil, errors.New("documents of your own are read from beside ica.yaml, but this text was not read from a folder")
	}
	text, err := fs.ReadFile(dir, name)
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return nil, fmt.Errorf("it cannot be read: %w; put it beside ica.yaml", path.Err)
	}
	if err == nil && len(text) > mostOfFile {
		err = fmt.Errorf("it is too long: %d bytes, of at most %d", len(text), mostOfFile)
	}
	return text, err
}

// document reports what is wrong in a file, at the key that names the file.
func (d checker) document(path, file, what string) { d.Limit(path, file+": "+what, "", "") }

// checkDocuments holds the user's own documents against what they must keep, and all documents against AWS's limits. Of
// storages that share a role none is checked after a fault of one, as their documents are the role's.
func (d checker) checkDocuments(f *File) {
	roles := f.sharedFirst((*StorageSpec).roleID)
	unsound := d.unsound(roles)
	l := f.linked(Owner{cmp.Or(f.Account, accountToCheck), partitionWithICA}, func(i int) bool { return unsound[roles[i]] })
	for i := range f.Storages {
		before := len(d.Faults)
		d.checkAskedFor(i, &f.Storages[i])
		if !unsound[roles[i]] && len(d.Faults) == before {
			d.checkOwn(i, f.Storages[i].Documents, l.storages[i], roles[i] == i)
			d.checkSizes(i, l, roles[i] == i)
		}
		if len(d.Faults) > before {
			unsound[roles[i]] = true
		}
	}
}

// unsound tells by the first storage of a role whether one that has it has a fault.
func (d checker) unsound(roles []int) map[int]bool {
	found := map[int]bool{}
	for _, f := range d.Faults {
		number, _, ok := strings.Cut(strings.TrimPrefix(f.Key, "storages["), "]")
		if i, err := strconv.Atoi(number); ok && err == nil && i < len(roles) {
			found[roles[i]] = true
		}
	}
	return found
}

func (d checker) checkAskedFor(i int, s *StorageSpec) {
	if s.Documents.CrossAccountStatements != "" && !s.Bucket.CrossAccountCopy && !d.Faulty(at(i, "bucket.crossAccountCopy")) {
		d.Limit(
			at(i, "documents.crossAccountStatements"),
			"they are put only with bucket.crossAccountCopy: true",
			"left out, or with crossAccountCopy: true",
			"crossAccountCopy: true",
		)
	}
}

// checkOwn reports a role's documents once, at the first storage that has the role.
func (d checker) checkOwn(i int, files DocumentsSpec, s Storage, first bool) {
	report := func(key, file string, wrong func() []string) {
		if file == "" {
			return
		}
		for _, what := range wrong() {
			d.document(at(i, key), file, what)
		}
	}
	if first {
		report("documents.permissionPolicy", files.PermissionPolicy, s.Role.wrongPermissions)
		report("documents.trustPolicy", files.TrustPolicy, s.wrongTrust)
	}
	report("documents.crossAccountStatements", files.CrossAccountStatements, s.wrongCrossAccount)
	report("documents.cors", files.CORS, s.Bucket.CORS.wrong)
}

// wrongPermissions: the policy is about the role's buckets and keys and nothing else.
func (r *Role) wrongPermissions() []string {
	var within []string
	for _, b := range r.Buckets {
		within = append(within, b.ARN, b.ARN+"/*")
		for _, key := range append([]string{b.KMSKeyARN, b.NextKey}, b.PreviousKeys...) {
			if key != "" {
				within = appendNew(within, key)
			}
		}
	}
	all := slices.Concat(wrongSids(r.Own), each(r.Own, func(s policy.Statement) []string {
		switch {
		case s.Principal != nil || s.NotPrincipal != nil:
			return []string{"a role's permission policy has no Principal"}
		case s.Resource == nil && s.NotResource == nil:
			return []string{"Resource is missing"}
		}
		return nil
	}))
	all = append(all, widens(r.Own, within...)...)
	for _, b := range r.Buckets {
		all = append(all, misses(r.Own, b.ARN, "arn:PARTITION:s3:::BUCKET")...)
		all = append(all, misses(r.Own, b.objects(), "arn:PARTITION:s3:::BUCKET/FOLDER/*")...)
	}
	return all
}

func misses(doc policy.Document, resource, written string) []string {
	if policy.Grants(doc, resource) {
		return nil
	}
	return []string{"it permits nothing on " + resource + "; name it as " + written}
}

// wrongTrust: who may take the role stays ICA of this region, with this account's prefix. The service account behind
// the namespace may be another one, as Illumina's page of tomorrow may say.
func (s Storage) wrongTrust() []string {
	admits := false
	all := each(s.Own.Trust, func(st policy.Statement) []string {
		if st.Effect != "Allow" {
			return nil
		}
		admits = true
		return s.wrongAdmission(st)
	})
	if !admits {
		all = append(all, "it admits nobody: no statement has the Effect Allow")
	}
	bare := s.Own.Trust.Statements()
	for i := range bare {
		bare[i].Resource, bare[i].NotResource = nil, nil // said already
	}
	return slices.Concat(all, wrongSids(s.Own.Trust), widens(policy.New(bare...)))
}

func (s Storage) wrongAdmission(st policy.Statement) []string {
	var all []string
	expect := func(ok bool, what string) {
		if !ok {
			all = append(all, what)
		}
	}
	host, c := s.Provider.Host, st.Condition
	account := "system:serviceaccount:" + s.Region.Namespace + ":"
	subjects := slices.Concat(c.Values("StringLike", host+":sub"), c.Values("StringEquals", host+":sub"))
	others := func(sub string) bool {
		return !strings.HasPrefix(sub, account) || strings.Trim(sub[len(account):], "*?") == ""
	}
	action := func(a string) bool {
		return !strings.EqualFold(a, "sts:AssumeRoleWithWebIdentity") && !strings.EqualFold(a, "sts:TagSession")
	}
	expect(len(st.Principal) == 1 && slices.Equal(st.Principal["Federated"], policy.Values{s.Provider.ARN}),
		`Principal must be {"Federated": "arn:PARTITION:iam::ACCOUNT:oidc-provider/PROVIDER"}`)
	expect(len(st.Action) > 0 && !slices.ContainsFunc(st.Action, action), "Action must be sts:AssumeRoleWithWebIdentity")
	expect(st.Resource == nil && st.NotResource == nil, "a trust policy has no Resource")
	expect(!hasKey(c, host+":aud") || slices.Equal(st.ConditionValues(host+":aud"), policy.Values{s.Provider.Audience}) &&
		len(c.Values("StringEquals", host+":aud"))+len(c.Values("StringLike", host+":aud")) == 1,
		`Condition must have "StringEquals": {"PROVIDER:aud": "`+s.Provider.Audience+`"}, or StringLike, or nothing about PROVIDER:aud`)
	expect(
		len(subjects) > 0 && !slices.ContainsFunc(subjects, others),
		`Condition must have "StringLike": {"PROVIDER:sub": "system:serviceaccount:NS:irsa-NS-gds*"}, or another service account of the namespace`,
	)
	expect(len(c.Values("StringEquals", "sts:RoleSessionName")) == 0,
		"StringEquals about sts:RoleSessionName can never match: ICA's session names differ, and * is no wildcard there; write "+
			"StringLike")
	expect(
		slices.Equal(c.Values("StringLike", "sts:RoleSessionName"), policy.Values{"PREFIX-*"}),
		`Condition must have "StringLike": {"sts:RoleSessionName": "PREFIX-*"}, with the word PREFIX: without it every ICA tenant of the region could take the role`,
	)
	return all
}

// hasKey reports whether a condition names the key, under whatever operator.
func hasKey(c policy.Condition, key string) bool {
	for operator := range c {
		if c.Values(operator, key) != nil {
			return true
		}
	}
	return false
}

// doubtsOfTrust are what may be meant in a trust policy of the user's. Keys end in :aud and :sub, whichever way the
// provider is written before them.
func doubtsOfTrust(doc policy.Document) []string {
	return each(doc, func(st policy.Statement) []string {
		if st.IsDeny() {
			return nil
		}
		audience, patterns := false, false
		for _, keys := range st.Condition {
			for key, values := range keys {
				audience = audience || strings.HasSuffix(strings.ToLower(key), ":aud")
				patterns = patterns || strings.HasSuffix(strings.ToLower(key), ":sub") &&
					slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(v, "*?") })
			}
		}
		var all []string
		if !audience {
			all = append(all, "no condition on PROVIDER:aud: only the OIDC provider's own list of audiences says for whom a token has to "+
				"be issued")
		}
		if !patterns {
			all = append(all, "the condition on PROVIDER:sub admits single service accounts only, where Illumina's page has "+
				"irsa-NS-gds*: ICA may call from another")
		}
		return all
	})
}

// wrongCrossAccount: the statements let Illumina's roles use this bucket and nobody anything else.
func (s Storage) wrongCrossAccount() []string {
	doc := policy.New(s.Own.CrossAccount...)
	illumina := strings.TrimSuffix(s.CrossAccount, s.Region.CrossAccountRole)
	sids := map[string]bool{SidRequireTLS: true}
	all := each(doc, func(st policy.Statement) []string {
		stranger := func(name string) bool { return !strings.HasPrefix(name, illumina) }
		var wrong []string
		if st.Effect != "Allow" {
			wrong = append(wrong, "Effect must be Allow: a Deny would stand in the way of others")
		}
		if len(st.Principal) != 1 || len(st.Principal["AWS"]) == 0 || slices.ContainsFunc(st.Principal["AWS"], stranger) {
			wrong = append(wrong, `Principal must be {"AWS": "CROSSACCT"}, or another role of Illumina's account `+crossAccountAccount)
		}
		if st.Resource == nil && st.NotResource == nil {
			wrong = append(wrong, "Resource is missing")
		}
		if st.Sid != "" && sids[st.Sid] {
			wrong = append(wrong, "the Sid is taken: AWS wants each once, and "+SidRequireTLS+" is icaguard's")
		}
		sids[st.Sid] = true
		return wrong
	})
	all = append(all, widens(doc, s.Bucket.ARN, s.Bucket.ARN+"/*")...)
	all = append(all, misses(doc, s.Bucket.objects(), "arn:PARTITION:s3:::BUCKET/*")...)
	if n := size(doc); n > mostOfBucketPolicy {
		all = append(all, fmt.Sprintf("the statements have %d characters, but a bucket policy has at most %d", n, mostOfBucketPolicy))
	}
	return all
}

// wrong: the rule is for ICA and covers its origin and methods; headers are as the user's page says.
func (r CORSRule) wrong() []string {
	var all []string
	methods := CORS().AllowedMethods
	for _, m := range r.AllowedMethods {
		if !slices.Contains(methods, m) {
			all = append(all, fmt.Sprintf("AllowedMethods: %s is none of %s", yamlspec.Quoted(m), strings.Join(methods, ", ")))
		}
	}
	for _, m := range methods {
		if !slices.Contains(r.AllowedMethods, m) {
			all = append(all, "AllowedMethods: "+m+" is missing")
		}
	}
	origin := CORS().AllowedOrigins[0]
	if !slices.ContainsFunc(r.AllowedOrigins, func(o string) bool { return MatchesOrigin(o, origin) }) {
		all = append(all, "AllowedOrigins: "+origin+" is missing")
	}
	if slices.Contains(r.AllowedOrigins, "*") {
		all = append(all, "AllowedOrigins: * lets every web site in; name the sites")
	}
	return all
}

var sid = regexp.MustCompile(`^[A-Za-z0-9]*$`)

// wrongSids: IAM wants each Sid once, of letters and digits (IAM: Sid).
func wrongSids(doc policy.Document) []string {
	seen := map[string]bool{"": true}
	return each(doc, func(s policy.Statement) []string {
		taken := seen[s.Sid] && s.Sid != ""
		seen[s.Sid] = true
		if taken || !sid.MatchString(s.Sid) {
			return []string{"IAM wants each Sid once, and of letters and digits"}
		}
		return nil
	})
}

// each collects what is wrong with each statement.
func each(doc policy.Document, wrong func(policy.Statement) []string) []string {
	var all []string
	for i, s := range doc.Statements() {
		for _, what := range wrong(s) {
			all = append(all, fmt.Sprintf("%v: %s", policy.Place{Number: i + 1, Sid: s.Sid}, what))
		}
	}
	return all
}

// widens also finds condition keys that became the same when placeholders were filled in.
func widens(doc policy.Document, within ...string) []string {
	if _, err := readDocument([]byte(doc.JSON())); err != nil && !doc.Empty() {
		return []string{err.Error()}
	}
	var all []string
	for _, f := range policy.Widens(doc, within...) {
		all = append(all, f.String())
	}
	return all
}

// size is in characters; AWS does not count white space.
func size(doc policy.Document) int {
	count := 0
	for _, r := range doc.JSON() {
		if !unicode.IsSpace(r) {
			count++
		}
	}
	return count
}

// checkSizes refuses what AWS would refuse at deploy, and at any later change of versioning. A role's policies are
// checked once, at the first storage that has the role.
func (d checker) checkSizes(i int, l *linker, first bool) {
	s := l.storages[i]
	sharing := l.serves[s.Role]
	longest := make([]string, len(s.Role.Prefixes))
	for j := range longest {
		longest[j] = fmt.Sprintf("%0*d", longestPrefix, j) // each another, as equal ones would be one
	}
	if n := size(s.TrustPolicy(longest...)); n > mostOfTrustPolicy {
		d.document(at(i, "documents.trustPolicy"), sharing[0].Documents.TrustPolicy, tooLong("it", n, mostOfTrustPolicy))
	}
	for _, kind := range []string{"permission policy", "permissions boundary"} {
		if first && (kind == "permission policy" || s.Role.Boundary.Ours) {
			d.checkManagedSize(i, l, kind)
		}
	}
}

func (d checker) checkManagedSize(i int, l *linker, kind string) {
	role := l.storages[i].Role
	sharing := l.serves[role]
	n := role.managedSize(kind)
	if n <= mostOfManagedPolicy {
		return
	}
	fit := l.fitting(role, kind)
	if fit == 0 {
		d.document(
			at(i, "documents.permissionPolicy"), sharing[0].Documents.PermissionPolicy,
			tooLong("the "+kind+" made of it", n, mostOfManagedPolicy),
		)
		return
	}
	d.Limit(
		at(i, "role.name"),
		fmt.Sprintf("the %s for the %d buckets of this role has up to %d characters", kind, len(sharing), n),
		fmt.Sprintf(
			"%d characters in IAM, which is enough for %d of these storages; use a second role for the others", mostOfManagedPolicy,
			fit,
		),
		"role: {name: "+sharing[0].Role.Name+"_2}",
	)
}

func tooLong(what string, has, most int) string {
	return fmt.Sprintf("%s has %d characters, but AWS takes %d", what, has, most)
}

// managedSize is the size of one of the role's managed policies in its largest variant.
func (r *Role) managedSize(kind string) int {
	if kind == "permission policy" {
		return size(r.PermissionPolicy(func(*Bucket) bool { return true }))
	}
	return size(r.BoundaryDocument())
}

// fitting counts how many storages, from the first, the role could serve.
func (l *linker) fitting(r *Role, kind string) int {
	for n := len(r.Buckets) - 1; n > 0; n-- {
		smaller := *r
		smaller.Buckets, smaller.Own = r.Buckets[:n], l.file.ownPermissions(l.serves[r][:n], l.owner)
		if smaller.managedSize(kind) <= mostOfManagedPolicy {
			return n
		}
	}
	return 0
}
