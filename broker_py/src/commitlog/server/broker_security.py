# SPDX-License-Identifier: Apache-2.0
"""Authentication and encryption of one broker: of each listener, and of the connections to its fellows.

Everything is made, and so checked, before the broker touches ZooKeeper or a disk; ``reload`` follows dynamic
changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from commitlog.security.credentials import CredentialCache
from commitlog.security.delegation_tokens import DelegationTokens, TokenSettings
from commitlog.server.listener_security import InterBrokerSecurity, ListenerSecurity
from commitlog.wire.client import BrokerConnection

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
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
        self.listeners = {
            one.name: ListenerSecurity(config, one, self.credentials, now_ms, self.tokens.account)
            for one in config.listeners
            if one.protocol != PLAINTEXT
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
