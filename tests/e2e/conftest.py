"""One pool of real backends for the session, one real gateway for each module; each test has hosts of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from harness import certs
from harness.backends import Backends
from harness.gateway import Gateway
from harness.services import Services


@pytest.fixture(scope="session")
def pool() -> Iterator[Backends]:
    with Backends() as started:
        yield started


@pytest.fixture(scope="session")
def authority() -> certs.Authority:
    return certs.Authority()


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway() as started:
        yield started


_numbers = itertools.count()


@pytest.fixture
def host() -> str:
    """Give a host that no other test uses."""
    return f"h{next(_numbers)}.example"


@pytest.fixture
def services(pool: Backends) -> Services:
    return Services(pool, f"ns{next(_numbers)}")
