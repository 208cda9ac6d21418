# SPDX-License-Identifier: Apache-2.0
"""What a fetch may read, when it waits, what wakes it, and how limits are shared between partitions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.records.batch import build_batch, decode_records, iterate_headers
from commitlog.replication.fetch import FetchIsolation, FetchParams, FetchPartition, FetchResult
from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.wire.errors import ErrorCode
from tests.replication.cluster import Cluster, Node, now_ms, scenario


def values(result: FetchResult) -> list[bytes | None]:
    data = b"".join(region.read() for region in result.records)
    return [
        record.value
        for position, header in iterate_headers(data)
        for record in decode_records(data, position, header)
    ]


def read(node: Node, offset: int, **options: object) -> FetchResult:
    outcome = node.fetch("t", offset, **options)  # type: ignore[arg-type]
    assert isinstance(outcome, list)
    return outcome[0]


def test_consumers_read_to_the_high_watermark_and_followers_to_the_end(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        leader = cluster.nodes[0]
        await leader.produce("t", b"a")
        cluster.partition_network(0, 1)
        await leader.produce("t", b"b", acks=1)
        consumer = read(leader, 0)
        assert values(consumer) == [b"a"]
        assert (consumer.high_watermark, consumer.last_stable_offset, consumer.log_start_offset) == (1, 1, 0)
        assert values(read(leader, 0, replica_id=1)) == [b"a", b"b"]
        assert values(read(leader, 0, replica_id=-2, version=10)) == [b"a", b"b"]
        assert values(read(leader, 1)) == []

    scenario(tmp_path, main)


def test_read_committed_stops_at_the_first_open_transaction(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        leader = cluster.nodes[0]
        await leader.produce("t", b"a")
        batch = build_batch(
            [(now_ms(), None, b"open", ())],
            producer_id=5,
            producer_epoch=0,
            base_sequence=0,
            is_transactional=True,
        )
        leader.replicas.append_records(acks=1, timeout_ms=0, entries=[("t", 0, batch)])
        await leader.produce("t", b"b")
        committed = read(leader, 0, isolation_level=1)
        assert values(committed) == [b"a"]
        assert (committed.high_watermark, committed.last_stable_offset) == (3, 1)
        assert committed.aborted_transactions == []
        uncommitted = read(leader, 0)
        assert values(uncommitted) == [b"a", b"open", b"b"]
        assert uncommitted.aborted_transactions is None

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize(
    ("offset", "epoch", "error"),
    [
        (3, -1, ErrorCode.OFFSET_OUT_OF_RANGE),
        (-1, -1, ErrorCode.OFFSET_OUT_OF_RANGE),
        (0, 0, ErrorCode.FENCED_LEADER_EPOCH),
        (0, 2, ErrorCode.UNKNOWN_LEADER_EPOCH),
        (0, 1, ErrorCode.NONE),
    ],
)
def test_errors_of_the_leader(tmp_path: Path, offset: int, epoch: int, error: ErrorCode) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        cluster.elect("t", 0)
        await cluster.nodes[0].produce("t", b"a", b"b")
        result = read(cluster.nodes[0], offset, current_leader_epoch=epoch, max_wait_ms=1_000)
        assert result.error is error
        if error is not ErrorCode.NONE:
            assert (result.high_watermark, result.last_stable_offset, result.log_start_offset) == (-1, -1, -1)

    scenario(tmp_path, main, 0)


def test_a_follower_serves_consumers_that_know_of_racks_only(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        await asyncio.sleep(0.1)
        follower = cluster.nodes[1]
        assert values(read(follower, 0, version=11)) == [b"a"]
        assert read(follower, 0, version=10).error is ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert read(follower, 0, replica_id=2).error is ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert values(read(follower, 0, replica_id=-2, version=10)) == [b"a"]

    scenario(tmp_path, main)


def test_a_follower_that_is_not_assigned_is_told_to_wait(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        leader = cluster.nodes[0]
        assert read(leader, 0, replica_id=9).error is ErrorCode.NOT_LEADER_OR_FOLLOWER
        fetched = read(leader, 0, replica_id=9, current_leader_epoch=0)
        assert fetched.error is ErrorCode.UNKNOWN_LEADER_EPOCH

    scenario(tmp_path, main)


def test_another_topic_id_is_inconsistent(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        params = FetchParams(13, -1, 0, 1, 1 << 20, FetchIsolation.HIGH_WATERMARK)
        outcome = cluster.nodes[0].replicas.fetch(params, [FetchPartition("t", 0, b"x" * 16, 0, 1 << 20)])
        assert isinstance(outcome, list)
        assert outcome[0].error is ErrorCode.INCONSISTENT_TOPIC_ID

    scenario(tmp_path, main, 0)


def test_diverging_epochs(tmp_path: Path) -> None:
    """Epoch 0 has offsets 0-1, epoch 2 offsets 2-3; epoch 1 appended nothing here."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        leader = cluster.nodes[0]
        await leader.produce("t", b"a", b"b", acks=1)
        cluster.partitions["t", 0].leader_epoch = 1
        cluster.elect("t", 0)
        await leader.produce("t", b"c", b"d", acks=1)

        def fetched(offset: int, epoch: int) -> FetchResult:
            return read(leader, offset, replica_id=1, last_fetched_epoch=epoch, max_wait_ms=1_000)

        replica = leader.partition("t").in_sync.replicas[1]
        assert fetched(3, 0).diverging_epoch == (0, 2)
        assert fetched(2, 1).diverging_epoch == (0, 2)
        assert fetched(5, 2).diverging_epoch == (2, 4)
        assert replica.log_end_offset == -1, "a diverging fetch says nothing of what the follower has"
        assert fetched(2, 3).error is ErrorCode.OFFSET_OUT_OF_RANGE
        assert fetched(2, 0).diverging_epoch is None
        assert replica.log_end_offset == 2
        assert values(fetched(2, 0)) == [b"c", b"d"]
        leader.log("t").update_high_watermark(4)
        leader.log("t").maybe_increment_log_start_offset(1, "test")
        # Where the logs part is of no use to a follower that must begin anew.
        assert fetched(1, 1).diverging_epoch == (0, 2)
        assert fetched(0, 1).error is ErrorCode.OFFSET_OUT_OF_RANGE

    scenario(tmp_path, main)


def test_a_fetch_waits_for_min_bytes_and_no_longer_than_max_wait(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        leader = cluster.nodes[0]
        loop = asyncio.get_running_loop()
        outcome = leader.fetch("t", 0, max_wait_ms=500)
        assert not isinstance(outcome, list)
        assert values((await outcome)[0]) == []
        assert loop.time() == pytest.approx(0.5, abs=0.05)
        outcome = leader.fetch("t", 0, max_wait_ms=60_000)
        assert not isinstance(outcome, list)
        leader.append("t", b"a")
        assert values((await outcome)[0]) == [b"a"]
        size = read(leader, 0).size
        assert isinstance(leader.fetch("t", 0, max_wait_ms=60_000, min_bytes=size), list)
        outcome = leader.fetch("t", 0, max_wait_ms=60_000, min_bytes=size + 1)
        assert not isinstance(outcome, list)
        leader.append("t", b"b")
        assert values((await outcome)[0]) == [b"a", b"b"]
        assert loop.time() < 2

    scenario(tmp_path, main, 0)


def test_a_consumer_is_woken_by_the_high_watermark_and_not_by_the_append(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        leader = cluster.nodes[0]
        await leader.produce("t", b"a")
        cluster.partition_network(0, 1)
        outcome = leader.fetch("t", 1, max_wait_ms=60_000)
        assert not isinstance(outcome, list)
        leader.append("t", b"b", acks=1)
        await asyncio.sleep(0.9)
        assert not outcome.done()
        cluster.cut.clear()
        assert values((await outcome)[0]) == [b"b"]

    scenario(tmp_path, main)


def test_a_consumer_at_a_follower_is_woken_by_the_followers_high_watermark(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        outcome = cluster.nodes[1].fetch("t", 0, version=11, max_wait_ms=60_000)
        assert not isinstance(outcome, list)
        await cluster.nodes[0].produce("t", b"a")
        assert values((await outcome)[0]) == [b"a"]
        assert asyncio.get_running_loop().time() < 1

    scenario(tmp_path, main)


def test_the_answer_of_the_produce_is_made_before_the_fetch_is_read(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        leader = cluster.nodes[0]
        outcome = leader.fetch("t", 0, max_wait_ms=60_000)
        assert not isinstance(outcome, list)
        assert isinstance(leader.append("t", b"a"), list)
        assert not outcome.done()
        await asyncio.sleep(0)
        assert outcome.done()

    scenario(tmp_path, main, 0)


def test_a_waiting_fetch_ends_when_its_leader_epoch_does(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        outcome = cluster.nodes[0].fetch("t", 0, max_wait_ms=60_000, current_leader_epoch=0)
        assert not isinstance(outcome, list)
        cluster.elect("t", 0)
        assert (await outcome)[0].error is ErrorCode.FENCED_LEADER_EPOCH
        assert asyncio.get_running_loop().time() < 1

    scenario(tmp_path, main)


def test_a_fetch_whose_client_went_away_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        leader = cluster.nodes[0]
        outcome = leader.fetch("t", 0, max_wait_ms=60_000)
        assert not isinstance(outcome, list)
        assert len(leader.partition("t").waiting.fetches) == 1
        outcome.cancel()
        assert not leader.partition("t").waiting.fetches
        leader.append("t", b"a")
        await asyncio.sleep(0)
        assert outcome.cancelled()

    scenario(tmp_path, main, 0)


def test_a_parked_follower_learns_a_new_high_watermark_soon(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        leader = cluster.nodes[0]
        for broker in (1, 2):
            cluster.partition_network(0, broker)
        leader.append("t", b"a", acks=1)
        assert values(read(leader, 0, replica_id=1)) == [b"a"]
        first = leader.fetch("t", 1, replica_id=1, max_wait_ms=500)
        assert not isinstance(first, list)
        second = leader.fetch("t", 1, replica_id=2, max_wait_ms=500)
        assert not isinstance(second, list)
        loop = asyncio.get_running_loop()
        start = loop.time()
        replica = leader.partition("t").in_sync.replicas[2]
        fetched_ms = replica.last_fetch_ms
        assert [(await outcome)[0].high_watermark for outcome in (first, second)] == [1, 1]
        assert replica.last_fetch_ms == fetched_ms, "the answer of a fetch is not another fetch"
        assert loop.time() - start < 0.02

    scenario(tmp_path, main)


def test_the_first_batch_is_sent_however_large_and_the_rest_within_the_limits(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0], partitions=3)
        leader = cluster.nodes[0]
        for index in range(3):
            for _ in range(2):
                await leader.produce("t", b"x" * 100, index=index)
        size = read(leader, 0).size // 2

        def fetched(version: int, max_bytes: int, partition_bytes: int) -> list[int]:
            params = FetchParams(version, -1, 0, 1, max_bytes, FetchIsolation.HIGH_WATERMARK)
            requests = [FetchPartition("t", index, ZERO_UUID, 0, partition_bytes) for index in range(3)]
            outcome = leader.replicas.fetch(params, requests)
            assert isinstance(outcome, list)
            return [result.size for result in outcome]

        assert fetched(3, 1, 1) == [size, 0, 0]
        assert fetched(3, 10 * size, 1) == [size, 0, 0]
        assert fetched(3, 3 * size, 10 * size) == [2 * size, size, 0]
        # Before version 3 a limit is a limit: old consumers see the cut batch and raise theirs.
        assert fetched(2, 10 * size, 10) == [10, 10, 10]

    scenario(tmp_path, main, 0)


def test_an_answer_that_cannot_be_built_is_the_callers_failure(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        leader = cluster.nodes[0]
        outcome = leader.fetch("t", 0, max_wait_ms=100)
        assert not isinstance(outcome, list)

        def fail(results: list[FetchResult]) -> None:
            raise RuntimeError("no answer")

        with pytest.raises(RuntimeError, match="no answer"):
            await outcome.then(fail)

    scenario(tmp_path, main, 0)
