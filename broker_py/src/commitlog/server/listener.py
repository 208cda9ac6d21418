# SPDX-License-Identifier: Apache-2.0
"""Listeners (Kafka's SocketServer and Acceptor), and what becomes of connections that are silent."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Protocol

from commitlog.server.connection import Connection, Requests
from commitlog.server.connection_quotas import ConnectionQuotas

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("commitlog.server.listener")

SHRINK_AFTER_SECONDS = 10.0
"""A connection quiet for this long gives its grown receive buffer back."""


class Security(Protocol):
    """What stands between a socket and its connection on a listener that is not PLAINTEXT."""

    def protocol_for(self, connection: Connection, requests: Requests) -> asyncio.BufferedProtocol:
        """The protocol that the socket's transport speaks to."""


class SocketListener:
    """One listener: bound early, so that a port in use stops the start; its requests are processed from
    ``start`` on.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        requests: Requests,
        quotas: ConnectionQuotas,
        security: Security | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.max_request_bytes = quotas.limits.socket_request_max_bytes
        self.memory = quotas.memory
        self._requests = requests
        self._quotas = quotas
        self._security = security
        self._server: asyncio.Server | None = None
        # A dictionary for its order: a stop or a start treats connections in the order in which they came.
        self._connections: dict[Connection, None] = {}
        self._next_index = 0
        self.accepted = 0
        self._processing = False
        self._sweep: asyncio.TimerHandle | None = None

    async def bind(self) -> None:
        """Listen; raises OSError. Connections made from now on wait until ``start``. Port 0 becomes the
        port bound.
        """
        loop = asyncio.get_running_loop()
        host = self.host or None
        self._server = await loop.create_server(
            self._new_connection, host, self.port, backlog=self._quotas.limits.socket_listen_backlog_size
        )
        if self.port == 0 and self._server.sockets:
            self.port = int(self._server.sockets[0].getsockname()[1])
        log.info("Awaiting socket connections on %s:%d.", self.host or "0.0.0.0", self.port)

    def start(self) -> None:
        """Process requests, those of connections already made included."""
        self._processing = True
        for connection in self._connections:
            connection.release()
        self._schedule_sweep()

    async def stop(self) -> None:
        """Accept no more and close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()
        self._server = None

    def connections(self) -> Iterator[Connection]:
        return iter(tuple(self._connections))

    # ConnectionOwner

    def admit(self, connection: Connection) -> bool:
        admission = self._quotas.admit(self.name, connection.client_host)
        if admission is None:
            return False
        self._connections[connection] = None
        self.accepted += 1
        if admission.delay_ms > 0:
            seconds = admission.delay_ms / 1000
            connection.mute(seconds)
            asyncio.get_running_loop().call_later(seconds, self._turn_came, connection, admission.close)
        if self._processing:
            # The loop asked for this connection's protocol before `start`, and told of the connection after.
            connection.release()
        return True

    def forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        self._quotas.release(self.name, connection.client_host)

    def set_socket_options(self, sock: socket.socket | None) -> None:
        """Kafka's socket options; a simulated transport has no socket."""
        if sock is None:
            return
        limits = self._quotas.limits
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if limits.socket_send_buffer_bytes != -1:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.socket_send_buffer_bytes)
        if limits.socket_receive_buffer_bytes != -1:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limits.socket_receive_buffer_bytes)

    # inside

    def _turn_came(self, connection: Connection, close: bool) -> None:
        self._quotas.throttled -= 1
        if close:
            connection.abort()

    def _new_connection(self) -> asyncio.BufferedProtocol:
        self._next_index += 1
        connection = Connection(self, self._requests, self._next_index - 1, held=not self._processing)
        if self._security is None:
            return connection
        return self._security.protocol_for(connection, self._requests)

    def _schedule_sweep(self) -> None:
        idle_seconds = self._quotas.limits.connections_max_idle_ms / 1000
        period = min(SHRINK_AFTER_SECONDS, max(idle_seconds / 2, 0.05))
        self._sweep = asyncio.get_running_loop().call_later(period, self._sweep_idle, idle_seconds)

    def _sweep_idle(self, idle_seconds: float) -> None:
        """Close connections idle for connections.max.idle.ms. Idle is who sends nothing, and who takes
        nothing of what was answered, but not who waits for an answer.
        """
        now = asyncio.get_running_loop().time()
        for connection in self.connections():
            if connection.has_sent_more():
                connection.last_active = now
            # Who authenticates has this long for all of it: bytes that come in drops do not prolong it.
            since = connection.last_active if connection.requests is self._requests else connection.made_at
            quiet = now - since
            if quiet > idle_seconds and not connection.is_working:
                log.debug("Closing idle connection %s", connection.connection_id)
                if connection.is_busy:
                    connection.abort()
                else:
                    connection.close()
            elif quiet > SHRINK_AFTER_SECONDS:
                connection.shrink_if_idle()
        self._schedule_sweep()
