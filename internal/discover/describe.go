package discover

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/yamlspec"
)

// Description is an ica.yaml for what was found, and what to do beside it.
type Description struct {
	Text     string   // the file; "" if nothing was found that it could describe
	Storages []string // their names
	Doubts   int      // comments in the file that begin with "# ?"
	LeftOut  []string // what looks like ICA's and is not in the file, and why
	Commands []string // shell: create the parameters of the session-name prefixes
}

// Describe writes the ica.yaml that describes the account. homeRegion is the AWS region in which the guard is to run, ""
// for that of the first storage. A storage that icaconfig would refuse stands in the file as a comment, with the reason.
func Describe(a Account, homeRegion string) (Description, error) {
	d := describer{account: a, homeRegion: homeRegion, policies: map[string]string{}}
	for _, role := range a.Roles {
		if err := d.role(role); err != nil {
			return Description{}, err
		}
	}
	for _, host := range a.Providers {
		if r, ok := regionOf(host); (!ok || !r.known) && !d.mentioned(host) {
			d.leaveOut("provider %s: Illumina's page does not have it; it may be that of an EKS cluster of your own", host)
		}
	}
	if len(d.Storages) > 0 {
		d.Text = d.head() + d.body
		d.Doubts = strings.Count(d.Text, "# ? ")
	}
	return d.Description, nil
}

// describer collects the file storage by storage.
type describer struct {
	Description
	account    Account
	homeRegion string
	body       string            // the storages so far
	policies   map[string]string // policy → the role that it is for in the file
}

func (d *describer) leaveOut(format string, args ...any) {
	d.LeftOut = append(d.LeftOut, oneLine(fmt.Sprintf(format, args...)))
}

func (d *describer) mentioned(host string) bool {
	return slices.ContainsFunc(d.LeftOut, func(text string) bool { return strings.Contains(text, host) }) ||
		strings.Contains(d.body, host)
}

func (d *describer) head() string {
	lines := []string{
		"# yaml-language-server: $schema=./ica.schema.json",
		"# What stands in AWS account " + d.account.ID + " for ICA, as icaguard init found it. All of it exists already, so its " +
			"storages are in mode",
		"# observe: icaguard reports what differs and changes nothing. Lines that begin with \"# ?\" say where it was in doubt. " +
			"Then run:",
		"# icaguard validate",
	}
	for _, text := range d.LeftOut {
		lines = append(lines, "# ? left out: "+text)
	}
	lines = append(lines,
		`account: "`+d.account.ID+`"`,
		"homeRegion: "+scalar(d.homeRegion)+" # where the guard will run",
		"#alerts: {emails: [storage-oncall@example.org]} # who receives what no program may repair",
		"storages:")
	return strings.Join(lines, "\n") + "\n"
}

// role describes a storage for each bucket of the role.
func (d *describer) role(r Role) error {
	if r.Problem != "" {
		d.leaveOut("role %s: %s", r.Name, r.Problem)
		return nil
	}
	trust := r.Trust[0]
	where, ok := regionOf(trust.Host)
	switch namespace := namespaceOf(trust.Subject); {
	case !ok:
		d.leaveOut("role %s trusts %s, and ICA is not in that AWS region", r.Name, trust.Host)
		return nil
	case !where.known && namespace == "":
		d.leaveOut(
			"role %s trusts %s, which Illumina's page does not have, for %q, which is not ICA's form: it may be that of an EKS cluster "+
				"of your own",
			r.Name,
			trust.Host,
			trust.Subject,
		)
		return nil
	}
	all, vague := r.uses()
	var uses []use
	for _, u := range all {
		if d.account.Buckets[u.bucket].Foreign {
			d.leaveOut("bucket %s, which role %s may use: there is no such bucket in this account", u.bucket, r.Name)
			continue
		}
		uses = append(uses, u)
	}
	for _, resource := range vague {
		d.leaveOut("%s, which role %s may use: it names no single bucket or folder", resource, r.Name)
	}
	if len(uses) == 0 {
		d.leaveOut("role %s: it trusts ICA in %s, but its policies name no bucket of this account", r.Name, where.ID)
	}
	shared := sharedRole{role: r, region: where, buckets: len(uses)}
	for _, u := range uses {
		if err := d.storage(&shared, u); err != nil {
			return err
		}
	}
	return nil
}

// sharedRole is what the storages of one role have in common.
type sharedRole struct {
	role       Role
	region     region
	buckets    int
	parameter  string // of the prefix, after the first storage
	policyName string
}

func (d *describer) storage(shared *sharedRole, u use) error {
	e := entry{sharedRole: *shared, use: u, bucket: d.account.Buckets[u.bucket], name: slug(u.bucket, d.Storages)}
	d.homeRegion = cmp.Or(d.homeRegion, e.region.AWS)
	e.homeRegion = d.homeRegion
	if e.first = e.parameter == ""; e.first {
		e.parameter = "/ica/" + e.name + "/session-name-prefix"
		e.choosePolicy(d.policies)
		e.doubtRole(d.account)
	}
	e.doubtBucket()
	text := e.yaml()
	faults, err := faultsOf(d.head() + d.body + text)
	switch {
	case err != nil:
		return err
	case len(faults) > 0:
		d.leaveOut("bucket %s of role %s: %s", u.bucket, e.role.Name, strings.Join(faults, "; "))
		return nil
	}
	shared.parameter, shared.policyName = e.parameter, e.policyName
	d.policies[strings.ToLower(e.policyName)] = e.role.Name
	d.Storages = append(d.Storages, e.name)
	d.body += text
	if e.first && e.command() != nil {
		d.Commands = append(d.Commands, strings.Join(e.command(), "\n"))
	}
	return nil
}

// faultsOf says why icaconfig would refuse the file. An error is none of the storages' fault.
func faultsOf(text string) ([]string, error) {
	_, err := icaconfig.Parse("ica.yaml", []byte(text))
	var faults yamlspec.Faults
	if err == nil || !errors.As(err, &faults) {
		return nil, err
	}
	var all []string
	for _, f := range faults {
		if f.Key == "homeRegion" {
			return nil, fmt.Errorf("discover: home region: %s: allowed: %s", f.What, f.Allowed)
		}
		all = append(all, strings.TrimPrefix(f.Key[strings.LastIndex(f.Key, "]")+1:], ".")+": "+f.What)
	}
	return all, nil
}

// slug is a name for a storage, after its bucket and unlike the names taken.
func slug(bucket string, taken []string) string {
	const most = 32
	base := strings.ReplaceAll(bucket, ".", "-")
	name := strings.Trim(base[:min(most, len(base))], "-")
	for n := 2; slices.Contains(taken, name) || name == "all"; n++ {
		suffix := fmt.Sprintf("-%d", n)
		name = strings.Trim(base[:min(most-len(suffix), len(base))], "-") + suffix
	}
	return name
}

// scalar writes a text as YAML, on one line.
func scalar(text string) string {
	if out, err := yaml.Marshal(text); err == nil && bytes.Count(out, []byte("\n")) == 1 {
		return strings.TrimSuffix(string(out), "\n")
	}
	quoted, err := json.Marshal(text) // YAML takes JSON's strings
	if err != nil {
		return `""`
	}
	return string(quoted)
}

// oneLine is a comment in the file, and a line on a terminal: YAML takes no control character in either.
func oneLine(text string) string { return strings.Join(strings.Fields(cloudtrail.Line(text)), " ") }
