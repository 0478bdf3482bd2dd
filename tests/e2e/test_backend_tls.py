"""TLS towards backends: who the gateway is for them, and whom it takes them for.

One gateway starts with all that these tests look at, so that none of them waits for a reload.
"""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator, Mapping

import grpc
import pytest

from harness.backends import Backend, Backends
from harness.certs import Authority, Pair
from harness.gateway import Gateway
from harness.grpc_backend import Caller, GrpcBackend
from harness.manifests import Manifest, path, rule
from harness.services import Listening, Services

FAKE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Backend: fake\r\n\r\nfake"


class Impostor:
    """Answers in plain text before any handshake."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address, self.port = self._socket.getsockname()
        self.asked = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.asked += 1
                connection.sendall(FAKE)


def secret(namespace: str, *, pair: Pair | None = None, authorities: str = "") -> Manifest:
    """Make the Secret that ``proxy-ssl-secret`` names."""
    texts = {"tls.crt": pair.chain, "tls.key": pair.key} if pair else {}
    texts |= {"ca.crt": authorities} if authorities else {}
    coded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    metadata = {"name": "backend-tls", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": coded, "metadata": metadata}


class Site:
    """Tenants, each with a namespace and a host of its own: ``<name>.example`` in ``tls-<name>``."""

    def __init__(self, pool: Backends, authority: Authority) -> None:
        self._pool, self._authority = pool, authority
        self.objects: list[Manifest] = []
        self.told: list[str | None] = []
        """Server names that the instance of the tenants ``tell-…`` was told."""
        self.impostor = Impostor()
        pair = authority.issue("web.example")
        credentials = grpc.ssl_server_credentials([(pair.key.encode(), pair.chain.encode())])
        self.grpc = GrpcBackend("secure", credentials=credentials)
        self.instances: dict[str, Backend] = {}
        self._identities()
        self._checks()
        self._names()
        self._closed()

    def tenant(
        self,
        name: str,
        instance: Listening,
        notes: Mapping[str, str] | None = None,
        *,
        pair: Pair | None = None,
        authorities: str = "",
    ) -> list[Manifest]:
        """Make a tenant: a Service of one instance, an Ingress, and the Secret if there is anything to put into it."""
        services = Services(self._pool, f"tls-{name}")
        annotations = {"backend-protocol": "HTTPS", **(notes or {})}
        made = [*services.of("web", [instance])]
        if pair or authorities:
            annotations.setdefault("proxy-ssl-secret", f"tls-{name}/backend-tls")
            made.append(secret(f"tls-{name}", pair=pair, authorities=authorities))
        return [
            *made, services.ingress("web", rule(f"{name}.example", path("/", "web")), annotations=annotations)
        ]  # fmt: skip

    def start(self, name: str, pair: Pair, *, asks: bool = False) -> Backend:
        (instance,) = self._pool.group(name, tls=self._authority.server(pair, client=asks))
        self.instances[name] = instance
        return instance

    def _identities(self) -> None:
        self.shared = self.start("shared", self._authority.issue("web.example"), asks=True)
        for name in ("a", "b", "rotated", "spoiled"):
            close = {"connection-proxy-header": "close"} if name in {"rotated", "spoiled"} else {}
            pair = self._authority.issue(f"client-{name}.example")
            self.objects += self.tenant(name, self.shared, close, pair=pair)
        self.objects += self.tenant("c", self.shared)

    def _checks(self) -> None:
        issue, trusted = self._authority.issue, self._authority.pem
        checked = {"proxy-ssl-verify": "on", "proxy-ssl-name": "web.example"}
        for name, pair, notes in (
            ("good", issue("web.example"), checked),
            ("expired", issue("web.example", days=-1), checked),
            ("misnamed", issue("other.example"), checked),
            ("stranger", Authority().issue("web.example"), checked),
            ("unnamed", issue("web.example"), {"proxy-ssl-verify": "on"}),
            ("service-named", issue("web.tls-service-named.svc"), {"proxy-ssl-verify": "on"}),
        ):
            self.objects += self.tenant(name, self.start(name, pair), notes, authorities=trusted)
        self.objects += self.tenant("impostor-checked", self.impostor, checked, authorities=trusted)
        self.objects += self.tenant("impostor", self.impostor)
        notes = {**checked, "proxy-ssl-server-name": "on", "backend-protocol": "grpcs"}
        self.objects += self.tenant("grpc", self.grpc, notes, authorities=trusted)

    def _names(self) -> None:
        context = self._authority.server(self._authority.issue("web.example"))
        context.sni_callback = lambda _socket, name, _context: self.told.append(name)
        (instance,) = self._pool.group("telling", tls=context)
        close, tell = {"connection-proxy-header": "close"}, {"proxy-ssl-server-name": "on"}
        self.objects += self.tenant("tell-none", instance, close)
        self.objects += self.tenant("tell-service", instance, close | tell)
        self.objects += self.tenant("tell-own", instance, close | tell | {"proxy-ssl-name": "own.example"})

    def _closed(self) -> None:
        pair = self._authority.issue("client.example")
        missing = {"proxy-ssl-secret": "tls-missing/missing"}
        self.objects += self.tenant("missing", self.shared, missing)
        self.objects += self.tenant("foreign", self.shared, {"proxy-ssl-secret": "tls-a/backend-tls"})
        self.objects += self.tenant("no-authorities", self.shared, {"proxy-ssl-verify": "on"}, pair=pair)
        self.objects += self.tenant("no-secret", self.shared, {"proxy-ssl-verify": "on"})
        self.objects += self.tenant("unreadable", self.shared, {"proxy-ssl-verify": "yes"})


@pytest.fixture(scope="module")
def site(pool: Backends, authority: Authority) -> Iterator[Site]:
    made = Site(pool, authority)
    with made.grpc:
        yield made
    made.impostor.close()


@pytest.fixture(scope="module")
def gateway(site: Site) -> Iterator[Gateway]:
    with Gateway(site.objects) as started:
        yield started


def test_two_identities_never_share_a_connection(gateway: Gateway) -> None:
    """Three tenants with one endpoint: two certificates, and none. Each keeps its connections for itself."""
    seen: dict[str, set[int]] = {}
    for _ in range(15):
        for name, client in (("a", "client-a.example"), ("b", "client-b.example"), ("c", "")):
            echo = gateway.get(f"{name}.example").echo
            assert echo.client == client
            seen.setdefault(name, set()).add(echo.connection)
    assert all(len(connections) <= 2 * len(gateway.workers) for connections in seen.values())
    assert len(set.union(*seen.values())) == sum(map(len, seen.values()))


def test_a_new_certificate_needs_no_reload(gateway: Gateway, site: Site, authority: Authority) -> None:
    """It is shown on the next connection."""
    assert gateway.get("rotated.example").echo.client == "client-rotated.example"
    before = gateway.reloads
    gateway.apply(
        *changed(site, "rotated", secret("tls-rotated", pair=authority.issue("new.example"))),
        name="objects.yaml",
    )
    assert gateway.get("rotated.example").echo.client == "new.example"
    assert gateway.reloads == before


def test_a_secret_that_turns_bad_keeps_what_it_held(gateway: Gateway, site: Site) -> None:
    """And that is told."""
    gateway.apply(
        *changed(site, "spoiled", secret("tls-spoiled", pair=Pair("no", "no"))), name="objects.yaml"
    )
    assert gateway.get("spoiled.example").echo.client == "client-spoiled.example"
    assert "What the Secret held before stays in use" in gateway.run("findings").stdout


def changed(site: Site, name: str, new: Manifest) -> list[Manifest]:
    """Give all objects, with another Secret for one tenant."""
    old = {"kind": "Secret", "namespace": f"tls-{name}"}
    return [
        new if (item["kind"], item["metadata"].get("namespace")) == tuple(old.values()) else item
        for item in site.objects
    ]


@pytest.mark.parametrize("name", ["good", "service-named"])
def test_the_right_backend_is_asked(gateway: Gateway, name: str) -> None:
    """Its certificate is of an authority of the Secret and for the name, or else for that of the Service."""
    assert gateway.get(f"{name}.example").backend == f"{name}-0"


def test_authorities_stand_in_files_that_only_their_owner_reads(gateway: Gateway) -> None:
    """Their names are made of their content: none is of a tenant's choice."""
    (file,) = (gateway.state_dir / "files").iterdir()
    assert (file.stat().st_mode & 0o777, len(file.stem)) == (0o600, 32)


@pytest.mark.parametrize("name", ["expired", "misnamed", "stranger", "unnamed"])
def test_a_wrong_backend_is_502_and_says_nothing(gateway: Gateway, site: Site, name: str) -> None:
    """It gets no request, and no byte of it reaches the client."""
    answer = gateway.get(f"{name}.example")
    assert (answer.status, answer.backend) == (502, None)
    assert name.encode() not in answer.body
    assert (site.instances[name].requests, site.instances[name].connections > 0) == (0, True)


@pytest.mark.parametrize("name", ["impostor", "impostor-checked"])
def test_plain_text_before_the_handshake_does_not_reach_the_client(
    gateway: Gateway, site: Site, name: str
) -> None:
    """Whether the backend is checked or not."""
    before = site.impostor.asked
    answer = gateway.get(f"{name}.example")
    assert (answer.status, answer.backend) == (502, None)
    assert b"fake" not in answer.body
    assert site.impostor.asked > before


def test_grpc_backends_have_identities_too(gateway: Gateway) -> None:
    """Checked, and asked for by name."""
    with Caller(gateway.http_port, "grpc.example") as caller:
        assert caller.unary("Unary")(b"x", timeout=10) == b"secure:x"


@pytest.mark.parametrize(
    ("name", "told"),
    [("tell-none", None), ("tell-service", "web.tls-tell-service.svc"), ("tell-own", "own.example")],
)
def test_the_name_is_told_only_where_that_is_asked_for(
    gateway: Gateway, site: Site, name: str, told: str | None
) -> None:
    """proxy-ssl-server-name; the name is proxy-ssl-name's, or that of the Service."""
    site.told.clear()
    assert gateway.get(f"{name}.example").status == 200
    assert site.told == [told]


@pytest.mark.parametrize("name", ["missing", "foreign", "no-authorities", "no-secret", "unreadable"])
def test_what_cannot_be_given_closes_the_route(gateway: Gateway, name: str) -> None:
    """A Secret that is missing or another namespace's, a check without authorities, a switch that is neither on nor off."""
    assert gateway.get(f"{name}.example").status == 503
