package render

import (
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// ReadingCommands are those that run with what reader-policy allows. Some ask AWS for nothing but who they are, which needs
// no permission: render, regions.
func ReadingCommands() []string {
	return []string{"validate", "replay without --enforce", "check-keys (of make deploy)", "init"}
}

// readerDocuments allow what the reading commands read, on the resources of the configuration, and no write. What a check reads
// comes from the tables, what the gates ask from the gates; the rest is what the command line and icaguard init ask beside.
func readerDocuments(r Request) []policy.Document {
	h := r.Storage.Home
	whole := icaconfig.Baseline{Home: h, Storages: r.Storages}
	statements := guard.InAccount(h, slices.Concat(
		guard.ReadStatements(self.AllRows(), r.Storages), gates.Statements(whole), []policy.Statement{
			{
				Effect: "Allow", Action: policy.Values{"dynamodb:GetItem"},
				Resource: []string{h.ARN("dynamodb", h.HomeRegion, "table/"+guard.LedgerTable)},
			},
			// Neither is allowed on less (Service Authorization Reference: IAM).
			{Effect: "Allow", Action: policy.Values{"iam:ListOpenIDConnectProviders", "iam:ListRoles"}, Resource: []string{"*"}},
		},
	))
	var documents []policy.Document
	for _, packed := range policy.Pack(statements, func(int) int { return policy.MostManaged }) {
		documents = append(documents, policy.New(packed...))
	}
	return documents
}

// readerName begins with another word than icaguard's own policies, which only CloudFormation may change.
const readerName = "ReadIcaguard"

func applyReader(r Request) []string {
	lines := comment(
		"It lets people run these commands, and change nothing: "+strings.Join(ReadingCommands(), ", ")+".",
		"init finds with it what the configuration names, and says what else it could not read. It shows the session-name prefix to",
		"whoever reads its parameter with it, as the check of the trust policy has to.",
	)
	documents := readerDocuments(r)
	for i := range documents {
		name := FileName(readerName, i+1)
		lines = append(lines, words("aws", "iam", "create-policy", "--policy-name", name,
			"--policy-document", "file://"+FileName(r.File, i+1)))
	}
	lines = append(lines, comment("Then attach it to the role of these people, by hand or with:")...)
	for i := range documents {
		lines = append(lines, comment("  "+words("aws", "iam", "attach-role-policy", "--role-name", "THEIR-ROLE",
			"--policy-arn", r.Storage.Home.ARN("iam", "", "policy/"+FileName(readerName, i+1))))...)
	}
	return lines
}
