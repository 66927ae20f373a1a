package settings

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// providerState is the OIDC provider. Thumbprints are not compared: AWS ignores them for EKS issuers.
type providerState struct {
	Exists    bool
	Audiences []string
}

func oidcProvider() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:      "oidc-provider",
			MustEnd: "trust",
			Title:   "IAM knows ICA's OIDC provider, with the audience sts.amazonaws.com",
			Effect:  `the storage configuration: "Not authorized to perform sts:AssumeRoleWithWebIdentity"`,
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("IAM console, Identity providers: add %s with audience %s", s.Provider.URL, s.Provider.Audience)
			},
			On: guard.OnProvider,
			Triggers: []guard.Trigger{{
				Source: "aws.iam",
				Events: []string{
					"DeleteOpenIDConnectProvider", "AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider",
				},
				Parameter: "openIDConnectProviderArn",
				Names:     func(s icaconfig.Storage) []string { return []string{s.Provider.ARN} },
			}, {
				Source:    "aws.iam",
				Events:    []string{"CreateOpenIDConnectProvider"},
				Parameter: "url",
				Names:     func(s icaconfig.Storage) []string { return []string{s.Provider.URL, s.Provider.Host} },
			}},
			Reads: guard.Actions(guard.OnProvider, "iam:GetOpenIDConnectProvider"),
		},
		Writes: guard.Actions(guard.OnProvider, "iam:CreateOpenIDConnectProvider", "iam:AddClientIDToOpenIDConnectProvider"),
	}, guard.Spec[providerState]{Read: readProvider, Compare: compareProvider, Put: putProvider})
}

func readProvider(ctx context.Context, c guard.Clients, s icaconfig.Storage) (providerState, error) {
	out, err := iamClient(c).GetOpenIDConnectProvider(
		ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &s.Provider.ARN},
	)
	if awserr.Classify(err) == awserr.Gone {
		return providerState{}, nil
	}
	if err != nil {
		return providerState{}, fmt.Errorf("get provider %s: %w", s.Provider.Host, err)
	}
	return providerState{Exists: true, Audiences: out.ClientIDList}, nil
}

func compareProvider(s icaconfig.Storage, got providerState) guard.Comparison {
	switch {
	case !got.Exists:
		return guard.Comparison{Diffs: []guard.Diff{{Path: "provider " + s.Provider.Host, Expected: "exists", Found: "does not exist"}}}
	case !slices.Contains(got.Audiences, s.Provider.Audience):
		return guard.Comparison{
			Diffs: []guard.Diff{
				{Path: "audiences", Expected: s.Provider.Audience + " among them", Found: strings.Join(got.Audiences, ", ")},
			},
		}
	}
	return guard.Comparison{}
}

func putProvider(ctx context.Context, c guard.Clients, s icaconfig.Storage, got providerState) error {
	if got.Exists {
		_, err := iamClient(c).AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{
			OpenIDConnectProviderArn: &s.Provider.ARN, ClientID: &s.Provider.Audience,
		})
		if err != nil {
			return fmt.Errorf("add audience to provider %s: %w", s.Provider.Host, err)
		}
		return nil
	}
	_, err := iamClient(c).CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: &s.Provider.URL, ClientIDList: []string{s.Provider.Audience},
	})
	if err != nil {
		return fmt.Errorf("create provider %s: %w", s.Provider.Host, err)
	}
	return nil
}
