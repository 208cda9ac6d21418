# SPDX-License-Identifier: Apache-2.0
"""Throttled replicas copy no faster than the rate, and nobody else is held back (KIP-73)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.replication.replication_quota import is_throttled
from commitlog.wire.api_keys import ApiKey
from tests.replication.cluster import Cluster, scenario
from tests.replication.virtual_time import until

RATE = 5_000
COUNT = 100


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [((), False), (("*",), True), (("0:1",), True), (("0:2", "1:1"), False), (("1:1", "0:1"), True)],
)
def test_which_replicas_a_topic_throttles(replicas: tuple[str, ...], expected: bool) -> None:
    assert is_throttled(replicas, 0, 1) is expected


async def catching_up(cluster: Cluster, *, throttled: str = "t") -> float:
    """Broker 1 is added to the replicas of t, which broker 0 leads; the seconds until it has everything."""
    leader = cluster.nodes[0]
    for _ in range(COUNT):
        await leader.produce("t", bytes(1_000))
    cluster.partitions["t", 0].replicas.append(1)
    loop = asyncio.get_running_loop()
    before = loop.time()
    cluster.elect("t", 0)
    await until(lambda: cluster.partitions["t", 0].isr == [0, 1])
    return loop.time() - before


@pytest.mark.parametrize("side", ["leader", "follower"])
@pytest.mark.parametrize("named", ["*", "0:0,0:1"])
def test_a_new_replica_takes_as_long_as_the_rate_says(tmp_path: Path, side: str, named: str) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0], **{f"{side}_replication_throttled_replicas": named})
        for node in cluster.nodes.values():
            node.throttle(**{f"{side}_replication_throttled_rate": RATE})
        took = await catching_up(cluster)
        assert (COUNT * 1_000 - 4_000) / RATE - 1 <= took <= COUNT * 1_100 / RATE + 12
        # Whoever is held back waits, and does not ask all the time.
        fetches = [key for key, _ in cluster.nodes[0].sent if key == ApiKey.FETCH]
        assert len(fetches) < 30 + COUNT / 2 + 4 * took
        assert cluster.nodes[1].values("t") == cluster.nodes[0].values("t")

    scenario(tmp_path, main, 0, 1, replica_fetch_max_bytes=4_000)


@pytest.mark.parametrize("side", ["leader", "follower"])
def test_who_is_in_sync_or_not_named_is_not_held_back(tmp_path: Path, side: str) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("named", [0, 1], **{f"{side}_replication_throttled_replicas": "*"})
        cluster.create_topic("t", [0], **{f"{side}_replication_throttled_replicas": "0:7"})
        for node in cluster.nodes.values():
            node.throttle(**{f"{side}_replication_throttled_rate": 1})
        loop = asyncio.get_running_loop()
        before = loop.time()
        for _ in range(20):
            await cluster.nodes[0].produce("named", bytes(1_000))
        assert await catching_up(cluster) < 5
        assert loop.time() - before < 10

    scenario(tmp_path, main, 0, 1, replica_fetch_max_bytes=4_000)


def test_a_throttle_is_lifted(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0], follower_replication_throttled_replicas="*")
        cluster.nodes[1].throttle(follower_replication_throttled_rate=1)
        copying = asyncio.ensure_future(catching_up(cluster))
        await asyncio.sleep(60)
        assert not copying.done()
        cluster.nodes[1].throttle()
        await asyncio.wait_for(copying, 5)

    scenario(tmp_path, main, 0, 1, replica_fetch_max_bytes=4_000)
