"""What two parsers could read differently, the gateway reads once: backends see what clients get answers for."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest

from harness import certs, smuggling
from harness.backends import Backend, Backends, Echo
from harness.dataplane import DataPlane, simple

HOST = "a.example"
LAST = smuggling.LAST.replace("{host}", HOST).encode()


@pytest.fixture(scope="module")
def backend(pool: Backends) -> Backend:
    return pool.one("recorder")


@pytest.fixture(scope="module")
def plane(backend: Backend) -> Iterator[DataPlane]:
    with DataPlane(simple(HOST, "web", [(backend.address, backend.port)])) as started:
        yield started


def faults(plane: DataPlane, backend: Backend, form: smuggling.Form, *, tls: bool) -> str:
    """Send a form and say what is wrong with what came of it."""
    before = backend.requests
    context = certs.credulous() if tls else None
    data = form.bytes(HOST) + LAST
    answers = smuggling.send(plane.https if tls else plane.http, data, tls=context, sni=HOST)
    seen = backend.requests - before
    if seen != len(answers.bodies):
        return f"{form.name}: backend saw {seen}, client got {answers.statuses}"
    # HTTP/0.9 has no heads: its answer is a body alone.
    if answers.rest and form.name != "no version":
        return f"{form.name}: what came is no answer: {answers.rest[:80]!r}"
    refused = [s for s in answers.statuses if s not in {200, 400, 404, 405, 501, 505}]
    return f"{form.name}: {refused}" if refused else mixed(form, answers.bodies)


def mixed(form: smuggling.Form, bodies: list[bytes]) -> str:
    """Say whether a part of one request was seen in another, or their order was another."""
    order = ["first", "smuggled", "last"]
    # The answer to HEAD has none.
    told = [msgspec.json.decode(body, type=Echo).get("X-Canary") for body in bodies if body]
    places = [order.index(canaries[0]) for canaries in told if len(canaries) == 1]
    # Heads without a canary of their own have none.
    if any(len(canaries) > 1 for canaries in told) or places != sorted(places):
        return f"{form.name}: backend was told {told}"
    return ""


def ask_all(plane: DataPlane, backend: Backend, forms: tuple[smuggling.Form, ...], *, tls: bool) -> list[str]:
    before = backend.requests
    found = [fault for form in forms if (fault := faults(plane, backend, form, tls=tls))]
    at_once = backend.requests - before
    time.sleep(0.1)
    # Nothing was left in a connection to come out later.
    assert backend.requests - before == at_once
    return found


@pytest.mark.parametrize("port", ["plain", "TLS"])
def test_an_oddity_makes_no_request_that_nobody_sent(plane: DataPlane, backend: Backend, port: str) -> None:
    """Lengths, encodings, chunks, heads: each refused, or framed anew."""
    assert len(smuggling.SINGLE) > 80
    assert not ask_all(plane, backend, smuggling.SINGLE, tls=port == "TLS")


def test_no_pair_of_a_length_and_an_encoding_makes_a_request_that_nobody_sent(
    plane: DataPlane, backend: Backend
) -> None:
    """Each way to write one with each way to write the other, in both orders."""
    assert len(smuggling.PAIRED) > 900
    assert not ask_all(plane, backend, smuggling.PAIRED, tls=False)


def test_connections_are_clean_after_all_this(plane: DataPlane, backend: Backend) -> None:
    """The next request is answered as if nothing had been."""
    answers = smuggling.send(plane.http, LAST)
    assert [msgspec.json.decode(b, type=Echo).get("X-Canary") for b in answers.bodies] == [["last"]]
    assert not plane.errors.count("[alert]")
