# SPDX-License-Identifier: Apache-2.0
"""OffsetForLeaderEpoch through the codec of every version."""

from __future__ import annotations

from pathlib import Path

import pytest

from commitlog.apis import k23_offset_for_leader_epoch
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.offset_for_leader_epoch_request import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.replication.cluster import Cluster, scenario


def request(*partitions: tuple[int, int, int]) -> OffsetForLeaderEpochRequest:
    return OffsetForLeaderEpochRequest(
        topics=[
            OffsetForLeaderTopic(
                topic="t",
                partitions=[
                    OffsetForLeaderPartition(
                        partition=index, leader_epoch=epoch, current_leader_epoch=current
                    )
                    for index, epoch, current in partitions
                ],
            )
        ]
    )


@pytest.mark.parametrize("version", range(5))
def test_every_version_says_where_an_epoch_ends(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        cluster.elect("t", 0)
        await cluster.nodes[0].produce("t", b"b")
        response = await cluster.nodes[0].call(
            request((0, 0, -1), (0, 1, -1), (0, 2, -1), (1, 0, -1)), version
        )
        answers = [(a.error_code, a.leader_epoch, a.end_offset) for a in response.topics[0].partitions]
        epochs = (0, 1) if version >= 1 else (-1, -1)
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert answers == [(0, epochs[0], 1), (0, epochs[1], 2), (0, -1, -1), (unknown, -1, -1)]
        response = await cluster.nodes[1].call(request((0, 0, -1)), version)
        assert response.topics[0].partitions[0].error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER

    scenario(tmp_path, main)


def test_the_current_epoch_is_checked_from_version_2(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        cluster.elect("t", 0)
        fenced = ErrorCode.FENCED_LEADER_EPOCH
        for current, expected in ((-2, fenced), (0, fenced), (2, ErrorCode.UNKNOWN_LEADER_EPOCH)):
            response = await cluster.nodes[0].call(request((0, 0, current)), 2)
            assert response.topics[0].partitions[0].error_code == expected

    scenario(tmp_path, main, 0)


def test_one_error_for_the_whole_request() -> None:
    response = k23_offset_for_leader_epoch.error_response(
        request((3, 0, -1)), ErrorCode.UNKNOWN_SERVER_ERROR, None
    )
    assert [(a.partition, a.error_code) for a in response.topics[0].partitions] == [(3, -1)]
