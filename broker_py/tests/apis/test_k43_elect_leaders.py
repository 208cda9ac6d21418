# SPDX-License-Identifier: Apache-2.0
"""ElectLeaders (43), at every version."""

from __future__ import annotations

from typing import Any

import pytest

from commitlog.apis.k43_elect_leaders import API
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.elect_leaders_request import ElectLeadersRequest, TopicPartitions
from tests.apis.controller_services import ask, idle, versions
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time

PREFERRED, UNCLEAN = 0, 1


def outcome(answer: Any) -> dict[tuple[str, int], ErrorCode]:
    return {
        (topic.topic, one.partition_id): ErrorCode(one.error_code)
        for topic in answer.replica_election_results
        for one in topic.partition_result
    }


async def unbalanced() -> Cluster:
    """t prefers 2 and is led by 3; fine is led by whom it prefers."""
    cluster = await Cluster(auto_leader_rebalance_enable="false").start(1, 2, 3)
    await cluster.create("t", [2, 3])
    await cluster.kill(2)
    await cluster.settle()
    await cluster.add(2)
    await cluster.settle()
    await cluster.alter_isr("t", (3, 2))
    await cluster.create("fine", [2, 3])
    return cluster


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_the_answer_comes_when_the_cache_shows_the_new_leader(version: int) -> None:
    cluster = await unbalanced()
    wanted = [TopicPartitions("t", [0, 7]), TopicPartitions("fine", [0])]
    answer = await ask(cluster, API, ElectLeadersRequest(PREFERRED, wanted), version)
    assert outcome(answer) == {
        ("t", 0): ErrorCode.NONE,
        ("t", 7): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ("fine", 0): ErrorCode.ELECTION_NOT_NEEDED,
    }
    told = cluster.active.fake.metadata.partition_state("t", 0)
    assert told is not None
    assert told.leader == 2
    await cluster.close()


@in_virtual_time
async def test_all_partitions_leave_out_what_needed_nothing() -> None:
    cluster = await unbalanced()
    answer = await ask(cluster, API, ElectLeadersRequest(PREFERRED, None), 2)
    assert outcome(answer) == {("t", 0): ErrorCode.NONE}
    await cluster.close()


@in_virtual_time
async def test_out_of_time() -> None:
    cluster = await unbalanced()
    answer = await ask(
        cluster, API, ElectLeadersRequest(PREFERRED, [TopicPartitions("t", [0])], timeout_ms=0), 2
    )
    assert outcome(answer) == {("t", 0): ErrorCode.REQUEST_TIMED_OUT}
    assert (await cluster.state("t")).leader == 2
    await cluster.close()


@in_virtual_time
async def test_unclean() -> None:
    cluster = await unbalanced()
    await cluster.alter_isr("t", (3,))
    await cluster.kill(3)
    await cluster.settle()
    answer = await ask(cluster, API, ElectLeadersRequest(UNCLEAN, [TopicPartitions("t", [0])]), 1)
    assert outcome(answer) == {("t", 0): ErrorCode.NONE}
    assert (await cluster.state("t")).isr == (2,)
    await cluster.close()


@in_virtual_time
async def test_another_broker_and_an_unknown_type() -> None:
    cluster = await unbalanced()
    wanted = [TopicPartitions("t", [0])]
    answer = await ask(cluster, API, ElectLeadersRequest(PREFERRED, wanted), 2, idle(cluster))
    assert outcome(answer) == {("t", 0): ErrorCode.NOT_CONTROLLER}
    answer = await ask(cluster, API, ElectLeadersRequest(5, wanted), 2)
    assert answer.error_code == ErrorCode.INVALID_REQUEST
    await cluster.close()
