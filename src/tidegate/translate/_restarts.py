"""Restarts: what the entries of an earlier run hold that objects can be brought back from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tidegate.kube.objects import KINDS, Metadata, Ref, Resource, Secret
from tidegate.model import Certificate, decode


def last_good_of(entries: Mapping[str, bytes]) -> dict[Ref, Resource]:
    """Give the last good versions of objects: from ``o/`` entries, and Secrets from the certificates in use.

    The Secret of the default certificate comes without namespace. An entry that cannot be read is left out: there is
    nothing better than to go on without it.
    """
    return {found.ref: found for key, value in entries.items() for found in _objects(key, value)}


def _objects(key: str, value: bytes) -> Iterator[Resource]:
    kind, _, name = key.partition("/")
    try:
        if kind == "o":
            yield msgspec.json.decode(value, type=KINDS[name.partition("/")[0]])
        elif kind == "c":
            certificate = decode(key, value)
            if isinstance(certificate, Certificate):
                yield _secret(name, certificate)
    except (KeyError, msgspec.MsgspecError):
        return


def _secret(name: str, certificate: Certificate) -> Secret:
    namespace, _, secret = name.rpartition("/")
    data = {"tls.crt": certificate.chain.encode(), "tls.key": certificate.key.encode()}
    return Secret(Metadata(secret, namespace=namespace), data=data)
