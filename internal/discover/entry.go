package discover

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// entry is a storage in the making.
type entry struct {
	sharedRole
	use
	bucket     Bucket
	name       string
	homeRegion string
	first      bool // of its role
	doubts     []string
}

func (e *entry) doubt(when bool, format string, args ...any) {
	if when {
		e.doubts = append(e.doubts, oneLine(fmt.Sprintf(format, args...)))
	}
}

// choosePolicy takes the managed policy that names buckets. Each role needs one of its own, by which icaguard keeps ICA's
// permissions; taken tells which policy is whose already.
func (e *entry) choosePolicy(taken map[string]string) {
	all := e.role.naming()
	if len(all) == 0 {
		e.policyName = e.role.Name + "-policy"
		e.doubt(
			true,
			"no managed policy of yours on the role names buckets; icaguard keeps ICA's permissions in one, which it would create as "+
				"%s under enforce",
			e.policyName,
		)
		return
	}
	e.policyName = all[0].Name
	for _, other := range all[1:] {
		e.doubt(
			true, "policy %s names buckets too; under enforce icaguard would keep ICA's permissions in %s alone, and report the other",
			other.Name, e.policyName,
		)
	}
	e.doubt(
		!strings.HasSuffix(all[0].ARN, ":policy/"+e.policyName),
		"policy %s stands at a path, icaguard's stand at /: under enforce it would create another of this name", all[0].ARN,
	)
	if other, ok := taken[strings.ToLower(e.policyName)]; ok {
		e.doubt(
			true, "policy %s is also that of role %s, and each role needs its own: under enforce icaguard would create %s-2",
			e.policyName, other, e.policyName,
		)
		e.policyName += "-2"
	}
}

// doubtRole notes what is doubtful about the role, once.
func (e *entry) doubtRole(a Account) {
	trust, id := e.role.Trust[0], e.region
	e.doubt(!id.known, "Illumina's page does not have provider %s: ask Illumina support whether it is ICA's", trust.Host)
	e.doubt(id.known && id.Doubt != "", "%s", id.Doubt)
	e.doubt(
		!slices.Contains(a.Providers, trust.Host) &&
			!slices.ContainsFunc(a.Denied, func(d Denied) bool { return d.Action == "iam:ListOpenIDConnectProviders" }),
		"the trust policy names provider %s, which is not in this account",
		trust.Host,
	)
	for _, other := range e.role.Trust[1:] {
		e.doubt(
			true, "the trust policy also lets in tokens of %s for %q; icaguard knows one provider and one subject for a role",
			other.Host, other.Subject,
		)
	}
	e.doubt(trust.Problem != "", "%s", trust.Problem)
	e.doubt(
		len(trust.Queries) > mostPrefixes, "the trust policy takes %d session names, icaguard knows %d for a role; the first are used",
		len(trust.Queries), mostPrefixes,
	)
	e.doubt(
		e.role.SessionDuration != icaconfig.SessionDuration, "the role's sessions last at most %d s, ICA needs %d s",
		e.role.SessionDuration, icaconfig.SessionDuration,
	)
	for _, p := range e.role.Policies {
		e.doubt(p.Problem != "", "policy %s of the role: %s", p.Name, p.Problem)
		e.doubt(p.ARN == "" && p.Problem == "", "inline policy %s of the role is not icaguard's to keep; it is reported", p.Name)
	}
	e.doubt(e.buckets > 1, "the role may use %d buckets; a storage for each shares the role", e.buckets)
}

func (e *entry) doubtBucket() {
	b := e.bucket
	for _, action := range b.Unread {
		e.doubt(true, "%s gave no answer: the default stands in place of what is there", action)
	}
	e.doubt(b.Region == "", "the bucket's AWS region is not known; an ICA project in %s needs it in %s", e.region.ID, e.region.AWS)
	e.doubt(
		b.Region != "" && b.Region != e.region.AWS, "the bucket is in %s, an ICA project in %s needs it in %s", b.Region,
		e.region.ID, e.region.AWS,
	)
	whole := len(e.folders) > 0 && e.folders[0] == ""
	e.doubt(
		len(e.folders) > 1 && whole, "the role may use the whole bucket, and folders by name (%s): is it to be one of them?",
		strings.Join(e.folders[min(1, len(e.folders)):], ", "),
	)
	e.doubt(
		len(e.folders) > 1 && !whole, "the role may use several folders (%s); a storage has one, and the first was taken",
		strings.Join(e.folders, ", "),
	)
	e.doubt(len(e.folders) == 0, "the role's policies name the bucket, but no folder or object in it")
	e.doubt(b.Versioning == "Suspended", "versioning was enabled once and is suspended: ICA needs the permissions for versions")
	e.doubt(b.PublicAccess, "public access is not blocked altogether; Illumina advises it: publicAccessBlock: true")
	e.doubt(
		b.Region != "" && !b.CORS && !slices.Contains(b.Unread, "s3:GetBucketCORS"),
		"no CORS rule of the bucket is for ICA's pages: uploads from the browser fail",
	)
	e.doubtKeys()
}

func (e *entry) doubtKeys() {
	keys, key := e.role.keys(), e.bucket.Key
	previous := e.previousKeys()
	e.doubt(key != "" && !slices.Contains(keys, key), "the bucket encrypts with a key that the role's policies do not name")
	e.doubt(
		key == "" && strings.HasPrefix(e.bucket.Algorithm, "aws:kms") && !slices.Contains(e.bucket.Unread, "kms:DescribeKey"),
		"the bucket encrypts with AWS's own key alias/aws/s3; Illumina's role that copies between accounts can never use it",
	)
	for _, other := range keys {
		e.doubt(
			other != key && e.first && e.buckets == 1 && !slices.Contains(previous, other),
			"the role's policies also name key %s, with which the bucket does not encrypt; what was encrypted with it needs it", other,
		)
	}
	e.doubt(
		len(previous) > 0,
		"the role's policies also name keys with which the bucket does not encrypt; they stand under previousKeys, as what was "+
			"encrypted with them needs them",
	)
}

// previousKeys are the other keys of the bucket's region that the role's policies name. Of a role with several buckets
// nobody can tell whose they are.
func (e *entry) previousKeys() []string {
	if e.buckets > 1 {
		return nil
	}
	return slices.DeleteFunc(e.role.keys(), func(key string) bool {
		return key == e.bucket.Key || !strings.HasPrefix(key, "arn:aws:kms:"+e.region.AWS+":") || !keyARN.MatchString(key)
	})
}

// keyARN is the ARN of one key.
var keyARN = regexp.MustCompile(`^arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)

// folder is the folder to which ICA is limited; the whole bucket covers the others.
func (e *entry) folder() string {
	if len(e.folders) == 0 {
		return ""
	}
	return e.folders[0] // "" comes first
}

// crossAccount says that Illumina's role that copies between accounts is let in.
func (e *entry) crossAccount() bool {
	return slices.ContainsFunc(
		e.bucket.Principals, func(arn string) bool { return strings.HasSuffix(arn, ":role/"+e.region.CrossAccountRole) },
	)
}

// mostPrefixes is how many a role may have in ica.yaml.
const mostPrefixes = 3

// parameters are those of the prefixes: one for each that the trust policy has.
func (e *entry) parameters() []string {
	all := []string{e.parameter}
	for i := 2; i <= min(len(e.role.Trust[0].Queries), mostPrefixes); i++ {
		all = append(all, fmt.Sprintf("%s-%d", e.parameter, i))
	}
	return all
}

// command creates the parameters from the trust policy, and shows a prefix to nobody; nil if the trust policy has none.
func (e *entry) command() []string {
	var lines []string
	for i, query := range e.role.Trust[0].Queries[:min(len(e.role.Trust[0].Queries), mostPrefixes)] {
		lines = append(lines,
			fmt.Sprintf("prefix=$(aws iam get-role --role-name %s --query '%s' --output text) &&", e.role.Name, query),
			fmt.Sprintf(
				`  aws ssm put-parameter --region %s --type String --name %s --value "${prefix%%-[*]}"`, e.homeRegion, e.parameters()[i],
			))
	}
	return lines
}

func (e *entry) aboutPrefix() []string {
	if e.command() == nil {
		return []string{
			"# ICA shows the RoleSessionName prefix once, when the storage credential is generated. Put it into this parameter, as a " +
				"String.",
		}
	}
	lines := []string{"# The prefix stands in the role's trust policy. This copies it into the parameter, without showing it:"}
	for _, line := range e.command() {
		lines = append(lines, "#   "+line)
	}
	return lines
}

// yaml is the storage's text in the file.
func (e *entry) yaml() string {
	var w writer
	for _, doubt := range e.doubts {
		w.line(2, "# ? "+doubt)
	}
	w.pair(2, "- name", e.name, "")
	w.pair(4, "icaRegion", e.region.ID, "")
	e.bucketYAML(&w)
	e.roleYAML(&w)
	w.line(4, "oidcProvider:")
	w.line(6, "existing: true")
	if !e.region.known {
		w.pair(6, "id", e.region.id, "")
	}
	w.pair(6, "namespace", namespaceOf(e.role.Trust[0].Subject), e.region.Namespace)
	if previous := e.previousKeys(); len(previous) > 0 {
		w.line(4, `kms: {previousKeys: ["`+strings.Join(previous, `", "`)+`"]}`)
	}
	return strings.Join(w, "")
}

func (e *entry) bucketYAML(w *writer) {
	w.line(4, "bucket:")
	w.pair(6, "name", e.use.bucket, "")
	w.line(6, "existing: true")
	w.pair(6, "folder", e.folder(), "")
	w.flag("versioning: enabled", e.bucket.Versioning == "Enabled")
	w.flag("publicAccessBlock: false", e.bucket.PublicAccess)
	w.pair(6, "kmsKeyArn", e.bucket.Key, "")
	w.flag("objectTags: true", e.tags)
	w.flag("crossAccountCopy: true", e.crossAccount())
}

func (e *entry) roleYAML(w *writer) {
	w.line(4, "role:")
	w.pair(6, "name", e.role.Name, "")
	w.pair(6, "path", e.role.Path, "/")
	w.pair(6, "description", e.role.Description, "")
	w.pair(6, "policyName", e.policyName, "")
	w.line(6, "existing: true")
	w.pair(6, "boundary", e.role.Boundary, "")
	if e.role.Boundary == "" {
		w.line(6, "#boundary: icaguard # or none; mode: enforce needs the decision")
	}
	if e.first {
		for _, line := range e.aboutPrefix() {
			w.line(6, line)
		}
	}
	if names := e.parameters(); len(names) > 1 {
		w.line(6, `sessionNamePrefix: ["ssm:`+strings.Join(names, `", "ssm:`)+`"]`)
		return
	}
	w.line(6, `sessionNamePrefix: "ssm:`+e.parameter+`"`)
}

// writer collects lines of YAML.
type writer []string

func (w *writer) line(indent int, text string) {
	*w = append(*w, strings.Repeat(" ", indent)+text+"\n")
}

// pair leaves out what is empty or the default.
func (w *writer) pair(indent int, key, value, otherwise string) {
	if value != "" && value != otherwise {
		w.line(indent, key+": "+scalar(value))
	}
}

func (w *writer) flag(text string, when bool) {
	if when {
		w.line(6, text)
	}
}
