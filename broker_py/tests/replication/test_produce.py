# SPDX-License-Identifier: Apache-2.0
"""append_records: what is refused, partition by partition, and what it costs to append."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.records.batch import build_batch
from commitlog.replication.produce import AppendResult, Entry
from commitlog.wire.errors import ErrorCode
from tests.replication.cluster import Cluster, Node, now_ms, scenario


def batch(value: bytes = b"v", key: bytes | None = None, **options: int) -> bytearray:
    return build_batch([(now_ms(), key, value, ())], **options)  # type: ignore[arg-type]


def append(node: Node, *entries: Entry, acks: int = 1, **options: object) -> list[AppendResult]:
    outcome = node.replicas.append_records(
        acks=acks,
        timeout_ms=1_000,
        entries=entries,
        **options,  # type: ignore[arg-type]
    )
    assert isinstance(outcome, list)
    return outcome


def test_each_partition_has_its_own_result(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.create_topic("elsewhere", [1])
        cluster.create_topic("follower", [1, 0])
        damaged = batch()
        damaged[-1] ^= 1
        results = append(
            cluster.nodes[0],
            ("t", 0, batch()),
            ("unknown", 0, batch()),
            ("elsewhere", 0, batch()),
            ("follower", 0, batch()),
            ("t", 0, damaged),
            ("t", 0, batch()),
        )
        assert [result.error for result in results] == [
            ErrorCode.NONE,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode.NOT_LEADER_OR_FOLLOWER,
            ErrorCode.NOT_LEADER_OR_FOLLOWER,
            ErrorCode.CORRUPT_MESSAGE,
            ErrorCode.NONE,
        ]
        assert [(r.base_offset, r.last_offset) for r in results] == [(0, 0), *[(-1, -1)] * 4, (1, 1)]
        assert [r.log_start_offset for r in results] == [0, -1, -1, -1, -1, 0]

    scenario(tmp_path, main)


@pytest.mark.parametrize("acks", [-2, 2, 100])
def test_other_acks_are_refused(tmp_path: Path, acks: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        (result,) = append(cluster.nodes[0], ("t", 0, batch()), acks=acks)
        assert result.error is ErrorCode.INVALID_REQUIRED_ACKS
        assert cluster.nodes[0].log("t").log_end_offset == 0

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize("topic", ["__consumer_offsets", "__transaction_state"])
def test_internal_topics_are_for_coordinators_and_admins(tmp_path: Path, topic: str) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic(topic, [0])
        (result,) = append(cluster.nodes[0], (topic, 0, batch()))
        assert result.error is ErrorCode.INVALID_TOPIC_EXCEPTION
        entry = (topic, 0, batch(key=b"k"))
        (result,) = append(cluster.nodes[0], entry, origin="coordinator", allow_internal=True)
        assert result.error is ErrorCode.NONE

    scenario(tmp_path, main, 0)


def test_records_that_are_refused_one_by_one_are_named(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0], cleanup_policy="compact")
        (result,) = append(cluster.nodes[0], ("t", 0, batch()))
        assert result.error is ErrorCode.INVALID_RECORD
        assert result.log_start_offset == 0
        assert [index for index, _ in result.record_errors] == [0]
        assert result.error_message

    scenario(tmp_path, main, 0)


def test_a_repeated_batch_is_answered_with_its_first_offsets(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        ids = {"producer_id": 9, "producer_epoch": 0}

        async def produce(sequence: int) -> AppendResult:
            entry = ("t", 0, batch(base_sequence=sequence, **ids))
            outcome = cluster.nodes[0].replicas.append_records(acks=-1, timeout_ms=9_000, entries=[entry])
            return (outcome if isinstance(outcome, list) else await outcome)[0]

        assert [(await produce(sequence)).base_offset for sequence in (0, 1, 0, 1)] == [0, 1, 0, 1]
        assert (await produce(7)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert len(cluster.nodes[1].values("t")) == 2
        # The new leader knows the producer from what it copied.
        cluster.elect("t", 1)
        entry = ("t", 0, batch(base_sequence=1, **ids))
        assert append(cluster.nodes[1], entry)[0].base_offset == 1

    scenario(tmp_path, main)


def test_appending_makes_neither_tasks_nor_timers_when_nobody_waits(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        loop = asyncio.get_running_loop()
        tasks = asyncio.all_tasks()
        timers = len(loop._scheduled)  # type: ignore[attr-defined]
        ready = len(loop._ready)  # type: ignore[attr-defined]
        for acks in (-1, 0, 1):
            append(cluster.nodes[0], ("t", 0, batch()), acks=acks)
        assert asyncio.all_tasks() == tasks
        assert len(loop._scheduled) == timers  # type: ignore[attr-defined]
        assert len(loop._ready) == ready  # type: ignore[attr-defined]

    scenario(tmp_path, main, 0)


def test_only_what_is_pending_times_out(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("one", [0])
        cluster.create_topic("two", [0, 1])
        cluster.partition_network(0, 1)
        outcome = cluster.nodes[0].replicas.append_records(
            acks=-1, timeout_ms=500, entries=[("one", 0, batch()), ("two", 0, batch()), ("x", 0, batch())]
        )
        assert not isinstance(outcome, list)
        assert [(r.error, r.base_offset) for r in await outcome] == [
            (ErrorCode.NONE, 0),
            (ErrorCode.REQUEST_TIMED_OUT, 0),
            (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1),
        ]
        assert not cluster.nodes[0].partition("two").waiting.produces

    scenario(tmp_path, main)
