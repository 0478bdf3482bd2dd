"""The access log as the ConfigMap shapes it: what is taken, what is refused, and that nginx takes all of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import http, waiting
from harness.dataplane import DataPlane
from tidegate.dataplane import install, render
from tidegate.guard import Unacceptable
from tidegate.model import NodeSettings, StreamPort
from tidegate.translate.interpret import log_formats

UPSTREAM_DEFAULT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    "$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr "
    "$upstream_response_length $upstream_response_time $upstream_status $req_id"
)


def test_ingress_nginx_s_own_formats_are_taken() -> None:
    """f.1: of requests, and of connections."""
    found = log_formats.UPSTREAM_FORMAT.parse(UPSTREAM_DEFAULT)
    assert found[:5] == ("", "remote_addr", " - ", "remote_user", " [")
    assert found[-2:] == ("req_id", "")
    log_formats.STREAM_FORMAT.parse(
        "[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time"
    )


@pytest.mark.parametrize(
    "text", ["$no_such", "a $ b", "$", "${", "a\0b", "a\x1eb", "$tg_route", "$sent_other", "x" * 9000]
)
def test_other_formats_are_refused(text: str) -> None:
    with pytest.raises(Unacceptable):
        log_formats.UPSTREAM_FORMAT.parse(text)


@pytest.mark.parametrize(
    "text", ["relative", "/dev/stdout", "/proc/1/mem", "/a b", "/a;b", "/a/../../b", "/a$b"]
)
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(Unacceptable):
        log_formats.FILE.parse(text)


@pytest.mark.parametrize("text", ["health", "include", "~(", "~(?<tg_silent>.)", "/a\x01"])
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(Unacceptable):
        log_formats.URLS.parse(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("buffer=16k flush=1m", (16384, 1000)),
        ("buffer=1g", (65536, 500)),
        ("flush=200ms", (32768, 200)),
        ("", (32768, 500)),
    ],
)
def test_parameters(text: str, wanted: tuple[int, int]) -> None:
    assert log_formats.PARAMS.parse(text) == wanted


def test_parameters_that_are_none() -> None:
    with pytest.raises(Unacceptable):
        log_formats.PARAMS.parse("gzip=9")


def _nginx_takes(folder: Path, **node: Any) -> str:
    """Let nginx test a configuration; give what it says against it."""
    installation = install.find()
    free = waiting.free_ports(3)
    settings = NodeSettings(
        http_port=free[0],
        https_port=free[1],
        status_port=free[2],
        bind_addresses=("127.0.0.1",),
        access_log="access.log",
        **node,
    )
    render.ensure_default_certificate(folder)
    place = folder / "nginx" / "1"
    place.mkdir(parents=True, exist_ok=True)
    (place / "nginx.conf").write_text(render.render(settings, (), installation).text)
    outcome = subprocess.run(
        [*installation.nginx_argv(), "-p", "./", "-c", "nginx.conf", "-e", "stderr", "-t"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if outcome.returncode == 0 else outcome.stderr


def test_nginx_knows_every_variable_and_takes_every_text(tmp_path: Path) -> None:
    """All names in one format, with literals that would end a quoted text."""
    families = ("http_x", "cookie_x", "arg_x", "sent_http_x", "sent_trailer_x", "upstream_http_x")
    more = ("upstream_trailer_x", "upstream_cookie_x")
    names = (*sorted(log_formats.HTTP), *families, *more)
    text = "'; \\' \\\\ \"{}#\\n" + " ".join(f"${{{name}}}'" for name in names)
    streams = " ".join(f"${name}" for name in sorted(log_formats.STREAM))
    for escape in ({}, {"log_escape_json": True}, {"log_escape_none": True}):
        assert not _nginx_takes(
            tmp_path,
            log_format=log_formats.UPSTREAM_FORMAT.parse(text),
            stream_log_format=log_formats.STREAM_FORMAT.parse(streams),
            stream_ports=(StreamPort("tcp", waiting.free_ports(1)[0]),),
            passthrough=True,
            skip_access_log_urls=log_formats.URLS.parse("/a'; \\ {},~^/b(c|d)$,/$host,/A,/a"),
            **escape,
        )


def test_literals_come_out_as_they_were_written() -> None:
    """Quotes, backslashes and braces; and what a value would escape, it escapes as asked for."""
    text = "'\\' \"${status}\" \\n{} $literal_dollar$arg_x; #"
    node = {"log_format": log_formats.UPSTREAM_FORMAT.parse(text), "log_escape_json": True}
    with DataPlane(workers=1, **node) as plane:
        http.get(plane.http, '/?x=a"b', host="x.example")
        log = plane.folder / "access.log"
        assert waiting.until(log.read_text, 5) == '\'\\\' "404" \\n{} $a\\"b; #\n'
