"""The load: requests go out at their times, whether or not earlier answers have come.

A client that waits for its answer before it asks again hides an outage: it just asks less. This one does not wait; a
request without a free connection gets a new one. It repeats none that was sent, and tries another address only if no
connection was made, and only as often as it was told.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import ssl
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tidegate.observe.ledger._connections import Http1, Http2
from tidegate.observe.ledger._errors import BadPlan
from tidegate.observe.ledger._exchange import Exchange
from tidegate.observe.ledger._mix import Schedule
from tidegate.observe.ledger._records import Asked, End, Record, Run, Target
from tidegate.observe.ledger._targets import Aim, aim_of, spread

_TICK = 0.001
"""Seconds between looks at what is due: requests go out in groups of a millisecond's."""

_SWEEP = 0.1
"""Seconds between looks for requests that have waited too long."""


_MOST_UNSENT = 3
"""How many connections may be closed before a request could be sent on them; then it has failed."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be asked."""

    targets: Sequence[Target]
    mix: Mapping[str, int]
    rate: float
    """Requests a second."""
    seconds: float = 0
    """How long; 0: until it is stopped."""
    timeout: float = 30
    """Seconds from sending to the last byte of an answer."""
    via: Sequence[tuple[str, int]] = ()
    """Where to connect to, in turn, in place of the targets' own addresses."""
    via_tls: Sequence[tuple[str, int]] = ()
    """The same for https."""
    connects: int = 1
    """How many addresses are tried until a connection is made."""
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    seed: int = 0


class Load:
    """One run of a plan. ``tell`` gets every record as soon as there is one. Raises ``BadPlan``."""

    def __init__(self, plan: Plan, tell: Callable[[Record], None]) -> None:
        if plan.rate <= 0:
            raise BadPlan(f'rate "{plan.rate}" is not accepted; it wants more than 0 requests a second')
        self.run_id = uuid.uuid4().hex[:12]
        self.asked = 0
        self._plan, self._tell = plan, tell
        self._aims = spread([aim_of(target) for target in plan.targets], plan.mix)
        self._schedule = Schedule(plan.mix, plan.seed)
        self._open: dict[str, Exchange] = {}
        self._free: dict[Aim, list[Http1]] = defaultdict(list)
        self._many: dict[Aim, Http2] = {}
        self._making: dict[Aim, asyncio.Task[Http2]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = self._reopened = 0
        self._tls, self._tls_h2 = plan.tls, _with_h2(plan.tls)
        self._stopping = asyncio.Event()
        self._zero = time.time() - time.monotonic()

    def now(self) -> float:
        """Give the time that histories use."""
        return self._zero + time.monotonic()

    def stop(self) -> None:
        """Send no more; ``run`` returns once the last outcome is known."""
        self._stopping.set()

    async def run(self) -> End:
        """Send, wait for what is under way, and tell the end."""
        plan, cpu = self._plan, _cpu()
        start = self.now()
        self._tell(Run(self.run_id, start, plan.rate, dict(plan.mix), list(plan.targets)))
        sweeper = asyncio.create_task(self._sweep())
        await self._send(start)
        # Requests come in between as others are asked anew: looking is simpler than being told.
        while self._open:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        sweeper.cancel()
        for connections in self._free.values():
            for connection in connections:
                connection.close()
        for many in self._many.values():
            many.close()
        end = End(self.run_id, self.asked, self.now(), _cpu() - cpu, self._reopened)
        self._tell(end)
        return end

    async def _send(self, start: float) -> None:
        plan = self._plan
        last = int(plan.seconds * plan.rate) if plan.seconds else None
        while not self._stopping.is_set() and (last is None or self.asked < last):
            now = self.now()
            due = int((now - start) * plan.rate) + 1
            for number in range(self.asked, due if last is None else min(due, last)):
                self.asked = number + 1
                self._begin(number, start + number / plan.rate, now)
            wait = max(start + self.asked / plan.rate - self.now(), _TICK)
            try:
                await asyncio.wait_for(self._stopping.wait(), wait) if wait > 0.5 else await asyncio.sleep(
                    wait
                )
            except TimeoutError:
                continue

    def _begin(self, number: int, due: float, now: float) -> None:
        how = self._schedule.how(number)
        aims = self._aims[how]
        aim = aims[number % len(aims)]
        id_ = f"{self.run_id}-{number}"
        exchange = self._open[id_] = Exchange(id_, how, aim, due, now + self._plan.timeout, self._settle, now)
        self._ask(exchange)

    def _settle(self, asked: Asked) -> None:
        del self._open[asked.id]
        self._tell(asked)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            now = self.now()
            for exchange in [e for e in self._open.values() if e.deadline < now]:
                exchange.fail(now, f"no answer within {self._plan.timeout:g} s")

    # --- connections ------------------------------------------------------------------------------------------------

    def _ask(self, exchange: Exchange) -> None:
        aim = exchange.aim
        if exchange.how in {"get", "post"}:
            while free := self._free[aim]:
                connection = free.pop()
                if connection.is_open:
                    connection.ask(exchange)
                    return
                self._reopened += 1
        elif exchange.how == "h2" and (many := self._many.get(aim)) and many.is_open and not many.is_full:
            many.ask(exchange)
            return
        task = asyncio.create_task(self._ask_anew(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_anew(self, exchange: Exchange) -> None:
        try:
            connection = await (self._shared(exchange) if exchange.how == "h2" else self._own(exchange))
        except (OSError, TimeoutError) as e:
            exchange.fail(self.now(), f"connect: {_words(e)}")
            return
        if exchange.is_settled:
            if isinstance(connection, Http1):
                connection.close()
        elif connection.is_open:
            connection.ask(exchange)
        elif exchange.unsent < _MOST_UNSENT:
            exchange.unsent += 1
            self._reopened += 1
            self._ask(exchange)
        else:
            exchange.fail(self.now(), "closed before it was asked")

    async def _own(self, exchange: Exchange) -> Http1:
        keep = exchange.how in {"get", "post"}
        free = self._free[exchange.aim]
        context = self._tls if exchange.aim.secure else None
        return await self._connect(exchange, lambda: Http1(self.now, free.append, keep=keep), context)

    async def _shared(self, exchange: Exchange) -> Http2:
        """Give the connection for many, made by the first who wants one."""
        aim = exchange.aim
        making = self._making.get(aim)
        if making is None:
            context = self._tls_h2 if aim.secure else None
            making = asyncio.create_task(self._connect(exchange, lambda: Http2(self.now, self._ask), context))
            self._making[aim] = making
            making.add_done_callback(lambda _: self._making.pop(aim, None))
        made = await asyncio.shield(making)
        if (old := self._many.get(aim)) is not None and old is not made:
            old.is_open = False
        self._many[aim] = made
        return made

    async def _connect(self, exchange: Exchange, make: Callable[[], P], tls: ssl.SSLContext | None) -> P:
        """Connect to the addresses in turn; the error of the last one is raised."""
        aim, loop = exchange.aim, asyncio.get_running_loop()
        via = (self._plan.via_tls if aim.secure else self._plan.via) or ((aim.name, aim.port),)
        turn, self._turn = self._turn, self._turn + 1
        for tries_left in reversed(range(self._plan.connects)):
            host, port = via[turn % len(via)]
            turn += 1
            exchange.sent = self.now()
            try:
                async with asyncio.timeout(self._plan.timeout):
                    _, made = await loop.create_connection(
                        make, host, port, ssl=tls, server_hostname=aim.name if tls else None
                    )
            except (OSError, TimeoutError):
                if not tries_left:
                    raise
            else:
                return made
        raise BadPlan("connects has to be at least 1")


P = TypeVar("P", bound=asyncio.Protocol)


def _with_h2(tls: ssl.SSLContext) -> ssl.SSLContext:
    """Give the same trust, for HTTP/2."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = tls.check_hostname, tls.verify_mode
    for der in tls.get_ca_certs(binary_form=True):
        made.load_verify_locations(cadata=der)
    made.set_alpn_protocols(["h2"])
    return made


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS {error.reason}"
    if type(error) is OSError and error.errno:
        return errno.errorcode.get(error.errno, str(error))
    return type(error).__name__
