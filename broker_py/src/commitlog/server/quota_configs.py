# SPDX-License-Identifier: Apache-2.0
"""From ZooKeeper to the quotas in force (Kafka's UserConfigHandler, ClientIdConfigHandler and
IpConfigHandler).

All entities are read when the broker starts, and each again when a notification names it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from commitlog.coordination import paths
from commitlog.coordination.client import Coordination, NoAuth, NoNode
from commitlog.coordination.documents import ConfigEntity, DocumentError
from commitlog.security.client_quotas import CLIENT_QUOTAS, IP_QUOTA, ClientQuotas
from commitlog.security.quota_entities import Entity

if TYPE_CHECKING:
    from commitlog.server.connection_quotas import ConnectionQuotas

log = logging.getLogger("commitlog.server.quota_configs")


class QuotaConfigs:
    """Keeps a broker's quotas as ZooKeeper has them."""

    def __init__(
        self, coordination: Coordination, quotas: ClientQuotas, connections: ConnectionQuotas
    ) -> None:
        self._coordination = coordination
        self._quotas = quotas
        self._connections = connections

    async def load_all(self) -> None:
        """Every quota that there is."""
        for kind in ("users", "clients", "ips"):
            for name in await self._children(paths.config_type(kind)):
                await self.reload(kind, name)
                if kind == "users":
                    for client in await self._children(f"{paths.config_entity(kind, name)}/clients"):
                        await self.reload(kind, f"{name}/clients/{client}")

    async def reload(self, kind: str, entity: str) -> None:
        """Read one entity anew; `entity` is sanitized: "a", or "a/clients/b" among the users."""
        configs = _numbers(kind, entity, await self._configs(paths.config_entity(kind, entity)))
        if kind == "ips":
            await self._apply_ip(entity, configs)
            return
        who = _entity(kind, entity)
        if who is None:
            log.error("Config change of %s/%s: no such entity", kind, entity)
            return
        self._quotas.apply(who, configs)

    async def _apply_ip(self, entity: str, configs: Mapping[str, float]) -> None:
        limit = configs.get(IP_QUOTA)
        if entity == paths.DEFAULT_ENTITY:
            self._connections.set_ip_rate(None, limit)
            return
        name = paths.desanitize(entity)
        try:
            # A host name means the address that it has now.
            found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:
            log.error("Quota of ips/%s is left out: %s is not a valid IP or resolvable host", name, name)
            return
        log.info("Changing connection creation rate quota for ips/%s to %s", name, limit)
        self._connections.set_ip_rate(str(found[0][4][0]), limit)

    async def _children(self, path: str) -> list[str]:
        try:
            return sorted(await self._coordination.children(path))
        except (NoNode, NoAuth):
            return []

    async def _configs(self, path: str) -> Mapping[str, str]:
        try:
            data, _ = await self._coordination.get(path)
            return ConfigEntity.decode(data).config if data else {}
        except (NoNode, NoAuth):  # the credentials' cache says which user cannot be read
            return {}
        except DocumentError as error:
            log.error("Quotas of %s are left out: %s", path, error)
            return {}


def _entity(kind: str, entity: str) -> Entity | None:
    if kind == "clients":
        return None, entity
    user, slash, rest = entity.partition("/")
    if not slash:
        return user, None
    word, _, client = rest.partition("/")
    return (user, client) if word == "clients" and client else None


def _numbers(kind: str, entity: str, configs: Mapping[str, str]) -> dict[str, float]:
    """The quotas among an entity's settings; what is no number is logged and left out."""
    numbers = {}
    for name in (*CLIENT_QUOTAS, IP_QUOTA):
        text = configs.get(name)
        if not text:
            continue
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isnan(value) or value < 0:
            log.error("Quota of %s/%s is ignored: %s=%s is no number from 0 up", kind, entity, name, text)
            continue
        numbers[name] = value
    return numbers
