"""What is published to an SNS topic, one JSON line a message, for people and tests to read."""

import datetime
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.sns.models import Topic

from .overrides import wraps


def install(record: Path) -> None:
    """Appends every message to `record`."""
    lock = threading.Lock()

    @wraps(Topic, "publish")
    def publish(
        moto_publish: Callable[..., str],
        self: Topic,
        message: str,
        subject: str | None = None,
        **options: Any,
    ) -> str:
        message_id = moto_publish(self, message, subject=subject, **options)
        line = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "topic_arn": self.arn,
            "message_id": message_id,
            "subject": subject,
            "message": message,
        }
        with lock, record.open("a") as lines:
            lines.write(json.dumps(line) + "\n")
        return message_id
