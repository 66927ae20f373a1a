// Package icaconfig turns ica.yaml into the Baseline: what ICA needs in an AWS account, as plain data. It reads one
// file and never AWS, and the same file gives the same Baseline, byte for byte. A file with any fault gives no Baseline
// at all: no key and no value is silently ignored.
package icaconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/icaguard/icaguard/internal/yamlspec"
)

// Mode says what the guard does about drift.
type Mode string

// The two modes.
const (
	Enforce Mode = "enforce" // restore it
	Observe Mode = "observe" // report it, change nothing
)

// File is ica.yaml as the user wrote it, with defaults applied. The tags of it and of the structs below, as package
// yamlspec takes them, are the only list of keys.
type File struct {
	Account    string            `yaml:"account" help:"AWS account that this file is for" format:"account" derived:"the account of the credentials"`
	HomeRegion string            `yaml:"homeRegion" help:"AWS region in which the guard runs" format:"awsRegion" derived:"AWS region of the first storage"`
	Mode       Mode              `yaml:"mode" help:"enforce restores drift, observe reports it and changes nothing; a storage may set its own" allowed:"enforce|observe" default:"enforce"`
	Alerts     AlertsSpec        `yaml:"alerts" help:"who receives alerts"`
	Audit      string            `yaml:"audit" help:"how often everything is checked without an event" format:"duration" default:"1h"`
	Trail      string            `yaml:"trail" help:"the CloudTrail trail that logs management events: one that is there, or create one" allowed:"existing|create" default:"existing"`
	IAMEvents  string            `yaml:"iamEvents" help:"how IAM's events get home from us-east-1; audit where an organisation forbids us-east-1" allowed:"relay|audit" default:"relay"`
	Exceptions []ExceptionSpec   `yaml:"exceptions" help:"findings that are accepted; icaguard validate prints each line" example:"[{storage: lab-prod, setting: bucket-policy, match: LabDeny, digest: 0a1b2c3d4e5f, reason: ticket LAB-12, until: 2027-02-28}]"`
	Tags       map[string]string `yaml:"tags" help:"put on everything that is created" format:"tags"`
	Guard      GuardSpec         `yaml:"guard" help:"icaguard's own resources"`
	Storages   []StorageSpec     `yaml:"storages" help:"one entry for each ICA storage configuration" required:"true" example:"[{name: lab-prod, icaRegion: US, bucket: {name: lab-prod-ica}, role: {sessionNamePrefix: ssm:/ica/lab-prod/session-name-prefix}}]"`

	Organization string `yaml:"organization" help:"AWS organization of the account: settles what policies that name one mean for ICA's role" format:"organization"`

	src    yamlspec.Source
	files  userFiles
	digest string
	read   time.Time // when
}

// AlertsSpec says who receives alerts.
type AlertsSpec struct {
	Emails []string `yaml:"emails" help:"get what no program may repair; each has to confirm AWS's mail once" format:"email"`
}

// GuardSpec says what an organisation demands of icaguard's own resources.
type GuardSpec struct {
	Boundary string `yaml:"boundary" help:"permissions boundary of icaguard's own roles, where your organisation demands one" format:"policyARN"`
}

// StorageSpec is one ICA storage configuration.
type StorageSpec struct {
	Name         string           `yaml:"name" help:"unique; names resources and reports" required:"true" format:"storage"`
	ICARegion    string           `yaml:"icaRegion" help:"ICA's identifier of the project's region; gives the bucket's AWS region" required:"true" format:"icaRegion"`
	Mode         Mode             `yaml:"mode" help:"as mode of the file, for this storage" allowed:"enforce|observe" derived:"the file's; observe where something existing is adopted"`
	Bucket       BucketSpec       `yaml:"bucket" help:"the S3 bucket"`
	Role         RoleSpec         `yaml:"role" help:"the IAM role that ICA assumes"`
	OIDCProvider OIDCProviderSpec `yaml:"oidcProvider" help:"the OIDC provider in IAM that stands for ICA"`
	KMS          KMSSpec          `yaml:"kms" help:"the key of bucket.kmsKeyArn, the next one, and those before it"`
	Documents    DocumentsSpec    `yaml:"documents" help:"files of your own, beside ica.yaml, in place of our documents"`
}

// BucketSpec is the storage's bucket.
type BucketSpec struct {
	Name              string `yaml:"name" help:"the bucket" required:"true" format:"bucket"`
	Existing          bool   `yaml:"existing" help:"true: adopt a bucket that is already there"`
	Folder            string `yaml:"folder" help:"limit ICA to one folder; empty is the whole bucket, with a warning" format:"folder"`
	Versioning        string `yaml:"versioning" help:"auto: permissions follow the bucket; never: a versioned bucket is an alert; enabled: kept on" allowed:"auto|never|enabled" default:"auto"`
	PublicAccessBlock bool   `yaml:"publicAccessBlock" help:"keep all four public access blocks on" default:"true"`
	RequireTLS        bool   `yaml:"requireTLS" help:"refuse requests without TLS in the bucket policy" default:"true" adopted:"false"`
	KMSKeyARN         string `yaml:"kmsKeyArn" help:"encrypt with this KMS key; empty: SSE-S3" format:"kmsKey"`
	ObjectTags        bool   `yaml:"objectTags" help:"let ICA copy object tags"`
	CrossAccountCopy  bool   `yaml:"crossAccountCopy" help:"let ICA copy and move between this bucket and other accounts"`

	Lifecycle LifecycleSpec `yaml:"lifecycle" help:"expected: all rules that expire or archive in ICA's folder are on purpose, or those that it names"`
}

// LifecycleSpec says which lifecycle rules are on purpose: a word for all, or the ids of some.
type LifecycleSpec struct {
	Expected []string `yaml:"expected" help:"ids of the rules that are on purpose" format:"rule"`
	Word     string   `instead:"true" allowed:"warn|expected" default:"warn"`
}

// RoleSpec is the role that ICA assumes. Storages with the same name share it and must agree in every key.
type RoleSpec struct {
	Name              string   `yaml:"name" help:"storages with the same name share the role" format:"role" default:"Illumina_ICA_Role"`
	Path              string   `yaml:"path" help:"IAM path of the role" format:"path" default:"/"`
	Description       string   `yaml:"description" help:"what people read in IAM" format:"description"`
	PolicyName        string   `yaml:"policyName" help:"the role's managed policy; each role needs its own" format:"policy" default:"illumina-ica-admin-policy"`
	Existing          bool     `yaml:"existing" help:"true: adopt a role that is already there"`
	Strict            bool     `yaml:"strict" help:"remove policies of others from the role"`
	Boundary          string   `yaml:"boundary" help:"permissions boundary: icaguard (ours), none, or the ARN that your organisation demands; to enforce an adopted role, write it" format:"boundary" default:"icaguard" adopted:"none"`
	SessionNamePrefix []Secret `yaml:"sessionNamePrefix" help:"the RoleSessionName prefix that ICA generated: ssm: and a String parameter of the home region, or the prefix itself; a list where ICA has several credentials, or a new one replaces the old" required:"true" format:"prefix" several:"3"`
}

// OIDCProviderSpec is the OIDC provider. An account holds each once, so storages of a region share it and must agree.
type OIDCProviderSpec struct {
	Existing  bool   `yaml:"existing" help:"true: adopt a provider that is already there"`
	ID        string `yaml:"id" help:"overrides the id of the region table" format:"providerID" derived:"the region table's"`
	Namespace string `yaml:"namespace" help:"overrides the namespace of the region table, for example for IN" format:"namespace" derived:"the region table's"`
}

// KMSSpec says what the guard may do with the key, which comes next, and with which older objects are encrypted.
type KMSSpec struct {
	Restore         bool     `yaml:"restore" help:"may cancel the key's deletion, enable it, and put its policy statements; a thief of icaguard's role then has the whole key"`
	NextKey         string   `yaml:"nextKey" help:"the key that bucket.kmsKeyArn is to name next: ICA may use it already, so that changing over costs no upload" format:"kmsKey"`
	PreviousKeys    []string `yaml:"previousKeys" help:"keys that objects were encrypted with before bucket.kmsKeyArn: ICA may decrypt with them; they are watched and never restored" format:"kmsKey"`
	DropPreviousKey bool     `yaml:"dropPreviousKey" help:"let a deploy take keys from ICA's policy that this file no longer names; no object may be encrypted with them; remove it after that deploy"`
}

// DocumentsSpec names the user's own documents.
type DocumentsSpec struct {
	PermissionPolicy       string `yaml:"permissionPolicy" help:"the role's permission policy" format:"document"`
	TrustPolicy            string `yaml:"trustPolicy" help:"the role's trust policy" format:"document"`
	CrossAccountStatements string `yaml:"crossAccountStatements" help:"statements of the bucket policy" format:"document"`
	CORS                   string `yaml:"cors" help:"the bucket's CORS rule" format:"document"`
}

// ExceptionSpec accepts a finding. Its keys are those of the line that icaguard validate prints.
type ExceptionSpec struct {
	Storage string `yaml:"storage" help:"the storage that the finding is about, or one of those that share the resource" required:"true" format:"storage"`
	Setting string `yaml:"setting" help:"the setting that the finding is of" required:"true" format:"setting"`
	Match   string `yaml:"match" help:"what the finding is about: a statement's Sid, the ARN of a policy or bucket, a rule's id" required:"true" format:"match"`
	Digest  string `yaml:"digest" help:"of what is matched, as it was accepted; once that changes, the finding is reported again" required:"true" format:"digest"`
	Reason  string `yaml:"reason" help:"why it is accepted" required:"true" format:"reason"`
	Until   string `yaml:"until" help:"the last day (UTC); needed for trust, public access and other accounts, and there a year away at most" format:"date"`
}

// spec is how ica.yaml is read.
func spec() *yamlspec.Spec {
	return &yamlspec.Spec{
		Of: reflect.TypeFor[File](), Formats: formats, Describes: "one account", IfEmpty: "copy ica.example.yaml and fill it in",
	}
}

// Load reads and checks the file at path, and the user's own documents beside it; table says of which settings findings
// may be accepted. The error is yamlspec.Faults if the file was read and cannot be used.
func Load(path string, table []Exceptable) (*File, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf(
			"config: read: %w: copy ica.example.yaml there and fill it in, or name another file (--config, or CONFIG= for make)",
			err,
		)
	}
	if err != nil {
		return nil, fmt.Errorf("config: read: %w: name a file that you may read", err)
	}
	return ParseIn(os.DirFS(filepath.Dir(path)), path, data, table)
}

// Parse checks the text of an ica.yaml that stands alone: documents of the user's own are refused, as there is no place
// to read them from, and exceptions, as there is no table to check them with.
func Parse(name string, data []byte) (*File, error) { return ParseIn(nil, name, data, nil) }

// ParseIn checks the text of an ica.yaml and the user's own documents, which stand in dir; name stands for the file in
// messages. The error is always yamlspec.Faults, with everything that is wrong.
func ParseIn(dir fs.FS, name string, data []byte, table []Exceptable) (*File, error) {
	f := &File{read: time.Now()}
	d := checker{spec().Decode(name, data, f)}
	f.src = d.Source
	f.derive()
	d.check(f)
	d.checkExceptions(f, table)
	d.readDocuments(f, dir)
	d.checkDocuments(f)
	if err := d.Err(); err != nil {
		return nil, err
	}
	f.digest = digestOf(f, data)
	return f, nil
}

// auditEvery is Audit as a duration; 0 in a File that Parse did not give.
func (f *File) auditEvery() time.Duration {
	every, err := time.ParseDuration(f.Audit)
	if err != nil {
		return 0 // the row duration of formats takes nothing that fails here
	}
	return every
}

// derive fills in the defaults that depend on other keys.
func (f *File) derive() {
	for i := range f.Storages {
		s := &f.Storages[i]
		if s.Mode != "" {
			continue
		}
		s.Mode = f.Mode
		if s.Bucket.Existing || s.Role.Existing || s.OIDCProvider.Existing {
			s.Mode = Observe
		}
	}
	if f.HomeRegion == "" && len(f.Storages) > 0 {
		f.HomeRegion = f.Storages[0].region().AWS
	}
}

// Warnings lists what may be meant but deserves a second thought, each as file:line: key: text. It never shows a literal prefix.
func (f *File) Warnings() []string {
	var all []string
	warn := func(key, text string) {
		all = append(all, fmt.Sprintf("%s:%d: %s: %s", f.src.Name(), f.src.Where(key).Line, key, text))
	}
	if len(f.Alerts.Emails) == 0 {
		warn(
			"alerts.emails",
			"nobody gets a mail about what no program may repair; give at least one address, for example emails: "+
				"[storage-oncall@example.org]",
		)
	}
	for i, s := range f.Storages {
		for _, w := range f.warnings(s) {
			warn(at(i, w.key), w.text)
		}
	}
	for i, e := range f.Exceptions {
		if e.ended(f.read) {
			warn(exceptionAt(i, "until"),
				"the exception has ended; remove it, or accept the finding again with the line of icaguard validate")
		}
	}
	return all
}

type warning struct{ key, text string }

// unbounded says that the role's boundary bounds nothing.
func (s *StorageSpec) unbounded() bool {
	return s.Role.Boundary == "none" || strings.HasSuffix(s.Role.Boundary, ":iam::aws:policy/AdministratorAccess")
}

// enforces says that icaguard may change the role: all storages that share it are enforced.
func (f *File) enforces(role string) bool {
	return !slices.ContainsFunc(f.Storages, func(s StorageSpec) bool { return s.roleID() == role && s.Mode != Enforce })
}

func (f *File) warnings(s StorageSpec) []warning {
	var all []warning
	warn := func(when bool, key, text string) {
		if when {
			all = append(all, warning{key, text})
		}
	}
	warn(s.Bucket.Folder == "", "bucket.folder", "ICA gets the whole bucket; Illumina advises a folder, for example folder: ica")
	warn(
		s.Bucket.Existing && !s.Role.Existing && s.Bucket.Versioning == string(VersioningAuto),
		"bucket.versioning",
		"if this bucket is versioned, write versioning: enabled; else each deploy puts the unversioned permissions back until the "+
			"guard checks",
	)
	warn(
		s.Bucket.Existing && s.Bucket.CrossAccountCopy,
		"bucket.crossAccountCopy",
		"on an adopted bucket object ownership is yours to keep at BucketOwnerEnforced; without it what Illumina's role writes "+
			"stays Illumina's and copies fail with 403",
	)
	for _, k := range s.keys() {
		warn(
			f.Account != "" && arnPart(k.arn, keyAccount) != f.Account, k.path,
			"the key is in another account, whose events icaguard does not receive; what happens to it is found by the scheduled audit "+
				"only",
		)
	}
	warn(
		s.KMS.DropPreviousKey, "kms.dropPreviousKey",
		"a deploy takes every key from ICA's policy that this file no longer names, and ICA can no longer read what was encrypted "+
			"with it; remove this line after the deploy",
	)
	doc, own := f.files.policies[s.Documents.PermissionPolicy]
	for j, arn := range s.KMS.PreviousKeys {
		warn(
			own && !decrypts(doc, arn), fmt.Sprintf("kms.previousKeys[%d]", j),
			fmt.Sprintf("%s does not allow kms:Decrypt on this key: ICA cannot read what was encrypted with it; add a statement that "+
				"does, on %s", s.Documents.PermissionPolicy, arn),
		)
	}
	warn(
		s.Role.Existing && !s.OIDCProvider.Existing,
		"oidcProvider.existing",
		"an adopted role mostly has its OIDC provider already, and AWS refuses to create a second one; if it is there set "+
			"oidcProvider: {existing: true}",
	)
	unbounded, enforced := s.unbounded(), f.enforces(s.roleID())
	warn(
		unbounded && enforced,
		"role.boundary",
		"without a permissions boundary of its own, nothing bounds what the role can be given: a thief of icaguard's role "+
			"icaguard-remediate could allow it everything (CreatePolicyVersion with *:*) and let anybody in (UpdateAssumeRolePolicy); "+
			"a session of the role could then create IAM users and read any bucket; better boundary: icaguard",
	)
	warn(
		unbounded && !enforced && !s.Role.Existing,
		"role.boundary",
		"without a permissions boundary, whoever can change the role's policies can give ICA any right in the account; better "+
			"boundary: icaguard",
	)
	warn(
		s.Bucket.Lifecycle.Word == "expected",
		"bucket.lifecycle",
		"rules that somebody adds later are not reported either; better name those that are on purpose, for example lifecycle: "+
			"{expected: [archive-raw-data]}",
	)
	if own, ok := f.files.policies[s.Documents.TrustPolicy]; ok {
		for _, text := range doubtsOfTrust(own) {
			warn(true, "documents.trustPolicy", s.Documents.TrustPolicy+": "+text)
		}
	}
	doubt := s.region().Doubt
	warn(
		doubt != "", "icaRegion",
		doubt+"; if ICA is not authorized to assume the role, ask Illumina support and set oidcProvider.namespace",
	)
	warn(
		slices.ContainsFunc(s.Role.SessionNamePrefix, func(p Secret) bool { return prefixOf(p).Literal != "" }),
		"role.sessionNamePrefix",
		"a literal prefix also stands in the template and in the Lambda's file; "+
			"better keep it in a String parameter of the home region, for example sessionNamePrefix: "+formats["prefix"].Example,
	)
	return all
}
