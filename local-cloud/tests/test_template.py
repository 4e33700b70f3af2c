"""Reading the template, without a cloud."""

from pathlib import Path

import pytest

from local_cloud.deploy import choose_parameters
from local_cloud.template import (
    Json,
    Template,
    TemplateError,
    kebab_case,
    shorten_answers,
    shorten_heartbeats,
    shorten_waits,
    spell_out_subs,
)

HERE = Path(__file__).parent


def test_short_forms_are_read() -> None:
    resources = Template.read(HERE / "template.yaml").body["Resources"]
    profile = resources["ComputeEnvironment"]["Properties"]["ComputeResources"]["InstanceRole"]
    assert profile == {"Fn::GetAtt": ["InstanceProfile", "Arn"]}
    assert resources["StateMachine"]["Properties"]["Name"] == {"Ref": "AWS::StackName"}


def test_binaries_are_named_by_the_metadata_or_the_function() -> None:
    assert Template.read(HERE / "template.yaml").binaries() == {
        "StandInFunction": "stand-in",
        "MisfitFunction": "does-not-start",
    }
    assert kebab_case("LaunchSpotDownloader") == "launch-spot-downloader"


def test_substitutions_are_spelled_out() -> None:
    sub = {"Fn::Sub": ['a $$.b ${X}${!Y}${Z.Arn} $1 "q" ${W}', {"W": {"Fn::Sub": "${V}"}}]}
    parts = [
        *("a ", "$", "$", ".b ", {"Ref": "X"}, "${Y}", {"Fn::GetAtt": ["Z", "Arn"]}),
        *(" ", "$", '1 "q" ', {"Fn::Join": ["", [{"Ref": "V"}]]}),
    ]
    assert spell_out_subs([sub]) == [{"Fn::Join": ["", parts]}]


def test_waits_are_capped_everywhere() -> None:
    retry = {"ErrorEquals": ["X"], "IntervalSeconds": 300, "BackoffRate": 2, "MaxDelaySeconds": 900}
    inner: Json = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}}
    definition: Json = {
        "StartAt": "M",
        "States": {
            "M": {"Type": "Map", "ItemProcessor": inner, "Next": "T"},
            "T": {"Type": "Task", "Retry": [retry], "Next": "S"},
            "S": {"Type": "Wait", "Seconds": 1, "End": True},
        },
    }
    shorten_waits(definition, 2)
    assert inner["States"]["W"]["Seconds"] == 2
    assert definition["States"]["S"]["Seconds"] == 1
    assert retry["IntervalSeconds"] == 2
    assert "MaxDelaySeconds" not in retry


def test_a_parameter_without_a_value_is_named() -> None:
    declared = {"Name": {"Type": "String"}, "Pattern": {"Type": "String", "AllowedPattern": "a+"}}
    with pytest.raises(TemplateError, match="Name has no default"):
        choose_parameters(declared, "http://127.0.0.1:1", {})
    with pytest.raises(TemplateError, match="'b' does not match"):
        choose_parameters(declared, "http://127.0.0.1:1", {"Name": "x", "Pattern": "b"})


def test_heartbeats_are_shortened() -> None:
    definition = {
        "States": {
            "A": {"Type": "Task", "HeartbeatSeconds": 900, "TimeoutSeconds": 1000},
            "B": {"Type": "Task", "TimeoutSeconds": 1000},
        }
    }
    shorten_heartbeats(definition, 5)
    assert definition["States"]["A"] == {
        "Type": "Task",
        "HeartbeatSeconds": 5,
        "TimeoutSeconds": 1000,
    }
    assert definition["States"]["B"] == {"Type": "Task", "TimeoutSeconds": 1000}


def test_waiting_for_a_person_is_shortened() -> None:
    by_token = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"}
    definition: Json = {
        "States": {
            "A": {**by_token, "TimeoutSeconds": 1000},
            "B": {**by_token, "TimeoutSeconds": 1000, "HeartbeatSeconds": 900},
            "C": {"Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": 1000},
        }
    }
    shorten_answers(definition, 5)
    timeouts = {name: state["TimeoutSeconds"] for name, state in definition["States"].items()}
    assert timeouts == {"A": 5, "B": 1000, "C": 1000}
