# SPDX-License-Identifier: Apache-2.0
"""ListOffsets, OffsetForLeaderEpoch and DeleteRecords at the leader."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.records.batch import build_batch
from commitlog.replication.list_offsets import FoundOffset, legacy_offsets_before
from commitlog.wire.errors import ErrorCode, KafkaError
from tests.replication.cluster import Cluster, Node, scenario
from tests.replication.virtual_time import until


def append_at(node: Node, *timestamps: int) -> None:
    batch = build_batch([(timestamp, None, b"v", ()) for timestamp in timestamps])
    node.replicas.append_records(acks=1, timeout_ms=0, entries=[("t", 0, batch)])


def code_of(node: Node, *args: int, **options: int) -> ErrorCode:
    with pytest.raises(KafkaError) as error:
        node.replicas.list_offset("t", 0, *args, **options)  # type: ignore[arg-type]
    return error.value.code


def test_by_time_and_by_the_special_timestamps(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        cluster.elect("t", 0)
        node = cluster.nodes[0]
        append_at(node, 1_000, 3_000)
        append_at(node, 2_000)

        def find(timestamp: int) -> FoundOffset:
            return node.replicas.list_offset("t", 0, timestamp)

        assert find(-1) == FoundOffset(-1, 3, 1)
        assert find(-2) == FoundOffset(-1, 0, 1)
        assert find(-4) == FoundOffset(-1, 0, 1)
        assert find(-3) == FoundOffset(3_000, 1, 1)
        assert find(-5) == FoundOffset(-1, -1, -1)
        assert find(1_500) == FoundOffset(3_000, 1, 1)
        assert find(3_001) == FoundOffset(-1, -1, -1)

    scenario(tmp_path, main, 0)


def test_consumers_do_not_find_what_is_not_committed(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        node = cluster.nodes[0]
        append_at(node, 1_000)
        assert node.replicas.list_offset("t", 0, -1).offset == 0
        assert node.replicas.list_offset("t", 0, 500) == FoundOffset()
        assert node.replicas.list_offset("t", 0, -1, isolation_level=None).offset == 1
        assert node.replicas.list_offset("t", 0, 500, isolation_level=None).offset == 0

    scenario(tmp_path, main)


def test_read_committed_ends_at_the_last_stable_offset(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        append_at(node, 1_000)
        batch = build_batch(
            [(2_000, None, b"v", ())],
            producer_id=5,
            producer_epoch=0,
            base_sequence=0,
            is_transactional=True,
        )
        node.replicas.append_records(acks=1, timeout_ms=0, entries=[("t", 0, batch)])
        assert node.replicas.list_offset("t", 0, -1, isolation_level=1).offset == 1
        assert node.replicas.list_offset("t", 0, -1, isolation_level=0).offset == 2
        assert node.replicas.list_offset("t", 0, 1_500, isolation_level=1) == FoundOffset()

    scenario(tmp_path, main, 0)


def test_leaders_and_epochs_are_checked(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.elect("t", 0)
        assert code_of(cluster.nodes[0], -1, current_leader_epoch=0) is ErrorCode.FENCED_LEADER_EPOCH
        assert code_of(cluster.nodes[0], -1, current_leader_epoch=2) is ErrorCode.UNKNOWN_LEADER_EPOCH
        assert code_of(cluster.nodes[1], -1) is ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert cluster.nodes[1].replicas.list_offset("t", 0, -2, require_leader=False).offset == 0
        assert code_of(cluster.nodes[2], -1) is ErrorCode.NOT_LEADER_OR_FOLLOWER

    scenario(tmp_path, main)


def test_a_lagging_high_watermark_is_not_available_for_latest_and_what_lies_beyond(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        node = cluster.nodes[1]
        node.log("t").update_high_watermark(0)
        for broker in (0, 2):
            cluster.partition_network(1, broker)
        cluster.elect("t", 1)
        assert code_of(node, -1) is ErrorCode.OFFSET_NOT_AVAILABLE
        assert code_of(node, 0) is ErrorCode.OFFSET_NOT_AVAILABLE
        assert node.replicas.list_offset("t", 0, -2).offset == 0
        assert node.replicas.list_offset("t", 0, -1, isolation_level=None).offset == 1

    scenario(tmp_path, main)


def test_legacy_offsets_replace_what_a_consumer_may_not_read(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        cluster.partition_network(0, 1)
        await cluster.nodes[0].produce("t", b"b", acks=1)

        def offsets(timestamp: int, limit: int, *, consumer: bool) -> list[int]:
            return legacy_offsets_before(
                cluster.nodes[0].partition("t"), timestamp, limit, from_consumer=consumer, require_leader=True
            )

        assert offsets(-1, 1, consumer=True) == [1]
        assert offsets(-1, 1, consumer=False) == [2]
        assert offsets(-2, 1, consumer=True) == [0]
        assert offsets(-1, 5, consumer=False) == [2, 0]

    scenario(tmp_path, main)


def test_where_epochs_end(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        await node.produce("t", b"a", b"b")
        cluster.partitions["t", 0].leader_epoch = 4
        cluster.elect("t", 0)
        await node.produce("t", b"c")
        asked = {epoch: node.replicas.offset_for_leader_epoch("t", 0, epoch) for epoch in (-1, 0, 3, 5, 6)}
        assert asked == {-1: (-1, -1), 0: (0, 2), 3: (0, 2), 5: (5, 3), 6: (-1, -1)}
        with pytest.raises(KafkaError, match="FENCED_LEADER_EPOCH"):
            node.replicas.offset_for_leader_epoch("t", 0, 0, current_leader_epoch=4)

    scenario(tmp_path, main, 0)


def test_delete_records_waits_for_every_live_replica(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        await cluster.nodes[0].produce("t", b"b")
        await asyncio.sleep(1)
        outcome = cluster.nodes[0].replicas.delete_records(10_000, [("t", 0, 1)])
        assert not isinstance(outcome, list)
        (result,) = await outcome
        assert (result.error, result.low_watermark) == (ErrorCode.NONE, 1)
        assert {node.log("t").log_start_offset for node in cluster.nodes.values()} == {1}
        # A dead replica is not waited for.
        await cluster.nodes[2].kill()
        cluster.update_metadata()
        outcome = cluster.nodes[0].replicas.delete_records(10_000, [("t", 0, -1)])
        assert not isinstance(outcome, list)
        (result,) = await outcome
        assert (result.error, result.low_watermark) == (ErrorCode.NONE, 2)

    scenario(tmp_path, main)


def test_delete_records_goes_on_waiting_while_only_the_high_watermark_moves(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        cluster.partition_network(0, 2)
        cluster.elect("t", 0, isr=[0, 1])
        await asyncio.sleep(1)
        outcome = cluster.nodes[0].replicas.delete_records(300_000, [("t", 0, 1)])
        assert not isinstance(outcome, list)
        await cluster.nodes[0].produce("t", b"b", timeout_ms=120_000)
        assert not outcome.done()
        cluster.cut.clear()
        assert (await outcome)[0].low_watermark == 1

    scenario(tmp_path, main)


def test_delete_records_errors(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.create_topic("compacted", [0], cleanup_policy="compact")
        cluster.create_topic("__consumer_offsets", [0])
        await cluster.nodes[0].produce("t", b"a")
        outcome = cluster.nodes[0].replicas.delete_records(
            0, [("t", 0, 2), ("t", 0, -2), ("compacted", 0, 0), ("__consumer_offsets", 0, 0), ("t", 9, 0)]
        )
        assert isinstance(outcome, list)
        assert [result.error for result in outcome] == [
            ErrorCode.OFFSET_OUT_OF_RANGE,
            ErrorCode.OFFSET_OUT_OF_RANGE,
            ErrorCode.POLICY_VIOLATION,
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ]
        outcome = cluster.nodes[1].replicas.delete_records(0, [("t", 0, 0)])
        assert isinstance(outcome, list)
        assert outcome[0].error is ErrorCode.NOT_LEADER_OR_FOLLOWER
        cluster.partition_network(0, 1)
        outcome = cluster.nodes[0].replicas.delete_records(700, [("t", 0, 1)])
        assert not isinstance(outcome, list)
        assert (await outcome)[0].error is ErrorCode.REQUEST_TIMED_OUT

    scenario(tmp_path, main)


def test_delete_records_ends_with_the_leadership(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        cluster.partition_network(0, 1)
        outcome = cluster.nodes[0].replicas.delete_records(60_000, [("t", 0, 1)])
        assert not isinstance(outcome, list)
        cluster.elect("t", 1)
        (result,) = await outcome
        assert (result.error, result.low_watermark) == (ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
        await until(lambda: cluster.nodes[0].partition("t").leader_id == 1)

    scenario(tmp_path, main)
