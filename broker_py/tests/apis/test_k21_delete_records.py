# SPDX-License-Identifier: Apache-2.0
"""DeleteRecords through the codec of every version."""

from __future__ import annotations

from pathlib import Path

import pytest

from commitlog.apis import k21_delete_records
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.delete_records_request import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from commitlog.wire.messages.delete_records_response import DeleteRecordsResponse
from tests.replication.cluster import Cluster, scenario


def request(*entries: tuple[str, int, int], timeout_ms: int = 3_000) -> DeleteRecordsRequest:
    return DeleteRecordsRequest(
        timeout_ms=timeout_ms,
        topics=[
            DeleteRecordsTopic(
                name=topic, partitions=[DeleteRecordsPartition(partition_index=index, offset=offset)]
            )
            for topic, index, offset in entries
        ],
    )


def flat(response: DeleteRecordsResponse) -> dict[tuple[str, int], tuple[int, int]]:
    return {
        (topic.name, p.partition_index): (p.error_code, p.low_watermark)
        for topic in response.topics
        for p in topic.partitions
    }


@pytest.mark.parametrize("version", range(3))
def test_every_version_deletes_on_all_replicas(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        for value in (b"a", b"b"):
            await cluster.nodes[0].produce("t", value)
        response = await cluster.nodes[0].call(request(("t", 0, 1), ("x", 0, 1)), version)
        assert flat(response) == {("t", 0): (0, 1), ("x", 0): (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)}
        assert cluster.nodes[1].log("t").log_start_offset == 1

    scenario(tmp_path, main)


def test_a_follower_that_does_not_follow_times_out(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        cluster.partition_network(0, 1)
        response = await cluster.nodes[0].call(request(("t", 0, -1)), 2)
        assert flat(response)["t", 0][0] == ErrorCode.REQUEST_TIMED_OUT

    scenario(tmp_path, main)


def test_one_error_for_the_whole_request() -> None:
    response = k21_delete_records.error_response(request(("t", 1, 0)), ErrorCode.UNKNOWN_SERVER_ERROR, None)
    assert flat(response) == {("t", 1): (-1, -1)}


def test_a_partition_named_twice_counts_once_with_its_last_offset(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        for value in (b"a", b"b", b"c"):
            await cluster.nodes[0].produce("t", value)
        response = await cluster.nodes[0].call(request(("t", 0, 3), ("t", 0, 1)), 2)
        assert [len(topic.partitions) for topic in response.topics] == [1]
        assert flat(response) == {("t", 0): (0, 1)}

    scenario(tmp_path, main, 0)
