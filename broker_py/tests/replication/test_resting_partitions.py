# SPDX-License-Identifier: Apache-2.0
"""A follower's fetches cost what has moved: partitions that have nothing to tell rest, on both sides."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.replication.fetcher import Fetcher
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic
from tests.replication.cluster import Cluster, now_ms, scenario
from tests.replication.virtual_time import until

TOPICS = [f"still-{number}" for number in range(30)]


async def settled(cluster: Cluster) -> None:
    """All partitions were written to once, and all replicas know that it is committed."""
    for topic in TOPICS:
        cluster.create_topic(topic, [0, 1])
    for topic in TOPICS:
        assert (await cluster.nodes[0].produce(topic, b"first")).error is ErrorCode.NONE
    await until(lambda: all(cluster.nodes[1].log(topic).high_watermark == 1 for topic in TOPICS))
    await asyncio.sleep(1)


def test_a_busy_partition_does_not_make_the_others_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = 0
    whole = Fetcher._wanted

    def count(self: Fetcher) -> object:
        nonlocal looked_at
        looked_at += 1
        return whole(self)

    async def main(cluster: Cluster) -> None:
        await settled(cluster)
        cluster.create_topic("busy", [0, 1])
        await cluster.nodes[0].produce("busy", b"first")
        monkeypatch.setattr(Fetcher, "_wanted", count)
        leader = cluster.nodes[0]
        before = [leader.partition(topic).traffic.fetches for topic in TOPICS]
        began = now_ms()
        for number in range(100):
            await leader.produce("busy", b"%d" % number)
        sweeps = (now_ms() - began) // 500 + 1
        read = [
            leader.partition(topic).traffic.fetches - then for topic, then in zip(TOPICS, before, strict=True)
        ]
        assert max(read) <= sweeps < 3
        assert looked_at <= sweeps

    scenario(tmp_path, main)


def test_one_that_rests_is_copied_at_once_when_it_gets_records(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        await settled(cluster)
        for topic in TOPICS:
            began = now_ms()
            assert (await cluster.nodes[0].produce(topic, b"second")).error is ErrorCode.NONE
            assert now_ms() - began < 20
        await until(lambda: all(cluster.nodes[1].log(topic).high_watermark == 2 for topic in TOPICS))
        assert now_ms() - began < 100

    scenario(tmp_path, main)


def test_what_moves_without_a_word_is_seen_with_the_next_look_at_everything(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        await settled(cluster)
        cluster.nodes[0].log(TOPICS[3]).maybe_increment_log_start_offset(1, "a test")
        began = now_ms()
        await until(lambda: cluster.nodes[1].log(TOPICS[3]).log_start_offset == 1)
        assert now_ms() - began <= 1_100

    scenario(tmp_path, main)


def test_a_new_leader_epoch_ends_the_rest(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        await settled(cluster)
        cluster.elect(TOPICS[0], 1)
        assert (await cluster.nodes[1].produce(TOPICS[0], b"second")).error is ErrorCode.NONE
        assert cluster.nodes[0].values(TOPICS[0]) == [b"first", b"second"]
        cluster.elect(TOPICS[0], 0)
        assert (await cluster.nodes[0].produce(TOPICS[0], b"third")).error is ErrorCode.NONE
        assert cluster.nodes[1].values(TOPICS[0]) == [b"first", b"second", b"third"]

    scenario(tmp_path, main)


def follower_fetch(session_id: int, epoch: int, *offsets: tuple[str, int]) -> FetchRequest:
    return FetchRequest(
        replica_id=1,
        max_wait_ms=0,
        min_bytes=1,
        session_id=session_id,
        session_epoch=epoch,
        topics=[
            FetchTopic(
                topic=topic,
                partitions=[FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1000)],
            )
            for topic, offset in offsets
        ],
    )


def test_nobody_wakes_a_session_that_is_gone_or_a_partition_that_it_forgot(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        for topic in ("a", "b"):
            cluster.create_topic(topic, [0, 1])
            await cluster.nodes[0].produce(topic, b"x")
        leader = cluster.nodes[0]
        await cluster.nodes[1].replicas.fetchers.stop()
        waiting = [leader.partition(topic).waiting for topic in ("a", "b")]
        for sleeper in {**waiting[0].sleepers, **waiting[1].sleepers}:
            sleeper.end_rests()  # type: ignore[attr-defined]
        opened = await leader.call(follower_fetch(0, 0, ("a", 1), ("b", 1)), 12)
        await leader.call(follower_fetch(opened.session_id, 1), 12)
        assert [len(one.sleepers) for one in waiting] == [1, 1]
        forget = follower_fetch(opened.session_id, 2)
        forget.forgotten_topics_data = [ForgottenTopic(topic="a", partitions=[0])]
        await leader.call(forget, 12)
        assert [len(one.sleepers) for one in waiting] == [0, 1]
        await leader.call(follower_fetch(opened.session_id, -1), 12)
        assert [len(one.sleepers) for one in waiting] == [0, 0]

    scenario(tmp_path, main)
