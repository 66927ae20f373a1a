package guard

// Notice is a message to people, sent through SNS.
type Notice struct {
	Subject  string            `json:"subject"`            // at most 100 ASCII characters, SNS's limit for e-mail
	Body     string            `json:"body"`               // plain text
	Filter   map[string]string `json:"filter"`             // SNS message attributes, so that subscribers can choose
	Attempts int               `json:"attempts,omitempty"` // deliveries that failed so far
}
