"""The judge: a pure function of histories. It knows no clock, no network and no mercy.

What a history does not hold cannot be judged: without backends' records nothing is said of executions, without members
nothing of who may answer. ``Verdict.judged`` says what was looked at, so that silence is not taken for a clean bill.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tidegate.observe.ledger._records import Asked, End, Executed, Member, Record, Run, Target

CLASSES: Final = {
    "no outcome": "a request was sent and its client knows nothing of it",
    "two outcomes": "one id, more than one outcome",
    "unfinished": "a load without its end: its client was killed",
    "failed": "no whole answer, or one that is not 2xx and that no backend gave",
    "executed twice": "a request that must not be repeated was carried out more than once",
    "not executed": "a 2xx answer to a request that no backend carried out",
    "never asked": "a backend carried out a request of this load that no client sent",
    "wrong backend": "carried out by an instance that did not belong to the target between sending and answer",
    "wrong tenant": "carried out by another tenant's backend",
    "wrong body": "the answer's body is not what the backend sent",
    "wrong answer": "the answer of another request",
    "wrong request": "the backend got another method or body than the client sent",
}
"""Every class of fault, and what it means."""

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})


class Fault(msgspec.Struct, frozen=True):
    """One request (or load) with which something is wrong."""

    what: str
    """A key of ``CLASSES``."""
    id: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the histories say."""

    asked: int
    executed: int
    """Executions; more than the good answers if something was tried more than once."""
    faults: list[Fault]
    judged: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Faults by class; classes without any are left out."""
        return dict(Counter(fault.what for fault in self.faults))

    def of(self, what: str) -> list[Fault]:
        """Give the faults of one class. Raises ``KeyError`` for a class that is none."""
        CLASSES[what]
        return [fault for fault in self.faults if fault.what == what]


def check(history: Iterable[Record]) -> Verdict:
    """Judge histories of clients, backends and members together, in any order."""
    case = _Case(history)
    faults = [*case.outcomes(), *case.phantoms()]
    for asked in case.asked.values():
        faults += case.judge(asked[0])
    return Verdict(len(case.asked), case.executions, faults, case.judged())


class _Case:
    """The histories, by what is asked of them."""

    def __init__(self, history: Iterable[Record]) -> None:
        self.runs: dict[str, Run] = {}
        self.ends: dict[str, End] = {}
        self.asked: dict[str, list[Asked]] = defaultdict(list)
        self.executed: dict[str, list[Executed]] = defaultdict(list)
        self.members: dict[str, list[Member]] = defaultdict(list)
        for record in history:
            self._take(record)
        self.executions = sum(map(len, self.executed.values()))
        self._targets: dict[tuple[str, str], Target] = {
            (run.run, target.name): target for run in self.runs.values() for target in run.targets
        }

    def _take(self, record: Record) -> None:
        match record:
            case Run():
                self.runs[record.run] = record
            case End():
                self.ends[record.run] = record
            case Asked():
                self.asked[record.id].append(record)
            case Executed():
                self.executed[record.id].append(record)
            case Member():
                self.members[record.target].append(record)

    def judged(self) -> list[str]:
        found = ["outcomes"]
        found += ["executions"] if self.executed else []
        found += ["members"] if self.members else []
        found += ["tenants"] if any(target.tenant for target in self._targets.values()) else []
        return found

    # --- of a load as a whole ---------------------------------------------------------------------------------------

    def outcomes(self) -> Iterator[Fault]:
        for run in self.runs:
            end = self.ends.get(run)
            if end is None:
                yield Fault("unfinished", run)
                continue
            for n in range(end.asked):
                if (id_ := f"{run}-{n}") not in self.asked:
                    yield Fault("no outcome", id_)
        for id_, several in self.asked.items():
            if len(several) > 1:
                yield Fault("two outcomes", id_, ", ".join(_outcome(one) for one in several))

    def phantoms(self) -> Iterator[Fault]:
        """Name executions of these loads' ids that were never asked for."""
        for id_, several in self.executed.items():
            run, _, number = id_.rpartition("-")
            end = self.ends.get(run)
            known = id_ in self.asked or (end and number.isdigit() and int(number) < end.asked)
            if run in self.runs and end is not None and not known:
                yield Fault("never asked", id_, several[0].instance)

    # --- of one request ---------------------------------------------------------------------------------------------

    def judge(self, asked: Asked) -> Iterator[Fault]:
        done = self.executed.get(asked.id, [])
        if len(done) > 1 and asked.method not in IDEMPOTENT:
            yield Fault("executed twice", asked.id, f"{asked.method} by {_names(done)}")
        if asked.error or (not _is_good(asked) and not asked.instance):
            yield Fault("failed", asked.id, f"{asked.how}: {_outcome(asked)}")
        for one in done:
            if one.method != asked.method or one.got != asked.gave:
                yield Fault("wrong request", asked.id, f"{one.instance} got {one.method} {one.got}")
        yield from self._tenancy(asked, done)
        if _is_good(asked) and not asked.error:
            yield from self._answer(asked, done)

    def _tenancy(self, asked: Asked, done: list[Executed]) -> Iterator[Fault]:
        target = self._targets.get((asked.id.rpartition("-")[0], asked.target))
        wanted = target.tenant if target else ""
        seen = {one.tenant for one in done} | ({asked.tenant} if asked.tenant else set())
        if wanted and seen - {wanted}:
            yield Fault("wrong tenant", asked.id, f"{', '.join(sorted(seen - {wanted}))} for {wanted}")

    def _answer(self, asked: Asked, done: list[Executed]) -> Iterator[Fault]:
        if self.executed and not done:
            yield Fault("not executed", asked.id, _outcome(asked))
        if asked.echoed and asked.echoed != asked.id:
            yield Fault("wrong answer", asked.id, f"that of {asked.echoed}")
        if asked.method != "HEAD" and asked.body not in _bodies(asked, done):
            yield Fault("wrong body", asked.id, f"got {asked.body or 'nothing'}")
        by = {one.instance for one in done} | ({asked.instance} if asked.instance else set())
        if members := self.members.get(asked.target):
            for instance in sorted(by):
                if not any(_belonged(member, instance, asked) for member in members):
                    yield Fault("wrong backend", asked.id, f"{instance} for {asked.target}")


def _is_good(asked: Asked) -> bool:
    return 200 <= asked.status < 300


def _bodies(asked: Asked, done: list[Executed]) -> set[str]:
    """Give the bodies that are right: what its backends sent; without their records, what the answer says of itself."""
    return {one.gave for one in done} or {asked.claimed or asked.body}


def _belonged(member: Member, instance: str, asked: Asked) -> bool:
    ended = member.until is not None and member.until < asked.sent
    return member.instance == instance and member.since <= asked.done and not ended


def _outcome(asked: Asked) -> str:
    return asked.error or str(asked.status)


def _names(done: list[Executed]) -> str:
    return ", ".join(one.instance for one in done)
