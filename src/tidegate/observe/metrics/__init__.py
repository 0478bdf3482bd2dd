"""The exporter: the process that answers ``/metrics``.

It reads the memory in which nginx's workers count requests (``lua/tidegate/metrics/``), keeps totals over reloads,
hand-overs and deaths of nginx, and asks controller, keeper and nginx for the rest. nginx passes ``/metrics`` on to it. The
keeper starts it, starts it again when it dies, and takes it along when it ends. It changes nothing but its own file of
totals, and no request of a client waits for it.
"""
