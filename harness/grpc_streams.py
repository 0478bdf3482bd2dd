"""Many gRPC streams at once, held for a while: a server in a process of its own, and clients in one loop (both grpcio's).

``python -m harness.grpc_streams PORT…`` serves ``harness.Echo/Chat`` on loopback until it is killed: each message comes
back at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from harness import programs, waiting

Call = Any
"""grpcio's call of a conversation."""

METHOD = "/harness.Echo/Chat"

_PER_CONNECTION = 50
_PATIENCE = 30.0
"""Seconds for an answer; generous, because machines that test are busy."""


@dataclass(slots=True)
class Held:
    """What became of the streams."""

    whole: int = 0
    """Streams that had an answer to each message, and ended as they should when they were ended."""
    cut: Counter[str] = field(default_factory=Counter)
    """All others, by what happened."""
    messages: int = 0
    """Answered."""


@contextlib.contextmanager
def server(count: int) -> Iterator[list[int]]:
    """Start a server that listens on so many ports; give them."""
    ports = waiting.free_ports(count)
    argv = [sys.executable, "-m", "harness.grpc_streams", *(str(port) for port in ports)]
    with subprocess.Popen(argv, cwd=programs.ROOT) as process:
        try:
            waiting.until(lambda: all(map(_listens, ports)), 30, why="the gRPC server")
            yield ports
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def hold(
    port: int, host: str, *, count: int, until: asyncio.Event, every: float, opened: Callable[[], object]
) -> Held:
    """Open so many streams, send a message on each ``every`` few seconds until the event is set, then end them.

    ``opened`` is called once all have had an answer, or failed.
    """
    held, first = Held(), Counter[str]()

    def begun() -> None:
        first["begun"] += 1
        if first["begun"] == count:
            opened()

    async with contextlib.AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(_channel(port, host)) for _ in range(-(-count // _PER_CONNECTION))
        ]
        talks = (_talk(channels[n % len(channels)], n, every, until, held, begun) for n in range(count))
        await asyncio.gather(*talks)
    return held


def _channel(port: int, host: str) -> grpc.aio.Channel:
    options = [
        ("grpc.default_authority", host),
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)


async def _talk(
    channel: grpc.aio.Channel,
    number: int,
    every: float,
    until: asyncio.Event,
    held: Held,
    begun: Callable[[], None],
) -> None:
    call = channel.stream_stream(METHOD)()
    try:
        why = await _exchange(call, f"{number}:first".encode(), held)
    finally:
        begun()
    try:
        why = why or await _converse(call, number, every, until, held) or await _finish(call)
    except (TimeoutError, asyncio.InvalidStateError) as error:
        why = f"{type(error).__name__}: {error}"
    finally:
        call.cancel()
    held.whole += not why
    if why:
        held.cut[why] += 1


async def _exchange(call: Call, message: bytes, held: Held) -> str:
    """Send a message and wait for it to come back; give what is wrong."""
    try:
        await call.write(message)
        answer = await asyncio.wait_for(call.read(), _PATIENCE)
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"
    except (TimeoutError, asyncio.InvalidStateError) as error:
        return f"{type(error).__name__}: {error}"
    held.messages += 1
    return "" if answer == message else "ended, or another message"


async def _converse(call: Call, number: int, every: float, until: asyncio.Event, held: Held) -> str:
    dice = random.Random(number)
    for at in itertools.count():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), every * dice.uniform(0.5, 1.5))
        if (why := await _exchange(call, f"{number}:{at}".encode(), held)) or until.is_set():
            break
    return why


async def _finish(call: Call) -> str:
    await call.done_writing()
    if await asyncio.wait_for(call.read(), _PATIENCE) is not grpc.aio.EOF:
        return "a message that nobody sent"
    status = await call.code()
    return "" if status is grpc.StatusCode.OK else f"ended with {status.name}"


# --- the server -----------------------------------------------------------------------------------------------------


async def _chat(messages: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message


async def _serve(ports: Sequence[int]) -> None:
    made = grpc.aio.server()
    handlers = {"Chat": grpc.stream_stream_rpc_method_handler(_chat)}
    made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("harness.Echo", handlers),))
    for port in ports:
        made.add_insecure_port(f"127.0.0.1:{port}")
    await made.start()
    await made.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve([int(word) for word in sys.argv[1:]]))
