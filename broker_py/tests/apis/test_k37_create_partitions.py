# SPDX-License-Identifier: Apache-2.0
"""CreatePartitions (37), at every version."""

from __future__ import annotations

import pytest

from commitlog.apis.k37_create_partitions import API
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.create_partitions_request import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from tests.apis.controller_services import ask, idle, versions
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time


def request(
    *topics: tuple[str, int, list[list[int]] | None], timeout_ms: int = 5000, validate_only: bool = False
) -> CreatePartitionsRequest:
    return CreatePartitionsRequest(
        [
            CreatePartitionsTopic(
                name,
                count,
                None if given is None else [CreatePartitionsAssignment(one) for one in given],
            )
            for name, count, given in topics
        ],
        timeout_ms,
        validate_only,
    )


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_the_answer_comes_when_the_new_partitions_have_leaders(version: int) -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    answer = await ask(cluster, API, request(("t", 3, None)), version)
    assert [(one.name, one.error_code) for one in answer.results] == [("t", ErrorCode.NONE)]
    assert len(cluster.active.fake.metadata.partitions("t")) == 3
    await cluster.close()


@in_virtual_time
async def test_each_topic_for_itself() -> None:
    cluster = await Cluster().start(1, 2)
    for name in ("t", "same", "twice", "dying", "given"):
        await cluster.create(name, [1, 2])
    cluster.nodes[2].fake.refuse_deletion = True
    await cluster.admin.delete_topic("dying")
    answer = await ask(
        cluster,
        API,
        request(
            ("t", 2, None),
            ("same", 1, None),
            ("twice", 2, None),
            ("twice", 3, None),
            ("unknown", 2, None),
            ("dying", 2, None),
            ("given", 2, [[2, 9]]),
        ),
        3,
    )
    assert {one.name: (ErrorCode(one.error_code), one.error_message) for one in answer.results} == {
        "t": (ErrorCode.NONE, None),
        "same": (ErrorCode.INVALID_PARTITIONS, "Topic already has 1 partitions."),
        "twice": (ErrorCode.INVALID_REQUEST, "Duplicate topic in request."),
        "unknown": (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'unknown' does not exist."),
        "dying": (ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic is queued for deletion."),
        "given": (ErrorCode.INVALID_REPLICA_ASSIGNMENT, "Unknown broker(s) in replica assignment: 9."),
    }
    await cluster.close()


@in_virtual_time
async def test_validate_only_and_out_of_time() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    answer = await ask(cluster, API, request(("t", 2, [[2, 1]]), validate_only=True), 3)
    assert answer.results[0].error_code == ErrorCode.NONE
    await cluster.settle()
    assert len(cluster.active.fake.metadata.partitions("t")) == 1
    answer = await ask(cluster, API, request(("t", 2, [[2, 1]]), timeout_ms=0), 3)
    assert answer.results[0].error_code == ErrorCode.REQUEST_TIMED_OUT
    await cluster.settle()
    told = cluster.active.fake.metadata.partition_state("t", 1)
    assert told is not None
    assert told.replicas == (2, 1)
    await cluster.close()


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_only_the_controller_creates(version: int) -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    answer = await ask(cluster, API, request(("t", 2, None)), version, idle(cluster))
    assert answer.results[0].error_code == ErrorCode.NOT_CONTROLLER
    await cluster.close()
