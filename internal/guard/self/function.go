package self

import "github.com/icaguard/icaguard/internal/guard"

func Function() guard.SelfCheck {
	functions := []string{guard.RemediateFunction, guard.ValidateFunction}
	return guard.SelfCheck{
		Row: guard.Row{
			ID:          "guard-function",
			Title:       "The guard's functions are there as deployed, may run, and remediate reads the queue",
			Effect:      "nothing is restored, or nothing is checked",
			Remediation: Redeploy,
			On:          OnFunctions,
			Triggers: []guard.Trigger{
				alwaysAlert(
					ownEvents("aws.lambda", "functionName", functions, "UpdateFunctionCode20150331v2", "UpdateFunctionConfiguration20150331v2",
						"DeleteFunction20150331", "PutFunctionConcurrency20171031", "AddPermission20150331v2", "RemovePermission20150331v2"),
				),
				// These name a mapping by an id that nobody knows in advance.
				{
					Source:      "aws.lambda",
					Events:      []string{"UpdateEventSourceMapping20150331", "DeleteEventSourceMapping20150331"},
					AnyResource: true,
				},
			},
			Reads: append(
				guard.Actions(guard.OnAccount, "lambda:ListEventSourceMappings"),
				guard.Actions(OnFunctions, "lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration")...),
		},
	}
}
