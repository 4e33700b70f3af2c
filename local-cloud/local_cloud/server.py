"""The one HTTP server: our own paths first, everything else is moto's."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """A request to one of our own paths."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str | None:
        return self.headers.get("HTTP_" + name.upper().replace("-", "_"))


@dataclass(frozen=True)
class Reply:
    """An answer from one of our own paths."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Reply]


class _QuietHandler(MotoRequestHandler):
    # With Nagle's algorithm every small call would take 44 ms.
    disable_nagle_algorithm = True

    def log_request(self, *_args: Any, **_kwargs: Any) -> None:
        """Every request is somebody's log line already."""


class Server:
    """Listens on a free or given port of this machine from the moment it is made."""

    def __init__(self, port: int) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._routes: list[tuple[str, Handler]] = []
        self._server: BaseWSGIServer = make_server(
            HOST, port, self._application, threaded=True, request_handler=_QuietHandler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.endpoint = f"http://{HOST}:{self._server.server_port}"

    def route(self, prefix: str, handler: Handler) -> None:
        """Sends the paths that begin with `prefix` to `handler` instead of moto."""
        self._routes.append((prefix, handler))

    def start(self) -> None:
        """Serves in the background until the process ends."""
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()

    def _application(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        for prefix, handler in self._routes:
            if path.startswith(prefix):
                headers = {name: value for name, value in environ.items() if name[:5] == "HTTP_"}
                method = environ["REQUEST_METHOD"]
                reply = handler(Request(method, path, headers, _body(environ)))
                status = HTTPStatus(reply.status)
                start_response(
                    f"{status.value} {status.phrase}",
                    [*reply.headers.items(), ("Content-Length", str(len(reply.body)))],
                )
                return [reply.body]
        answer: Iterable[bytes] = self._moto(environ, start_response)
        return answer


def _body(environ: "WSGIEnvironment") -> bytes:
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        return bytes(stream.read(int(length)))
    return bytes(stream.read()) if environ.get("wsgi.input_terminated") else b""
