package beliefs

func aboutStacks() []Belief { //nolint:funlen // a table
	return []Belief{
		{
			ID: "table-policy-drift", Grade: "doc",
			Fact:    "CloudFormation finds no drift in a table's resource policy and leaves a changed one alone",
			Source:  "CloudFormation: AWS::DynamoDB::Table ResourcePolicy",
			RestsOn: "guard-ledger advises put-resource-policy, not `make repair`",
			In:      []string{"internal/guard/self/watch/ledger.go"},
			Answer:  try(tableDrift),
		},
		{
			ID: "trail-bucket-name", Grade: "doc",
			Fact:    "CloudFormation names the trail's bucket STACK-RESOURCE-…, in lower case",
			Source:  "CloudFormation: \"Name type\"",
			RestsOn: "changes of that bucket's policy are told",
			In:      []string{"internal/guard/self/trail.go"},
			Answer:  try(trailBucketName),
		},
		{
			ID: "cdk-role-names", Grade: "doc",
			Fact:    "`cdk bootstrap` names its roles `cdk-QUALIFIER-cfn-exec-role-ACCOUNT-REGION` and `…-deploy-role-…`",
			Source:  "CDK Developer Guide, customize bootstrapping",
			RestsOn: "the exceptions of `icaguard render scp` and `scp-icaguard`",
			In:      []string{"internal/render/scp.go"},
			Answer:  try(cdkRoleNames),
		},
		{
			ID: "dynamic-references", Grade: "inferred",
			Fact:    "A template's dynamic references count one by one, also two in one property",
			Source:  "CloudFormation quotas: 60 in a template; that equal ones count twice is not said",
			RestsOn: "the count at synthesis",
			In:      []string{"internal/icaconfig/check.go"},
			Answer:  notTried("needs a stack of 61 parameters; more than needed are refused at synthesis"),
		},
		{
			ID: "no-stack-text", Grade: "sample",
			Fact: "DescribeStacks answers ValidationError for a stack that is not there, with a message that ends in \"does not " +
				"exist\"",
			Source:  "CloudFormation API Reference, DescribeStacks has the error; the message is recorded",
			RestsOn: "a stack of ours that is not there is told from a call that failed",
			In:      []string{"internal/awserr/errors.go"},
			Answer:  try(noStackText),
		},
		{
			ID: "stack-name-arn", Grade: "inferred",
			Fact:    "DescribeStacks of a stack's name is authorized on stack/NAME/ID, and on stack/NAME/* where there is no such stack",
			Source:  "messages of AccessDenied in public issues",
			RestsOn: "the gates read the state of our own stacks under stack/NAME/*",
			In:      []string{"internal/guard/gates/paused.go"},
			Answer:  try(stackNameARN),
		},
	}
}
