"""Interpreting: one object with what it refers to, and without its peers.

- ``declarations``, ``registry``, ``families``, ``known``: annotations; ``keys``: keys of the ConfigMap
- ``reading``, ``claims``, ``ingresses``: an Ingress becomes a ``Contribution``
- ``configmap``, ``endpoints``, ``certificates``, ``defaults``: the other kinds

Webhook, ``check`` and the gateway share these functions. Faults come back as findings.
"""
