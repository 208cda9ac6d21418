# SPDX-License-Identifier: Apache-2.0
"""Brokers come, go, bounce, move, lose disks and leave in good order."""

from __future__ import annotations

import pytest

from commitlog.controller.context import TopicPartition
from commitlog.coordination import paths
from commitlog.coordination.documents import BrokerRegistration, Endpoint, encode_log_dir_event
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrRequest
from commitlog.wire.messages.stop_replica_request import StopReplicaRequest
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time

T0 = TopicPartition("t", 0)


async def cluster_led_by_2() -> Cluster:
    """Controller on 1, topic t led by 2 and followed by 3."""
    cluster = await Cluster().start(1, 2, 3)
    assert cluster.active.id == 1
    await cluster.create("t", [2, 3])
    return cluster


@in_virtual_time
async def test_a_dead_leader_is_replaced_and_leaves_the_isr() -> None:
    cluster = await cluster_led_by_2()
    await cluster.kill(2)
    await cluster.settle()
    state = await cluster.state("t")
    assert (state.leader, state.isr) == (3, (3,))
    assert cluster.nodes[3].fake.leads() == {T0}
    metadata = cluster.nodes[1].fake.metadata
    assert [one.id for one in metadata.alive_brokers()] == [1, 3]
    told = metadata.partition_state("t", 0)
    assert told is not None
    assert (told.leader, told.offline_replicas) == (3, (2,))
    await cluster.close()


@in_virtual_time
async def test_a_dead_follower_leaves_the_isr_under_a_new_leader_epoch() -> None:
    cluster = await cluster_led_by_2()
    await cluster.kill(3)
    await cluster.settle()
    state = await cluster.state("t")
    assert (state.leader, state.isr, state.leader_epoch) == (2, (2,), 1)
    assert cluster.nodes[2].fake.hosted[T0].isr == [2]
    await cluster.close()


@in_virtual_time
async def test_the_last_one_in_sync_stays_in_the_isr() -> None:
    cluster = await cluster_led_by_2()
    await cluster.kill(3)
    await cluster.settle()
    await cluster.kill(2)
    await cluster.settle()
    state = await cluster.state("t")
    assert (state.leader, state.isr) == (-1, (2,))
    await cluster.add(3)
    await cluster.settle()
    assert (await cluster.state("t")).leader == -1, "3 lacks records that 2 may have acknowledged"
    await cluster.add(2)
    await cluster.settle()
    state = await cluster.state("t")
    assert (state.leader, state.isr) == (2, (2,))
    assert cluster.nodes[3].fake.hosted[T0].leader == 2
    await cluster.close()


@in_virtual_time
async def test_unclean_election_where_the_topic_allows_it() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3], unclean_leader_election_enable="true")
    await cluster.kill(3)
    await cluster.settle()
    await cluster.kill(2)
    await cluster.settle()
    await cluster.add(3)
    await cluster.settle()
    state = await cluster.state("t")
    assert (state.leader, state.isr, state.leader_recovery_state) == (3, (3,), 1)
    await cluster.close()


@in_virtual_time
async def test_unclean_election_by_a_later_change_of_configuration() -> None:
    cluster = await cluster_led_by_2()
    await cluster.kill(3)
    await cluster.settle()
    await cluster.kill(2)
    await cluster.settle()
    await cluster.add(3)
    await cluster.settle()
    await cluster.admin.change_topic_config("t", {"unclean.leader.election.enable": "true"})
    cluster.active.controller.enable_topic_unclean_leader_election("other")
    await cluster.settle()
    assert (await cluster.state("t")).leader == -1
    cluster.active.controller.enable_topic_unclean_leader_election("t")
    await cluster.settle()
    assert (await cluster.state("t")).leader == 3
    await cluster.close()


@in_virtual_time
async def test_a_new_broker_learns_everything_and_the_others_learn_of_it() -> None:
    cluster = await cluster_led_by_2()
    await cluster.add(4)
    await cluster.settle()
    assert cluster.nodes[4].fake.metadata.topics() == ["t"]
    for node in cluster.nodes.values():
        assert [one.id for one in node.fake.metadata.alive_brokers()] == [1, 2, 3, 4]
    await cluster.close()


@in_virtual_time
async def test_a_bounced_broker_is_taken_for_failed_and_started() -> None:
    """Down and up between two looks at the children: only the larger czxid tells."""
    cluster = await cluster_led_by_2()
    cluster.nodes[1].coordination.disconnect()
    await cluster.kill(2)
    await cluster.add(2)
    await cluster.settle()
    cluster.nodes[1].coordination.reconnect()
    await cluster.settle()
    assert cluster.active.id == 1
    state = await cluster.state("t")
    assert (state.leader, state.isr) == (3, (3,)), "2 may have lost what it had not flushed"
    returned = cluster.nodes[2]
    assert returned.fake.hosted[T0].leader == 3
    request = returned.fake.sent(LeaderAndIsrRequest)[-1]
    assert request.broker_epoch == returned.epoch, "requests for the earlier life would be refused"
    await cluster.close()


@in_virtual_time
async def test_a_broker_that_changes_its_endpoints() -> None:
    cluster = await cluster_led_by_2()
    registration = BrokerRegistration(3, (Endpoint("PLAINTEXT", "b3", 19092, "PLAINTEXT"),))
    for _ in range(2):  # the watch must be armed again after the first change
        await cluster.nodes[3].coordination.set(paths.broker_id(3), registration.encode())
        await cluster.settle()
        endpoint = cluster.nodes[2].fake.metadata.broker_endpoint(3, "PLAINTEXT")
        assert endpoint is not None
        assert endpoint.port == registration.endpoints[0].port
        registration = BrokerRegistration(3, (Endpoint("PLAINTEXT", "b3", 29092, "PLAINTEXT"),))
    await cluster.close()


@in_virtual_time
async def test_a_lost_disk_moves_the_leader() -> None:
    cluster = await cluster_led_by_2()
    cluster.nodes[2].fake.lost_disks.add(T0)
    path = f"{paths.LOG_DIR_EVENT_NOTIFICATION}/{paths.LOG_DIR_EVENT_PREFIX}"
    await cluster.nodes[2].coordination.create(path, encode_log_dir_event(2), sequential=True)
    await cluster.settle()
    state = await cluster.state("t")
    assert (state.leader, state.isr) == (3, (3,))
    assert await cluster.tool.children(paths.LOG_DIR_EVENT_NOTIFICATION) == []
    told = cluster.nodes[1].fake.metadata.partition_state("t", 0)
    assert told is not None
    assert told.offline_replicas == (2,)
    await cluster.close()


@in_virtual_time
async def test_a_lost_replica_stays_lost_until_its_broker_says_otherwise() -> None:
    cluster = await cluster_led_by_2()
    cluster.nodes[2].fake.lost_disks.add(T0)
    path = f"{paths.LOG_DIR_EVENT_NOTIFICATION}/{paths.LOG_DIR_EVENT_PREFIX}"
    await cluster.nodes[2].coordination.create(path, encode_log_dir_event(2), sequential=True)
    await cluster.settle()
    await cluster.create("u", [2, 3])  # an answer of 2 that says nothing of t-0
    offline = cluster.active.controller._context.replicas_on_offline_dirs
    assert offline == {2: {T0}}
    cluster.nodes[2].fake.lost_disks.clear()
    await cluster.nodes[2].coordination.create(path, encode_log_dir_event(2), sequential=True)
    await cluster.settle()
    assert offline == {}
    await cluster.close()


@in_virtual_time
async def test_controlled_shutdown_moves_leaders_and_followers_away() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3])
    await cluster.create("u", [3, 2])
    await cluster.create("single", [2])
    node = cluster.nodes[2]
    remaining = await cluster.active.controller.controlled_shutdown(2, node.epoch)
    assert remaining == set(), "partitions with one replica cannot be moved"
    await cluster.settle()
    for topic in ("t", "u"):
        state = await cluster.state(topic)
        assert (state.leader, state.isr) == (3, (3,))
    stopped = {
        (topic.topic_name, one.delete_partition)
        for request in node.fake.sent(StopReplicaRequest)
        for topic in request.topic_states
        for one in topic.partition_states
    }
    assert stopped == {("u", False)}
    assert (await cluster.state("single")).leader == 2
    await cluster.close()


@in_virtual_time
async def test_a_follower_that_leaves_stops_fetching_before_it_is_out_of_the_isr() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("u", [3, 2])
    node = cluster.nodes[2]
    node.fake.requests.clear()
    await cluster.active.controller.controlled_shutdown(2, node.epoch)
    await cluster.settle()
    assert isinstance(node.fake.requests[0][0], StopReplicaRequest)
    await cluster.close()


@in_virtual_time
async def test_controlled_shutdown_names_what_it_cannot_move() -> None:
    cluster = await cluster_led_by_2()
    await cluster.kill(3)
    await cluster.settle()
    remaining = await cluster.active.controller.controlled_shutdown(2, cluster.nodes[2].epoch)
    assert remaining == {T0}
    assert (await cluster.state("t")).leader == 2
    await cluster.close()


@in_virtual_time
async def test_a_broker_that_shuts_down_gets_no_leadership_until_it_returns() -> None:
    cluster = await cluster_led_by_2()
    await cluster.active.controller.controlled_shutdown(3, cluster.nodes[3].epoch)
    await cluster.create("u", [3, 2])
    assert (await cluster.state("u")).leader == 2
    await cluster.kill(3)
    await cluster.settle()
    await cluster.add(3)
    await cluster.settle()
    await cluster.create("v", [3, 2])
    assert (await cluster.state("v")).leader == 3
    await cluster.close()


@in_virtual_time
async def test_controlled_shutdown_of_an_earlier_life_or_a_stranger() -> None:
    cluster = await cluster_led_by_2()
    with pytest.raises(KafkaError) as refused:
        await cluster.active.controller.controlled_shutdown(2, cluster.nodes[2].epoch - 1)
    assert refused.value.code is ErrorCode.STALE_BROKER_EPOCH
    with pytest.raises(KafkaError) as refused:
        await cluster.active.controller.controlled_shutdown(9, 5)
    assert refused.value.code is ErrorCode.BROKER_NOT_AVAILABLE
    assert (await cluster.state("t")).leader == 2
    await cluster.close()


@in_virtual_time
async def test_a_leaders_isr_write_during_an_election_is_not_overwritten() -> None:
    """An election reads, a leader (of an old IBP) writes, the election's write fails and starts over."""
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3, 1])
    store = cluster.active.controller._store
    original = store.update_partition_states
    interfered = False

    async def interfere(states):  # type: ignore[no-untyped-def]
        nonlocal interfered
        if not interfered and any(state.leader == -1 or state.leader == 3 for state in states.values()):
            interfered = True
            data, _ = await cluster.tool.get(paths.partition_state("t", 0))
            await cluster.tool.set(paths.partition_state("t", 0), data.replace(b"[2,3,1]", b"[2,1]"))
        return await original(states)

    store.update_partition_states = interfere  # type: ignore[method-assign]
    await cluster.kill(2)
    await cluster.settle()
    assert interfered
    state = await cluster.state("t")
    assert (state.leader, state.isr) == (1, (1,)), "3 had left the ISR before it could be elected"
    await cluster.close()


@in_virtual_time
async def test_a_partition_written_by_a_newer_controller_is_left_alone() -> None:
    cluster = await cluster_led_by_2()
    data, _ = await cluster.tool.get(paths.partition_state("t", 0))
    newer = data.replace(b'"controller_epoch":1', b'"controller_epoch":8')
    await cluster.tool.set(paths.partition_state("t", 0), newer)
    await cluster.kill(2)
    await cluster.settle()
    assert (await cluster.tool.get(paths.partition_state("t", 0)))[0] == newer
    await cluster.close()
