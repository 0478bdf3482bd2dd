"""Which settings are in effect for a route, and who gave each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate import model
from tidegate.translate.explain._values import Origin, Setting


class Effective:
    """The settings of one route over the global ones."""

    def __init__(self, entries: Mapping[str, model.Entry], route: model.Route | None) -> None:
        found = entries.get("g")
        self._global = found if isinstance(found, model.Settings) else model.Settings()
        self._own = route.settings if route is not None else {}

    def __getitem__(self, key: str) -> Any:
        """Give the value of a setting; None if nobody gave one."""
        return self._own.get(key, self._global.values.get(key))

    def all(self) -> tuple[Setting, ...]:
        """Give every setting with its origin, sorted by key."""
        keys = sorted(self._global.values.keys() | self._own.keys())
        return tuple(Setting(key, self[key], self.origin(key)) for key in keys)

    def origin(self, key: str) -> Origin:
        """Say who gave the value of a setting."""
        if key in self._own:
            return Origin.ANNOTATION
        return Origin.CONFIGMAP if key in self._global.explicit else Origin.BUILT_IN
