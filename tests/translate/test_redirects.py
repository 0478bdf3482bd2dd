"""Redirects that go before others, and those that have no effect (reference a.1)."""

from __future__ import annotations

import pytest

from tests.translate.objects import World, simple


def of(**annotations: str) -> World:
    return World(simple(annotations={name.replace("_", "-"): value for name, value in annotations.items()}))


def test_a_temporal_redirect_goes_before_a_permanent_one() -> None:
    """The other has no effect, and that is told."""
    world = of(temporal_redirect="https://t.example", permanent_redirect="https://p.example")
    assert world.rules()["p/"].settings["redirect"] == [302, "https://t.example"]
    assert "temporal-redirect" in world.finding("NoEffect").message


def test_a_temporal_redirect_without_a_scheme_is_left_out() -> None:
    """A permanent one beside it holds."""
    world = of(temporal_redirect="/path", permanent_redirect="/other")
    assert world.rules()["p/"].settings["redirect"] == [301, "/other"]
    assert "starts with http" in world.finding("NoEffect").accepted


@pytest.mark.parametrize("name", ["temporal_redirect_code", "permanent_redirect_code"])
def test_a_code_alone_has_no_effect(name: str) -> None:
    """Nor does a prefix without a rewrite."""
    assert of(**{name: "307"}).finding("NoEffect").accepted.endswith("beside it")
    assert of(x_forwarded_prefix="/p").finding("NoEffect").accepted == "rewrite-target beside it"
