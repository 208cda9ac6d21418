# SPDX-License-Identifier: Apache-2.0
"""CreateTopics (19), at every version."""

from __future__ import annotations

from typing import Any

import pytest

from commitlog.apis.k19_create_topics import API
from commitlog.coordination import paths
from commitlog.wire.errors import ErrorCode
from commitlog.wire.message import ZERO_UUID
from commitlog.wire.messages.create_topics_request import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from tests.apis.controller_services import ask, idle, versions
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time


def topic(name: str, partitions: int = 2, factor: int = 2, **configs: str | None) -> CreatableTopic:
    settings = [CreatableTopicConfig(key.replace("_", "."), value) for key, value in configs.items()]
    return CreatableTopic(name, partitions, factor, configs=settings)


def request(*topics: CreatableTopic, **how: Any) -> CreateTopicsRequest:
    return CreateTopicsRequest(list(topics), **how)


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_the_answer_comes_when_all_partitions_have_leaders(version: int) -> None:
    cluster = await Cluster().start(1, 2)
    answer = await ask(cluster, API, request(topic("t", retention_ms="5000")), version)
    (result,) = answer.topics
    assert (result.name, result.error_code) == ("t", ErrorCode.NONE)
    assert version == 0 or result.error_message is None
    cache = cluster.active.fake.metadata
    assert {state.leader for state in cache.partitions("t").values()} == {1, 2}
    if version >= 5:
        assert (result.num_partitions, result.replication_factor) == (2, 2)
        settings = {one.name: one for one in result.configs}
        assert settings["retention.ms"].value == "5000"
        assert settings["retention.ms"].config_source == 1
        assert settings["segment.bytes"].config_source == 5
    if version >= 7:
        assert result.topic_id == cache.topic_id("t") != ZERO_UUID
    await cluster.close()


@pytest.mark.parametrize("version", versions(API, 1))
@in_virtual_time
async def test_validate_only(version: int) -> None:
    cluster = await Cluster().start(1, 2)
    answer = await ask(cluster, API, request(topic("t"), topic("u", factor=3), validate_only=True), version)
    assert [one.error_code for one in answer.topics] == [
        ErrorCode.NONE,
        ErrorCode.INVALID_REPLICATION_FACTOR,
    ]
    assert answer.topics[1].error_message == "Replication factor: 3 larger than available brokers: 2."
    assert await cluster.tool.children(paths.BROKER_TOPICS) == []
    await cluster.close()


@in_virtual_time
async def test_each_topic_for_itself() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("there", [1])
    answer = await ask(
        cluster,
        API,
        request(
            topic("good"),
            topic("there"),
            topic("bad/name"),
            topic("twice"),
            topic("twice"),
            topic("null", retention_ms=None),
            topic("none", partitions=0),
            topic("__cluster_metadata"),
            topic("setting", retention_ms="soon"),
        ),
        7,
    )
    assert {one.name: ErrorCode(one.error_code) for one in answer.topics} == {
        "good": ErrorCode.NONE,
        "there": ErrorCode.TOPIC_ALREADY_EXISTS,
        "bad/name": ErrorCode.INVALID_TOPIC_EXCEPTION,
        "twice": ErrorCode.INVALID_REQUEST,
        "null": ErrorCode.INVALID_CONFIG,
        "none": ErrorCode.INVALID_PARTITIONS,
        "__cluster_metadata": ErrorCode.INVALID_REQUEST,
        "setting": ErrorCode.INVALID_CONFIG,
    }
    assert await cluster.tool.children(paths.BROKER_TOPICS) == ["good", "there"]
    failed = next(one for one in answer.topics if one.name == "there")
    assert (failed.num_partitions, failed.replication_factor, failed.configs) == (-1, -1, [])
    await cluster.close()


@in_virtual_time
async def test_defaults_and_assignments() -> None:
    cluster = await Cluster(num_partitions="3", default_replication_factor="2").start(1, 2)
    assigned = topic("assigned", -1, -1)
    assigned.assignments = [CreatableReplicaAssignment(0, [2, 1])]
    answer = await ask(cluster, API, request(topic("defaults", -1, -1), assigned), 7)
    assert [(one.num_partitions, one.replication_factor) for one in answer.topics] == [(3, 2), (1, 2)]
    state = cluster.active.fake.metadata.partition_state("assigned", 0)
    assert state is not None
    assert state.replicas == (2, 1)
    await cluster.close()


@in_virtual_time
async def test_the_time_is_over_but_the_topic_comes() -> None:
    cluster = await Cluster().start(1, 2)
    answer = await ask(cluster, API, request(topic("t"), timeout_ms=0), 7)
    assert answer.topics[0].error_code == ErrorCode.REQUEST_TIMED_OUT
    await cluster.settle()
    assert cluster.active.fake.metadata.contains_topic("t")
    nowhere = topic("nowhere", -1, -1)
    nowhere.assignments = [CreatableReplicaAssignment(0, [9])]
    answer = await ask(cluster, API, request(nowhere, timeout_ms=5000), 7)
    assert answer.topics[0].error_code == ErrorCode.REQUEST_TIMED_OUT
    await cluster.close()


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_only_the_controller_creates(version: int) -> None:
    cluster = await Cluster().start(1, 2)
    answer = await ask(cluster, API, request(topic("t"), topic("u")), version, idle(cluster))
    assert [(one.name, one.error_code) for one in answer.topics] == [
        ("t", ErrorCode.NOT_CONTROLLER),
        ("u", ErrorCode.NOT_CONTROLLER),
    ]
    await cluster.close()


@in_virtual_time
async def test_what_is_named_twice_is_refused_twice_and_what_is_there_before_all_else() -> None:
    cluster = await Cluster().start(1, 2)
    answer = await ask(cluster, API, request(topic("t"), topic("t"), topic("u")), 7)
    refused = ErrorCode.INVALID_REQUEST
    assert [(one.name, one.error_code) for one in answer.topics] == [("t", refused), ("t", refused), ("u", 0)]
    answer = await ask(cluster, API, request(topic("u", 2, 0, no_such_setting="1")), 7)
    assert answer.topics[0].error_code == ErrorCode.TOPIC_ALREADY_EXISTS
    await cluster.close()
