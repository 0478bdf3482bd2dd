"""Hosts with many rules: spread over buckets, so that one edit writes little (contract: buckets)."""

from __future__ import annotations

from zlib import crc32

import pytest

from tests.translate.objects import Fact, World, gone, ingress, path, rule, simple
from tidegate.model import Bucket


def many(count: int, name: str = "many", start: int = 0, **more: str) -> Fact:
    paths = [path(f"/p{number}") for number in range(start, start + count)]
    return ingress(name, rule("shop.example", *paths), **more)  # type: ignore[arg-type]


def check(world: World, count: int) -> int:
    """Check that every rule stands in its bucket and nowhere else; give the number of buckets."""
    host = world.host()
    assert len(world.rules()) == count
    assert len(world.keys("r/")) == count
    assert not (host.rules and host.buckets)
    numbers = []
    for key in world.keys("m/main/shop.example/"):
        number = int(key.rpartition("/")[2])
        numbers.append(number)
        bucket = world.entry(key)
        assert isinstance(bucket, Bucket)
        assert all(crc32(one.path.encode()) % host.buckets == number for one in bucket.rules)
    assert sorted(numbers) == list(range(host.buckets))
    return host.buckets


@pytest.mark.parametrize(
    ("rules", "buckets"), [(1, 0), (64, 0), (65, 2), (128, 2), (129, 4), (1000, 16), (5000, 128)]
)
def test_number_of_buckets(rules: int, buckets: int) -> None:
    """A power of two, so that each holds about as many rules as a host without buckets may."""
    assert check(World(many(rules)), rules) == buckets


def test_growing_and_shrinking() -> None:
    """Buckets double as a host grows and halve late as it shrinks: at the edge nothing flutters."""
    world = World()
    seen = []
    for count in (10, 64, 65, 64, 65, 200, 400, 300, 120, 65, 60, 33, 32, 1):
        world.tell(many(count))
        seen.append(check(world, count))
    assert seen == [0, 0, 2, 2, 2, 4, 8, 8, 4, 4, 2, 2, 0, 0]
    world.tell(gone(many(1)))
    assert world.keys("") == ["g"]


def test_an_edit_on_a_large_host_writes_little() -> None:
    """One rule of 10,000, whoever holds the others: a few entries, some KiB."""
    world = World(many(10_000), simple("one", text="/one"))
    assert check(world, 10_001) == 256
    changes = world.tell(simple("one", text="/two"))
    sent = {key: value or b"" for key, value in changes.items() if not key.startswith("o/")}
    assert len(sent) <= 4
    assert sum(map(len, sent.values())) <= 64 * 1024
    assert {key.partition("/")[0] for key in sent} == {"r", "m"}
    check(world, 10_001)


def test_an_edit_inside_a_large_ingress_touches_only_that_rule() -> None:
    """Of 5,000 rules in one object; added, changed and removed in the middle."""
    world = World(many(5000))
    paths = [path(f"/p{number}") for number in range(5000)]
    paths[2000] = path("/new")
    changes = world.tell(ingress("many", rule("shop.example", *paths)))
    assert {key[0] for key in changes} == {"r", "m", "o"}
    assert len(changes) <= 5
    del paths[100]
    changes = world.tell(ingress("many", rule("shop.example", *paths)))
    assert len(changes) <= 3
    check(world, 4999)


def test_a_large_host_that_becomes_a_regex_host() -> None:
    """All its rules are written anew, each in its bucket, and back."""
    world = World(
        many(300), ingress("odd", rule("shop.example", path("/a(b", kind="ImplementationSpecific")))
    )
    turner = simple("turner", text="/x", annotations={"use-regex": "true"})
    world.tell(turner)
    assert world.host().regex
    assert check(world, 302) == 8
    world.tell(gone(turner))
    assert not world.host().regex
    assert check(world, 301) == 8
