"""The redirect from HTTP to HTTPS (reference a.1, g.9)."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, Data, Risk

ANNOTATIONS: Final = (
    Annotation(
        "ssl-redirect",
        values.BOOL,
        Data("ssl_redirect"),
        "Redirects HTTP to HTTPS if a certificate is mapped to the host.",
        config_key="ssl-redirect",
    ),
    Annotation(
        "force-ssl-redirect",
        values.BOOL,
        Data("force_ssl_redirect"),
        "Redirects HTTP to HTTPS, certificate or not.",
        risk=Risk.MEDIUM,
        config_key="force-ssl-redirect",
    ),
    Annotation(
        "preserve-trailing-slash",
        values.BOOL,
        Data("preserve_trailing_slash"),
        "Keeps the final slash of the URI in the redirect to HTTPS.",
        risk=Risk.MEDIUM,
        config_key="preserve-trailing-slash",
    ),
    Annotation(
        "use-port-in-redirects",
        values.BOOL,
        Data("use_port_in_redirects"),
        "Puts the HTTPS port into the redirect to HTTPS.",
        config_key="use-port-in-redirects",
    ),
)
