# SPDX-License-Identifier: Apache-2.0
"""Followers leave and join the ISR through AlterPartition, and what each answer of the controller means."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.wire.errors import ErrorCode
from tests.replication.cluster import Cluster, scenario
from tests.replication.virtual_time import until


def test_a_late_follower_is_dropped_and_the_high_watermark_goes_on(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        leader = cluster.nodes[0]
        await leader.produce("t", b"a")
        cluster.partition_network(0, 2)
        waiting = leader.append("t", b"b", timeout_ms=120_000)
        assert not isinstance(waiting, list)
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert (await waiting)[0].error is ErrorCode.NONE
        # Late after replica.lag.time.max.ms, found by a check that runs every half of it.
        assert 30 <= loop.time() - start <= 46
        assert cluster.partitions["t", 0].isr == [0, 1]
        assert leader.partition("t").isr == (0, 1)
        assert leader.log("t").high_watermark == 2
        # Leaders' epochs do not change with the ISR in ZooKeeper mode, the partition epoch does.
        assert (leader.partition("t").leader_epoch, leader.partition("t").partition_epoch) == (0, 1)

    scenario(tmp_path, main)


def test_a_slow_follower_is_dropped_though_it_fetches_all_the_time(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        leader = cluster.nodes[0]
        for second in range(60):
            leader.append("t", b"v", acks=1)
            leader.fetch("t", second // 2, replica_id=1)
            await asyncio.sleep(1)
            if leader.partition("t").isr == (0,):
                break
        assert 30 <= second <= 46

    scenario(tmp_path, main)


def test_an_idle_partition_keeps_its_isr(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        cluster.partition_network(0, 1)
        await asyncio.sleep(300)
        # It has all there is: however long ago it asked, it could take over.
        assert cluster.partitions["t", 0].isr == [0, 1]

    scenario(tmp_path, main)


def test_a_follower_that_caught_up_joins(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        cluster.elect("t", 0, isr=[0])
        for number in range(5):
            await cluster.nodes[0].produce("t", b"%d" % number)
        cluster.cut.clear()
        await until(lambda: cluster.nodes[0].partition("t").isr == (0, 1))
        assert cluster.partitions["t", 0].isr == [0, 1]
        assert len(cluster.alter_partition_requests) == 1

    scenario(tmp_path, main)


def test_a_follower_at_the_high_watermark_but_before_the_leaders_epoch_does_not_join(tmp_path: Path) -> None:
    """Else, were it elected, what the leader had committed before its epoch would be lost."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a", b"b")
        leader = cluster.nodes[1]
        cluster.elect("t", 1, isr=[1, 2])
        cluster.partition_network(1, 2)
        cluster.partition_network(1, 0)
        partition = leader.partition("t")
        log = partition.log_or_raise()
        log.update_high_watermark(1)
        assert partition.leader_epoch_start_offset == 2
        replica = partition.in_sync.replicas[0]
        partition.follower_fetched(replica, 1, 0, log.log_end_offset)
        assert not partition.in_sync.state.in_flight
        partition.follower_fetched(replica, 2, 0, log.log_end_offset)
        assert partition.in_sync.state.proposed == (1, 2, 0)

    scenario(tmp_path, main)


def test_a_follower_below_the_high_watermark_does_not_join(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        cluster.elect("t", 0, isr=[0])
        for value in (b"a", b"b"):
            await cluster.nodes[0].produce("t", value)
        partition = cluster.nodes[0].partition("t")
        partition.follower_fetched(partition.in_sync.replicas[1], 1, 0, 2)
        assert not partition.in_sync.state.in_flight
        partition.follower_fetched(partition.in_sync.replicas[1], 2, 0, 2)
        assert partition.in_sync.state.in_flight

    scenario(tmp_path, main)


def test_a_caught_up_follower_holds_the_high_watermark_until_it_may_join(tmp_path: Path) -> None:
    """Else it would run after the high watermark of a busy leader and never reach it."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        cluster.elect("t", 0, isr=[0])
        cluster.alter_partition_errors.append(ErrorCode.INELIGIBLE_REPLICA)
        partition = cluster.nodes[0].partition("t")
        partition.follower_fetched(partition.in_sync.replicas[1], 0, 0, 0)
        await until(lambda: not partition.in_sync.state.in_flight)
        assert partition.in_sync.maximal == {0}
        waiting = cluster.nodes[0].append("t", b"a", timeout_ms=120_000)
        assert not isinstance(waiting, list)
        # Once it is late nobody waits for it: the next append takes high watermark and producer along.
        await asyncio.sleep(31)
        assert partition.high_watermark == 0
        cluster.nodes[0].append("t", b"b", acks=1)
        assert partition.high_watermark == 2
        assert waiting.done()

    scenario(tmp_path, main)


def test_a_dead_broker_does_not_join(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        cluster.elect("t", 0, isr=[0])
        partition = cluster.nodes[0].partition("t")
        await cluster.nodes[1].kill()
        cluster.update_metadata()
        partition.follower_fetched(partition.in_sync.replicas[1], 0, 0, 0)
        assert not partition.in_sync.state.in_flight
        assert partition.isr == (0,)

    scenario(tmp_path, main)


def test_a_proposed_member_holds_the_high_watermark_before_it_is_confirmed(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        cluster.elect("t", 0, isr=[0])
        partition = cluster.nodes[0].partition("t")
        partition.follower_fetched(partition.in_sync.replicas[1], 0, 0, 0)
        assert partition.in_sync.maximal == {0, 1}
        assert partition.isr == (0,)
        cluster.nodes[0].append("t", b"a", acks=1)
        assert partition.high_watermark == 0

    scenario(tmp_path, main)


def late(cluster: Cluster) -> None:
    """Make follower 2 late, with something that it lacks."""
    cluster.partition_network(0, 2)
    cluster.nodes[0].append("t", b"b", acks=1)


@pytest.mark.parametrize("error", [ErrorCode.INELIGIBLE_REPLICA, ErrorCode.OPERATION_NOT_ATTEMPTED])
def test_a_change_that_was_not_applied_is_taken_back_and_tried_again_later(
    tmp_path: Path, error: ErrorCode
) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        cluster.alter_partition_errors.append(error)
        late(cluster)
        await until(lambda: len(cluster.alter_partition_requests) == 1)
        await asyncio.sleep(0.01)
        partition = cluster.nodes[0].partition("t")
        assert not partition.in_sync.state.in_flight
        assert partition.isr == (0, 1, 2)
        await until(lambda: partition.isr == (0, 1))

    scenario(tmp_path, main)


@pytest.mark.parametrize(
    "error",
    [
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.INVALID_UPDATE_VERSION,
        ErrorCode.INVALID_REQUEST,
    ],
)
def test_a_change_by_somebody_outdated_waits_for_the_next_leader_and_isr(
    tmp_path: Path, error: ErrorCode
) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        cluster.alter_partition_errors.append(error)
        late(cluster)
        partition = cluster.nodes[0].partition("t")
        await until(lambda: len(cluster.alter_partition_requests) == 1)
        await asyncio.sleep(120)
        await cluster.nodes[0].produce("t", b"c", acks=1)
        await asyncio.sleep(1)
        assert len(cluster.alter_partition_requests) == 1
        assert partition.in_sync.state.proposed == (0, 1)
        assert partition.in_sync.maximal == {0, 1, 2}
        assert partition.high_watermark == 1, "the late follower is still in the ISR that holds"
        cluster.elect("t", 0)
        assert not partition.in_sync.state.in_flight
        await until(lambda: partition.isr == (0, 1))

    scenario(tmp_path, main)


def test_other_errors_are_retried_at_once(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        cluster.alter_partition_errors.extend([ErrorCode.NOT_CONTROLLER, ErrorCode.UNKNOWN_SERVER_ERROR])
        late(cluster)
        await until(lambda: cluster.nodes[0].partition("t").isr == (0, 1))
        assert len(cluster.alter_partition_requests) == 3

    scenario(tmp_path, main)


def test_an_answer_that_a_leader_and_isr_overtook_is_ignored(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        partition = cluster.nodes[0].partition("t")
        late(cluster)
        await until(lambda: partition.in_sync.state.in_flight, step_s=0.001)
        cluster.alter_partition_errors.append(ErrorCode.INELIGIBLE_REPLICA)
        cluster.elect("t", 0, isr=[0, 2])
        assert partition.isr == (0, 2)
        await asyncio.sleep(0.001)
        assert partition.isr == (0, 2), "taking the old proposal back would undo the news"
        assert partition.leader_epoch == 1

    scenario(tmp_path, main)


def test_a_controller_without_topic_ids_is_asked_by_name(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.alter_partition_version = 0
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        late(cluster)
        await until(lambda: cluster.nodes[0].partition("t").isr == (0, 1))

    scenario(tmp_path, main)
