"""What moto does not do as AWS does: the one list, and the emulation of the entries that have one.

This file is the only place, besides the Go files that the list names, that may invent AWS's answers. Every entry
names the AWS documentation it follows. It is also the program that runs moto:

    python gaps.py           serve on a free loopback port, which is written to file descriptor 3 as one line;
                             ends when standard input is closed, so that moto never outlives who started it
    python gaps.py --list    print the list as JSON

ICAGUARD_GAPS_OFF (ids, separated by commas) switches emulations off, so that a test can show that it needs one.
"""

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
        by = f"gaps.py {self.emulate.__name__}" if self.emulate else self.by
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
            "drops a bucket's CorsConfiguration, PublicAccessBlockConfiguration, VersioningConfiguration and "
            "OwnershipControls",
            "applies them on create and update (that an update takes a property away again is not emulated)",
            CFN_GUIDE + "aws-resource-s3-bucket.html",
            cfn_bucket_properties,
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
            "s3-new-bucket-defaults",
            "s3",
            "a new bucket has no public access block, ownership controls or encryption; deleted encryption is gone",
            "blocks all public access, BucketOwnerEnforced, AES256, which comes back when encryption is deleted",
            S3_GUIDE + "create-bucket-faq.html",
            s3_new_bucket_defaults,
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
            "400 MalformedPolicy: not JSON, no Statement, or a principal of this account that does not exist "
            "(principals of other accounts are taken on trust here)",
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
            "only the duration has a default when it is omitted (one hour); the description is kept",
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
            "events-delivered-envelope",
            "events",
            "the event delivered to a target lacks account, and text like <source> within it is replaced",
            "delivers the event as it is, with account",
            EVENTS_GUIDE + "eb-events-structure.html",
            events_delivered_envelope,
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
            "lambda-event-source-mapping",
            "lambda",
            "a mapping takes the queue's messages itself and tries to start docker",
            "Lambda polls the queue; here the mapping exists, and localaws.Poller polls (poller.go)",
            LAMBDA_GUIDE + "with-sqs.html",
            lambda_event_source_mapping,
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
            "faults",
            "all",
            "is never slow, throttled, denied or away",
            "answers AccessDenied, Throttling, SlowDown, 5xx, or not at all",
            S3_API + "ErrorResponses.html",
            by="faults.go",
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
            "skips AWS::S3::BucketPolicy, AWS::SQS::QueuePolicy, AWS::SNS::TopicPolicy, AWS::CloudWatch::Alarm, "
            "AWS::CloudTrail::Trail silently; drops lifecycle rules and Lambda architectures",
            "creates them",
            CFN_GUIDE + "aws-template-resource-type-ref.html",
        ),
        Gap(
            "cfn-life-cycle",
            "cloudformation",
            "no rollback, never IN_PROGRESS, no stack status events, updates unreliable, RetainExceptOnCreate ignored",
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
            "iam-deleted-principals",
            "iam",
            "a deleted principal stays named in policies",
            "turns into its unique id (AROA…)",
            IAM_GUIDE + "reference_policies_elements_principal.html",
        ),
        Gap(
            "iam-simulation",
            "iam",
            "SimulatePrincipalPolicy and SimulateCustomPolicy answer HTTP 500",
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
            "s3-request-payment",
            "s3",
            "PutBucketRequestPayment becomes CreateBucket",
            "works",
            S3_API + "API_PutBucketRequestPayment.html",
        ),
        Gap(
            "s3-restrict-public-buckets",
            "s3",
            "BlockPublicAcls, IgnorePublicAcls and RestrictPublicBuckets have no effect",
            "refuse or ignore public access",
            S3_GUIDE + "access-control-block-public-access.html",
        ),
        Gap(
            "s3-account-public-access-block",
            "s3control",
            "account calls go to a host with the account id in front, which is no loopback name",
            "resolves",
            S3_API + "API_control_PutPublicAccessBlock.html",
        ),
        Gap(
            "events-bus-target",
            "events",
            "an event bus as target passes on source, detail-type and detail only",
            "passes on the whole original event",
            EVENTS_GUIDE + "eb-cross-region.html",
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
            "cloudtrail-lookup",
            "cloudtrail",
            "LookupEvents answers HTTP 500; trails log nothing",
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


def cfn_oidc_provider() -> None:
    from moto.core.common_models import CloudFormationModel
    from moto.iam.models import iam_backends
    from moto.utilities.utils import get_partition

    def backend(account_id: str, region_name: str):
        return iam_backends[account_id][get_partition(region_name)]

    class OIDCProviderResource(CloudFormationModel):
        __module__ = "moto.icaguard"  # moto's metaclass takes the service from it

        def __init__(self, arn: str):
            self.physical_resource_id = arn

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return "AWS::IAM::OIDCProvider"

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return attr == "Arn"

        def get_cfn_attribute(self, attribute_name: str) -> str:
            from moto.cloudformation.exceptions import UnformattedGetAttTemplateException

            if attribute_name == "Arn":
                return self.physical_resource_id
            raise UnformattedGetAttTemplateException()

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
    from moto.iam.models import iam_backends

    def known(principal: str) -> bool:
        if not principal.startswith(f"arn:aws:iam::{ACCOUNT}:") or principal.endswith(":root"):
            return True
        backend = iam_backends[ACCOUNT]["aws"]
        return principal in [entity.arn for entity in (*backend.roles.values(), *backend.users.values())]

    def principals(document: dict) -> list[str]:
        statements = document["Statement"]
        found = []
        for statement in statements if isinstance(statements, list) else [statements]:
            principal = statement.get("Principal", {})
            named = principal.get("AWS", []) if isinstance(principal, dict) else []
            found += named if isinstance(named, list) else [named]
        return found

    def fault(body: bytes) -> str:
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return "Policies must be valid JSON and the first byte must be '{'"
        if "Statement" not in document:
            return "Missing required field Statement"
        if not all(known(principal) for principal in principals(document)):
            return "Invalid principal in policy"
        return ""

    def guard(call):
        message = fault(call.body) if call.is_("PUT", "policy") else ""
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


def s3_acl_not_supported() -> None:
    def guard(call):
        enforced = call.bucket.ownership_rule == "BucketOwnerEnforced"
        harmless = call.headers.get("x-amz-acl") == "bucket-owner-full-control"
        if not call.is_("PUT", "acl") or not enforced or harmless:
            return None
        return call.error(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")

    guard_s3(guard)


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


# --- EventBridge and Lambda -----------------------------------------------------------------------------------------


def events_delivered_envelope() -> None:
    from moto.events.utils import EventTemplateParser

    transform = EventTemplateParser.parse
    fields = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")

    def parse(input_template, input_paths_map, event):
        if input_template:
            return transform(input_template, input_paths_map, event)
        return {field: event[field] for field in fields}

    EventTemplateParser.parse = staticmethod(parse)


def events_disabled_rules() -> None:
    from moto.events.models import Rule

    send = Rule.send_to_targets

    def send_to_targets(self, *args, **kwargs) -> None:
        if self.state != "DISABLED":
            send(self, *args, **kwargs)

    Rule.send_to_targets = send_to_targets


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


# --- The server -----------------------------------------------------------------------------------------------------

# moto finds CloudFormation types among the subclasses alive: these must not be garbage-collected.
KEEP: list[type] = []


def emulate(off: set[str]) -> None:
    unknown = off - {gap.id for gap in gaps() if gap.emulate}
    if unknown:
        sys.exit(f"ICAGUARD_GAPS_OFF names what gaps.py does not emulate: {', '.join(sorted(unknown))}")
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

    app = DomainDispatcherApplication(create_backend_app)
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
