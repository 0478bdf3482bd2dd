"""Names of hosts, objects, ports and headers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidegate.guard import Unacceptable, names


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("", "_"),
        ("Shop.Example", "shop.example"),
        ("*.Example.com", "*.example.com"),
        ("localhost", "localhost"),
        ("a-1.b2", "a-1.b2"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_hosts(text: str, host: str) -> None:
    """Hosts are DNS names or a star before one, in lower case; no host is any host (reference g.4)."""
    assert names.host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "a..b", ".a", "a.", "a b", "a_b.example", "*", "*.", "a.*.b", "*a.b", "**.a", "10.0.0.1", "*.10.0", "[::1]", "::1",
        "a.example:80", "-a.example", "a-.example", "bücher.example", "a\n.example", "a.example\n", "a;b", "a/b", "../x",
        "~^.*$", "_", "a" * 64, ".".join(["a" * 60] * 5), "a\x00", "\uff21.example", "\u212a.example",
    ],
)  # fmt: skip
def test_no_hosts(text: str) -> None:
    """Everything else is refused: as by the API server, and as it would have to be written into a configuration."""
    with pytest.raises(Unacceptable):
        names.host(text)


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (names.subdomain, ["a", "a.b-c", "1"], ["", "A", "a_b", "../a", "a/b", "a\n", "-a", "a" * 254]),
        (names.label, ["a", "a-b"], ["", "a.b", "A", "a/b", "a" * 64, "a\n"]),
        (
            names.port_name,
            ["http", "h2c", "a-1"],
            ["", "80", "HTTP", "a--b", "-a", "a-", "a" * 16, "a.b", "a\n"],
        ),
        (names.header, ["X-Canary", "x_y"], ["", "X:Y", "X Y", "X\n", "-x", "é", "a" * 200]),
        (names.cookie, ["canary", "a.b~c"], ["", "a=b", "a;b", "a b", "é"]),
        (names.dns_name, ["db.example", "db"], ["", "10.0.0.1", "a b", "a..b", "*.a", "http://a"]),
    ],
)
def test_other_names(read: Callable[[str], str], good: list[str], bad: list[str]) -> None:
    """Each kind of name has its own characters and length."""
    assert [read(text) for text in good] == good
    for text in bad:
        with pytest.raises(Unacceptable):
            read(text)


def test_a_dns_name_loses_its_final_dot() -> None:
    """It is the same name with and without."""
    assert names.dns_name("DB.Example.") == "db.example"


def test_qualified_names() -> None:
    """``namespace/name`` has both parts, each a name."""
    assert names.qualified("shop/web.1") == ("shop", "web.1")
    for text in ("", "web", "/web", "shop/", "a/b/c", "../x"):
        with pytest.raises(Unacceptable):
            names.qualified(text)
