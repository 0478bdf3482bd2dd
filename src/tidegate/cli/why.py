"""`tidegate why`: what happened to one request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tidegate.app import default_state_dir
from tidegate.cli import _output
from tidegate.cli._errors import FINE, FOUND, WorldFailed
from tidegate.cli._flags import OutputFlag, StateDir
from tidegate.cli._types import Output
from tidegate.observe import access

RequestId = Annotated[
    str, Parameter(help="As X-Request-ID reached the backend, and as the access log has it.")
]
Log = Annotated[Path | None, Parameter(help="File of the access log, if it is not where the gateway writes.")]


def why(
    request_id: RequestId,
    /,
    *,
    log: Log = None,
    state_dir: StateDir = None,
    output: OutputFlag = Output.TEXT,
) -> int:
    """Say what happened to one request: who answered and why, each try, where its time went, what had changed before.

    It is found in the access log, which has to be JSON in a file; changes come from the journal.

    Example: tidegate why 6f1c9ad6c1a3b0d24e7be6e1b2f0a9c4
    """
    folder = (state_dir or default_state_dir()).absolute()
    files = (log,) if log else access.log_files(folder)
    if not files:
        raise WorldFailed("there is no file of the access log; `tidegate run --access-log FILE` writes one")
    try:
        line = access.find(files, request_id)
        story = access.tell(line, folder) if line else None
    except OSError as error:
        raise WorldFailed(str(error)) from error
    if output is Output.JSON:
        _output.json({"request": story})
    elif story is None:
        _output.show(f"no line of {request_id} in {', '.join(map(str, files))}")
    else:
        _output.table("", ("", ""), _rows(story), "")
    return FINE if story else FOUND


def _rows(story: access.Story) -> Iterator[tuple[str, str]]:
    line = story.line
    yield "request", f"{line.method} {line.scheme}://{line.host}{line.uri} {line.protocol}"
    yield "time", f"{line.time}, from {line.client}" + (f", {line.tls} {line.cipher}" if line.tls else "")
    yield "answer", f"{line.status}, {line.bytes} bytes"
    yield "because", f"{line.layer}: {story.meaning}"
    if line.route:
        yield "route", f"{line.route} (Ingress {line.namespace}/{line.ingress})"
        yield "backend", line.backend_id
    if line.profile:
        yield "profile", line.profile
    for at, each in enumerate(story.tries, start=1):
        yield f"try {at}", _try(each)
    yield (
        "seconds",
        f"{line.request_time:.3f}: backends {story.upstream_seconds:.3f}, rest {story.gateway_seconds:.3f}",
    )
    yield "version", str(story.version) if story.version else "older than what the journal keeps"
    for found in story.preceding:
        causes = "; ".join(found.causes) or "the gateway itself"
        yield (
            f"{found.what} changed",
            f"{found.seconds_before:.1f} s before, version {found.version}: {causes}",
        )


def _try(each: access.Try) -> str:
    def seconds(value: float | None) -> str:
        return "never" if value is None else f"{value:.3f} s"

    status = "no status" if each.status is None else str(each.status)
    return (
        f"{each.endpoint}: {status}, connected {seconds(each.connect)}, answer began {seconds(each.header)}, "
        f"done {seconds(each.total)}"
    )
