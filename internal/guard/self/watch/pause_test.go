package watch

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/guard"
)

func guardPauseCases() []selfCase {
	const id, by = "guard-pause", " by arn:aws:iam::123456789012:user/AKIASTRANGER"
	put := func(w *selfEnv, client *ssm.Client, name string) {
		w.must(client.PutParameter(w.t.Context(), &ssm.PutParameterInput{
			Name: aws.String(guard.PauseParameters + name), Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
			Value: aws.String(`{"until":"2999-01-01T00:00:00Z","reason":"quiet"}`),
		}))
	}
	return []selfCase{
		{
			setting: id, name: "everything is paused", want: guard.ActionRequired, says: "PutParameter" + by,
			breakIt: func(w *selfEnv) { put(w, ssm.NewFromConfig(w.stranger.Config), guard.PauseAll) },
		},
		{
			setting: id, name: "one storage is paused", want: guard.ActionRequired, says: "PutParameter" + by,
			breakIt: func(w *selfEnv) { put(w, ssm.NewFromConfig(w.stranger.Config), "eu") },
		},
		{
			setting: id, name: "resumed", want: guard.ActionRequired, says: "DeleteParameter" + by,
			breakIt: func(w *selfEnv) {
				put(w, ssm.NewFromConfig(w.local.DirectConfig(inHome)), guard.PauseAll)
				w.must(
					ssm.NewFromConfig(w.stranger.Config).DeleteParameter(
						w.t.Context(), &ssm.DeleteParameterInput{Name: aws.String(guard.PauseParameters + guard.PauseAll)},
					),
				)
			},
		},
	}
}
