# SPDX-License-Identifier: Apache-2.0
"""AlterPartitionReassignments (45) and ListPartitionReassignments (46)."""

from __future__ import annotations

from typing import Any

from commitlog.apis import k45_alter_partition_reassignments as alter
from commitlog.apis import k46_list_partition_reassignments as listing
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_partition_reassignments_request import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from commitlog.wire.messages.list_partition_reassignments_request import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from tests.apis.controller_services import ask, idle
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time


def move(**targets: list[int] | None) -> AlterPartitionReassignmentsRequest:
    return AlterPartitionReassignmentsRequest(
        topics=[
            ReassignableTopic(name, [ReassignablePartition(0, target)]) for name, target in targets.items()
        ]
    )


def listed(answer: Any) -> dict[str, tuple[list[int], list[int], list[int]]]:
    return {
        topic.name: (one.replicas, one.adding_replicas, one.removing_replicas)
        for topic in answer.topics
        for one in topic.partitions
    }


@in_virtual_time
async def test_start_list_and_call_off() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [1, 2])
    await cluster.create("u", [1, 2])
    answer = await ask(cluster, alter.API, move(t=[3, 1], u=[9], no=[1]), 0)
    assert answer.error_code == ErrorCode.NONE
    codes = {topic.name: ErrorCode(topic.partitions[0].error_code) for topic in answer.responses}
    assert codes == {
        "t": ErrorCode.NONE,
        "u": ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "no": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
    moving = {"t": ([3, 1, 2], [3], [2])}
    assert listed(await ask(cluster, listing.API, ListPartitionReassignmentsRequest(), 0)) == moving
    for name, expected in (("t", moving), ("u", {})):
        some = ListPartitionReassignmentsRequest(topics=[ListPartitionReassignmentsTopics(name, [0, 4])])
        assert listed(await ask(cluster, listing.API, some, 0)) == expected
    await ask(cluster, alter.API, move(t=None), 0)
    assert listed(await ask(cluster, listing.API, ListPartitionReassignmentsRequest(), 0)) == {}
    await cluster.close()


@in_virtual_time
async def test_another_broker() -> None:
    cluster = await Cluster().start(1, 2)
    answer = await ask(cluster, alter.API, move(t=[1]), 0, idle(cluster))
    assert answer.error_code == ErrorCode.NOT_CONTROLLER
    answer = await ask(cluster, listing.API, ListPartitionReassignmentsRequest(), 0, idle(cluster))
    assert answer.error_code == ErrorCode.NOT_CONTROLLER
    await cluster.close()
