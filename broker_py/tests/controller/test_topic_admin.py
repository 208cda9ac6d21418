# SPDX-License-Identifier: Apache-2.0
"""Validation in Kafka's words, and exactly the znodes that Kafka writes."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from commitlog.config.broker import BrokerConfig
from commitlog.controller.topic_admin import NewTopic, TopicAdmin
from commitlog.coordination import paths
from commitlog.coordination.client import Op, OpResult, ensure_path
from commitlog.coordination.documents import (
    BrokerRegistration,
    ConfigChange,
    ConfigEntity,
    ControllerDocument,
    Endpoint,
    TopicAssignment,
)
from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.message import ZERO_UUID
from tests.groups.virtual_loop import in_virtual_time


class Desk:
    """A TopicAdmin and the ZooKeeper that it writes to; no controller runs."""

    def __init__(self, **properties: str) -> None:
        settings = {"broker.id": "1", "zookeeper.connect": "x"}
        settings |= {name.replace("_", "."): value for name, value in properties.items()}
        self.config = BrokerConfig.from_properties(settings)
        self.client: MemoryCoordination
        self.admin: TopicAdmin

    async def open(self, *broker_ids: int, controller: bool = True) -> Desk:
        self.client = MemoryEnsemble().client("tool")
        await self.client.start()
        for path in paths.PERSISTENT_PATHS:
            await ensure_path(self.client, path)
        for broker in broker_ids:
            data = BrokerRegistration(broker, (Endpoint("PLAINTEXT", "b", 1, "PLAINTEXT"),)).encode()
            await self.client.create(paths.broker_id(broker), data)
        if controller:
            await self.client.create(paths.CONTROLLER, ControllerDocument(1, 0).encode())
        self.admin = TopicAdmin(self.config, self.client, rng=random.Random(1))
        return self

    async def data(self, path: str) -> bytes:
        return (await self.client.get(path))[0]

    async def has(self, path: str) -> bool:
        return await self.client.exists(path) is not None


async def refusal(attempt: Awaitable[Any]) -> tuple[ErrorCode, str | None]:
    with pytest.raises(KafkaError) as refused:
        await attempt
    return refused.value.code, refused.value.message


@in_virtual_time
async def test_what_creation_writes() -> None:
    desk = await Desk().open(1, 2, 3)
    made = await desk.admin.create_topic(NewTopic("t", 4, 2, configs={"retention.ms": "5000"}))
    document = TopicAssignment.decode("t", await desk.data(paths.topic("t")))
    assert document.topic_id == made.topic_id != ZERO_UUID
    assert sorted(document.partitions) == [0, 1, 2, 3]
    assert {len(set(replicas)) for replicas in document.partitions.values()} == {2}
    assert (made.num_partitions, made.replication_factor) == (4, 2)
    assert ConfigEntity.decode(await desk.data(paths.topic_config("t"))).config == {"retention.ms": "5000"}
    assert await desk.client.children(paths.CONFIG_CHANGES) == [], "a new topic has no change notification"


@in_virtual_time
async def test_an_empty_configuration_is_written_too() -> None:
    desk = await Desk().open(1)
    await desk.admin.create_topic(NewTopic("t", assignments={0: [1]}))
    assert await desk.data(paths.topic_config("t")) == ConfigEntity({}).encode()


@in_virtual_time
async def test_defaults_are_the_brokers() -> None:
    desk = await Desk(num_partitions="3", default_replication_factor="2").open(1, 2)
    made = await desk.admin.create_topic(NewTopic("t"))
    assert (made.num_partitions, made.replication_factor) == (3, 2)


@in_virtual_time
async def test_an_assignment_is_written_as_given_even_to_brokers_that_are_down() -> None:
    desk = await Desk().open(1)
    await desk.admin.create_topic(NewTopic("t", assignments={0: [9, 1], 1: [1, 9]}))
    document = TopicAssignment.decode("t", await desk.data(paths.topic("t")))
    assert document.partitions == {0: [9, 1], 1: [1, 9]}


@in_virtual_time
async def test_validate_only_writes_nothing() -> None:
    desk = await Desk().open(1)
    made = await desk.admin.create_topic(NewTopic("t", 2, 1), validate_only=True)
    assert (made.num_partitions, made.topic_id) == (2, ZERO_UUID)
    assert not await desk.has(paths.topic("t"))
    assert not await desk.has(paths.topic_config("t"))


NAMES = [
    ("", "the empty string is not allowed"),
    (".", "'.' is not allowed"),
    ("..", "'..' is not allowed"),
    ("a" * 250, f"the length of '{'a' * 250}' is longer than the max allowed length 249"),
    ("a/b", "'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
    ("ä", "'ä' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
    ("a\n", "'a\n' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
]


@pytest.mark.parametrize(("name", "reason"), NAMES)
def test_illegal_names(name: str, reason: str) -> None:
    @in_virtual_time
    async def run() -> None:
        desk = await Desk().open(1)
        expected = (ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {reason}")
        assert await refusal(desk.admin.create_topic(NewTopic(name, 1, 1))) == expected
        assert await refusal(desk.admin.delete_topic(name)) == expected
        assert await refusal(desk.admin.change_topic_config(name, {})) == expected

    run()


@pytest.mark.parametrize("name", ["a" * 249, "a.b-c_D9", "...", "-", "_"])
def test_legal_names(name: str) -> None:
    @in_virtual_time
    async def run() -> None:
        desk = await Desk().open(1)
        await desk.admin.create_topic(NewTopic(name, 1, 1))
        assert await desk.has(paths.topic(name))

    run()


@in_virtual_time
async def test_period_and_underscore_collide() -> None:
    desk = await Desk().open(1)
    await desk.admin.create_topic(NewTopic("a.b", 1, 1))
    await desk.admin.create_topic(NewTopic("a-b", 1, 1))
    assert await refusal(desk.admin.create_topic(NewTopic("a_b", 1, 1))) == (
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        "Topic 'a_b' collides with existing topics: a.b",
    )


@in_virtual_time
async def test_existing_and_dying_topics() -> None:
    desk = await Desk().open(1)
    await desk.admin.create_topic(NewTopic("a.b", 1, 1))
    for name in ("a.b",):
        expected = (ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        assert await refusal(desk.admin.create_topic(NewTopic(name, 1, 1))) == expected
    await desk.admin.delete_topic("a.b")
    await desk.admin.delete_topic("a.b")
    assert await refusal(desk.admin.create_topic(NewTopic("a.b", 1, 1))) == (
        ErrorCode.TOPIC_ALREADY_EXISTS,
        "Topic 'a.b' is marked for deletion.",
    )


BAD_TOPICS: list[tuple[NewTopic, ErrorCode, str]] = [
    (
        NewTopic("t", 1, 1, {0: [1]}),
        ErrorCode.INVALID_REQUEST,
        "Both numPartitions or replicationFactor and replicasAssignments were set. "
        "Both cannot be used at the same time.",
    ),
    (
        NewTopic("t", 1, 1, configs={"retention.ms": None}),
        ErrorCode.INVALID_CONFIG,
        "Null value not supported for topic configs: retention.ms",
    ),
    (NewTopic("t", 0, 1), ErrorCode.INVALID_PARTITIONS, "Number of partitions must be larger than 0."),
    (
        NewTopic("t", 1, 3),
        ErrorCode.INVALID_REPLICATION_FACTOR,
        "Replication factor: 3 larger than available brokers: 2.",
    ),
    (
        NewTopic("t", assignments={0: [1, 2], 1: [1]}),
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "All partitions should have the same number of replicas",
    ),
    (
        NewTopic("t", assignments={0: [1, 1]}),
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "Duplicate replica assignment found: HashMap(0 -> ArrayBuffer(1, 1))",
    ),
    (
        NewTopic("t", assignments={0: [1], 2: [1]}),
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "partitions should be a consecutive 0-based integer sequence",
    ),
]


@pytest.mark.parametrize(("topic", "code", "message"), BAD_TOPICS)
def test_refusals_of_creation(topic: NewTopic, code: ErrorCode, message: str) -> None:
    @in_virtual_time
    async def run() -> None:
        desk = await Desk().open(1, 2)
        assert await refusal(desk.admin.create_topic(topic)) == (code, message)
        assert await desk.client.children(paths.BROKER_TOPICS) == []

    run()


@in_virtual_time
async def test_unknown_and_bad_settings() -> None:
    desk = await Desk().open(1)
    code, message = await refusal(
        desk.admin.create_topic(NewTopic("t", 1, 1, configs={"retention.mss": "1"}))
    )
    assert code is ErrorCode.INVALID_CONFIG
    assert message is not None
    assert message.startswith("Unknown topic config name: retention.mss")
    code, message = await refusal(
        desk.admin.create_topic(NewTopic("t", 1, 1, configs={"retention.ms": "soon"}))
    )
    assert code is ErrorCode.INVALID_CONFIG
    assert message is not None
    assert message.startswith("Invalid value soon for configuration retention.ms")


@in_virtual_time
async def test_growth_keeps_id_and_pattern() -> None:
    desk = await Desk().open(1, 2, 3)
    made = await desk.admin.create_topic(NewTopic("t", assignments={0: [2, 3], 1: [3, 1]}))
    await desk.admin.create_partitions("t", 4)
    document = TopicAssignment.decode("t", await desk.data(paths.topic("t")))
    assert document.topic_id == made.topic_id
    assert {one: document.partitions[one] for one in (0, 1)} == {0: [2, 3], 1: [3, 1]}
    assert [document.partitions[one][0] for one in (2, 3)] == [1, 2], "leaders go on round the brokers"


@in_virtual_time
async def test_growth_with_an_assignment_and_validate_only() -> None:
    desk = await Desk().open(1, 2, 3)
    await desk.admin.create_topic(NewTopic("t", assignments={0: [2, 3]}))
    before = await desk.data(paths.topic("t"))
    await desk.admin.create_partitions("t", 2, [[3, 1]], validate_only=True)
    assert await desk.data(paths.topic("t")) == before
    await desk.admin.create_partitions("t", 2, [[3, 1]])
    document = TopicAssignment.decode("t", await desk.data(paths.topic("t")))
    assert document.partitions == {0: [2, 3], 1: [3, 1]}


GROWTHS: list[tuple[int, list[list[int]] | None, ErrorCode, str]] = [
    (2, None, ErrorCode.INVALID_PARTITIONS, "Topic already has 2 partitions."),
    (
        1,
        None,
        ErrorCode.INVALID_PARTITIONS,
        "Topic currently has 2 partitions, which is higher than the requested 1.",
    ),
    (3, [[1, 9]], ErrorCode.INVALID_REPLICA_ASSIGNMENT, "Unknown broker(s) in replica assignment: 9."),
    (
        4,
        [[1, 2]],
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "Increasing the number of partitions by 2 but 1 assignments provided.",
    ),
    (
        3,
        [[]],
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "Cannot have replication factor of 0 for partition id 2.",
    ),
    (
        3,
        [[1, 1]],
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "Duplicate brokers not allowed in replica assignment: 1, 1 for partition id 2.",
    ),
    (
        4,
        [[1], [1, 2]],
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "Inconsistent replication factor between partitions, partition 0 has 2 while partitions [2] have "
        "replication factors [1], respectively.",
    ),
]


@pytest.mark.parametrize(("count", "assignments", "code", "message"), GROWTHS)
def test_refusals_of_growth(
    count: int, assignments: list[list[int]] | None, code: ErrorCode, message: str
) -> None:
    @in_virtual_time
    async def run() -> None:
        desk = await Desk().open(1, 2)
        await desk.admin.create_topic(NewTopic("t", assignments={0: [1, 2], 1: [2, 1]}))
        assert await refusal(desk.admin.create_partitions("t", count, assignments)) == (code, message)

    run()


@in_virtual_time
async def test_growth_of_nothing_and_during_a_move() -> None:
    desk = await Desk().open(1, 2)
    assert await refusal(desk.admin.create_partitions("no", 2)) == (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "The topic 'no' does not exist.",
    )
    moving = TopicAssignment({0: [1, 2]}, None, {0: [1]}, {0: [2]})
    await desk.client.create(paths.topic("t"), moving.encode())
    assert await refusal(desk.admin.create_partitions("t", 2)) == (
        ErrorCode.REASSIGNMENT_IN_PROGRESS,
        "A partition reassignment is in progress for the topic 't'.",
    )


@in_virtual_time
async def test_deletion_asks_the_controller() -> None:
    desk = await Desk().open(1)
    assert await refusal(desk.admin.delete_topic("no")) == (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "Topic `no` to delete does not exist",
    )
    await desk.admin.create_topic(NewTopic("t", 1, 1))
    await desk.admin.delete_topic("t")
    assert await desk.admin.is_marked_for_deletion("t")
    assert await desk.has(paths.topic("t"))


@in_virtual_time
async def test_a_change_of_settings_replaces_and_notifies() -> None:
    desk = await Desk().open(1)
    await desk.admin.create_topic(NewTopic("t", 1, 1, configs={"retention.ms": "1"}))
    await desk.admin.change_topic_config("t", {"segment.bytes": "1024"}, validate_only=True)
    assert await desk.admin.entity_configs.read("topics", "t") == {"retention.ms": "1"}
    await desk.admin.change_topic_config("t", {"segment.bytes": "1024"})
    assert await desk.admin.entity_configs.read("topics", "t") == {"segment.bytes": "1024"}
    (change,) = await desk.client.children(paths.CONFIG_CHANGES)
    assert change == "config_change_0000000000"
    assert ConfigChange.decode(await desk.data(paths.config_change(change))).entity_path == "topics/t"
    assert await refusal(desk.admin.change_topic_config("no", {})) == (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "Topic 'no' does not exist.",
    )


@in_virtual_time
async def test_entities_are_made_with_their_parents() -> None:
    desk = await Desk().open(1)
    await desk.admin.entity_configs.change("users", "u%40x/clients/c", {"producer_byte_rate": "1"})
    assert await desk.admin.entity_configs.read("users", "u%40x/clients/c") == {"producer_byte_rate": "1"}
    assert await desk.admin.entity_configs.read("users", "nobody") == {}


@in_virtual_time
async def test_settings_cannot_be_written_without_a_zookeeper_controller() -> None:
    desk = await Desk().open(1, controller=False)
    assert await refusal(desk.admin.create_topic(NewTopic("t", 1, 1))) == (
        ErrorCode.STALE_CONTROLLER_EPOCH,
        "Cannot set entity configs directly when there is no controller.",
    )
    assert not await desk.has(paths.topic("t"))
    await desk.client.create(paths.CONTROLLER, ControllerDocument(1, 0, kraft_controller_epoch=4).encode())
    assert await refusal(desk.admin.entity_configs.change("brokers", "1", {})) == (
        ErrorCode.STALE_CONTROLLER_EPOCH,
        "Cannot set entity configs directly when there is a KRaft controller.",
    )


@in_virtual_time
async def test_a_controller_that_goes_while_settings_are_written() -> None:
    desk = await Desk().open(1)
    await desk.admin.create_topic(NewTopic("t", 1, 1))
    original = desk.client.multi

    async def overtaken(ops: Sequence[Op]) -> list[OpResult]:
        await desk.client.delete(paths.CONTROLLER)
        return await original(ops)

    desk.client.multi = overtaken  # type: ignore[method-assign]
    assert await refusal(desk.admin.change_topic_config("t", {"retention.ms": "1"})) == (
        ErrorCode.STALE_CONTROLLER_EPOCH,
        "Cannot set entity configs directly when there is no controller.",
    )
    assert await desk.admin.entity_configs.read("topics", "t") == {}
