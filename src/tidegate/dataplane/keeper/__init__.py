"""The keeper: a small process that owns the listening sockets and nginx, and outlives every controller.

It starts nginx from what is on disk, passes deltas on and puts them away, reloads, hands over to a second nginx on
the same sockets without refusing a connection, starts nginx again when it died, and drains. It knows neither
Kubernetes nor what an entry means, it needs no controller to keep serving, and nobody but the owner of the state
folder can talk to it. A controller uses `tidegate.dataplane.push`.

It stays small by importing the standard library and msgspec only, and by leaving work on the whole state to helper
processes. Run it as ``python -m tidegate.dataplane.keeper --state-dir DIR``.
"""
