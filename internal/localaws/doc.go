// Package localaws is the AWS that tests and the demo run against: moto behind a recorder, and a Lambda runtime beside it.
//
// Invariant: what it answers is moto's answer, or is on the list in emulation.py with the AWS documentation that it follows.
// Nothing else in the project invents an answer of AWS. A call that it does not know is refused (501 NotImplemented).
//
//	SDK ──► Recorder ──► moto (API state, EventBridge rules, SQS)
//	            │ one CloudTrail event for each management call that changes something
//	            └────► moto's EventBridge ──► rule ──► SQS ──► Poll ──► Function (the real bootstrap binary)
package localaws
