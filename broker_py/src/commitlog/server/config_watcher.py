# SPDX-License-Identifier: Apache-2.0
"""Dynamic configuration: /config/changes and what a change sets off (ZkConfigManager).

A notification only says which entity changed; the entity is read afresh.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from commitlog.coordination import paths
from commitlog.coordination.change_notifications import ChangeNotifications
from commitlog.coordination.client import Coordination, CoordinationError
from commitlog.coordination.documents import ConfigChange, DocumentError

log = logging.getLogger("commitlog.server.config_watcher")

EntityHandler = Callable[[str], Awaitable[None]]
"""Called with the entity as it stands in its path: sanitized, "<default>" for the default entity, and for a
user's client "<user>/clients/<client>"."""


class ConfigWatcher:
    """Watches /config/changes and calls the handler of each changed entity's type."""

    def __init__(
        self, coordination: Coordination, handlers: Mapping[str, EntityHandler], now_ms: Callable[[], int]
    ) -> None:
        self._handlers = handlers
        self._changes = ChangeNotifications(
            coordination, paths.CONFIG_CHANGES, paths.CONFIG_CHANGE_PREFIX, self._apply, now_ms
        )

    async def start(self) -> None:
        """Work through what is there, then watch."""
        await self._changes.start()

    async def stop(self) -> None:
        await self._changes.stop()

    async def _apply(self, data: bytes) -> None:
        try:
            kind, _, entity = ConfigChange.decode(data).entity_path.partition("/")
        except DocumentError as error:
            log.error("A config change notification is left out: %s", error)
            return
        handler = self._handlers.get(kind)
        if handler is None:
            log.info("Config change of %s/%s: nothing of this broker depends on it", kind, entity)
            return
        try:
            await handler(entity)
        except CoordinationError:
            raise
        except Exception:
            log.exception("Config change of %s/%s could not be applied", kind, entity)
