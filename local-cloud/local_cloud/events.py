"""EventBridge: what S3 and Step Functions report, matched against the template's own rules."""

import datetime
import itertools
import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, cast

from moto.events.models import Rule, events_backends
from moto.events.utils import EventMessageType
from moto.s3 import notifications
from moto.s3.models import FakeBucket, FakeKey, S3Backend
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from .aws import ACCOUNT, REGION
from .overrides import replaces, wraps

LOG = logging.getLogger(__name__)

_sequence = itertools.count(1)


def event_of(
    detail_type: str, source: str, resources: list[str], detail: Mapping[str, Any]
) -> dict[str, Any]:
    """An event in the form in which EventBridge delivers it."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    }


def object_created(bucket: FakeBucket, key: FakeKey, reason: str) -> dict[str, Any]:
    """The event of a new object."""
    described: dict[str, Any] = {
        "key": key.name,
        "size": key.size,
        "etag": key.etag.strip('"'),
        "sequencer": f"{next(_sequence):018X}",
    }
    if bucket.is_versioned:
        described["version-id"] = key.version_id
    detail = {
        "version": "0",
        "event-version": "1.0",
        "bucket": {"name": bucket.name},
        "object": described,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": ACCOUNT,
        "source-ip-address": "127.0.0.1",
        "reason": reason,
    }
    return event_of("Object Created", "aws.s3", [bucket.arn], detail)


_REASONS = {
    notifications.S3NotificationEvent.OBJECT_CREATED_PUT_EVENT: "PutObject",
    notifications.S3NotificationEvent.OBJECT_CREATED_POST_EVENT: "POST Object",
    notifications.S3NotificationEvent.OBJECT_CREATED_COPY_EVENT: "CopyObject",
    notifications.S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT: (
        "CompleteMultipartUpload"
    ),
}


def publish(event: dict[str, Any], times: int = 1) -> None:
    """Hands an event to the targets of every enabled rule that matches it."""
    backend = events_backends[ACCOUNT][REGION]
    rules = [rule for bus in backend.event_buses.values() for rule in bus.rules.values()]
    for rule in rules:
        if rule.state == "ENABLED" and rule.event_pattern.matches_event(
            cast(EventMessageType, event)
        ):
            for target in rule.targets:
                for _ in range(times):
                    try:
                        _deliver(rule, target, event)
                    except Exception:  # like on AWS, the source of an event does not suffer
                        LOG.exception("rule %s: not delivered to %s", rule.name, target["Arn"])


def _deliver(rule: Rule, target: Mapping[str, Any], event: dict[str, Any]) -> None:
    arn = target["Arn"]
    service = arn.split(":")[2]
    message = _input_for(target, event)
    if service == "states":
        stepfunctions_parser_backends[ACCOUNT][REGION].start_execution(arn, "", message)
    elif service == "sns":
        sns_backends[ACCOUNT][REGION].publish(message, arn=arn)
    elif service == "sqs":
        sqs_backends[ACCOUNT][REGION].send_message(arn.split(":")[-1], message)
    else:
        raise NotImplementedError(f"rule {rule.name}: no delivery to {arn}")


def _input_for(target: Mapping[str, Any], event: dict[str, Any]) -> str:
    if "Input" in target:
        return str(target["Input"])
    if "InputTransformer" in target:
        transformer = target["InputTransformer"]
        return transform(transformer["InputTemplate"], transformer.get("InputPathsMap", {}), event)
    return json.dumps(event)


def transform(template: str, paths: Mapping[str, str], event: Mapping[str, Any]) -> str:
    """An input template with the values of the event for its `<names>`."""
    values = {name: _value_at(path, event) for name, path in paths.items()}

    def insert(found: re.Match[str]) -> str:
        if found[1] not in values:
            return found[0]
        value = values[found[1]]
        quoted = template.count('"', 0, found.start()) % 2 == 1
        if not quoted:
            return json.dumps(value)
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return re.sub(r"<([^<>]+)>", insert, template).strip()


def _value_at(path: str, event: Mapping[str, Any]) -> Any:
    value: Any = event
    for name in path.removeprefix("$").strip(".").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def install(deliveries: int) -> None:
    """Lets every new object be reported, `deliveries` times as at-least-once delivery may."""

    @replaces(notifications, "_send_event_bridge_message")
    def send_event_bridge_message(
        account_id: str,  # noqa: ARG001
        bucket: FakeBucket,
        event_name: notifications.S3NotificationEvent,
        key: FakeKey,
    ) -> None:
        reason = _REASONS.get(event_name)
        if reason is not None:
            publish(object_created(bucket, key, reason), deliveries)

    @wraps(S3Backend, "put_object")
    def put_object(moto_put: Callable[..., FakeKey], self: S3Backend, *args: Any, **kw: Any) -> Any:
        # The put that completes a multipart upload is reported as CompleteMultipartUpload only.
        if kw.get("multipart") is not None:
            kw["disable_notification"] = True
        return moto_put(self, *args, **kw)
