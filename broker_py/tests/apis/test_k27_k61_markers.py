# SPDX-License-Identifier: Apache-2.0
"""WriteTxnMarkers (27) and DescribeProducers (61) over real logs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commitlog.records.batch import build_batch
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.describe_producers_request import DescribeProducersRequest, TopicRequest
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from commitlog.wire.messages.write_txn_markers_request import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from tests.replication.cluster import Cluster, Node, now_ms, scenario

E = ErrorCode
PRODUCER = 77


def marker(*, committed: bool = True, epoch: int = 0, coordinator_epoch: int = 0, topic: str = "t") -> Any:
    return WriteTxnMarkersRequest(
        markers=[
            WritableTxnMarker(
                producer_id=PRODUCER,
                producer_epoch=epoch,
                transaction_result=committed,
                topics=[WritableTxnMarkerTopic(name=topic, partition_indexes=[0])],
                coordinator_epoch=coordinator_epoch,
            )
        ]
    )


async def mark(node: Node, version: int = 1, **how: Any) -> ErrorCode:
    (found,) = (await node.call(marker(**how), version)).markers
    assert found.producer_id == PRODUCER
    return ErrorCode(found.topics[0].partitions[0].error_code)


async def produce(node: Node, sequence: int, *, epoch: int = 0) -> ErrorCode:
    records = build_batch(
        [(now_ms(), None, b"v", ())],
        producer_id=PRODUCER,
        producer_epoch=epoch,
        base_sequence=sequence,
        is_transactional=True,
    )
    request = ProduceRequest(
        acks=1,
        timeout_ms=1_000,
        transactional_id="id",
        topic_data=[
            TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=records)])
        ],
    )
    return ErrorCode((await node.call(request, 9)).responses[0].partition_responses[0].error_code)


async def read_committed(node: Node, offset: int) -> tuple[int, list[tuple[int, int]]]:
    """The last stable offset, and (producer, first offset) of the aborted transactions."""
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        isolation_level=1,
        topics=[
            FetchTopic(
                topic="t",
                partitions=[FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=999)],
            )
        ],
    )
    found = (await node.call(request, 11)).responses[0].partitions[0]
    return found.last_stable_offset, [
        (one.producer_id, one.first_offset) for one in found.aborted_transactions or []
    ]


@pytest.mark.parametrize("version", [0, 1])
def test_markers_move_the_last_stable_offset(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        assert await produce(node, 0) is E.NONE
        assert await read_committed(node, 0) == (0, [])
        assert await mark(node, version) is E.NONE
        assert await read_committed(node, 0) == (2, [])
        assert await produce(node, 1) is E.NONE
        assert await read_committed(node, 0) == (2, [])
        assert await mark(node, version, committed=False) is E.NONE
        assert await read_committed(node, 0) == (4, [(PRODUCER, 2)])

    scenario(tmp_path, main, 0)


def test_errors_of_markers(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        assert await mark(node, topic="nowhere") is E.UNKNOWN_TOPIC_OR_PARTITION
        assert await produce(node, 0, epoch=3) is E.NONE
        assert await mark(node, epoch=2) is E.INVALID_PRODUCER_EPOCH
        assert await mark(node, epoch=4, coordinator_epoch=5) is E.NONE
        assert await mark(node, epoch=4, coordinator_epoch=4) is E.TRANSACTION_COORDINATOR_FENCED
        # A marker of a raised epoch fences the producer of the old one in the partition.
        assert await produce(node, 1, epoch=3) is E.INVALID_PRODUCER_EPOCH

    scenario(tmp_path, main, 0)


def test_marker_in_the_offsets_topic_goes_to_the_groups(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("__consumer_offsets", [0])
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        told: list[Any] = []
        node.services.groups = SimpleNamespace(
            on_transaction_completed=lambda producer, partitions, committed: told.append(
                (producer, partitions, committed)
            )
        )
        assert await mark(node, topic="__consumer_offsets") is E.NONE
        assert await mark(node, committed=False) is E.NONE
        assert told == [(PRODUCER, [0], True)]

    scenario(tmp_path, main, 0)


def test_describe_producers(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        assert await produce(node, 0, epoch=3) is E.NONE

        async def describe(topic: str, index: int = 0) -> Any:
            request = DescribeProducersRequest(topics=[TopicRequest(name=topic, partition_indexes=[index])])
            return (await node.call(request, 0)).topics[0].partitions[0]

        (found,) = (await describe("t")).active_producers
        assert (found.producer_id, found.producer_epoch, found.last_sequence) == (PRODUCER, 3, 0)
        assert (found.coordinator_epoch, found.current_txn_start_offset) == (-1, 0)
        assert await mark(node, epoch=3, coordinator_epoch=6) is E.NONE
        (found,) = (await describe("t")).active_producers
        assert (found.coordinator_epoch, found.current_txn_start_offset) == (6, -1)
        nowhere = await describe("nowhere")
        assert (nowhere.error_code, nowhere.error_message) == (
            E.UNKNOWN_TOPIC_OR_PARTITION,
            "This server does not host this topic-partition.",
        )
        assert (await describe("t", 7)).error_code == E.UNKNOWN_TOPIC_OR_PARTITION

    scenario(tmp_path, main, 0)


def test_epochs_that_no_producer_has(tmp_path: Path) -> None:
    """-1 is none, and what is below it is older than that."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        assert await mark(node, epoch=-2) is E.INVALID_PRODUCER_EPOCH
        with pytest.raises(KafkaError) as failure:
            await mark(node, epoch=-1)
        assert failure.value.code is E.UNKNOWN_SERVER_ERROR
        assert node.log("t").log_end_offset == 0

    scenario(tmp_path, main, 0)
