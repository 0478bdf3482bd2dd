"""How backends are spoken to: one nginx module for each protocol, and the directives that they have in common.

A profile's ``protocol`` names the protocol; without one it is HTTP. Whatever the values, nginx takes what comes out of here:
sizes that do not go together are brought together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tidegate.dataplane.render import _backend_tls, _forwarding
from tidegate.model import NodeSettings, Profile

_MODULES: Final = {
    "": "proxy",
    "https": "proxy",
    "auto_http": "proxy",
    "grpc": "grpc",
    "grpcs": "grpc",
    "fcgi": "fastcgi",
}
"""Protocol → nginx module."""

_SCHEMES: Final = {"": "http://", "https": "https://", "grpc": "grpc://", "grpcs": "grpcs://", "fcgi": ""}

_NOT_OF_FASTCGI: Final = frozenset({"http_502", "http_504"})
"""Conditions that the FastCGI module lacks."""

MOST_TRIES: Final = 1000000
"""The same number stands in ``tries.lua``."""

PLAIN: Final = "tidegate"
"""Name of the upstream block of HTTP, and the beginning of the others' names."""


def blocks(profiles: Iterable[Profile]) -> dict[str, str]:
    """Give the names of the upstream blocks that profiles need, each with its protocol."""
    found = {PLAIN: ""}
    for profile in profiles:
        for tls in (False, True):
            protocol = _spoken(profile, tls=tls)
            found[_block_of(profile, protocol)] = protocol
    return found


def protocol_of(profile: Profile) -> str:
    """Give the protocol of a profile; empty for HTTP."""
    return str(dict(profile.values).get("protocol", ""))


def script_params(profile: Profile) -> dict[str, str]:
    """Give the parameters of a FastCGI profile's own, each with the variable that holds its value."""
    if protocol_of(profile) != "fcgi":
        return {}
    names = str(dict(profile.values).get("script_params", "")).split()
    return {name: f"$tg_param_{at}" for at, name in enumerate(names, 1)}


def _spoken(profile: Profile, *, tls: bool) -> str:
    protocol = protocol_of(profile)
    if protocol == "auto_http":
        return "https" if tls else ""
    return protocol


def _block_of(profile: Profile, protocol: str) -> str:
    name = f"{PLAIN}_{protocol}" if protocol else PLAIN
    identity = _backend_tls.identity_of(profile)
    return f"{name}_{identity}" if identity and protocol in _backend_tls.PROTOCOLS else name


def tries_once(profile: Profile, node: NodeSettings) -> bool:
    """Tell whether a request that a backend got is never sent again."""
    return is_off(str(dict(profile.values).get("next_upstream", node.next_upstream)))


def module_of(profile: Profile) -> str:
    """Give the nginx module (the prefix of its directives) that serves a profile."""
    return _MODULES[protocol_of(profile)]


def pass_line(profile: Profile, *, tls: bool) -> str:
    """Give the directive that passes requests on; ``tls`` tells on which listener they came (for ``auto_http``)."""
    protocol = _spoken(profile, tls=tls)
    return f"{_MODULES[protocol]}_pass {_SCHEMES[protocol]}{_block_of(profile, protocol)};"


def http_lines(node: NodeSettings) -> Iterator[str]:
    """Give the directives of the http block, the same for every module that has them."""
    stream = max(node.stream_timeout, node.read_timeout)
    for module in ("proxy", "grpc", "fastcgi"):
        # gRPC holds streams open by nature.
        is_stream = module == "grpc"
        yield f"{module}_connect_timeout {node.connect_timeout}s;"
        yield f"{module}_send_timeout {stream if is_stream else node.send_timeout}s;"
        yield f"{module}_read_timeout {stream if is_stream else node.read_timeout}s;"
        yield from _conditions(module, node, node.next_upstream)
        yield f"{module}_next_upstream_timeout {node.tries_timeout}s;"
        # No limit: the balancer counts. But where there is one, nginx tells it how many tries are left (tries.lua).
        yield f"{module}_next_upstream_tries {MOST_TRIES};"
        if not is_stream:
            yield f"{module}_buffering {_switch(node.buffering)};"
            yield f"{module}_request_buffering {_switch(node.request_buffering)};"
            yield from _buffers(module, node, {})
    yield from _backend_tls.http_lines()
    yield f"proxy_http_version {node.http_version};"
    yield "proxy_redirect off;"
    if node.grpc_buffer_size:
        yield f"grpc_buffer_size {node.grpc_buffer_size};"


def location_lines(profile: Profile, node: NodeSettings, headers: Mapping[str, str]) -> Iterator[str]:
    """Give the directives in which a profile differs from the server around it, whose headers towards backends these are.

    Raises ``ValueError`` for a key or value that has no directive.
    """
    module, values = module_of(profile), dict(profile.values)
    for key, value in profile.values:
        match key, value:
            case "body_size", int():
                yield f"client_max_body_size {int(value)};"
            case "client_body_buffer_size", int():
                yield f"client_body_buffer_size {int(value)};"
            case "next_upstream", str():
                yield from _conditions(module, node, value)
            case "tries_timeout", int():
                yield f"{module}_next_upstream_timeout {int(value)}s;"
            case (("buffering" | "request_buffering"), bool()):
                if module != "grpc":
                    yield f"{module}_{key} {_switch(value)};"
            case "connection", ("close" | "keep-alive"):
                if module == "proxy":
                    yield from _forwarding.proxy_lines(headers, value)
            case "http_version", ("1.0" | "1.1"):
                if module == "proxy":
                    yield f"proxy_http_version {value};"
            case "script_params", str():
                if module == "fastcgi":
                    yield from _forwarding.fastcgi_lines(node, headers, script_params(profile))
            case "rewrites_answers", True:
                yield "header_filter_by_lua_block { tidegate_rewrite_answer() }"
            case name, _ if name.startswith("ssl_"):
                pass
            case (
                (
                    "protocol"
                    | "buffers_number"
                    | "buffer_size"
                    | "busy_buffers_size"
                    | "max_temp_file_size"
                    | "intercept"
                ),
                _,
            ):
                pass
            case _:
                raise ValueError(f"profile key {key!r} with value {value!r} has no directive")
    yield from _backend_tls.location_lines(profile, module)
    if module != "grpc" and values.keys() & _SIZES:
        yield from _buffers(module, node, values)
    yield from intercepting(profile, node)


def intercepting(profile: Profile, node: NodeSettings) -> Iterator[str]:
    """Give the directives that hold back answers of backends for the sake of an error page; gRPC calls get none.

    nginx holds back exactly what an ``error_page`` of the same location names; naming more would lose more bodies.
    """
    module, own = module_of(profile), dict(profile.values).get("intercept")
    codes = node.intercept if own is None else [int(code) for code in str(own).split(",") if code]
    if codes and module != "grpc":
        yield f"{module}_intercept_errors on;"
        yield f"error_page {' '.join(map(str, codes))} @error;"


_SIZES: Final = frozenset({"buffers_number", "buffer_size", "busy_buffers_size", "max_temp_file_size"})


def _buffers(module: str, node: NodeSettings, values: Mapping[str, Any]) -> Iterator[str]:
    """Give the four directives about buffers, within the bounds that nginx sets them (``-t`` fails outside)."""
    wanted = {name: int(values.get(name, getattr(node, name))) for name in _SIZES}
    number, size = max(wanted["buffers_number"], 2), wanted["buffer_size"]
    yield f"{module}_buffer_size {size};"
    yield f"{module}_buffers {number} {size};"
    busy = wanted["busy_buffers_size"] or 2 * size
    yield f"{module}_busy_buffers_size {min(max(busy, size), (number - 1) * size)};"
    largest = wanted["max_temp_file_size"]
    yield f"{module}_max_temp_file_size {max(largest, size) if largest else 0};"


def _conditions(module: str, node: NodeSettings, words: str) -> Iterator[str]:
    if is_off(words):
        # The Lua side lets only those tries go on that have not reached a backend: see tries.lua.
        yield f"{module}_next_upstream error;  # off"
        return
    asked = words.split()
    if node.retry_non_idempotent and "non_idempotent" not in asked:
        asked.append("non_idempotent")
    known = [word for word in asked if module != "fastcgi" or word not in _NOT_OF_FASTCGI]
    yield f"{module}_next_upstream {' '.join(known) or 'off'};"


def is_off(words: str) -> bool:
    """Tell whether conditions of another try turn it off."""
    return "off" in words.split()


def _switch(value: bool, /) -> str:  # noqa: FBT001 -- the value itself, not a mode
    return "on" if value else "off"
