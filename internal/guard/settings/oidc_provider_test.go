package settings

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/guard"
)

func oidcProviderCases() []testCase {
	const id = "oidc-provider"
	add := func(w *env, audience string) {
		w.must(w.iam.AddClientIDToOpenIDConnectProvider(w.t.Context(), &iam.AddClientIDToOpenIDConnectProviderInput{
			OpenIDConnectProviderArn: &w.storage.Provider.ARN, ClientID: &audience,
		}))
	}
	keepsOther := func(w *env, _ guard.Outcome) {
		if !strings.Contains(w.state()[id], `"other.example.org"`) {
			w.t.Errorf("another's audience is gone: %s", w.state()[id])
		}
	}
	return []testCase{
		{
			setting: id, name: "deleted", want: guard.Restored,
			breakIt: func(w *env) {
				w.must(
					w.iam.DeleteOpenIDConnectProvider(
						w.t.Context(), &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &w.storage.Provider.ARN},
					),
				)
			},
		},
		{
			setting: id, name: "our audience removed, another's added", want: guard.Restored,
			breakIt: func(w *env) {
				add(w, "other.example.org")
				w.must(w.iam.RemoveClientIDFromOpenIDConnectProvider(w.t.Context(), &iam.RemoveClientIDFromOpenIDConnectProviderInput{
					OpenIDConnectProviderArn: &w.storage.Provider.ARN, ClientID: aws.String("sts.amazonaws.com"),
				}))
			},
			check: keepsOther,
		},
		{
			setting: id, name: "more audiences added", want: guard.InSync,
			breakIt: func(w *env) { add(w, "other.example.org") }, check: keepsOther,
		},
	}
}
