"""A collector of traces: takes OTLP over HTTP, in JSON, and keeps the spans. It can be slow, refuse, or hang."""

from __future__ import annotations

import http.server
import json
import threading
import time
from types import TracebackType
from typing import Any, Self

from harness import waiting

Span = dict[str, Any]


class Collector:
    """One collector on a port of its own; ends when the ``with`` block does."""

    def __init__(self) -> None:
        self.port = waiting.free_ports(1)[0]
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.delay = 0.0
        """Seconds before each answer."""
        self.status = 200
        self.exports = 0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: bytes) -> None:
        """Keep the spans of one export. Raises ``KeyError`` for what is none."""
        for resource in json.loads(body)["resourceSpans"]:
            self.services.add(str(attributes(resource["resource"])["service.name"]))
            for scope in resource["scopeSpans"]:
                self.spans += scope["spans"]

    def of(self, trace: str, count: int = 1, timeout: float = 10) -> list[Span]:
        """Wait until a trace has as many spans; give them, the one of the request first."""

        def found() -> list[Span]:
            spans = [s for s in self.spans if s["traceId"] == trace]
            return spans if len(spans) >= count else []

        return sorted(waiting.until(found, timeout, why=f"spans of {trace}"), key=lambda s: int(s["kind"]))


def attributes(thing: dict[str, Any]) -> dict[str, Any]:
    """Give the attributes of a span or a resource."""
    return {a["key"]: next(iter(a["value"].values())) for a in thing["attributes"]}


def _handler(collector: Collector) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.exports += 1
            time.sleep(collector.delay)
            is_export = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/json"
            status = collector.status if is_export else 404
            if status == 200:
                collector.take(body)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    return Handler
