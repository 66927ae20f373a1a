package icaconfig

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// format is what a text must check like. RE2 has no check-ahead, so what a pattern cannot leave out stands in refused.
type format struct {
	noun    string // what the value is, for "… is not <noun>"
	pattern string // the whole text must match
	refused string // no part of the text may match; "" refuses nothing
	allowed string // both, for people
	example string
	// fits holds the lengths of the pattern's long repetitions; nil where it has none.
	fits func(text string) bool

	whole, part func() *regexp.Regexp // pattern and refused, compiled once, when the first text asks
}

// longRepetition is a repetition whose end is left to format.fits: Go makes a copy of what is repeated for each time that it may be, so
// {1,256} of a class with all letters takes 5 ms and 10 MB to compile.
var longRepetition = regexp.MustCompile(`\{([0-9]+),([2-9][0-9]|[0-9]{3,})\}`)

func (f format) compiled() format {
	f.whole = compiled(`^(?:` + longRepetition.ReplaceAllString(f.pattern, "{$1,}") + `)$`)
	f.part = compiled(f.refused)
	return f
}

func compiled(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

func (f format) match(text string) bool {
	return (f.fits == nil || f.fits(text)) && f.whole().MatchString(text) && (f.refused == "" || !f.part().MatchString(text))
}

// upTo is for patterns of which only the whole length has an end.
func upTo(most int) func(string) bool {
	return func(text string) bool { return utf8.RuneCountInString(text) <= most }
}

// mailFits: 64 characters before the @, and 63 in each part of the domain, as the pattern says.
func mailFits(text string) bool {
	local, domain, _ := strings.Cut(text, "@")
	return len(local) <= 64 && !slices.ContainsFunc(strings.Split(domain, "."), func(part string) bool { return len(part) > 63 })
}

// formats is the table of all forms of text in ica.yaml. Rows without a pattern are checked in code (prefix: checkPrefix; tags: tagKey and tagValue).
var formats = ready(map[string]format{ //nolint:gochecknoglobals // a table that nobody changes, with patterns that are compiled once
	"account": {
		noun: "an AWS account id", pattern: `[0-9]{12}`,
		allowed: "12 digits, in quotes", example: `"123456789012"`,
	},
	"awsRegion": {
		// Only partition aws, whose regions the AWS SDKs recognise by these beginnings, and only the words that AWS uses.
		noun: "an AWS region", pattern: `(us|eu|ap|sa|ca|me|af|il|mx)-(north|south|east|west|central|northeast|southeast|northwest|southwest)-[0-9]{1,2}`,
		allowed: "the id of a region of partition aws, in lowercase", example: "us-east-1",
	},
	"icaRegion": {
		noun: "a region of ICA", pattern: strings.Join(regionIDs(), "|"),
		allowed: strings.Join(regionIDs(), ", "), example: "US",
	},
	"duration": { // 5 to 1440 minutes, 1 to 24 hours; here rather than in check.go, so that editors refuse the others too
		noun: "a duration from 5m to 24h", pattern: `([5-9]|[1-9][0-9]{1,2}|1[0-3][0-9]{2}|14[0-3][0-9]|1440)m|([1-9]|1[0-9]|2[0-4])h`,
		allowed: "whole minutes or whole hours, from 5m to 24h", example: "1h",
	},
	"email": {
		noun: "an e-mail address", pattern: `[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}`, fits: mailFits,
		allowed: "addresses of the form name@domain", example: "storage-oncall@example.org",
	},
	"storage": {
		// "all" means every storage wherever a storage is named, for example in the pause parameter.
		noun: "a storage name", pattern: `[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?`, refused: `^all$`, fits: upTo(32),
		allowed: "up to 32 lowercase letters, digits and hyphens, no hyphen at its ends, not the word all", example: "lab-prod",
	},
	"bucket": { // Amazon S3 User Guide, general purpose bucket naming rules
		noun: "a bucket name", pattern: `[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]`, fits: upTo(63),
		refused: `\.\.|^[0-9]+(\.[0-9]+){3}$|^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$`,
		allowed: "3 to 63 lowercase letters, digits, dots and hyphens, a letter or digit at its ends, no two dots in a row, no IP address, " +
			"none of S3's own beginnings (xn--, sthree-, amzn-s3-demo-) and endings (-s3alias, --ol-s3, .mrap, --x-s3, --table-s3)",
		example: "lab-prod-ica",
	},
	"folder": { // it becomes part of an IAM policy, which is Latin-1 and where * and ? are wildcards and ${ begins a variable
		noun: "a folder", pattern: `[!-.0-~\x{a1}-\x{ff}]([ -~\x{a1}-\x{ff}]{0,898}[!-.0-~\x{a1}-\x{ff}])?`, refused: `[*?]|\$\{|//|(^|/)\.{1,2}(/|$)`, fits: upTo(900),
		allowed: "a path in Latin-1 without / or space at its ends, no //, no . or .. as a part, no *, ? or ${", example: "ica",
	},
	"kmsKey": {
		noun: "the ARN of a KMS key", pattern: `arn:` + partitionWithICA + `:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+`,
		allowed: "the ARN of a key, not of an alias", example: "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
	},
	"role": { // IAM API, CreateRole
		noun: "a role name", pattern: `[\w+=,.@-]{1,64}`, fits: upTo(64),
		allowed: "up to 64 letters, digits and _+=,.@-", example: "Illumina_ICA_Role",
	},
	"path": { // IAM API, CreateRole; wildcards are refused because the path becomes part of an IAM resource
		noun: "a path", pattern: `/|/[!-~]{1,510}/`, refused: `[*?]|\$\{|//|^/aws-(service-role|reserved)/`, fits: upTo(512),
		allowed: "/ or up to 512 characters that begin and end with /, without spaces, //, *, ? or ${, not AWS's own /aws-service-role/ and /aws-reserved/",
		example: "/ica/",
	},
	"description": { // IAM API, CreateRole
		noun: "a description", pattern: `[\t\n\r\x20-\x7e\x{a1}-\x{ff}]{0,1000}`, fits: upTo(1000),
		allowed: "up to 1000 characters of Latin-1", example: "Lets Illumina Connected Analytics use lab-prod-ica",
	},
	"policy": { // IAM API, CreatePolicy
		noun: "a policy name", pattern: `[\w+=,.@-]{1,128}`, refused: "^" + BoundaryPrefix, fits: upTo(128),
		allowed: "up to 128 letters, digits and _+=,.@-, not beginning with " + BoundaryPrefix, example: "illumina-ica-admin-policy",
	},
	"boundary": {
		noun: "a permissions boundary", pattern: `icaguard|none|arn:` + partitionWithICA + `:iam::([0-9]{12}|aws):policy/[!-~]+`,
		allowed: "icaguard, none, the ARN of a policy", example: "icaguard",
	},
	"prefix": { // checked by checkPrefix, whose error keeps the value to itself
		noun: "a prefix", allowed: "ssm: and a parameter's name that begins with /, or the prefix itself: 8 to 62 letters, digits and _+=,.@-",
		example: `"ssm:/ica/lab-prod/session-name-prefix"`,
	},
	"parameter": { // SSM API, PutParameter
		noun: "a parameter name", pattern: `(/[A-Za-z0-9_.-]+){1,15}`, refused: `^/([aA][wW][sS]|[sS][sS][mM])(/|$)`, fits: upTo(900),
		allowed: "1 to 15 parts of letters, digits and _.-, each after a /, the first not aws or ssm", example: "/ica/lab-prod/session-name-prefix",
	},
	"providerID": {
		noun: "an OIDC provider id", pattern: `[0-9A-F]{32}`,
		allowed: "32 hexadecimal digits, capitals", example: "10FBA7EDEB5930CCFC300EF5AC3DB2FE",
	},
	"namespace": {
		noun: "a namespace", pattern: `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`, fits: upTo(63),
		allowed: "lowercase letters, digits and hyphens", example: "use1",
	},
	"document": {
		noun: "a file name", pattern: `[A-Za-z0-9_.-]+\.json`,
		allowed: "the name of a JSON file beside ica.yaml", example: "my-document.json",
	},
	"tags": {
		noun: "tags", allowed: "up to 49 pairs; keys of 1 to 128, values of up to 256 letters, digits, spaces and _.:/=+-@; no key begins with aws: or is icaguard",
		example: "{owner: genomics}",
	},
	"tagKey":   {noun: "a tag's key", pattern: `[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}`, refused: `^[aA][wW][sS]:`, fits: upTo(128)},
	"tagValue": {noun: "a tag's value", pattern: `[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}`, fits: upTo(256)},
})

func ready(table map[string]format) map[string]format {
	for name, f := range table {
		table[name] = f.compiled()
	}
	return table
}
