# SPDX-License-Identifier: Apache-2.0
"""Change notifications: sequential znodes under one path, each saying what to read again
(ZkNodeChangeNotificationListener).

They are worked through in order, each once, and again from the list after a new session; those older than 15
minutes are removed by whoever sees them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from commitlog.coordination import paths
from commitlog.coordination.client import (
    ConnectionLoss,
    Coordination,
    CoordinationError,
    NoNode,
    SessionExpired,
    SessionState,
    WatchEvent,
)

log = logging.getLogger("commitlog.coordination.change_notifications")

CHANGE_EXPIRATION_MS = 15 * 60 * 1000

ChangeHandler = Callable[[bytes], Awaitable[None]]
"""Called with a notification's data. What it raises is logged and the notification is done with, unless
ZooKeeper was out of reach: then it is worked on again when there is a connection."""


class ChangeNotifications:
    """Watches ``root`` and calls ``handler`` for each new ``root/<prefix><number>``."""

    def __init__(
        self,
        coordination: Coordination,
        root: str,
        prefix: str,
        handler: ChangeHandler,
        now_ms: Callable[[], int],
    ) -> None:
        self._coordination = coordination
        self._root = root
        self._prefix = prefix
        self._handler = handler
        self._now_ms = now_ms
        self._last_executed = -1
        self._trigger = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Work through what is there, then watch."""
        self._coordination.add_session_listener(self._session_changed)
        await self._process()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        self._coordination.remove_session_listener(self._session_changed)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _session_changed(self, state: SessionState) -> None:
        if state is SessionState.CONNECTED:
            self._trigger.set()

    def _changed(self, event: WatchEvent) -> None:
        self._trigger.set()

    async def _run(self) -> None:
        while True:
            await self._trigger.wait()
            self._trigger.clear()
            try:
                await self._process()
            except CoordinationError as error:
                # The session listener triggers again when there is a connection.
                log.warning("Change notifications in %s could not be read: %s", self._root, error)
            except Exception:
                log.exception("Error while processing notification change for path = %s", self._root)

    async def _process(self) -> None:
        names = await self._coordination.children(self._root, watch=self._changed)
        now = self._now_ms()
        for name in sorted(names):
            path = f"{self._root}/{name}"
            try:
                number = paths.sequence_number(name, self._prefix)
            except ValueError:
                log.error("%s is no change notification", path)
                continue
            try:
                data, stat = await self._coordination.get(path)
            except NoNode:
                continue
            if number > self._last_executed:
                await self._apply(path, data)
                self._last_executed = number
            if now - stat.ctime_ms > CHANGE_EXPIRATION_MS:
                await self._remove(path)

    async def _apply(self, path: str, data: bytes) -> None:
        try:
            await self._handler(data)
        except (ConnectionLoss, SessionExpired):
            raise
        except Exception as error:
            log.error(
                "Error processing change notification %r from %s: %s", data, path, error, exc_info=error
            )

    async def _remove(self, path: str) -> None:
        try:
            await self._coordination.delete(path)
        except NoNode:
            return
