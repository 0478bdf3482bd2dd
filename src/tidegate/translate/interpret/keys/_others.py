"""Keys without a declaration: what is read elsewhere, not supported yet, or without effect in ingress-nginx too."""

from __future__ import annotations

from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ACCEPTED: Final = frozenset({"allow-snippet-annotations", "disable-ipv6", "proxy-ssl-location-only"})
"""Keys that are read elsewhere, or whose subject does not exist here yet."""

NOT_YET: Final = _names(
    """
    add-headers allow-backend-server-header brotli-level brotli-min-length brotli-types
    debug-connections default-type disable-ipv6-dns
    enable-aio-write
    enable-auth-access-log enable-brotli enable-multi-accept enable-serial-reloads
    enable-syslog error-log-level error-log-path forwarded-for-proxy-protocol-header geoip2-autoreload-in-minutes
    global-allowed-response-headers global-auth-always-set-cookie global-auth-cache-duration global-auth-cache-key
    global-auth-method global-auth-request-redirect global-auth-response-headers global-auth-signin
    global-auth-signin-redirect-param global-auth-snippet gzip-disable gzip-level gzip-min-length
    gzip-types hide-headers http-access-log-path http-snippet
    http2-max-field-size http2-max-header-size http2-max-requests limit-conn-status-code limit-conn-zone-variable
    limit-rate limit-rate-after limit-req-status-code location-snippet
    lua-shared-dicts main-snippet map-hash-bucket-size
    max-worker-open-files modsecurity-snippet nginx-status-ipv4-whitelist nginx-status-ipv6-whitelist no-auth-locations
    opentelemetry-config proxy-cookie-domain proxy-cookie-path proxy-headers-hash-bucket-size
    proxy-headers-hash-max-size proxy-protocol-header-timeout proxy-redirect-from proxy-redirect-to proxy-set-headers
    reuse-port server-name-hash-bucket-size server-name-hash-max-size server-snippet
    stream-access-log-path
    stream-snippet syslog-host syslog-port use-geoip2 use-gzip variables-hash-bucket-size variables-hash-max-size
    worker-cpu-affinity
    """
)
"""Keys that are known and not supported yet."""

PROTECTIONS: Final = _names(
    """
    block-cidrs block-referers block-user-agents denylist-source-range enable-modsecurity enable-owasp-modsecurity-crs
    global-auth-url
    """
)
"""Keys that are known, not supported yet, and close something: asked for, they close everything."""

DEAD: Final = frozenset(
    ["app-root", "upstream-hash-by", "upstream-hash-by-subset", "upstream-hash-by-subset-size"]
)
"""Keys that never had an effect."""
