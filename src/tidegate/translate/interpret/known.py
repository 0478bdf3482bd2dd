"""Every annotation of the predecessor with its risk, and those that have long gone (reference, a).

What is not declared is not supported yet, and told; a name that is nowhere is a mistake. A protection that is not
supported denies the Ingress: what cannot be done must not be left out silently.
"""

from __future__ import annotations

from typing import Final

from tidegate.translate.interpret.declarations import Risk


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


PROTECTIONS: Final = {
    Risk.LOW: _names(
        """
        auth-always-set-cookie auth-keepalive auth-keepalive-requests auth-keepalive-share-vars
        auth-keepalive-timeout auth-method auth-secret-type auth-tls-pass-certificate-to-upstream
        auth-tls-verify-depth auth-type backend-protocol enable-modsecurity enable-owasp-core-rules
        limit-allowlist limit-burst-multiplier limit-connections limit-rpm limit-rps proxy-ssl-verify satisfy
        """
    ),
    Risk.MEDIUM: _names(
        """
        allowlist-source-range auth-cache-duration auth-cache-key auth-proxy-set-headers auth-realm
        auth-request-redirect auth-response-headers auth-secret auth-signin-redirect-param auth-tls-secret
        auth-tls-verify-client denylist-source-range
        """
    ),
    Risk.HIGH: _names(
        """
        auth-signin auth-tls-error-page auth-tls-match-cn auth-url modsecurity-transaction-id
        """
    ),
    Risk.CRITICAL: _names(
        """
        auth-snippet configuration-snippet modsecurity-snippet server-snippet stream-snippet
        """
    ),
}
"""Without these an Ingress would be more open than its author asked for."""

OTHERS: Final = {
    Risk.LOW: _names(
        """
        affinity affinity-canary-behavior canary canary-weight canary-weight-total client-body-buffer-size
        connection-proxy-header cors-allow-credentials cors-max-age custom-http-errors default-backend
        disable-proxy-intercept-errors enable-access-log enable-cors enable-global-auth enable-opentelemetry
        enable-rewrite-log from-to-www-redirect http2-push-preload limit-rate limit-rate-after load-balance
        mirror-request-body opentelemetry-trust-incoming-span permanent-redirect-code proxy-buffer-size
        proxy-buffering proxy-buffers-number proxy-busy-buffers-size proxy-connect-timeout proxy-http-version
        proxy-max-temp-file-size proxy-next-upstream-timeout proxy-next-upstream-tries proxy-read-timeout
        proxy-request-buffering proxy-send-timeout proxy-ssl-protocols proxy-ssl-server-name
        proxy-ssl-verify-depth relative-redirects service-upstream session-cookie-change-on-failure
        session-cookie-conditional-samesite-none session-cookie-samesite session-cookie-secure ssl-ciphers
        ssl-passthrough ssl-prefer-server-ciphers ssl-redirect temporal-redirect-code upstream-hash-by-subset
        upstream-hash-by-subset-size upstream-vhost use-port-in-redirects use-regex
        """
    ),
    Risk.MEDIUM: _names(
        """
        affinity-mode app-root canary-by-cookie canary-by-header canary-by-header-pattern canary-by-header-value
        cors-allow-headers cors-allow-methods cors-allow-origin cors-expose-headers custom-headers fastcgi-index
        fastcgi-params-configmap force-ssl-redirect opentelemetry-operation-name permanent-redirect
        preserve-trailing-slash proxy-body-size proxy-cookie-domain proxy-cookie-path proxy-next-upstream
        proxy-redirect-from proxy-redirect-to proxy-ssl-ciphers proxy-ssl-secret rewrite-target
        session-cookie-domain session-cookie-expires session-cookie-max-age session-cookie-name
        session-cookie-path temporal-redirect x-forwarded-prefix
        """
    ),
    Risk.HIGH: _names(
        """
        mirror-host mirror-target proxy-ssl-name server-alias upstream-hash-by
        """
    ),
}
"""Without these an Ingress works, only not quite as asked for."""
ALIASES: Final = {"limit-whitelist": "limit-allowlist"}
"""Older names; those of declared annotations stand in their declarations."""

GONE: Final = _names(
    """
    enable-influxdb influxdb-measurement influxdb-port influxdb-host influxdb-server-name secure-verify-ca-secret
    secure-backends grpc-backend add-base-url base-url-scheme session-cookie-hash mirror-uri enable-opentracing
    opentracing-trust-incoming-span opentracing-operation-name opentracing-location-operation-name global-rate-limit
    global-rate-limit-window global-rate-limit-key global-rate-limit-ignored-cidrs
    """
)
"""Gone from the predecessor before its last release; seen in old manifests."""

_OFF: Final = frozenset({"", "0", "f", "F", "FALSE", "false", "False", "off"})
_TOWARDS_BACKEND: Final = frozenset({"backend-protocol", "proxy-ssl-verify"})

_RISKS: Final = {
    name: risk for table in (PROTECTIONS, OTHERS) for risk, names in table.items() for name in names
}
_PROTECTING: Final = frozenset(name for names in PROTECTIONS.values() for name in names)


def canonical(name: str) -> str:
    """Give the present name of an annotation."""
    return ALIASES.get(name, name)


def risk_of(name: str) -> Risk | None:
    """Give the risk of an annotation; None if there is none of this name."""
    return _RISKS.get(name)


def all_names() -> frozenset[str]:
    """Give the names of all annotations, supported or not."""
    return frozenset(_RISKS)


def asks_for_protection(name: str, value: str) -> bool:
    """Say whether leaving an annotation out would open what its author wanted closed."""
    return name in _PROTECTING and is_on(value)


def restricts(name: str, value: str) -> bool:
    """Say whether an annotation decides which clients get through, or how much of them."""
    return name in _PROTECTING and name not in _TOWARDS_BACKEND and is_on(value)


def is_on(value: str) -> bool:
    """Say whether a value switches something on, or just says that it is off."""
    return value.strip() not in _OFF
