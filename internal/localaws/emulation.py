"""What moto does not do as AWS does: the one list, and the emulation of the entries that have one.

This file is the only place, besides the Go files that the list names, that may invent AWS's answers. Every entry
names the AWS documentation it follows. It is also the program that runs moto:

    python emulation.py           serve on a free loopback port, which is written to file descriptor 3 as one line;
                             ends when standard input is closed, so that moto never outlives who started it
    python emulation.py --list    print the list as JSON

ICAGUARD_GAPS_OFF (ids, separated by commas) switches emulations off, so that a test can show that it needs one.
"""

import itertools
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

ACCOUNT = "123456789012"
S3_API = "https://docs.aws.amazon.com/AmazonS3/latest/API/"
S3_GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
IAM_API = "https://docs.aws.amazon.com/IAM/latest/APIReference/"
IAM_GUIDE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
KMS_API = "https://docs.aws.amazon.com/kms/latest/APIReference/"
KMS_GUIDE = "https://docs.aws.amazon.com/kms/latest/developerguide/"
CFN_GUIDE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/"
LAMBDA_GUIDE = "https://docs.aws.amazon.com/lambda/latest/dg/"
EVENTS_GUIDE = "https://docs.aws.amazon.com/eventbridge/latest/userguide/"


@dataclass(frozen=True)
class Gap:
    """One difference. emulate patches moto; by names the Go file instead; with neither, the gap stays."""

    id: str
    service: str
    moto: str
    aws: str
    doc: str
    emulate: Callable[[], None] | None = None
    by: str = ""

    def describe(self) -> dict[str, object]:
        by = f"emulation.py {self.emulate.__name__}" if self.emulate else self.by
        return {
            "id": self.id,
            "service": self.service,
            "moto": self.moto,
            "aws": self.aws,
            "doc": self.doc,
            "emulated": bool(by),
            "by": by,
        }


def gaps() -> list[Gap]:
    return emulated_by_patches() + emulated_in_go() + not_shown()


def emulated_by_patches() -> list[Gap]:
    return [
        Gap(
            "cfn-oidc-provider",
            "cloudformation",
            "skips AWS::IAM::OIDCProvider silently",
            "creates, updates and deletes it; Ref and Fn::GetAtt Arn are its ARN",
            CFN_GUIDE + "aws-resource-iam-oidcprovider.html",
            cfn_oidc_provider,
        ),
        Gap(
            "cfn-bucket-properties",
            "cloudformation",
            "drops a bucket's CorsConfiguration, PublicAccessBlockConfiguration, VersioningConfiguration, "
            "OwnershipControls and BucketKeyEnabled",
            "applies them on create and update (that an update takes a property away again is not emulated)",
            CFN_GUIDE + "aws-resource-s3-bucket.html",
            cfn_bucket_properties,
        ),
        Gap(
            "cfn-role-policies",
            "cloudformation",
            "creates a role without its ManagedPolicyArns, and keeps its inline Policies as text that is no JSON",
            "attaches them, and answers JSON",
            CFN_GUIDE + "aws-resource-iam-role.html",
            cfn_role_policies,
        ),
        Gap(
            "cfn-dynamic-references",
            "cloudformation",
            "leaves {{resolve:ssm:…}} as text",
            "puts the parameter's value, of the version named or the latest",
            CFN_GUIDE + "dynamic-references-ssm.html",
            cfn_dynamic_references,
        ),
        Gap(
            "cfn-subscription",
            "cloudformation",
            "skips AWS::SNS::Subscription silently",
            "subscribes the endpoint (an e-mail address stays PendingConfirmation until its owner confirms)",
            CFN_GUIDE + "aws-resource-sns-subscription.html",
            cfn_subscription,
        ),
        Gap(
            "cfn-trail",
            "cloudformation",
            "skips AWS::CloudTrail::Trail silently; Fn::GetAtt of one fails the stack",
            "creates the trail with its event selectors, and starts its logging (that its bucket lets CloudTrail write is "
            "taken on trust here)",
            CFN_GUIDE + "aws-resource-cloudtrail-trail.html",
            cfn_trail,
        ),
        Gap(
            "cfn-alarm-arn",
            "cloudformation",
            "skips AWS::CloudWatch::Alarm silently; Ref of one is empty, and Fn::GetAtt of one fails the stack",
            "Ref is the alarm's name, Fn::GetAtt Arn its ARN (the alarm itself is still not there)",
            CFN_GUIDE + "aws-resource-cloudwatch-alarm.html",
            cfn_alarm_arn,
        ),
        Gap(
            "cfn-own-policies",
            "cloudformation",
            "skips AWS::SQS::QueuePolicy, AWS::SNS::TopicPolicy and AWS::Lambda::EventInvokeConfig silently; drops a table's "
            "ResourcePolicy and PointInTimeRecoverySpecification and a function's RecursiveLoop",
            "applies them (that an update or a deletion takes them away again is not emulated)",
            CFN_GUIDE + "aws-template-resource-type-ref.html",
            cfn_own_policies,
        ),
        Gap(
            "s3-new-bucket-defaults",
            "s3",
            "a new bucket has no public access block, ownership controls or encryption; deleted encryption is gone",
            "blocks all public access, BucketOwnerEnforced, AES256, which comes back when encryption is deleted",
            S3_GUIDE + "create-bucket-faq.html",
            s3_new_bucket_defaults,
        ),
        Gap(
            "s3-unknown-sub-resources",
            "s3",
            "takes a bucket's sub-resource that it does not know for none: PUT ?metrics creates the bucket, DELETE ?metrics "
            "deletes it, GET ?metrics lists its objects",
            "knows them all; here 501 NotImplemented",
            S3_API + "ErrorResponses.html",
            s3_unknown_sub_resources,
        ),
        Gap(
            "s3-request-payment",
            "s3",
            "knows neither GetBucketRequestPayment nor PutBucketRequestPayment",
            "keeps who pays: the bucket's owner, until told otherwise",
            S3_API + "API_PutBucketRequestPayment.html",
            s3_request_payment,
        ),
        Gap(
            "s3-intelligent-tiering",
            "s3",
            "knows none of the calls on a bucket's Intelligent-Tiering configurations",
            "keeps them by id, lists them, and deletes one; 404 NoSuchConfiguration where there is none",
            S3_API + "API_PutBucketIntelligentTieringConfiguration.html",
            s3_intelligent_tiering,
        ),
        Gap(
            "s3-encryption-fields",
            "s3",
            "forgets which types of encryption a bucket refuses",
            "GetBucketEncryption answers BlockedEncryptionTypes",
            S3_API + "API_ServerSideEncryptionRule.html",
            s3_encryption_fields,
        ),
        Gap(
            "s3-mfa-delete",
            "s3",
            "ignores MfaDelete",
            "keeps it; it is set, and versioning is then changed, only with a device (here any x-amz-mfa header will do)",
            S3_GUIDE + "MultiFactorAuthenticationDelete.html",
            s3_mfa_delete,
        ),
        Gap(
            "s3-notification-eventbridge",
            "s3",
            "GetBucketNotificationConfiguration never answers EventBridgeConfiguration",
            "answers it where it was put",
            S3_API + "API_GetBucketNotificationConfiguration.html",
            s3_notification_eventbridge,
        ),
        Gap(
            "s3-notification-filter-names",
            "s3",
            "answers the names of key filters as they were written",
            "answers Prefix and Suffix, whatever was written (recorded; the API's page has prefix and suffix)",
            S3_API + "API_FilterRule.html",
            s3_notification_filter_names,
        ),
        Gap(
            "s3-notification-targets",
            "s3",
            "accepts notifications to queues and topics that do not exist",
            "400 InvalidArgument, unless told to skip the validation (that the target lets S3 in is taken on trust here, "
            "and so are functions)",
            S3_API + "API_PutBucketNotificationConfiguration.html",
            s3_notification_targets,
        ),
        Gap(
            "s3-notification-overlap",
            "s3",
            "accepts two notifications for the same event and overlapping keys",
            "400 InvalidArgument",
            S3_GUIDE + "notification-how-to-filtering.html",
            s3_notification_overlap,
        ),
        Gap(
            "s3-ownership-acl",
            "s3",
            "accepts BucketOwnerEnforced on a bucket whose ACL grants something to others",
            "400 InvalidBucketAclWithObjectOwnership",
            S3_GUIDE + "object-ownership-error-responses.html",
            s3_ownership_acl,
        ),
        Gap(
            "s3-policy-conditions",
            "s3",
            "applies the statements of a bucket policy to calls on objects whatever their conditions, so that a Deny of "
            "requests without TLS denies all",
            "a statement applies where its conditions hold (here one with conditions never applies)",
            IAM_GUIDE + "reference_policies_elements_condition.html",
            s3_policy_conditions,
        ),
        Gap(
            "s3-acl-not-supported",
            "s3",
            "accepts ACLs on a bucket with BucketOwnerEnforced",
            "400 AccessControlListNotSupported, except for bucket-owner-full-control",
            S3_GUIDE + "about-object-ownership.html",
            s3_acl_not_supported,
        ),
        Gap(
            "s3-block-public-policy",
            "s3",
            "accepts a public bucket policy although BlockPublicPolicy is on",
            "403 AccessDenied (here: a wildcard principal without any condition counts as public)",
            S3_GUIDE + "access-control-block-public-access.html",
            s3_block_public_policy,
        ),
        Gap(
            "s3-malformed-bucket-policy",
            "s3",
            "accepts any bytes as a bucket policy",
            "400 MalformedPolicy: not JSON, no Statement, or a principal of this account that does not exist, by ARN or "
            "by the unique id that it had (principals of other accounts are taken on trust here)",
            S3_API + "API_PutBucketPolicy.html",
            s3_malformed_bucket_policy,
        ),
        Gap(
            "s3-expected-bucket-owner",
            "s3",
            "ignores x-amz-expected-bucket-owner",
            "403 AccessDenied when the bucket's owner is another account",
            S3_GUIDE + "bucket-owner-condition.html",
            s3_expected_bucket_owner,
        ),
        Gap(
            "s3-wrong-region",
            "s3",
            "answers for a bucket of any region",
            "301 PermanentRedirect with the bucket's region in x-amz-bucket-region; GetBucketLocation answers",
            S3_API + "ErrorResponses.html",
            s3_wrong_region,
        ),
        Gap(
            "iam-update-role",
            "iam",
            "UpdateRole without a description wipes the description",
            "keeps the description; an omitted duration becomes one hour, as AWS's page says (a report says that it is kept)",
            IAM_API + "API_UpdateRole.html",
            iam_update_role,
        ),
        Gap(
            "iam-oidc-client-ids",
            "iam",
            "Add- and RemoveClientIDToOpenIDConnectProvider answer HTTP 500",
            "add or remove one client id; both are idempotent",
            IAM_API + "API_AddClientIDToOpenIDConnectProvider.html",
            iam_oidc_client_ids,
        ),
        Gap(
            "iam-policy-version-encoding",
            "iam",
            "GetPolicyVersion answers the document as it is",
            "URL-encoded (RFC 3986), like GetRole and GetRolePolicy",
            IAM_API + "API_PolicyVersion.html",
            iam_policy_version_encoding,
        ),
        Gap(
            "iam-deleted-principals",
            "iam",
            "a deleted role or user stays named in policies",
            "its unique id (AROA…, AIDA…) stands there instead, also when it is created again: in bucket policies, key "
            "policies and trust policies here",
            IAM_GUIDE + "reference_policies_elements_principal.html",
            iam_deleted_principals,
        ),
        Gap(
            "kms-malformed-key-policy",
            "kms",
            "accepts any text as a key policy",
            "400 MalformedPolicyDocumentException, for the same faults as s3-malformed-bucket-policy",
            KMS_API + "API_PutKeyPolicy.html",
            kms_malformed_key_policy,
        ),
        Gap(
            "kms-key-arns",
            "kms",
            "enables, disables and deletes keys by bare id only (HTTP 500 for an ARN)",
            "takes the key's ARN as well",
            KMS_API + "API_DisableKey.html",
            kms_key_arns,
        ),
        Gap(
            "kms-key-states",
            "kms",
            "enables a key that is pending deletion, and cancels a deletion that is not pending",
            "400 KMSInvalidStateException for both",
            KMS_GUIDE + "key-state.html",
            kms_key_states,
        ),
        Gap(
            "events-delivered-envelope",
            "events",
            "the event delivered to a target lacks account, and text like <source> within it is replaced",
            "delivers the event as it is, with account",
            EVENTS_GUIDE + "eb-events-structure.html",
            events_delivered_envelope,
        ),
        Gap(
            "events-topic-target",
            "events",
            "an SNS topic as target makes PutEvents answer HTTP 500",
            "publishes the event",
            EVENTS_GUIDE + "eb-targets.html",
            events_topic_target,
        ),
        Gap(
            "events-lambda-target",
            "events",
            "a function as target of a rule with a pattern makes PutEvents answer HTTP 500",
            "invokes the function; here the other targets are served, and tests invoke the function themselves",
            EVENTS_GUIDE + "eb-targets.html",
            events_lambda_target,
        ),
        Gap(
            "events-bus-target",
            "events",
            "an event bus as target passes on source, detail-type and detail only",
            "passes on the whole original event, also to another region; the rules of that bus match it as it was (that "
            "the target's role may put events is taken on trust here)",
            EVENTS_GUIDE + "eb-cross-region.html",
            events_bus_target,
        ),
        Gap(
            "events-scheduled-rules",
            "events",
            "a rule with a schedule and no pattern delivers every event of the bus",
            "delivers when its time has come only (which never comes here: the test invokes)",
            EVENTS_GUIDE + "eb-create-rule-schedule.html",
            events_scheduled_rules,
        ),
        Gap(
            "events-disabled-rules",
            "events",
            "a disabled rule delivers",
            "does not",
            "https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DisableRule.html",
            events_disabled_rules,
        ),
        Gap(
            "sns-email-confirmation",
            "sns",
            "an e-mail address is subscribed at once",
            "Subscribe answers \"pending confirmation\" and lists say PendingConfirmation instead of an ARN, until the address's owner "
            "follows the link in a mail, which is ConfirmSubscription with the token in it (here the token is the address)",
            "https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html",
            sns_email_confirmation,
        ),
        Gap(
            "cloudtrail-default-selectors",
            "cloudtrail",
            "a new trail has no event selectors",
            "it logs all management events, and GetEventSelectors says so",
            "https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html",
            cloudtrail_default_selectors,
        ),
        Gap(
            "lambda-event-source-mapping",
            "lambda",
            "a mapping takes the queue's messages itself and tries to start docker",
            "Lambda polls the queue; here the mapping exists, and localaws.Poller polls (poller.go)",
            LAMBDA_GUIDE + "with-sqs.html",
            lambda_event_source_mapping,
        ),
        Gap(
            "sqs-policy-kept",
            "sqs",
            "SetQueueAttributes without Policy takes the queue's policy away",
            "changes the attributes that it is given",
            "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html",
            sqs_policy_kept,
        ),
        Gap(
            "lambda-recursion-config",
            "lambda",
            "knows neither GetFunctionRecursionConfig nor PutFunctionRecursionConfig",
            "keeps whether a function may loop: Terminate, until told otherwise",
            LAMBDA_GUIDE + "API_PutFunctionRecursionConfig.html",
            lambda_recursion_config,
        ),
    ]


def emulated_in_go() -> list[Gap]:
    return [
        Gap(
            "cloudtrail-events",
            "events",
            "API calls never appear as CloudTrail events on EventBridge",
            "every management call that changes something, successful or not, appears on the default bus of its "
            "region (IAM: us-east-1); here at once, on AWS within seconds to minutes, best effort",
            EVENTS_GUIDE + "eb-service-event-cloudtrail.html",
            by="recorder.go",
        ),
        Gap(
            "request-ids",
            "all",
            "answers without a request id, or with the same for every call",
            "every answer has an id of its own, which is also the requestID of the call's event",
            S3_GUIDE + "get-request-ids.html",
            by="cloudtrail.go",
        ),
        Gap(
            "unknown-calls",
            "all",
            "does something else, or answers with a web page",
            "knows every call; here one without a row in names.go, or that moto lacks, is refused with 501 NotImplemented "
            "and is no event",
            S3_API + "ErrorResponses.html",
            by="names.go",
        ),
        Gap(
            "faults",
            "all",
            "is never slow, throttled, denied or away",
            "answers AccessDenied, Throttling, SlowDown, 5xx, or not at all",
            S3_API + "ErrorResponses.html",
            by="faults.go",
        ),
        Gap(
            "cfn-life-cycle",
            "cloudformation",
            "stacks are never IN_PROGRESS or rolled back, and send no status events",
            "stacks pass through such states, DescribeStacks and DescribeStackEvents tell them, status events appear on "
            "the default bus; here a test plays them, as a simulation (PlayStack, DeliverStackStatus)",
            CFN_GUIDE + "event-detail-stack-status-change.html",
            by="stacks.go",
        ),
        Gap(
            "lambda-invoke",
            "lambda",
            "needs docker to invoke a function",
            "runs the bootstrap binary behind the runtime API",
            LAMBDA_GUIDE + "runtimes-api.html",
            by="runtime.go",
        ),
        Gap(
            "lambda-logs",
            "lambda",
            "delivers no logs of functions that it does not run",
            "what a function writes is in its log group, a stream per execution environment",
            LAMBDA_GUIDE + "monitoring-cloudwatchlogs.html",
            by="logs.go",
        ),
        Gap(
            "lambda-polling",
            "lambda",
            "does not poll a queue",
            "polls it, deletes what succeeded, honours batchItemFailures",
            LAMBDA_GUIDE + "services-sqs-errorhandling.html",
            by="poller.go",
        ),
    ]


def not_shown() -> list[Gap]:
    return [
        Gap(
            "cfn-skipped-types",
            "cloudformation",
            "skips AWS::S3::BucketPolicy, AWS::CloudWatch::Alarm, AWS::Events::EventBusPolicy silently; drops lifecycle rules and "
            "Lambda architectures",
            "creates them",
            CFN_GUIDE + "aws-template-resource-type-ref.html",
        ),
        Gap(
            "cfn-failures",
            "cloudformation",
            "no rollback after a failure, updates unreliable, RetainExceptOnCreate ignored",
            "all of them",
            CFN_GUIDE + "stack-failure-options.html",
        ),
        Gap(
            "cfn-own-calls",
            "cloudformation",
            "its own calls pass by the recorder, so they are no events",
            "they are CloudTrail events, invoked by cloudformation.amazonaws.com",
            CFN_GUIDE + "cfn-api-logging-cloudtrail.html",
        ),
        Gap(
            "iam-enforcement",
            "iam",
            "permissions are not checked; with enforcement on, conditions and boundaries are not evaluated",
            "evaluates all policies on every call",
            IAM_GUIDE + "reference_policies_evaluation-logic.html",
        ),
        Gap(
            "iam-access-denied-code",
            "iam",
            "with enforcement on, AccessDenied reaches the SDK as UnknownError (the recorder's faults do it right)",
            "AccessDenied",
            IAM_API + "CommonErrors.html",
        ),
        Gap(
            "kms-key-policies",
            "kms",
            "key policies are not evaluated (but for a Deny of DescribeKey); PutKeyPolicy has no lockout safety check",
            "a key policy decides alone: without the account's root statement, IAM policies allow nothing; a policy "
            "that its writer could not change again is refused",
            KMS_GUIDE + "key-policies.html",
        ),
        Gap(
            "kms-key-deletion",
            "kms",
            "a key that is scheduled for deletion never dies",
            "is deleted after its window, which is the event DeleteKey, by AWS Internal",
            KMS_GUIDE + "ct-delete-key.html",
        ),
        Gap(
            "iam-simulation",
            "iam",
            "has no SimulatePrincipalPolicy and SimulateCustomPolicy",
            "simulate",
            IAM_API + "API_SimulatePrincipalPolicy.html",
        ),
        Gap(
            "eventual-consistency",
            "all",
            "what was written is read at once",
            "IAM and bucket configuration reads may show the old state for a while",
            IAM_GUIDE + "troubleshoot_general.html#troubleshoot_general_eventual-consistency",
        ),
        Gap(
            "sts-tokens",
            "sts",
            "accepts any web identity token and any duration",
            "checks the token against the provider, the trust policy's conditions, and the role's maximum duration",
            "https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html",
        ),
        Gap(
            "s3-restrict-public-buckets",
            "s3",
            "BlockPublicAcls, IgnorePublicAcls and RestrictPublicBuckets have no effect",
            "refuse or ignore public access",
            S3_GUIDE + "access-control-block-public-access.html",
        ),
        Gap(
            "events-permissions",
            "events",
            "PutEvents takes sources that begin with aws. (the recorder needs it), TestEventPattern is always false, "
            "queue policies are not checked",
            "refuses such sources, tests patterns, checks policies",
            "https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html",
        ),
        Gap(
            "sns-email",
            "sns",
            "sends no e-mail",
            "sends to confirmed addresses",
            "https://docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html",
        ),
        Gap(
            "logs-filter-patterns",
            "logs",
            "knows quoted terms and words that begin with a letter; every other filter pattern (JSON, ?, -, %) finds every line",
            "all of them",
            "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html",
        ),
        Gap(
            "cloudtrail-lookup",
            "cloudtrail",
            "has no LookupEvents; trails log nothing",
            "finds and logs events",
            "https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html",
        ),
        Gap(
            "cloudwatch-protocol",
            "cloudwatch",
            "speaks an older protocol than the SDK for metrics (404)",
            "metrics and alarms work",
            "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html",
        ),
    ]


# --- CloudFormation -------------------------------------------------------------------------------------------------


class HasARN:
    """Fn::GetAtt Arn of a CloudFormation resource."""

    arn: str

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        from moto.cloudformation.exceptions import UnformattedGetAttTemplateException

        if attribute_name == "Arn":
            return self.arn
        raise UnformattedGetAttTemplateException()


def cfn_oidc_provider() -> None:
    from moto.core.common_models import CloudFormationModel
    from moto.iam.models import iam_backends
    from moto.utilities.utils import get_partition

    def backend(account_id: str, region_name: str):
        return iam_backends[account_id][get_partition(region_name)]

    class OIDCProviderResource(HasARN, CloudFormationModel):
        __module__ = "moto.icaguard"  # moto's metaclass takes the service from it

        def __init__(self, arn: str):
            self.physical_resource_id = arn
            self.arn = arn

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return "AWS::IAM::OIDCProvider"

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
            properties = cloudformation_json["Properties"]
            provider = backend(account_id, region_name).create_open_id_connect_provider(
                url=properties["Url"],
                thumbprint_list=properties.get("ThumbprintList", []),
                client_id_list=properties.get("ClientIdList", []),
                tags=properties.get("Tags", []),
            )
            return cls(provider.arn)

        @classmethod
        def update_from_cloudformation_json(
            cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
        ):
            properties = cloudformation_json["Properties"]
            arn = original_resource.physical_resource_id
            url = properties["Url"].removeprefix("https://").rstrip("/")
            if not arn.endswith(f":oidc-provider/{url}"):  # Url: "Update requires: Replacement"
                original_resource.delete(account_id, region_name)
                return cls.create_from_cloudformation_json("", cloudformation_json, account_id, region_name)
            provider = backend(account_id, region_name).get_open_id_connect_provider(arn)
            provider.client_id_list = properties.get("ClientIdList", [])
            provider.thumbprint_list = properties.get("ThumbprintList", provider.thumbprint_list)
            return original_resource

        def delete(self, account_id: str, region_name: str) -> None:
            backend(account_id, region_name).delete_open_id_connect_provider(self.physical_resource_id)

    KEEP.append(OIDCProviderResource)


def cfn_subscription() -> None:
    from moto.core.common_models import CloudFormationModel
    from moto.sns.models import sns_backends

    class SubscriptionResource(CloudFormationModel):
        __module__ = "moto.icaguard"  # moto's metaclass takes the service from it

        def __init__(self, arn: str):
            self.physical_resource_id = arn

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return "AWS::SNS::Subscription"

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
            properties = cloudformation_json["Properties"]
            subscription = sns_backends[account_id][region_name].subscribe(
                properties["TopicArn"], properties["Endpoint"], properties["Protocol"]
            )
            return cls(subscription.arn)

        @classmethod
        def update_from_cloudformation_json(
            cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
        ):
            original_resource.delete(account_id, region_name)
            return cls.create_from_cloudformation_json("", cloudformation_json, account_id, region_name)

        def delete(self, account_id: str, region_name: str) -> None:
            sns_backends[account_id][region_name].unsubscribe(self.physical_resource_id)

    KEEP.append(SubscriptionResource)


def cfn_trail() -> None:
    from moto.cloudtrail.models import cloudtrail_backends
    from moto.core.common_models import CloudFormationModel

    class TrailResource(HasARN, CloudFormationModel):
        __module__ = "moto.icaguard"  # moto's metaclass takes the service from it

        def __init__(self, name: str, arn: str):
            self.physical_resource_id = name
            self.arn = arn

        @staticmethod
        def cloudformation_name_type() -> str:
            return "TrailName"

        @staticmethod
        def cloudformation_type() -> str:
            return "AWS::CloudTrail::Trail"

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
            properties = cloudformation_json["Properties"]
            backend = cloudtrail_backends[account_id][region_name]
            trail = backend.create_trail(
                name=resource_name,
                bucket_name=properties["S3BucketName"],
                s3_key_prefix=properties.get("S3KeyPrefix"),
                sns_topic_name=properties.get("SnsTopicName"),
                is_global=properties.get("IncludeGlobalServiceEvents", False),
                is_multi_region=properties.get("IsMultiRegionTrail", False),
                log_validation=properties.get("EnableLogFileValidation", False),
                is_org_trail=properties.get("IsOrganizationTrail", False),
                cw_log_group_arn=properties.get("CloudWatchLogsLogGroupArn"),
                cw_role_arn=properties.get("CloudWatchLogsRoleArn"),
                kms_key_id=properties.get("KMSKeyId"),
                tags_list=properties.get("Tags", []),
            )
            trail.put_event_selectors(properties.get("EventSelectors"), properties.get("AdvancedEventSelectors"))
            if properties["IsLogging"]:
                backend.start_logging(resource_name)
            return cls(resource_name, trail.arn)

        @classmethod
        def update_from_cloudformation_json(
            cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
        ):
            original_resource.delete(account_id, region_name)
            return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

        def delete(self, account_id: str, region_name: str) -> None:
            cloudtrail_backends[account_id][region_name].delete_trail(self.physical_resource_id)

    KEEP.append(TrailResource)


def cfn_alarm_arn() -> None:
    from moto.core.common_models import CloudFormationModel

    class AlarmResource(HasARN, CloudFormationModel):
        __module__ = "moto.icaguard"  # moto's metaclass takes the service from it

        def __init__(self, name: str, arn: str):
            self.physical_resource_id = name
            self.arn = arn

        @staticmethod
        def cloudformation_name_type() -> str:
            return "AlarmName"

        @staticmethod
        def cloudformation_type() -> str:
            return "AWS::CloudWatch::Alarm"

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
            return cls(resource_name, f"arn:aws:cloudwatch:{region_name}:{account_id}:alarm:{resource_name}")

        @classmethod
        def update_from_cloudformation_json(
            cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
        ):
            return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

        def delete(self, account_id: str, region_name: str) -> None:
            pass

    KEEP.append(AlarmResource)


def cfn_own_policies() -> None:
    from moto.awslambda.models import LambdaFunction, lambda_backends
    from moto.core.common_models import CloudFormationModel
    from moto.dynamodb.models import dynamodb_backends
    from moto.dynamodb.models.table import Table
    from moto.sns.models import sns_backends
    from moto.sqs.models import sqs_backends

    def queue_policy(properties, account_id: str, region_name: str) -> None:
        for url in properties["Queues"]:
            queue = sqs_backends[account_id][region_name].get_queue(url.rsplit("/", 1)[1])
            queue.policy = json.dumps(properties["PolicyDocument"])

    def topic_policy(properties, account_id: str, region_name: str) -> None:
        for topic in properties["Topics"]:
            sns_backends[account_id][region_name].get_topic(topic).policy = json.dumps(properties["PolicyDocument"])

    def event_invoke_config(properties, account_id: str, region_name: str) -> None:
        config = {name: properties[name] for name in ("MaximumRetryAttempts", "DestinationConfig") if name in properties}
        config = {**config, "MaximumRetryAttempts": int(config.get("MaximumRetryAttempts", 2))}
        backend = lambda_backends[account_id][region_name]
        backend.get_function(properties["FunctionName"]).event_invoke_config = []
        backend.put_function_event_invoke_config(properties["FunctionName"], config)

    for kind, put in (
        ("AWS::SQS::QueuePolicy", queue_policy),
        ("AWS::SNS::TopicPolicy", topic_policy),
        ("AWS::Lambda::EventInvokeConfig", event_invoke_config),
    ):
        KEEP.append(applied(CloudFormationModel, kind, put))

    def table_properties(table, properties, account_id: str, region_name: str) -> None:
        backend = dynamodb_backends[account_id][region_name]
        if "PointInTimeRecoverySpecification" in properties:
            backend.update_continuous_backups(table.name, properties["PointInTimeRecoverySpecification"])
        if "ResourcePolicy" in properties:
            backend.put_resource_policy(
                resource_arn=table.table_arn,
                policy_doc=json.dumps(properties["ResourcePolicy"]["PolicyDocument"]),
                expected_revision_id=None,
            )

    def function_properties(function, properties, _account_id: str, _region_name: str) -> None:
        function.recursive_loop = properties.get("RecursiveLoop", "Terminate")

    also_applied(Table, table_properties)
    also_applied(LambdaFunction, function_properties)


def applied(model: type, kind: str, put) -> type:
    """A CloudFormation type of something that is a part of another resource, which put sets."""

    def create(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        put(cloudformation_json["Properties"], account_id, region_name)
        made = cls()
        made.physical_resource_id = resource_name
        return made

    def update(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        return create(cls, new_resource_name, cloudformation_json, account_id, region_name)

    return type(
        kind.replace("::", ""),
        (model,),
        {
            "__module__": "moto.icaguard",  # moto's metaclass takes the service from it
            "cloudformation_name_type": staticmethod(lambda: ""),
            "cloudformation_type": staticmethod(lambda: kind),
            "create_from_cloudformation_json": classmethod(create),
            "update_from_cloudformation_json": classmethod(update),
            "delete": lambda self, account_id, region_name: None,
        },
    )


def also_applied(model: type, put) -> None:
    """Lets put see what CloudFormation creates, and the properties that moto drops."""
    create = model.create_from_cloudformation_json.__func__

    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        made = create(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs)
        put(made, cloudformation_json["Properties"], account_id, region_name)
        return made

    model.create_from_cloudformation_json = classmethod(create_from_cloudformation_json)


def cfn_bucket_properties() -> None:
    from moto.s3.models import FakeBucket, PublicAccessBlock

    def cors_rule(rule: dict) -> dict:
        names = {
            "AllowedMethods": "AllowedMethod",
            "AllowedOrigins": "AllowedOrigin",
            "AllowedHeaders": "AllowedHeader",
            "ExposedHeaders": "ExposeHeader",
            "MaxAge": "MaxAgeSeconds",
            "Id": "ID",
        }
        renamed = {names[key]: value for key, value in rule.items()}
        if "MaxAgeSeconds" in renamed:
            renamed["MaxAgeSeconds"] = str(renamed["MaxAgeSeconds"])
        return renamed

    def apply(bucket, properties: dict) -> None:
        if "CorsConfiguration" in properties:
            bucket.set_cors([cors_rule(rule) for rule in properties["CorsConfiguration"]["CorsRules"]])
        if "PublicAccessBlockConfiguration" in properties:
            block = properties["PublicAccessBlockConfiguration"]
            names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
            bucket.public_access_block = PublicAccessBlock(*(block.get(name, False) for name in names))
        if "BucketEncryption" in properties:
            rule = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
            bucket.encryption["Rule"]["BucketKeyEnabled"] = str(rule.get("BucketKeyEnabled", False)).lower()
        if "VersioningConfiguration" in properties:
            bucket.versioning_status = properties["VersioningConfiguration"]["Status"]
        if "OwnershipControls" in properties:
            bucket.ownership_rule = properties["OwnershipControls"]["Rules"][0]["ObjectOwnership"]

    def applying(original):
        def wrapped(cls, *args, **kwargs):
            bucket = original(*args, **kwargs)
            document = kwargs.get("cloudformation_json") or next(a for a in args if isinstance(a, dict))
            apply(bucket, document.get("Properties", {}))
            return bucket

        return classmethod(wrapped)

    for name in ("create_from_cloudformation_json", "update_from_cloudformation_json"):
        setattr(FakeBucket, name, applying(getattr(FakeBucket, name)))


def cfn_role_policies() -> None:
    from moto.utilities.utils import get_partition
    from moto.iam.models import Role, iam_backends

    original = Role.create_from_cloudformation_json

    def create(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        role = original(resource_name, cloudformation_json, account_id, region_name, **kwargs)
        backend = iam_backends[account_id][get_partition(region_name)]
        for arn in cloudformation_json["Properties"].get("ManagedPolicyArns", []):
            backend.attach_role_policy(arn, role.name)
        for inline in cloudformation_json["Properties"].get("Policies", []):
            role.put_policy(inline["PolicyName"], json.dumps(inline["PolicyDocument"]))
        return role

    Role.create_from_cloudformation_json = classmethod(create)


def cfn_dynamic_references() -> None:
    import re

    from moto.cloudformation import parsing
    from moto.cloudformation.exceptions import ValidationError
    from moto.ssm.models import ssm_backends

    reference = re.compile(r"\{\{resolve:ssm:([a-zA-Z0-9_.\-/]+(?::\d+)?)\}\}")
    parse_resource = parsing.parse_resource

    def resolve(value, backend):
        if isinstance(value, dict):
            return {key: resolve(item, backend) for key, item in value.items()}
        if isinstance(value, list):
            return [resolve(item, backend) for item in value]
        if isinstance(value, str):
            return reference.sub(lambda match: parameter(match.group(1), backend), value)
        return value

    def parameter(name: str, backend) -> str:
        found = backend.get_parameter(name)
        if found is None:
            raise ValidationError(message=f"Parameters: [ssm:{name}] cannot be found.")
        return found.value

    def resolving(resource_json, resources_map):
        parsed = parse_resource(resource_json, resources_map)
        if not parsed:
            return parsed
        backend = ssm_backends[resources_map._account_id][resources_map._region_name]
        resource_class, document, resource_type = parsed
        return resource_class, resolve(document, backend), resource_type

    parsing.parse_resource = resolving


# --- S3 -------------------------------------------------------------------------------------------------------------
# A guard looks at a request before moto does and answers it, or returns None. The guard added last looks first: the
# list above has them in the reverse of AWS's order (region, owner, form of the document, what it would allow).


def s3_new_bucket_defaults() -> None:
    from moto.s3.models import FakeBucket, PublicAccessBlock, S3Backend

    def sse_s3() -> dict:
        return {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": "false"}}

    create = FakeBucket.__init__

    def init(self, *args, **kwargs) -> None:
        create(self, *args, **kwargs)
        self.public_access_block = PublicAccessBlock(True, True, True, True)
        self.ownership_rule = "BucketOwnerEnforced"
        self.encryption = sse_s3()

    def delete_bucket_encryption(self, bucket_name: str) -> None:
        self.get_bucket(bucket_name).encryption = sse_s3()

    FakeBucket.__init__ = init
    S3Backend.delete_bucket_encryption = delete_bucket_encryption


# The sub-resources of a bucket that moto asks for, by method, in S3Response._bucket_response_get and its siblings. What it
# does not ask for it does not see.
S3_SUB_RESOURCES = {
    "HEAD": set(),
    "GET": {
        "acl", "cors", "encryption", "id", "inventory", "lifecycle", "list-type", "location", "logging", "notification",
        "object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "tagging",
        "uploads", "versioning", "versions", "website", "accelerate",
    },
    "PUT": {
        "acl", "cors", "encryption", "id", "inventory", "lifecycle", "logging", "notification", "object-lock",
        "ownershipControls", "policy", "publicAccessBlock", "replication", "tagging", "versioning", "website", "accelerate",
    },
    "DELETE": {
        "cors", "encryption", "lifecycle", "ownershipControls", "policy", "publicAccessBlock", "replication", "tagging",
        "website",
    },
    "POST": {"delete"},
}

# Names in the queries of lists, and of any call: no sub-resources.
S3_PARAMETERS = {
    "continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker", "marker", "max-keys", "max-uploads",
    "prefix", "start-after", "upload-id-marker", "version-id-marker", "x-id",
}


def s3_unknown_sub_resources() -> None:
    from moto.s3.responses import S3Response

    original = S3Response._bucket_response

    def respond(self, request, full_url):
        known = S3_PARAMETERS | S3_SUB_RESOURCES.get(request.method, set())
        unknown = [name for name in request.args if name not in known and not name.startswith("X-Amz-")]
        if not self.bucket_name or not unknown:
            return original(self, request, full_url)
        what = f"{request.method} bucket?{'&'.join(unknown)}"
        message = f"moto does not know {what}. Its answer belongs in internal/localaws/emulation.py"
        return 501, {}, f"<Error><Code>NotImplemented</Code><Message>{escape(message)}</Message></Error>"

    S3Response._bucket_response = respond


def s3_request_payment() -> None:
    import re

    from moto.core.responses import ActionResult
    from moto.s3.exceptions import MalformedXML
    from moto.s3.responses import S3Response

    original = S3Response._bucket_response

    def respond(self, request, full_url):
        if "requestPayment" not in request.args or request.method not in ("GET", "PUT"):
            return original(self, request, full_url)
        bucket = self.backend.get_bucket(self.bucket_name)
        if request.method == "PUT":
            payer = re.search(rb"<Payer>(BucketOwner|Requester)</Payer>", self.body)
            if not payer:
                raise MalformedXML()
            bucket.payer = payer.group(1).decode()
            return ""
        self.data["Action"] = "GetBucketRequestPayment"
        return self.serialized(ActionResult({"Payer": getattr(bucket, "payer", "BucketOwner")}))

    S3Response._bucket_response = respond


def s3_intelligent_tiering() -> None:
    import re

    from moto.s3.exceptions import MalformedXML
    from moto.s3.responses import S3Response

    original = S3Response._bucket_response

    def respond(self, request, full_url):
        if "intelligent-tiering" not in request.args or request.method not in ("GET", "PUT", "DELETE"):
            return original(self, request, full_url)
        bucket = self.backend.get_bucket(self.bucket_name)
        configurations = bucket.__dict__.setdefault("intelligent_tiering", {})
        if request.method == "PUT":
            content = re.search(rb"<IntelligentTieringConfiguration[^>]*>(.*)</IntelligentTieringConfiguration>", self.body, re.S)
            if not content:
                raise MalformedXML()
            configurations[request.args["id"]] = content.group(1).decode()
            return ""
        if request.method == "DELETE":
            if configurations.pop(request.args["id"], None) is None:
                return 404, {}, "<Error><Code>NoSuchConfiguration</Code><Message>no such configuration</Message></Error>"
            return 204, {}, ""
        tag = "IntelligentTieringConfiguration"
        listed = "".join(f"<{tag}>{content}</{tag}>" for _, content in sorted(configurations.items()))
        return f"<ListBucketIntelligentTieringConfigurationsOutput><IsTruncated>false</IsTruncated>{listed}" + (
            "</ListBucketIntelligentTieringConfigurationsOutput>"
        )

    S3Response._bucket_response = respond


def s3_wrong_region() -> None:
    def guard(call):
        signed = "Authorization" in call.headers
        if not signed or call.bucket.region_name == call.region or call.is_("PUT") or call.is_("GET", "location"):
            return None
        message = (
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint."
        )
        endpoint = f"{call.bucket.name}.s3.{call.bucket.region_name}.amazonaws.com"
        extra = f"<Endpoint>{endpoint}</Endpoint><Bucket>{call.bucket.name}</Bucket>"
        return call.error(301, "PermanentRedirect", message, extra, {"x-amz-bucket-region": call.bucket.region_name})

    guard_s3(guard)


def s3_expected_bucket_owner() -> None:
    def guard(call):
        expected = call.headers.get("x-amz-expected-bucket-owner")
        if expected is None or expected == call.bucket.account_id:
            return None
        return call.error(403, "AccessDenied", "Access Denied")

    guard_s3(guard)


def s3_malformed_bucket_policy() -> None:
    def guard(call):
        message = policy_fault(call.body) if call.is_("PUT", "policy") else ""
        return call.error(400, "MalformedPolicy", message) if message else None

    guard_s3(guard)


def s3_block_public_policy() -> None:
    from moto.s3.utils import bucket_policy_is_public

    def guard(call):
        block = call.bucket.public_access_block
        if not call.is_("PUT", "policy") or not block or not block.block_public_policy:
            return None
        return call.error(403, "AccessDenied", "Access Denied") if bucket_policy_is_public(call.body) else None

    guard_s3(guard)


def s3_policy_conditions() -> None:
    from moto.iam.access_control import IAMPolicy, PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(self, action: str, resource: str):
        document = json.loads(self.policy) if self.policy else {}
        without = [s for s in as_list(document.get("Statement", [])) if not s.get("Condition")]
        if not without:
            return PermissionResult.NEUTRAL
        return IAMPolicy(json.dumps({**document, "Statement": without})).is_action_permitted(action, resource)

    FakeBucket.get_permission = get_permission


def s3_acl_not_supported() -> None:
    def guard(call):
        enforced = call.bucket.ownership_rule == "BucketOwnerEnforced"
        harmless = call.headers.get("x-amz-acl") == "bucket-owner-full-control"
        if not call.is_("PUT", "acl") or not enforced or harmless:
            return None
        return call.error(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")

    guard_s3(guard)


def s3_ownership_acl() -> None:
    from moto.s3.models import OWNER

    def guard(call):
        grantees = [grantee for grant in call.bucket.acl.grants for grantee in grant.grantees]
        foreign = any(grantee.uri or grantee.id != OWNER for grantee in grantees)
        if not call.is_("PUT", "ownershipControls") or b"BucketOwnerEnforced" not in call.body or not foreign:
            return None
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        return call.error(400, "InvalidBucketAclWithObjectOwnership", message)

    guard_s3(guard)


def s3_encryption_fields() -> None:
    from moto.core.responses import ActionResult
    from moto.s3.responses import S3Response

    get = S3Response.get_bucket_encryption

    def get_bucket_encryption(self):
        rule = (self.backend.get_bucket_encryption(self.bucket_name) or {}).get("Rule", {})
        blocked = rule.get("BlockedEncryptionTypes")
        if not blocked:
            return get(self)
        answered = {
            "ApplyServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"],
            "BucketKeyEnabled": rule.get("BucketKeyEnabled") == "true",
            "BlockedEncryptionTypes": {"EncryptionType": as_list(blocked["EncryptionType"])},
        }
        self.data["Action"] = "GetBucketEncryption"
        return self.serialized(ActionResult({"ServerSideEncryptionConfiguration": {"Rules": [answered]}}))

    S3Response.get_bucket_encryption = get_bucket_encryption


def s3_mfa_delete() -> None:
    from moto.core.responses import ActionResult
    from moto.s3.responses import S3Response

    def guard(call):
        wanted = b"<MfaDelete>Enabled</MfaDelete>" in call.body
        if not call.is_("PUT", "versioning"):
            return None
        if "x-amz-mfa" not in call.headers:
            needed = wanted or getattr(call.bucket, "mfa_delete", False)
            return call.error(403, "AccessDenied", "Access Denied") if needed else None
        call.bucket.mfa_delete = wanted
        return None

    def get_bucket_versioning(self):
        bucket = self.backend.get_bucket(self.bucket_name)
        result = {"Status": bucket.versioning_status}
        if hasattr(bucket, "mfa_delete"):
            result["MFADelete"] = "Enabled" if bucket.mfa_delete else "Disabled"
        self.data["Action"] = "GetBucketVersioning"
        return self.serialized(ActionResult(result))

    guard_s3(guard)
    S3Response.get_bucket_versioning = get_bucket_versioning


def s3_notification_eventbridge() -> None:
    import re

    from moto.s3.responses import S3Response

    get = S3Response.get_bucket_notification

    def get_bucket_notification(self):
        configuration = self.backend.get_bucket_notification_configuration(self.bucket_name)
        status, headers, body = get(self)
        if configuration and configuration.event_bridge is not None:
            body = re.sub(r"/>\s*$", "></NotificationConfiguration>", body)  # it may have nothing else
            end = body.rindex("</")
            body = body[:end] + "<EventBridgeConfiguration></EventBridgeConfiguration>" + body[end:]
        return status, headers, body

    S3Response.get_bucket_notification = get_bucket_notification


def s3_notification_filter_names() -> None:
    import re

    from moto.s3.responses import S3Response

    get = S3Response.get_bucket_notification

    def get_bucket_notification(self):
        status, headers, body = get(self)
        body = re.sub(r"<Name>(prefix|suffix)</Name>", lambda m: f"<Name>{m[1].capitalize()}</Name>", body, flags=re.I)
        return status, headers, body

    S3Response.get_bucket_notification = get_bucket_notification


def s3_notification_targets() -> None:
    from moto.sns.models import sns_backends
    from moto.sqs.models import sqs_backends

    def exists(target: str) -> bool:
        _, _, service, region, account, name = target.split(":", 5)
        if service == "sqs":
            return name in sqs_backends[account][region].queues
        return service != "sns" or target in sns_backends[account][region].topics

    def guard(call):
        unchecked = call.headers.get("x-amz-skip-destination-validation", "").lower() == "true"
        if not call.is_("PUT", "notification") or unchecked:
            return None
        if all(exists(entry.target) for entry in notification_entries(call.body)):
            return None
        return call.error(400, "InvalidArgument", "Unable to validate the following destination configurations")

    guard_s3(guard)


def s3_notification_overlap() -> None:
    def share_an_event(a, b) -> bool:
        def covers(one: str, other: str) -> bool:
            return one == other or (one.endswith("*") and other.startswith(one[:-1]))

        return any(covers(x, y) or covers(y, x) for x in a.events for y in b.events)

    def share_a_key(a, b) -> bool:
        prefixes = a.prefix.startswith(b.prefix) or b.prefix.startswith(a.prefix)
        return prefixes and (a.suffix.endswith(b.suffix) or b.suffix.endswith(a.suffix))

    def guard(call):
        entries = notification_entries(call.body) if call.is_("PUT", "notification") else []
        pairs = itertools.combinations(entries, 2)
        if not any(share_an_event(a, b) and share_a_key(a, b) for a, b in pairs):
            return None
        message = (
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules "
            "if the prefixes are overlapping for the same event type."
        )
        return call.error(400, "InvalidArgument", message)

    guard_s3(guard)


@dataclass(frozen=True)
class NotificationEntry:
    target: str
    events: list[str]
    prefix: str
    suffix: str


def notification_entries(body: bytes) -> list[NotificationEntry]:
    import xmltodict

    configuration = xmltodict.parse(body)["NotificationConfiguration"] or {}
    entries = []
    for kind in ("Topic", "Queue", "CloudFunction"):
        for entry in as_list(configuration.get(f"{kind}Configuration")):
            rules = as_list(((entry.get("Filter") or {}).get("S3Key") or {}).get("FilterRule"))
            filters = {rule["Name"].lower(): rule["Value"] or "" for rule in rules}
            prefix, suffix = filters.get("prefix", ""), filters.get("suffix", "")
            entries.append(NotificationEntry(entry[kind], as_list(entry["Event"]), prefix, suffix))
    return entries


def as_list(value) -> list:
    """What XML has once, several times or not at all."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


class S3Call:
    """What a guard sees of a request to an existing bucket."""

    def __init__(self, response, request, bucket):
        self.bucket = bucket
        self.region = response.region
        self.body = response.body
        self.headers = request.headers
        self.method = request.method
        self.sub_resources = set(request.args)
        self.has_key = bool(response.parse_key_name())

    def is_(self, method: str, sub_resource: str = "") -> bool:
        """Whether this is a call on the bucket itself: on the sub-resource, or with none (PUT: CreateBucket)."""
        if self.has_key or self.method != method:
            return False
        return sub_resource in self.sub_resources if sub_resource else not self.sub_resources

    def error(self, status: int, code: str, message: str, extra: str = "", headers: dict | None = None):
        body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{extra}</Error>"
        return status, dict(headers or {}), "" if self.method == "HEAD" else body


def guard_s3(guard) -> None:
    from moto.s3.exceptions import S3ClientError
    from moto.s3.responses import S3Response

    def guarded(original):
        def respond(self, request, *args):
            try:
                bucket = self.backend.get_bucket(self.bucket_name)
            except S3ClientError:
                bucket = None  # moto says NoSuchBucket, or creates it
            answer = guard(S3Call(self, request, bucket)) if bucket else None
            return answer or original(self, request, *args)

        return respond

    S3Response._bucket_response = guarded(S3Response._bucket_response)
    S3Response._key_response = guarded(S3Response._key_response)


# --- IAM ------------------------------------------------------------------------------------------------------------


def iam_update_role() -> None:
    from moto.core.responses import EmptyResult
    from moto.iam.responses import IamResponse

    def update_role(self):
        role = self.backend.get_role(self._get_param("RoleName"))
        description = self._get_param("Description")
        self.backend.update_role(
            role.name,
            role.description if description is None else description,
            self._get_param("MaxSessionDuration", 3600),
        )
        return EmptyResult()

    IamResponse.update_role = update_role


def iam_oidc_client_ids() -> None:
    from moto.core.responses import EmptyResult
    from moto.core.utils import camelcase_to_underscores
    from moto.iam.responses import IamResponse

    def client_ids(self) -> list[str]:
        return self.backend.get_open_id_connect_provider(self._get_param("OpenIDConnectProviderArn")).client_id_list

    def add(self):
        ids, new = client_ids(self), self._get_param("ClientID")
        if new not in ids:
            ids.append(new)
        return EmptyResult()

    def remove(self):
        ids, old = client_ids(self), self._get_param("ClientID")
        if old in ids:
            ids.remove(old)
        return EmptyResult()

    setattr(IamResponse, camelcase_to_underscores("AddClientIDToOpenIDConnectProvider"), add)
    setattr(IamResponse, camelcase_to_underscores("RemoveClientIDFromOpenIDConnectProvider"), remove)


def iam_policy_version_encoding() -> None:
    from moto.iam.responses import IamResponse, url_encode

    IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER["GetPolicyVersionResponse.PolicyVersion.Document"] = url_encode


def iam_deleted_principals() -> None:
    from moto.iam.models import IAMBackend, iam_backends
    from moto.kms.models import kms_backends
    from moto.s3.models import s3_backends

    def orphan(arn: str, unique_id: str) -> None:
        DELETED_PRINCIPALS.add(unique_id)
        for bucket in s3_backends[ACCOUNT]["aws"].buckets.values():
            if bucket.policy:
                bucket.policy = renamed(bucket.policy.decode(), arn, unique_id).encode()
        for backend in list(kms_backends[ACCOUNT].values()):
            for key in backend.keys.values():
                key.policy = renamed(key.policy, arn, unique_id)
        for role in iam_backends[ACCOUNT]["aws"].roles.values():
            role.assume_role_policy_document = renamed(role.assume_role_policy_document, arn, unique_id)

    def orphaning(delete, get):
        def delete_and_orphan(self, name: str) -> None:
            entity = get(self, name)
            delete(self, name)
            orphan(entity.arn, entity.id)

        return delete_and_orphan

    IAMBackend.delete_role = orphaning(IAMBackend.delete_role, IAMBackend.get_role)
    IAMBackend.delete_user = orphaning(IAMBackend.delete_user, IAMBackend.get_user)


def renamed(text: str, old: str, new: str) -> str:
    """The policy with another name under Principal; as it was if it does not name the old one there."""
    document = json.loads(text)
    found = False
    for names in principal_lists(document):
        for i, name in enumerate(names):
            if name == old:
                names[i], found = new, True
    return json.dumps(document, separators=(",", ":")) if found else text


# --- Policies on resources ------------------------------------------------------------------------------------------

# Unique ids that stand for nobody any more.
DELETED_PRINCIPALS: set[str] = set()


def policy_fault(body: str | bytes) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return "Policies must be valid JSON and the first byte must be '{'"
    if "Statement" not in document:
        return "Missing required field Statement"
    if not all(principal_exists(name) for names in principal_lists(document) for name in names):
        return "Invalid principal in policy"
    return ""


def principal_exists(name: str) -> bool:
    from moto.iam.models import iam_backends

    if name in DELETED_PRINCIPALS:
        return False
    if not name.startswith(f"arn:aws:iam::{ACCOUNT}:") or name.endswith(":root"):
        return True
    backend = iam_backends[ACCOUNT]["aws"]
    return name in [entity.arn for entity in (*backend.roles.values(), *backend.users.values())]


def principal_lists(document: dict) -> list[list[str]]:
    """The names under Principal and NotPrincipal as lists that are part of the document."""
    statements = document["Statement"]
    found = []
    for statement in statements if isinstance(statements, list) else [statements]:
        if statement is None:  # moto's CloudFormation leaves it where a template says AWS::NoValue
            continue
        for element in ("Principal", "NotPrincipal"):
            principal = statement.get(element)
            if not isinstance(principal, dict) or "AWS" not in principal:
                continue
            if not isinstance(principal["AWS"], list):
                principal["AWS"] = [principal["AWS"]]
            found.append(principal["AWS"])
    return found


# --- KMS ------------------------------------------------------------------------------------------------------------


def kms_malformed_key_policy() -> None:
    from moto.core.exceptions import JsonRESTError
    from moto.kms.responses import KmsResponse

    put = KmsResponse.put_key_policy

    def put_key_policy(self):
        message = policy_fault(self._get_param("Policy"))
        if message == "Invalid principal in policy":
            message = "Policy contains a statement with one or more invalid principals."
        if message:
            raise JsonRESTError("MalformedPolicyDocumentException", message)
        return put(self)

    KmsResponse.put_key_policy = put_key_policy


def kms_key_arns() -> None:
    from moto.kms.models import KmsBackend

    def by_id(change):
        return lambda self, key_id, *args, **kwargs: change(self, self.get_key_id(key_id), *args, **kwargs)

    for name in ("enable_key", "disable_key", "schedule_key_deletion", "cancel_key_deletion"):
        setattr(KmsBackend, name, by_id(getattr(KmsBackend, name)))


def kms_key_states() -> None:
    from moto.core.exceptions import JsonRESTError
    from moto.kms.models import KmsBackend

    def only_if(pending: bool, change):
        def checked(self, key_id: str) -> None:
            key = self.keys[self.get_key_id(key_id)]
            if (key.key_state == "PendingDeletion") != pending:
                raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is {key.key_state}.")
            change(self, key_id)

        return checked

    KmsBackend.enable_key = only_if(False, KmsBackend.enable_key)
    KmsBackend.cancel_key_deletion = only_if(True, KmsBackend.cancel_key_deletion)


# --- EventBridge and Lambda -----------------------------------------------------------------------------------------
# What a rule does with an event is patched several times: the patch added last decides first, so whether a rule is
# enabled comes last in the list above.


def events_delivered_envelope() -> None:
    from moto.events.utils import EventTemplateParser

    transform = EventTemplateParser.parse
    fields = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")

    def parse(input_template, input_paths_map, event):
        if input_template:
            return transform(input_template, input_paths_map, event)
        return {field: event[field] for field in fields}

    EventTemplateParser.parse = staticmethod(parse)


def events_topic_target() -> None:
    from moto.core.utils import iso_8601_datetime_without_milliseconds, utcfromtimestamp
    from moto.events.utils import EventTemplateParser
    from moto.sns.models import sns_backends

    def publish(rule, target: dict, event: dict) -> None:
        transformer = target.get("InputTransformer", {})
        template, paths = transformer.get("InputTemplate"), transformer.get("InputPathsMap", {})
        message = dict(EventTemplateParser.parse(input_template=template, input_paths_map=paths, event=event))
        if "time" in message and not isinstance(message["time"], str):
            message["time"] = iso_8601_datetime_without_milliseconds(utcfromtimestamp(message["time"]))
        sns_backends[rule.account_id][rule.region_name].publish(message=json.dumps(message), arn=target["Arn"])

    send_ourselves(lambda arn: arn.startswith("arn:aws:sns:"), publish)


def events_lambda_target() -> None:
    send_ourselves(lambda arn: ":lambda:" in arn, lambda _rule, _target, _event: None)


def events_bus_target() -> None:
    import copy

    from moto.events.models import events_backends

    def forward(_rule, target: dict, event: dict) -> None:
        _, _, _, region, account, bus = target["Arn"].split(":", 5)
        for rule in events_backends[account][region].describe_event_bus(bus.removeprefix("event-bus/")).rules.values():
            rule.send_to_targets(copy.deepcopy(event))

    send_ourselves(lambda arn: arn.startswith("arn:aws:events:") and ":event-bus/" in arn, forward)


def send_ourselves(ours, deliver) -> None:
    """Lets deliver serve the targets that are ours, by their ARN, and moto the others."""
    import copy

    from moto.events.models import Rule

    send = Rule.send_to_targets

    def send_to_targets(self, original_event, *args, **kwargs) -> None:
        if not self.event_pattern.matches_event(original_event):
            return
        others = copy.copy(self)
        others.targets = [target for target in self.targets if not ours(target["Arn"])]
        send(others, original_event, *args, **kwargs)
        for target in self.targets:
            if ours(target["Arn"]):
                deliver(self, target, original_event)

    Rule.send_to_targets = send_to_targets


def events_scheduled_rules() -> None:
    from moto.events.models import Rule

    send = Rule.send_to_targets

    def send_to_targets(self, *args, **kwargs) -> None:
        if not self.scheduled_expression or self.event_pattern.dump():
            send(self, *args, **kwargs)

    Rule.send_to_targets = send_to_targets


def events_disabled_rules() -> None:
    from moto.events.models import Rule

    send = Rule.send_to_targets

    def send_to_targets(self, *args, **kwargs) -> None:
        if self.state != "DISABLED":
            send(self, *args, **kwargs)

    Rule.send_to_targets = send_to_targets


def sns_email_confirmation() -> None:
    from moto.core.responses import ActionResult
    from moto.sns.responses import SNSResponse

    def waits(subscription) -> bool:
        return subscription.protocol == "email" and not subscription.confirmed

    def listed(subscription) -> dict[str, str]:
        return {
            "SubscriptionArn": "PendingConfirmation" if waits(subscription) else subscription.arn,
            "Owner": subscription.owner,
            "Protocol": subscription.protocol,
            "Endpoint": subscription.endpoint,
            "TopicArn": subscription.topic_arn,
        }

    def in_lists(original):
        def answer(self):
            result = original(self)
            result._result["Subscriptions"] = [listed(one) for one in result._result["Subscriptions"]]
            return result

        return answer

    subscribe, confirm = SNSResponse.subscribe, SNSResponse.confirm_subscription

    def subscribe_email(self):
        result = subscribe(self)
        made = self.backend.subscriptions.get(result._result["SubscriptionArn"])
        return ActionResult({"SubscriptionArn": "pending confirmation"}) if made and waits(made) else result

    def confirm_email(self):
        topic, token = self._get_param("TopicArn"), self._get_param("Token")
        for one in self.backend.subscriptions.values():
            if one.topic_arn == topic and one.protocol == "email" and one.endpoint == token:
                one.confirmed = True
                return ActionResult({"SubscriptionArn": one.arn})
        return confirm(self)

    SNSResponse.subscribe, SNSResponse.confirm_subscription = subscribe_email, confirm_email
    SNSResponse.list_subscriptions = in_lists(SNSResponse.list_subscriptions)
    SNSResponse.list_subscriptions_by_topic = in_lists(SNSResponse.list_subscriptions_by_topic)


def cloudtrail_default_selectors() -> None:
    from moto.cloudtrail.models import Trail

    init = Trail.__init__

    def with_selectors(self, *args, **kwargs) -> None:
        init(self, *args, **kwargs)
        self.event_selectors = [
            {
                "ReadWriteType": "All",
                "IncludeManagementEvents": True,
                "DataResources": [],
                "ExcludeManagementEventSources": [],
            }
        ]

    Trail.__init__ = with_selectors


def lambda_event_source_mapping() -> None:
    from moto.awslambda.models import LambdaBackend
    from moto.sqs.models import sqs_backends

    create = LambdaBackend.create_event_source_mapping

    def create_event_source_mapping(self, spec):
        mapping = create(self, spec)
        for queue in sqs_backends[self.account_id][self.region_name].queues.values():
            queue.lambda_event_source_mappings.clear()  # what makes moto's queue push to docker
        return mapping

    LambdaBackend.create_event_source_mapping = create_event_source_mapping


def sqs_policy_kept() -> None:
    from moto.sqs.models import Queue

    set_attributes = Queue._set_attributes

    def _set_attributes(self, attributes, now=None) -> None:
        kept = {"Policy": self.policy} if getattr(self, "_policy_json", {}).get("Statement") else {}
        set_attributes(self, {**kept, **attributes}, now)

    Queue._set_attributes = _set_attributes


def lambda_recursion_config() -> None:
    from moto.awslambda.responses import LambdaResponse
    from moto.awslambda.urls import url_paths
    from moto.core.responses import ActionResult

    def function(self):
        from urllib.parse import unquote

        return self.backend.get_function(unquote(self.path.split("/")[-2]))

    def get(self):
        return ActionResult({"RecursiveLoop": getattr(function(self), "recursive_loop", "Terminate")})

    def put(self):
        function(self).recursive_loop = self.json_body["RecursiveLoop"]
        return get(self)

    LambdaResponse.get_function_recursion_config, LambdaResponse.put_function_recursion_config = get, put
    path = r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/recursion-config$"
    url_paths[path] = LambdaResponse.dispatch


# --- The server -----------------------------------------------------------------------------------------------------

# moto finds CloudFormation types among the subclasses alive: these must not be garbage-collected.
KEEP: list[type] = []


def emulate(off: set[str]) -> None:
    unknown = off - {gap.id for gap in gaps() if gap.emulate}
    if unknown:
        sys.exit(f"ICAGUARD_GAPS_OFF names what emulation.py does not emulate: {', '.join(sorted(unknown))}")
    for gap in gaps():
        if gap.emulate and gap.id not in off:
            gap.emulate()


def end_with_parent() -> None:
    while os.read(0, 1024):  # ends when the parent, which holds the other end, is gone
        pass
    os._exit(0)


def serve() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    emulate({name for name in os.environ.get("ICAGUARD_GAPS_OFF", "").split(",") if name})

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    def backend_app(service):
        app = create_backend_app(service)
        app.register_error_handler(NotImplementedError, lambda error: (str(error), 501))  # the recorder words it as AWS does
        return app

    app = DomainDispatcherApplication(backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    os.environ["MOTO_PORT"] = str(server.port)
    with os.fdopen(3, "w") as report:
        print(server.port, file=report)
    server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        json.dump([gap.describe() for gap in gaps()], sys.stdout, indent=2, ensure_ascii=False)
    else:
        serve()
