package testlab

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/ledger"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/policy"
)

// MakeHome makes the guard itself as its stacks do, once in a local AWS: all labs have it in common.
func MakeHome(t testing.TB, local *localaws.AWS, h icaconfig.Home) {
	t.Helper()
	home := localawstest.Home{
		Regions: h.Regions(), Queue: guard.RequestQueue, DeadLetters: guard.DeadLetterQueue, Topic: guard.AlertTopic,
		Table: guard.LedgerTable,
		Trail: guard.TrailName, PartitionKey: ledger.PartitionKey, SortKey: ledger.SortKey, Emails: h.Emails,
		Functions: []string{guard.RemediateFunction, guard.ValidateFunction}, Policies: map[string]string{},
	}
	for arn, statements := range self.Policies(h) {
		home.Policies[arn] = policy.New(statements...).JSON()
	}
	for _, region := range h.Regions()[1:] {
		home.Roles = append(home.Roles, guard.RelayRole+region)
	}
	for _, r := range self.AllRules(h) {
		home.Rules = append(home.Rules, localawstest.Rule{
			Name: r.Name, Region: r.Region, Pattern: r.Pattern, Schedule: r.Schedule, TargetARN: r.Target, Input: r.Input, RoleARN: r.Role,
		})
	}
	home.Make(t, local)
}

// Home is the one that all labs made by New have.
func Home(t testing.TB, local *localaws.AWS) icaconfig.Home {
	t.Helper()
	return Configure(t, local, labText("lab", icaconfig.Enforce)).Storage.Home
}

// Pause puts the parameter that pauses a storage, or all; remove ends the pause.
func (l *Lab) Pause(storage, value string) (remove func()) {
	l.t.Helper()
	client, name := ssm.NewFromConfig(l.Local.DirectConfig(Region)), aws.String(guard.PauseParameters+storage)
	l.must(client.PutParameter(l.t.Context(), &ssm.PutParameterInput{Name: name, Type: ssmtypes.ParameterTypeString, Value: &value}))
	return func() { l.must(client.DeleteParameter(l.t.Context(), &ssm.DeleteParameterInput{Name: name})) }
}

// Settings is how many settings stand on what the lab and the guard itself have, so how many outcomes an audit has.
func (l *Lab) Settings() int {
	return len(slices.DeleteFunc(self.AllRows(), func(r guard.Row) bool { return r.On.ARN(l.Storage) == "" }))
}
