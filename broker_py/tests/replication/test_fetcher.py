# SPDX-License-Identifier: Apache-2.0
"""The fetcher's manners: back-off, fencing, prompt changes, one connection, and a leader that misbehaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from commitlog.apis import k01_fetch
from commitlog.replication.fetcher_manager import fetcher_index
from commitlog.wire.errors import ErrorCode
from tests.replication.cluster import APIS, Cluster, scenario
from tests.replication.virtual_time import until


@pytest.mark.parametrize(
    ("topic", "partition", "fetchers", "expected"),
    # String.hashCode: "test" 3556498, "a" 97, "polygenelubricants" -2147483648, "€" 8364, "😀" 1772899
    [
        ("test", 0, 1, 0),
        ("a", 0, 10, abs(31 * 97) % 10),
        ("test", 1, 7, abs(31 * 3556498 + 1) % 7),
        ("€", 0, 1000, 31 * 8364 % 1000),
        ("😀", 0, 1000, 31 * 1772899 % 1000),
        ("polygenelubricants", 0, 1000, 0),
    ],
)
def test_the_fetcher_is_chosen_as_kafka_does(
    topic: str, partition: int, fetchers: int, expected: int
) -> None:
    assert fetcher_index(topic, partition, fetchers) == expected


def connections_to(cluster: Cluster, target: int) -> int:
    return sum(1 for c in cluster.connections if c.target == target and not c._closed.done())


def test_one_connection_a_leader_and_none_when_nothing_is_left_to_copy(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], partitions=4)
        for index in range(4):
            await cluster.nodes[0].produce("t", b"a", index=index)
        assert connections_to(cluster, 0) == 1
        for index in range(4):
            cluster.elect("t", 1, index=index)
        assert connections_to(cluster, 0) == 0
        assert len(cluster.nodes[1].replicas.fetchers) == 0
        assert (await cluster.nodes[1].produce("t", b"b")).error is ErrorCode.NONE

    scenario(tmp_path, main)


def test_a_new_leader_does_not_wait_for_the_old_ones_fetch(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        await asyncio.sleep(0.1)
        loop = asyncio.get_running_loop()
        start = loop.time()
        cluster.elect("t", 1)
        assert connections_to(cluster, 0) == 0
        assert (await cluster.nodes[1].produce("t", b"b")).error is ErrorCode.NONE
        assert loop.time() - start < 0.05

    scenario(tmp_path, main)


def test_a_broken_connection_backs_off_and_goes_on(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        cluster.break_connections(1)
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert (await cluster.nodes[0].produce("t", b"b")).error is ErrorCode.NONE
        assert 1 <= loop.time() - start < 1.2

    scenario(tmp_path, main)


def test_a_follower_ahead_of_the_leader_waits_and_one_behind_stops(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        record = cluster.partitions["t", 0]
        # The follower hears of the new epoch first: UNKNOWN_LEADER_EPOCH, again and again.
        record.leader_epoch = 1
        cluster.leader_and_isr("t", to=[1])
        await asyncio.sleep(3)
        cluster.leader_and_isr("t", to=[0])
        assert (await cluster.nodes[0].produce("t", b"a")).error is ErrorCode.NONE
        # The leader hears first: FENCED_LEADER_EPOCH ends the copying until the follower hears too.
        record.leader_epoch = 2
        cluster.leader_and_isr("t", to=[0])
        cluster.nodes[0].append("t", b"b", acks=1)
        await asyncio.sleep(3)
        cluster.nodes[0].sent.clear()
        await asyncio.sleep(10)
        assert cluster.nodes[0].sent == []
        assert cluster.nodes[1].values("t") == [b"a"]
        cluster.leader_and_isr("t", to=[1])
        await until(lambda: cluster.nodes[1].values("t") == [b"a", b"b"])

    scenario(tmp_path, main)


def test_a_leader_that_hears_later_than_its_follower_is_asked_again_at_once(tmp_path: Path) -> None:
    """Else each change of leadership can cost a partition replica.fetch.backoff.ms, a second; or, where the
    follower has other partitions of that leader, in which nothing happens, replica.fetch.wait.max.ms."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], partitions=2)
        assert (await cluster.nodes[0].produce("t", b"a")).error is ErrorCode.NONE
        cluster.partitions["t", 0].leader_epoch += 1
        cluster.leader_and_isr("t", to=[1])
        await asyncio.sleep(0.03)
        cluster.leader_and_isr("t", to=[0])
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert (await cluster.nodes[0].produce("t", b"b")).error is ErrorCode.NONE
        assert loop.time() - start < 0.05

    scenario(tmp_path, main)


def test_one_bad_partition_does_not_stop_the_others(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], partitions=2)
        cluster.stop_replica("t", 0, delete=True, index=1)
        assert (await cluster.nodes[0].produce("t", b"a")).error is ErrorCode.NONE
        await asyncio.sleep(5)
        assert (await cluster.nodes[0].produce("t", b"b")).error is ErrorCode.NONE
        cluster.partitions["t", 1].leader_epoch += 1
        cluster.leader_and_isr("t", 1)
        assert (await cluster.nodes[0].produce("t", b"c", index=1)).error is ErrorCode.NONE

    scenario(tmp_path, main)


def test_a_partition_that_goes_offline_before_it_was_truncated_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], partitions=2)
        for index in range(2):
            await cluster.nodes[0].produce("t", b"a", index=index)
        cluster.partition_network(0, 1)
        for index in range(2):
            cluster.partitions["t", index].leader_epoch += 1
            cluster.leader_and_isr("t", index)
        await asyncio.sleep(0.1)
        node = cluster.nodes[1]
        node.replicas.mark_offline(node.partition("t", 1))
        cluster.cut.clear()
        await cluster.nodes[0].produce("t", b"b", acks=1)
        await until(lambda: node.values("t") == [b"a", b"b"])

    # Before 2.7 a follower asks where to truncate before it fetches.
    scenario(tmp_path, main, 0, 1, inter_broker_protocol_version="2.6")


def test_damaged_records_are_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = k01_fetch.handle
    damaged = 0

    def damage(services: Any, context: Any, request: Any) -> Any:
        nonlocal damaged
        response = handle(services, context, request)
        if services.broker_id == 0 and hasattr(response, "responses"):
            for topic in response.responses:
                for data in topic.partitions:
                    if data.records and damaged < 2:
                        damaged += 1
                        records = bytearray(b"".join(region.read() for region in data.records))
                        records[-1] ^= 1
                        data.records = records
        return response

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        cluster.nodes[0].append("t", b"a", acks=1)
        monkeypatch.setitem(APIS, 1, type(k01_fetch.API)(k01_fetch.API.key, 0, 17, damage))
        cluster.cut.clear()
        await until(lambda: cluster.nodes[1].values("t") == [b"a"])
        assert damaged == 2

    scenario(tmp_path, main)


def test_a_session_that_the_leader_forgot_is_begun_anew(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        cluster.nodes[0].services.fetch_sessions._sessions.clear()
        assert (await cluster.nodes[0].produce("t", b"b")).error is ErrorCode.NONE
        assert cluster.nodes[1].values("t") == [b"a", b"b"]

    scenario(tmp_path, main)


def test_a_topic_made_anew_under_its_name_is_copied_from_its_beginning(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"old")
        for broker in (0, 1):
            cluster.stop_replica("t", broker, delete=True, leader_epoch=-2)
        cluster.partitions["t", 0].leader = -2
        cluster.update_metadata()
        cluster.create_topic("t", [0, 1])
        for record in cluster.partitions.values():
            record.topic_id = b"n" * 16
        assert (await cluster.nodes[0].produce("t", b"new")).error is ErrorCode.NONE
        assert cluster.nodes[1].values("t") == [b"new"]

    scenario(tmp_path, main)
