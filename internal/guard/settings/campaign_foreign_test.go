package settings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/campaign/foreign"
)

// foreignChange is what others rightfully do to a part of their own. n tells their parts, and versions of them, apart.
type foreignChange struct {
	name string
	put  func(w *env, n int)
	drop func(w *env, n int) // nil: they only put
}

// foreignChanges are one for each document of the storage that others may own a part of.
func (w *env) foreignChanges() []foreignChange {
	changes := append(foreignBucketChanges(), foreignRoleChanges()...)
	if w.storage.Key != nil {
		changes = append(changes, foreignKeyChanges()...)
	}
	return changes
}

func foreignBucketChanges() []foreignChange {
	statement := func(n int) string {
		return fmt.Sprintf(`{"Sid":"Lab%d","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},`+
			`"Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/shared/%d/*"}`, slot(n), n)
	}
	rule := func(n int) types.CORSRule {
		r := foreignRule()
		r.ID, r.MaxAgeSeconds = aws.String(fmt.Sprint("lab-", slot(n))), aws.Int32(int32(n+1))
		return r
	}
	queue := func(n int) entry {
		e := foreignEntry()
		e.ID, e.Filters = fmt.Sprint("lab-", slot(n)), one("prefix", fmt.Sprintf("lab-%d/%d/", slot(n), n))
		return e
	}
	byID := func(n int) func(types.CORSRule) bool {
		return func(r types.CORSRule) bool { return aws.ToString(r.ID) == fmt.Sprint("lab-", slot(n)) }
	}
	ofQueue := func(n int) func(entry) bool { return func(e entry) bool { return e.ID == fmt.Sprint("lab-", slot(n)) } }
	return []foreignChange{
		{
			name: "bucket policy", put: func(w *env, n int) { w.editBucketPolicy(slot(n), statement(n)) },
			drop: func(w *env, n int) { w.editBucketPolicy(slot(n), "") },
		},
		{
			name: "CORS", put: func(w *env, n int) { w.putCORS(append(slices.DeleteFunc(w.cors(), byID(n)), rule(n))...) },
			drop: func(w *env, n int) { w.putCORS(slices.DeleteFunc(w.cors(), byID(n))...) },
		},
		{
			name: "notifications", put: func(w *env, n int) {
				w.putUnchecked(append(slices.DeleteFunc(w.entries(), ofQueue(n)), queue(n))...)
			},
			drop: func(w *env, n int) { w.putUnchecked(slices.DeleteFunc(w.entries(), ofQueue(n))...) },
		},
		{name: "lifecycle", put: (*env).putForeignLifecycle},
		{name: "Intelligent-Tiering", put: func(w *env, n int) {
			w.putTiering(fmt.Sprint("lab-", slot(n)), fmt.Sprintf("portal/%d/", n), types.IntelligentTieringStatusEnabled)
		}},
		{name: "bucket tags", put: func(w *env, n int) {
			w.must(w.s3.PutBucketTagging(w.t.Context(), &s3.PutBucketTaggingInput{
				Bucket: &w.storage.Bucket.Name, Tagging: &types.Tagging{
					TagSet: []types.Tag{{Key: aws.String("cost"), Value: aws.String(fmt.Sprint(n))}},
				},
			}))
		}},
	}
}

// slot is which of others' parts of a document is meant.
func slot(n int) int { return n % 3 }

func foreignRoleChanges() []foreignChange {
	inline := func(n int) string { return fmt.Sprint("lab-", slot(n)) }
	return []foreignChange{
		{name: "role tags", put: func(w *env, n int) {
			w.must(w.iam.TagRole(w.t.Context(), &iam.TagRoleInput{
				RoleName: &w.storage.Role.Name, Tags: []iamtypes.Tag{{Key: aws.String("cost"), Value: aws.String(fmt.Sprint(n))}},
			}))
		}, drop: func(w *env, _ int) {
			w.must(w.iam.UntagRole(w.t.Context(), &iam.UntagRoleInput{RoleName: &w.storage.Role.Name, TagKeys: []string{"cost"}}))
		}},
		{name: "role description", put: func(w *env, n int) { w.updateRole(aws.Int32(43200), aws.String(fmt.Sprint("lab ", n))) }},
		{name: "inline policy", put: func(w *env, n int) {
			w.putInline(inline(n), fmt.Sprintf(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::logs-%d"}]}`, n,
			))
		}, drop: func(w *env, n int) {
			w.must(w.iam.DeleteRolePolicy(w.t.Context(), &iam.DeleteRolePolicyInput{
				RoleName: &w.storage.Role.Name, PolicyName: aws.String(inline(n)),
			}))
		}},
		{name: "attached policy", put: func(w *env, _ int) { w.attach("AmazonS3ReadOnlyAccess") }, drop: func(w *env, _ int) {
			w.must(w.iam.DetachRolePolicy(w.t.Context(), &iam.DetachRolePolicyInput{
				RoleName: &w.storage.Role.Name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"),
			}))
		}},
		{name: "audience", put: func(w *env, n int) {
			w.must(w.iam.AddClientIDToOpenIDConnectProvider(w.t.Context(), &iam.AddClientIDToOpenIDConnectProviderInput{
				OpenIDConnectProviderArn: &w.storage.Provider.ARN, ClientID: aws.String(fmt.Sprintf("lab-%d.example.org", slot(n))),
			}))
		}},
	}
}

func foreignKeyChanges() []foreignChange {
	return []foreignChange{
		{
			name: "key policy", put: func(w *env, n int) {
				w.editKeyPolicy(slot(n), fmt.Sprintf(
					`{"Sid":"Lab%d","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"kms:Get%d*","Resource":"*"}`,
					slot(n), n,
				))
			}, drop: func(w *env, n int) { w.editKeyPolicy(slot(n), "") },
		},
		{name: "key tags", put: func(w *env, n int) {
			w.must(w.kms.TagResource(w.t.Context(), &kms.TagResourceInput{
				KeyId: &w.storage.Key.ARN, Tags: []kmstypes.Tag{{TagKey: aws.String("cost"), TagValue: aws.String(fmt.Sprint(n))}},
			}))
		}},
	}
}

func (w *env) putForeignLifecycle(n int) {
	w.t.Helper()
	rule := expires(types.LifecycleRuleFilter{Prefix: aws.String(fmt.Sprintf("portal/%d/", n))})
	w.must(w.s3.PutBucketLifecycleConfiguration(w.t.Context(), &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &w.storage.Bucket.Name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{rule}},
	}))
}

// editBucketPolicy puts others' n-th statement into the bucket policy as it stands, or takes it out.
func (w *env) editBucketPolicy(n int, statement string) {
	w.t.Helper()
	if edited := editStatements(w.bucketPolicy(), n, strings.ReplaceAll(statement, "BUCKET", w.storage.Bucket.Name)); edited == "" {
		w.deleteBucketPolicy()
	} else {
		w.putBucketPolicy(edited)
	}
}

func (w *env) editKeyPolicy(n int, statement string) {
	w.t.Helper()
	w.putKeyPolicy(editStatements(w.keyPolicy(), n, statement))
}

// editStatements leaves all that it does not edit as it is.
func editStatements(text string, n int, statement string) string {
	document := map[string]json.RawMessage{"Version": json.RawMessage(`"2012-10-17"`)}
	var statements []json.RawMessage
	_ = json.Unmarshal([]byte(text), &document) // none, or one that AWS took
	if json.Unmarshal(document["Statement"], &statements) != nil && document["Statement"] != nil {
		statements = []json.RawMessage{document["Statement"]}
	}
	statements = slices.DeleteFunc(statements, func(s json.RawMessage) bool {
		var named struct{ Sid string }
		return json.Unmarshal(s, &named) == nil && named.Sid == fmt.Sprint("Lab", n)
	})
	if statement != "" {
		statements = append(statements, json.RawMessage(statement))
	}
	if len(statements) == 0 {
		return ""
	}
	document["Statement"], _ = json.Marshal(statements)
	edited, _ := json.Marshal(document) // it was JSON
	return string(edited)
}

// foreignNames are what package foreign reads of the storage.
func (w *env) foreignNames() foreign.Names {
	n := foreign.Names{
		Bucket: w.storage.Bucket.Name, Role: w.storage.Role.Name, Policy: w.storage.Role.Policy.ARN, Provider: w.storage.Provider.ARN,
	}
	for _, key := range w.storage.Keys() {
		n.Keys = append(n.Keys, key.ARN)
	}
	return n
}

// foreignOurs are ICA's parts, as plain data.
func (w *env) foreignOurs() foreign.Ours {
	rule, role := w.storage.Bucket.CORS, w.storage.Role
	ours := foreign.Ours{
		CORS: foreign.CORSPart(types.CORSRule{
			AllowedHeaders: rule.AllowedHeaders, AllowedMethods: rule.AllowedMethods,
			AllowedOrigins: rule.AllowedOrigins, ExposeHeaders: rule.ExposeHeaders,
		}),
		Target: ":" + illuminasAccount + ":", Policy: role.Policy.ARN, Boundary: role.Boundary.ARN, Strict: role.Strict,
		Role: []string{"description ", "description " + role.Description, "path " + role.Path},
	}
	for key, value := range role.Tags {
		ours.Tags = append(ours.Tags, foreign.Tag(&key, &value))
	}
	return ours
}

// foreignParts reads the storage by the SDK alone, past the recorder.
func (w *env) foreignParts() foreign.Parts {
	w.t.Helper()
	cfg := w.local.DirectConfig("us-east-1")
	parts, err := foreign.Read(w.t.Context(), foreign.Clients{
		S3:  s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		IAM: iam.NewFromConfig(cfg), KMS: kms.NewFromConfig(cfg),
	}, w.foreignNames())
	w.must(parts, err)
	return parts
}
