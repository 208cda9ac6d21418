# SPDX-License-Identifier: Apache-2.0
"""DeleteTopics (20), at every version."""

from __future__ import annotations

import pytest

from commitlog.apis.k20_delete_topics import API
from commitlog.coordination import paths
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.delete_topics_request import DeleteTopicsRequest, DeleteTopicState
from tests.apis.controller_services import ask, idle, versions
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time


def request(version: int, *names: str, timeout_ms: int = 5000) -> DeleteTopicsRequest:
    if version >= 6:
        return DeleteTopicsRequest([DeleteTopicState(name) for name in names], timeout_ms=timeout_ms)
    return DeleteTopicsRequest(topic_names=list(names), timeout_ms=timeout_ms)


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_the_answer_comes_when_the_cache_has_dropped_the_topics(version: int) -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    await cluster.create("stays", [1, 2])
    answer = await ask(cluster, API, request(version, "t", "unknown"), version)
    assert [(one.name, one.error_code) for one in answer.responses] == [
        ("t", ErrorCode.NONE),
        ("unknown", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    assert cluster.active.fake.metadata.topics() == ["stays"]
    await cluster.settle()
    assert await cluster.tool.children(paths.BROKER_TOPICS) == ["stays"]
    await cluster.close()


@in_virtual_time
async def test_by_id() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    topic_id = cluster.active.fake.metadata.topic_id("t")
    both = DeleteTopicsRequest([DeleteTopicState("t", topic_id)], timeout_ms=5000)
    answer = await ask(cluster, API, both, 6)
    assert (answer.responses[0].error_code, answer.responses[0].error_message) == (
        ErrorCode.INVALID_REQUEST,
        None,
    )
    ids = [DeleteTopicState(None, topic_id), DeleteTopicState(None, b"x" * 16), DeleteTopicState(None)]
    answer = await ask(cluster, API, DeleteTopicsRequest(ids, timeout_ms=5000), 6)
    assert [(one.name, one.topic_id, one.error_code) for one in answer.responses] == [
        ("t", topic_id, ErrorCode.NONE),
        (None, b"x" * 16, ErrorCode.UNKNOWN_TOPIC_ID),
        (None, bytes(16), ErrorCode.TOPIC_AUTHORIZATION_FAILED),
    ]
    await cluster.close()


@in_virtual_time
async def test_one_topic_twice() -> None:
    cluster = await Cluster().start(1)
    await cluster.create("t", [1])
    answer = await ask(cluster, API, request(6, "t", "t", "none", "none"), 6)
    assert [one.error_code for one in answer.responses] == [0, 0, 3, 3]
    assert cluster.active.fake.metadata.topics() == []
    await cluster.close()


@pytest.mark.parametrize(
    ("version", "code"), [(2, ErrorCode.INVALID_REQUEST), (3, ErrorCode.TOPIC_DELETION_DISABLED)]
)
@in_virtual_time
async def test_deletion_disabled(version: int, code: ErrorCode) -> None:
    cluster = await Cluster(delete_topic_enable="false").start(1)
    await cluster.create("t", [1])
    answer = await ask(cluster, API, request(version, "t"), version)
    assert answer.responses[0].error_code == code
    assert not await cluster.exists(paths.delete_topic("t"))
    await cluster.close()


@in_virtual_time
async def test_the_time_is_over_but_the_topic_goes() -> None:
    cluster = await Cluster().start(1)
    await cluster.create("t", [1])
    answer = await ask(cluster, API, request(6, "t", timeout_ms=0), 6)
    assert answer.responses[0].error_code == ErrorCode.REQUEST_TIMED_OUT
    await cluster.settle()
    assert cluster.active.fake.metadata.topics() == []
    await cluster.close()


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_only_the_controller_deletes(version: int) -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    answer = await ask(cluster, API, request(version, "t"), version, idle(cluster))
    assert [(one.name, one.error_code) for one in answer.responses] == [("t", ErrorCode.NOT_CONTROLLER)]
    await cluster.close()
