# SPDX-License-Identifier: Apache-2.0
"""Followers copy, the high watermark follows, and acks=all waits for exactly that."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.replication.inter_broker_version import InterBrokerVersion
from commitlog.wire.errors import ErrorCode
from tests.replication.cluster import Cluster, scenario
from tests.replication.virtual_time import until


def test_a_follower_has_the_leaders_bytes_and_learns_the_high_watermark(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        leader, follower = cluster.nodes[0], cluster.nodes[1]
        result = await leader.produce("t", b"a", b"b")
        assert (result.error, result.base_offset, result.last_offset) == (ErrorCode.NONE, 0, 1)
        assert follower.values("t") == [b"a", b"b"]
        assert leader.log("t").high_watermark == 2
        before = asyncio.get_running_loop().time()
        await until(lambda: follower.log("t").high_watermark == 2)
        assert asyncio.get_running_loop().time() - before < 0.05
        segments = [(n.log_dir / "t-0" / f"{0:020}.log").read_bytes() for n in (leader, follower)]
        assert segments[0] == segments[1] != b""

    scenario(tmp_path, main)


def test_acks_all_waits_for_the_slowest_of_the_isr(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        leader = cluster.nodes[0]
        await leader.produce("t", b"first")
        cluster.partition_network(0, 2)
        waiting = leader.append("t", b"second")
        assert not isinstance(waiting, list)
        await until(lambda: cluster.nodes[1].values("t") == [b"first", b"second"])
        await asyncio.sleep(1)
        assert not waiting.done()
        assert leader.log("t").high_watermark == 1
        cluster.cut.clear()
        (result,) = await waiting
        assert result.error is ErrorCode.NONE
        assert cluster.nodes[2].values("t") == [b"first", b"second"]

    scenario(tmp_path, main)


@pytest.mark.parametrize("acks", [0, 1])
def test_acks_0_and_1_are_answered_at_once(tmp_path: Path, acks: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        outcome = cluster.nodes[0].append("t", b"a", acks=acks)
        assert isinstance(outcome, list)
        assert (outcome[0].error, outcome[0].base_offset) == (ErrorCode.NONE, 0)

    scenario(tmp_path, main)


def test_acks_all_is_answered_at_once_when_the_leader_is_the_isr(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        outcome = cluster.nodes[0].append("t", b"a")
        assert isinstance(outcome, list)
        assert outcome[0].error is ErrorCode.NONE
        assert cluster.nodes[0].log("t").high_watermark == 1

    scenario(tmp_path, main, 0)


def test_a_timeout_leaves_the_records_in_the_log(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        loop = asyncio.get_running_loop()
        start = loop.time()
        result = await cluster.nodes[0].produce("t", b"a", timeout_ms=1_500)
        assert result.error is ErrorCode.REQUEST_TIMED_OUT
        assert loop.time() - start == pytest.approx(1.5)
        assert cluster.nodes[0].values("t") == [b"a"]
        assert cluster.nodes[0].log("t").high_watermark == 0

    scenario(tmp_path, main)


def test_fewer_in_sync_than_min_insync_replicas_refuses_acks_all_only(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2], min_insync_replicas=2)
        cluster.elect("t", 0, isr=[0])
        leader = cluster.nodes[0]
        for broker in (1, 2):
            cluster.partition_network(0, broker)
        assert (await leader.produce("t", b"a")).error is ErrorCode.NOT_ENOUGH_REPLICAS
        assert leader.values("t") == []
        assert (await leader.produce("t", b"a", acks=1)).error is ErrorCode.NONE
        # What nobody else has must not be shown, though the leader alone is the ISR.
        assert leader.log("t").high_watermark == 0

    scenario(tmp_path, main)


def test_an_isr_that_shrinks_below_the_minimum_after_the_append(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], min_insync_replicas=2)
        await cluster.nodes[0].produce("t", b"a")
        waiting = cluster.nodes[0].append("t", b"b", timeout_ms=120_000)
        assert not isinstance(waiting, list)
        # The follower confirms the record, but the controller has dropped it from the ISR meanwhile.
        leader = cluster.nodes[0].partition("t")
        leader.in_sync.assign([0, 1], [0])
        leader.log_or_raise().update_high_watermark(2)
        leader.isr_changed()
        cluster.nodes[0].replicas.wake(leader)
        assert (await waiting)[0].error is ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND

    scenario(tmp_path, main)


def test_min_insync_replicas_above_the_replication_factor_counts_as_the_factor(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], min_insync_replicas=3)
        assert (await cluster.nodes[0].produce("t", b"a")).error is ErrorCode.NONE

    scenario(tmp_path, main)


def test_a_producer_waiting_on_a_deposed_leader_is_told(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        waiting = cluster.nodes[0].append("t", b"a")
        assert not isinstance(waiting, list)
        cluster.elect("t", 1)
        assert (await waiting)[0].error is ErrorCode.NOT_LEADER_OR_FOLLOWER

    scenario(tmp_path, main)


def test_every_partition_of_several_fetchers_is_copied(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], partitions=7)
        cluster.create_topic("u", [1, 0], partitions=3)
        for index in range(7):
            await cluster.nodes[0].produce("t", b"%d" % index, index=index)
        for index in range(3):
            await cluster.nodes[1].produce("u", b"%d" % index, index=index)
        assert [cluster.nodes[1].values("t", index) for index in range(7)] == [[b"%d" % i] for i in range(7)]
        assert [cluster.nodes[0].values("u", index) for index in range(3)] == [[b"%d" % i] for i in range(3)]

    scenario(tmp_path, main, num_replica_fetchers=3)


def test_more_than_one_response_of_data_is_copied(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.partition_network(0, 1)
        cluster.create_topic("t", [0, 1])
        for number in range(30):
            await cluster.nodes[0].produce("t", b"%02d" % number * 500, acks=1)
        cluster.cut.clear()
        await until(lambda: len(cluster.nodes[1].values("t")) == 30)
        assert cluster.nodes[1].values("t") == cluster.nodes[0].values("t")

    scenario(tmp_path, main, replica_fetch_max_bytes=1024, replica_fetch_response_max_bytes=1024)


@pytest.mark.parametrize(
    ("ibp", "with_id", "expected"),
    [
        ("3.9", True, 17),
        ("3.9", False, 12),
        ("3.4", True, 13),
        ("3.0", True, 12),
        ("2.6", True, 11),
        ("1.0", False, 5),
    ],
)
def test_the_fetch_version_follows_the_inter_broker_protocol(
    tmp_path: Path, ibp: str, with_id: bool, expected: int
) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], with_id=with_id)
        await cluster.nodes[0].produce("t", b"a")
        await cluster.nodes[0].produce("t", b"b")
        assert cluster.nodes[1].values("t") == [b"a", b"b"]
        cluster.elect("t", 0)
        await cluster.nodes[0].produce("t", b"c")
        has_epochs = InterBrokerVersion.of(ibp).offset_for_leader_epoch_supported
        assert {version for key, version in cluster.nodes[0].sent if key == 1} == {expected}
        # From Fetch 12 on the fetch itself says where the logs part.
        assert (23 in {key for key, _ in cluster.nodes[0].sent}) == (expected < 12 and has_epochs)

    scenario(tmp_path, main, inter_broker_protocol_version=ibp)


def test_an_idle_follower_costs_two_fetches_a_second(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        await asyncio.sleep(1)
        cluster.nodes[0].sent.clear()
        await asyncio.sleep(10)
        assert 18 <= len(cluster.nodes[0].sent) <= 21

    scenario(tmp_path, main)
