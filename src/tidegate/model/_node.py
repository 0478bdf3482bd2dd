"""Node settings: what nginx takes only from its configuration and holds for every route. A change costs a reload."""

from __future__ import annotations

import msgspec


class StreamPort(msgspec.Struct, frozen=True, order=True):
    """A port whose connections, or datagrams, go to a Service as they are."""

    protocol: str
    """``tcp`` or ``udp``."""
    port: int
    decode: bool = False
    """Clients begin with a PROXY header. TCP only."""
    encode: bool = False
    """The backend gets a PROXY header. TCP only."""

    @property
    def target(self) -> str:
        """Give the name of its entry."""
        return f"p/{self.protocol}/{self.port}"


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Typed values; nothing here is text of a tenant. Sizes in bytes, times in seconds unless the name says otherwise.

    Defaults are ingress-nginx's built-ins (reference, section b).
    """

    # from flags
    http_port: int = 80
    https_port: int = 443
    status_port: int = 10254
    bind_addresses: tuple[str, ...] = ("0.0.0.0", "::")
    """Listening addresses, IPv6 without brackets; ``::`` is left out where the host has no IPv6."""
    access_log: str = "off"
    """``off``, or the absolute path of a file (``/dev/stdout`` for ``-``)."""
    access_log_pipe: bool = False
    """Lines go through the keeper's pipe to a writer process; False: nginx writes the file itself."""
    access_log_params: tuple[int, int] = (32768, 500)
    """Bytes of a worker's buffer, and milliseconds that a line waits in it at most; with the pipe only."""
    access_log_most: int = 0
    """Bytes of the file before it is moved aside; 0: it grows."""
    access_log_copies: int = 1
    """Old files that are kept."""
    disable_access_log: bool = False
    disable_http_access_log: bool = False
    disable_stream_access_log: bool = False
    log_format: tuple[str, ...] = ()
    """Literal, variable name, literal, … with names from a closed set; empty: JSON."""
    stream_log_format: tuple[str, ...] = ()
    log_escape_json: bool = False
    """How values are escaped in a format of one's own; nginx's usual way if neither is set."""
    log_escape_none: bool = False
    log_unmatched: bool = True
    """Requests that no rule matches are logged, too."""
    skip_access_log_urls: tuple[str, ...] = ()
    """Whole request URIs, as the client sent them, that are not logged; after ``~`` a regular expression."""
    store_bytes: int = 128 * 1024 * 1024
    """Size of the shared dict that holds the entries."""

    # metrics (reference c, e)
    metrics: str = "compact"
    """How requests are counted: ``off``, ``compact`` (a few series a route), or ``full`` (as ingress-nginx does)."""
    metrics_cells: int = 65536
    """Counts for different labels at most; the rest is counted together."""
    metrics_per_host: bool = True
    metrics_status_classes: bool = False
    """``2xx`` instead of ``200``."""
    time_buckets: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    """Seconds; ascending, as are the others."""
    length_buckets: tuple[float, ...] = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)
    size_buckets: tuple[float, ...] = (10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7)

    # workers and connections
    workers: int = 1
    worker_connections: int = 16384
    worker_shutdown_timeout: int = 240
    keepalive_timeout: int = 75
    keepalive_requests: int = 1000
    client_header_timeout: int = 60
    client_body_timeout: int = 60
    client_header_buffer_size: int = 1024
    large_client_header_buffers: tuple[int, int] = (4, 8192)
    client_body_buffer_size: int = 8192
    http2: bool = True
    http2_max_concurrent_streams: int = 128
    http3: bool = False
    """Over UDP on the TLS port; not with the PROXY protocol, which UDP does not have."""
    underscores_in_headers: bool = False
    ignore_invalid_headers: bool = True
    server_tokens: bool = False

    # the default location profile; overridden by Profile.values of the same names
    body_size: int = 1024 * 1024
    """0: no limit."""
    buffering: bool = False
    request_buffering: bool = True
    buffers_number: int = 4
    buffer_size: int = 4096
    busy_buffers_size: int = 0
    """0: as much as the other two allow."""
    max_temp_file_size: int = 1024 * 1024 * 1024
    http_version: str = "1.1"
    """Towards backends: ``1.0`` or ``1.1``."""
    next_upstream: str = "error timeout"
    """Words of nginx's directive, joined by spaces: when another endpoint is tried."""
    retry_non_idempotent: bool = False
    grpc_buffer_size: int = 0
    """0: nginx's own."""
    intercept: tuple[int, ...] = ()
    """Statuses of backends that are held back for the sake of an error page."""

    # upstream
    connect_timeout: int = 5
    send_timeout: int = 60
    read_timeout: int = 60
    stream_timeout: int = 3600
    """In place of the last two where a request is a stream: WebSocket, gRPC, server-sent events."""
    tries_timeout: int = 0
    """Time for all tries of a request together; 0: no limit."""
    upstream_keepalive_connections: int = 320
    upstream_keepalive_timeout: int = 60
    upstream_keepalive_requests: int = 10000
    upstream_keepalive_time: int = 3600

    # client address and forwarding (reference b.5, f.3)
    use_forwarded_headers: bool = False
    compute_full_forwarded_for: bool = False
    enable_real_ip: bool = False
    use_proxy_protocol: bool = False
    real_ip_cidrs: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    """Peers whose forwarding headers are believed."""
    forwarded_for_header: str = "X-Forwarded-For"
    """A header name that passed the guard."""
    forwarded_host_header: str = "X-Forwarded-Host"
    original_uri_header: bool = False
    generate_request_id: bool = True

    # TCP and UDP services, and TLS that is passed through
    stream_ports: tuple[StreamPort, ...] = ()
    """Sorted; none is a port of the gateway itself."""
    passthrough: bool = False
    """The TLS port may pass connections through (``--enable-ssl-passthrough``)."""
    passthrough_hosts: tuple[str, ...] = ()
    """Sorted DNS names that passed the guard, without wildcards; of no effect unless ``passthrough``."""
    service_timeout: int = 600
    """Seconds between two reads or writes of such a connection."""
    service_responses: int = 1
    """Datagrams that answer one of a client; 0: none."""
    service_retries: bool = True
    """Another endpoint is tried when one cannot be connected to."""
    service_tries: int = 3
    """Endpoints to try, the first included; 0: all."""
    service_tries_timeout: int = 600
    """Seconds for all tries; 0: no limit."""

    # TLS
    ssl_protocols: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ssl_ciphers: str = (
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
        "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256"
    )
    ssl_ecdh_curve: str = "auto"
    """``auto``, or group names joined by colons."""
    ssl_dh_param: str = ""
    """Name of the document with DH parameters; empty: none, and so no DHE."""
    ssl_early_data: bool = False
    ssl_session_cache: bool = True
    ssl_session_cache_bytes: int = 10 * 1024 * 1024
    ssl_session_timeout: int = 600
    ssl_session_tickets: bool = False
    ssl_session_ticket_key: str = ""
    """Name of the document with the key; empty: keys that nginx makes and changes itself."""
    ssl_buffer_size: int = 4096
    ocsp_stapling: bool = False
    nameservers: tuple[str, ...] = ()
    """Addresses, IPv6 in brackets, each perhaps with a port: who knows the names of OCSP responders."""
    hsts: bool = True
    hsts_max_age: int = 31536000
    hsts_include_subdomains: bool = True
    hsts_preload: bool = False

    # tracing: of no effect on nginx's configuration, but for whether there is a collector
    otlp_host: str = ""
    """Name or address of the collector; empty: nothing is traced."""
    otlp_port: int = 4318
    otel_service: str = "nginx"
    otel_queue: int = 2048
    """Spans."""
    otel_delay: int = 5000
    """Milliseconds."""
    otel_batch: int = 512
    """Spans."""
