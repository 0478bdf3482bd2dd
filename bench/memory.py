"""What nginx takes: master and two workers, 16,384 connections each, with every route asked once.

The proportional set size counts each page once, pages of shared memory too; so it holds the shared memory in use.
"""

from __future__ import annotations

from bench import _fleet, _report
from bench._memory_of import MIB, pss
from bench._report import Row, Told
from harness import http
from harness.bulk import Fleet
from harness.gateway import Gateway

ROUTES, QUICK_ROUTES = 5_000, 200


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure an empty gateway, then one with many routes."""
    count = QUICK_ROUTES if quick else ROUTES
    with _fleet.instances(["only"]) as instances:
        address, port = instances.listed()[0]
        fleet = Fleet(count, address=address, port=port)
        told("an empty gateway")
        with _fleet.gateway(config={"max-worker-connections": "16384"}, access_log=False) as gateway:
            empty = _taken(gateway)
        told(f"{count:,} routes, each asked once")
        files = [("fleet.yaml", fleet.one_file())]
        with _fleet.gateway(files, config={"max-worker-connections": "16384"}, access_log=False) as gateway:
            _ask_each(gateway, fleet)
            full = _taken(gateway)
            store = gateway.status()["store"]
    in_use = int(store["capacity"]) - int(store["free"])
    total, shared = max(full["Pss"], full["Pss"] - full["Pss_Shmem"] + in_use), full["Pss_Shmem"]
    detail = (
        f"anonymous {full['Pss_Anon'] / MIB:.1f}, files {full['Pss_File'] / MIB:.1f}, shared {shared / MIB:.1f} MiB; "
        f"empty {empty['Pss'] / MIB:.1f} MiB"
    )
    return [
        _report.at_most(
            f"nginx, master + 2 workers, {count:,} routes asked once", total / MIB, 46, "MiB", detail
        ),
        _report.stated("the same for each route", (total - empty["Pss"]) / count / 1024, "KiB"),
        _report.stated("shared store in use", in_use / MIB, "MiB", f"of {store['capacity'] / MIB:.0f} MiB"),
    ]


def _taken(gateway: Gateway) -> dict[str, int]:
    status = gateway.status()
    return pss([status["master"], *status["workers"]])


def _ask_each(gateway: Gateway, fleet: Fleet) -> None:
    connections = [http.Connection(gateway.http_port) for _ in range(16)]
    for i in range(fleet.count):
        answer = connections[i % len(connections)].ask("/", host=fleet.host(i))
        if answer.status != 200:
            raise RuntimeError(f"{fleet.host(i)} answers {answer.status}")
    for connection in connections:
        connection.close()
