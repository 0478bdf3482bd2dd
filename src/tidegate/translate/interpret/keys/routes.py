"""What all routes have unless an annotation says otherwise, as data."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.families import errors
from tidegate.translate.interpret.keys._making import COUNT, flag

_REDIRECT_CODE: Final = values.enum(
    "301", "302", "307", "308", values={c: int(c) for c in ("301", "302", "307", "308")}
)

KEYS: Final[tuple[Key, ...]] = (
    flag("ssl-redirect", "Redirect to HTTPS on hosts with a certificate.", default=True, data="ssl_redirect"),
    flag("force-ssl-redirect", "Redirect to HTTPS on all hosts.", default=False, data="force_ssl_redirect"),
    flag(
        "preserve-trailing-slash",
        "Keep the final slash in that redirect.",
        default=False,
        data="preserve_trailing_slash",
    ),
    flag(
        "use-port-in-redirects",
        "Put the port into that redirect.",
        default=False,
        data="use_port_in_redirects",
    ),
    flag(
        "relative-redirects",
        "The redirect that adds a final slash names the path alone.",
        default=False,
        data="relative_redirects",
    ),
    Key(
        "http-redirect-code",
        _REDIRECT_CODE,
        308,
        "Status of the redirect to HTTPS.",
        data="http_redirect_code",
    ),
    Key(
        "no-tls-redirect-locations",
        values.LIST,
        ("/.well-known/acme-challenge",),
        "Ingress paths that start with one of these are never redirected to HTTPS.",
        data="no_tls_redirect_locations",
    ),
    Key(
        "proxy-connect-timeout",
        values.SECONDS,
        5,
        "Seconds to wait for a connection to the backend.",
        data="connect_timeout",
        node="connect_timeout",
    ),
    Key(
        "proxy-send-timeout",
        values.SECONDS,
        60,
        "Seconds between two writes to the backend.",
        data="send_timeout",
        node="send_timeout",
    ),
    Key(
        "proxy-read-timeout",
        values.SECONDS,
        60,
        "Seconds between two reads from the backend.",
        data="read_timeout",
        node="read_timeout",
    ),
    Key(
        "proxy-next-upstream-tries",
        COUNT,
        3,
        "Endpoints to try, the first included; 0 is each once.",
        data="tries",
    ),
    Key(
        "proxy-next-upstream-timeout",
        COUNT,
        0,
        "Seconds for all tries; 0 is no limit.",
        node="tries_timeout",
    ),
    Key(
        "custom-http-errors",
        errors.codes(300, 599),
        (),
        "Statuses that clients get from the default backend instead.",
        data="custom_errors",
        policy="custom_errors",
    ),
    flag(
        "disable-proxy-intercept-errors",
        "Let errors that backends answer pass all the same.",
        default=False,
        policy="passes_errors",
    ),
    Key("whitelist-source-range", values.CIDRS, (), "Client networks that may come in.", data="allow"),
)
