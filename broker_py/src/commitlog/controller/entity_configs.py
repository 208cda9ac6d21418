# SPDX-License-Identifier: Apache-2.0
"""Overrides of topics, brokers, clients, users and ips in ZooKeeper (Kafka:
KafkaZkClient.setOrCreateEntityConfigs).

A write is one multi with a check of /controller: as long as a ZooKeeper-mode controller is there, no
migration to KRaft can have taken the metadata over (KIP-866). A change is followed by a sequential
notification znode, which is what brokers watch; they read the entity afresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from commitlog.coordination import paths
from commitlog.coordination.client import (
    Check,
    Coordination,
    Create,
    NodeExists,
    NoNode,
    NotEmpty,
    Op,
    SetData,
    data_of,
    ensure_path,
    retry_until_connected,
)
from commitlog.coordination.documents import ConfigChange, ConfigEntity, ControllerDocument
from commitlog.wire.errors import ErrorCode, KafkaError


class EntityConfigs:
    """Reads and writes /config/<type>/<name>; names are given as they stand in the path, sanitized."""

    def __init__(self, coordination: Coordination, *, guarded: bool = True) -> None:
        """`guarded`: only beside a controller that is no KRaft controller. A tool that prepares a cluster
        before its first broker starts has no controller."""
        self._coordination = coordination
        self._is_guarded = guarded

    async def read(self, entity_type: str, sanitized_name: str) -> dict[str, str]:
        """The overrides of an entity; none when it has no znode."""
        return (await self._read_some([paths.config_entity(entity_type, sanitized_name)]))[0]

    async def read_all(self, entity_type: str) -> dict[str, dict[str, str]]:
        """The overrides of every entity of a type, by sanitized name."""
        names = await self._children(paths.config_type(entity_type))
        wanted = [paths.config_entity(entity_type, name) for name in names]
        return dict(zip(names, await self._read_some(wanted), strict=True))

    async def _read_some(self, wanted: Sequence[str]) -> list[dict[str, str]]:
        found = await retry_until_connected(self._coordination, lambda: self._coordination.get_all(wanted))
        entities = map(data_of, found)
        return [{} if data is None else dict(ConfigEntity.decode(data).config) for data in entities]

    async def read_all_clients_of_users(self) -> dict[tuple[str, str], dict[str, str]]:
        """The overrides of /config/users/<user>/clients/<client>, by both sanitized names."""
        return {
            (user, client): await self.read("users", f"{user}/clients/{client}")
            for user in await self._children(paths.config_type("users"))
            for client in await self._children(f"{paths.config_entity('users', user)}/clients")
        }

    async def change_quotas(self, entity_type: str, sanitized_name: str, configs: Mapping[str, str]) -> None:
        """Replace the overrides of a user, client or ip and notify all brokers; an entity that has none is
        removed, and so is what stood above it for its sake (AdminZkClient.tryCleanQuotaNodes)."""
        if configs or not await self._remove_if_childless(entity_type, sanitized_name):
            await self.change(entity_type, sanitized_name, configs)
        else:
            await self._notify(entity_type, sanitized_name)

    async def change(self, entity_type: str, sanitized_name: str, configs: Mapping[str, str]) -> None:
        """Replace the overrides and notify all brokers."""
        await self.write(entity_type, sanitized_name, configs)
        await self._notify(entity_type, sanitized_name)

    async def _notify(self, entity_type: str, sanitized_name: str) -> None:
        data = ConfigChange(f"{entity_type}/{sanitized_name}").encode()
        # A notification too many, after a lost reply, does no harm.
        await retry_until_connected(
            self._coordination,
            lambda: self._coordination.create(
                f"{paths.CONFIG_CHANGES}/{paths.CONFIG_CHANGE_PREFIX}",
                data,
                sequential=True,
                make_parents=True,
            ),
        )

    async def write(self, entity_type: str, sanitized_name: str, configs: Mapping[str, str]) -> None:
        """Replace the overrides without notification, as the creation of a topic does."""
        path = paths.config_entity(entity_type, sanitized_name)
        data = ConfigEntity(configs).encode()
        await retry_until_connected(self._coordination, lambda: self._write_once(path, data))

    async def _write_once(self, path: str, data: bytes) -> None:
        guard = await self._controller_guard() if self._is_guarded else None
        if await self._coordination.exists(path) is None:
            parent, _, _ = path.rpartition("/")
            await ensure_path(self._coordination, parent)
            try:
                await self._guarded(guard, Create(path, data))
            except NodeExists:
                pass
            else:
                return
        await self._guarded(guard, SetData(path, data))

    async def _children(self, path: str) -> list[str]:
        try:
            found = await retry_until_connected(self._coordination, lambda: self._coordination.children(path))
        except NoNode:
            return []
        return sorted(found)

    async def _remove_if_childless(self, entity_type: str, sanitized_name: str) -> bool:
        path = paths.config_entity(entity_type, sanitized_name)
        if await self._coordination.exists(path) is None or await self._children(path):
            return False
        doomed = [path]
        user, is_client, _ = sanitized_name.partition("/clients/")
        if is_client:
            clients = paths.config_entity(entity_type, f"{user}/clients")
            if len(await self._children(clients)) == 1:
                doomed.append(clients)
                user_path = paths.config_entity(entity_type, user)
                if not await self.read(entity_type, user) and await self._children(user_path) == ["clients"]:
                    doomed.append(user_path)
        for one in doomed:
            try:
                await self._coordination.delete(one)
            except (NoNode, NotEmpty):
                # Somebody else was faster, or has put something below it.
                break
        return True

    async def _guarded(self, guard: Check | None, op: Op) -> None:
        try:
            await self._coordination.multi([op] if guard is None else [guard, op])
        except NoNode as error:
            if guard is not None and error.path == guard.path:
                raise _no_controller() from error
            raise

    async def _controller_guard(self) -> Check:
        try:
            data, stat = await self._coordination.get(paths.CONTROLLER)
        except NoNode:
            raise _no_controller() from None
        if ControllerDocument.decode(data).kraft_controller_epoch > 0:
            raise KafkaError(
                ErrorCode.STALE_CONTROLLER_EPOCH,
                "Cannot set entity configs directly when there is a KRaft controller.",
            )
        return Check(paths.CONTROLLER, stat.version)


def _no_controller() -> KafkaError:
    return KafkaError(
        ErrorCode.STALE_CONTROLLER_EPOCH, "Cannot set entity configs directly when there is no controller."
    )
