# SPDX-License-Identifier: Apache-2.0
"""Requests of this broker to the active controller (Kafka's BrokerToControllerChannelManager and
ControlledShutdown's client).

One connection, to whichever broker the metadata cache names as the controller; opened at first use and
again when that changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commitlog.replication.metadata_cache import Endpoint, MetadataCache
    from commitlog.wire.client import BrokerConnection

Connect = Callable[[int, str, int], Awaitable["BrokerConnection"]]
"""connect(broker id, host, port)."""


class ControllerClient:
    """Sends to the active controller; failures are OSError or TimeoutError, and the next send tries
    afresh."""

    def __init__(self, metadata: MetadataCache, listener: str, connect: Connect) -> None:
        self._metadata = metadata
        self._listener = listener
        self._connect = connect
        self._connection: BrokerConnection | None = None
        self._connected_to: tuple[int, str, int] | None = None
        self._opening = asyncio.Lock()

    def controller_endpoint(self) -> tuple[int, Endpoint] | None:
        """The controller's id and endpoint, None when none is known or it is not alive."""
        controller = self._metadata.controller_id
        if controller is None:
            return None
        endpoint = self._metadata.broker_endpoint(controller, self._listener)
        return None if endpoint is None else (controller, endpoint)

    async def send(self, request: Any, version: int | None = None) -> Any:
        """Ask the controller; raises ConnectionError when there is none to be reached."""
        return await (await self._open()).send(request, version)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _open(self) -> BrokerConnection:
        async with self._opening:
            found = self.controller_endpoint()
            if found is None:
                raise ConnectionError("no controller is known")
            target = (found[0], found[1].host, found[1].port)
            if self._connection is None or self._connection.closed or self._connected_to != target:
                self.close()
                self._connection = await self._connect(*target)
                self._connected_to = target
            return self._connection
