package beliefs

func aboutLambda() []Belief { //nolint:funlen // a table
	return []Belief{
		{
			ID: "lambda-no-endpoint", Grade: "inferred",
			Fact:    "A Lambda function without a VPC comes through no VPC endpoint that an account's policy can name",
			Source:  "IAM, `aws:SourceVpce`; Lambda's own network is not documented",
			RestsOn: "a Deny of all but a VPC endpoint certainly locks icaguard out",
			In:      []string{"internal/policy/caller.go"},
			OfRun:   only(ofFunction, throughNoEndpoint),
		},
		{
			ID: "batch-names-queue", Grade: "doc",
			Fact: "A batch that Lambda takes from a queue names it: `eventSource` is `aws:sqs`, `eventSourceARN` ends with " +
				"account and name of the queue, as its URL does",
			Source:  "https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html, \"Example Amazon SQS message events\"",
			RestsOn: "remediate refuses everything else (functions/remediate/handler.go)",
			In:      []string{"functions/remediate/handler.go"},
			OfRun:   restoredBy("remediate refuses a batch that does not name its queue"),
		},
		{
			ID: "invoke-errors", Grade: "doc, emulated",
			Fact: "A synchronous invocation answers 200 with `X-Amz-Function-Error` where the function failed, and the payload " +
				"is `{\"errorMessage\", \"errorType\"}`",
			Source:  "https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html",
			RestsOn: "`icaguard reconcile` and `resume` (cmd/icaguard/invoke.go)",
			In:      []string{"cmd/icaguard/invoke.go"},
			Answer:  try(invokeErrors),
		},
		{
			ID: "mapping-polls-as-role", Grade: "inferred",
			Fact: "An event source mapping polls with the function's execution role, also where that is what `aws:PrincipalArn` " +
				"says",
			Source: "Lambda: \"Creating and configuring an Amazon SQS event source mapping\"; that the key is the role's is a " +
				"consequence",
			RestsOn: "only remediate's role may receive; were Lambda a service principal there, the Deny would spare it too",
			In:      []string{"internal/guard/self/policies.go"},
			OfRun:   restoredBy("the queue lets remediate's role receive and nobody else"),
		},
		{
			ID: "async-failures-as-role", Grade: "doc",
			Fact:    "Lambda sends what an asynchronous invocation failed on with the function's execution role",
			Source:  "Lambda: \"Retaining records of asynchronous invocations\"",
			RestsOn: "the dead-letter queue lets validate's role send",
			In:      []string{"internal/guard/self/policies.go"},
			Answer:  notTried("validate would have to fail on purpose"),
		},
		{
			ID: "source-function-arn", Grade: "doc; the form without version: inferred, from public templates",
			Fact: "Calls that a function's code makes with the credentials of its environment carry `lambda:SourceFunctionArn`, " +
				"the function's ARN without a version; calls that Lambda makes itself in the role's name to read a queue or " +
				"to decrypt the environment do not",
			Source: "[Using source function ARN to control function access " +
				"behavior](https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html)",
			RestsOn: "The Deny `OnlyFromTheFunction` on both functions' roles. If the key were absent or otherwise, every call of " +
				"the functions would be denied: alarms for errors and for a missing audit tell, and so does `icaguard probe`",
			In:    []string{"cdk/policies.go"},
			OfRun: restoredBy("remediate's role is denied every call without the key"),
		},
		{
			ID: "source-function-logs", Grade: "contested",
			Fact:    "Whether Lambda's own calls to CloudWatch Logs carry that key",
			Source:  "the same page says yes, an older edition (awsdocs/aws-lambda-developer-guide) no",
			RestsOn: "They are exempt from the Deny, which cannot hurt",
			In:      []string{"cdk/policies.go"},
			Answer:  notTried("exempt from the Deny whichever it is"),
		},
		{
			ID: "source-function-async", Grade: "inferred",
			Fact: "What fails in an asynchronous invocation is sent to its destination in the role's name, without that key",
			Source: "the same page, which names \"other AWS API calls\"; [Lambda: " +
				"Destinations](https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html) for the role",
			RestsOn: "`sqs:SendMessage` to the dead-letter queue is exempt for validate",
			In:      []string{"cdk/policies.go"},
			Answer:  notTried("validate would have to fail on purpose; exempt from the Deny"),
		},
		{
			ID: "source-function-copies", Grade: "inferred",
			Fact: "Credentials that are copied out of a function's environment carry that key too",
			Source: "[IAM: Global condition " +
				"keys](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html) lists it with " +
				"the properties of the role session",
			RestsOn: "The threat model promises nothing against such copies",
			In:      []string{"docs/threat-model.md"},
			Answer:  notTried("needs credentials copied out of a function; nothing is promised against that"),
		},
		{
			ID: "lambda-source-account", Grade: "sample",
			Fact: "Lambda sends `aws:SourceAccount` when it takes a function's role; `CreateFunction` fails where it may not " +
				"take it",
			Source: "trust policy in [aws/agent-toolkit-for-aws](https://github.com/aws/agent-toolkit-for-aws); not in the Lambda " +
				"guide, and `aws:SourceArn` in neither",
			RestsOn: "The functions' trust policies. A first deploy would fail; an update of a deployed role would not, and the " +
				"function could not start: the alarms tell",
			In:    []string{"cdk/functions.go"},
			OfRun: restoredBy("Lambda may take remediate's role with that key only"),
		},
		{
			ID: "mapping-function-arn", Grade: "doc",
			Fact: "`CreateEventSourceMapping`, `UpdateEventSourceMapping` and `DeleteEventSourceMapping` carry " +
				"`lambda:FunctionArn`",
			Source:  "Service Authorization Reference: Lambda",
			RestsOn: "`icaguard render scp-icaguard` keeps icaguard's mapping, whose id nobody knows in advance",
			In:      []string{"internal/render/scp.go"},
			Answer:  documented(),
		},
		{
			ID: "table-transactions", Grade: "doc",
			Fact: "A resource policy's Deny of PutItem, UpdateItem, DeleteItem, BatchWriteItem and PartiQL covers transactions, " +
				"which need those actions for each item",
			Source:  "DynamoDB: \"IAM and transactions\"",
			RestsOn: "only remediate writes the ledger",
			In:      []string{"internal/guard/self/policies.go"},
			Answer:  documented(),
		},
		{
			ID: "table-kms-calls", Grade: "inferred",
			Fact: "What DynamoDB calls in KMS for a table under `aws/dynamodb`, in the name of a function's role, is " +
				"`kms:Decrypt` and `kms:Encrypt` at most, or carries `lambda:SourceFunctionArn`",
			Source: "DynamoDB Developer Guide, \"DynamoDB encryption at rest: usage notes\", names the calls, not their context",
			RestsOn: "the Deny `OnlyFromTheFunction` exempts these two; were another call denied, the ledger would be away: " +
				"restores go on and say so, those that destroy wait",
			In:     []string{"cdk/policies.go"},
			Answer: try(tableKeyCalls),
		},
	}
}
