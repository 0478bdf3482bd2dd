"""Error pages: what annotations, ConfigMap and flag come to, in data and in the profile."""

from __future__ import annotations

import msgspec
import pytest

from tests.translate.objects import FOLDER, World, backed, gone, load, service, simple
from tidegate.model import Profile, Settings
from tidegate.translate import Options

WITH_DEFAULT = msgspec.structs.replace(FOLDER, default_backend_service="infra/pages")


def world_of(annotations: dict[str, str], data: dict[str, str], options: Options = FOLDER) -> World:
    configuration = load("ConfigMap", "ingress-nginx-controller", "ingress-nginx", data=data)
    return World(simple(annotations=annotations), configuration, backed("pages"), options=options)


@pytest.mark.parametrize(
    ("annotations", "data", "flag", "profile", "everywhere"),
    [
        # Nobody has pages: what is held back for nobody would be lost.
        ({"custom-http-errors": "404"}, {}, False, None, ()),
        ({}, {"custom-http-errors": "404"}, False, None, ()),
        ({"default-backend": "pages"}, {}, False, None, ()),
        # The Ingress has its own.
        ({"default-backend": "pages", "custom-http-errors": "503,404"}, {}, False, "404,503", ()),
        ({"default-backend": "pages"}, {"custom-http-errors": "404"}, False, "404", ()),
        # All have.
        ({}, {"custom-http-errors": "503,404"}, True, None, (404, 503)),
        ({"custom-http-errors": "404,503"}, {"custom-http-errors": "503,404"}, True, None, (404, 503)),
        ({"custom-http-errors": "404"}, {"custom-http-errors": "503"}, True, "404", (503,)),
        ({"custom-http-errors": "404"}, {}, True, "404", ()),
        # What backends answer is to pass.
        ({"disable-proxy-intercept-errors": "true"}, {"custom-http-errors": "503"}, True, "", (503,)),
        ({}, {"custom-http-errors": "503", "disable-proxy-intercept-errors": "true"}, True, None, ()),
        (
            {"disable-proxy-intercept-errors": "false"},
            {"custom-http-errors": "503", "disable-proxy-intercept-errors": "true"},
            True, "503", (),
        ),
    ],
)  # fmt: skip
def test_what_is_held_back(
    annotations: dict[str, str], data: dict[str, str], *, flag: bool, profile: str | None, everywhere: tuple[int, ...]
) -> None:  # fmt: skip
    """A profile only where a route differs from all others; none where nobody could give a page."""
    world = world_of(annotations, data, WITH_DEFAULT if flag else FOLDER)
    (route,) = world.rules().values()
    wanted = Profile() if profile is None else Profile((("intercept", profile),))
    assert (route.profile, world.translator.node.intercept) == (wanted.id, everywhere)


def test_a_default_backend_has_a_backend_of_its_own() -> None:
    """The first port of the Service, whatever a rule says of the same Service; gone when nobody names it."""
    named = simple(annotations={"default-backend": "pages"})
    pages = [service("pages", {"port": 8000}, {"name": "b", "port": 80}), backed("pages")[1]]
    world = World(named, simple("p", "p.example", service="pages"), pages)
    assert world.rules()["p/"].settings == {"default_backend": "shop/pages/*"}
    assert world.addresses("shop/pages/*") == ["10.0.0.1:8080"]
    assert world.keys("b/") == ["b/shop/pages/*", "b/shop/pages/80", "b/shop/web/80"]
    world.tell(gone(named))
    assert world.keys("b/") == ["b/shop/pages/80"]


def test_a_default_backend_leaves_canaries_alone() -> None:
    """That an older Ingress has pages there does not make a canary's Service an ordinary one."""
    canary = simple(
        "next", service="next", annotations={"canary": "true", "canary-weight": "50"}, created="2026"
    )
    world = World(
        simple(annotations={"default-backend": "next"}, created="2020"), canary, backed("next"), backed()
    )
    found = world.backend().canary
    assert found is not None
    assert found.backend == "shop/next/80"
    assert world.backend("shop/next/*").canary is None


def test_a_canary_has_no_default_backend() -> None:
    """It has the one of the ordinary Ingress."""
    world = World(
        simple(), simple("next", service="next", annotations={"canary": "true", "default-backend": "pages"})
    )
    assert world.keys("b/shop/pages") == []


def test_a_default_backend_that_is_not_there_is_told() -> None:
    """At the annotation, until it is there."""
    world = World(simple(annotations={"default-backend": "pages"}), backed())
    found = world.finding("ServiceNotFound")
    assert (found.field, found.value) == (
        "metadata.annotations[nginx.ingress.kubernetes.io/default-backend]",
        "pages",
    )
    world.tell(backed("pages"))
    assert world.kinds() == set()


def test_the_flag_is_told_to_all_routes() -> None:
    """Whether the Service is there or not; its endpoints are an entry of their own."""
    world = world_of({}, {}, WITH_DEFAULT)
    settings = world.entry("g")
    assert isinstance(settings, Settings)
    assert settings.values["default_backend_service"] == "infra/pages/*"
    assert world.addresses("infra/pages/*") == []
    assert world.kinds() == {"ServiceNotFound"}
