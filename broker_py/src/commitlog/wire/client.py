# SPDX-License-Identifier: Apache-2.0
"""A connection to a broker: requests by correlation id, several in flight, one answer each (NetworkClient's part).

Used by follower fetchers, the controller's channel, AlterPartition and the tools. It never retries and never
reconnects: whoever owns it knows what a failure means.
"""

from __future__ import annotations

from typing import TypeVar

from commitlog.wire.message import Request, Response

R = TypeVar("R", bound=Response)


class BrokerConnection:
    """One connection. Any failure closes it and fails every request in flight with ConnectionError or TimeoutError."""

    api_versions: dict[int, tuple[int, int]]
    """What the broker listed, once a send without version (or `negotiate`) has asked; empty before."""

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        client_id: str,
        *,
        connect_timeout_ms: int = 10_000,
        request_timeout_ms: int = 30_000,
        max_response_bytes: int = 100 * 1024 * 1024,
    ) -> BrokerConnection:
        """Connect; ConnectionError (or OSError) or TimeoutError when that fails."""
        raise NotImplementedError

    async def send(self, msg: Request[R], version: int | None = None, *, timeout_ms: int | None = None) -> R:
        """Send and wait for the answer. Version None: the highest that both know, asked once by ApiVersions."""
        raise NotImplementedError

    async def negotiate(self) -> dict[int, tuple[int, int]]:
        """Ask ApiVersions unless that is done already; the ranges by api key."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether the connection is of no more use."""
        raise NotImplementedError

    def close(self) -> None:
        """Close now; what is in flight fails with ConnectionError."""
        raise NotImplementedError
