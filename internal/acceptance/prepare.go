package acceptance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// configuration asks for all that a storage may have, so that every setting is guarded.
const configuration = `# Written by make acceptance, for one run. Nothing of it is meant to stay.
account: "{{.Account}}"
homeRegion: {{.Home}}
trail: {{if .Trail}}create{{else}}existing{{end}}
tags: {` + tagKey + `: {{.ID}}}
storages:
  - name: {{.Name}}
    icaRegion: {{.ICARegion}}
    bucket:
      name: {{.Bucket}}
      folder: ica
      versioning: enabled
      kmsKeyArn: "{{.Key}}"
      crossAccountCopy: true
    role:
      name: {{.Role}}
      policyName: {{.Policy}}
      description: for the acceptance test of icaguard
      sessionNamePrefix: "ssm:{{.Parameter}}"
    kms: {restore: true}
`

// configure writes the run's ica.yaml and reads it as everybody reads one.
func (s State) configure() (path string, storage icaconfig.Storage, err error) {
	path = filepath.Join(filepath.Dir(s.path), "ica.yaml")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", icaconfig.Storage{}, fmt.Errorf("acceptance: write ica.yaml: %w", err)
	}
	err = template.Must(template.New("ica.yaml").Parse(configuration)).Execute(file, map[string]any{
		"Account": s.Account, "Home": s.Home, "Trail": s.Trail, "ID": s.ID, "Name": s.name(""), "ICARegion": s.ICARegion,
		"Bucket": s.bucket(), "Key": s.Key, "Role": s.role(), "Policy": s.policy(), "Parameter": s.parameter(),
	})
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", icaconfig.Storage{}, fmt.Errorf("acceptance: write ica.yaml: %w", err)
	}
	storage, err = read(path, s.Account)
	return path, storage, err
}

func read(path, account string) (icaconfig.Storage, error) {
	file, err := icaconfig.Load(path, settings.Exceptable())
	if err != nil {
		return icaconfig.Storage{}, err
	}
	owner, err := file.Owner(account, partition)
	if err != nil {
		return icaconfig.Storage{}, err
	}
	return file.Baseline(owner).Storages[0], nil
}

// partition is the only one in which ICA exists.
const partition = "aws"

// prepare makes what a lab has before icaguard comes: a key, and the parameter with ICA's prefix.
func (l *lab) prepare(ctx context.Context) error {
	key, err := kms.NewFromConfig(l.site.Config(l.run.Region)).CreateKey(ctx, &kms.CreateKeyInput{
		Description: aws.String(l.run.name(": acceptance test of icaguard")),
		Tags:        []kmstypes.Tag{{TagKey: aws.String(tagKey), TagValue: &l.run.ID}},
	})
	if err != nil {
		return fmt.Errorf("acceptance: create a KMS key: %w", err)
	}
	l.run.Key = aws.ToString(key.KeyMetadata.Arn)
	if err := l.run.save(); err != nil {
		return err
	}
	_, err = ssm.NewFromConfig(l.home()).PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(l.run.parameter()), Type: ssmtypes.ParameterTypeString, Value: &l.run.Prefix,
	})
	if err != nil {
		return fmt.Errorf("acceptance: put the parameter with the prefix: %w", err)
	}
	return nil
}
