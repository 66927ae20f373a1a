package render

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// plainWord means itself in every shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_+=,.@:/-]+$`)

// words joins a command's words, quoted for the shell where they need it.
func words(all ...string) string {
	quoted := make([]string, len(all))
	for i, word := range all {
		quoted[i] = word
		if !plainWord.MatchString(word) {
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// comment puts lines into comments.
func comment(lines ...string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = "# " + line
	}
	return out
}

// file is the document's file as the AWS CLI takes it.
func (r Request) file() string { return "file://" + r.File }

// beside names a file that the script makes, after the document's.
func (r Request) beside(kind string) string {
	return strings.TrimSuffix(r.File, ".json") + "." + kind + ".json"
}

// s3api is a command on the bucket. It names the owner: the bucket may have been deleted and its name taken by strangers.
func (r Request) s3api(operation string, more ...string) string {
	all := []string{
		"aws",
		"s3api",
		operation,
		"--region",
		r.Storage.Region.AWS,
		"--bucket",
		r.Storage.Bucket.Name,
		"--expected-bucket-owner",
		r.Account,
	}
	return words(append(all, more...)...)
}

func applyCORS(r Request) []string {
	return append(comment(
		"It replaces all CORS rules of the bucket. If there are rules of others, keep them: put them behind this one in the file.",
		"  "+r.s3api("get-bucket-cors"), "In the S3 console paste only the list under CORSRules.",
	), r.s3api("put-bucket-cors", "--cors-configuration", r.file()))
}

func (r Request) aboutVersioning() []string {
	about := fmt.Sprintf(
		"for a bucket that was never versioned; --versioned shows the other (ica.yaml says versioning: %s)",
		r.Storage.Bucket.Versioning,
	)
	if r.Versioned {
		about = "for a bucket whose versioning is enabled or suspended; --versioned=false shows the other"
	}
	return comment("Variant: " + about)
}

func applyPermissions(r Request) []string {
	role := r.Storage.Role
	var lines []string
	if role.Own.Empty() {
		lines = r.aboutVersioning()
	}
	lines = append(lines, comment("A policy holds five versions; if AWS says LimitExceeded, delete an old one first.")...)
	lines = append(
		lines,
		words(
			"aws", "iam", "create-policy-version", "--policy-arn", role.Policy.ARN, "--set-as-default", "--policy-document", r.file(),
		),
	)
	return append(lines, comment(
		"If the policy does not exist yet:",
		"  "+words("aws", "iam", "create-policy", "--policy-name", role.Policy.Name, "--policy-document", r.file()),
		"  "+words("aws", "iam", "attach-role-policy", "--role-name", role.Name, "--policy-arn", role.Policy.ARN),
	)...)
}

// prefix is one of the role's with its names in the document and in the script.
type prefix struct {
	icaconfig.SessionNamePrefix
	placeholder, variable string
}

func (r Request) prefixes() []prefix {
	from := r.Storage.Role.Prefixes
	all := make([]prefix, len(from))
	for i, p := range from {
		all[i] = prefix{p, Placeholder, "prefix"}
		if len(from) > 1 {
			all[i] = prefix{p, fmt.Sprintf("%s_%d", Placeholder, i+1), fmt.Sprintf("prefix%d", i+1)}
		}
	}
	return all
}

// applyTrust reads the prefixes that stand in parameters. Where one stands in ica.yaml a file with it has to be written,
// and does not stay.
func applyTrust(r Request) []string {
	document, literal := words(r.file()), false
	var lines, steps, edits []string
	for _, p := range r.prefixes() {
		switch {
		case p.Parameter != "":
			lines = append(lines, r.aboutParameter(p.placeholder)...)
			steps = append(steps, r.readPrefix(p), r.checkPrefix(p.variable))
			edits = append(edits, "s/"+p.placeholder+"/$"+p.variable+"/g")
		case r.Reveal:
			literal = true
			lines = append(lines, comment("The file holds the RoleSessionName prefix, so it is deleted once it was applied.")...)
		default:
			literal = true
			lines = append(lines, comment(
				p.placeholder+" stands for the RoleSessionName prefix of ica.yaml, which is shown only with --reveal.",
				"The commands write a file with it, apply that, and delete it.",
			)...)
		}
	}
	if edits != nil {
		document = `"$(sed "` + strings.Join(edits, "; ") + `" ` + words(r.File) + `)"`
	}
	if literal && !r.Reveal {
		steps = append(steps, words(
			"icaguard", "render", "trust-policy", "--config", r.Config, "--storage", r.Storage.Name, "--reveal", "--out", r.File,
		))
	}
	steps = append(steps, r.updateTrust(document))
	if literal {
		return append(lines, strings.Join(append(steps, words("rm", r.File)), " &&\n  "))
	}
	lines = append(lines, strings.Join(steps, " &&\n  "))
	return append(lines, comment("If the role does not exist yet, in place of the last line:", "  "+r.createRole(document))...)
}

func (r Request) aboutParameter(placeholder string) []string {
	lines := comment(
		placeholder+" stands for the RoleSessionName prefix that ICA generated. The command reads it from its parameter, checks it as",
		"icaguard does, and does not show it.",
	)
	if r.Reveal {
		lines = append(lines, comment("--reveal shows a prefix that stands in ica.yaml; a parameter is not read by render.")...)
	}
	return lines
}

// readPrefix reads the parameter. A SecureString comes encrypted and fails the check; CloudFormation could not use it either.
func (r Request) readPrefix(p prefix) string {
	return p.variable + "=$(" + words("aws", "ssm", "get-parameter", "--region", r.HomeRegion, "--name", p.Parameter,
		"--query", "Parameter.Value", "--output", "text") + ")"
}

// checkPrefix is icaconfig.CheckPrefix for the shell: with an empty prefix, or one with a wildcard, the role would trust
// every ICA tenant of the region.
func (r Request) checkPrefix(variable string) string {
	return `printf '%s' "$` + variable + `" | grep -Eqx '[A-Za-z0-9_+=,.@-]{8,62}'`
}

func (r Request) updateTrust(document string) string {
	return words("aws", "iam", "update-assume-role-policy", "--role-name", r.Storage.Role.Name, "--policy-document") + " " + document
}

func (r Request) createRole(document string) string {
	role := r.Storage.Role
	all := []string{
		"aws",
		"iam",
		"create-role",
		"--role-name",
		role.Name,
		"--path",
		role.Path,
		"--max-session-duration",
		fmt.Sprint(role.MaxSessionDuration),
	}
	if role.Boundary.ARN != "" {
		all = append(all, "--permissions-boundary", role.Boundary.ARN)
	}
	return words(append(all, "--assume-role-policy-document")...) + " " + document
}

func applyBucketPolicy(r Request) []string {
	var lines []string
	if r.Storage.Bucket.CrossAccountCopy && len(r.Storage.Own.CrossAccount) == 0 {
		lines = r.aboutVersioning()
	}
	present, merged := r.beside("present"), r.beside("merged")
	lines = append(lines, comment(
		"It replaces the whole policy. If the bucket has one, keep its statements: merge, read what came out, and put that instead "+
			"(needs jq):",
		"  "+r.s3api("get-bucket-policy", "--query", "Policy", "--output", "text")+" >"+words(present)+" &&",
		"  "+r.merge(present, merged),
		"  "+r.s3api("put-bucket-policy", "--policy", "file://"+merged),
	)...)
	return append(lines, r.s3api("put-bucket-policy", "--policy", r.file()))
}

// merge puts our statements, a policy or a list, behind those of others with jq; what stands under one of our Sids goes.
func (r Request) merge(present, merged string) string {
	const program = `($new[0] | .Statement? // .) as $ours | .Statement = ([.Statement] | flatten ` +
		`| map(select(IN($ours[]) or (.Sid != null and IN(.Sid; $ours[].Sid)) | not))) + $ours`
	return words("jq", "--slurpfile", "new", r.File, program, present) + " >" + words(merged)
}

func applyKeyPolicy(r Request) []string {
	present, merged := r.beside("present"), r.beside("merged")
	kms := func(operation string, more ...string) string {
		all := []string{
			"aws",
			"kms",
			operation,
			"--region",
			r.Storage.Region.AWS,
			"--key-id",
			r.Storage.Key.ARN,
			"--policy-name",
			"default",
		}
		return words(append(all, more...)...)
	}
	lines := comment(
		"These are statements to add to the key policy, which keeps its own. The commands do so (they need jq).",
		"Statement "+icaconfig.SidRole+" is needed only where no statement for the account's root lets IAM policies decide.",
	)
	return append(lines,
		kms("get-key-policy", "--query", "Policy", "--output", "text")+" >"+words(present)+" &&",
		"  "+r.merge(present, merged)+" &&",
		"  "+kms("put-key-policy", "--policy", "file://"+merged))
}

func applyBoundary(r Request) []string {
	role := r.Storage.Role
	lines := comment("Where icaguard is deployed its stack owns this policy: deploy instead.")
	lines = append(
		lines,
		words("aws", "iam", "create-policy", "--policy-name", role.Boundary.Name, "--policy-document", r.file())+" &&",
		"  "+words(
			"aws", "iam", "put-role-permissions-boundary", "--role-name", role.Name, "--permissions-boundary", role.Boundary.ARN,
		),
	)
	return append(lines, comment(
		"If the policy exists already, in place of create-policy:",
		"  "+words(
			"aws", "iam", "create-policy-version", "--policy-arn", role.Boundary.ARN, "--set-as-default", "--policy-document",
			r.file(),
		),
	)...)
}
