"""The ledger: load whose every request is accounted for, backends that write down what they carried out, and a judge.

Client and backends each write a history of JSON lines; the check compares them afterwards and needs nothing else, so it
can be run again and over the files of several machines. It says whether each request had exactly one outcome, whether
anything was carried out twice that must not be, and whether each good answer came whole, for the right tenant, from a
backend that belonged to its target then. It retries no request and forgives none.
"""

from tidegate.observe.ledger._backend import Backend, Manners
from tidegate.observe.ledger._check import CLASSES, Fault, Verdict, check
from tidegate.observe.ledger._errors import BadHistory, BadPlan, LedgerError
from tidegate.observe.ledger._files import History, Writer, read
from tidegate.observe.ledger._load import Load, Plan
from tidegate.observe.ledger._mix import DEFAULT_MIX, HOWS, Schedule, parse_mix
from tidegate.observe.ledger._records import Asked, End, Executed, Member, Record, Run, Target, digest
from tidegate.observe.ledger._summary import Summary, summary
from tidegate.observe.ledger._targets import target_of

__all__ = [
    "CLASSES",
    "DEFAULT_MIX",
    "HOWS",
    "Asked",
    "Backend",
    "BadHistory",
    "BadPlan",
    "End",
    "Executed",
    "Fault",
    "History",
    "LedgerError",
    "Load",
    "Manners",
    "Member",
    "Plan",
    "Record",
    "Run",
    "Schedule",
    "Summary",
    "Target",
    "Verdict",
    "Writer",
    "check",
    "digest",
    "parse_mix",
    "read",
    "summary",
    "target_of",
]
