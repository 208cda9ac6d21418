# SPDX-License-Identifier: Apache-2.0
"""How replication reaches fellow brokers: one coroutine that opens a connection, so that tests can call them
directly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from commitlog.replication.metadata_cache import Endpoint


class Connection(Protocol):
    """What replication needs of a connection to a fellow broker; wire.client.BrokerConnection is one."""

    async def negotiate(self) -> Mapping[int, tuple[int, int]]:
        """API key to (oldest, newest) version that the other side serves, asked once."""

    async def send(self, msg: Any, version: int | None = None) -> Any:
        """The response to one request. An OSError (TimeoutError too) means that the connection is of no more
        use."""

    def close(self) -> None: ...


Connect = Callable[[int, "Endpoint"], Awaitable[Connection]]
"""connect(broker_id, endpoint): opens a connection; OSError when it cannot."""
