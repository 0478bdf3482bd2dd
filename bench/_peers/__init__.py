"""The gateways of ``bench-peers``, each configured at its best for one job, and all asked in the same way."""

from bench._peers._caddy import Caddy
from bench._peers._envoy import Envoy
from bench._peers._haproxy import HAProxy
from bench._peers._peer import HOT, Job, Peer
from bench._peers._tidegate import Tidegate
from bench._peers._traefik import Traefik

ALL: tuple[type[Peer], ...] = (Tidegate, HAProxy, Envoy, Traefik, Caddy)

__all__ = ["ALL", "HOT", "Job", "Peer"]
