package guard

import "fmt"

// Names of the guard's own resources. One guard stands in an account, so they are fixed: people, policies and the
// command line find them without a lookup.
const (
	RemediateFunction = "icaguard-remediate" // also the name of its role
	ValidateFunction  = "icaguard-validate"  // also the name of its role
	RequestQueue      = "icaguard-requests"
	DeadLetterQueue   = "icaguard-dead-letters" // in every region with a rule of ours
	AlertTopic        = "icaguard-alerts"
	LedgerTable       = "icaguard-ledger"
	TrailName         = "icaguard"
	RelayRole         = "icaguard-relay-" // and the region: lets the rules there put events on the home bus
	Dashboard         = "icaguard"
	// SelfName stands for the guard where outcomes and metrics name a storage.
	SelfName = "icaguard"
	// MetricNamespace holds what both functions measure.
	MetricNamespace = "icaguard"
	// PauseParameters is the path of the SSM parameters that pause restoring: below it "all" or a storage's name.
	PauseParameters = "/icaguard/pause/"
)

// The environment of the functions.
const (
	EnvQueueURL      = "ICAGUARD_QUEUE_URL" // this and the next two are set by the stack
	EnvDeadLetterURL = "ICAGUARD_DEAD_LETTER_URL"
	EnvTopicARN      = "ICAGUARD_TOPIC_ARN"
	// EnvConfig overrides the configuration file beside the binary.
	EnvConfig = "ICAGUARD_CONFIG"
)

// FunctionPolicy is the name of the n-th managed policy of a function's role, from 1: for what does not fit into its
// inline policy.
func FunctionPolicy(function string, n int) string { return fmt.Sprintf("%s-%d", function, n) }

// CloudFormation is the source address of calls that it makes
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-api-logging-cloudtrail.html).
const CloudFormation = "cloudformation.amazonaws.com"

// PauseAll names the pause of every storage.
const PauseAll = "all"
