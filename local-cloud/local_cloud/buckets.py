"""S3 conditional writes that stay true when two come at once."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from moto.s3.responses import S3Response

from .overrides import wraps


def install() -> None:
    """One conditional write at a time: moto looks first and writes later."""
    lock = threading.Lock()

    @wraps(S3Response, "put_object")
    def put_object(moto_put: Callable[..., Any], self: S3Response) -> Any:
        conditional = self.headers.get("If-Match") or self.headers.get("If-None-Match")
        with lock if conditional else contextlib.nullcontext():
            return moto_put(self)
