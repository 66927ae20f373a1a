package icaconfig

import (
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/policy"
)

const policyVersion = "2012-10-17"

// CORSRule is one CORS rule of a bucket, its members named as S3's console takes them. The order of its lists has no
// meaning. Ours has neither ID nor age.
type CORSRule struct {
	ID                                                            string `json:",omitempty"`
	AllowedHeaders, AllowedMethods, AllowedOrigins, ExposeHeaders []string
	MaxAgeSeconds                                                 int32 `json:",omitempty"`
}

// CORS is the rule that ICA's browser uploads need. Source: Illumina, "IAM Role Method", section 1, verbatim.
func CORS() CORSRule {
	return CORSRule{
		AllowedHeaders: []string{"*"},
		AllowedMethods: []string{"HEAD", "GET", "PUT", "POST", "DELETE"},
		AllowedOrigins: []string{"https://ica.illumina.com"},
		ExposeHeaders:  []string{"ETag", "x-amz-meta-custom-header"},
	}
}

// MatchesOrigin says that an origin which a CORS rule allows lets pages of the origin in. S3 takes one * in it, for any text
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html, AllowedOrigins element).
func MatchesOrigin(allowed, origin string) bool {
	before, after, wildcard := strings.Cut(allowed, "*")
	if !wildcard {
		return allowed == origin
	}
	return len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
}

// TrustPolicy is the role's trust policy for ICA's prefixes (that passed CheckPrefix, or CloudFormation references to
// them), of which a session's name needs one. The document shows them: mask it before printing.
func (s Storage) TrustPolicy(prefixes ...string) policy.Document {
	if !s.Own.Trust.Empty() {
		return withPrefixes(s.Own.Trust, prefixes)
	}
	var names policy.Values
	for _, prefix := range prefixes {
		names = append(names, prefix+"-*")
	}
	ns := s.Region.Namespace
	return policy.New(policy.Statement{
		Effect:    "Allow",
		Principal: policy.Principal{"Federated": {s.Provider.ARN}},
		Action:    policy.Values{"sts:AssumeRoleWithWebIdentity"},
		Condition: policy.Condition{
			"StringEquals": {s.Provider.Host + ":aud": {s.Provider.Audience}},
			"StringLike": {
				s.Provider.Host + ":sub": {"system:serviceaccount:" + ns + ":irsa-" + ns + "-gds*"},
				"sts:RoleSessionName":    names,
			},
		},
	})
}

// PermissionPolicy is what ICA may do with the buckets of the role: two statements for each, and one for all keys.
// versioned says which buckets are versioned or suspended. The user's own policy has no variants.
func (r *Role) PermissionPolicy(versioned func(*Bucket) bool) policy.Document {
	if !r.Own.Empty() {
		return r.Own
	}
	var statements []policy.Statement
	for _, b := range r.Buckets {
		statements = append(statements,
			policy.Statement{Effect: "Allow", Action: bucketActions(versioned(b)), Resource: []string{b.ARN}},
			policy.Statement{Effect: "Allow", Action: objectActions(versioned(b), b.ObjectTags), Resource: []string{b.objects()}})
	}
	return policy.New(append(statements, r.keyUse()...)...)
}

// keyUse is in statements of its own, so that S3's actions do not get the keys' ARNs: one for the keys that buckets
// encrypt with, or are to, and one for those that only older objects are under; none where there are no such keys.
func (r *Role) keyUse() []policy.Statement {
	var keys, previous []string
	for _, b := range r.Buckets {
		for _, arn := range []string{b.KMSKeyARN, b.NextKey} {
			if arn != "" {
				keys = appendNew(keys, arn)
			}
		}
	}
	for _, b := range r.Buckets {
		for _, arn := range b.PreviousKeys {
			if !slices.Contains(keys, arn) {
				previous = appendNew(previous, arn)
			}
		}
	}
	var all []policy.Statement
	if keys != nil {
		all = append(all, policy.Statement{Effect: "Allow", Action: keyActions(), Resource: keys})
	}
	if previous != nil {
		all = append(all, policy.Statement{Effect: "Allow", Action: decryptActions(), Resource: previous})
	}
	return all
}

// DroppedKeys are the KMS keys that a live policy of the role, or its boundary, names and lets it decrypt with, and
// that the wanted one does not.
func DroppedKeys(live, want policy.Document) []string {
	var dropped []string
	for _, s := range live.Statements() {
		for _, key := range s.Resource {
			bare := s
			bare.Condition = nil
			if formats["kmsKey"].Match(key) && decrypts(policy.New(bare), key) && !decrypts(want, key) {
				dropped = appendNew(dropped, key)
			}
		}
	}
	return dropped
}

// decrypts says that a statement of the document allows decrypting with the key, without conditions.
func decrypts(d policy.Document, key string) bool {
	need := policy.Statement{Effect: "Allow", Action: decryptActions(), Resource: []string{key}}
	return slices.ContainsFunc(d.Statements(), func(s policy.Statement) bool { return policy.Covers(s, need) })
}

// BoundaryDocument is the permissions boundary of ours: the most that any variant of the permission policy permits on
// the role's buckets and keys, and what the user's own policy permits. So a change of versioning or tags needs no other
// boundary.
func (r *Role) BoundaryDocument() policy.Document {
	buckets := policy.Statement{Effect: "Allow", Action: bucketActions(true)}
	objects := policy.Statement{Effect: "Allow", Action: objectActions(true, true)}
	for _, b := range r.Buckets {
		buckets.Resource = append(buckets.Resource, b.ARN)
		objects.Resource = append(objects.Resource, b.objects())
	}
	allowed := slices.DeleteFunc(r.Own.Statements(), policy.Statement.IsDeny)
	return policy.New(slices.Concat([]policy.Statement{buckets, objects}, r.keyUse(), allowed)...)
}

// Sids of our statements in documents that others own too.
const (
	SidRequireTLS       = "IcaguardRequireTLS"
	SidCrossAccountCopy = "IcaCrossAccountCopy"
	SidRole             = "IcaRole"
	SidRoleDecrypt      = "IcaRoleDecrypt"
	SidCrossAccountRead = "IcaCrossAccountDecrypt"
)

// BucketStatements are ours in the bucket policy; ICA itself needs none. versioned: the bucket is versioned or suspended.
func (s Storage) BucketStatements(versioned bool) []policy.Statement {
	var ours []policy.Statement
	if s.Bucket.RequireTLS {
		ours = append(ours, s.Bucket.requireTLS())
	}
	switch {
	case !s.Bucket.CrossAccountCopy:
	case len(s.Own.CrossAccount) > 0:
		ours = append(ours, s.Own.CrossAccount...)
	default:
		ours = append(ours, s.crossAccountCopy(versioned))
	}
	return ours
}

// requireTLS is usual practice in AWS; ICA's calls use TLS anyway.
func (b *Bucket) requireTLS() policy.Statement {
	return policy.Statement{
		Sid:       SidRequireTLS,
		Effect:    "Deny",
		Principal: policy.Everyone(),
		Action:    policy.Values{"s3:*"},
		Resource:  []string{b.ARN, b.ARN + "/*"},
		Condition: policy.Condition{"Bool": {"aws:SecureTransport": {"false"}}},
	}
}

func (s Storage) crossAccountCopy(versioned bool) policy.Statement {
	actions := []string{"s3:PutObject", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload", "s3:GetObject"}
	return policy.Statement{
		Sid: SidCrossAccountCopy, Effect: "Allow", Principal: policy.Principal{"AWS": {s.CrossAccount}},
		Action:   append(actions, versionAndTagActions(versioned, s.Bucket.ObjectTags)...),
		Resource: []string{s.Bucket.ARN, s.Bucket.ARN + "/*"},
	}
}

// KeyStatements are ours in the key policy, whatever else stands there: cross-account copy, if a storage with this key
// asks for it. What a previous key needs has a name of its own, so that the fuller statement of before is enough.
func (s Storage) KeyStatements() []policy.Statement {
	switch {
	case s.Key == nil:
		return nil
	case s.Key.CrossAccountCopy:
		return []policy.Statement{keyStatement(SidCrossAccountCopy, keyActions(), s.CrossAccount)}
	case s.Key.CrossAccountRead:
		return []policy.Statement{keyStatement(SidCrossAccountRead, decryptActions(), s.CrossAccount)}
	}
	return nil
}

// KeyRoleStatements let the roles use the key. They are for key policies that do not let the account's IAM policies
// decide (the usual root statement); where they do, they are not needed and not put.
func (s Storage) KeyRoleStatements() []policy.Statement {
	var all []policy.Statement
	if s.Key != nil && len(s.Key.Roles) > 0 {
		all = append(all, keyStatement(SidRole, keyActions(), s.Key.Roles...))
	}
	if s.Key != nil && len(s.Key.Readers) > 0 {
		all = append(all, keyStatement(SidRoleDecrypt, decryptActions(), s.Key.Readers...))
	}
	return all
}

func keyStatement(sid string, actions []string, principals ...string) policy.Statement {
	return policy.Statement{
		Sid: sid, Effect: "Allow", Principal: policy.Principal{"AWS": slices.Clone(principals)},
		Action: actions, Resource: []string{"*"},
	}
}

func bucketActions(versioned bool) []string {
	actions := []string{"s3:PutBucketNotification", "s3:ListBucket", "s3:GetBucketNotification", "s3:GetBucketLocation"}
	if versioned {
		// Illumina also prints s3:ListObjectVersions, which is no IAM action.
		actions = append(actions, "s3:ListBucketVersions", "s3:GetBucketVersioning")
	}
	return actions
}

func objectActions(versioned, tags bool) []string {
	actions := []string{"s3:PutObject", "s3:GetObject", "s3:RestoreObject", "s3:DeleteObject"}
	return append(actions, versionAndTagActions(versioned, tags)...)
}

func versionAndTagActions(versioned, tags bool) []string {
	var actions []string
	if versioned {
		actions = append(actions, "s3:GetObjectVersion", "s3:DeleteObjectVersion")
	}
	if tags {
		actions = append(actions, "s3:GetObjectTagging", "s3:PutObjectTagging")
	}
	if versioned && tags {
		actions = append(actions, "s3:GetObjectVersionTagging", "s3:PutObjectVersionTagging")
	}
	return actions
}

func keyActions() []string { return []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"} }

// decryptActions are all that reading an object takes (S3 User Guide, "Specifying server-side encryption with AWS KMS").
func decryptActions() []string { return []string{"kms:Decrypt"} }

// objects is the ARN pattern of what ICA may touch in the bucket.
func (b *Bucket) objects() string {
	if b.Folder == "" {
		return b.ARN + "/*"
	}
	return b.ARN + "/" + b.Folder + "/*"
}

// Source says how sure a document is.
type Source struct {
	Document string // cors, permission-policy, trust-policy, bucket-policy, key-policy, boundary
	// page: Illumina's "IAM Role Method"; illumina: another page of Illumina's help; lab: labs in production; derived: ours
	Sure string
	Why  string
}

// Sources lists our documents and where each comes from.
func Sources() []Source {
	return []Source{
		{"cors", "page", `verbatim, section 1 of "IAM Role Method"`},
		{
			"permission-policy",
			"illumina, lab",
			"Illumina's SSE-KMS page; the actions on versions' tags as labs in production have them",
		},
		{
			"trust-policy",
			"derived",
			`put together from the fields, the sub line and the "-*" that section 4 of "IAM Role Method" gives in words`,
		},
		{
			"bucket-policy",
			"page, lab",
			`cross-account copy is section 8 of "IAM Role Method" in words, the statement as labs in production have it; TLS only is AWS's usual practice`,
		},
		{"key-policy", "illumina", "Illumina's SSE-KMS page"},
		{"boundary", "derived", "all variants of the permission policy in one; Illumina asks for no boundary"},
	}
}
