# SPDX-License-Identifier: Apache-2.0
"""A whole ZooKeeper ensemble in memory, for tests, simulated clusters and development without a JVM.

`MemoryEnsemble` holds the tree and the sessions; each `client()` is a `Coordination` of its own. Requests
travel to the ensemble and answers and watch events travel back through two first-in-first-out channels per
client on the event loop, so that a client sees events and answers in ZooKeeper's order. A simulator may delay
them (`MemoryEnsemble.delay`), cut a client off and let it return (`MemoryCoordination.disconnect`,
`reconnect`), or end a session (`MemoryEnsemble.expire`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from commitlog.coordination.client import (
    JUTE_MAX_BUFFER_BYTES,
    Delete,
    EventType,
    Op,
    OpResult,
    SessionExpired,
    WatchEvent,
)
from commitlog.coordination.memory_client import MemoryCoordination as MemoryCoordination
from commitlog.coordination.tree import Tree

T = TypeVar("T")

SESSION_TIMEOUT_MS = 18_000

# (client's name, "request" or "answer") to seconds on the way.
Delay = Callable[[str, str], float]


def _no_delay(_client: str, _direction: str) -> float:
    return 0.0


@dataclass(slots=True)
class _Session:
    """What the ensemble knows of a client: its watches by path, and whether a connection stands."""

    session_id: int
    client: MemoryCoordination | None
    data_watches: set[str] = field(default_factory=set)
    child_watches: set[str] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None

    def concerned(self, event: WatchEvent) -> bool:
        """Whether the event is for this session; its watches on the path are spent then (one-shot)."""
        found = False
        if event.type is not EventType.CHILD and event.path in self.data_watches:
            self.data_watches.discard(event.path)
            found = True
        if event.type in (EventType.CHILD, EventType.DELETED) and event.path in self.child_watches:
            self.child_watches.discard(event.path)
            found = True
        return found


class MemoryEnsemble:
    """The tree, the sessions, and the knobs of a simulator."""

    def __init__(
        self,
        *,
        now_ms: Callable[[], int] = lambda: 0,
        delay: Delay = _no_delay,
        jute_max_buffer_bytes: int = JUTE_MAX_BUFFER_BYTES,
    ) -> None:
        self.tree = Tree(now_ms)
        self.delay = delay
        self.jute_max_buffer_bytes = jute_max_buffer_bytes
        self.available = True
        self._sessions: dict[int, _Session] = {}
        self._next_session_id = 0x1000_0000_0000_0001

    def client(
        self, name: str = "client", *, session_timeout_ms: int = SESSION_TIMEOUT_MS, chroot: str = ""
    ) -> MemoryCoordination:
        """A new client; it has no session before its `start()`."""
        return MemoryCoordination(self, name, session_timeout_ms, chroot.rstrip("/"))

    def expire(self, session_id: int) -> None:
        """End a session now: its ephemeral znodes go, and its client learns of it when it is connected."""
        session = self._end_session(session_id)
        if session is not None and session.client is not None:
            session.client.session_ended()

    def sessions(self) -> list[int]:
        return list(self._sessions)

    # What a client's connection does

    def open_session(self, client: MemoryCoordination) -> int:
        session_id = self._next_session_id
        self._next_session_id += 1
        self.tree.next_zxid()
        self._sessions[session_id] = _Session(session_id, client)
        return session_id

    def attach(self, session_id: int, client: MemoryCoordination) -> bool:
        """Reconnect to a session; False when it has expired."""
        session = self._sessions.get(session_id)
        if session is None:
            return False
        if session.timer is not None:
            session.timer.cancel()
            session.timer = None
        session.client = client
        return True

    def detach(self, session_id: int, timeout_ms: int) -> None:
        """The connection broke: watches are forgotten as by a real server, and the session's clock starts."""
        session = self._sessions.get(session_id)
        if session is None or session.timer is not None:
            return
        session.client = None
        session.data_watches.clear()
        session.child_watches.clear()
        loop = asyncio.get_running_loop()
        session.timer = loop.call_later(timeout_ms / 1000, self._end_session, session_id)

    def close_session(self, session_id: int) -> None:
        self._end_session(session_id)

    def _end_session(self, session_id: int) -> _Session | None:
        session = self._sessions.pop(session_id, None)
        if session is None:
            return None
        if session.timer is not None:
            session.timer.cancel()
        owned = self.tree.ephemerals(session_id)
        _, events = self.tree.commit([Delete(path) for path in owned], session_id)
        self._notify(events)
        return session

    def write(self, session_id: int, ops: Sequence[Op]) -> list[OpResult]:
        self._session(session_id)
        results, events = self.tree.commit(ops, session_id)
        self._notify(events)
        return results

    def read(
        self, session_id: int, look: Callable[[Tree], T], *, data: str | None = None, child: str | None = None
    ) -> T:
        """Look at the tree and leave a watch on the path that is named; no watch is left when `look`
        raises."""
        session = self._session(session_id)
        found = look(self.tree)
        if data is not None:
            session.data_watches.add(data)
        if child is not None:
            session.child_watches.add(child)
        return found

    def _session(self, session_id: int) -> _Session:
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionExpired
        return session

    def _notify(self, events: Sequence[WatchEvent]) -> None:
        for event in events:
            for session in tuple(self._sessions.values()):
                if session.concerned(event) and session.client is not None:
                    session.client.event_sent(event)
