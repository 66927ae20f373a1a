package localaws

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/policy"
)

// Grants reads what stands in the local AWS now for a role, and the policies of all queues, topics and tables of these regions.
func (a *AWS) Grants(ctx context.Context, role string, regions ...string) (Grants, error) {
	g, err := a.ofRole(ctx, role)
	for _, region := range regions {
		for _, read := range []func(context.Context, string) ([]string, error){a.queuePolicies, a.topicPolicies, a.tablePolicies} {
			texts, readErr := read(ctx, region)
			err = errors.Join(err, readErr)
			for _, text := range texts {
				err = errors.Join(err, add(&g.Resource, text))
			}
		}
	}
	if err != nil {
		return Grants{}, fmt.Errorf("localaws: read policies of role %s: %w", role, err)
	}
	return g, nil
}

// add parses a document. IAM answers documents URL-encoded.
func add(to *[]policy.Statement, text string) error {
	if decoded, err := url.PathUnescape(text); err == nil {
		text = decoded
	}
	document, err := policy.Parse(text)
	if err != nil {
		return err
	}
	*to = append(*to, document.Statements()...)
	return nil
}

func (a *AWS) ofRole(ctx context.Context, role string) (g Grants, err error) {
	client := iam.NewFromConfig(a.DirectConfig(home))
	inline, err := client.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &role})
	if err != nil {
		return g, err
	}
	for _, name := range inline.PolicyNames {
		out, err := client.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
		if err == nil {
			err = add(&g.Identity, aws.ToString(out.PolicyDocument))
		}
		if err != nil {
			return g, err
		}
	}
	attached, err := client.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	if err != nil {
		return g, err
	}
	for _, p := range attached.AttachedPolicies {
		if err := addManaged(ctx, client, &g.Identity, p.PolicyArn); err != nil {
			return g, err
		}
	}
	out, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
	if err != nil || out.Role.PermissionsBoundary == nil {
		return g, err
	}
	g.Boundary = []policy.Statement{}
	return g, addManaged(ctx, client, &g.Boundary, out.Role.PermissionsBoundary.PermissionsBoundaryArn)
}

func addManaged(ctx context.Context, client *iam.Client, to *[]policy.Statement, arn *string) error {
	found, err := client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn})
	if err != nil {
		return err
	}
	current := &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: found.Policy.DefaultVersionId}
	version, err := client.GetPolicyVersion(ctx, current)
	if err != nil {
		return err
	}
	return add(to, aws.ToString(version.PolicyVersion.Document))
}

func (a *AWS) queuePolicies(ctx context.Context, region string) (texts []string, err error) {
	client := sqs.NewFromConfig(a.DirectConfig(region))
	queues, err := client.ListQueues(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, queue := range queues.QueueUrls {
		out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNamePolicy},
		})
		if err != nil {
			return nil, err
		}
		if text := out.Attributes["Policy"]; text != "" {
			texts = append(texts, text)
		}
	}
	return texts, nil
}

func (a *AWS) topicPolicies(ctx context.Context, region string) (texts []string, err error) {
	client := sns.NewFromConfig(a.DirectConfig(region))
	topics, err := client.ListTopics(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics.Topics {
		out, err := client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: topic.TopicArn})
		if err != nil {
			return nil, err
		}
		texts = append(texts, out.Attributes["Policy"]) // a topic has always one
	}
	return texts, nil
}

func (a *AWS) tablePolicies(ctx context.Context, region string) (texts []string, err error) {
	client := dynamodb.NewFromConfig(a.DirectConfig(region))
	tables, err := client.ListTables(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, table := range tables.TableNames {
		arn := fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", region, account, table)
		out, err := client.GetResourcePolicy(ctx, &dynamodb.GetResourcePolicyInput{ResourceArn: &arn})
		var none *ddbtypes.PolicyNotFoundException
		if errors.As(err, &none) {
			continue
		}
		if err != nil {
			return nil, err
		}
		texts = append(texts, aws.ToString(out.Policy))
	}
	return texts, nil
}
