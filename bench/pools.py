"""Connections to backends: the idle race, a backend that takes many, clients that go away, what retries cost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable

from bench import _report
from bench._report import Row, Told
from harness import http
from harness.backends import Backends
from harness.dataplane import DataPlane, simple
from harness.http import request_bytes
from harness.idler import Idler
from tidegate.model import Profile

HOST = "pools.example"
IDLE = 1.0
"""Seconds after which the backend of the race closes an idle connection."""

DELAY = 0.1
"""Seconds that it takes for an answer, so that the requests of a round need a connection each."""

CLIENTS = 125
"""Requests at once in the race; 40 rounds make 5,000 requests."""

OFF = Profile((("next_upstream", "off"),))


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure all of it on one worker."""
    turns, left, after = (3, 50, 500) if quick else (40, 2_000, 10_000)
    return _report.each(
        {
            "idle race, GET": lambda: _race("GET", turns, told),
            "idle race, POST": lambda: _race("POST", turns, told),
            "busy neighbor": lambda: _neighbor(*_bursts(quick), told),
            "clients that go away": lambda: _aborts(left, after, told),
        }
    )


def hit_rate(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - as every group
    """Measure only the busy neighbor."""
    return list(_neighbor(*_bursts(quick), told))


def _bursts(quick: bool) -> tuple[int, int]:  # noqa: FBT001
    return (2, 200) if quick else (6, 2_100)


async def _ask(port: int, path: str, method: str = "GET", host: str = HOST) -> int:
    """Send one request on a connection of its own and give the status, 0 if there was none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        body = b"once" if method == "POST" else b""
        writer.write(
            request_bytes(path, host=host, method=method, body=body, headers=[("Connection", "close")])
        )
        answer = await reader.read(-1)
        return int(answer[9:12]) if answer else 0
    finally:
        writer.close()


# --- the idle race ------------------------------------------------------------------------------------------------------


def _race(method: str, turns: int, told: Told) -> Iterable[Row]:
    """Ask when the connections have been idle for 0.95 to 1.05 s; retries are off, so that attempts can be counted."""
    told(f"{method}: {CLIENTS * turns:,} requests at the end of idle connections")
    with (
        Idler(idle=IDLE) as backend,
        DataPlane(
            simple(HOST, "race", [backend.endpoint], profile=OFF.id), profiles=[OFF], workers=1
        ) as plane,
    ):
        backend.delay = DELAY
        found = asyncio.run(_rounds(plane.http, method, turns))
        log = (plane.folder / "access.log").read_text()
    dead = log.count('"upstream_status":"502, 200"')
    wanted = CLIENTS * turns
    executed = sum(backend.executed.values())
    name = (
        f"{wanted:,} {method}s spaced {IDLE * 0.95:.2f}-{IDLE * 1.05:.2f} s, backend closes at {IDLE:.0f} s"
    )
    detail = f"{dead} kept connections found dead; {backend.connections:,} connections"
    yield _report.exactly(f"{name}: answers other than 200", wanted - found[200], 0, "", detail)
    yield _report.exactly(
        f"{name}: carried out ÷ asked", executed / wanted, 1, "", f"{executed:,} carried out"
    )


async def _rounds(port: int, method: str, turns: int) -> Counter[int]:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    found: Counter[int] = Counter()

    async def client(number: int) -> None:
        dice = random.Random(number)
        for turn in range(turns):
            moment = begin + turn * (IDLE + DELAY) + dice.uniform(-0.025, 0.025)
            await asyncio.sleep(max(0.0, moment - loop.time()))
            found[await _ask(port, f"/{number}/{turn}", method)] += 1

    await asyncio.gather(*(client(n) for n in range(CLIENTS)))
    return found


# --- a busy neighbor ----------------------------------------------------------------------------------------------------


def _neighbor(bursts: int, at_once: int, told: Told) -> Iterable[Row]:
    """Have one backend open thousands of connections, again and again, while another is asked quietly."""
    with Backends() as pool:
        busy, quiet = pool.one("busy"), pool.one("quiet")
        entries = {
            **simple("busy.example", "busy", [(busy.address, busy.port)]),
            **simple("quiet.example", "quiet", [(quiet.address, quiet.port)]),
        }
        with DataPlane(entries, workers=1, worker_connections=16384) as plane:
            numbers: list[int] = []
            for burst in range(bursts):
                told(f"burst {burst + 1} of {bursts}; {busy.connections:,} connections so far")
                asyncio.run(_burst(plane.http, at_once))
                numbers += [
                    http.get(plane.http, f"/{n}", host="quiet.example").echo.connection for n in range(20)
                ]
    hits = 1 - (len(set(numbers)) - 1) / len(numbers)
    opened = f"the other opened {busy.connections:,} in {bursts} bursts"
    yield _report.at_least("kept connections beside a busy backend: hit rate", hits, 0.95, "", opened)


async def _burst(port: int, at_once: int) -> None:
    await asyncio.gather(*(_ask(port, f"/{n}?delay=1", host="busy.example") for n in range(at_once)))
    await asyncio.sleep(1.5)


# --- clients that go away -----------------------------------------------------------------------------------------------


def _aborts(left: int, after: int, told: Told) -> Iterable[Row]:
    """One in five clients goes away at some moment; then the kept connections must hold whole answers only."""
    told(f"{left:,} requests, a fifth of them given up, then {after:,}")
    with Backends() as pool:
        web = pool.one("web")
        with DataPlane(simple(HOST, "web", [(web.address, web.port)]), workers=1) as plane:
            asyncio.run(_leave(plane.http, left))
            wrong = sum(_wrong(plane.http, at, min(at + 500, after)) for at in range(0, after, 500))
    yield _report.exactly(f"after clients that went away, wrong answers of {after:,}", wrong, 0, "")


def _wrong(port: int, first: int, end: int) -> int:
    with http.Connection(port) as connection:
        return sum(connection.ask(f"/{n}", host=HOST).echo.uri != f"/{n}" for n in range(first, end))


async def _leave(port: int, count: int) -> None:
    dice = random.Random(1)
    gate = asyncio.Semaphore(32)

    async def one(number: int) -> None:
        async with gate:
            wish = dice.choice(("bytes=300000", "chunks=3&every=0.01", "delay=0.02"))
            try:
                patience = dice.uniform(0, 0.03) if dice.random() < 0.2 else 10
                await asyncio.wait_for(_ask(port, f"/left/{number}?{wish}"), patience)
            except TimeoutError:
                pass

    await asyncio.gather(*(one(n) for n in range(count)))
