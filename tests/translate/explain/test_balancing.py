"""A decision says by what an endpoint is chosen, and follows sessions (reference g.11, g.12)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest

from tidegate import model
from tidegate.model import Affinity, Backend, Canary, Endpoint, HashBy, Host, PathKind, Route, Rule, Settings
from tidegate.translate.explain import Answer, Decision, Request, algorithm_of, decide

ONE, TWO, THREE = (Endpoint(f"10.0.0.{n}", 80) for n in (1, 2, 3))
NEXT = (Endpoint("10.0.1.1", 80),)
BALANCED, PERSISTENT = Affinity("sid"), Affinity("sid", mode="persistent")


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def ask(backend: Backend, headers: Mapping[str, str] | None = None, **values: object) -> Decision:
    entries: dict[str, model.Entry] = {
        "g": Settings(values),
        "h/main/shop.test": Host((Rule(PathKind.PREFIX, "/", "root"),)),
        "r/root": Route("ns", "ing", "web", "80", "/", "b"),
        "b/b": backend,
        "b/c": Backend(NEXT),
    }
    return decide(entries, Request(host="shop.test", headers=headers or {}))


def session(key: str, backend: str = "b", name: str = "sid") -> dict[str, str]:
    return {"cookie": f"a=1; {name}={key}|{md5(backend)}"}


@pytest.mark.parametrize(
    ("backend", "algorithm", "said"),
    [
        (Backend((ONE,)), "ewma", "ewma"),
        (Backend((ONE,), algorithm="round_robin"), "round_robin", "round_robin"),
        (
            Backend((ONE,), algorithm="hash", hash_by=HashBy(("", "host", "-x"), 3)),
            "hash",
            "hash of $host-x, one of 3",
        ),
        (Backend((ONE,), affinity=PERSISTENT), "sticky_persistent", "a new session, cookie sid"),
    ],
)
def test_the_algorithm_is_told(backend: Backend, algorithm: str, said: str) -> None:
    """The backend's own, else that of the global settings; affinity goes before both."""
    found = ask(backend, load_balance="ewma")
    assert found.algorithm == algorithm_of(backend, {"load_balance": "ewma"}) == algorithm
    assert said in next(step.said for step in found.trail if step.stage == "balancer")


def test_a_persistent_session_names_its_endpoint() -> None:
    """An unknown name may get any."""
    backend = Backend((ONE, TWO), affinity=PERSISTENT)
    assert ask(backend, session(md5("b/10.0.0.2:80"))).endpoints == (TWO,)
    assert ask(backend, session(md5("b/10.0.0.2:80"), name="SID")).endpoints == (TWO,)
    assert ask(backend, session("gone")).endpoints == (ONE, TWO)
    assert ask(backend, session(md5("b/10.0.0.2:80"), name="other")).endpoints == (ONE, TWO)


@pytest.mark.parametrize("affinity", [BALANCED, PERSISTENT])
def test_endpoints_that_drain_answer_their_sessions_alone(affinity: Affinity) -> None:
    """503 for all others, if no other endpoint is left."""
    key = md5("b/10.0.0.3:80")
    some, none = Backend((ONE,), (THREE,), affinity=affinity), Backend((), (THREE,), affinity=affinity)
    assert THREE in ask(some, session(key)).endpoints
    assert ask(some).endpoints == (ONE,)
    assert ask(none, session(key)).endpoints == (THREE,)
    assert (ask(none).answer, ask(none).status) == (Answer.STATUS, 503)
    assert ask(none, session(key, "another")).status == 503


@pytest.mark.parametrize(
    ("canary", "issuer", "probability"),
    [
        (Canary("c", weight=100), "b", 0),
        (Canary("c", weight=0), "c", 1),
        (Canary("c", weight=100, sticky=False), "b", 0),
        (Canary("c", weight=0, sticky=False), "c", 0),
        (Canary("c", weight=100), "other", 1),
    ],
)
def test_a_session_goes_before_the_rules_of_a_canary(canary: Canary, issuer: str, probability: float) -> None:
    """The primary's always, the canary's unless its behavior is legacy."""
    found = ask(Backend((ONE,), affinity=BALANCED, canary=canary), session("k", issuer))
    assert found.canary is not None
    assert found.canary.probability == probability
    assert found.backend == ("c" if probability else "b")
    assert found.algorithm == "sticky_balanced"
