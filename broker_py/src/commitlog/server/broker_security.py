# SPDX-License-Identifier: Apache-2.0
"""Authentication and encryption of one broker: of each listener, and of the connections to its fellows.

Everything is made, and so checked, before the broker touches ZooKeeper or a disk; ``reload`` follows dynamic
changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from commitlog.config.properties import ConfigError
from commitlog.security.credentials import CredentialCache
from commitlog.security.delegation_tokens import DelegationTokens, TokenSettings
from commitlog.server.listener_security import STORES_REFUSED, InterBrokerSecurity, ListenerSecurity
from commitlog.wire.client import BrokerConnection

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.config.settings import Listener
    from commitlog.coordination.client import Coordination

PLAINTEXT = "PLAINTEXT"


class BrokerSecurity:
    """Raises ConfigError from the constructor, with the key that cannot be used."""

    def __init__(self, config: BrokerConfig, coordination: Coordination, now_ms: Callable[[], int]) -> None:
        self._config = config
        self.credentials = CredentialCache(coordination)
        self.tokens = DelegationTokens(
            coordination,
            TokenSettings(
                config.delegation_token_secret_key,
                config.delegation_token_max_lifetime_ms,
                config.delegation_token_expiry_time_ms,
                config.delegation_token_expiry_check_interval_ms,
            ),
            now_ms=now_ms,
        )
        self._now_ms = now_ms
        self._started = False
        self.listeners = {
            one.name: self._listener(config, one) for one in config.listeners if one.protocol != PLAINTEXT
        }
        protocols = config.listener_security_protocol_map
        names = {config.inter_broker_listener_name, (config.control_plane_listener_name or "").upper()}
        self._outbound = {
            name: InterBrokerSecurity(config, name, protocols[name])
            for name in sorted(names - {""})
            if protocols.get(name, PLAINTEXT) != PLAINTEXT
        }

    async def start(self, is_controller: Callable[[], bool]) -> None:
        await self.credentials.load_all()
        await self.tokens.start(is_controller)
        for listener in self.listeners.values():
            await listener.start()
        self._started = True

    def _listener(self, config: BrokerConfig, one: Listener) -> ListenerSecurity:
        return ListenerSecurity(config, one, self.credentials, self._now_ms, self.tokens.account)

    async def add(self, one: Listener) -> ListenerSecurity | None:
        """What a listener that is to be bound demands of its peers; None for PLAINTEXT. Raises
        ConfigError."""
        if one.protocol == PLAINTEXT:
            return None
        security = self.listeners.get(one.name)
        if security is None or security.protocol != one.protocol:
            security = self.listeners[one.name] = self._listener(self._config, one)
            if self._started:
                await security.start()
        return security

    async def remove(self, name: str) -> None:
        security = self.listeners.pop(name, None)
        if security is not None:
            await security.stop()

    def validate(self, then: BrokerConfig, *, stores_too: bool) -> None:
        """Raise ConfigError if a configuration could not be put in force: a new listener must be usable, and
        with ``stores_too`` the others must be so with the stores as they are now."""
        candidates: dict[str, ListenerSecurity] = {}
        for one in then.listeners:
            there = self.listeners.get(one.name)
            if one.protocol == PLAINTEXT or (there is not None and not stores_too):
                continue
            try:
                candidates[one.name] = candidate = self._listener(then, one)
                if there is not None:
                    there.require_compatible(candidate)
            except ConfigError as error:
                if there is None or not there.uses_tls:
                    raise
                raise ConfigError(f"{STORES_REFUSED}{error.message}") from None
        if stores_too:
            for name, outbound in self._outbound.items():
                outbound.validate(then, self.listeners.get(name), candidates.get(name))

    async def stop(self) -> None:
        await self.tokens.stop()
        for listener in self.listeners.values():
            await listener.stop()

    def config_changed(self) -> None:
        """A dynamic change came: settings, or the files behind unchanged settings, may be other ones."""
        for listener in self.listeners.values():
            listener.reload()
        for outbound in self._outbound.values():
            outbound.reload()

    async def connect_to_endpoint(self, broker_id: int, endpoint: Any) -> BrokerConnection:
        """A connection to a fellow broker, as its listener wants it."""
        listener = getattr(endpoint, "listener", None) or endpoint.listener_name
        return await self._open(endpoint.host, endpoint.port, listener)

    async def connect(self, broker_id: int, host: str, port: int) -> BrokerConnection:
        """A connection to a fellow broker over the inter-broker listener."""
        return await self._open(host, port, self._config.inter_broker_listener_name)

    async def _open(self, host: str, port: int, listener: str) -> BrokerConnection:
        return await BrokerConnection.open(
            host,
            port,
            str(self._config.broker_id),
            connect_timeout_ms=self._config.socket_connection_setup_timeout_ms,
            request_timeout_ms=self._config.request_timeout_ms,
            security=self._outbound.get(listener),
        )
