"""TLS of clients."""

from __future__ import annotations

from typing import Final

from tidegate.guard import names, values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.keys._making import flag

KEYS: Final[tuple[Key, ...]] = (
    Key("ssl-protocols", values.PROTOCOLS, None, "Protocols on offer.", node="ssl_protocols"),
    Key("ssl-ciphers", values.CIPHERS, None, "Ciphers on offer.", node="ssl_ciphers"),
    Key(
        "ssl-session-cache-size",
        values.size(minimum=65536, maximum=2**32),
        None,
        "Memory for TLS sessions.",
        node="ssl_session_cache_bytes",
    ),
    Key(
        "ssl-ecdh-curve",
        values.CURVES,
        None,
        "Curves (groups) on offer; auto is Mozilla's choice.",
        node="ssl_ecdh_curve",
    ),
    Key(
        "ssl-dh-param",
        Type(
            "NAME",
            "namespace/name of a Secret with dhparam.pem",
            lambda text: "/".join(names.qualified(text)),
        ),
        None,
        "Secret with parameters for DHE; without it there is no DHE.",
        node="ssl_dh_param",
    ),
    flag(
        "ssl-early-data", "0-RTT: only GET, HEAD and OPTIONS; others are answered 425.", node="ssl_early_data"
    ),
    flag("ssl-session-cache", "Keep TLS sessions.", node="ssl_session_cache"),
    Key(
        "ssl-session-ticket-key",
        values.TICKET_KEY,
        None,
        "Key of session tickets; without it nginx makes keys and changes them itself.",
        node="ssl_session_ticket_key",
    ),
    flag(
        "ssl-reject-handshake",
        "Refuse handshakes for names that are no hosts.",
        default=False,
        data="ssl_reject_handshake",
    ),
    flag("enable-ocsp", "Staple OCSP answers.", node="ocsp_stapling"),
    flag("hsts", "Send Strict-Transport-Security over TLS.", node="hsts"),
    Key("hsts-max-age", values.integer(0, 2**31 - 1), None, "Its seconds.", node="hsts_max_age"),
    flag("hsts-include-subdomains", "It holds for names below, too.", node="hsts_include_subdomains"),
    flag("hsts-preload", "It may be built into browsers.", node="hsts_preload"),
    Key("ssl-session-timeout", values.DURATION, None, "Life of a TLS session.", node="ssl_session_timeout"),
    flag("ssl-session-tickets", "TLS session tickets.", node="ssl_session_tickets"),
    Key(
        "ssl-buffer-size",
        values.size(minimum=512, maximum=2**17),
        None,
        "Size of TLS writes.",
        node="ssl_buffer_size",
    ),
)
