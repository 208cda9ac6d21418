# SPDX-License-Identifier: Apache-2.0
"""AlterPartition: every check, in order; and ISR notifications of old leaders."""

from __future__ import annotations

from typing import Any

import pytest

from commitlog.controller.context import TopicPartition
from commitlog.coordination import paths
from commitlog.coordination.documents import PartitionState, encode_isr_change
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_partition_request import AlterPartitionRequest, PartitionData, TopicData
from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrRequest
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time

T0 = TopicPartition("t", 0)


async def cluster_led_by_2() -> Cluster:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3, 1])
    return cluster


def outcome(response: Any) -> ErrorCode:
    assert response.error_code == ErrorCode.NONE
    return ErrorCode(response.topics[0].partitions[0].error_code)


@in_virtual_time
async def test_shrink_and_expand() -> None:
    cluster = await cluster_led_by_2()
    sent = len(cluster.nodes[3].fake.sent(LeaderAndIsrRequest))
    for isr in ((2, 3), (2, 3, 1)):
        response = await cluster.alter_isr("t", isr)
        assert outcome(response) is ErrorCode.NONE
        answer = response.topics[0].partitions[0]
        state = await cluster.state("t")
        assert state.isr == tuple(answer.isr) == isr
        assert answer.partition_epoch == await cluster.partition_epoch("t")
        assert (answer.leader_id, answer.leader_epoch, state.leader_epoch) == (2, 0, 0)
        await cluster.settle()
        for node in cluster.nodes.values():
            told = node.fake.metadata.partition_state("t", 0)
            assert told is not None
            assert told.isr == isr
    assert len(cluster.nodes[3].fake.sent(LeaderAndIsrRequest)) == sent, "UpdateMetadata only"
    await cluster.close()


@in_virtual_time
async def test_what_is_so_already_is_a_success_even_with_an_older_partition_epoch() -> None:
    cluster = await cluster_led_by_2()
    await cluster.alter_isr("t", (2, 3))
    response = await cluster.alter_isr("t", (2, 3), partition_epoch=0)
    assert outcome(response) is ErrorCode.NONE
    assert response.topics[0].partitions[0].partition_epoch == 1 == await cluster.partition_epoch("t")
    await cluster.close()


@in_virtual_time
async def test_refusals_in_order() -> None:
    cluster = await cluster_led_by_2()
    await cluster.alter_isr("t", (2, 3))  # partition epoch 1
    before = await cluster.state("t")

    async def refused(expected: ErrorCode, isr: tuple[int, ...] = (2,), **wrong: int) -> None:
        assert outcome(await cluster.alter_isr("t", isr, **wrong)) is expected, wrong

    await refused(ErrorCode.NOT_CONTROLLER, partition_epoch=2)
    await refused(ErrorCode.NOT_CONTROLLER, leader_epoch=1)
    await refused(ErrorCode.FENCED_LEADER_EPOCH, leader_epoch=-1)
    await refused(ErrorCode.FENCED_LEADER_EPOCH, leader_epoch=-1, partition_epoch=0)
    await refused(ErrorCode.INVALID_UPDATE_VERSION, partition_epoch=0)
    await refused(ErrorCode.INVALID_REQUEST, recovery=1)
    await refused(ErrorCode.INVALID_REQUEST, isr=(2, 3), recovery=1)
    await refused(ErrorCode.INELIGIBLE_REPLICA, isr=(2, 3, 9))
    await refused(ErrorCode.INELIGIBLE_REPLICA, isr=(2, 3, 9), version=2)
    await refused(ErrorCode.OPERATION_NOT_ATTEMPTED, isr=(2, 3, 9), version=1)
    assert await cluster.state("t") == before
    await cluster.close()


@in_virtual_time
async def test_replicas_that_die_or_shut_down_are_not_let_in() -> None:
    cluster = await cluster_led_by_2()
    await cluster.alter_isr("t", (2,))
    await cluster.active.controller.controlled_shutdown(3, cluster.nodes[3].epoch)
    assert outcome(await cluster.alter_isr("t", (2, 3))) is ErrorCode.INELIGIBLE_REPLICA
    await cluster.close()


@in_virtual_time
async def test_a_recovering_leader_reports_that_it_has_recovered() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [2, 3], unclean_leader_election_enable="true")
    for broker in (3, 2):
        await cluster.kill(broker)
        await cluster.settle()
    await cluster.add(3)
    await cluster.settle()
    assert (await cluster.state("t")).leader_recovery_state == 1
    await cluster.add(2)
    await cluster.settle()
    assert outcome(await cluster.alter_isr("t", (3, 2), recovery=1)) is ErrorCode.INVALID_REQUEST
    assert outcome(await cluster.alter_isr("t", (3, 2), recovery=0)) is ErrorCode.NONE
    state = await cluster.state("t")
    assert (state.isr, state.leader_recovery_state) == ((3, 2), 0)
    await cluster.close()


@pytest.mark.parametrize("difference", [-1, 1])
def test_another_life_of_the_broker(difference: int) -> None:
    @in_virtual_time
    async def run() -> None:
        cluster = await cluster_led_by_2()
        epoch = cluster.nodes[2].epoch + difference
        response = await cluster.alter_isr("t", (2,), broker_epoch=epoch)
        assert (response.error_code, response.topics) == (ErrorCode.STALE_BROKER_EPOCH, [])
        await cluster.close()

    run()


@in_virtual_time
async def test_unknown_topics_by_id_and_by_name() -> None:
    cluster = await cluster_led_by_2()
    node = cluster.nodes[2]
    partitions = [PartitionData(partition_index=4)]
    by_id = AlterPartitionRequest(2, node.epoch, [TopicData(topic_id=b"x" * 16, partitions=partitions)])
    response = await cluster.active.controller.alter_partition(by_id, 3)
    assert response.topics[0].topic_id == b"x" * 16
    assert outcome(response) is ErrorCode.UNKNOWN_TOPIC_ID
    by_name = AlterPartitionRequest(2, node.epoch, [TopicData(topic_name="t", partitions=partitions)])
    response = await cluster.active.controller.alter_partition(by_name, 1)
    assert response.topics[0].topic_name == "t"
    assert outcome(response) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    await cluster.close()


@in_virtual_time
async def test_a_znode_that_somebody_else_wrote() -> None:
    """A leader of an old IBP wrote the ISR itself and has not notified yet."""
    cluster = await cluster_led_by_2()
    state = await cluster.state("t")
    written = PartitionState(state.leader, state.leader_epoch, (2, 1), state.controller_epoch)
    await cluster.tool.set(paths.partition_state("t", 0), written.encode())
    response = await cluster.alter_isr("t", (2, 3), partition_epoch=0)
    assert outcome(response) is ErrorCode.INVALID_UPDATE_VERSION
    assert await cluster.state("t") == written
    assert outcome(await cluster.alter_isr("t", (2,), partition_epoch=1)) is ErrorCode.NONE
    await cluster.close()


@in_virtual_time
async def test_isr_notifications_of_old_leaders() -> None:
    cluster = await cluster_led_by_2()
    state = await cluster.state("t")
    for isr in ((2, 1), (2,)):  # twice: the watch must be armed again
        written = PartitionState(state.leader, state.leader_epoch, isr, state.controller_epoch)
        await cluster.tool.set(paths.partition_state("t", 0), written.encode())
        path = f"{paths.ISR_CHANGE_NOTIFICATION}/{paths.ISR_CHANGE_PREFIX}"
        await cluster.tool.create(path, encode_isr_change([("t", 0), ("gone", 1)]), sequential=True)
        await cluster.settle()
        told = cluster.nodes[3].fake.metadata.partition_state("t", 0)
        assert told is not None
        assert told.isr == isr
        assert await cluster.tool.children(paths.ISR_CHANGE_NOTIFICATION) == []
    await cluster.close()


@in_virtual_time
async def test_notifications_left_by_an_earlier_term_are_cleared() -> None:
    cluster = await Cluster().start()
    for part in (
        "/brokers",
        paths.BROKER_TOPICS,
        paths.ISR_CHANGE_NOTIFICATION,
        paths.LOG_DIR_EVENT_NOTIFICATION,
    ):
        await cluster.tool.create(part)
    for path in (paths.isr_change("isr_change_0000000000"), paths.log_dir_event("log_dir_event_0000000000")):
        await cluster.tool.create(path, b"garbage")
    await cluster.add(1)
    await cluster.settle()
    assert await cluster.tool.children(paths.ISR_CHANGE_NOTIFICATION) == []
    assert await cluster.tool.children(paths.LOG_DIR_EVENT_NOTIFICATION) == []
    await cluster.close()
