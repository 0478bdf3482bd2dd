"""A pool of real backends for all fault tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import certs
from harness.backends import Backends


@pytest.fixture(scope="session")
def pool() -> Iterator[Backends]:
    with Backends() as started:
        yield started


@pytest.fixture(scope="session")
def authority() -> certs.Authority:
    return certs.Authority()
