package guard

// Names of the guard's own resources. One guard stands in an account, so they are fixed: people, policies and the
// command line find them without a lookup.
const (
	RemediateFunction = "icaguard-remediate" // also the name of its role
	ValidateFunction  = "icaguard-validate"  // also the name of its role
	LookQueue         = "icaguard-looks"
	DeadLetterQueue   = "icaguard-dead-letters"
	AlertTopic        = "icaguard-alerts"
	LedgerTable       = "icaguard-ledger"
)

// The environment of the functions, set by the stack.
const (
	EnvQueueURL      = "ICAGUARD_QUEUE_URL"
	EnvDeadLetterURL = "ICAGUARD_DEAD_LETTER_URL"
	EnvTopicARN      = "ICAGUARD_TOPIC_ARN"
)
