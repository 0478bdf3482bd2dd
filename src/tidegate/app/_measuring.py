"""What the controller tells the exporter of metrics about itself and its objects."""

from __future__ import annotations

import functools
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import tidegate
from tidegate.findings import Finding
from tidegate.model import Certificate, Route, TlsHost, decode

if TYPE_CHECKING:
    from tidegate.app._gateway import Gateway

Sample = tuple[str, dict[str, str], float]

_PREFIX: Final = "nginx_ingress_controller_"
_KINDS: Final = {
    "h": "hosts",
    "r": "routes",
    "b": "backends",
    "t": "tls_hosts",
    "c": "certificates",
    "p": "targets",
}


def answer(gateway: Gateway) -> dict[str, Any]:
    """Give the reply to ``metrics`` on the control socket."""
    translation = gateway.options.translation
    return {
        "samples": list(_samples(gateway)),
        "ingresses": _ingresses(gateway),
        "constant": {
            "controller_namespace": os.environ.get("POD_NAMESPACE", ""),
            "controller_class": translation.controller_class,
            "controller_pod": os.environ.get("POD_NAME", ""),
        },
        "exclude": list(gateway.options.metrics_exclude),
    }


def _ingresses(gateway: Gateway) -> list[str]:
    found = {tuple(key.split("/", 3)[1:3]) for key in gateway.translator.entries if key.startswith("r/")}
    return ["/".join(name) for name in found]


def _samples(gateway: Gateway) -> Iterator[Sample]:
    yield f"{_PREFIX}build_info", {"release": tidegate.__version__, "build": "", "repository": "tidegate"}, 1
    yield from _configurations(gateway)
    yield from _pipeline(gateway)
    yield from _certificates(gateway)


def _configurations(gateway: Gateway) -> Iterator[Sample]:
    configurer = gateway.configurer
    is_good = not any(
        f.type in {"SettingsRefused", "NotConfigured", "ProfileRefused"} for f in configurer.findings()
    )
    yield f"{_PREFIX}config_last_reload_successful", {}, int(is_good)
    if configurer.generation:
        yield f"{_PREFIX}config_hash", {}, int(configurer.generation, 16)
    if configurer.history:
        last = configurer.history[-1].time
        yield f"{_PREFIX}config_last_reload_successful_timestamp_seconds", {}, last
    yield f"{_PREFIX}success", {}, sum(configurer.done.values())
    yield f"{_PREFIX}errors", {}, configurer.refusals
    for (how, cause), count in configurer.done.items():
        yield "tidegate_configurations_total", {"how": how, "cause": cause}, count


def _pipeline(gateway: Gateway) -> Iterator[Sample]:
    from tidegate.app import _telling
    from tidegate.dataplane.delta import Parked

    pusher, queue = gateway.pusher, gateway.queue
    if pusher.last_time:
        yield "tidegate_version_age_seconds", {}, time.time() - pusher.last_time
    entries = Counter(key[0] for key in gateway.translator.entries)
    for kind, name in _KINDS.items():
        yield "tidegate_entries", {"kind": name}, entries[kind]
    for name, value in (
        ("push", len(queue)),
        ("translate", gateway.translator.pending),
        ("profile", len(queue.parked(Parked.PROFILE))),
        ("memory", len(queue.parked(Parked.FULL))),
    ):
        yield "tidegate_queue_entries", {"queue": name}, value
    yield "tidegate_pushes_total", {}, pusher.pushed
    yield "tidegate_push_conflicts_total", {}, pusher.conflicts
    seconds = sorted(pusher.seconds)
    for share in (0.5, 0.99) if seconds else ():
        at = min(len(seconds) - 1, int(share * len(seconds)))
        yield "tidegate_push_seconds", {"quantile": f"{share:g}"}, seconds[at]
    findings = list(_telling.all_findings(gateway))
    for (kind, effect), count in Counter((f.type, f.effect.value) for f in findings).items():
        yield "tidegate_findings", {"type": kind, "effect": effect}, count
    yield from _orphans(gateway, findings)


def _orphans(gateway: Gateway, findings: list[Finding]) -> Iterator[Sample]:
    found: set[tuple[str, str, str]] = set()
    candidates: set[tuple[str, str]] = set()
    without = {f.object for f in findings if f.type == "ServiceNotFound" and f.object.startswith("Ingress ")}
    for name in without:
        namespace, _, ingress = name.removeprefix("Ingress ").partition("/")
        found.add((namespace, ingress, "no-service"))
    entries = gateway.translator.entries
    # By the bytes: to decode every route at each scrape would take longer than all else.
    empty = {key[2:] for key, value in entries.items() if key.startswith("b/") and b'"e":' not in value}
    for key, value in entries.items() if empty else ():
        if key.startswith("r/"):
            route = decode(key, value)
            if isinstance(route, Route) and route.backend in empty:
                candidates.add((route.namespace, route.ingress))
    found |= {(*name, "no-endpoint") for name in candidates if (*name, "no-service") not in found}
    for namespace, ingress, kind in sorted(found):
        yield f"{_PREFIX}orphan_ingress", {"namespace": namespace, "ingress": ingress, "type": kind}, 1


def _certificates(gateway: Gateway) -> Iterator[Sample]:
    """Give the certificates that hosts have."""
    entries, class_ = gateway.translator.entries, gateway.options.translation.controller_class
    for key, value in entries.items():
        if not key.startswith("t/"):
            continue
        host = decode(key, value)
        id_ = host.certificate if isinstance(host, TlsHost) else ""
        found = entries.get(f"c/{id_}") if id_ else None
        certificate = decode(f"c/{id_}", found) if found else None
        if not isinstance(certificate, Certificate):
            continue
        issuer = _issuer(certificate.chain)
        namespace, _, secret = id_.partition("/")
        labels = {
            "namespace": namespace,
            "class": class_,
            "host": key.removeprefix("t/"),
            "secret_name": secret,
            "identifier": f"{certificate.fingerprint[:16]}-{issuer['serial_number']}",
        }
        yield f"{_PREFIX}ssl_expire_time_seconds", labels, certificate.not_after
        yield f"{_PREFIX}ssl_certificate_info", labels | issuer, 1


@functools.lru_cache(maxsize=10_000)
def _issuer(chain: str) -> dict[str, str]:
    """Give what the labels of a certificate tell about where it comes from."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    leaf = x509.load_pem_x509_certificate(chain.encode())

    def name(oid: x509.ObjectIdentifier) -> str:
        return next((str(found.value) for found in leaf.issuer.get_attributes_for_oid(oid)), "")

    key = type(leaf.public_key()).__name__
    algorithm = next((word for word in ("RSA", "EC", "Ed25519", "Ed448", "DSA") if word in key), "")
    return {
        "issuer_organization": name(NameOID.ORGANIZATION_NAME),
        "issuer_common_name": name(NameOID.COMMON_NAME),
        "serial_number": str(leaf.serial_number),
        "public_key_algorithm": {"EC": "ECDSA"}.get(algorithm, algorithm),
    }
