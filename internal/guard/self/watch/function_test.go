package watch

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/icaguard/icaguard/internal/guard"
)

func guardFunctionCases() []selfCase {
	const id, stranger = "guard-function", " by arn:aws:iam::123456789012:user/AKIASTRANGER"
	testCase := func(name, says string, breakIt func(*selfEnv, *lambda.Client)) selfCase {
		return selfCase{
			setting: id,
			name:    name,
			want:    guard.ActionRequired,
			says:    says,
			breakIt: func(w *selfEnv) { breakIt(w, lambdaClient(w.stranger, w.storage())) },
		}
	}
	return []selfCase{
		testCase("deleted", "function icaguard-validate does not exist", func(w *selfEnv, c *lambda.Client) {
			w.must(c.DeleteFunction(w.t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String(guard.ValidateFunction)}))
		}),
		testCase("concurrency 0", "function icaguard-remediate may not run", func(w *selfEnv, c *lambda.Client) {
			w.must(c.PutFunctionConcurrency(w.t.Context(), &lambda.PutFunctionConcurrencyInput{
				FunctionName: aws.String(guard.RemediateFunction), ReservedConcurrentExecutions: aws.Int32(0),
			}))
		}),
		testCase("mapping deleted", "function icaguard-remediate does not read the queue", func(w *selfEnv, c *lambda.Client) {
			w.must(c.DeleteEventSourceMapping(w.t.Context(), &lambda.DeleteEventSourceMappingInput{UUID: w.mapping(c)}))
		}),
		testCase("mapping disabled", "function icaguard-remediate does not read the queue", func(w *selfEnv, c *lambda.Client) {
			w.must(
				c.UpdateEventSourceMapping(
					w.t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: w.mapping(c), Enabled: aws.Bool(false)},
				),
			)
		}),
		testCase("reads another queue", "function icaguard-remediate does not read the queue", func(w *selfEnv, c *lambda.Client) {
			w.must(c.DeleteEventSourceMapping(w.t.Context(), &lambda.DeleteEventSourceMappingInput{UUID: w.mapping(c)}))
			w.must(c.CreateEventSourceMapping(w.t.Context(), &lambda.CreateEventSourceMappingInput{
				FunctionName:   aws.String(guard.RemediateFunction),
				EventSourceArn: aws.String("arn:aws:sqs:us-east-1:123456789012:" + guard.DeadLetterQueue),
			}))
		}),
		testCase("other code", "UpdateFunctionCode20150331v2"+stranger, func(w *selfEnv, c *lambda.Client) {
			w.must(
				c.UpdateFunctionCode(
					w.t.Context(),
					&lambda.UpdateFunctionCodeInput{FunctionName: aws.String(guard.RemediateFunction), ZipFile: []byte("other")},
				),
			)
		}),
		testCase("other configuration", "UpdateFunctionConfiguration20150331v2"+stranger, func(w *selfEnv, c *lambda.Client) {
			w.must(
				c.UpdateFunctionConfiguration(
					w.t.Context(),
					&lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String(guard.RemediateFunction), Timeout: aws.Int32(1)},
				),
			)
		}),
		testCase("somebody else may start it", "AddPermission20150331v2"+stranger, func(w *selfEnv, c *lambda.Client) {
			w.must(c.AddPermission(w.t.Context(), &lambda.AddPermissionInput{
				FunctionName: aws.String(guard.ValidateFunction),
				StatementId:  aws.String("other"),
				Action:       aws.String("lambda:InvokeFunction"),
				Principal:    aws.String("123456789012"),
			}))
		}),
		testCase("loops are ended", "function icaguard-remediate is stopped by Lambda", func(w *selfEnv, c *lambda.Client) {
			w.must(c.PutFunctionRecursionConfig(w.t.Context(), &lambda.PutFunctionRecursionConfigInput{
				FunctionName: aws.String(guard.RemediateFunction), RecursiveLoop: types.RecursiveLoopTerminate,
			}))
		}),
		testCase("a URL", "function icaguard-validate can be invoked by a URL", func(w *selfEnv, c *lambda.Client) {
			w.must(c.CreateFunctionUrlConfig(w.t.Context(), &lambda.CreateFunctionUrlConfigInput{
				FunctionName: aws.String(guard.ValidateFunction), AuthType: types.FunctionUrlAuthTypeNone,
			}))
		}),
		testCase("retries gone", "function icaguard-validate loses audits that fail: 2 retries, then \"\"",
			func(w *selfEnv, c *lambda.Client) {
				w.must(c.DeleteFunctionEventInvokeConfig(w.t.Context(), &lambda.DeleteFunctionEventInvokeConfigInput{
					FunctionName: aws.String(guard.ValidateFunction),
				}))
			}),
		testCase("fed by another queue",
			"function icaguard-remediate also reads arn:aws:sqs:us-east-1:123456789012:icaguard-dead-letters",
			func(w *selfEnv, c *lambda.Client) {
				w.must(c.CreateEventSourceMapping(w.t.Context(), &lambda.CreateEventSourceMappingInput{
					FunctionName:   aws.String(guard.RemediateFunction),
					EventSourceArn: aws.String("arn:aws:sqs:us-east-1:123456789012:" + guard.DeadLetterQueue),
				}))
			}),
		testCase("drained by another function",
			"function icaguard-remediate shares its queue with arn:aws:lambda:us-east-1:123456789012:function:another",
			func(w *selfEnv, c *lambda.Client) {
				w.must(c.CreateFunction(w.t.Context(), &lambda.CreateFunctionInput{
					FunctionName: aws.String("another"), Role: aws.String("arn:aws:iam::123456789012:role/icaguard-validate"),
					Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
					Code: &types.FunctionCode{ZipFile: []byte("another")},
				}))
				w.must(c.CreateEventSourceMapping(w.t.Context(), &lambda.CreateEventSourceMappingInput{
					FunctionName: aws.String("another"), EventSourceArn: aws.String(queueARN(w.home)),
				}))
			}),
	}
}

// mapping is the id of the one by which remediate reads the queue.
func (w *selfEnv) mapping(c *lambda.Client) *string {
	w.t.Helper()
	out, err := c.ListEventSourceMappings(
		w.t.Context(), &lambda.ListEventSourceMappingsInput{FunctionName: aws.String(guard.RemediateFunction)},
	)
	w.must(out, err)
	return out.EventSourceMappings[0].UUID
}
