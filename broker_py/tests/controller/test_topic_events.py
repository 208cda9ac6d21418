# SPDX-License-Identifier: Apache-2.0
"""Topics appear, grow and go by znodes that somebody else writes."""

from __future__ import annotations

from commitlog.controller.context import TopicPartition
from commitlog.coordination import paths
from commitlog.coordination.documents import TopicAssignment, is_reserved_uuid
from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrRequest
from commitlog.wire.messages.stop_replica_request import StopReplicaRequest
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


@in_virtual_time
async def test_a_new_topic_gets_leaders_and_every_cache_learns_of_it() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3], [3, 2])
    for partition, leader in ((0, 2), (1, 3)):
        state = await cluster.state("t", partition)
        assert (state.leader, state.leader_epoch, set(state.isr)) == (leader, 0, {2, 3})
        assert await cluster.partition_epoch("t", partition) == 0
    assert cluster.nodes[2].fake.leads() == {T0}
    assert cluster.nodes[2].fake.hosted[T0].is_new
    document = TopicAssignment.decode("t", (await cluster.tool.get(paths.topic("t")))[0])
    for node in cluster.nodes.values():
        assert node.fake.metadata.topic_id("t") == document.topic_id
        assert len(node.fake.metadata.partitions("t")) == 2
    await cluster.close()


@in_virtual_time
async def test_a_znode_written_by_a_0_8_tool() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.tool.create(paths.topic("old"), b'{"version":1,"partitions":{"0":[1,2]}}')
    await cluster.settle()
    assert (await cluster.state("old")).isr == (1, 2)
    document = TopicAssignment.decode("old", (await cluster.tool.get(paths.topic("old")))[0])
    assert document.partitions == {0: [1, 2]}
    assert document.topic_id is not None
    assert not is_reserved_uuid(document.topic_id)
    assert cluster.nodes[2].fake.metadata.topic_id("old") == document.topic_id
    await cluster.close()


@in_virtual_time
async def test_an_old_znode_found_at_failover_gets_an_id_too() -> None:
    cluster = await Cluster().start()
    for part in ("/brokers", paths.BROKER_TOPICS):
        await cluster.tool.create(part)
    await cluster.tool.create(paths.topic("old"), b'{"version":1,"partitions":{"0":[1]}}')
    await cluster.add(1)
    await cluster.settle()
    document = TopicAssignment.decode("old", (await cluster.tool.get(paths.topic("old")))[0])
    assert document.topic_id is not None
    assert (await cluster.state("old")).leader == 1
    await cluster.close()


@in_virtual_time
async def test_before_2_8_topics_have_no_ids() -> None:
    cluster = await Cluster(inter_broker_protocol_version="2.7").start(1)
    await cluster.create("t", [1])
    document = TopicAssignment.decode("t", (await cluster.tool.get(paths.topic("t")))[0])
    assert document.topic_id is None
    assert (await cluster.state("t")).leader == 1
    await cluster.close()


@in_virtual_time
async def test_garbage_in_a_topics_znode_hurts_that_topic_alone() -> None:
    cluster = await Cluster().start(1)
    await cluster.tool.create(paths.topic("garbage"), b"{")
    await cluster.create("t", [1])
    assert (await cluster.state("t")).leader == 1
    await cluster.tool.delete(paths.CONTROLLER)
    await cluster.settle()
    await cluster.create("u", [1])
    assert (await cluster.state("u")).leader == 1
    await cluster.close()


@in_virtual_time
async def test_a_topic_without_live_replicas_gets_its_leader_later() -> None:
    cluster = await Cluster().start(1)
    await cluster.create("t", [7, 8])
    assert not await cluster.exists(paths.partition_state("t", 0))
    await cluster.add(8)
    await cluster.settle()
    state = await cluster.state("t")
    assert (state.leader, state.isr) == (8, (8,))
    await cluster.close()


@in_virtual_time
async def test_partitions_grow_again_and_again() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    document = await cluster.admin.assignment("t")
    assert document is not None
    for count in (2, 4):
        await cluster.admin.create_partitions("t", count)
        await cluster.settle()
        for partition in range(count):
            assert (await cluster.state("t", partition)).leader in (1, 2)
        assert len(cluster.nodes[1].fake.metadata.partitions("t")) == count
    grown = await cluster.admin.assignment("t")
    assert grown is not None
    assert grown.topic_id == document.topic_id
    await cluster.close()


@in_virtual_time
async def test_deletion_from_request_to_last_znode() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [1, 2], [2, 1], retention_ms="5000")
    await cluster.create("other", [1, 2])
    await cluster.admin.delete_topic("t")
    await cluster.settle()
    for path in (paths.topic("t"), paths.topic_config("t"), paths.delete_topic("t")):
        assert not await cluster.exists(path), path
    for node in cluster.nodes.values():
        assert node.fake.metadata.topics() == ["other"]
    assert set(cluster.nodes[1].fake.deleted) == set(cluster.nodes[2].fake.deleted) == {T0, T1}
    deletes = [
        (topic.topic_name, one.leader_epoch)
        for request in cluster.nodes[1].fake.sent(StopReplicaRequest)
        for topic in request.topic_states
        for one in topic.partition_states
        if one.delete_partition
    ]
    assert deletes == [("t", -2), ("t", -2)]
    await cluster.close()


@in_virtual_time
async def test_a_deleted_topic_can_be_made_again_with_another_id() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    first = cluster.nodes[2].fake.metadata.topic_id("t")
    await cluster.admin.delete_topic("t")
    await cluster.settle()
    await cluster.create("t", [2, 1])
    state = await cluster.state("t")
    assert (state.leader, state.leader_epoch, state.isr) == (2, 0, (2, 1))
    assert cluster.nodes[2].fake.metadata.topic_id("t") != first
    await cluster.close()


@in_virtual_time
async def test_deletion_waits_for_a_dead_broker() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3])
    await cluster.kill(3)
    await cluster.settle()
    await cluster.admin.delete_topic("t")
    await cluster.settle()
    assert cluster.nodes[2].fake.deleted == [T0]
    assert await cluster.exists(paths.topic("t")), "3 would come back with files of a topic that nobody knows"
    assert cluster.nodes[1].fake.metadata.topics() == []
    assert cluster.active.controller._context.topics_ineligible_for_deletion == {"t"}
    await cluster.add(3)
    await cluster.settle()
    assert cluster.nodes[3].fake.deleted == [T0]
    assert not await cluster.exists(paths.topic("t"))
    await cluster.close()


@in_virtual_time
async def test_deletion_waits_for_a_broker_that_dies_during_it() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3])
    cluster.nodes[3].fake.alive = False  # it does not answer, and has not lost its session yet
    await cluster.admin.delete_topic("t")
    await cluster.settle()
    assert await cluster.exists(paths.topic("t"))
    await cluster.kill(3)
    await cluster.settle()
    assert await cluster.exists(paths.topic("t"))
    await cluster.add(3)
    await cluster.settle()
    assert not await cluster.exists(paths.topic("t"))
    await cluster.close()


@in_virtual_time
async def test_deletion_survives_a_failover() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3])
    await cluster.kill(3)
    await cluster.settle()
    await cluster.admin.delete_topic("t")
    await cluster.settle()
    await cluster.kill(1)
    await cluster.settle()
    assert cluster.active.id == 2
    assert await cluster.exists(paths.topic("t"))
    await cluster.add(3)
    await cluster.settle()
    assert not await cluster.exists(paths.topic("t"))
    assert not await cluster.exists(paths.delete_topic("t"))
    await cluster.close()


@in_virtual_time
async def test_a_broker_that_cannot_delete_makes_the_topic_wait_for_its_return() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    cluster.nodes[2].fake.refuse_deletion = True
    await cluster.admin.delete_topic("t")
    await cluster.settle()
    assert await cluster.exists(paths.topic("t"))
    cluster.nodes[2].fake.refuse_deletion = False
    await cluster.kill(2)
    await cluster.add(2)
    await cluster.settle()
    assert not await cluster.exists(paths.topic("t"))
    await cluster.close()


@in_virtual_time
async def test_requests_to_delete_what_does_not_exist_are_removed() -> None:
    cluster = await Cluster().start(1)
    await cluster.tool.create(paths.delete_topic("never"))
    await cluster.settle()
    assert not await cluster.exists(paths.delete_topic("never"))
    await cluster.close()


@in_virtual_time
async def test_requests_found_at_failover() -> None:
    cluster = await Cluster().start(1)
    await cluster.create("t", [1])
    cluster.nodes[1].coordination.disconnect()
    await cluster.tool.create(paths.delete_topic("never"))
    await cluster.tool.create(paths.delete_topic("t"))
    await cluster.settle(30)
    cluster.nodes[1].coordination.reconnect()
    await cluster.settle()
    assert await cluster.tool.children(paths.DELETE_TOPICS) == []
    assert await cluster.tool.children(paths.BROKER_TOPICS) == []
    await cluster.close()


@in_virtual_time
async def test_with_deletion_disabled_requests_are_removed_and_topics_stay() -> None:
    cluster = await Cluster(delete_topic_enable="false").start(1)
    await cluster.create("t", [1])
    await cluster.tool.create(paths.delete_topic("t"))
    await cluster.settle()
    assert not await cluster.exists(paths.delete_topic("t"))
    assert (await cluster.state("t")).leader == 1
    await cluster.close()


@in_virtual_time
async def test_partitions_added_to_a_topic_under_deletion_are_taken_back() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    await cluster.kill(2)
    await cluster.settle()
    await cluster.admin.delete_topic("t")
    await cluster.settle()
    document = await cluster.admin.assignment("t")
    assert document is not None
    more = TopicAssignment({0: [1, 2], 1: [1, 2]}, document.topic_id)
    await cluster.tool.set(paths.topic("t"), more.encode())
    await cluster.settle()
    assert await cluster.admin.assignment("t") == document
    assert not await cluster.exists(paths.partition_state("t", 1))
    await cluster.close()


@in_virtual_time
async def test_a_topic_znode_removed_by_hand_is_forgotten() -> None:
    cluster = await Cluster().start(1)
    await cluster.create("t", [1])
    for path in (
        paths.partition_state("t", 0),
        paths.topic_partition("t", 0),
        paths.topic_partitions("t"),
        paths.topic("t"),
    ):
        await cluster.tool.delete(path)
    await cluster.settle()
    sent = len(cluster.nodes[1].fake.sent(LeaderAndIsrRequest))
    await cluster.add(2)
    await cluster.settle()
    assert len(cluster.nodes[1].fake.sent(LeaderAndIsrRequest)) == sent
    await cluster.close()
