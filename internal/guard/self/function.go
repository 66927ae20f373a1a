package self

import (
	"slices"

	"github.com/icaguard/icaguard/internal/guard"
)

func Function() guard.SelfCheck {
	functions := []string{guard.RemediateFunction, guard.ValidateFunction}
	return guard.SelfCheck{
		Row: guard.Row{
			ID:          "guard-function",
			Title:       "The guard's functions are there as deployed, may run, and remediate alone reads the queue",
			Effect:      "nothing is restored, or nothing is checked",
			Remediation: Redeploy,
			On:          OnFunctions,
			Triggers: []guard.Trigger{
				alwaysAlert(
					ownEvents("aws.lambda", "functionName", functions, "UpdateFunctionCode", "UpdateFunctionConfiguration", "DeleteFunction",
						"PutFunctionConcurrency", "AddPermission", "RemovePermission", "PutFunctionRecursionConfig",
						"PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig",
						"CreateFunctionUrlConfig", "UpdateFunctionUrlConfig", "PutRuntimeManagementConfig", "CreateEventSourceMapping"),
				),
				alwaysAlert(
					ownEvents("aws.lambda", "eventSourceArn", []string{guard.RequestQueue, guard.DeadLetterQueue}, "CreateEventSourceMapping"),
				),
				// These name a mapping by an id that nobody knows in advance.
				{
					Source: "aws.lambda", Events: []string{"UpdateEventSourceMapping", "DeleteEventSourceMapping"}, AnyResource: true,
					Answers: []string{"functionArn", "eventSourceArn"},
				},
			},
			Reads: slices.Concat(
				guard.Actions(guard.OnAccount, "lambda:ListEventSourceMappings"),
				guard.Actions(OnFunctions, "lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration",
					"lambda:GetFunctionEventInvokeConfig", "lambda:GetFunctionRecursionConfig", "lambda:GetFunctionUrlConfig")),
		},
		PastRemediate: true,
	}
}

// AuditRetries is how often Lambda tries an audit again that failed, before it goes to the dead letters.
const AuditRetries = 1
