# SPDX-License-Identifier: Apache-2.0
"""Metadata at every version, against what Apache Kafka 3.9.1 answers in the same state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from commitlog.apis import k03_metadata
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from commitlog.wire.messages.metadata_response import MetadataResponse, MetadataResponseTopic
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
    UpdateMetadataTopicState,
)
from tests.apis.controller_services import ask_services, versions

ALL_VERSIONS = versions(k03_metadata.API)
TOPIC_ID = bytes(range(16))
TOPIC_OPERATIONS = 3576
CLUSTER_OPERATIONS = 8096


class AutoTopics:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def create(self, topics: list[str], count: Callable[[int], None]) -> dict[str, ErrorCode]:
        self.asked += topics
        return dict.fromkeys(topics, ErrorCode.LEADER_NOT_AVAILABLE)


class World:
    """Brokers 1 (rack a), 2, and 3, which is alive but has only the listener OTHER; partitions of topic t."""

    def __init__(self) -> None:
        self.cache = MetadataCache(1)
        self.auto_topics = AutoTopics()
        self.config = SimpleNamespace(auto_create_topics_enable=True, zookeeper_session_timeout_ms=60_000)
        brokers = [
            UpdateMetadataBroker(
                id=broker_id,
                rack=rack,
                endpoints=[
                    UpdateMetadataEndpoint(port=9090 + broker_id, host=f"kafka{broker_id}", listener=listener)
                ],
            )
            for broker_id, rack, listener in (
                (1, "a", "PLAINTEXT"),
                (2, None, "PLAINTEXT"),
                (3, None, "OTHER"),
            )
        ]
        states = [
            UpdateMetadataPartitionState(
                partition_index=index,
                leader=leader,
                leader_epoch=5,
                isr=isr,
                replicas=replicas,
                offline_replicas=offline,
            )
            for index, leader, isr, replicas, offline in (
                (0, 1, [1, 2], [1, 2], []),
                (1, 3, [3], [3, 1], []),
                (2, -1, [9], [9, 2], [9]),
            )
        ]
        topics = [
            UpdateMetadataTopicState(topic_name="t", topic_id=TOPIC_ID, partition_states=states),
            UpdateMetadataTopicState(topic_name="__consumer_offsets", partition_states=states[:1]),
        ]
        self.update = UpdateMetadataRequest(controller_id=2, live_brokers=brokers, topic_states=topics)
        self.cache.update(self.update)

    def ask(self, request: MetadataRequest, version: int) -> MetadataResponse:
        return asyncio.run(self.answer(request, version))

    async def answer(self, request: MetadataRequest, version: int) -> MetadataResponse:
        services = SimpleNamespace(
            metadata=self.cache, config=self.config, auto_topics=self.auto_topics, cluster_id="the cluster"
        )
        response = await ask_services(services, k03_metadata.API, request, version)
        assert isinstance(response, MetadataResponse)
        return response

    def topics(self, version: int, *names: str, allow: bool = True) -> list[MetadataResponseTopic]:
        request = MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names])
        if version >= 4:
            request.allow_auto_topic_creation = allow
        return self.ask(request, version).topics


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_cluster_as_this_listener_sees_it(world: World, version: int) -> None:
    response = world.ask(MetadataRequest(topics=[MetadataRequestTopic(name="t")]), version)
    assert [(one.node_id, one.host, one.port) for one in response.brokers] == [
        (1, "kafka1", 9091),
        (2, "kafka2", 9092),
    ]
    assert response.brokers[0].rack == ("a" if version >= 1 else None)
    assert response.controller_id == (2 if version >= 1 else -1)
    assert response.cluster_id == ("the cluster" if version >= 2 else None)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_partitions(world: World, version: int) -> None:
    (topic,) = world.topics(version, "t")
    assert (topic.error_code, topic.name, topic.is_internal) == (0, "t", False)
    assert topic.topic_id == (TOPIC_ID if version >= 10 else bytes(16))
    fine, elsewhere, leaderless = topic.partitions
    assert (fine.error_code, fine.leader_id, fine.replica_nodes, fine.isr_nodes) == (0, 1, [1, 2], [1, 2])
    assert fine.leader_epoch == (5 if version >= 7 else -1)
    # The leader lives, but not on this listener: since version 6 that has a code of its own.
    assert elsewhere.error_code == (
        ErrorCode.LISTENER_NOT_FOUND if version >= 6 else ErrorCode.LEADER_NOT_AVAILABLE
    )
    assert elsewhere.leader_id == leaderless.leader_id == -1
    assert leaderless.error_code == ErrorCode.LEADER_NOT_AVAILABLE
    # Version 0 only names replicas that can be reached.
    assert (leaderless.replica_nodes, leaderless.isr_nodes) == (([9, 2], [9]) if version else ([2], []))
    assert leaderless.offline_replicas == ([9] if version >= 5 else [])


def test_version_0_tells_of_replicas_that_cannot_be_reached(world: World) -> None:
    world.cache.partitions("t")
    state = UpdateMetadataPartitionState(partition_index=0, leader=1, isr=[1], replicas=[1, 9])
    world.cache.update(
        UpdateMetadataRequest(
            controller_id=2,
            live_brokers=[
                UpdateMetadataBroker(
                    id=1, endpoints=[UpdateMetadataEndpoint(host="kafka1", listener="PLAINTEXT")]
                )
            ],
            topic_states=[
                UpdateMetadataTopicState(topic_name="t", topic_id=TOPIC_ID, partition_states=[state])
            ],
        )
    )
    codes = {version: world.topics(version, "t")[0].partitions[0].error_code for version in ALL_VERSIONS}
    assert codes == {version: (0 if version else ErrorCode.REPLICA_NOT_AVAILABLE) for version in ALL_VERSIONS}


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_all_topics_and_none(world: World, version: int) -> None:
    everything = MetadataRequest(topics=None if version else [])
    names = {topic.name: topic.is_internal for topic in world.ask(everything, version).topics}
    assert names == {"t": False, "__consumer_offsets": version >= 1}
    if version:
        assert world.ask(MetadataRequest(topics=[]), version).topics == []
    assert world.auto_topics.asked == []


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_unknown_topics_are_created_unless_the_client_forbids_it(world: World, version: int) -> None:
    found, missing = world.topics(version, "new", "t", "new")
    assert (found.name, missing.name) == ("t", "new")
    assert missing.error_code == ErrorCode.LEADER_NOT_AVAILABLE
    assert world.auto_topics.asked == ["new"]
    if version >= 4:
        (missing,) = world.topics(version, "another", allow=False)
        assert missing.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    world.config.auto_create_topics_enable = False
    codes = [topic.error_code for topic in world.topics(version, "another", "b@d")]
    assert codes == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.INVALID_TOPIC_EXCEPTION]
    assert world.auto_topics.asked == ["new"]


@pytest.mark.parametrize("version", range(8, 13))
def test_authorized_operations(world: World, version: int) -> None:
    request = MetadataRequest(
        topics=[MetadataRequestTopic(name="t")], include_topic_authorized_operations=True
    )
    if version <= 10:
        request.include_cluster_authorized_operations = True
    response = world.ask(request, version)
    assert response.topics[0].topic_authorized_operations == TOPIC_OPERATIONS
    assert response.cluster_authorized_operations == (CLUSTER_OPERATIONS if version <= 10 else -(2**31))


def test_topics_by_id(world: World) -> None:
    request = MetadataRequest(
        topics=[
            MetadataRequestTopic(name=None, topic_id=TOPIC_ID),
            MetadataRequestTopic(name=None, topic_id=bytes(15) + b"x"),
        ]
    )
    found, unknown = world.ask(request, 12).topics
    assert (found.name, found.topic_id, len(found.partitions)) == ("t", TOPIC_ID, 3)
    assert (unknown.name, unknown.error_code) == (None, ErrorCode.UNKNOWN_TOPIC_ID)


@pytest.mark.parametrize("version", [10, 11])
def test_ids_and_null_names_before_version_12(world: World, version: int) -> None:
    for topic in (MetadataRequestTopic(name="t", topic_id=TOPIC_ID), MetadataRequestTopic(name=None)):
        response = world.ask(MetadataRequest(topics=[topic]), version)
        assert [(one.name, one.error_code) for one in response.topics] == [(topic.name or "", 42)]
        assert (response.brokers, response.controller_id) == ([], -1)


def test_no_controller(world: World) -> None:
    world.cache.controller_id = None
    assert world.ask(MetadataRequest(topics=[]), 1).controller_id == -1


def test_a_broker_that_has_just_started_waits_for_the_controller(world: World) -> None:
    """Answered at once, it would say that topics do not exist."""
    world.cache = MetadataCache(1)
    request = MetadataRequest(topics=[MetadataRequestTopic(name="t")], allow_auto_topic_creation=False)

    async def scenario() -> MetadataResponse:
        answer = asyncio.create_task(world.answer(request, 12))
        await asyncio.sleep(0)
        assert not answer.done()
        world.cache.update(world.update)
        return await answer

    assert [topic.error_code for topic in asyncio.run(scenario()).topics] == [0]


def test_a_broker_without_a_controller_answers_in_the_end(world: World) -> None:
    world.cache = MetadataCache(1)
    world.config.zookeeper_session_timeout_ms = 1
    response = world.ask(MetadataRequest(topics=None), 12)
    assert (response.brokers, response.controller_id, response.topics) == ([], -1, [])
