"""The decision itself: the order in which the gateway asks its questions about a request.

Reference g.9 and g.13 give the order: a denied route and a plain redirect answer first, then the redirect to
HTTPS, then the lack of endpoints, then the allow list; what is left is sent to a backend.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from tidegate import model
from tidegate.translate.explain import _balancing, _clients, _errors, _hosts, _readings, _upstream, _uris
from tidegate.translate.explain._settings import Effective
from tidegate.translate.explain._values import Answer, CanaryChoice, Decision, Request, Step

_DEFAULT_NODE: Final = model.NodeSettings()


def decide(
    entries: Mapping[str, model.Entry], request: Request, node: model.NodeSettings = _DEFAULT_NODE
) -> Decision:
    """Say what the gateway does with a request. Pure: the entries are all that it knows of the gateway."""
    if (passed := _passed_through(entries, request, node)) is not None:
        return passed
    try:
        uri = _uris.normalize(request.uri)
    except _uris.BadUri as fault:
        return Decision(answer=Answer.STATUS, status=400, trail=(Step("uri", str(fault), decisive=True),))
    if not request.host:
        trail = (Step("host", "no Host header", decisive=True),)
        return Decision(answer=Answer.STATUS, status=400, trail=trail)
    return _Question(entries, request, node, uri).answer()


def _passed_through(
    entries: Mapping[str, model.Entry], request: Request, node: model.NodeSettings
) -> Decision | None:
    """Answer for a host whose TLS is passed through (reference g.17); the server name is taken to be that of Host."""
    name = _hosts.host_name(request.host)
    if request.scheme != "https" or not node.passthrough or name not in node.passthrough_hosts:
        return None
    found = entries.get(f"p/sni/{name}")
    target = found if isinstance(found, model.Target) else model.Target()
    said = f"TLS for {name} is passed through" + (
        "" if target.endpoints else ", but there is no endpoint: the connection is closed"
    )
    return Decision(
        answer=Answer.PASSTHROUGH,
        host=name,
        backend=f"{target.namespace}/{target.service}/{target.port}",
        endpoints=target.endpoints,
        trail=(Step("tls", said, decisive=True),),
    )


def _claimed_host(request: Request, node: model.NodeSettings) -> str:
    """Give the host that the client asked for, as far as forwarding headers are believed (reference f.3)."""
    if node.use_forwarded_headers and (said := request.headers.get("x-forwarded-host")):
        return said.partition(",")[0].strip()
    return request.host


def _effective_scheme(request: Request, node: model.NodeSettings) -> str:
    """Give the scheme that the client used, as far as forwarding headers are believed (reference f.3)."""
    said = request.headers.get("x-forwarded-proto", "")
    if node.use_forwarded_headers and said in {"http", "https"}:
        return said
    return request.scheme


class _Question:
    """One request on its way through the stages; each stage answers or lets it pass."""

    def __init__(
        self,
        entries: Mapping[str, model.Entry],
        request: Request,
        node: model.NodeSettings,
        uri: _uris.Uri,
    ) -> None:
        self._entries = entries
        self._request = request
        self._node = node
        self._uri = uri
        self._host = _claimed_host(request, node)
        self._name = _hosts.host_name(request.host)
        self._match = _hosts.find(entries, request, self._name, uri.path)
        self._trail = [Step("uri", f"{request.uri} is read as {uri.path}"), *self._match.trail]
        route = entries.get(f"r/{self._match.route}")
        self._route = route if isinstance(route, model.Route) else None
        self._settings = Effective(entries, self._route)
        self._pages = _errors.Pages(entries, self._settings)
        self._stand_in = ""
        """Id of the backend that has taken the place of one without endpoints."""

    def answer(self) -> Decision:
        if (refused := _clients.judge(self._entries, self._request, self._match, self._scheme())) is not None:
            self._trail += refused.trail
            if refused.redirects:
                return self._status(int(self._settings["http_redirect_code"] or 308), self._https_target())
            if refused.status:
                return self._status(refused.status, refused.location)
        if (reading := self._other_reading()) is not None:
            self._say(
                "uri",
                f"on a host with protected paths: it can be read as {reading} too, which leads elsewhere",
            )
            grpc = _errors.grpc_status(self._request, 400)
            return Decision(answer=Answer.STATUS, status=400, grpc_status=grpc, trail=tuple(self._trail))
        if self._match.add_slash:
            return self._add_slash()
        if self._route is None:
            return self._status(404)
        for stage in (
            self._deny,
            self._app_root,
            self._redirect,
            self._https,
            self._no_backend,
            self._endpoints,
            self._allow,
        ):
            if (done := stage(self._route)) is not None:
                return done
        return self._send(self._route)

    def _other_reading(self) -> str | None:
        """Give a way to read the path that leads to another rule, on a host where that matters; None if there is none."""
        host = self._entries.get(f"h/{model.LISTENER}/{self._match.host}")
        if not isinstance(host, model.Host) or not host.guarded:
            return None
        return next(
            (
                reading
                for reading in _readings.of(self._request.uri, self._uri.path)
                if not self._match.is_same(_hosts.find(self._entries, self._request, self._name, reading))
            ),
            None,
        )

    def _scheme(self) -> str:
        return _effective_scheme(self._request, self._node)

    # --- stages ------------------------------------------------------------------------------------------

    def _add_slash(self) -> Decision:
        query = f"?{self._uri.query}" if self._uri.query else ""
        path = f"{self._uri.path}/"
        inside = _hosts.find(self._entries, self._request, self._name, path)
        route = self._entries.get(f"r/{inside.route}")
        relative = Effective(self._entries, route if isinstance(route, model.Route) else None)[
            "relative_redirects"
        ]
        start = "" if relative else f"{self._request.scheme}://{self._request.host}"
        return self._status(301, f"{start}{path}{query}")

    def _port(self) -> int:
        return self._node.https_port if self._request.scheme == "https" else self._node.http_port

    def _deny(self, route: model.Route) -> Decision | None:
        if not route.deny:
            return None
        self._say("deny", f"denied: {route.deny}")
        return self._status(503)

    def _app_root(self, _: model.Route) -> Decision | None:
        root = self._settings["app_root"]
        if not root or self._uri.path != "/":
            return None
        self._say("redirect", f"the root leads to {root}")
        scheme = _effective_scheme(self._request, self._node)
        return self._status(302, f"{scheme}://{self._host}{root}")

    def _redirect(self, _: model.Route) -> Decision | None:
        redirect = self._settings["redirect"]
        if not redirect:
            return None
        code, url = redirect
        self._say("redirect", f"redirects with {code} to {url}")
        return self._status(int(code), str(url))

    def _https(self, route: model.Route) -> Decision | None:
        reason = self._why_https(route)
        if not reason:
            return None
        self._say("https", reason)
        return self._status(int(self._settings["http_redirect_code"] or 308), self._https_target())

    def _why_https(self, route: model.Route) -> str:
        """Say why a request is sent to HTTPS; empty if it is not (reference g.9)."""
        starts = self._settings["no_tls_redirect_locations"] or ()
        if start := next((s for s in starts if route.path.startswith(s)), None):
            self._note("https", f"no redirect to HTTPS: the path {route.path} starts with {start}")
            return ""
        if _effective_scheme(self._request, self._node) != "http":
            return ""
        if self._settings["force_ssl_redirect"]:
            return "force-ssl-redirect is on"
        if not self._settings["ssl_redirect"]:
            self._note("https", "no redirect to HTTPS: ssl-redirect is off")
            return ""
        if holder := self._tls_host():
            return f"ssl-redirect is on, and host {holder} has a certificate"
        self._note("https", f"no redirect to HTTPS: no certificate belongs to host {self._name}")
        return ""

    def _tls_host(self) -> str:
        host = self._match.host
        names = [name for name in _hosts.candidates(host) if name != "_" or host == "_"]
        return next((name for name in names if f"t/{name}" in self._entries), "")

    def _https_target(self) -> str:
        port = f":{self._node.https_port}" if self._settings["use_port_in_redirects"] else ""
        uri = self._request.uri
        if not self._settings["preserve_trailing_slash"]:
            uri = uri.removesuffix("/")
        return f"https://{_hosts.without_port(self._host)}{port}{uri}"

    def _no_backend(self, route: model.Route) -> Decision | None:
        if route.backend:
            return None
        self._say("endpoints", "the route has no backend: the built-in default backend answers 404")
        return self._status(404)

    def _endpoints(self, route: model.Route) -> Decision | None:
        if self._target(route.backend).endpoints(self._request):
            return None
        if self._pages.stand_in and not _errors.is_grpc(self._request):
            self._stand_in = self._pages.stand_in
            self._say("endpoints", f"backend {route.backend} has no endpoints: {self._stand_in} takes over")
            return None
        self._say("endpoints", f"backend {route.backend} has no endpoints")
        return self._status(503)

    def _allow(self, _: model.Route) -> Decision | None:
        allowed = self._settings["allow"]
        if not allowed:
            return None
        address = ipaddress.ip_address(self._request.remote_address)
        networks = (ipaddress.ip_network(text, strict=False) for text in allowed)
        if any(address in network for network in networks):
            self._note("allow", f"{address} is on the allow list")
            return None
        self._say("allow", f"{address} is not among {', '.join(allowed)}")
        return self._status(403)

    # --- ends --------------------------------------------------------------------------------------------

    def _send(self, route: model.Route) -> Decision:
        chosen, canary = self._chosen(route)
        target, host = self._request.uri, self._host
        rewrite = self._settings["rewrite_target"]
        if rewrite and rewrite != route.path:
            target = _upstream.rewritten(str(rewrite), route.path, self._uri) or target
            self._say("rewrite", f"the path becomes {target}")
        if vhost := self._settings["upstream_vhost"]:
            host = _upstream.host_sent(vhost, self._variables(), host)
            self._say("rewrite", f"the Host header becomes {host}")
        self._say("balancer", chosen.said(self._request, self._global_values()))
        if self._pages.anyone and not _errors.is_grpc(self._request):
            listed = ", ".join(map(str, self._pages.listed))
            self._note("errors", f"{listed}: {self._pages.anyone} is asked for a page")
        return self._made(
            Answer.BACKEND,
            backend=chosen.name,
            canary=canary,
            endpoints=chosen.endpoints(self._request),
            algorithm=chosen.algorithm(self._global_values()),
            upstream_uri=target,
            upstream_host=host,
        )

    def _chosen(self, route: model.Route) -> tuple[_balancing.Target, CanaryChoice | None]:
        named = primary = self._target(route.backend)
        canary = named.backend.canary
        if self._stand_in:
            primary = _balancing.Target(self._stand_in, self._backend(self._stand_in), None)
        if canary is None or not primary.backend.endpoints:
            return primary, None
        beside = self._target(canary.backend, named.affinity if canary.sticky else None)
        choice = _upstream.canary_for(canary, self._request, named, beside)
        if not beside.endpoints(self._request):
            self._note("canary", f"canary {canary.backend} has no endpoints")
            return primary, None
        self._say("canary", f"{canary.backend} with probability {choice.probability:g}: {choice.reason}")
        return (beside if choice.probability >= 1 else primary), choice

    def _target(self, name: str, affinity: model.Affinity | None = None) -> _balancing.Target:
        backend = self._backend(name)
        return _balancing.Target(name, backend, affinity or backend.affinity)

    def _global_values(self) -> Mapping[str, Any]:
        found = self._entries.get("g")
        return found.values if isinstance(found, model.Settings) else {}

    def _backend(self, name: str) -> model.Backend:
        found = self._entries.get(f"b/{name}")
        return found if isinstance(found, model.Backend) else model.Backend()

    def _variables(self) -> Mapping[str, str]:
        request = self._request
        return {
            "host": self._name,
            "http_host": request.host,
            "best_http_host": self._host,
            "scheme": request.scheme,
            "remote_addr": request.remote_address,
            "request_method": request.method,
            "server_port": str(self._port()),
            "uri": self._uri.path,
            "request_uri": request.uri,
            "args": self._uri.query,
            **{f"http_{name.replace('-', '_')}": value for name, value in request.headers.items()},
        }

    def _status(self, status: int, location: str = "") -> Decision:
        grpc = _errors.grpc_status(self._request, status)
        if grpc is not None:
            self._say("errors", f"a gRPC call: its status is {grpc}")
        elif self._route is not None and not location and (source := self._pages.source(status)):
            return self._page(status, source)
        answer = Answer.REDIRECT if location else Answer.STATUS
        return self._made(answer, status=status, location=location, grpc_status=grpc)

    def _page(self, status: int, source: str) -> Decision:
        self._say("errors", f"{source} is asked for a page for {status}")
        return self._made(
            Answer.ERROR_PAGE,
            status=status,
            backend=source,
            endpoints=self._backend(source).endpoints,
            upstream_uri=f"/?{self._uri.query}" if self._uri.query else "/",
            upstream_host=self._host,
        )

    def _made(
        self,
        answer: Answer,
        *,
        status: int = 0,
        grpc_status: int | None = None,
        location: str = "",
        backend: str = "",
        canary: CanaryChoice | None = None,
        endpoints: tuple[model.Endpoint, ...] = (),
        algorithm: str = "",
        upstream_uri: str = "",
        upstream_host: str = "",
    ) -> Decision:
        matched = self._match
        return Decision(
            answer=answer,
            host=matched.host,
            rule=matched.rule,
            rule_kind=matched.kind,
            route_id=matched.route,
            route=self._route,
            uri=self._uri.path,
            captures=matched.captures,
            settings=self._settings.all() if self._route is not None else (),
            trail=tuple(self._trail),
            status=status,
            grpc_status=grpc_status,
            location=location,
            backend=backend,
            canary=canary,
            endpoints=endpoints,
            algorithm=algorithm,
            upstream_uri=upstream_uri,
            upstream_host=upstream_host,
        )

    def _say(self, stage: str, said: str) -> None:
        self._trail.append(Step(stage, said, decisive=True))

    def _note(self, stage: str, said: str) -> None:
        self._trail.append(Step(stage, said))
