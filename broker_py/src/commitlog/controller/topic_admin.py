# SPDX-License-Identifier: Apache-2.0
"""Topic administration against ZooKeeper: validation and znode writes (Kafka: ZkAdminManager, AdminZkClient).

Nothing here talks to brokers: writing the znodes is all there is to creating, deleting or growing a topic,
the controller's watches do the rest. That is why the tools with --zookeeper can use it as well as the APIs
can.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from commitlog.config.properties import ConfigError
from commitlog.config.topic import validate_topic_config
from commitlog.controller.entity_configs import EntityConfigs
from commitlog.controller.placement import assign_replicas
from commitlog.controller.topic_ids import TopicIds
from commitlog.controller.topic_names import colliding_topics, has_collision_chars, validate_topic_name
from commitlog.controller.versions import ControlVersions
from commitlog.coordination import paths
from commitlog.coordination.client import NodeExists, NoNode, retry_until_connected
from commitlog.coordination.documents import BrokerRegistration, TopicAssignment
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.message import ZERO_UUID

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.coordination.client import Coordination

log = logging.getLogger("commitlog.controller.topic_admin")

USE_DEFAULT = -1


@dataclass(slots=True)
class NewTopic:
    """One topic to create; -1 means the broker's default (KIP-464)."""

    name: str
    num_partitions: int = USE_DEFAULT
    replication_factor: int = USE_DEFAULT
    assignments: dict[int, list[int]] = field(default_factory=dict)
    configs: dict[str, str | None] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class CreatedTopic:
    """What came of it; ``topic_id`` is zero when only validated, or before IBP 2.8."""

    name: str
    topic_id: bytes
    num_partitions: int
    replication_factor: int
    configs: Mapping[str, str]


Permit = Callable[[int], None]
"""Asked before so many partitions are created; raises KafkaError when there is a quota in the way."""


class TopicAdmin:
    """Creates, deletes, grows and configures topics; every refusal is a KafkaError with Kafka's code and
    text."""

    def __init__(self, config: BrokerConfig, coordination: Coordination, *, rng: random.Random) -> None:
        self._config = config
        self._coordination = coordination
        self._rng = rng
        self._topic_ids = TopicIds(rng)
        self.entity_configs = EntityConfigs(coordination)

    # Create

    async def create_topic(
        self, topic: NewTopic, *, validate_only: bool = False, permit: Permit | None = None
    ) -> CreatedTopic:
        """Validate, then write config znode and topic znode."""
        configs = self._check_configs_present(topic)
        if topic.assignments and (topic.num_partitions, topic.replication_factor) != (
            USE_DEFAULT,
            USE_DEFAULT,
        ):
            raise KafkaError(
                ErrorCode.INVALID_REQUEST,
                "Both numPartitions or replicationFactor and replicasAssignments were set. "
                "Both cannot be used at the same time.",
            )
        assignment = topic.assignments or await self._place(topic)
        await self._check_new_name(topic.name)
        check_assignment(assignment)
        self._check_configs(configs)
        topic_id = ZERO_UUID
        if not validate_only:
            if permit is not None:
                permit(len(assignment))
            topic_id = await self._write_new_topic(topic.name, assignment, configs)
        return CreatedTopic(topic.name, topic_id, len(assignment), len(assignment[0]), configs)

    @staticmethod
    def _check_configs_present(topic: NewTopic) -> dict[str, str]:
        absent = [name for name, value in topic.configs.items() if value is None]
        if absent:
            names = ",".join(absent)
            raise KafkaError(ErrorCode.INVALID_CONFIG, f"Null value not supported for topic configs: {names}")
        return {name: value for name, value in topic.configs.items() if value is not None}

    async def _place(self, topic: NewTopic) -> dict[int, list[int]]:
        partitions, replication_factor = topic.num_partitions, topic.replication_factor
        return assign_replicas(
            await self.broker_racks(),
            self._config.num_partitions if partitions == USE_DEFAULT else partitions,
            self._config.default_replication_factor
            if replication_factor == USE_DEFAULT
            else replication_factor,
            rng=self._rng,
        )

    async def _check_new_name(self, name: str) -> None:
        validate_topic_name(name)
        if await self._exists(paths.delete_topic(name)):
            raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' is marked for deletion.")
        if await self.topic_exists(name):
            raise _already_exists(name)
        if not has_collision_chars(name):
            return
        topics = await self.topics()
        if name in topics:
            raise _already_exists(name)
        colliding = colliding_topics(name, topics)
        if colliding:
            raise KafkaError(
                ErrorCode.INVALID_TOPIC_EXCEPTION,
                f"Topic '{name}' collides with existing topics: {', '.join(colliding)}",
            )

    def _check_configs(self, configs: Mapping[str, str]) -> None:
        try:
            validate_topic_config(configs, self._config)
        except ConfigError as error:
            raise KafkaError(ErrorCode.INVALID_CONFIG, str(error)) from error

    async def _write_new_topic(
        self, name: str, assignment: Mapping[int, Sequence[int]], configs: Mapping[str, str]
    ) -> bytes:
        log.info(
            "Creating topic %s with configuration %s and initial partition assignment %s",
            name,
            dict(configs),
            assignment,
        )
        # The configuration first: a broker reads it when the controller tells it to create the log.
        await self.entity_configs.write("topics", name, configs)
        with_id = ControlVersions.of(self._config.inter_broker_protocol_version).topic_ids
        topic_id = self._topic_ids.next() if with_id else None
        data = TopicAssignment(assignment, topic_id).encode()
        try:
            await retry_until_connected(
                self._coordination, lambda: self._coordination.create(paths.topic(name), data)
            )
        except NodeExists:
            written, _ = await self._coordination.get(paths.topic(name))
            if written != data:  # else it is ours: the reply of the first attempt was lost
                raise _already_exists(name) from None
        return topic_id or ZERO_UUID

    # Delete

    async def delete_topic(self, name: str) -> None:
        """Ask the controller for the deletion by /admin/delete_topics/<name>; asking twice is no error."""
        validate_topic_name(name)
        if not await self.topic_exists(name):
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic `{name}` to delete does not exist")
        path = paths.delete_topic(name)
        try:
            await retry_until_connected(self._coordination, lambda: self._coordination.create(path))
        except NodeExists:
            log.info("Topic %s is already marked for deletion", name)

    # Grow

    async def create_partitions(
        self,
        name: str,
        count: int,
        assignments: Sequence[Sequence[int]] | None = None,
        *,
        validate_only: bool = False,
        permit: Permit | None = None,
    ) -> int:
        """Grow a topic to ``count`` partitions in total; ``assignments`` are those of the new ones."""
        document = await self.assignment(name)
        if document is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
        if document.adding_replicas or document.removing_replicas:
            # The controller would write its assignment over ours, or the other way round.
            raise KafkaError(
                ErrorCode.REASSIGNMENT_IN_PROGRESS,
                f"A partition reassignment is in progress for the topic '{name}'.",
            )
        existing = document.partitions
        if count < len(existing):
            raise KafkaError(
                ErrorCode.INVALID_PARTITIONS,
                f"Topic currently has {len(existing)} partitions, which is higher than the requested "
                f"{count}.",
            )
        if count == len(existing):
            raise KafkaError(ErrorCode.INVALID_PARTITIONS, f"Topic already has {len(existing)} partitions.")
        if 0 not in existing:
            raise KafkaError(
                ErrorCode.UNKNOWN_SERVER_ERROR,
                f"Unexpected existing replica assignment for topic '{name}', partition id 0 is missing. "
                f"Assignment: {dict(existing)}",
            )
        added = await self._place_more(existing, count, assignments)
        if not validate_only:
            if permit is not None:
                permit(len(added))
            log.info("Creating %d partitions for '%s' with the assignment %s", len(added), name, added)
            whole = TopicAssignment({**existing, **added}, document.topic_id)
            await retry_until_connected(
                self._coordination, lambda: self._coordination.set(paths.topic(name), whole.encode())
            )
        return count

    async def _place_more(
        self,
        existing: Mapping[int, Sequence[int]],
        count: int,
        assignments: Sequence[Sequence[int]] | None,
    ) -> dict[int, list[int]]:
        racks = await self.broker_racks()
        increment = count - len(existing)
        if assignments is None:
            order = sorted(racks)
            leader = existing[0][0]
            start = next((index for index, broker in enumerate(order) if broker >= leader), 0)
            return assign_replicas(
                racks,
                increment,
                len(existing[0]),
                rng=self._rng,
                fixed_start_index=start,
                start_partition=len(existing),
            )
        unknown = sorted({one for replicas in assignments for one in replicas} - racks.keys())
        if unknown:
            raise _bad_assignment(f"Unknown broker(s) in replica assignment: {_join(unknown)}.")
        if len(assignments) != increment:
            raise _bad_assignment(
                f"Increasing the number of partitions by {increment} but {len(assignments)} assignments "
                f"provided."
            )
        added = {len(existing) + index: list(replicas) for index, replicas in enumerate(assignments)}
        check_added_assignment(added, len(existing[0]))
        return added

    # Configure

    async def change_topic_config(
        self, name: str, configs: Mapping[str, str], *, validate_only: bool = False
    ) -> None:
        """Validate and replace a topic's whole set of overrides, then notify brokers."""
        validate_topic_name(name)
        if not await self.topic_exists(name):
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic '{name}' does not exist.")
        self._check_configs(configs)
        if not validate_only:
            await self.entity_configs.change("topics", name, configs)

    # Read

    async def topics(self) -> list[str]:
        return await retry_until_connected(
            self._coordination, lambda: self._coordination.children(paths.BROKER_TOPICS)
        )

    async def topic_exists(self, name: str) -> bool:
        return await self._exists(paths.topic(name))

    async def is_marked_for_deletion(self, name: str) -> bool:
        return await self._exists(paths.delete_topic(name))

    async def assignment(self, name: str) -> TopicAssignment | None:
        """The topic's znode, None when there is no such topic."""
        try:
            data, _ = await retry_until_connected(
                self._coordination, lambda: self._coordination.get(paths.topic(name))
            )
        except NoNode:
            return None
        return TopicAssignment.decode(name, data)

    async def broker_racks(self) -> dict[int, str | None]:
        """Rack by id of every registered broker."""
        children = await retry_until_connected(
            self._coordination, lambda: self._coordination.children(paths.BROKER_IDS)
        )
        brokers = [int(child) for child in children]
        found = await asyncio.gather(*(self._registration(broker) for broker in brokers))
        return {one.broker_id: one.rack for one in found if one is not None}

    async def _registration(self, broker: int) -> BrokerRegistration | None:
        try:
            data, _ = await retry_until_connected(
                self._coordination, lambda: self._coordination.get(paths.broker_id(broker))
            )
        except NoNode:
            return None
        return BrokerRegistration.decode(broker, data)

    async def _exists(self, path: str) -> bool:
        stat = await retry_until_connected(self._coordination, lambda: self._coordination.exists(path))
        return stat is not None


def check_assignment(assignment: Mapping[int, Sequence[int]]) -> None:
    """An assignment for a new topic: every partition from 0 on, the same number of different brokers each."""
    if len({len(replicas) for replicas in assignment.values()}) != 1:
        raise _bad_assignment("All partitions should have the same number of replicas")
    for replicas in assignment.values():
        if len(set(replicas)) != len(replicas):
            shown = (f"{one} -> ArrayBuffer({', '.join(map(str, of))})" for one, of in assignment.items())
            raise _bad_assignment(f"Duplicate replica assignment found: HashMap({', '.join(shown)})")
    if sorted(assignment) != list(range(len(assignment))):
        raise _bad_assignment("partitions should be a consecutive 0-based integer sequence")


def check_added_assignment(added: Mapping[int, Sequence[int]], replication_factor: int) -> None:
    """An assignment for partitions that are added to a topic."""
    for partition, replicas in added.items():
        if not replicas:
            raise _bad_assignment(f"Cannot have replication factor of 0 for partition id {partition}.")
        if len(set(replicas)) != len(replicas):
            raise _bad_assignment(
                f"Duplicate brokers not allowed in replica assignment: {_join(replicas)} for partition id "
                f"{partition}."
            )
    uneven = {one: len(replicas) for one, replicas in added.items() if len(replicas) != replication_factor}
    if uneven:
        raise _bad_assignment(
            f"Inconsistent replication factor between partitions, partition 0 has {replication_factor} while "
            f"partitions [{_join(uneven)}] have replication factors [{_join(uneven.values())}], respectively."
        )


def _join(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _bad_assignment(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)


def _already_exists(name: str) -> KafkaError:
    return KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
