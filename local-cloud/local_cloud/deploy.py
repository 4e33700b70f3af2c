"""Deploys the template as it is, with parameters for this machine."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.utils import get_backend
from moto.cloudformation.parsing import NULL_MODELS, get_model_map

from .aws import ACCOUNT, REGION, client
from .functions import FunctionSpec
from .template import Json, Pace, Template, TemplateError

STACK_NAME = "bisonflow"
# The image is whatever --image-command runs; only its form matters.
WORKER_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/bisonflow@sha256:{'0' * 64}"


@dataclass(frozen=True)
class Stack:
    """What was deployed; `resources` gives the physical ids by logical id."""

    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    resource_types: Mapping[str, str]

    def first(self, resource_type: str) -> str | None:
        """The physical id of the first resource of a type."""
        for logical_id, of_type in self.resource_types.items():
            if of_type == resource_type:
                return self.resources.get(logical_id)
        return None


def check_binaries(template: Template, directory: Path) -> dict[str, Path]:
    """The path of every function's binary, by logical id.

    # Errors
    TemplateError that names every binary that is missing.
    """
    paths = {logical_id: directory / name for logical_id, name in template.binaries().items()}
    missing = [f"{path} ({logical_id})" for logical_id, path in paths.items() if not path.is_file()]
    if missing:
        raise TemplateError("no binary for some functions: " + ", ".join(missing))
    return paths


def deploy(template: Template, endpoint: str, given: Mapping[str, str], pace: Pace) -> Stack:
    """Creates the stack.

    # Errors
    TemplateError when a parameter has no value, a resource is of a type that is not emulated, or
    the creation fails.
    """
    parameters = choose_parameters(template.body.get("Parameters", {}), endpoint, given)
    body = template.cloudformation(parameters, pace)
    unknown = {
        resource["Type"]
        for resource in body["Resources"].values()
        if resource["Type"] not in get_model_map() and resource["Type"] not in NULL_MODELS
    }
    if unknown:
        raise TemplateError(f"resources that are not emulated: {', '.join(sorted(unknown))}")
    cloudformation = client("cloudformation", endpoint)
    try:
        cloudformation.create_stack(
            StackName=STACK_NAME,
            TemplateBody=json.dumps(body),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        )
    except (BotoCoreError, ClientError) as error:
        raise TemplateError(f"the stack was refused: {error}") from error
    described = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    if described["StackStatus"] != "CREATE_COMPLETE":
        reason = described.get("StackStatusReason", "")
        raise TemplateError(f"the stack is {described['StackStatus']}: {reason}")
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
    physical = {
        resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
        for page in pages
        for resource in page["StackResourceSummaries"]
    }
    return Stack(
        outputs={
            output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])
        },
        resources=physical,
        resource_types={name: resource["Type"] for name, resource in body["Resources"].items()},
    )


def functions_of(stack: Stack, binaries: Mapping[str, Path]) -> list[FunctionSpec]:
    """The functions of the stack, with the environment, timeout and memory that it gave them."""
    backend = get_backend(ACCOUNT, REGION)
    specs = []
    for logical_id, binary in binaries.items():
        function = backend.get_function(stack.resources[logical_id])
        specs.append(
            FunctionSpec(
                logical_id=logical_id,
                name=function.function_name,
                binary=binary.resolve(),
                environment={name: str(value) for name, value in function.environment_vars.items()},
                timeout_seconds=float(function.timeout),
                memory_mb=int(function.memory_size),
            )
        )
    return specs


def choose_parameters(
    declared: Mapping[str, Json], endpoint: str, given: Mapping[str, str]
) -> dict[str, str]:
    """A value for every parameter: what was given, the default, or what this machine has.

    # Errors
    TemplateError for a parameter that does not exist, has no value, or has one it does not allow.
    """
    if unknown := given.keys() - declared.keys():
        raise TemplateError(f"the template has no parameter {', '.join(sorted(unknown))}")
    local = _LocalValues(endpoint)
    values = {}
    for name, parameter in declared.items():
        default = parameter.get("Default")
        value = given.get(name) or local.value(name, parameter["Type"])
        if value is None and default is None:
            raise TemplateError(f"parameter {name} has no default: give --parameter {name}=…")
        values[name] = str(default) if value is None else value
        pattern = parameter.get("AllowedPattern")
        if pattern and not re.fullmatch(pattern, values[name]):
            raise TemplateError(f"parameter {name}: {values[name]!r} does not match {pattern}")
    return values


class _LocalValues:
    """Values for parameters that only an account can give: its default network, an image."""

    def __init__(self, endpoint: str) -> None:
        self._ec2 = client("ec2", endpoint)

    def value(self, name: str, parameter_type: str) -> str | None:
        if parameter_type == "AWS::EC2::VPC::Id":
            return str(self._default_vpc())
        if parameter_type == "List<AWS::EC2::Subnet::Id>":
            return ",".join(self._default_subnets())
        if parameter_type == "AWS::EC2::Subnet::Id":
            return self._default_subnets()[0]
        return WORKER_IMAGE if name == "WorkerImage" else None

    def _default_vpc(self) -> Any:
        filters = [{"Name": "is-default", "Values": ["true"]}]
        return self._ec2.describe_vpcs(Filters=filters)["Vpcs"][0]["VpcId"]

    def _default_subnets(self) -> list[str]:
        filters = [{"Name": "vpc-id", "Values": [self._default_vpc()]}]
        subnets = self._ec2.describe_subnets(Filters=filters)["Subnets"]
        return sorted(subnet["SubnetId"] for subnet in subnets)
