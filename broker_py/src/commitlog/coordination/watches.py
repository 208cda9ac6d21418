# SPDX-License-Identifier: Apache-2.0
"""One-shot watches of one client, by path, as ZooKeeper's ZKWatchManager keeps them.

A data watch (left by get and exists) fires on creation, change and deletion of the znode; a child watch on a
change of its children and on its deletion. The same callback left twice on a path fires once. With each watch
goes what the client saw when it left it, so that after a reconnection a change in between can be found (the
server's SetWatches does the same).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from commitlog.coordination.client import EventType, Stat, Watch, WatchEvent


@dataclass(slots=True)
class _Table:
    """Watches of one kind: path to callback to the zxid that was seen (None: the znode was absent)."""

    by_path: dict[str, dict[Watch, int | None]] = field(default_factory=dict)

    def add(self, path: str, watch: Watch, seen: int | None) -> None:
        self.by_path.setdefault(path, {})[watch] = seen

    def take(self, path: str) -> list[Watch]:
        return list(self.by_path.pop(path, {}))


class Watches:
    """The watches that live, and their firing."""

    def __init__(self, on_error: Callable[[WatchEvent], None]) -> None:
        self._data = _Table()
        self._child = _Table()
        self._on_error = on_error

    def add_data(self, path: str, watch: Watch, stat: Stat | None) -> None:
        self._data.add(path, watch, stat.mzxid if stat is not None else None)

    def add_child(self, path: str, watch: Watch, stat: Stat) -> None:
        self._child.add(path, watch, stat.pzxid)

    def clear(self) -> None:
        """The session is over, and its watches with it."""
        self._data.by_path.clear()
        self._child.by_path.clear()

    def fire(self, event: WatchEvent) -> None:
        """Call, once each, the watches that the event concerns. A callback that raises does not stop the
        others."""
        found: list[Watch] = []
        if event.type is not EventType.CHILD:
            found += self._data.take(event.path)
        if event.type in (EventType.CHILD, EventType.DELETED):
            found += [watch for watch in self._child.take(event.path) if watch not in found]
        for watch in found:
            try:
                watch(event)
            except Exception:
                self._on_error(event)

    def data_paths(self) -> list[str]:
        return list(self._data.by_path)

    def child_paths(self) -> list[str]:
        return list(self._child.by_path)

    def missed_data_event(self, path: str, stat: Stat | None) -> EventType | None:
        """What a data watch on `path` should have seen while the connection was down; None: nothing."""
        seen = set(self._data.by_path.get(path, {}).values())
        if stat is None:
            return EventType.DELETED if seen - {None} else None
        if None in seen:
            return EventType.CREATED
        return EventType.CHANGED if any(zxid is not None and zxid < stat.mzxid for zxid in seen) else None

    def missed_child_event(self, path: str, stat: Stat | None) -> EventType | None:
        """As `missed_data_event`, for child watches."""
        seen = [zxid for zxid in self._child.by_path.get(path, {}).values() if zxid is not None]
        if not seen:
            return None
        if stat is None:
            return EventType.DELETED
        return EventType.CHILD if min(seen) < stat.pzxid else None
