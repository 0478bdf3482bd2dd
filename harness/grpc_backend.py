"""A real gRPC server (grpcio) with one method of each kind, which tells what it was told; and clients for it.

Messages are bytes as they are: no schema is needed to see what a gateway between the two does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent import futures
from types import TracebackType
from typing import Any, Self

import grpc
import msgspec

from harness import waiting

SERVICE = "harness.Echo"


class GrpcBackend:
    """One gRPC server on a loopback address.

    Methods of ``harness.Echo``: ``Unary`` answers ``<name>:<message>``; ``Gather`` (client stream) the number and the
    total length of the messages; ``Spread`` (server stream) the message as often as it says (``5`` or ``5@0.1``:
    seconds between); ``Chat`` (both) each message at once; ``Fail`` the status that the message names;
    ``Wait`` answers never, and notes when it is cancelled; ``Told`` gives the call's metadata as JSON.
    """

    def __init__(
        self, name: str, *, credentials: grpc.ServerCredentials | None = None, options: Iterable[Any] = ()
    ) -> None:
        """Take the name by which it answers; with credentials, it speaks TLS. ``options`` are grpcio's."""
        self.id = name
        self.address, self.port = "127.0.0.1", waiting.free_ports(1)[0]
        self.cancelled = threading.Event()
        """Set when a call to ``Wait`` was cancelled by its client."""
        self.deadline = 0.0
        """Seconds that the last call had left when it arrived; 0 without a deadline."""
        self._server = grpc.server(futures.ThreadPoolExecutor(16), options=list(options))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        target = f"{self.address}:{self.port}"
        if credentials is None:
            self._server.add_insecure_port(target)
        else:
            self._server.add_secure_port(target, credentials)

    def _handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Unary": grpc.unary_unary_rpc_method_handler(self._unary),
                "Gather": grpc.stream_unary_rpc_method_handler(self._gather),
                "Spread": grpc.unary_stream_rpc_method_handler(self._spread),
                "Chat": grpc.stream_stream_rpc_method_handler(self._chat),
                "Fail": grpc.unary_unary_rpc_method_handler(self._fail),
                "Wait": grpc.unary_unary_rpc_method_handler(self._wait),
                "Told": grpc.unary_unary_rpc_method_handler(self._told),
            },
        )

    # --- methods ----------------------------------------------------------------------------------------------------

    def _unary(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        self._note(context)
        context.set_trailing_metadata((("x-trailer", "at the end"), ("x-raw-bin", b"\x00\xff")))
        return f"{self.id}:".encode() + message

    def _gather(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self._note(context)
        lengths = [len(message) for message in messages]
        return f"{len(lengths)}:{sum(lengths)}".encode()

    def _spread(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._note(context)
        count, _, every = message.decode().partition("@")
        for number in range(int(count)):
            yield str(number).encode()
            time.sleep(float(every or 0))

    def _chat(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        self._note(context)
        yield from messages

    def _fail(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(getattr(grpc.StatusCode, message.decode()), "as asked: 100 %")
        raise AssertionError

    def _wait(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        done = threading.Event()

        def cancelled() -> None:
            self.cancelled.set()
            done.set()

        context.add_callback(cancelled)
        self._note(context)
        done.wait(30)
        return message

    def _told(self, _message: bytes, context: grpc.ServicerContext) -> bytes:
        told = [(str(name), str(value)) for name, value in context.invocation_metadata()]
        return msgspec.json.encode(told)

    def _note(self, context: grpc.ServicerContext) -> None:
        left = context.time_remaining()
        self.deadline = left if left is not None and left < 1e6 else 0.0

    # --- life -------------------------------------------------------------------------------------------------------

    def go_away(self, grace: float) -> None:
        """Stop to serve: open connections get a GOAWAY, calls in flight have ``grace`` seconds."""
        self._server.stop(grace)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.stop(0).wait(10)


class Caller:
    """A client of the methods above, on one channel."""

    def __init__(self, port: int, host: str, *, root: bytes = b"") -> None:
        """Take the gateway's port and the host to ask for; with a root certificate, over TLS."""
        options: list[Any] = [("grpc.default_authority", host), ("grpc.enable_retries", 0)]
        target = f"127.0.0.1:{port}"
        if root:
            named = [*options, ("grpc.ssl_target_name_override", host)]
            self.channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(root), named)
        else:
            self.channel = grpc.insecure_channel(target, options)

    def unary(self, method: str) -> Any:
        """Give a callable of one message for one."""
        return self.channel.unary_unary(f"/{SERVICE}/{method}")

    def gather(self) -> Any:
        """Give the callable of many messages for one."""
        return self.channel.stream_unary(f"/{SERVICE}/Gather")

    def spread(self) -> Any:
        """Give the callable of one message for many."""
        return self.channel.unary_stream(f"/{SERVICE}/Spread")

    def chat(self) -> Any:
        """Give the callable of many messages for many."""
        return self.channel.stream_stream(f"/{SERVICE}/Chat")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.channel.close()
