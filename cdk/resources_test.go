package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard/settings"
)

// purpose says why resources of a type stand in the templates, those whose logical ids match, and what they cost while
// nothing happens.
type purpose struct {
	group, kind, ids, why string
	priced                string // the price; "" costs nothing
	free                  string // said in place of a cost
}

func purposes() []purpose {
	return []purpose{
		{"storage", "AWS::S3::Bucket", "^storage", "what ICA keeps its data in", "", "its data"},
		{"access", "AWS::IAM::OIDCProvider", "^provider", "lets AWS check ICA's tokens; one for each ICA region", "", ""},
		{"access", "AWS::IAM::Role", "^role", "what ICA acts as", "", ""},
		{"access", "AWS::IAM::ManagedPolicy", "^role", "what ICA may do: the permissions that Illumina asks for", "", ""},
		{
			"access",
			"AWS::IAM::ManagedPolicy",
			"^boundary",
			"the most that policies on ICA's role can give it, out of the guard's reach; it bounds no " +
				"[bucket or key policy](threat-model.md#what-our-boundary-bounds)",
			"",
			"",
		},
		{"detection", "AWS::Events::Rule", "^ruleicaguardevents", "puts changes on the queue, one rule for each source", "", ""},
		{
			"detection",
			"AWS::Events::Rule",
			"^ruleicaguardrelay",
			"puts changes in another region on the home event bus",
			"",
			"1.00 for a million changes",
		},
		{"detection", "AWS::IAM::Role", "^RelayRole", "lets the relaying rules, and them alone, put events on the home bus", "", ""},
		{
			"detection",
			"AWS::SQS::Queue",
			"^DeadLetters",
			"keeps what could not be delivered or handled; a rule's has to stand in its region",
			"",
			"",
		},
		{"detection", "AWS::SQS::QueuePolicy", "^DeadLetters", "lets the rules send, over TLS only", "", ""},
		{
			"detection",
			"AWS::SQS::Queue",
			"^Requests",
			"what has to be checked: events, deferred requests, requests by hand",
			"",
			"see below",
		},
		{"detection", "AWS::SQS::QueuePolicy", "^Requests", "lets the rules send, over TLS only", "", ""},
		{"detection", "AWS::Events::Rule", "^ruleicaguardaudit", "checks everything without an event", "", ""},
		{
			"detection",
			"AWS::Events::Rule",
			"^ruleicaguardguardchanged",
			"reports changes to icaguard's own rules, queues and functions, bypassing them",
			"",
			"",
		},
		{
			"detection",
			"AWS::Lambda::Permission",
			"^ruleicaguard(audit|guardchanged)",
			"lets that rule, and it alone, start validate",
			"",
			"",
		},
		{
			"detection",
			"AWS::CloudTrail::Trail",
			"^Trail",
			"makes AWS report changes to EventBridge; with trail: create only",
			"",
			"first trail free",
		},
		{"detection", "AWS::S3::Bucket", "^TrailBucket", "the trail's log, a year of it", "", "0.023 for a GB"},
		{"detection", "AWS::S3::BucketPolicy", "^TrailBucket", "lets CloudTrail write in that trail's name, over TLS only", "", ""},
		{"remediation", "AWS::Lambda::Function", "^Remediate", "restores what drifted", "", ""},
		{"remediation", "AWS::Lambda::Function", "^Validate", "audits; writes to nothing that is guarded", "", "see below"},
		{
			"remediation",
			"AWS::IAM::Role",
			"^(Remediate|Validate)Role",
			"what the functions may do: the table of settings and their own work, as [these functions](threat-model.md) only",
			"",
			"",
		},
		{"remediation", "AWS::Lambda::EventSourceMapping", "^FromRequests", "feeds remediate from the queue", "", ""},
		{
			"remediation",
			"AWS::Lambda::EventInvokeConfig",
			"^ValidateRetries",
			"one retry of a scheduled audit, then the dead letters",
			"",
			"",
		},
		{"remediation", "AWS::Logs::LogGroup", "^(Remediate|Validate)Logs", "what the functions did; three months", "", "see below"},
		{
			"state",
			"AWS::DynamoDB::Table",
			"^Ledger",
			"what restores replaced, what ICA put, the last report",
			"",
			"kilobytes: under 0.01",
		},
		{"alerting", "AWS::SNS::Topic", "^Alerts", "alerts and alarms", "", ""},
		{"alerting", "AWS::SNS::TopicPolicy", "^Alerts", "lets our alarms publish, over TLS only", "", ""},
		{"alerting", "AWS::SNS::Subscription", "^Alerts", "an address of alerts.emails", "", ""},
		{"alerting", "AWS::CloudWatch::Alarm", "^alarmunhealthy.+Alarm", "a storage is not as ICA needs it", "alarm", ""},
		{
			"alerting",
			"AWS::CloudWatch::Alarm",
			"^alarm(dead|errors|heartbeat|queue|throttles|unhealthyAlarm)",
			"the guard itself cannot do its work",
			"alarm",
			"",
		},
		{
			"alerting",
			"AWS::CloudWatch::Dashboard",
			"^Dashboard",
			"health, drift, restores, queues and functions at a glance",
			"dashboard",
			"",
		},
	}
}

// counted is a purpose with what the templates have of it.
type counted struct {
	purpose
	count, units int
}

func (c counted) cost() float64 { return float64(c.units) * prices()[c.priced].usd }

// count finds the one purpose of every resource.
func count(t *testing.T, a app) []counted {
	t.Helper()
	all := make([]counted, len(purposes()))
	for i, p := range purposes() {
		all[i].purpose = p
	}
	for stack, parsed := range a.templates {
		for id, r := range parsed.Resources {
			found := 0
			for i, p := range purposes() {
				if p.kind == r.Type && regexp.MustCompile(p.ids).MatchString(id) {
					found++
					all[i].count++
					all[i].units += max(1, strings.Count(text(r.Properties["Metrics"]), `"MetricStat"`))
				}
			}
			if found != 1 {
				t.Errorf("%s in %s, a %s, has %d purposes, want 1", id, stack, r.Type, found)
			}
		}
	}
	return all
}

// checkResourcesPage writes the page that a reviewer reads beside the templates, for the largest configuration of the tests.
func checkResourcesPage(t *testing.T, a app) {
	var b strings.Builder
	fmt.Fprintf(&b, `# What is deployed, why, and what it costs

Written by `+"`make update`"+` from the templates of `+"`cdk/testdata/regions.yaml`"+`: %d storages in two regions that are
not us-east-1, one with a KMS key, one adopted, an audit every %.0f minutes and a trail of its own. Prices are AWS's
list prices in USD for us-east-1, without free tiers, written down in %s: the pages below have the present ones.
What a thief of each part could do stands in the [threat model](threat-model.md).

| group | resource | count | why it is there | idle, USD per month |
|---|---|---|---|---|
`, len(a.baseline.Storages), a.baseline.AuditEvery.Minutes(), priceDate)
	total := 0.0
	for _, c := range count(t, a) {
		idle := "0"
		switch {
		case c.count == 0:
			t.Errorf("no %s for: %s", c.kind, c.why)
		case c.priced != "":
			total += c.cost()
			idle = fmt.Sprintf("%d × %.2f = %.2f", c.units, prices()[c.priced].usd, c.cost())
		case c.free != "":
			idle = c.free
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s |\n", c.group, c.kind, c.count, c.why, idle)
	}
	fmt.Fprintf(&b, "| | | | **together** | **%.2f** |\n\n", total)
	writeRunning(&b, a, total)
	writeSizes(&b, a)
	writeLimits(t, &b)
	writePrices(&b)
	golden.Check(t, *update, "../docs/resources.md", b.String())
}

// What is taken, by estimate, as AWS documents none of it.
const (
	auditSeconds   = 5
	lineBytes      = 400   // of log for each setting and storage
	pollsPerMinute = 5 * 3 // of an idle queue: five pollers of Lambda, each waiting 20 seconds for a message
)

// writeRunning is the arithmetic of what costs money although nothing drifts.
func writeRunning(b *strings.Builder, a app, resources float64) {
	const month = 730 * time.Hour
	p, storages := prices(), float64(len(a.baseline.Storages))
	runs := float64(month) / float64(a.baseline.AuditEvery)
	logged := runs * storages * float64(len(settings.All())) * lineBytes / 1e9
	lines := []struct {
		what, arithmetic string
		cost             float64
	}{
		{"the resources above", "", resources},
		{
			"metric Unhealthy of each storage and of the guard",
			fmt.Sprintf("%.0f × %.2f", storages+1, p["metric"].usd),
			(storages + 1) * p["metric"].usd,
		},
		{
			"audits", fmt.Sprintf("%.0f runs of %d s with 0.25 GB", runs, auditSeconds),
			runs*p["requests"].usd/1e6 + runs*auditSeconds*0.25*p["compute"].usd,
		},
		{
			"log of the audits",
			fmt.Sprintf("%.0f runs × %.0f storages × %d settings × %d bytes = %.2f GB",
				runs, storages, len(settings.All()), lineBytes, logged),
			logged * (p["logs"].usd + 3*p["logs kept"].usd),
		},
		{
			"Lambda asks the queue", fmt.Sprintf("%d requests a minute", pollsPerMinute),
			pollsPerMinute * month.Minutes() / 1e6 * p["queue"].usd,
		},
	}
	b.WriteString("## What a month costs while nothing drifts\n\n| what | arithmetic | USD |\n|---|---|---|\n")
	total := 0.0
	for _, line := range lines {
		total += line.cost
		fmt.Fprintf(b, "| %s | %s | %.2f |\n", line.what, line.arithmetic, line.cost)
	}
	fmt.Fprintf(b, "| **together** | | **%.2f** |\n\n", total)
	fmt.Fprintf(b, `Seconds, bytes and requests are estimates. A drift costs on top: up to four more custom metrics of its setting and
storage (%.2f each for a whole month, by the hour), a few seconds of Lambda and a notice. With the account's free tiers
(ten alarms, ten metrics, three dashboards, a million requests to SQS and Lambda) most of it is free.

`, p["metric"].usd)
}

func writeSizes(b *strings.Builder, a app) {
	fmt.Fprintf(b, `## Templates

CloudFormation takes %d resources and %d bytes in a template.

| stack | resources | kilobytes |
|---|---|---|
`, mostResources, mostTemplateBytes)
	for _, stack := range slices.Sorted(maps.Keys(a.texts)) {
		fmt.Fprintf(b, "| `%s` | %d | %d |\n", stack, len(a.templates[stack].Resources), (len(a.texts[stack])+999)/1000)
	}
	b.WriteString("\n")
}

func writeLimits(t *testing.T, b *strings.Builder) {
	t.Helper()
	const tried = mostReferences // of one prefix each
	many := configure(t, largest(tried))
	b.WriteString(`## How many storages fit

Of the largest kind: a KMS key, cross-account copy and a role of its own each, everything enforced. Synthesis refuses
more and says how many fit.

| quota of AWS | most | storages that fit |
|---|---|---|
`)
	for _, l := range limits() {
		fits := fmt.Sprint(l.fitting(many))
		if l.fitting(many) == tried {
			fits += " or more"
		}
		fmt.Fprintf(b, "| %s | %d | %s |\n", l.of, l.most, fits)
	}
	fmt.Fprintf(b, "| dynamic references in the guard's stack, one for each prefix | %d | %d |\n", mostReferences, tried)
	b.WriteString("\n")
}

func writePrices(b *strings.Builder) {
	b.WriteString("## Prices\n\n| USD | for a | source |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(prices())) {
		p := prices()[name]
		fmt.Fprintf(b, "| %s | %s | <%s> |\n", strconv.FormatFloat(p.usd, 'f', -1, 64), p.per, p.page)
	}
}
