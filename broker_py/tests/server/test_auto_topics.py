# SPDX-License-Identifier: Apache-2.0
"""Topics that come into being since somebody asked for them; tests/jvm/test_two_brokers.py compares the
answers with those of Apache Kafka."""

from __future__ import annotations

import asyncio

import pytest

from commitlog.coordination import paths
from commitlog.coordination.documents import ConfigEntity, TopicAssignment
from commitlog.server import auto_topics
from commitlog.server.auto_topics import OFFSETS_TOPIC, TRANSACTIONS_TOPIC, AutoTopicCreation
from commitlog.wire.errors import ErrorCode
from tests.controller.test_topic_admin import Desk
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
COMPACTED = {"cleanup.policy": "compact"}


class World:
    """Brokers 1 and 2."""

    def __init__(self) -> None:
        self.counted: list[int] = []

    async def open(self) -> World:
        self.desk = await Desk(num_partitions="3", offsets_topic_replication_factor="2").open(1, 2)
        self.topics = AutoTopicCreation(self.desk.config, self.desk.admin, lambda: COMPACTED)
        return self

    async def create(self, *names: str) -> dict[str, ErrorCode]:
        return await self.topics.create(names, self.counted.append)


@in_virtual_time
async def test_what_is_answered_has_been_written() -> None:
    world = await World().open()
    assert await world.create("t", OFFSETS_TOPIC) == dict.fromkeys(
        ("t", OFFSETS_TOPIC), E.LEADER_NOT_AVAILABLE
    )
    made = TopicAssignment.decode("t", await world.desk.data(paths.topic("t")))
    assert {number: len(replicas) for number, replicas in made.partitions.items()} == {0: 1, 1: 1, 2: 1}
    offsets = TopicAssignment.decode(OFFSETS_TOPIC, await world.desk.data(paths.topic(OFFSETS_TOPIC)))
    assert (len(offsets.partitions), {len(of) for of in offsets.partitions.values()}) == (50, {2})
    assert ConfigEntity.decode(await world.desk.data(paths.topic_config(OFFSETS_TOPIC))).config == COMPACTED
    assert world.counted == [3, 50]


@in_virtual_time
async def test_a_topic_that_is_there_counts_for_nothing() -> None:
    world = await World().open()
    await world.create("t")
    assert await world.create("t") == {"t": E.LEADER_NOT_AVAILABLE}
    assert world.counted == [3]


@in_virtual_time
async def test_what_cannot_be_made_is_told_and_nothing_is_written() -> None:
    world = await World().open()
    await world.create("a.b")
    assert await world.create("a/b", "a_b", TRANSACTIONS_TOPIC) == {
        "a/b": E.INVALID_TOPIC_EXCEPTION,
        "a_b": E.INVALID_TOPIC_EXCEPTION,
        TRANSACTIONS_TOPIC: E.INVALID_REPLICATION_FACTOR,
    }
    assert await world.desk.client.children(paths.BROKER_TOPICS) == ["a.b"]
    assert world.counted == [3]


@in_virtual_time
async def test_whoever_asks_meanwhile_is_told_to_ask_again() -> None:
    world = await World().open()
    world.desk.client.disconnect()
    first = asyncio.ensure_future(world.create("t"))
    await asyncio.sleep(0)
    assert await world.create("t") == {"t": E.UNKNOWN_TOPIC_OR_PARTITION}
    world.desk.client.reconnect()
    assert await first == {"t": E.LEADER_NOT_AVAILABLE}
    assert world.counted == [3]


@in_virtual_time
async def test_only_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_topics, "MAX_IN_FLIGHT", 2)
    world = await World().open()
    answers = await world.create("a", "b", "c")
    assert answers["c"] == E.UNKNOWN_TOPIC_OR_PARTITION
    assert await world.create("c") == {"c": E.LEADER_NOT_AVAILABLE}
