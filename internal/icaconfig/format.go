package icaconfig

import (
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/yamlspec"
)

// parameterPattern is a name in SSM Parameter Store (SSM API, PutParameter).
const parameterPattern = `(/[A-Za-z0-9_.-]+){1,15}`

// printable is a character that can be seen, or a space: no line break, no control character, none that hides or turns text.
const printable = `[\p{L}\p{M}\p{N}\p{P}\p{S} ]`

// A managed policy's ARN, whose path may be there (IAM API, CreatePolicy). What IAM reads as a wildcard or a variable is
// refused, because the ARN becomes part of conditions.
const (
	policyARNPattern = `arn:` + partitionWithICA + `:iam::([0-9]{12}|aws):policy/[!-~]+`
	policyARNRefused = `[*?]|\$\{`
)

// formats is the table of all forms of text in ica.yaml. Rows without a pattern are checked in code (prefix:
// checkPrefix; tags: tagKey and tagValue). Its patterns are compiled once.
var formats = map[string]*yamlspec.Format{ //nolint:gochecknoglobals // a table that nobody changes
	"account": {
		Noun: "an AWS account id", Pattern: `[0-9]{12}`,
		Allowed: "12 digits, in quotes", Example: `"123456789012"`,
	},
	"organization": { // Organizations API, Organization
		Noun: "the id of an AWS organization", Pattern: `o-[a-z0-9]{10,32}`,
		Allowed: "o- and 10 to 32 lowercase letters and digits", Example: "o-a1b2c3d4e5",
	},
	"awsRegion": {
		// Only partition aws, whose regions the AWS SDKs recognise by these beginnings, and only the words that AWS uses.
		Noun:    "an AWS region",
		Pattern: `(us|eu|ap|sa|ca|me|af|il|mx)-(north|south|east|west|central|northeast|southeast|northwest|southwest)-[0-9]{1,2}`,
		Allowed: "the id of a region of partition aws, in lowercase",
		Example: "us-east-1",
	},
	"icaRegion": {
		Noun: "a region of ICA", Pattern: strings.Join(regionIDs(), "|"),
		Allowed: strings.Join(regionIDs(), ", "), Example: "US", Values: regionIDs(),
	},
	"duration": { // 5 to 1440 minutes, 1 to 24 hours; here rather than in check.go, so that editors refuse the others too
		Noun: "a duration from 5m to 24h", Pattern: `([5-9]|[1-9][0-9]{1,2}|1[0-3][0-9]{2}|14[0-3][0-9]|1440)m|([1-9]|1[0-9]|2[0-4])h`,
		Allowed: "whole minutes or whole hours, from 5m to 24h", Example: "1h",
	},
	"email": {
		Noun:    "an e-mail address",
		Pattern: `[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}`,
		Fits:    mailFits,
		Allowed: "addresses of the form name@domain",
		Example: "storage-oncall@example.org",
	},
	"storage": {
		// "all" means every storage wherever a storage is named, for example in the pause parameter.
		Noun: "a storage name", Pattern: `[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?`, Refused: `^all$`, Fits: yamlspec.UpTo(32),
		Allowed: "up to 32 lowercase letters, digits and hyphens, no hyphen at its ends, not the word all", Example: "lab-prod",
	},
	"bucket": { // Amazon S3 User Guide, general purpose bucket naming rules
		Noun:    "a bucket name",
		Pattern: `[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]`,
		Fits:    yamlspec.UpTo(63),
		Refused: `\.\.|^[0-9]+(\.[0-9]+){3}$|^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$`,
		Allowed: "3 to 63 lowercase letters, digits, dots and hyphens, a letter or digit at its ends, no two dots in a row, no IP " +
			"address, " +
			"none of S3's own beginnings (xn--, sthree-, amzn-s3-demo-) and endings (-s3alias, --ol-s3, .mrap, --x-s3, --table-s3)",
		Example: "lab-prod-ica",
	},
	"folder": { // it becomes part of an IAM policy, which is Latin-1 and where * and ? are wildcards and ${ begins a variable
		Noun:    "a folder",
		Pattern: `[!-.0-~\x{a1}-\x{ff}]([ -~\x{a1}-\x{ff}]{0,898}[!-.0-~\x{a1}-\x{ff}])?`,
		Refused: `[*?]|\$\{|//|(^|/)\.{1,2}(/|$)`,
		Fits:    yamlspec.UpTo(900),
		Allowed: "a path in Latin-1 without / or space at its ends, no //, no . or .. as a part, no *, ? or ${",
		Example: "ica",
	},
	"kmsKey": {
		Noun:    "the ARN of a KMS key",
		Pattern: `arn:` + partitionWithICA + `:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+`,
		Allowed: "the ARN of a key, not of an alias",
		Example: "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
	},
	"role": { // IAM API, CreateRole
		Noun: "a role name", Pattern: `[\w+=,.@-]{1,64}`, Fits: yamlspec.UpTo(64),
		Allowed: "up to 64 letters, digits and _+=,.@-", Example: "Illumina_ICA_Role",
	},
	"path": { // IAM API, CreateRole; wildcards are refused because the path becomes part of an IAM resource
		Noun:    "a path",
		Pattern: `/|/[!-~]{1,510}/`,
		Refused: `[*?]|\$\{|//|^/aws-(service-role|reserved)/`,
		Fits:    yamlspec.UpTo(512),
		Allowed: "/ or up to 512 characters that begin and end with /, without spaces, //, *, ? or ${, not AWS's own " +
			"/aws-service-role/ and /aws-reserved/",
		Example: "/ica/",
	},
	"description": { // IAM API, CreateRole
		Noun: "a description", Pattern: `[\t\n\r\x20-\x7e\x{a1}-\x{ff}]{0,1000}`, Fits: yamlspec.UpTo(1000),
		Allowed: "up to 1000 characters of Latin-1", Example: "Lets Illumina Connected Analytics use lab-prod-ica",
	},
	"policy": { // IAM API, CreatePolicy
		Noun: "a policy name", Pattern: `[\w+=,.@-]{1,128}`, Refused: "^" + BoundaryPrefix, Fits: yamlspec.UpTo(128),
		Allowed: "up to 128 letters, digits and _+=,.@-, not beginning with " + BoundaryPrefix, Example: "illumina-ica-admin-policy",
	},
	"boundary": {
		Noun: "a permissions boundary", Pattern: `icaguard|none|` + policyARNPattern, Refused: policyARNRefused,
		Allowed: "icaguard, none, the ARN of a policy", Example: "icaguard",
	},
	"policyARN": {
		Noun: "the ARN of a policy", Pattern: policyARNPattern, Refused: policyARNRefused,
		Allowed: "the ARN of a managed policy", Example: "arn:aws:iam::123456789012:policy/organisation-boundary",
	},
	"prefix": { // checked by checkPrefix, whose error keeps the value to itself
		Noun:    "a prefix",
		Allowed: "ssm: and a parameter's name that begins with /, or the prefix itself: 8 to 62 letters, digits and _+=,.@-",
		Example: `"ssm:/ica/lab-prod/session-name-prefix"`,
		Editors: parameterScheme + parameterPattern + `|[A-Za-z0-9_+=,.@-]{8,62}`,
	},
	"parameter": { // SSM API, PutParameter
		Noun:    "a parameter name",
		Pattern: parameterPattern,
		Refused: `^/([aA][wW][sS]|[sS][sS][mM])(/|$)`,
		Fits:    yamlspec.UpTo(900),
		Allowed: "1 to 15 parts of letters, digits and _.-, each after a /, the first not aws or ssm",
		Example: "/ica/lab-prod/session-name-prefix",
	},
	"providerID": {
		Noun: "an OIDC provider id", Pattern: `[0-9A-F]{32}`,
		Allowed: "32 hexadecimal digits, capitals", Example: "10FBA7EDEB5930CCFC300EF5AC3DB2FE",
	},
	"namespace": {
		Noun: "a namespace", Pattern: `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`, Fits: yamlspec.UpTo(63),
		Allowed: "lowercase letters, digits and hyphens", Example: "use1",
	},
	"document": {
		Noun: "a file name", Pattern: `[A-Za-z0-9_.-]+\.json`,
		Allowed: "the name of a JSON file beside ica.yaml", Example: "my-document.json",
	},
	"rule": { // S3 API, LifecycleRule
		Noun: "the id of a lifecycle rule", Pattern: printable + `{1,255}`, Fits: yamlspec.UpTo(255),
		Allowed: "up to 255 printable characters", Example: "archive-raw-data",
	},
	"setting": {
		Noun: "a setting", Pattern: `[a-z]+(-[a-z]+)*`,
		Allowed: "a setting as icaguard validate names it", Example: "bucket-policy",
	},
	"match": {
		Noun: "what a finding is about", Pattern: printable + `{1,512}`, Fits: yamlspec.UpTo(512),
		Allowed: "a statement's Sid, the ARN of a policy or bucket, a rule's id, as icaguard validate prints it", Example: "LabDeny",
	},
	"digest": {
		Noun: "a digest", Pattern: `[0-9a-f]{12}`,
		Allowed: "12 hexadecimal digits, from the line that icaguard validate prints for the finding", Example: `"0a1b2c3d4e5f"`,
	},
	"reason": {
		Noun: "a reason", Pattern: `[\p{L}\p{N}]` + printable + `{2,299}`, Fits: yamlspec.UpTo(300), Refused: "^" + ReasonToWrite + "$",
		Allowed: "3 to 300 characters on a line, a letter or digit first, that say why it is accepted",
		Example: "audit demands it, ticket LAB-12",
	},
	"date": {
		Noun: "a date", Pattern: `[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])`,
		Allowed: "a day as YYYY-MM-DD", Example: "2027-02-28",
	},
	"tags": {
		Noun: "tags",
		Allowed: "up to 49 pairs; keys of 1 to 128, values of up to 256 letters, digits, spaces and _.:/=+-@; no key begins with " +
			"aws: or is icaguard",
		Example: "{owner: genomics}",
		Pairs:   &yamlspec.Pairs{Keys: "tagKey", Values: "tagValue", Most: mostTags},
	},
	"tagKey": {
		Noun:    "a tag's key",
		Pattern: `[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}`,
		Refused: `^[aA][wW][sS]:`,
		Fits:    yamlspec.UpTo(128),
	},
	"tagValue": {Noun: "a tag's value", Pattern: `[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}`, Fits: yamlspec.UpTo(256)},
}

// mailFits: 64 characters before the @, and 63 in each part of the domain, as the pattern says.
func mailFits(text string) bool {
	local, domain, _ := strings.Cut(text, "@")
	return len(local) <= 64 && !slices.ContainsFunc(strings.Split(domain, "."), func(part string) bool { return len(part) > 63 })
}
