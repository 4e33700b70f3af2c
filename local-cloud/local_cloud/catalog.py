"""The Glue catalogue as strict as AWS about lost updates and crawler policies."""

import threading
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.glue.models import GlueBackend
from moto.glue.responses import GlueResponse

from .overrides import wraps


def install() -> None:
    """Refuses what AWS refuses."""
    lock = threading.Lock()

    @wraps(GlueResponse, "update_table")
    def update_table(moto_update: Callable[..., Any], self: GlueResponse) -> Any:
        given = self.parameters.get("VersionId")
        with lock:
            if given is not None:
                table = self.glue_backend.get_table(
                    self.parameters["DatabaseName"], self.parameters["TableInput"]["Name"]
                )
                if str(given) != str(table._current_version):
                    raise JsonRESTError(
                        "ConcurrentModificationException",
                        f"Update table failed due to concurrent modifications: version {given} "
                        f"was given, the table is at {table._current_version}.",
                    )
            return moto_update(self)

    @wraps(GlueBackend, "create_crawler")
    def create_crawler(moto_create: Callable[..., None], self: GlueBackend, **given: Any) -> None:
        recrawl = (given.get("recrawl_policy") or {}).get("RecrawlBehavior")
        changes = given.get("schema_change_policy") or {}
        behaviours = {changes.get("UpdateBehavior"), changes.get("DeleteBehavior")}
        if recrawl == "CRAWL_NEW_FOLDERS_ONLY" and behaviours != {"LOG"}:
            raise JsonRESTError(
                "InvalidInputException",
                "CRAWL_NEW_FOLDERS_ONLY needs UpdateBehavior LOG and DeleteBehavior LOG.",
            )
        moto_create(self, **given)
