"""What nginx.conf says about TLS: one handshake for most hosts, and server profiles for those with one of their own.

Certificates are data. What a handshake has to know before it can ask for data stands here: protocols, ciphers, the
session cache, client authorities. PEM stands in files of the state folder, named by their content; a tenant's host
name stands here as a validated DNS name, and nothing else that a tenant wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tidegate.dataplane.render import _backend_tls
from tidegate.model import NodeSettings, ServerProfile, Verify

_CURVES = "X25519MLKEM768:X25519:prime256v1:secp384r1"
"""For ``auto``: the groups of Mozilla's guideline, and the hybrid that resists later decryption by quantum computers."""

_OCSP_CACHE_BYTES = 16 * 1024 * 1024
"""An answer takes 0.5 to 2 KiB: ten thousand certificates."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """One server block beside the default one: a policy, and the hosts that have it."""

    policy: ServerProfile
    hosts: tuple[str, ...]

    @property
    def reads_certificates(self) -> bool:
        """Tell whether clients are asked for certificates."""
        return self.policy.verify is not Verify.OFF


def guarded(servers: Collection[ServerProfile]) -> list[Guarded]:
    """Give the server blocks for these profiles, in a stable order.

    Wildcards have blocks apart: nginx leads every name below them there, also hosts of others that are open.
    """
    by_policy: dict[tuple[bool, ServerProfile], list[str]] = {}
    for server in servers:
        by_policy.setdefault((server.host.startswith("*."), server.policy), []).append(server.host)
    ordered = sorted(by_policy.items(), key=lambda item: min(item[1]))
    return [Guarded(policy, tuple(sorted(hosts))) for (_, policy), hosts in ordered]


def known_servers(servers: Collection[ServerProfile]) -> str:
    """Give the Lua table of hosts with server profiles: host → id of the profile."""
    listed = sorted((server.host, server.id) for server in servers)
    return "{ " + ", ".join(f'["{host}"] = "{id_}"' for host, id_ in listed) + " }"


def http_lines(node: NodeSettings) -> Iterator[str]:
    """Give the directives of the http block."""
    if node.ocsp_stapling:
        yield f"lua_shared_dict tidegate_ocsp {_OCSP_CACHE_BYTES};"
        if node.nameservers:
            yield f"resolver {' '.join(node.nameservers)};"
    if node.ssl_early_data:
        # A request that came early may have been sent before by somebody else: only what may be repeated goes on.
        yield "map $ssl_early_data:$request_method $tg_too_early {"
        yield "    default '';"
        yield "    ~^1:(?!(?:GET|HEAD|OPTIONS)$) 1;"
        yield "}"
        yield "map $ssl_early_data $tg_early_data { default $http_early_data; 1 1; }"


def client_hello() -> str:
    """Give the directive of the default server that keeps sessions apart, where there are server profiles."""
    # It runs before a session is looked up: one that another host (or another policy) made must not be found.
    return "ssl_client_hello_by_lua_block { tidegate_client_hello() }"


def settings(node: NodeSettings, guard: Guarded | None = None) -> Iterator[str]:
    """Give the directives of a server block that speaks TLS."""
    # Made by ensure_default_certificate() in the state folder; the certificate phase replaces it.
    yield "ssl_certificate ../../default.crt;"
    yield "ssl_certificate_key ../../default.key;"
    yield f"ssl_protocols {' '.join(node.ssl_protocols)};"
    yield f"ssl_ecdh_curve {_CURVES if node.ssl_ecdh_curve == 'auto' else node.ssl_ecdh_curve};"
    if node.ssl_dh_param:
        yield f"ssl_dhparam {_document(node.ssl_dh_param)};"
    yield from _sessions(node)
    yield f"ssl_buffer_size {node.ssl_buffer_size};"
    if node.ssl_early_data:
        yield "ssl_early_data on;"
    yield "ssl_certificate_by_lua_block { tidegate_certificate() }"
    yield from _ciphers(node, guard.policy if guard else None)
    if guard is not None and guard.reads_certificates:
        yield from _clients(guard)


def _sessions(node: NodeSettings) -> Iterator[str]:
    if node.ssl_session_cache:
        yield f"ssl_session_cache shared:tidegate_tls:{node.ssl_session_cache_bytes};"
    else:
        yield "ssl_session_cache none;"
    yield f"ssl_session_timeout {node.ssl_session_timeout}s;"
    yield f"ssl_session_tickets {'on' if node.ssl_session_tickets else 'off'};"
    if node.ssl_session_tickets and node.ssl_session_ticket_key:
        yield f"ssl_session_ticket_key {_document(node.ssl_session_ticket_key)};"


def _ciphers(node: NodeSettings, policy: ServerProfile | None) -> Iterator[str]:
    own = policy.prefer_server_ciphers if policy else None
    yield f"ssl_ciphers {(policy and policy.ciphers) or node.ssl_ciphers};"
    yield f"ssl_prefer_server_ciphers {'off' if own is False else 'on'};"


def _clients(guard: Guarded) -> Iterator[str]:
    policy = guard.policy
    verify = policy.verify
    if verify is Verify.ON and guard.hosts[0].startswith("*."):
        # An open host below the wildcard comes here too. The Lua side asks for the certificate where one is due.
        verify = Verify.OPTIONAL
    yield f"ssl_verify_client {verify};"
    yield f"ssl_verify_depth {policy.depth};"
    yield f"ssl_client_certificate {_document(policy.authorities)};"
    if policy.revoked:
        yield f"ssl_crl {_document(policy.revoked)};"


def client_headers(guard: Guarded | None) -> dict[str, str]:
    """Give the headers that tell the backend about a client's certificate. What clients send by these names never counts."""
    told = guard is not None and guard.reads_certificates
    return {
        "ssl-client-verify": "$tg_client_verify" if told else '""',
        "ssl-client-subject-dn": "$tg_client_subject" if told else '""',
        "ssl-client-issuer-dn": "$tg_client_issuer" if told else '""',
        "ssl-client-cert": "$tg_client_certificate" if told else '""',
    }


def early_headers(node: NodeSettings) -> dict[str, str]:
    """Give the header that tells the backend that a request came before the handshake was complete (RFC 8470)."""
    return {"Early-Data": "$tg_early_data"} if node.ssl_early_data else {}


def refusals(node: NodeSettings, guard: Guarded | None) -> Iterator[str]:
    """Give what answers where a handshake was not good enough."""
    if node.ssl_early_data:
        yield "if ($tg_too_early) { return 425; }"
    if guard is not None and guard.reads_certificates:
        yield "error_page 495 496 = @client_refused;"
        yield "location @client_refused {"
        yield "    error_page 418 = $tg_jump;"
        yield "    content_by_lua_block { tidegate_client_refused() }"
        yield "}"


def answer_headers(node: NodeSettings) -> Iterator[str]:
    """Give the ``add_header`` lines of every answer over TLS; a location with such lines of its own repeats them."""
    if node.hsts:
        parts = [f"max-age={node.hsts_max_age}"]
        parts += ["includeSubDomains"] * node.hsts_include_subdomains + ["preload"] * node.hsts_preload
        yield f'add_header Strict-Transport-Security "{"; ".join(parts)}" always;'


def hidden_headers(node: NodeSettings) -> Iterator[str]:
    """Give the backend's headers that the gateway replaces."""
    if node.hsts:
        for module in ("proxy", "grpc", "fastcgi"):
            yield f"{module}_hide_header Strict-Transport-Security;"


def _document(name: str) -> str:
    # Relative to the instance's folder, as the default certificate is.
    return f"../../{_backend_tls.FOLDER}/{name}"
