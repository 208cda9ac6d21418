# SPDX-License-Identifier: Apache-2.0
"""The timers of a group on the event loop: one per member's session, one for joining, one for syncing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """One timer. To push it back, which every heartbeat does, costs an assignment: the loop's timer looks
    again when it fires."""

    __slots__ = ("_callback", "_deadline", "_handle", "_loop", "_scheduled")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._deadline = 0.0
        self._scheduled = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self, delay_ms: int) -> None:
        self._deadline = self._loop.time() + delay_ms / 1000
        if self._handle is not None:
            if self._scheduled <= self._deadline:
                return
            self._handle.cancel()
        self._schedule()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self) -> None:
        self._scheduled = self._deadline
        self._handle = self._loop.call_at(self._deadline, self._fire)

    def _fire(self) -> None:
        self._handle = None
        if self._scheduled < self._deadline:
            self._schedule()
        else:
            self._callback()


class GroupTimers:
    """All timers of one group; what they call is fixed, when they call is the group's business."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        session_expired: Callable[[str], None],
        join_expired: Callable[[], None],
        sync_expired: Callable[[], None],
    ) -> None:
        self.join = Deadline(loop, join_expired)
        self.sync = Deadline(loop, sync_expired)
        self._loop = loop
        self._session_expired = session_expired
        self._sessions: dict[str, Deadline] = {}

    def start_session(self, member_id: str, timeout_ms: int) -> None:
        deadline = self._sessions.get(member_id)
        if deadline is None:
            deadline = Deadline(self._loop, lambda: self._expire_session(member_id))
            self._sessions[member_id] = deadline
        deadline.start(timeout_ms)

    def stop_session(self, member_id: str) -> None:
        deadline = self._sessions.pop(member_id, None)
        if deadline is not None:
            deadline.stop()

    def stop_all(self) -> None:
        self.join.stop()
        self.sync.stop()
        for deadline in self._sessions.values():
            deadline.stop()
        self._sessions.clear()

    def _expire_session(self, member_id: str) -> None:
        del self._sessions[member_id]
        self._session_expired(member_id)
