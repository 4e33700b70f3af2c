"""What stands for GBIF's service of downloads."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LICENSE = "http://creativecommons.org/licenses/by/4.0/legalcode"


class Gbif:
    """Downloads by key: the status that each question finds, the last one again and again, and the file."""

    def __init__(self) -> None:
        self.statuses: dict[str, list[str]] = {}
        self.files: dict[str, bytes] = {}
        self.records: dict[str, int] = {}
        self.asked: dict[str, int] = {}
        self.account = ("someone", "a password that nobody may see")
        self.new_keys: list[str] = []
        """The keys of the downloads that are requested next."""
        self.requested: list[dict[str, object]] = []
        self.agents: set[str] = set()
        gbif = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 (http.server's name)
                name = self.path.rsplit("/", 1)[-1]
                if self.path.startswith("/v1/occurrence/download/request/"):
                    self.send_response(302)
                    self.send_header("Location", f"/files/{name}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif self.path.startswith("/files/") and name.removesuffix(".zip") in gbif.files:
                    self.give(gbif.files[name.removesuffix(".zip")])
                elif self.path == f"/v1/occurrence/download/{name}" and name in gbif.statuses:
                    self.answer(200, json.dumps(gbif.about(name)).encode())
                else:
                    self.answer(404, b"")

            def do_POST(self) -> None:  # noqa: N802 (http.server's name)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                account = base64.b64encode(":".join(gbif.account).encode()).decode()
                gbif.agents.add(self.headers["User-Agent"])
                if self.headers["Authorization"] != f"Basic {account}":
                    self.answer(401, b"")
                elif body["predicate"]["type"] not in ("equals", "and"):
                    self.answer(400, b"no such predicate")
                else:
                    gbif.requested.append(body)
                    self.answer(201, gbif.new_keys.pop(0).encode())

            def give(self, content: bytes) -> None:
                start, _, end = self.headers["Range"].removeprefix("bytes=").partition("-")
                first, last = int(start), min(int(end), len(content) - 1)
                self.send_response(206)
                self.send_header("Last-Modified", "Mon, 02 Oct 2023 14:20:00 GMT")
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
                self.send_header("Content-Length", str(last - first + 1))
                self.end_headers()
                self.wfile.write(content[first : last + 1])

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def about(self, key: str) -> dict[str, object]:
        """What the service says of a download."""
        self.asked[key] = self.asked.get(key, 0) + 1
        statuses = self.statuses[key]
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        return {
            "key": key,
            "doi": "10.15468/dl.abcdef",
            "license": LICENSE,
            "created": "2023-10-02T14:18:28.123+00:00",
            "status": status,
            "size": len(self.files.get(key, b"")),
            "totalRecords": self.records.get(key, 0),
            "numberDatasets": 1,
            "request": {"format": "DWCA", "predicate": {"type": "equals"}},
        }
