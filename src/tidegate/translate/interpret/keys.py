"""The keys of the global ConfigMap (reference, b)."""

from __future__ import annotations

from typing import Final

from tidegate.guard import names, values
from tidegate.guard.values import Type
from tidegate.translate.interpret import log_formats
from tidegate.translate.interpret.declarations import Key, Risk
from tidegate.translate.interpret.families import balancing, bodies, errors, retries, tracing

_RISK: Final = values.enum(
    "Low", "Medium", "High", "Critical", ignore_case=True, values={r.name.capitalize(): r for r in Risk}
)
_REDIRECT_CODE: Final = values.enum(
    "301", "302", "307", "308", values={c: int(c) for c in ("301", "302", "307", "308")}
)
_WORKERS: Final = Type(
    "INT",
    '"auto", or a number from 1 to 512',
    lambda text: None if text == "auto" else values.integer(1, 512).parse(text),
)
_HEADER: Final = Type("HEADER", "a header name", names.header)
_COUNT: Final = values.integer(0)
_POSITIVE: Final = values.integer(1)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _flag(name: str, about: str, *, default: bool | None = None, **targets: str) -> Key:
    return Key(name, values.BOOL, default, about, **targets)


KEYS: Final[tuple[Key, ...]] = (
    # What all routes have unless an annotation says otherwise: data
    _flag(
        "ssl-redirect", "Redirect to HTTPS on hosts with a certificate.", default=True, data="ssl_redirect"
    ),
    _flag("force-ssl-redirect", "Redirect to HTTPS on all hosts.", default=False, data="force_ssl_redirect"),
    _flag(
        "preserve-trailing-slash",
        "Keep the final slash in that redirect.",
        default=False,
        data="preserve_trailing_slash",
    ),
    _flag(
        "use-port-in-redirects",
        "Put the port into that redirect.",
        default=False,
        data="use_port_in_redirects",
    ),
    _flag(
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
        _COUNT,
        3,
        "Endpoints to try, the first included; 0 is each once.",
        data="tries",
    ),
    Key(
        "proxy-next-upstream-timeout",
        _COUNT,
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
    _flag(
        "disable-proxy-intercept-errors",
        "Let errors that backends answer pass all the same.",
        default=False,
        policy="passes_errors",
    ),
    Key("whitelist-source-range", values.CIDRS, (), "Client networks that may come in.", data="allow"),
    # The default location profile
    Key("proxy-body-size", values.size(), None, "Largest request body; 0 is no limit.", node="body_size"),
    Key("proxy-buffering", values.ONOFF, None, "Whether responses are buffered.", node="buffering"),
    Key(
        "proxy-request-buffering",
        values.ONOFF,
        None,
        "Whether request bodies are read whole before backends get them.",
        node="request_buffering",
    ),
    Key(
        "proxy-buffers-number",
        bodies.BUFFERS_NUMBER,
        None,
        "Buffers for a response.",
        node="buffers_number",
    ),
    Key("proxy-buffer-size", bodies.BUFFER_SIZE, None, "Size of each.", node="buffer_size"),
    Key(
        "proxy-busy-buffers-size",
        bodies.BUSY_SIZE,
        None,
        "How much of them may be on its way to the client; 0 is as much as the others allow.",
        node="busy_buffers_size",
    ),
    Key(
        "proxy-max-temp-file-size",
        bodies.TEMP_SIZE,
        None,
        "How much of a response may wait in a file; 0 is none.",
        node="max_temp_file_size",
    ),
    Key(
        "proxy-http-version",
        values.enum("1.0", "1.1"),
        None,
        "Version of HTTP towards backends.",
        node="http_version",
    ),
    Key(
        "proxy-next-upstream",
        retries.NEXT_UPSTREAM,
        None,
        "When another endpoint is tried.",
        node="next_upstream",
    ),
    _flag(
        "retry-non-idempotent",
        "Try another endpoint for POST, LOCK and PATCH too, although they may be executed twice.",
        node="retry_non_idempotent",
    ),
    Key(
        "grpc-buffer-size-kb",
        Type("INT", "a number of KiB up to 16384", lambda text: values.integer(0, 16384).parse(text) * 1024),
        None,
        "Buffer for responses of gRPC backends, in KiB; 0 is nginx's own.",
        node="grpc_buffer_size",
    ),
    # How Ingress objects are interpreted
    Key(
        "annotations-risk-level",
        _RISK,
        Risk.HIGH,
        "Risk above which annotations are refused.",
        policy="risk_level",
    ),
    Key(
        "annotation-value-word-blocklist",
        values.LIST,
        (),
        "Words that no annotation value may hold.",
        policy="forbidden_words",
    ),
    _flag(
        "strict-validate-path-type",
        "Refuse patterns in Exact and Prefix paths.",
        default=True,
        policy="strict_paths",
    ),
    _flag(
        "allow-cross-namespace-resources",
        "Let annotations name Secrets of other namespaces.",
        default=False,
        policy="cross_namespace",
    ),
    _flag("service-upstream", "Send requests to cluster IPs.", default=False, policy="service_upstream"),
    # Workers and connections
    Key("worker-processes", _WORKERS, None, "Worker processes.", node="workers"),
    Key(
        "max-worker-connections",
        values.integer(64, 2**20),
        None,
        "Connections of a worker.",
        node="worker_connections",
    ),
    Key(
        "worker-shutdown-timeout",
        values.DURATION,
        None,
        "After this an old worker is ended.",
        node="worker_shutdown_timeout",
    ),
    Key(
        "keep-alive",
        _COUNT,
        None,
        "Seconds that an idle client connection stays open.",
        node="keepalive_timeout",
    ),
    Key(
        "keep-alive-requests",
        _POSITIVE,
        None,
        "Requests of one client connection.",
        node="keepalive_requests",
    ),
    Key(
        "client-header-timeout",
        values.SECONDS,
        None,
        "Seconds for a request's head.",
        node="client_header_timeout",
    ),
    Key(
        "client-body-timeout",
        values.SECONDS,
        None,
        "Seconds between two reads of a body.",
        node="client_body_timeout",
    ),
    Key(
        "client-header-buffer-size",
        values.size(minimum=256, maximum=2**20),
        None,
        "Buffer for a request's head.",
        node="client_header_buffer_size",
    ),
    Key(
        "large-client-header-buffers",
        values.BUFFERS,
        None,
        "More buffers for a large head.",
        node="large_client_header_buffers",
    ),
    Key(
        "client-body-buffer-size",
        values.size(minimum=1024, maximum=2**30),
        None,
        "Buffer for a request's body.",
        node="client_body_buffer_size",
    ),
    _flag("use-http2", "HTTP/2.", node="http2"),
    _flag("use-http3", "HTTP/3, on the UDP port of the same number as HTTPS.", node="http3"),
    Key(
        "http2-max-concurrent-streams",
        values.integer(1, 65535),
        None,
        "Streams of one HTTP/2 connection.",
        node="http2_max_concurrent_streams",
    ),
    _flag("enable-underscores-in-headers", "Let header names with _ pass.", node="underscores_in_headers"),
    _flag("ignore-invalid-headers", "Drop headers with invalid names.", node="ignore_invalid_headers"),
    _flag("server-tokens", "Show the Server header.", node="server_tokens"),
    Key("bind-address", values.ADDRESSES, None, "Addresses to listen on.", node="bind_addresses"),
    # Upstream connections
    Key(
        "upstream-keepalive-connections",
        _COUNT,
        None,
        "Idle connections to backends in each worker.",
        node="upstream_keepalive_connections",
    ),
    Key(
        "upstream-keepalive-timeout",
        values.SECONDS,
        None,
        "Seconds that such a connection stays open.",
        node="upstream_keepalive_timeout",
    ),
    Key(
        "upstream-keepalive-requests",
        _POSITIVE,
        None,
        "Requests of such a connection.",
        node="upstream_keepalive_requests",
    ),
    Key(
        "upstream-keepalive-time", values.DURATION, None, "Its longest life.", node="upstream_keepalive_time"
    ),
    Key(
        "load-balance",
        balancing.ALGORITHM,
        balancing.ROUND_ROBIN,
        "How endpoints share the requests of a backend whose Ingress does not say.",
        data="load_balance",
    ),
    # TCP and UDP services, and TLS that is passed through
    Key(
        "proxy-stream-timeout",
        values.DURATION,
        None,
        "Seconds between two reads or writes of a TCP or UDP service's connection.",
        node="service_timeout",
    ),
    Key(
        "proxy-stream-responses",
        _COUNT,
        None,
        "Datagrams that answer one of a client of a UDP service.",
        node="service_responses",
    ),
    _flag(
        "proxy-stream-next-upstream",
        "Try another endpoint when one cannot be connected to.",
        node="service_retries",
    ),
    Key(
        "proxy-stream-next-upstream-tries",
        _COUNT,
        None,
        "Endpoints to try, the first included; 0 is all.",
        node="service_tries",
    ),
    Key(
        "proxy-stream-next-upstream-timeout",
        values.DURATION,
        None,
        "Seconds for all tries; 0 is no limit.",
        node="service_tries_timeout",
    ),
    # Client address and forwarding
    _flag("use-forwarded-headers", "Believe X-Forwarded-… of peers.", node="use_forwarded_headers"),
    _flag("compute-full-forwarded-for", "Append to X-Forwarded-For.", node="compute_full_forwarded_for"),
    _flag("enable-real-ip", "Take the client address from a header.", node="enable_real_ip"),
    _flag("use-proxy-protocol", "Expect the PROXY protocol.", node="use_proxy_protocol"),
    Key(
        "proxy-real-ip-cidr", values.CIDRS, None, "Peers whose forwarding is believed.", node="real_ip_cidrs"
    ),
    Key(
        "forwarded-for-header", _HEADER, None, "Header with the client address.", node="forwarded_for_header"
    ),
    Key(
        "forwarded-host-header", _HEADER, None, "Header with the original host.", node="forwarded_host_header"
    ),
    _flag("proxy-add-original-uri-header", "Send X-Original-URI.", node="original_uri_header"),
    _flag(
        "generate-request-id",
        "Make a request id where the client sent none.",
        node="generate_request_id",
    ),
    # Access log
    Key(
        "access-log-path",
        log_formats.FILE,
        None,
        "File of the access log, in place of --access-log.",
        node="access_log",
    ),
    Key(
        "access-log-params",
        log_formats.PARAMS,
        None,
        "buffer=SIZE of a worker's buffer (4k to 64k), flush=TIME that a line waits in it (at most 1s).",
        node="access_log_params",
    ),
    _flag("disable-access-log", "No access log.", node="disable_access_log"),
    _flag("disable-http-access-log", "None of HTTP requests.", node="disable_http_access_log"),
    _flag("disable-stream-access-log", "None of TCP and UDP connections.", node="disable_stream_access_log"),
    _flag(
        "enable-access-log-for-default-backend",
        "Requests that no rule matches are logged; here they are, if not said otherwise.",
        node="log_unmatched",
    ),
    Key(
        "skip-access-log-urls",
        log_formats.URLS,
        None,
        "Request URIs that are not logged, as a whole; after ~ a regular expression.",
        node="skip_access_log_urls",
    ),
    Key(
        "log-format-upstream",
        log_formats.UPSTREAM_FORMAT,
        None,
        "Format of a line, with variables; without it, JSON.",
        node="log_format",
    ),
    Key(
        "log-format-stream",
        log_formats.STREAM_FORMAT,
        None,
        "Format of a line of a TCP or UDP connection.",
        node="stream_log_format",
    ),
    _flag("log-format-escape-json", "Values in formats are escaped as in JSON.", node="log_escape_json"),
    _flag("log-format-escape-none", "Values in formats are not escaped at all.", node="log_escape_none"),
    # TLS
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
    _flag(
        "ssl-early-data", "0-RTT: only GET, HEAD and OPTIONS; others are answered 425.", node="ssl_early_data"
    ),
    _flag("ssl-session-cache", "Keep TLS sessions.", node="ssl_session_cache"),
    Key(
        "ssl-session-ticket-key",
        values.TICKET_KEY,
        None,
        "Key of session tickets; without it nginx makes keys and changes them itself.",
        node="ssl_session_ticket_key",
    ),
    _flag(
        "ssl-reject-handshake",
        "Refuse handshakes for names that are no hosts.",
        default=False,
        data="ssl_reject_handshake",
    ),
    _flag("enable-ocsp", "Staple OCSP answers.", node="ocsp_stapling"),
    _flag("hsts", "Send Strict-Transport-Security over TLS.", node="hsts"),
    Key("hsts-max-age", values.integer(0, 2**31 - 1), None, "Its seconds.", node="hsts_max_age"),
    _flag("hsts-include-subdomains", "It holds for names below, too.", node="hsts_include_subdomains"),
    _flag("hsts-preload", "It may be built into browsers.", node="hsts_preload"),
    Key("ssl-session-timeout", values.DURATION, None, "Life of a TLS session.", node="ssl_session_timeout"),
    _flag("ssl-session-tickets", "TLS session tickets.", node="ssl_session_tickets"),
    Key(
        "ssl-buffer-size",
        values.size(minimum=512, maximum=2**17),
        None,
        "Size of TLS writes.",
        node="ssl_buffer_size",
    ),
    # Tracing
    _flag(
        "enable-opentelemetry",
        "Trace requests, if a collector is named.",
        default=False,
        data="opentelemetry",
    ),
    _flag(
        "opentelemetry-trust-incoming-span",
        "Go on with traces that clients name.",
        default=True,
        data="opentelemetry_trust",
    ),
    Key(
        "opentelemetry-operation-name",
        tracing.NAME,
        "",
        "Name of spans of requests.",
        data="opentelemetry_name",
    ),
    Key(
        "otel-sampler",
        tracing.SAMPLER,
        "AlwaysOn",
        "Which traces that begin here are recorded.",
        data="otel_sampler",
    ),
    Key(
        "otel-sampler-ratio", tracing.RATIO, 0.01, "Share of them with TraceIdRatioBased.", data="otel_ratio"
    ),
    _flag(
        "otel-sampler-parent-based",
        "Traces that began elsewhere are recorded if they are there.",
        default=True,
        data="otel_parent_based",
    ),
    Key("otel-service-name", tracing.NAME, None, "Name under which spans are shown.", node="otel_service"),
    Key(
        "otlp-collector-host",
        tracing.COLLECTOR,
        None,
        "Who gets the spans, by OTLP over HTTP.",
        node="otlp_host",
    ),
    Key(
        "otlp-collector-port",
        values.integer(1, 65535),
        None,
        "Its port; 4317, where collectors speak gRPC, is taken for 4318.",
        node="otlp_port",
    ),
    Key("otel-max-queuesize", _POSITIVE, None, "Spans that may wait; more are dropped.", node="otel_queue"),
    Key(
        "otel-schedule-delay-millis", _POSITIVE, None, "Milliseconds between two exports.", node="otel_delay"
    ),
    Key("otel-max-export-batch-size", _POSITIVE, None, "Spans of an export.", node="otel_batch"),
)
"""All keys that have an effect."""

BY_NAME: Final = {key.name: key for key in KEYS}

SECRET: Final = frozenset({"ssl-session-ticket-key"})
"""Keys whose values are never shown."""

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
