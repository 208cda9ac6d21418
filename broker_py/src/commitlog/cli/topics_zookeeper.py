# SPDX-License-Identifier: Apache-2.0
"""kafka-topics.sh --zookeeper: topics by their znodes, as TopicCommand did from 0.8 to 2.8.

Creation validates and places replicas as the controller's own topic administration does and writes today's
documents, topic id included; what is printed is what Kafka 0.8 printed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from commitlog.cli.topics_errors import ToolError, no_such_topic
from commitlog.cli.topics_options import TopicCommand
from commitlog.cli.topics_output import COLLISION_WARNING, Partition, Topic, describe
from commitlog.config.broker import BrokerConfig
from commitlog.config.definitions import topic_definitions
from commitlog.controller.topic_admin import NewTopic, TopicAdmin
from commitlog.coordination import paths
from commitlog.coordination.client import Coordination, CoordinationTimeout, NoNode
from commitlog.coordination.documents import ConfigEntity, PartitionState
from commitlog.coordination.kazoo_client import KazooCoordination
from commitlog.coordination.kazoo_words import unresolvable_hosts
from commitlog.security.zookeeper import zookeeper_security
from commitlog.wire.errors import ErrorCode, KafkaError

CONNECTION_TIMEOUT_MS = 30_000
"""TopicCommand's own session and connection timeout."""
INTERNAL_TOPICS = frozenset(("__consumer_offsets", "__transaction_state"))


async def run_with_zookeeper(command: TopicCommand, connect_string: str) -> None:
    """Do the command and print what Kafka 0.8 printed."""
    unknown = unresolvable_hosts(connect_string)
    if unknown:
        raise CoordinationTimeout(
            f"Unable to connect to ZooKeeper at {connect_string}: unknown host {', '.join(unknown)}"
        )
    security = zookeeper_security(dict[str, str]().get)
    coordination = KazooCoordination(
        connect_string, session_timeout_ms=CONNECTION_TIMEOUT_MS, create_chroot=False, security=security
    )
    await coordination.start()
    try:
        await TopicZnodes(command, coordination, connect_string).run()
    finally:
        await coordination.close()


class TopicZnodes:
    """The five actions against one ensemble."""

    def __init__(self, command: TopicCommand, coordination: Coordination, connect_string: str) -> None:
        self._command = command
        self._coordination = coordination
        # The tool knows no broker's file: Kafka's defaults stand in, as they did in Kafka's tool.
        defaults = BrokerConfig.from_properties(
            {"zookeeper.connect": connect_string, "listeners": "PLAINTEXT://localhost:9092"}
        )
        self._admin = TopicAdmin(defaults, coordination, rng=random.Random())

    async def run(self) -> None:
        actions = {
            "create": self.create,
            "list": self.list,
            "describe": self.describe,
            "alter": self.alter,
            "delete": self.delete,
        }
        try:
            await actions[self._command.action]()
        except NoNode as error:
            raise ToolError(f"no Kafka cluster keeps its znodes there: {error.path} does not exist") from None

    async def create(self) -> None:
        name = self._command.name
        if "." in name or "_" in name:
            print(COLLISION_WARNING)
        assignment = self._command.replica_assignment()
        topic = NewTopic(name, configs=dict(self._command.configs()))
        if assignment is not None:
            topic.assignments = dict(enumerate(assignment))
        else:
            topic.num_partitions = self._command.partitions or 1
            topic.replication_factor = self._command.replication_factor or 1
        try:
            await self._admin.create_topic(topic)
        except KafkaError as error:
            if error.code == ErrorCode.TOPIC_ALREADY_EXISTS and self._command.if_not_exists:
                return
            raise
        print(f'Created topic "{name}".')

    async def _selected(self) -> list[str]:
        names = await self._coordination.children(paths.BROKER_TOPICS)
        return [name for name in names if self._command.selects(name, internal=name in INTERNAL_TOPICS)]

    async def _existing(self) -> list[str]:
        names = await self._selected()
        if not names and self._command.topic is not None and not self._command.if_exists:
            raise no_such_topic(self._command.topic)
        return names

    async def list(self) -> None:
        for name in await self._selected():
            marked = await self._admin.is_marked_for_deletion(name)
            print(f"{name} - marked for deletion" if marked else name)

    async def delete(self) -> None:
        for name in await self._existing():
            if name in INTERNAL_TOPICS:
                raise ToolError(
                    f"Topic {name} is a kafka internal topic and is not allowed to be marked for deletion."
                )
            if await self._admin.is_marked_for_deletion(name):
                print(f"Topic {name} is already marked for deletion.")
                continue
            await self._admin.delete_topic(name)
            print(f"Topic {name} is marked for deletion.")
            print("Note: This will have no impact if delete.topic.enable is not set to true.")

    async def alter(self) -> None:
        for name in await self._existing():
            await self._alter_configs(name)
            if self._command.partitions is not None:
                await self._add_partitions(name, self._command.partitions)

    async def _alter_configs(self, name: str) -> None:
        added, deleted = self._command.configs(), self._command.deleted_configs()
        unknown = [setting for setting in deleted if setting not in topic_definitions()]
        if unknown:
            raise ToolError(f"Unknown topic config name: {', '.join(unknown)}")
        if not added and not deleted:
            return
        configs = {**await self._configs(name), **added}
        kept = {setting: value for setting, value in configs.items() if setting not in deleted}
        await self._admin.change_topic_config(name, kept)
        print(f'Updated config for topic "{name}".')

    async def _add_partitions(self, name: str, count: int) -> None:
        if name in INTERNAL_TOPICS:
            raise ToolError(
                f"The number of partitions for the internal topics {', '.join(sorted(INTERNAL_TOPICS))} "
                "cannot be changed."
            )
        print(
            "WARNING: If partitions are increased for a topic that has a key, the partition logic or "
            "ordering of the messages will be affected"
        )
        assignment = self._command.replica_assignment()
        existing = await self._admin.assignment(name)
        added = None if assignment is None or existing is None else assignment[len(existing.partitions) :]
        await self._admin.create_partitions(name, count, added)
        print("Adding partitions succeeded!")

    async def describe(self) -> None:
        live = {int(broker) for broker in await self._coordination.children(paths.BROKER_IDS)}
        for name in await self._existing():
            topic = await self._topic(name)
            if topic is not None:
                for line in describe(self._command, topic, live, with_zookeeper=True):
                    print(line)

    async def _configs(self, name: str) -> dict[str, str]:
        try:
            data, _ = await self._coordination.get(paths.topic_config(name))
        except NoNode:
            return {}
        return dict(ConfigEntity.decode(data).config)

    async def _topic(self, name: str) -> Topic | None:
        """None when the topic went away meanwhile."""
        document = await self._admin.assignment(name)
        if document is None:
            return None
        configs = await self._configs(name)
        partitions = [
            await self._partition(
                name,
                number,
                document.partitions[number],
                document.adding_replicas.get(number, ()),
                document.removing_replicas.get(number, ()),
            )
            for number in sorted(document.partitions)
        ]
        marked = await self._admin.is_marked_for_deletion(name)
        minimum = configs.get("min.insync.replicas", "1")
        return Topic(
            name,
            partitions,
            configs,
            None,
            int(minimum) if minimum.isdecimal() else 1,
            marked_for_deletion=marked,
        )

    async def _partition(
        self, topic: str, number: int, replicas: Sequence[int], adding: Sequence[int], removing: Sequence[int]
    ) -> Partition:
        try:
            data, _ = await self._coordination.get(paths.partition_state(topic, number))
        except NoNode:
            return Partition(topic, number, None, replicas, (), adding, removing)
        state = PartitionState.decode(topic, number, data)
        leader = state.leader if state.leader >= 0 else None
        return Partition(topic, number, leader, replicas, state.isr, adding, removing)
