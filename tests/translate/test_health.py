"""Annotations of active checks: the backend's check, its limits, and what has no effect."""

from __future__ import annotations

import msgspec
import pytest

from tests.translate.objects import World, simple
from tidegate.model import HealthCheck
from tidegate.translate.interpret import registry
from tidegate.translate.interpret.declarations import OWN_PREFIX


def world(annotations: dict[str, str], upstream: dict[str, str] | None = None) -> World:
    """Give a world whose Ingress has annotations of our own, and some of the predecessor's."""
    own = {OWN_PREFIX + key: value for key, value in annotations.items()}
    return World(simple(annotations=(upstream or {}) | own))


def check_of(made: World) -> HealthCheck | None:
    return made.backend().check


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        ({"health-check": "http"}, HealthCheck()),
        ({"health-check": "tcp", "health-check-interval": "5"}, HealthCheck(kind="tcp", interval=5)),
        ({"health-check": "grpc", "health-check-service": "a.B"}, HealthCheck(kind="grpc", service="a.B")),
        (
            {"health-check": "http", "health-check-path": "/healthz?full=1", "health-check-host": "In.Example"},
            HealthCheck(path="/healthz?full=1", host="in.example"),
        ),
        (
            {"health-check": "http", "health-check-statuses": "404, 200-204"},
            HealthCheck(statuses=((200, 204), (404, 404))),
        ),
        (
            {"health-check": "http", "health-check-rise": "4", "health-check-fall": "5", "health-check-timeout": "3"},
            HealthCheck(rise=4, fall=5, timeout=3),
        ),
        ({"health-check": "http", "health-check-interval": "1"}, HealthCheck(interval=1, timeout=1)),
        ({}, None),
    ],
)  # fmt: skip
def test_a_check_is_part_of_the_backend(annotations: dict[str, str], wanted: HealthCheck | None) -> None:
    """As data; the route and its profile know nothing of it."""
    made = world(annotations)
    assert check_of(made) == wanted
    assert made.kinds() <= {"ServiceNotFound"}
    (route,) = made.rules().values()
    assert (route.settings, route.profile) == ({}, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("health-check", "ping"),
        ("health-check-path", "healthz"),
        ("health-check-path", "/a b"),
        ("health-check-path", "/a\r\nX: y"),
        ("health-check-host", "a.example\r\nX: y"),
        ("health-check-host", "*.example"),
        ("health-check-statuses", "200-"),
        ("health-check-statuses", "300-200"),
        ("health-check-statuses", "99"),
        ("health-check-service", "a b"),
        ("health-check-interval", "0"),
        ("health-check-timeout", "5s"),
        ("health-check-rise", "0"),
        ("health-check-fall", "x"),
    ],
)
def test_values_that_cannot_be_read_leave_the_default(name: str, value: str) -> None:
    """With a finding that names the annotation; the rest of the Ingress is as good as ever."""
    made = world({"health-check": "http", name: value})
    assert made.finding("InvalidValue").field == f"metadata.annotations[{OWN_PREFIX}{name}]"
    assert check_of(made) == (None if name == "health-check" else HealthCheck())


@pytest.mark.parametrize(
    ("annotations", "upstream", "name"),
    [
        ({"health-check-path": "/x"}, {}, "health-check-path"),
        ({"health-check": "tcp", "health-check-path": "/x"}, {}, "health-check-path"),
        ({"health-check": "http", "health-check-timeout": "20"}, {}, "health-check-timeout"),
        ({"health-check": "http"}, {"backend-protocol": "FCGI"}, "health-check"),
        ({"health-check": "grpc"}, {"backend-protocol": "GRPCS"}, "health-check"),
    ],
)
def test_what_has_no_effect_is_told(annotations: dict[str, str], upstream: dict[str, str], name: str) -> None:
    """By the name that was written."""
    found = world(annotations, upstream).finding("NoEffect")
    assert found.field == f"metadata.annotations[{OWN_PREFIX}{name}]"


def test_a_backend_over_tls_is_checked_over_tls() -> None:
    """By the protocol that the Ingress says."""
    made = world({"health-check": "http"}, {"backend-protocol": "HTTPS"})
    assert check_of(made) == HealthCheck(tls=True)


def test_a_name_that_is_none_of_ours_is_told_with_the_nearest() -> None:
    """As for those of the predecessor."""
    found = world({"healthcheck-path": "/x"}).finding("UnknownAnnotation")
    assert found.accepted == f"{OWN_PREFIX}health-check-path"


def test_our_declarations_are_whole() -> None:
    """No name twice, and none that the predecessor has; the check that a node gets by default is the declared one."""
    names = [declared.name for declared in registry.OWN]
    assert len(names) == len(set(names))
    assert not set(names) & set(registry.BY_NAME)
    assert all(declared.about.endswith(".") and declared.own for declared in registry.OWN)
    assert msgspec.json.encode(HealthCheck()) == b"{}"
