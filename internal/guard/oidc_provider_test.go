package guard

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func oidcProviderWays() []way {
	const id = "oidc-provider"
	add := func(w *world, audience string) {
		w.must(w.iam.AddClientIDToOpenIDConnectProvider(w.t.Context(), &iam.AddClientIDToOpenIDConnectProviderInput{
			OpenIDConnectProviderArn: &w.storage.Provider.ARN, ClientID: &audience,
		}))
	}
	keepsOther := func(w *world, _ Outcome) {
		if !strings.Contains(w.state()[id], `"other.example.org"`) {
			w.t.Errorf("another's audience is gone: %s", w.state()[id])
		}
	}
	return []way{
		{
			setting: id, name: "deleted", want: Restored,
			breakIt: func(w *world) {
				w.must(w.iam.DeleteOpenIDConnectProvider(w.t.Context(), &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &w.storage.Provider.ARN}))
			},
		},
		{
			setting: id, name: "our audience removed, another's added", want: Restored,
			breakIt: func(w *world) {
				add(w, "other.example.org")
				w.must(w.iam.RemoveClientIDFromOpenIDConnectProvider(w.t.Context(), &iam.RemoveClientIDFromOpenIDConnectProviderInput{
					OpenIDConnectProviderArn: &w.storage.Provider.ARN, ClientID: aws.String("sts.amazonaws.com"),
				}))
			},
			check: keepsOther,
		},
		{
			setting: id, name: "more audiences added", want: InSync,
			breakIt: func(w *world) { add(w, "other.example.org") }, check: keepsOther,
		},
	}
}
