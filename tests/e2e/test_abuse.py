"""Requests that want to be more than they are: HTTP/2 that becomes HTTP/1, hop-by-hop headers, hosts, paths, sizes."""

from __future__ import annotations

import contextlib
import os
import posixpath
import random
import re
import socket
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import msgspec
import pytest

from harness import certs, http, rawh2, smuggling
from harness.backends import Backend, Backends, Echo
from harness.dataplane import DataPlane, simple
from tidegate.model import Entry, Host, PathKind, Route, Rule

HOST, OTHER, GUARDED = "raw.example", "other.example", "guarded.example"


@pytest.fixture(scope="module")
def backend(pool: Backends) -> Backend:
    return pool.one("abused")


@pytest.fixture(scope="module")
def other(pool: Backends) -> Backend:
    return pool.one("other")


@pytest.fixture(scope="module")
def plane(backend: Backend, other: Backend) -> Iterator[DataPlane]:
    def leads(host: str, number: int, path: str, **more: object) -> Route:
        return Route("ns", host, "web", "80", path=path, backend="ns/web/80", **more)  # type: ignore[arg-type]

    guarded: dict[str, Entry] = {
        f"h/main/{GUARDED}": Host(
            (Rule(PathKind.PREFIX, "/admin", "ns/g/1"), Rule(PathKind.PREFIX, "/", "ns/g/0")), guarded=True
        ),
        "r/ns/g/0": leads("g", 0, "/"),
        "r/ns/g/1": leads("g", 1, "/admin", settings={"allow": ["192.0.2.0/24"]}),
    }
    entries: dict[str, Entry] = {
        **simple(HOST, "web", [(backend.address, backend.port)]),
        **simple(OTHER, "other", [(other.address, other.port)]),
        **guarded,
    }
    with DataPlane(entries) as started:
        yield started


# --- HTTP/2 to HTTP/1 -----------------------------------------------------------------------------------------------


def h2(*more: tuple[str, str], **pseudo: str) -> list[tuple[str, str]]:
    first = {"method": "GET", "scheme": "http", "authority": HOST, "path": "/"} | pseudo
    return [*((f":{n}", v) for n, v in first.items() if v != "absent"), *more]


INJECTED = "x\r\nX-Injected: yes"
MALFORMED: dict[str, tuple[list[tuple[str, str]], bytes | None]] = {
    "TE: chunked": (h2(("te", "chunked")), None),
    "Connection": (h2(("connection", "x-one"), ("x-one", "1")), None),
    "Connection: Upgrade": (h2(("connection", "Upgrade"), ("upgrade", "websocket")), None),
    "Connection: close": (h2(("connection", "close")), None),
    "Proxy-Connection": (h2(("proxy-connection", "keep-alive")), None),
    "Upgrade: h2c": (h2(("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")), None),
    "Transfer-Encoding": (
        h2(("transfer-encoding", "chunked"), method="POST"),
        b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ),
    "length too long": (h2(("content-length", "9"), method="POST"), b"four"),
    "length too short": (h2(("content-length", "1"), method="POST"), b"four"),
    "length without a body": (h2(("content-length", "9"), method="POST"), None),
    "two lengths": (h2(("content-length", "4"), ("content-length", "0"), method="POST"), b"four"),
    "CRLF in a value": (h2(("x-one", INJECTED)), None),
    "LF in a value": (h2(("x-one", "x\nX-Injected: yes")), None),
    "NUL in a value": (h2(("x-one", "x\0y")), None),
    "CRLF in a name": (h2(("x-one: x\r\nX-Injected", "yes")), None),
    "colon in a name": (h2(("x-injected: yes, x-one", "y")), None),
    "space in a name": (h2(("x one", "y")), None),
    "empty name": (h2(("", "y")), None),
    "upper case in a name": (h2(("X-One", "y")), None),
    "CRLF in a cookie": (h2(("cookie", INJECTED)), None),
    "CRLF in :method": (h2(method="GET / HTTP/1.1\r\nX-Injected: yes\r\n\r\nGET"), None),
    "space in :method": (h2(method="GET /other"), None),
    "CRLF in :path": (h2(path="/ HTTP/1.1\r\nX-Injected: yes\r\nX-One: "), None),
    "space in :path": (h2(path="/ HTTP/1.1"), None),
    "absolute :path": (h2(path=f"http://{OTHER}/"), None),
    "empty :path": (h2(path=""), None),
    "no :path": (h2(path="absent"), None),
    "no :method": (h2(method="absent"), None),
    "CRLF in :authority": (h2(authority=f"{HOST}\r\nX-Injected: yes"), None),
    "user in :authority": (h2(authority=f"u@{HOST}"), None),
    "path in :authority": (h2(authority=f"{HOST}/other"), None),
    "Host beside :authority": (h2(("host", OTHER)), None),
    "two :authority": ([*h2(), (":authority", OTHER)], None),
    "two :path": ([*h2(), (":path", "/other")], None),
    "pseudo after other": ([("x-one", "1"), *h2()], None),
    "unknown pseudo": ([*h2(), (":injected", "yes")], None),
    "CRLF in :scheme": (h2(scheme="http\r\nX-Injected: yes"), None),
}


@pytest.mark.parametrize("port", ["plain", "TLS"])
@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_in_http2_makes_no_other_request_in_http1(
    plane: DataPlane, backend: Backend, other: Backend, name: str, port: str
) -> None:
    """It is refused, or what is odd about it stays behind; the backend sees one request or none."""
    headers, body = MALFORMED[name]
    before, strangers = backend.requests, other.requests
    tls = certs.credulous(alpn=("h2",)) if port == "TLS" else None
    outcome = rawh2.ask(plane.https if tls else plane.http, headers, body, tls=tls)
    assert other.requests == strangers
    assert backend.requests - before == (outcome.status == 200)
    if outcome.status != 200:
        assert outcome.status in {0, 400, 404, 405, 413, 501}
        return
    echo = msgspec.json.decode(outcome.body, type=Echo)
    assert (echo.version, echo.uri, echo.get("Host"), echo.get("X-Injected")) == ("HTTP/1.1", "/", [HOST], [])
    hop = ("TE", "Connection", "Proxy-Connection", "Upgrade", "HTTP2-Settings", "Transfer-Encoding", "X-One")
    assert not [name for name in hop if echo.get(name)] or name in {
        "upper case in a name",
        "pseudo after other",
    }
    assert echo.body_length == len(body or b"")


# --- upgrades and hop-by-hop headers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "protocol", ["h2c", "websocket, h2c", "h2c, websocket", "TLS/1.0", "SPDY/3.1", "websocket2"]
)
def test_only_websocket_is_ever_upgraded_to(plane: DataPlane, protocol: str) -> None:
    """All else is stripped, and the request stays an ordinary one; the connection goes on."""
    headers = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", protocol),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
    ]
    with http.Connection(plane.http) as connection:
        for _ in range(2):
            answer = connection.ask("/", host=HOST, headers=headers)
            assert answer.status == 200
            assert not [n for n in ("Upgrade", "HTTP2-Settings", "Connection") if answer.echo.get(n)]


def test_a_refused_websocket_leaves_an_ordinary_connection(plane: DataPlane, backend: Backend) -> None:
    """What follows is read by the gateway, not tunnelled."""
    headers = [("Connection", "Upgrade"), ("Upgrade", "WebSocket")]
    with http.Connection(plane.http) as connection:
        refused = connection.ask("/?status=403", host=HOST, headers=headers)
        assert (refused.status, refused.echo.get("Upgrade")) == (403, ["websocket"])
        before = backend.requests
        assert connection.ask("/", host="nobody.example").status == 404
        assert backend.requests == before


OURS = (
    "Host", "X-Forwarded-For", "X-Real-IP", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
    "X-Forwarded-Scheme", "X-Scheme", "X-Request-ID",
)  # fmt: skip


@pytest.mark.parametrize("profile", [False, True], ids=["entry location", "location of a profile"])
def test_a_client_can_nominate_its_own_headers_away_and_none_of_ours(
    plane: DataPlane,
    backend: Backend,
    profile: bool,  # noqa: FBT001 - of the table
) -> None:
    """Ours come exactly once, however they were named."""
    host = "nominated.example"
    plane.push(
        simple(
            host,
            "web",
            [(backend.address, backend.port)],
            **({"settings": {"upstream_vhost": [host]}} if profile else {}),
        )
    )
    named = ", ".join((*OURS, "Content-Length", "X-Auth-User", "Authorization"))
    headers = [
        ("X-Auth-User", "root"),
        ("Authorization", "Basic x"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Kept", "1"),
    ]
    for connection in (f"close, {named}", named.upper()):
        answer = http.get(
            plane.http, host=host, method="POST", body=b"body", headers=[*headers, ("Connection", connection)]
        )
        assert answer.status == 200
        echo = answer.echo
        assert {name: len(echo.get(name)) for name in OURS} == dict.fromkeys(OURS, 1)
        assert (echo.get("X-Forwarded-For"), echo.get("Host")) == (["127.0.0.1"], [host])
        assert (echo.get("X-Auth-User"), echo.get("Authorization"), echo.get("X-Kept")) == ([], [], ["1"])
        assert echo.body_length == 4


ALIASES = [
    "X_Forwarded_For",
    "X-Forwarded_For",
    "x_real-ip",
    "X_FORWARDED_PROTO",
    "X-Auth_User",
    "Forwarded ",
]


@pytest.mark.parametrize("underscores", [False, True], ids=["dropped", "let through"])
def test_nothing_passes_that_a_backend_takes_for_one_of_our_headers(
    backend: Backend,
    underscores: bool,  # noqa: FBT001 - of the table
) -> None:
    """Underscores for hyphens, other case, spaces, repetitions."""
    with DataPlane(
        simple(HOST, "web", [(backend.address, backend.port)]),
        underscores_in_headers=underscores,
        ignore_invalid_headers=not underscores,
    ) as plane:
        sent = [(name, "192.0.2.1") for name in [*ALIASES[:5], "x-forwarded-FOR", "X-Real-IP", "X-Real-IP"]]
        echo = http.get(plane.http, host=HOST, headers=sent).echo
        assert http.get(plane.http, host=HOST, headers=[("Forwarded ", "for=192.0.2.1")]).status in {200, 400}
        many = http.get(plane.http, host=HOST, headers=[(f"X-{n}", "v") for n in range(1000)])
        nameless = http.get(plane.http, host=HOST, headers=[("", "v")])
    likes = {n for n, _ in echo.headers if n.replace("_", "-").lower() in {"x-forwarded-for", "x-real-ip"}}
    assert likes == {"X-Forwarded-For", "X-Real-IP"}
    assert echo.get("X-Forwarded-For") == echo.get("X-Real-IP") == ["127.0.0.1"]
    assert echo.get("X-Auth_User") == (["192.0.2.1"] if underscores else [])
    assert many.status in {200, 400}
    assert nameless.status == 400


# --- hosts ----------------------------------------------------------------------------------------------------------

LINES: dict[str, tuple[str, int]] = {
    "same absolute URI": (f"GET http://{HOST}/ HTTP/1.1\r\nHost: {HOST}", 200),
    "same, other case and port": ("GET http://RAW.example:80/ HTTP/1.1\r\nHost: raw.EXAMPLE:8080", 200),
    "trailing dot": (f"GET / HTTP/1.1\r\nHost: {HOST}.", 200),
    "trailing dot and port": (f"GET / HTTP/1.1\r\nHost: {HOST}.:80", 200),
    "upper case": (f"GET / HTTP/1.1\r\nHost: {HOST.upper()}", 200),
    "another absolute URI": (f"GET http://{OTHER}/ HTTP/1.1\r\nHost: {HOST}", 400),
    "another absolute URI, the other way": (f"GET http://{HOST}/ HTTP/1.1\r\nHost: {OTHER}", 400),
    "another absolute URI of HTTP/1.0": (f"GET http://{OTHER}/ HTTP/1.0\r\nHost: {HOST}", 400),
    "two dots": (f"GET / HTTP/1.1\r\nHost: {HOST}..", 400),
    "user in the URI": (f"GET http://{HOST}@{OTHER}/ HTTP/1.1\r\nHost: {HOST}", 400),
    "user in Host": (f"GET / HTTP/1.1\r\nHost: u@{HOST}", 404),
    "space in Host": (f"GET / HTTP/1.1\r\nHost: {HOST} {OTHER}", 400),
    "slash in Host": (f"GET / HTTP/1.1\r\nHost: {HOST}/{OTHER}", 400),
    "two Hosts": (f"GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {OTHER}", 400),
    "two equal Hosts": (f"GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}", 400),
    "empty Host": ("GET / HTTP/1.1\r\nHost:", 400),
    "IPv6 with a zone": ("GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]", 404),
    "IPv6": ("GET / HTTP/1.1\r\nHost: [::1]:80", 404),
    "list of Hosts": (f"GET / HTTP/1.1\r\nHost: {HOST}, {OTHER}", 400),
    "no Host in HTTP/1.0": ("GET / HTTP/1.0", 404),
    "absolute URI without Host in HTTP/1.0": (f"GET http://{HOST}/ HTTP/1.0", 200),
}


@pytest.mark.parametrize("name", LINES)
def test_the_host_that_decides_is_the_host_that_is_told(
    plane: DataPlane, backend: Backend, other: Backend, name: str
) -> None:
    """Or the request is refused."""
    line, status = LINES[name]
    seen = backend.requests + other.requests
    answers = smuggling.send(plane.http, f"{line}\r\nConnection: close\r\n\r\n".encode())
    assert answers.statuses == [status]
    assert backend.requests + other.requests - seen == (status == 200)
    for body in answers.bodies:
        echo = msgspec.json.decode(body, type=Echo)
        (told,) = echo.get("Host")
        assert echo.id == backend.id
        assert told.lower().partition(":")[0].rstrip(".") == HOST
        assert echo.get("X-Forwarded-Host") == [told]


# --- paths ----------------------------------------------------------------------------------------------------------


def _resolve(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


def _overlong(data: bytes) -> str:
    data = re.sub(
        rb"[\xc0\xc1]([\x80-\xbf])", lambda m: bytes([((m[0][0] & 3) << 6) | (m[1][0] & 0x3F)]), data
    )
    return re.sub(
        rb"\xe0[\x80\x81]([\x80-\xbf])", lambda m: bytes([((m[0][1] & 1) << 6) | (m[1][0] & 0x3F)]), data
    ).decode("latin-1")


def _decode(path: str) -> str:
    return unquote(path, encoding="latin-1")


STYLES: dict[str, Callable[[str], str]] = {
    "as it is": lambda p: p,
    "decoded": _decode,
    "resolved, then decoded": lambda p: _decode(_resolve(p)),
    "decoded, then resolved": lambda p: _resolve(_decode(p)),
    "without parameters": lambda p: _resolve(_decode(re.sub(r";[^/]*", "", p))),
    "decoded, then without parameters": lambda p: _resolve(re.sub(r";[^/]*", "", _decode(p))),
    "backslash is a slash": lambda p: _resolve(_decode(p).replace("\\", "/")),
    "decoded twice": lambda p: _resolve(_decode(_decode(p))),
    "overlong UTF-8": lambda p: _resolve(_overlong(_decode(p).encode("latin-1"))),
    "up to a hash": lambda p: _resolve(_decode(p.partition("#")[0])),
}
"""How backends read a request's path."""

PIECES = (
    "admin", "admin", "public", "x", "..", "..", ".", "..;", "..;a=b", ".;", ";p=1", "%2e%2e", "%2E.", "%252e%252e",
    "..%2f", "%2f", "%5c", "..%5c", "\\", "..\\", "%c0%ae%c0%ae", "%c0%af", "%e0%80%af", "", "", "admin;x", "adm%69n",
    "%61dmin", "ADMIN", "#", "#/..", "%23", "%3f", "%20", "admin%2fx", "admin%00", "é", "%ff", "admin.", "a..b",
)  # fmt: skip
VARIANTS = 20_000 if os.environ.get("TIDEGATE_DEEP") == "1" else 5_000


def test_no_way_to_write_a_path_leads_around_a_protection(plane: DataPlane) -> None:
    """Whatever way of reading paths the backend has, nothing that it takes for /admin comes through."""
    chosen = random.Random(7)
    passed, through = 0, []
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(http.Connection(plane.http))
        for _ in range(VARIANTS):
            target = "/" + "/".join(chosen.choices(PIECES, k=chosen.randint(1, 5)))
            target += chosen.choice(("", "", "/", "?q=/admin"))
            answer = _asked(connection, target)
            if answer is None or answer.get("Connection") == "close":
                connection = stack.enter_context(http.Connection(plane.http))
            if answer is None or not answer.backend:
                continue
            passed += 1
            path = answer.echo.uri.partition("?")[0]
            for name, read in STYLES.items():
                if re.match("/+admin(/|$)", read(path)):
                    through.append(f"{target} to a backend that reads {name}")
    assert not through, f"{len(through)}: {through[:10]}"
    assert passed > VARIANTS / 10


def _asked(connection: http.Connection, target: str) -> http.Response | None:
    try:
        connection.send(f"GET {target} HTTP/1.1\r\nHost: {GUARDED}\r\n\r\n".encode("latin-1"))
        return connection.receive()
    except OSError:
        return None


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a/b?c=/../d;e",
        "/a;jsession=1/b",
        "/a%2Fb",
        "/caf%C3%A9",
        "/a//b",
        "/a%20b",
        "/x/../y",
        "/%7Euser",
    ],
)
def test_what_can_only_be_meant_in_one_way_passes_unchanged(plane: DataPlane, target: str) -> None:
    """Though it is written oddly, and some paths of the host are protected."""
    answer = http.get(plane.http, target, host=GUARDED)
    assert (answer.status, answer.echo.uri) == (200, target)


# --- sizes ----------------------------------------------------------------------------------------------------------


def _endless(connection: socket.socket) -> None:
    connection.sendall(b"POST / HTTP/1.1\r\nHost: raw.example\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(4096):
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def _sent(text: str) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text.encode())


_START = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n"
OVERSIZE: dict[str, tuple[Callable[[socket.socket], None], set[int]]] = {
    "64 KiB of URI": (_sent(f"GET /{'u' * 65536} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), {414}),
    "1 MiB of one header": (_sent(f"{_START}X-One: {'v' * (1 << 20)}\r\n\r\n"), {400, 431}),
    "1 MiB of headers": (
        _sent(_START + "".join(f"X-{n}: {'v' * 1000}\r\n" for n in range(1000)) + "\r\n"),
        {400, 431},
    ),
    "10 GB announced": (
        _sent(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 10000000000\r\n\r\n"),
        {413},
    ),
    "chunks without end": (_endless, {413}),
}


@pytest.mark.parametrize("name", OVERSIZE)
def test_what_is_too_large_is_refused_before_a_backend_hears_of_it(
    plane: DataPlane, backend: Backend, name: str
) -> None:
    """And leaves no file behind."""
    send, statuses = OVERSIZE[name]
    before = backend.requests
    with socket.create_connection(("127.0.0.1", plane.http), 10) as connection:
        with contextlib.suppress(OSError):
            send(connection)
        connection.settimeout(5)
        answer = b""
        with contextlib.suppress(OSError):
            answer = connection.recv(1 << 16)
    assert int(answer.split(b" ", 2)[1]) in statuses
    assert backend.requests == before
    assert not [p for p in plane.folder.glob("temp-*/**/*") if p.is_file()]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_what_is_too_large_for_http1_is_too_large_for_http2(
    plane: DataPlane,
    backend: Backend,
    tls: bool,  # noqa: FBT001 - of the table
) -> None:
    """Path, headers, announced length."""
    before = backend.requests
    context = certs.credulous(alpn=("h2",)) if tls else None
    port = plane.https if tls else plane.http
    # Literals of a header must fit into one frame here.
    large = h2(*((f"x-{n}", "v" * 1000) for n in range(15)), path="/" + "u" * 900)
    small = rawh2.ask(port, large, tls=context)
    assert small.status in {0, 200, 400, 414, 431}
    huge = h2(("content-length", "10000000000"), method="POST")
    assert rawh2.ask(port, huge, b"x", tls=context).status in {0, 400, 413}
    assert backend.requests - before == (small.status == 200)


def test_a_hundred_ranges_are_one_request(plane: DataPlane, backend: Backend) -> None:
    """The backend decides what becomes of them."""
    ranges = ",".join(f"{n}-{n}" for n in range(100))
    before = backend.requests
    assert http.get(plane.http, host=HOST, headers=[("Range", f"bytes={ranges}")]).status == 200
    assert backend.requests - before == 1
