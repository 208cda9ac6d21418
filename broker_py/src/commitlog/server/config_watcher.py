# SPDX-License-Identifier: Apache-2.0
"""Dynamic configuration: /config/changes and what a change sets off (ZkNodeChangeNotificationListener,
ZkConfigManager).

A notification only says which entity changed; the entity is read afresh. Notifications are worked through
in order, each once, and again from the list after a new session; those older than 15 minutes are removed by
whoever sees them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from commitlog.coordination import paths
from commitlog.coordination.client import (
    Coordination,
    CoordinationError,
    NoNode,
    SessionState,
    WatchEvent,
)
from commitlog.coordination.documents import ConfigChange, DocumentError

log = logging.getLogger("commitlog.server.config_watcher")

CHANGE_EXPIRATION_MS = 15 * 60 * 1000

EntityHandler = Callable[[str], Awaitable[None]]
"""Called with the entity's name (unsanitized; "<default>" for the default entity)."""


class ConfigWatcher:
    """Watches /config/changes and calls the handler of each changed entity's type."""

    def __init__(
        self, coordination: Coordination, handlers: Mapping[str, EntityHandler], now_ms: Callable[[], int]
    ) -> None:
        self._coordination = coordination
        self._handlers = handlers
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
                log.warning("Config change notifications could not be read: %s", error)
            except Exception:
                log.exception("Error processing config change notifications")

    async def _process(self) -> None:
        names = await self._coordination.children(paths.CONFIG_CHANGES, watch=self._changed)
        now = self._now_ms()
        for name in sorted(names):
            try:
                number = paths.sequence_number(name, paths.CONFIG_CHANGE_PREFIX)
            except ValueError:
                log.error("%s is no config change notification", paths.config_change(name))
                continue
            try:
                data, stat = await self._coordination.get(paths.config_change(name))
                if number > self._last_executed:
                    self._last_executed = number
                    await self._apply(name, data)
                if now - stat.ctime_ms > CHANGE_EXPIRATION_MS:
                    await self._coordination.delete(paths.config_change(name))
            except NoNode:
                continue

    async def _apply(self, name: str, data: bytes) -> None:
        try:
            kind, _, entity = ConfigChange.decode(data).entity_path.partition("/")
        except DocumentError as error:
            log.error("Config change notification %s is left out: %s", name, error)
            return
        handler = self._handlers.get(kind)
        if handler is None:
            log.info("Config change of %s/%s: nothing of this broker depends on it", kind, entity)
            return
        try:
            await handler(entity if entity == paths.DEFAULT_ENTITY else paths.desanitize(entity))
        except CoordinationError:
            raise
        except Exception:
            log.exception("Config change of %s/%s could not be applied", kind, entity)
