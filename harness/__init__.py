"""What tests, benchmarks and the demo drive a gateway with: real processes, real sockets, real files.

Used from a checkout only; it is no part of the installed package. It judges nothing: it starts things,
counts, and takes everything away again. Modules are used by their names: ``backends``, ``certs``, ``cpu``,
``gateway``, ``ledger``, ``manifests``, ``nginx``, ``programs``, ``wrk``.
"""
