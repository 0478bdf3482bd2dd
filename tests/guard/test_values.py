"""Value types: what each accepts, what it makes of it, and what it refuses (reference a.0)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.guard import Unacceptable, values
from tidegate.guard.values import Type

ACCEPTED: list[tuple[Type, str, Any]] = [
    *((values.BOOL, text, True) for text in ("1", "t", "T", "TRUE", "true", "True")),
    *((values.BOOL, text, False) for text in ("0", "f", "F", "FALSE", "false", "False")),
    (values.INT, "+7", 7),
    (values.INT, "-3", -3),
    (values.SECONDS, "60", 60),
    (values.size(), "8m", 8 * 1024**2),
    (values.size(), "8M", 8 * 1024**2),
    (values.size(), "0", 0),
    (values.size(), " 2g ", 2 * 1024**3),
    (values.ONOFF, " on ", True),
    (values.ONOFF, "off", False),
    (values.enum("http", "grpc", ignore_case=True), "GRPC", "grpc"),
    (values.DURATION, "240s", 240),
    (values.DURATION, "1h 30m", 5400),
    (values.DURATION, "60", 60),
    (values.BUFFERS, "4 8k", (4, 8192)),
    (values.URL, "https://x.example:8443/a?b=c&d=e", "https://x.example:8443/a?b=c&d=e"),
    (values.PATHCAP, "/$1/x", "/$1/x"),
    (values.RX, "$host(.*)", "$host(.*)"),
    (values.CIDRS, "10.1.2.3/8, 192.0.2.1 ,::1,10.0.0.0/8", ("10.0.0.0/8", "192.0.2.1/32", "::1/128")),
    (values.LIST, " a, b ,,", ("a", "b")),
    (values.ADDRESSES, "[::1], 10.0.0.1", ("::1", "10.0.0.1")),
    (values.PROTOCOLS, "TLSv1.3 TLSv1.2", ("TLSv1.2", "TLSv1.3")),
    (values.CIPHERS, "ECDHE-RSA-AES128-GCM-SHA256:!aNULL:@SECLEVEL=1", "ECDHE-RSA-AES128-GCM-SHA256:!aNULL:@SECLEVEL=1"),
]  # fmt: skip

REFUSED: list[tuple[Type, str]] = [
    *((values.BOOL, text) for text in ("yes", "on", " true", "tRue", "", "true\n")),
    *((values.INT, text) for text in ("1.5", " 1", "1s", "0x10", "", "9" * 30, "\uff11", "1\n")),
    *((values.SECONDS, text) for text in ("0", "-5", "99999999", "5s")),
    *((values.size(), text) for text in ("1.5m", "m", "1mm", "-1", "1t", "9" * 13)),
    (values.size(units="km"), "1g"),
    *((values.ONOFF, text) for text in ("true", "ON", "")),
    *((values.DURATION, text) for text in ("1y", "-1s", "s", "1h;", "99999d")),
    *((values.BUFFERS, text) for text in ("4", "0 8k", "4 8k 1", "4 8g")),
    *((values.URL, text) for text in ("https://x/#a", "https://x/%41", "http://x/$a", "http://a b/", "http://x\r\n", "x;y")),
    *((values.PATHCAP, text) for text in ("/a b", "/a;", "/{", "/a\n/b", '/"')),
    *((values.RX, text) for text in ("a b", "a;b", "a#b", 'a"b', "a\nb", "a\x00b")),
    *((values.CIDRS, text) for text in ("10.0.0.0/8,", "", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "localhost", "010.0.0.1",
                                       "fe80::1%eth0", "10.0.0.0/٨", "1.2.3.4;5.6.7.8")),
    *((values.PROTOCOLS, text) for text in ("SSLv3", "TLSv1.2,TLSv1.3", "", "TLSv1.2; daemon off")),
    *((values.CIPHERS, text) for text in ("", "HIGH:;", "A B", "HIGH:@SECLEVEL=9", "'x'", "_" * 40 + "!", "HIGH::MD5")),
    (values.ADDRESSES, "10.0.0.1:80"),
    (values.TEXT, "a\nb"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "value"), ACCEPTED)
def test_accepted(kind: Type, text: str, value: Any) -> None:
    """The text is of the type, and stands for this value."""
    assert kind.parse(text) == value


@pytest.mark.parametrize(("kind", "text"), REFUSED)
def test_refused(kind: Type, text: str) -> None:
    """The text is not of the type; the refusal says what would be accepted."""
    with pytest.raises(Unacceptable) as refusal:
        kind.parse(text)
    assert str(refusal.value)


@pytest.mark.parametrize("kind", [values.URL, values.PATHCAP, values.RX, values.BASIC])
def test_validation_can_be_switched_off_for_sets_of_characters(kind: Type) -> None:
    """Any printable text passes then, but still no control character."""
    assert kind.parse(" a;b{}", checked=False) == "a;b{}"
    for bad in ("a\nb", "a\rb", "a\x00b", "a\u2028b"):
        with pytest.raises(Unacceptable):
            kind.parse(bad, checked=False)


def test_other_types_are_always_checked() -> None:
    """A number stays a number, whatever the flag says."""
    with pytest.raises(Unacceptable):
        values.INT.parse("many", checked=False)


TYPES = [values.BOOL, values.INT, values.SECONDS, values.size(), values.ONOFF, values.DURATION, values.BUFFERS,
         values.BASIC, values.EXT, values.URL, values.PATHCAP, values.RX, values.VAR, values.HDRS, values.CIDRS,
         values.LIST, values.ADDRESSES, values.TEXT, values.PROTOCOLS, values.CIPHERS]  # fmt: skip


@given(
    st.sampled_from(TYPES), st.text(max_size=60) | st.from_regex(r"[0-9a-z$/;{}\n. :,-]{0,20}"), st.booleans()
)
def test_no_text_does_anything_else_than_be_refused(kind: Type, text: str, checked: bool) -> None:  # noqa: FBT001
    """Whatever the text: a value, or ``Unacceptable``; and no value of text holds a control character."""
    try:
        value = kind.parse(text, checked=checked)
    except Unacceptable:
        return
    if isinstance(value, str):
        assert not any(char in value for char in "\r\n\x00")
