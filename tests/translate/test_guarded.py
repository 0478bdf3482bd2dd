"""A host is guarded where one Ingress protects its paths and another may not."""

from __future__ import annotations

import pytest

from tests.translate.objects import World, gone, simple

ALLOW = {"allowlist-source-range": "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("annotations", "is_guarded"),
    [
        ({}, False),
        (ALLOW, True),
        ({"allowlist-source-range": "nonsense"}, True),
        ({"auth-type": "basic"}, True),
        ({"proxy-body-size": "8m"}, False),
        ({"backend-protocol": "HTTPS"}, False),
    ],
)
def test_a_protection_beside_another_ingress_guards_the_host(
    annotations: dict[str, str],
    is_guarded: bool,  # noqa: FBT001 - of the table
) -> None:
    """One that is denied for a protection that nobody understands, too."""
    world = World(simple("a", text="/a", annotations=annotations), simple("b", text="/b"))
    assert world.host().guarded is is_guarded


def test_one_ingress_alone_protects_all_of_its_paths_alike() -> None:
    """So it does not matter which of them a request is for."""
    first, second = simple("a", text="/a", annotations=ALLOW), simple("b", text="/b")
    world = World(first)
    assert not world.host().guarded
    world.tell(second)
    assert world.host().guarded
    world.tell(gone(second))
    assert not world.host().guarded
    world.tell(second, simple("a", text="/a"))
    assert not world.host().guarded
