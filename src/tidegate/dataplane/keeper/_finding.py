"""What a new keeper finds: an nginx that outlived its keeper, orphans, leftovers."""

from __future__ import annotations

import signal
from pathlib import Path

from tidegate.dataplane.keeper import _adoption, _configuration, _log, _nginx, _procfs
from tidegate.dataplane.keeper._engine import Engine
from tidegate.dataplane.keeper._instance import Instance
from tidegate.dataplane.keeper._procfs import Process


def adopt(engine: Engine) -> bool:
    """Take over what runs. Give False if a configuration is kept but no nginx runs it, so that one must be started.

    Sockets are taken over first, whoever holds them, so that a connection waits rather than is refused.
    """
    engine.configuration = kept = _configuration.load(engine.state.configuration)
    current = kept.instance if kept else 0
    found = {number: _processes(engine.state.instance(number)) for number in engine.state.instances()}
    live = {number: processes for number, processes in found.items() if processes}
    # The current one's sockets first: of two that listen on one address, its are those that count.
    for number in sorted(live, key=lambda n: n != current):
        _take_sockets(engine, live[number])
    for number, processes in live.items():
        folder = engine.state.instance(number)
        instance = _instance(number, folder, processes)
        if number != current:
            _dismiss(engine, folder, instance, processes)
        elif instance is None:
            engine.orphans[folder] = set(processes)
        else:
            # One that has a pid file has read it.
            (folder / _nginx.RESTORE).unlink(missing_ok=True)
            engine.current = instance
            engine.watch(instance)
            _log.info("adopted nginx", instance=number, pid=instance.pid)
    _nginx.remove_leftovers(engine.state, set(live))
    if kept is not None:
        engine.sockets.keep_only(kept.sockets)
    return kept is None or engine.running is not None


def _processes(folder: Path) -> list[Process]:
    """Give those who work in an instance's folder; where that may not be known of workers, at least the master."""
    found = _procfs.working_in(folder)
    return [*found, *(child for p in found for child in _procfs.children(p.pid) if child not in found)]


def _instance(number: int, folder: Path, processes: list[Process]) -> Instance | None:
    """Give the instance if its master lives: the process of its pid file, if it works in its folder."""
    try:
        pid = int((folder / "nginx.pid").read_text())
        instance = Instance(number, folder, pid) if any(p.pid == pid for p in processes) else None
    except (OSError, ValueError):
        return None
    if instance is not None:
        instance.look_at_workers()
    return instance


def _take_sockets(engine: Engine, processes: list[Process]) -> None:
    # The master has few descriptors besides those that listen, so it is asked first: it is the oldest.
    for process in processes:
        try:
            found = _adoption.listening_sockets(process.pid)
        except OSError as e:
            _log.warning("the listening sockets cannot be taken over", pid=process.pid, reason=e.strerror)
            continue
        if found:
            engine.sockets.adopt(found)
            return


def _dismiss(engine: Engine, folder: Path, instance: Instance | None, processes: list[Process]) -> None:
    """Let an nginx finish that is not the current one."""
    _log.info(
        "an nginx that is not in use is to finish", instance=folder.name, pids=[p.pid for p in processes]
    )
    if instance is not None:
        engine.retire(instance)
        return
    for process in processes:
        process.send(signal.SIGQUIT)
    engine.retired.add(f"leftovers of instance {folder.name}", processes, folder=folder)
