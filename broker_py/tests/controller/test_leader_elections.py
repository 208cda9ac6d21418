# SPDX-License-Identifier: Apache-2.0
"""Elections on request and for balance."""

from __future__ import annotations

from commitlog.controller.context import TopicPartition
from commitlog.controller.leader_elections import ElectionType
from commitlog.coordination import paths
from commitlog.coordination.documents import encode_preferred_replica_election
from commitlog.wire.errors import ErrorCode
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time

T0 = TopicPartition("t", 0)


async def unbalanced(**properties: str) -> Cluster:
    """t prefers 2, is led by 3, and 2 is back in the ISR."""
    cluster = await Cluster(0, **properties).start(1, 2, 3)
    await cluster.create("t", [2, 3])
    await cluster.kill(2)
    await cluster.settle()
    await cluster.add(2)
    await cluster.settle()
    await cluster.alter_isr("t", (3, 2))
    assert (await cluster.state("t")).leader == 3
    return cluster


@in_virtual_time
async def test_the_balance_is_restored_five_seconds_after_the_term_began_and_every_interval() -> None:
    cluster = await Cluster(leader_imbalance_check_interval_seconds="60").start(1, 2, 3)
    await cluster.create("t", [2, 3])
    for _ in range(2):
        await cluster.kill(2)
        await cluster.settle()
        await cluster.add(2)
        await cluster.settle()
        await cluster.alter_isr("t", (3, 2))
        await cluster.settle(61)
        state = await cluster.state("t")
        assert (state.leader, state.isr) == (2, (3, 2))
    await cluster.close()


@in_virtual_time
async def test_no_balancing_when_disabled() -> None:
    cluster = await unbalanced(auto_leader_rebalance_enable="false")
    await cluster.settle(1000)
    assert (await cluster.state("t")).leader == 3
    await cluster.close()


@in_virtual_time
async def test_a_small_imbalance_is_left_alone() -> None:
    cluster = await Cluster(
        leader_imbalance_per_broker_percentage="50", auto_leader_rebalance_enable="true"
    ).start(1, 2, 3)
    await cluster.create("t", [2, 3])
    await cluster.create("u", [2, 1])
    await cluster.kill(2)
    await cluster.settle()
    await cluster.add(2)
    await cluster.settle()
    await cluster.alter_isr("t", (3, 2))
    await cluster.alter_isr("u", (1, 2))
    results = await cluster.active.controller.elect_leaders(ElectionType.PREFERRED, [T0])
    assert results == {T0: 2}
    await cluster.settle(400)
    assert (await cluster.state("u")).leader == 1, "one of two is not more than 50 %"
    await cluster.close()


@in_virtual_time
async def test_preferred_election_by_znode_and_again() -> None:
    cluster = await unbalanced(auto_leader_rebalance_enable="false")
    for expected_epoch in (2, 4):
        data = encode_preferred_replica_election([("t", 0), ("unknown", 0)])
        await cluster.tool.create(paths.PREFERRED_REPLICA_ELECTION, data)
        await cluster.settle()
        state = await cluster.state("t")
        assert (state.leader, state.leader_epoch) == (2, expected_epoch)
        assert not await cluster.exists(paths.PREFERRED_REPLICA_ELECTION)
        await cluster.kill(2)
        await cluster.settle()
        await cluster.add(2)
        await cluster.settle()
        await cluster.alter_isr("t", (3, 2))
    await cluster.close()


@in_virtual_time
async def test_preferred_election_that_was_asked_for_before_the_failover() -> None:
    cluster = await unbalanced(auto_leader_rebalance_enable="false")
    active = cluster.active
    active.coordination.disconnect()
    await cluster.tool.create(paths.PREFERRED_REPLICA_ELECTION, encode_preferred_replica_election([("t", 0)]))
    await cluster.settle(30)
    active.coordination.reconnect()
    await cluster.settle()
    assert (await cluster.state("t")).leader == 2
    await cluster.close()


@in_virtual_time
async def test_results_of_elections_on_request() -> None:
    cluster = await unbalanced(auto_leader_rebalance_enable="false")
    await cluster.create("fine", [2, 3])
    await cluster.create("lost", [2, 1])
    await cluster.kill(2)
    await cluster.settle()
    elect = cluster.active.controller.elect_leaders
    wanted = [T0, TopicPartition("no", 0), TopicPartition("t", 7)]
    results = await elect(ElectionType.PREFERRED, wanted)
    assert results[TopicPartition("no", 0)] == (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "The partition does not exist.",
    )
    assert results[TopicPartition("t", 7)] == results[TopicPartition("no", 0)]
    assert results[T0] == (
        ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
        "Failed to elect leader for partition t-0 under strategy "
        "PreferredReplicaPartitionLeaderElectionStrategy",
    )
    await cluster.add(2)
    await cluster.settle()
    await cluster.alter_isr("t", (3, 2))
    results = await elect(ElectionType.PREFERRED, None)
    assert results[T0] == 2
    results = await elect(ElectionType.PREFERRED, None)
    assert results[T0] == (
        ErrorCode.ELECTION_NOT_NEEDED,
        "Leader election not needed for topic partition.",
    )
    await cluster.close()


@in_virtual_time
async def test_unclean_election_on_request() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3])
    elect = cluster.active.controller.elect_leaders
    assert (await elect(ElectionType.UNCLEAN, [T0]))[T0] == (
        ErrorCode.ELECTION_NOT_NEEDED,
        "Leader election not needed for topic partition.",
    )
    await cluster.kill(3)
    await cluster.settle()
    await cluster.kill(2)
    await cluster.settle()
    nobody = (await elect(ElectionType.UNCLEAN, [T0]))[T0]
    assert isinstance(nobody, tuple)
    assert nobody[0] is ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE
    await cluster.add(3)
    await cluster.settle()
    assert await elect(ElectionType.UNCLEAN, [T0]) == {T0: 3}
    assert (await cluster.state("t")).isr == (3,)
    await cluster.close()


@in_virtual_time
async def test_topics_being_deleted_have_no_elections() -> None:
    cluster = await unbalanced(auto_leader_rebalance_enable="false")
    cluster.nodes[2].fake.refuse_deletion = True
    await cluster.admin.delete_topic("t")
    await cluster.settle()
    results = await cluster.active.controller.elect_leaders(ElectionType.PREFERRED, [T0])
    assert results[T0] == (ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic is being deleted")
    await cluster.close()


@in_virtual_time
async def test_partitions_on_the_move_are_not_balanced() -> None:
    """The first target would be preferred, but who shall lead is known at the end of the move."""
    cluster = await Cluster(leader_imbalance_check_interval_seconds="60").start(1, 2, 3, 4)
    await cluster.create("t", [2, 3])
    await cluster.active.controller.alter_partition_reassignments({T0: [4, 1]})
    await cluster.alter_isr("t", (2, 3, 4))
    await cluster.settle(200)
    assert (await cluster.state("t")).leader == 2
    await cluster.close()
