package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// finding is one of cdk-nag's: a rule at a construct, for IAM5 with the wildcard that it found.
type finding struct{ rule, wildcard, place, says string }

// findingsOf reads what cdk-nag wrote at the constructs, from the assembly in a folder.
func findingsOf(t *testing.T, dir string) []finding {
	t.Helper()
	type message struct {
		Type string
		Data any
	}
	var manifest struct {
		Artifacts map[string]struct {
			AdditionalMetadataFile string
			Metadata               map[string][]message
		}
	}
	readJSON(t, filepath.Join(dir, "manifest.json"), &manifest)
	var found []finding
	for _, artifact := range manifest.Artifacts {
		if artifact.AdditionalMetadataFile != "" {
			readJSON(t, filepath.Join(dir, artifact.AdditionalMetadataFile), &artifact.Metadata)
		}
		for place, messages := range artifact.Metadata {
			for _, m := range messages {
				if m.Type == "aws:cdk:error" || m.Type == "aws:cdk:warning" {
					says, _ := m.Data.(string)
					rule, wildcard, _ := strings.Cut(strings.SplitN(says, ": ", 2)[0], "[")
					found = append(found, finding{rule, strings.TrimSuffix(strings.TrimPrefix(wildcard, "Resource::"), "]"), place, says})
				}
			}
		}
	}
	return found
}

func readJSON(t *testing.T, file string, to any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// accepted is a finding that is known, and why it stays: regular expressions of the whole wildcard and place. They
// stand here rather than in the templates, where suppressions would be one more thing to deploy.
type accepted struct{ rule, wildcard, place, why string }

func (a accepted) explains(f finding) bool {
	whole := func(pattern, text string) bool { return regexp.MustCompile("^(" + pattern + ")$").MatchString(text) }
	return a.rule == f.rule && whole(a.wildcard, f.wildcard) && whole(a.place, f.place)
}

func acceptedFindings() []accepted {
	const functions = "/icaguard-guard/(Remediate|Validate)(Role/Resource|Policy[0-9]+/Resource)"
	return []accepted{
		{
			"AwsSolutions-S1",
			"",
			"/icaguard-storage-[a-z0-9-]+/storage .+/Bucket",
			"Server access logs hold the names of objects, which may tell of patients, and need a bucket for them in each region: " +
				"whether and where they are kept is the owner's decision, which the template leaves alone.",
		},
		{
			"AwsSolutions-S10",
			"",
			"/icaguard-storage-[a-z0-9-]+/storage .+/Bucket",
			"TLS is required by the statement IcaguardRequireTLS, which the guard puts into the bucket policy and keeps there (setting " +
				"bucket-policy). AWS::S3::BucketPolicy would own the whole document and drop the statements of others with each update.",
		},
		{
			"AwsSolutions-S1",
			"",
			"/icaguard-guard/TrailBucket/Resource",
			"The bucket is a log itself. Changes to it are management events of the trail, log file validation shows what was altered " +
				"or removed, and versioning keeps it.",
		},
		{
			"AwsSolutions-SQS3", "", "/icaguard-(relay|storage-[a-z0-9-]+)/DeadLetters/Resource",
			"The queue is itself the dead-letter queue of this region's rules, which cdk-nag does not see: it knows those of queues only.",
		},
		{
			"AwsSolutions-IAM5",
			`arn:aws:iam::\d+:role/\*/[\w.-]+`,
			functions,
			"GetRole alone. IAM looks a role up by its name, and asks policies by the path that it has: one that was created again " +
				"at another path has to be seen.",
		},
		{
			"AwsSolutions-IAM5",
			`arn:aws:s3:::[a-z0-9-]+/(.+/)?\*`,
			"/icaguard-guard/(role|boundary) .+/(Policy|Boundary)",
			"ICA reads and writes every object below its folder, and nobody knows their names in advance. The policy is Illumina's; " +
				"the boundary holds it to this bucket and folder.",
		},
		{
			"AwsSolutions-IAM5", `arn:aws:logs:[a-z0-9-]+:[0-9]+:log-group:/aws/lambda/icaguard-(remediate|validate):\*`, functions,
			"The streams of the function's own log group; Lambda makes up their names.",
		},
		{
			"AwsSolutions-IAM5", `arn:aws:cloudformation:[a-z0-9-]+:[0-9]+:stack/icaguard-[a-z0-9-]+/\*`, functions,
			"Reads of our own stacks: CloudFormation ends a stack's ARN with an id that it makes up.",
		},
		{
			"AwsSolutions-IAM5",
			`arn:aws:(sqs|events):\*:[0-9]+:(rule/)?icaguard-\*|arn:aws:lambda:[a-z0-9-]+:[0-9]+:function:icaguard-\*|arn:aws:iam::[0-9]+:role/icaguard-\*`,
			functions,
			"Reads of the guard's own queues, rules, functions and roles, which alone have such names.",
		},
		{
			"AwsSolutions-IAM5",
			`arn:aws:cloudtrail:\*:\*:trail/\*`,
			functions,
			"Reads that tell whether some trail feeds EventBridge: which one, is not ours to say, and that of an organisation bears " +
				"another account's id.",
		},
		{
			"AwsSolutions-IAM5", `arn:aws:iam::\*:policy/\*`, functions,
			"Reads of policies that somebody attached to ICA's role, to tell what they permit or deny: anybody's, AWS's own included.",
		},
		{
			"AwsSolutions-IAM5", `\*`, functions,
			"Reads for which AWS knows no resource (the table's kind OnAccount); checkStatements holds them to exactly those.",
		},
	}
}

// checkNag: AWS's Solutions pack finds nothing that is not explained, and nothing is explained that it does not find.
func checkNag(t *testing.T, apps map[string]app) {
	known := acceptedFindings()
	met := make([]bool, len(known))
	for name, a := range apps {
		for _, f := range a.findings {
			explained := false
			for i := range known {
				if known[i].explains(f) {
					met[i], explained = true, true
				}
			}
			if !explained {
				t.Errorf("%s: %s: %s", name, f.place, f.says)
			}
		}
	}
	for i, a := range known {
		if !met[i] {
			t.Errorf("%s %s at %s is explained, but not found: %s", a.rule, a.wildcard, a.place, a.why)
		}
	}
}
