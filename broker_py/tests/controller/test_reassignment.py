# SPDX-License-Identifier: Apache-2.0
"""Replicas move: started, finished, called off, taken over by another controller (KIP-455)."""

from __future__ import annotations

from commitlog.controller.context import ReplicaAssignment, TopicPartition
from commitlog.coordination import paths
from commitlog.coordination.documents import encode_reassign_partitions
from commitlog.wire.errors import ErrorCode
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time

T0 = TopicPartition("t", 0)
OK = (ErrorCode.NONE, None)


async def cluster_of_five() -> Cluster:
    cluster = await Cluster().start(1, 2, 3, 4, 5)
    await cluster.create("t", [2, 3])
    return cluster


async def move(cluster: Cluster, *target: int) -> None:
    results = await cluster.active.controller.alter_partition_reassignments({T0: target})
    assert results == {T0: OK}
    await cluster.settle()


async def assignment(cluster: Cluster) -> tuple[list[int], list[int], list[int]]:
    document = await cluster.admin.assignment("t")
    assert document is not None
    return (
        list(document.partitions[0]),
        list(document.adding_replicas.get(0, ())),
        list(document.removing_replicas.get(0, ())),
    )


@in_virtual_time
async def test_begin_catch_up_finish() -> None:
    cluster = await cluster_of_five()
    await move(cluster, 4, 5)
    assert await assignment(cluster) == ([4, 5, 2, 3], [4, 5], [2, 3])
    assert cluster.nodes[4].fake.hosted[T0].is_new
    assert cluster.nodes[4].fake.hosted[T0].adding_replicas == [4, 5]
    listed = await cluster.active.controller.list_partition_reassignments(None)
    assert listed == {T0: ReplicaAssignment((4, 5, 2, 3), (4, 5), (2, 3))}
    await cluster.alter_isr("t", (2, 3, 4))
    await cluster.settle()
    assert (await assignment(cluster))[1] == [4, 5], "5 is not in sync yet"
    await cluster.alter_isr("t", (2, 3, 4, 5))
    await cluster.settle()
    assert await assignment(cluster) == ([4, 5], [], [])
    state = await cluster.state("t")
    assert (state.leader, set(state.isr)) == (4, {4, 5})
    assert cluster.nodes[2].fake.deleted == cluster.nodes[3].fake.deleted == [T0]
    told = cluster.nodes[1].fake.metadata.partition_state("t", 0)
    assert told is not None
    assert (told.leader, told.replicas) == (4, (4, 5))
    assert await cluster.active.controller.list_partition_reassignments(None) == {}
    await cluster.close()


@in_virtual_time
async def test_the_leader_stays_when_it_is_a_target() -> None:
    cluster = await cluster_of_five()
    await move(cluster, 4, 2)
    await cluster.alter_isr("t", (2, 3, 4))
    await cluster.settle()
    state = await cluster.state("t")
    assert (state.leader, set(state.isr)) == (2, {2, 4})
    assert cluster.nodes[2].fake.hosted[T0].replicas == [4, 2]
    await cluster.close()


@in_virtual_time
async def test_a_change_of_order_is_done_at_once() -> None:
    cluster = await cluster_of_five()
    await move(cluster, 3, 2)
    assert await assignment(cluster) == ([3, 2], [], [])
    assert cluster.nodes[2].fake.deleted == []
    await cluster.close()


@in_virtual_time
async def test_called_off() -> None:
    cluster = await cluster_of_five()
    await move(cluster, 4, 5)
    alter = cluster.active.controller.alter_partition_reassignments
    assert await alter({T0: None}) == {T0: OK}
    await cluster.settle()
    replicas, adding, removing = await assignment(cluster)
    assert (set(replicas), adding, removing) == ({2, 3}, [], [])
    assert cluster.nodes[4].fake.deleted == cluster.nodes[5].fake.deleted == [T0]
    nothing_there = TopicPartition("none", 0)
    results = await alter({T0: None, nothing_there: None})
    assert {one: code for one, (code, _) in results.items()} == {
        T0: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
        nothing_there: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
    }
    await cluster.close()


@in_virtual_time
async def test_a_new_target_supersedes_the_old() -> None:
    cluster = await cluster_of_five()
    await move(cluster, 4, 3)
    await move(cluster, 5, 3)
    assert await assignment(cluster) == ([5, 3, 2], [5], [2])
    assert cluster.nodes[4].fake.deleted == [T0]
    await cluster.close()


@in_virtual_time
async def test_refusals() -> None:
    cluster = await cluster_of_five()
    alter = cluster.active.controller.alter_partition_reassignments
    for target in ((), (4, 4), (-1,), (9,)):
        result = (await alter({T0: target}))[T0]
        assert result[0] is ErrorCode.INVALID_REPLICA_ASSIGNMENT, target
    unknown = TopicPartition("no", 0)
    assert await alter({unknown: (1,)}) == {
        unknown: (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The partition does not exist.")
    }
    assert await assignment(cluster) == ([2, 3], [], [])
    await cluster.close()


@in_virtual_time
async def test_the_next_controller_carries_on() -> None:
    cluster = await cluster_of_five()
    await move(cluster, 4, 5)
    await cluster.kill(1)
    await cluster.settle()
    await cluster.alter_isr("t", (2, 3, 4, 5))
    await cluster.settle()
    assert await assignment(cluster) == ([4, 5], [], [])
    await cluster.close()


@in_virtual_time
async def test_a_target_that_returns_is_told_again() -> None:
    cluster = await cluster_of_five()
    await move(cluster, 4, 5)
    await cluster.kill(5)
    await cluster.settle()
    await cluster.add(5)
    await cluster.settle()
    assert T0 in cluster.nodes[5].fake.hosted
    await cluster.alter_isr("t", (2, 3, 4, 5))
    await cluster.settle()
    assert await assignment(cluster) == ([4, 5], [], [])
    await cluster.close()


@in_virtual_time
async def test_by_the_znode_of_older_tools_and_again() -> None:
    cluster = await cluster_of_five()
    for target, isr in (([4, 5], (2, 3, 4, 5)), ([2, 3], (4, 5, 2, 3))):
        data = encode_reassign_partitions({("t", 0): target, ("no", 0): [1]})
        epoch = (await cluster.state("t")).leader_epoch
        await cluster.tool.create(paths.REASSIGN_PARTITIONS, data)
        await cluster.settle()
        assert (await cluster.state("t")).leader_epoch == epoch + 1, "begun once"
        assert (await assignment(cluster))[1] == target
        assert b'"no"' not in (await cluster.tool.get(paths.REASSIGN_PARTITIONS))[0]
        await cluster.alter_isr("t", isr)
        await cluster.settle()
        assert await assignment(cluster) == (target, [], [])
        assert not await cluster.exists(paths.REASSIGN_PARTITIONS)
    await cluster.close()


@in_virtual_time
async def test_deletion_waits_for_the_end_of_a_move() -> None:
    cluster = await cluster_of_five()
    await move(cluster, 4, 3)
    await cluster.admin.delete_topic("t")
    await cluster.settle()
    assert await cluster.exists(paths.topic("t"))
    await cluster.alter_isr("t", (2, 3, 4))
    await cluster.settle()
    assert not await cluster.exists(paths.topic("t"))
    await cluster.close()


@in_virtual_time
async def test_a_move_is_not_called_off_when_only_its_targets_are_in_sync() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2], unclean_leader_election_enable="true")
    await move(cluster, 3)
    await cluster.kill(2)
    await cluster.settle()
    assert (await cluster.state("t")).isr == (3,)
    results = await cluster.active.controller.alter_partition_reassignments({T0: None})
    assert results[T0][0] is ErrorCode.INVALID_REPLICA_ASSIGNMENT
    assert cluster.nodes[3].fake.deleted == []
    await cluster.close()


@in_virtual_time
async def test_a_znode_that_is_replaced_by_hand_is_seen() -> None:
    cluster = await cluster_of_five()
    both = encode_reassign_partitions({("t", 0): [4, 5], ("no", 0): [1]})
    await cluster.tool.create(paths.REASSIGN_PARTITIONS, both)
    await cluster.settle()
    await cluster.tool.delete(paths.REASSIGN_PARTITIONS)
    await cluster.settle()
    await cluster.tool.create(paths.REASSIGN_PARTITIONS, encode_reassign_partitions({("t", 0): [1, 5]}))
    await cluster.settle()
    assert (await assignment(cluster))[0][:2] == [1, 5]
    await cluster.close()
