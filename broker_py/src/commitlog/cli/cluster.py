# SPDX-License-Identifier: Apache-2.0
"""The brokers as a tool sees them: bootstrap servers, metadata, and requests for any broker or for the
controller.

As Kafka's AdminClient: a broker that cannot be reached is tried again, after a warning, until
default.api.timeout.ms; a request that reached a broker which is not the controller (any more) goes to the one
that metadata names next.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from commitlog.cli.topics_errors import ToolError
from commitlog.config import properties
from commitlog.security.client_security import ClientSecurity, ClientSecurityError, client_security
from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode
from commitlog.wire.message import Request, Response
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from commitlog.wire.messages.metadata_response import MetadataResponse

R = TypeVar("R", bound=Response)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What --command-config may change; the defaults are AdminClient's."""

    client_id: str = "adminclient-1"
    request_timeout_ms: int = 30_000
    default_api_timeout_ms: int = 60_000
    retry_backoff_ms: int = 100
    connect_timeout_ms: int = 10_000
    security: ClientSecurity | None = None

    @classmethod
    def load(cls, path: str | None) -> ClientSettings:
        if path is None:
            return cls()
        settings = properties.load(path)
        try:
            security = client_security(settings)
        except ClientSecurityError as error:
            raise ToolError(f"{path}: {error}") from None

        def number(name: str, default: int) -> int:
            text = settings.get(name, str(default))
            if not text.strip().isdecimal():
                raise ToolError(
                    f"{path}: Invalid value {text} for configuration {name}: Not a number of type INT"
                )
            return int(text)

        return cls(
            client_id=settings.get("client.id", "adminclient-1"),
            request_timeout_ms=number("request.timeout.ms", 30_000),
            default_api_timeout_ms=number("default.api.timeout.ms", 60_000),
            retry_backoff_ms=number("retry.backoff.ms", 100),
            connect_timeout_ms=number("socket.connection.setup.timeout.ms", 10_000),
            security=security,
        )


def parse_bootstrap_servers(text: str) -> list[Address]:
    """ClientUtils.parseAndValidateAddresses: at least one of the hosts must be known."""
    found: list[Address] = []
    unknown: list[str] = []
    for server in (part.strip() for part in text.split(",")):
        if not server:
            continue
        host, separator, port = server.rpartition("://")[2].rpartition(":")
        if not separator or not port.isdecimal() or int(port) > 65535:
            raise ToolError(f"Invalid url in bootstrap.servers: {server}")
        host = host.removeprefix("[").removesuffix("]")
        try:
            socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            unknown.append(
                f"Couldn't resolve server {server} from bootstrap.servers as DNS resolution failed for {host}"
            )
        else:
            found.append((host, int(port)))
    if not found:
        raise ToolError(unknown[0] if unknown else "No resolvable bootstrap urls given in bootstrap.servers")
    return found


class Cluster:
    """Connections that a tool opens as it needs them; `close` ends them all."""

    def __init__(self, servers: Sequence[Address], settings: ClientSettings) -> None:
        self._servers = list(servers)
        self._settings = settings
        self._connections: dict[Address, BrokerConnection] = {}
        self._deadline = asyncio.get_running_loop().time() + settings.default_api_timeout_ms / 1000
        self._warned: set[Address] = set()

    @property
    def timeout_ms(self) -> int:
        """How long a call may take."""
        return self._settings.default_api_timeout_ms

    def begin_call(self) -> None:
        """The time of the next call starts now; a command of one call need not say so."""
        self._deadline = asyncio.get_running_loop().time() + self.timeout_ms / 1000

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    async def metadata(self, topics: Sequence[str] | None = ()) -> MetadataResponse:
        """Brokers, controller and the named topics (None: all); nothing is created by asking."""
        wanted = None if topics is None else [MetadataRequestTopic(name=name) for name in topics]
        return await self.ask(MetadataRequest(topics=wanted, allow_auto_topic_creation=False))

    async def ask(self, request: Request[R]) -> R:
        """Send to any of the bootstrap servers."""
        connection = await self._connect(self._servers, type(request).__name__)
        return await connection.send(request)

    async def connection(self, address: Address | None, call: str) -> BrokerConnection:
        """An open connection to that broker; None: to any of the bootstrap servers."""
        return await self._connect(self._servers if address is None else [address], call)

    async def back_off(self, call: str) -> None:
        """Wait before the next try of a call; ToolError when its time is over."""
        await self._back_off(call)

    async def ask_controller(self, request: Request[R], error_codes: Callable[[R], Sequence[int]]) -> R:
        """Send to the controller; `error_codes` finds in the answer whether it was the wrong broker."""
        name = type(request).__name__
        while True:
            controller = await self._controller(name)
            connection = await self._connect([controller], name)
            response = await connection.send(request)
            if ErrorCode.NOT_CONTROLLER not in error_codes(response):
                return response
            await self._back_off(name)

    async def _controller(self, call: str) -> Address:
        while True:
            metadata = await self.metadata()
            for broker in metadata.brokers:
                if broker.node_id == metadata.controller_id:
                    return broker.host, broker.port
            await self._back_off(call)

    async def _connect(self, addresses: Sequence[Address], call: str) -> BrokerConnection:
        while True:
            for address in addresses:
                connection = self._connections.get(address)
                if connection is not None and not connection.closed:
                    return connection
                try:
                    self._connections[address] = await self._open(address)
                except PermissionError as error:
                    # Trying again would not make a wrong password or certificate right.
                    raise ToolError(str(error)) from None
                except (OSError, TimeoutError):
                    self._warn(address)
                else:
                    return self._connections[address]
            await self._back_off(call)

    async def _open(self, address: Address) -> BrokerConnection:
        return await BrokerConnection.open(
            *address,
            self._settings.client_id,
            connect_timeout_ms=self._settings.connect_timeout_ms,
            request_timeout_ms=self._settings.request_timeout_ms,
            security=self._settings.security,
        )

    def _warn(self, address: Address) -> None:
        if address not in self._warned:
            self._warned.add(address)
            print(
                f"WARN Connection to {address[0]}:{address[1]} could not be established. Node may not be "
                "available.",
                file=sys.stderr,
            )

    async def _back_off(self, call: str) -> None:
        """Wait before the next try; give up when the time for the whole command is over."""
        pause_s = self._settings.retry_backoff_ms / 1000
        if asyncio.get_running_loop().time() + pause_s > self._deadline:
            action = call.removesuffix("Request")
            raise ToolError(
                f"Timed out waiting for a node assignment. Call: {action[:1].lower()}{action[1:]}"
            )
        await asyncio.sleep(pause_s)
