"""Resources that moto's CloudFormation skips, refuses or creates only by half."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.batch.models import ComputeEnvironment, JobDefinition
from moto.core.common_models import CloudFormationModel
from moto.glue.models import glue_backends
from moto.iam.models import iam_backends
from moto.s3.models import FakeBucket
from moto.stepfunctions import models as stepfunctions_models
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from .aws import ACCOUNT, PARTITION, REGION
from .overrides import wraps

# Nothing here looks at these, so that they are declared is enough.
DECLARED_ONLY = (
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
)

Properties = Mapping[str, Any]
Create = Callable[[str, Properties], str]


def _resource_class(resource_type: str, create: Create) -> type[CloudFormationModel]:
    """A resource that `create` makes of its name and properties; the result is its physical id."""

    class Resource(CloudFormationModel):
        def __init__(self, physical_resource_id: str) -> None:
            self.physical_id = physical_resource_id

        @property
        def physical_resource_id(self) -> str:
            return self.physical_id

        @staticmethod
        def cloudformation_name_type() -> str:
            return "Name"

        @staticmethod
        def cloudformation_type() -> str:
            return resource_type

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return attr == "Arn"

        def get_cfn_attribute(self, attribute_name: str) -> str:
            service = resource_type.split("::")[1].lower()
            kind = resource_type.split("::")[2].lower()
            del attribute_name
            return f"arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{kind}/{self.physical_id}"

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, *_args: Any, **_kwargs: Any
        ) -> "Resource":
            return cls(create(resource_name, cloudformation_json["Properties"]))

    # moto tells the service by the module's name.
    Resource.__module__ = f"moto.{resource_type.split('::')[1].lower()}.models"
    Resource.__name__ = resource_type.replace(":", "")
    return Resource


def _glue_database(name: str, properties: Properties) -> str:
    given = properties["DatabaseInput"]
    name = given.get("Name", name)
    glue_backends[ACCOUNT][REGION].create_database(name, {**given, "Name": name})
    return name


def _glue_table(name: str, properties: Properties) -> str:
    given = properties["TableInput"]
    name = given.get("Name", name)
    glue_backends[ACCOUNT][REGION].create_table(
        properties["DatabaseName"], name, {**given, "Name": name}
    )
    return name


def _glue_crawler(name: str, properties: Properties) -> str:
    configuration = properties.get("Configuration", "")
    glue_backends[ACCOUNT][REGION].create_crawler(
        name=name,
        role=properties["Role"],
        database_name=properties["DatabaseName"],
        description=properties.get("Description", ""),
        targets=properties["Targets"],
        schedule="",
        classifiers=properties.get("Classifiers", []),
        table_prefix=properties.get("TablePrefix", ""),
        schema_change_policy=properties.get("SchemaChangePolicy", {}),
        recrawl_policy=properties.get("RecrawlPolicy", {}),
        lineage_configuration={},
        configuration=configuration
        if isinstance(configuration, str)
        else json.dumps(configuration),
        crawler_security_configuration="",
        tags={},
    )
    return name


# Kept, because moto finds the classes through weak references to them.
CLASSES = [
    _resource_class("AWS::Glue::Database", _glue_database),
    _resource_class("AWS::Glue::Table", _glue_table),
    _resource_class("AWS::Glue::Crawler", _glue_crawler),
    *(
        _resource_class(name, lambda physical_id, _properties: physical_id)
        for name in DECLARED_ONLY
    ),
]


def install() -> None:
    """Completes what moto makes of a template."""
    # The state machine of a stack must be one that runs.
    setattr(stepfunctions_models, "stepfunctions_backends", stepfunctions_parser_backends)  # noqa: B010

    @wraps(stepfunctions_models.StateMachine, "create_from_cloudformation_json")
    def create_state_machine(
        moto_create: Callable[..., Any], cls: Any, name: str, resource: Any, *args: Any, **kw: Any
    ) -> Any:
        properties = resource["Properties"]
        for key, value in properties.pop("DefinitionSubstitutions", {}).items():
            properties["DefinitionString"] = properties["DefinitionString"].replace(
                f"${{{key}}}", str(value)
            )
        return moto_create(cls, name, resource, *args, **kw)

    @wraps(stepfunctions_models.StateMachine, "has_cfn_attr")
    def has_state_machine_attribute(moto_has: Callable[..., bool], cls: Any, attr: str) -> bool:
        return attr == "Arn" or moto_has(cls, attr)

    @wraps(stepfunctions_models.StateMachine, "get_cfn_attribute")
    def get_state_machine_attribute(moto_get: Callable[..., Any], self: Any, attr: str) -> Any:
        return self.arn if attr == "Arn" else moto_get(self, attr)

    @wraps(FakeBucket, "create_from_cloudformation_json")
    def create_bucket(
        moto_create: Callable[..., Any], cls: Any, name: str, resource: Any, *args: Any, **kw: Any
    ) -> Any:
        bucket = moto_create(cls, name, resource, *args, **kw)
        properties = resource.get("Properties", {})
        if properties.get("VersioningConfiguration", {}).get("Status") == "Enabled":
            bucket.versioning_status = "Enabled"
        if "EventBridgeConfiguration" in properties.get("NotificationConfiguration", {}):
            bucket.set_notification_configuration({"EventBridgeConfiguration": {}})
        return bucket

    @wraps(ComputeEnvironment, "create_from_cloudformation_json")
    def create_compute_environment(
        moto_create: Callable[..., Any], cls: Any, name: str, resource: Any, *args: Any, **kw: Any
    ) -> Any:
        # Left out, it is the account's service-linked role.
        resource["Properties"].setdefault("ServiceRole", _batch_service_role())
        return moto_create(cls, name, resource, *args, **kw)

    @wraps(JobDefinition, "create_from_cloudformation_json")
    def create_job_definition(
        moto_create: Callable[..., Any], cls: Any, name: str, resource: Any, *args: Any, **kw: Any
    ) -> Any:
        properties = resource["Properties"]
        properties.setdefault("RetryStrategy", {"Attempts": 1})
        definition = moto_create(cls, name, resource, *args, **kw)
        definition.parameters = properties.get("Parameters", {})
        if "Timeout" in properties:
            seconds = int(properties["Timeout"]["AttemptDurationSeconds"])
            definition.timeout = {"attemptDurationSeconds": seconds}
        return definition


def _batch_service_role() -> str:
    iam = iam_backends[ACCOUNT][PARTITION]
    name = "AWSServiceRoleForBatch"
    known = [role.arn for role in iam.get_roles() if role.name == name]
    if known:
        return known[0]
    return iam.create_role(
        role_name=name,
        assume_role_policy_document="{}",
        path="/aws-service-role/batch.amazonaws.com/",
        permissions_boundary=None,
        description="",
        tags=[],
        max_session_duration="3600",
    ).arn
