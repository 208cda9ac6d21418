# SPDX-License-Identifier: Apache-2.0
"""Which replica a consumer is sent to (KIP-392, RackAwareReplicaSelector)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from commitlog.replication.fetch import FetchResult
from commitlog.replication.preferred_replica import RACK_AWARE
from tests.replication.cluster import Cluster, scenario


def read(cluster: Cluster, offset: int, rack: str, **options: int) -> FetchResult:
    outcome = cluster.nodes[0].fetch("t", offset, rack=rack, max_wait_ms=60_000, **options)
    assert isinstance(outcome, list)
    return outcome[0]


def in_racks(path: Path, main: Callable[[Cluster], Awaitable[None]], selector: str = RACK_AWARE) -> None:
    """Broker 0 leads in rack a; 1 and 2 follow in rack b; all have offsets 0 and 1."""

    async def body(cluster: Cluster) -> None:
        cluster.racks = {0: "a", 1: "b", 2: "b"}
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a", b"b")
        await asyncio.sleep(1)
        await main(cluster)

    scenario(path, body, replica_selector_class=selector)


def test_a_consumer_is_sent_to_its_rack_and_told_nothing_else(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        result = read(cluster, 1, "b")
        assert result.preferred_read_replica == 2
        assert (result.high_watermark, result.log_start_offset, result.size) == (2, 0, 0)

    in_racks(tmp_path, main)


@pytest.mark.parametrize("rack", ["a", "nowhere", ""])
def test_the_leader_answers_its_own_rack_and_all_others(tmp_path: Path, rack: str) -> None:
    async def main(cluster: Cluster) -> None:
        assert read(cluster, 0, rack).preferred_read_replica == -1
        assert read(cluster, 0, rack).size > 0

    in_racks(tmp_path, main)


def test_the_furthest_replica_that_is_in_sync_and_has_the_offset(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        followers = cluster.nodes[0].partition("t").in_sync.replicas
        followers[2].log_end_offset = 1
        assert read(cluster, 1, "b").preferred_read_replica == 1
        followers[1].log_end_offset = 0
        assert read(cluster, 1, "b").preferred_read_replica == 2
        followers[2].log_start_offset = 2
        assert read(cluster, 1, "b").preferred_read_replica == -1
        followers[1].log_end_offset = 2
        followers[2].log_start_offset = 0
        cluster.nodes[0].partition("t").in_sync.assign([0, 1, 2], [0, 2])
        assert read(cluster, 1, "b").preferred_read_replica == 2

    in_racks(tmp_path, main)


def test_followers_and_old_consumers_are_not_sent_anywhere(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        assert read(cluster, 0, "b", version=10).preferred_read_replica == -1
        assert read(cluster, 0, "b", replica_id=1).preferred_read_replica == -1

    in_racks(tmp_path, main)


def test_without_the_selector_the_leader_answers(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        assert read(cluster, 0, "b").preferred_read_replica == -1

    in_racks(tmp_path, main, "")
