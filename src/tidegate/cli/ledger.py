"""`tidegate ledger`: load whose every request is accounted for, on any service."""

from __future__ import annotations

import asyncio
import signal
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tidegate.cli import _output
from tidegate.cli._errors import FINE, FOUND, WorldFailed, WrongUse
from tidegate.cli._flags import OutputFlag
from tidegate.cli._types import Output

if TYPE_CHECKING:
    from tidegate.observe.ledger import Backend, Load, Plan, Summary, Verdict

_TEACHING = """\
Requests go out at their times, whether or not earlier ones were answered, and each carries an id in the header
X-Ledger-Id. Backends that take part (`tidegate ledger backend`, or your own) write down which id they carried out, and
answer with X-Ledger-Id, X-Ledger-Instance, and if they like X-Ledger-Tenant and X-Ledger-Body (the first 16 hex digits
of the SHA-256 of the body). An answer without X-Ledger-Instance that is not 2xx counts as the gateway's own failure.

Examples:

    tidegate ledger backend --port 9001 --instance web-1 --history web-1.jsonl

    tidegate ledger run http://shop.example/ --via 127.0.0.1:8080 --rate 1000 --seconds 60 --history client.jsonl

    tidegate ledger check client.jsonl web-1.jsonl web-2.jsonl members.jsonl

A file of members says who belonged to a target when; times are those of the wall clock, in seconds:

    {"kind": "member", "target": "shop", "instance": "web-1", "since": 1790000000.0, "until": null}

Exit codes: 0 nothing is wrong, 1 something is, 2 wrong use, 3 the world failed.
"""

ledger = App(name="ledger", help_epilogue=_TEACHING, help_format="plaintext", version_flags=[])

History = Annotated[Path | None, Parameter(help="File to append the history to (JSON lines).")]


@ledger.command
def run(
    *targets: Annotated[str, Parameter(help="What to ask for, in turn: URL, NAME=URL or NAME@TENANT=URL.")],
    rate: Annotated[float, Parameter(help="Requests a second, of all targets together.")] = 100,
    seconds: Annotated[float, Parameter(help="How long; 0: until interrupted.")] = 10,
    mix: Annotated[
        str, Parameter(help="Shares of get, new, tls, post, h2: kept connections, new TCP, new TLS, POST, HTTP/2. "
                            "Without it 60, 15, 10, 10, 5; tls needs an https target, h2 on http:// prior knowledge.")
    ] = "",
    via: Annotated[str, Parameter(help="ADDRESS:PORT, … to connect to in turn, in place of the targets' own.")] = "",
    via_tls: Annotated[str, Parameter(help="The same for https targets.")] = "",
    connects: Annotated[int, Parameter(help="How many addresses are tried until a connection is made.")] = 1,
    timeout: Annotated[float, Parameter(help="Seconds for one answer.")] = 30,
    ca: Annotated[Path | None, Parameter(help="Authorities to trust (PEM).")] = None,
    insecure: Annotated[bool, Parameter(help="Trust any certificate.", negative="")] = False,
    history: History = None,
    check_with: Annotated[Path | None, Parameter(help="A backend's or members' history to judge this one with.")] = None,
    output: OutputFlag = Output.TEXT,
) -> int:  # fmt: skip
    """Send requests at a steady rate, and judge what came back. Repeats none.

    Ctrl-C ends it early, with its report. Without backends' histories it judges outcomes, and what answers say of
    themselves; `tidegate ledger check` judges all of them together.
    """
    from tidegate.observe import ledger as room

    try:
        plan = room.Plan(
            targets=[room.target_of(text) for text in targets],
            mix=room.parse_mix(mix) if mix else _default_mix(targets),
            rate=rate, seconds=seconds, timeout=timeout, connects=_at_least_one(connects),
            via=_addresses(via), via_tls=_addresses(via_tls), tls=_tls(ca, insecure=insecure),
        )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="tidegate-ledger-") as folder:
            path = history or Path(folder) / "history.jsonl"
            run_id = _load(plan, path)
            found = room.read([path, *([check_with] if check_with else [])])
            mine = [one for one in found if _is_of(one, run_id)]
            return _judged(room.check(mine), room.summary(mine), output)
    except room.BadPlan as error:
        raise WrongUse(str(error)) from error
    except room.LedgerError as error:
        raise WorldFailed(str(error)) from error


@ledger.command
def backend(
    *,
    port: Annotated[int, Parameter(help="Port to listen on.")],
    address: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    instance: Annotated[str, Parameter(help="Name of this instance; else ADDRESS:PORT.")] = "",
    tenant: Annotated[str, Parameter(help="Whose it is.")] = "",
    history: History = None,
    delay: Annotated[float, Parameter(help="Seconds before each answer.")] = 0,
    size: Annotated[int, Parameter(help="Bytes of each answer; 0: a short text.")] = 0,
    chunks: Annotated[int, Parameter(help="Stream each answer in so many parts.")] = 0,
    every: Annotated[float, Parameter(help="Seconds between two parts.")] = 0,
) -> int:
    """Answer requests, and write down each before it is answered. Runs until interrupted.

    A request can ask for other manners in its query: delay=S, bytes=N, chunks=N, every=S, status=N.
    """
    from tidegate.observe import ledger as room

    manners = room.Manners(delay=delay, size=size, chunks=chunks, every=every)
    name = instance or f"{address}:{port}"
    try:
        if history is None:
            asyncio.run(
                _serve(room.Backend(name, lambda _: None, tenant=tenant, manners=manners), address, port)
            )
            return FINE
        with room.Writer(history, at_once=True) as writer:
            asyncio.run(
                _serve(room.Backend(name, writer.write, tenant=tenant, manners=manners), address, port)
            )
    except (room.BadHistory, OSError) as error:
        raise WorldFailed(str(error)) from error
    return FINE


@ledger.command
def check(
    *histories: Annotated[Path, Parameter(help="Files of clients, backends and members, in any order.")],
    output: OutputFlag = Output.TEXT,
) -> int:
    """Judge histories together. Ends with 1 if something is wrong."""
    from tidegate.observe import ledger as room

    if not histories:
        raise WrongUse("no history; files that `tidegate ledger run` and `backend` wrote are wanted")
    try:
        found = room.read(histories)
    except room.LedgerError as error:
        raise WorldFailed(str(error)) from error
    if not any(isinstance(one, room.Run) for one in found):
        raise WrongUse("no load in these histories; one that `tidegate ledger run` wrote is wanted")
    return _judged(room.check(found), room.summary(found), output)


# --- running ----------------------------------------------------------------------------------------------------


def _load(plan: Plan, path: Path) -> str:
    import uvloop

    from tidegate.observe import ledger as room

    with room.Writer(path) as writer:
        load = room.Load(plan, writer.write)
        uvloop.run(_until_stopped(load, writer.flush))
    return load.run_id


async def _until_stopped(load: Load, flush: object) -> None:
    loop = asyncio.get_running_loop()
    for sent in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sent, load.stop)

    async def flushing() -> None:
        while True:
            await asyncio.sleep(0.2)
            flush()  # type: ignore[operator]

    task = asyncio.create_task(flushing())
    await load.run()
    task.cancel()


async def _serve(made: Backend, address: str, port: int) -> None:
    stopped = asyncio.Event()
    for sent in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sent, stopped.set)
    await made.listen(address, port)
    await stopped.wait()
    made.close()


def _is_of(record: object, run_id: str) -> bool:
    """Tell whether a record is of one load, or of no load in particular: a file may hold earlier ones."""
    from tidegate.observe import ledger as room

    if isinstance(record, room.Run | room.End):
        return record.run == run_id
    if isinstance(record, room.Asked | room.Executed):
        return record.id.startswith(f"{run_id}-")
    return True


# --- reading flags ----------------------------------------------------------------------------------------------


def _default_mix(targets: tuple[str, ...]) -> dict[str, int]:
    from tidegate.observe import ledger as room

    secure = any(room.target_of(text).url.startswith("https:") for text in targets)
    return {how: share for how, share in room.DEFAULT_MIX.items() if secure or how != "tls"}


def _addresses(text: str) -> list[tuple[str, int]]:
    found = []
    for part in filter(None, text.split(",")):
        host, _, port = part.strip().rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
            raise WrongUse(f'address "{part}" is not accepted; it wants ADDRESS:PORT')
        found.append((host.strip("[]"), int(port)))
    return found


def _at_least_one(connects: int) -> int:
    if connects < 1:
        raise WrongUse(f'--connects "{connects}" is not accepted; it wants a whole number from 1')
    return connects


def _tls(ca: Path | None, *, insecure: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise WrongUse(
            f'--ca "{ca}" is not accepted: {error}; it wants a file of certificates (PEM)'
        ) from error
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


# --- telling ----------------------------------------------------------------------------------------------------


def _judged(verdict: Verdict, figures: Summary, output: Output) -> int:
    code = FOUND if verdict.faults else FINE
    if output is Output.JSON:
        _output.json(
            {"asked": verdict.asked, "executed": verdict.executed, "judged": verdict.judged,
             "counts": verdict.counts, "faults": verdict.faults[:1000], "load": figures}
        )  # fmt: skip
        return code
    _show_load(figures)
    _show_verdict(verdict)
    return code


def _show_load(figures: Summary) -> None:
    rows = [(h.how, h.asked, h.good, h.p50_ms, h.p99_ms, h.max_ms) for h in figures.hows]
    _output.table("", ("asked by", "requests", "good", "p50 ms", "p99 ms", "max ms"), rows, "no requests")
    say = _output.console().print
    share = figures.cpu_seconds / figures.seconds if figures.seconds else 0
    say(
        f"{figures.seconds:.1f} s; the client took {share:.0%} of a core; {figures.reopened} kept connections reopened"
    )
    for title, counts in (("statuses", figures.statuses), ("errors", figures.errors)):
        if counts:
            say(f"{title}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    if named := {name or "(none)": count for name, count in figures.instances.items()}:
        say("answered by: " + ", ".join(f"{name} {count}" for name, count in named.items()))


def _show_verdict(verdict: Verdict) -> None:
    from tidegate.observe import ledger as room

    say = _output.console().print
    say(f"judged: {', '.join(verdict.judged)}; {verdict.asked} requests, {verdict.executed} executions")
    if not verdict.faults:
        say("nothing is wrong")
        return
    rows = []
    for what, count in verdict.counts.items():
        first = verdict.of(what)[0]
        rows.append((what, count, room.CLASSES[what], f"{first.id} {first.detail}"))
    _output.table("", ("fault", "requests", "meaning", "first"), rows, "")
