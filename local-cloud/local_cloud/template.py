"""Reads the SAM template: the only description of the stack there is.

What CloudFormation would do and moto does not, or not rightly, is done to the text before it is
deployed: local paths are resolved, `Fn::Sub` is spelled out, waits are shortened.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from samtranslator.translator.transform import transform

# The code of a function is a binary on this machine; the translator only wants an S3 URI.
CODE_URI = "s3://local-cloud/code.zip"

Json = dict[str, Any]


class TemplateError(ValueError):
    """The template asks for something that cannot be deployed here."""


class _TemplateLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, such as `!Sub`."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Json:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_TemplateLoader.add_multi_constructor("!", _short_form)
# A date such as 2010-09-09 is text here.
_TemplateLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Pace:
    """How much quicker than on AWS things go: caps in seconds, where there are any."""

    wait_seconds: int | None = None
    heartbeat_seconds: int | None = None
    answer_seconds: int | None = None


@dataclass(frozen=True)
class Template:
    """A SAM template as it was written, and where it lies."""

    path: Path
    body: Json

    @classmethod
    def read(cls, path: Path) -> "Template":
        return cls(path, yaml.load(path.read_text(), _TemplateLoader))  # noqa: S506

    def resources(self, resource_type: str) -> Iterator[tuple[str, Json]]:
        """The resources of a type, by logical id."""
        for logical_id, resource in self.body["Resources"].items():
            if resource["Type"] == resource_type:
                yield logical_id, resource

    def binaries(self) -> dict[str, str]:
        """The name of the binary of every function, by logical id.

        `Metadata.BuildProperties.Binary` says it, else `CountSubsetsFunction` is `count-subsets`.
        """
        return {
            logical_id: resource.get("Metadata", {}).get("BuildProperties", {}).get("Binary")
            or kebab_case(logical_id.removesuffix("Function"))
            for logical_id, resource in self.resources("AWS::Serverless::Function")
        }

    def cloudformation(self, parameters: Mapping[str, str], pace: Pace) -> Json:
        """The template as CloudFormation resources, ready for moto.

        # Errors
        TemplateError when a state machine's definition is not found.
        """
        body: Json = json.loads(json.dumps(self.body))
        for resource in body["Resources"].values():
            properties = resource.setdefault("Properties", {})
            if resource["Type"] == "AWS::Serverless::Function":
                properties["CodeUri"] = CODE_URI
            elif resource["Type"] == "AWS::Serverless::StateMachine":
                self._inline_definition(properties, pace)
        translated: Json = transform(body, dict(parameters), _NoManagedPolicies())
        spelled_out: Json = spell_out_subs(translated)
        return spelled_out

    def _inline_definition(self, properties: Json, pace: Pace) -> None:
        definition = properties.get("Definition")
        if isinstance(uri := properties.pop("DefinitionUri", None), str):
            path = self.path.parent / uri
            if not path.is_file():
                raise TemplateError(f"{self.path}: DefinitionUri {uri}: {path} does not exist")
            definition = json.loads(path.read_text())
        if not isinstance(definition, dict):
            raise TemplateError(f"{self.path}: a state machine needs a local DefinitionUri")
        if pace.wait_seconds is not None:
            shorten_waits(definition, pace.wait_seconds)
        if pace.heartbeat_seconds is not None:
            shorten_heartbeats(definition, pace.heartbeat_seconds)
        if pace.answer_seconds is not None:
            shorten_answers(definition, pace.answer_seconds)
        properties["Definition"] = definition


class _NoManagedPolicies:
    """Policies by name are not looked up: nothing checks them here."""

    def load(self) -> dict[str, str]:
        return {}


def kebab_case(name: str) -> str:
    """`CountSubsets` is `count-subsets`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def shorten_waits(definition: Json, seconds: int) -> None:
    """Caps what a machine waits: `Wait` states and the pauses before retries."""
    for state in _states(definition):
        if state.get("Type") == "Wait" and "Seconds" in state:
            state["Seconds"] = min(state["Seconds"], seconds)
        for retry in state.get("Retry", ()):
            for name in ("IntervalSeconds", "MaxDelaySeconds"):
                retry[name] = min(retry.get(name, 1), max(1, seconds))
            retry["BackoffRate"] = 1.0
            # AWS wants a delay above the interval.
            if retry["MaxDelaySeconds"] <= retry["IntervalSeconds"]:
                del retry["MaxDelaySeconds"]


def shorten_heartbeats(definition: Json, seconds: int) -> None:
    """Caps how long a task may be silent."""
    for state in _states(definition):
        if "HeartbeatSeconds" in state:
            state["HeartbeatSeconds"] = min(state["HeartbeatSeconds"], seconds)


def shorten_answers(definition: Json, seconds: int) -> None:
    """Caps how long a task waits for a person: for its token, without a sign of life."""
    for state in _states(definition):
        is_by_token = state.get("Resource", "").endswith(".waitForTaskToken")
        if is_by_token and "HeartbeatSeconds" not in state:
            state["TimeoutSeconds"] = min(state.get("TimeoutSeconds", seconds), seconds)


def _states(definition: Json) -> Iterator[Json]:
    for state in definition["States"].values():
        yield state
        nested = [*state.get("Branches", ()), state.get("ItemProcessor"), state.get("Iterator")]
        for inner in filter(None, nested):
            yield from _states(inner)


def spell_out_subs(node: Any) -> Any:
    """Replaces every `Fn::Sub` by a `Fn::Join` of its parts.

    moto's own substitution mistakes `$$`, quotes and `${!literal}`.
    """
    return _map_nodes(node, "Fn::Sub", _sub_as_join)


def _map_nodes(node: Any, function: str, change: Callable[[Any], Any]) -> Any:
    if isinstance(node, dict):
        if list(node) == [function]:
            return change(node[function])
        return {key: _map_nodes(value, function, change) for key, value in node.items()}
    if isinstance(node, list):
        return [_map_nodes(value, function, change) for value in node]
    return node


def _sub_as_join(argument: Any) -> Any:
    text, values = argument if isinstance(argument, list) else (argument, {})
    parts: list[Any] = []
    for literal, name in re.findall(r"([^$]+|\$(?!\{))|\$\{([^}]+)\}", text):
        if not name:
            parts.append(literal)
        elif name.startswith("!"):
            parts.append(f"${{{name[1:]}}}")
        elif name in values:
            parts.append(spell_out_subs(values[name]))
        elif "." in name:
            parts.append({"Fn::GetAtt": name.split(".", 1)})
        else:
            parts.append({"Ref": name})
    return {"Fn::Join": ["", parts]}
