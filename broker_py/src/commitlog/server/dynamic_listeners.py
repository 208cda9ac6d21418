# SPDX-License-Identifier: Apache-2.0
"""The broker's listeners: bound at start, added and removed later (SocketServer, DynamicListenerConfig).

A listener that is added is bound and served at once, one that is removed is closed with its connections; the
registration in ZooKeeper follows, so the controller tells every broker and they tell the clients. A listener
that stays keeps its address, its protocol and whatever is not named in ``MUTABLE``.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from commitlog.config.properties import ConfigError
from commitlog.coordination.documents import Endpoint
from commitlog.server.errors import StartupError
from commitlog.server.listener import SocketListener

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.config.settings import Listener
    from commitlog.server.broker_security import BrokerSecurity
    from commitlog.server.connection import Requests
    from commitlog.server.connection_quotas import ConnectionQuotas

log = logging.getLogger("commitlog.server.listener")

# SslConfigs.RECONFIGURABLE_CONFIGS, SocketServer's and DataPlaneAcceptor's ListenerReconfigurableConfigs.
MUTABLE = frozenset(
    (
        "ssl.keystore.type",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.key.password",
        "ssl.truststore.type",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.keystore.certificate.chain",
        "ssl.keystore.key",
        "ssl.truststore.certificates",
        "max.connections",
        "max.connection.creation.rate",
        "num.network.threads",
    )
)


class Listeners:
    """``every`` is one list for the life of the broker; metrics look into it too."""

    def __init__(
        self, config: BrokerConfig, security: BrokerSecurity, quotas: ConnectionQuotas, requests: Requests
    ) -> None:
        self.every: list[SocketListener] = []
        self._config = config
        self._security = security
        self._quotas = quotas
        self._requests = requests
        self._serving = False
        config.add_validator(self._validate)

    async def bind(self) -> None:
        """Bind what is configured; raises StartupError for a port in use, or for security that cannot be
        had."""
        for one in self._config.listeners:
            try:
                await self._add(one)
            except ConfigError as error:
                raise StartupError(str(error)) from None
            except OSError as error:
                raise StartupError(
                    f"Socket server failed to bind to {_address(one)}: {_reason(error)}. Stop what listens "
                    f"there, or change listeners in {self._config.source}."
                ) from error

    def start(self) -> None:
        self._serving = True
        for listener in self.every:
            listener.start()

    async def stop(self) -> None:
        self._serving = False
        for listener in self.every:
            await listener.stop()

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What to register. Port 0 of an advertised listener is the port that was bound; a listener that
        could not be bound while the broker ran is told to nobody."""
        bound = {listener.name: listener.port for listener in self.every}
        return tuple(
            Endpoint(one.name, one.host, one.port or bound[one.name], one.protocol)
            for one in self._config.advertised_listeners
            if one.name in bound
        )

    async def reconfigure(self) -> None:
        """Make what is bound what is configured: first the removals, whose ports may be wanted again."""
        wanted = {one.name: one for one in self._config.listeners}
        there = {listener.name for listener in self.every}
        for listener in [one for one in self.every if one.name not in wanted]:
            log.info("Removing listener %s on %s:%d", listener.name, listener.host, listener.port)
            self.every.remove(listener)
            await listener.stop()
            await self._security.remove(listener.name)
        for one in wanted.values():
            if one.name in there:
                continue
            log.info("Adding listener %s on %s", one.name, _address(one))
            try:
                listener = await self._add(one)
            except (ConfigError, OSError) as error:
                reason = _reason(error) if isinstance(error, OSError) else str(error)
                log.error("Listener %s on %s cannot be added: %s", one.name, _address(one), reason)
                continue
            if self._serving:
                listener.start()

    async def _add(self, one: Listener) -> SocketListener:
        security = await self._security.add(one)
        listener = SocketListener(one.name, one.host, one.port, self._requests, self._quotas, security)
        try:
            await listener.bind()
        except OSError:
            await self._security.remove(one.name)
            raise
        self.every.append(listener)
        return listener

    def _validate(self, then: BrokerConfig, changed: frozenset[str], files_too: bool) -> None:
        """DynamicListenerConfig.validateReconfiguration; BrokerConfig has checked which names there are."""
        now = self._config
        was = {one.name: one for one in now.listeners}
        for one in then.listeners:
            if one.name not in was:
                continue
            if _immutable(then, one.name) != _immutable(now, one.name):
                raise ConfigError(
                    "Configs cannot be updated dynamically for existing listener "
                    f"ListenerName({one.name}), restart broker or create a new listener for update"
                )
            if one.protocol != was[one.name].protocol:
                raise ConfigError(
                    f"Security protocol cannot be updated for existing listener ListenerName({one.name})"
                )
        stores_too = files_too or any(".ssl." in f".{name}" for name in changed)
        self._security.validate(then, stores_too=stores_too)


def _immutable(config: BrokerConfig, listener: str) -> Mapping[str, str]:
    prefix = f"listener.name.{listener.lower()}."
    return {
        name: text
        for name, text in config.properties_in_force().items()
        if name.startswith(prefix) and name.removeprefix(prefix) not in MUTABLE
    }


def _address(one: Listener) -> str:
    return f"{one.host or '0.0.0.0'}:{one.port}"


def _reason(error: OSError) -> str:
    known = error.errno is not None and not isinstance(error, socket.gaierror)
    return os.strerror(error.errno or 0) if known else error.strerror or str(error)
