# SPDX-License-Identifier: Apache-2.0
"""ListOffsets through the codec of every version."""

from __future__ import annotations

from pathlib import Path

import pytest

from commitlog.apis import k02_list_offsets
from commitlog.records.batch import build_batch
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from commitlog.wire.messages.list_offsets_response import ListOffsetsPartitionResponse
from tests.replication.cluster import Cluster, Node, scenario


def request(
    *timestamps: int, replica_id: int = -1, partitions: tuple[int, ...] = (0,), limit: int = 1
) -> ListOffsetsRequest:
    return ListOffsetsRequest(
        replica_id=replica_id,
        topics=[
            ListOffsetsTopic(
                name="t",
                partitions=[
                    ListOffsetsPartition(partition_index=index, timestamp=timestamp, max_num_offsets=limit)
                    for timestamp in timestamps
                    for index in partitions
                ],
            )
        ],
    )


async def ask(node: Node, version: int, timestamp: int, **options: int) -> ListOffsetsPartitionResponse:
    message = request(timestamp, **options)
    if version > 0:
        message.topics[0].partitions[0].max_num_offsets = 1
    response = await node.call(message, version)
    return response.topics[0].partitions[0]


@pytest.mark.parametrize("version", range(1, 10))
def test_every_version_finds(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        batch = build_batch([(1_000, None, b"a", ()), (2_000, None, b"b", ())])
        node.replicas.append_records(acks=1, timeout_ms=0, entries=[("t", 0, batch)])
        epoch = 0 if version >= 4 else -1
        for timestamp, expected in ((1_500, (2_000, 1)), (-1, (-1, 2)), (-2, (-1, 0))):
            found = await ask(node, version, timestamp)
            assert (found.timestamp, found.offset, found.leader_epoch) == (*expected, epoch)
        missing = await ask(node, version, 2_001)
        assert (missing.error_code, missing.timestamp, missing.offset) == (0, -1, -1)

    scenario(tmp_path, main, 0)


def test_version_0_lists_segments(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        await cluster.nodes[0].produce("t", b"a")
        assert (await ask(cluster.nodes[0], 0, -1, limit=5)).old_style_offsets == [1, 0]
        assert (await ask(cluster.nodes[0], 0, -2)).old_style_offsets == [0]
        assert (await ask(cluster.nodes[0], 0, -3)).error_code == ErrorCode.UNSUPPORTED_VERSION

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize(("timestamp", "first"), [(-3, 7), (-4, 8), (-5, 9), (-6, 10)])
def test_special_timestamps_begin_with_a_version(tmp_path: Path, timestamp: int, first: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        for version in range(1, 10):
            expected = ErrorCode.NONE if version >= first else ErrorCode.UNSUPPORTED_VERSION
            assert (await ask(cluster.nodes[0], version, timestamp)).error_code == expected

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize("version", [4, 5])
def test_offset_not_available_has_another_name_for_old_clients(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        cluster.nodes[1].log("t").update_high_watermark(0)
        for broker in (0, 2):
            cluster.partition_network(1, broker)
        cluster.elect("t", 1)
        expected = ErrorCode.OFFSET_NOT_AVAILABLE if version >= 5 else ErrorCode.LEADER_NOT_AVAILABLE
        assert (await ask(cluster.nodes[1], version, -1)).error_code == expected
        assert (await ask(cluster.nodes[1], version, -1, replica_id=0)).offset == 1

    scenario(tmp_path, main)


def test_errors(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        assert (await ask(cluster.nodes[1], 5, -1)).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert (await ask(cluster.nodes[1], 5, -2, replica_id=-2)).offset == 0
        response = await cluster.nodes[0].call(request(-1, partitions=(0, 7)), 5)
        codes = {p.partition_index: p.error_code for p in response.topics[0].partitions}
        assert codes == {0: ErrorCode.NONE, 7: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
        response = await cluster.nodes[0].call(request(-1, -2), 5)
        assert [p.error_code for p in response.topics[0].partitions] == [ErrorCode.INVALID_REQUEST] * 2

    scenario(tmp_path, main)


def test_one_error_for_the_whole_request() -> None:
    response = k02_list_offsets.error_response(request(-1), ErrorCode.UNKNOWN_SERVER_ERROR, None)
    assert [p.error_code for p in response.topics[0].partitions] == [-1]
