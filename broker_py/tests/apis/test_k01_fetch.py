# SPDX-License-Identifier: Apache-2.0
"""Fetch through the codec of every version: sessions, topic ids, old clients, the current leader."""

from __future__ import annotations

from pathlib import Path

import pytest

from commitlog.apis import k01_fetch
from commitlog.records.batch import build_batch, decode_records, iterate_headers
from commitlog.wire.errors import ErrorCode
from commitlog.wire.message import ZERO_UUID
from commitlog.wire.messages.fetch_request import (
    FetchPartition,
    FetchRequest,
    FetchTopic,
    ForgottenTopic,
    ReplicaState,
)
from commitlog.wire.messages.fetch_response import FetchResponse, PartitionData
from tests.replication.cluster import Cluster, Node, now_ms, scenario

VERSIONS = range(18)


def request(
    *partitions: tuple[str | bytes, int, int],
    version: int = 12,
    session_id: int = 0,
    epoch: int = -1,
    **options: int,
) -> FetchRequest:
    topics = []
    for topic, index, offset in partitions:
        named = FetchTopic(
            partitions=[FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=1 << 20)]
        )
        if isinstance(topic, bytes):
            named.topic_id = topic
        else:
            named.topic = topic
        topics.append(named)
    message = FetchRequest(
        max_wait_ms=0, min_bytes=1, topics=topics, session_id=session_id, session_epoch=epoch
    )
    for name, value in options.items():
        setattr(message, name, value)
    return message


def flat(response: FetchResponse) -> dict[tuple[str | bytes, int], PartitionData]:
    return {
        (topic.topic or topic.topic_id, data.partition_index): data
        for topic in response.responses
        for data in topic.partitions
    }


def values(data: PartitionData) -> list[bytes | None]:
    records = bytes(data.records or b"")  # type: ignore[arg-type]
    return [
        record.value
        for position, header in iterate_headers(records)
        for record in decode_records(records, position, header)
    ]


async def one(
    node: Node, version: int, topic: str | bytes = "t", offset: int = 0, **options: int
) -> PartitionData:
    response = await node.call(request((topic, 0, offset), **options), version)
    (data,) = flat(response).values()
    return data


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_reads(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        topic_id = cluster.create_topic("t", [0])
        await cluster.nodes[0].produce("t", b"a", b"b")
        data = await one(cluster.nodes[0], version, topic_id if version >= 13 else "t")
        assert data.error_code == 0
        assert data.high_watermark == 2
        assert data.log_start_offset == (0 if version >= 5 else -1)
        assert data.last_stable_offset == (2 if version >= 4 else -1)
        assert values(data) == [b"a", b"b"]
        magics = {header.magic for _, header in iterate_headers(bytes(data.records or b""))}  # type: ignore[arg-type]
        assert magics == {0 if version <= 1 else 1 if version <= 3 else 2}

    scenario(tmp_path, main, 0)


def test_down_conversion_may_be_forbidden(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0], message_downconversion_enable="false")
        await cluster.nodes[0].produce("t", b"a")
        assert (await one(cluster.nodes[0], 3)).error_code == ErrorCode.UNSUPPORTED_VERSION
        assert (await one(cluster.nodes[0], 3, offset=9)).error_code == ErrorCode.UNSUPPORTED_VERSION
        assert (await one(cluster.nodes[0], 4, offset=9)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        assert (await one(cluster.nodes[0], 4)).error_code == ErrorCode.NONE

    scenario(tmp_path, main, 0)


def test_zstd_is_for_clients_that_know_it(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("zstd", [0], compression_type="zstd")
        cluster.create_topic("t", [0])
        batch = build_batch([(now_ms(), None, b"a", ())], codec=4)
        cluster.nodes[0].replicas.append_records(acks=1, timeout_ms=0, entries=[("t", 0, batch)])
        node = cluster.nodes[0]
        assert (await one(node, 9, "zstd")).error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
        assert (await one(node, 10, "zstd")).error_code == ErrorCode.NONE
        assert (await one(node, 3, "t")).error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
        assert values(await one(node, 9, "t")) == [b"a"]

    scenario(tmp_path, main, 0)


def test_an_old_client_may_begin_inside_a_batch(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        await cluster.nodes[0].produce("t", b"a", b"b", b"c")
        assert values(await one(cluster.nodes[0], 0, offset=1)) == [b"b", b"c"]

    scenario(tmp_path, main, 0)


def test_unknown_topics_by_name_and_by_id(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        topic_id = cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        assert (await one(node, 12, "x")).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert (await one(node, 13, b"x" * 16)).error_code == ErrorCode.UNKNOWN_TOPIC_ID
        cluster.partitions["t", 0].topic_id = b"n" * 16
        cluster.update_metadata()
        assert (await one(node, 13, topic_id)).error_code == ErrorCode.UNKNOWN_TOPIC_ID
        data = await one(node, 13, b"n" * 16)
        assert data.error_code == ErrorCode.INCONSISTENT_TOPIC_ID
        assert (data.high_watermark, data.last_stable_offset, data.log_start_offset) == (-1, -1, -1)

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize(("version", "error"), [(5, 6), (6, 56)])
def test_a_storage_error_is_another_one_for_old_clients(tmp_path: Path, version: int, error: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        node.replicas.handle_log_dir_failure(str(node.log_dir))
        assert (await one(node, version)).error_code == error

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize("version", [15, 16])
def test_the_wrong_broker_names_the_right_one_from_version_16(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        topic_id = cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        follower = request((topic_id, 0, 0), max_bytes=1 << 20)
        follower.replica_state = ReplicaState(replica_id=2)
        response = await cluster.nodes[1].call(follower, version)
        (data,) = flat(response).values()
        assert data.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        expected = (0, 0) if version >= 16 else (-1, -1)
        assert (data.current_leader.leader_id, data.current_leader.leader_epoch) == expected
        assert [n.node_id for n in response.node_endpoints] == ([0] if version >= 16 else [])

    scenario(tmp_path, main)


def test_a_session_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0], partitions=2)
        node = cluster.nodes[0]
        opened = await node.call(request(("t", 0, 0), ("t", 1, 0), epoch=0), 12)
        assert opened.session_id > 0
        assert len(flat(opened)) == 2
        session = opened.session_id
        assert flat(await node.call(request(session_id=session, epoch=1), 12)) == {}
        await node.produce("t", b"a", index=1)
        news = flat(await node.call(request(session_id=session, epoch=2), 12))
        assert {key: values(data) for key, data in news.items()} == {("t", 1): [b"a"]}
        wrong = await node.call(request(session_id=session, epoch=2), 12)
        assert (wrong.error_code, flat(wrong)) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, {})
        forget = request(("t", 1, 1), session_id=session, epoch=3)
        forget.forgotten_topics_data = [ForgottenTopic(topic="t", partitions=[0])]
        await node.call(forget, 12)
        kept = node.services.fetch_sessions.get(session)
        assert [(c.request.partition, c.request.fetch_offset) for c in kept.partitions.values()] == [(1, 1)]
        closed = await node.call(request(session_id=session, epoch=-1), 12)
        assert closed.session_id == 0
        gone = await node.call(request(session_id=session, epoch=4), 12)
        assert gone.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND

    scenario(tmp_path, main, 0)


def test_a_topic_that_is_made_after_it_was_asked_for(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        node = cluster.nodes[0]
        cluster.create_topic("other", [0])
        topic_id = cluster.create_topic("t", [0])
        await node.produce("t", b"a")
        node.replicas.metadata._set_topic_id("t", ZERO_UUID)
        opened = await node.call(request((topic_id, 0, 0), epoch=0), 13)
        assert [d.error_code for d in flat(opened).values()] == [ErrorCode.UNKNOWN_TOPIC_ID]
        cluster.update_metadata()
        news = flat(await node.call(request(session_id=opened.session_id, epoch=1), 13))
        assert values(news[topic_id, 0]) == [b"a"]

    scenario(tmp_path, main, 0)


def test_a_fetch_waits_and_is_answered_with_what_came(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        import asyncio

        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        waiting = asyncio.ensure_future(one(node, 12, max_wait_ms=30_000))
        await asyncio.sleep(1)
        assert not waiting.done()
        await node.produce("t", b"a")
        assert values(await waiting) == [b"a"]

    scenario(tmp_path, main, 0)


def test_the_broker_limits_a_response(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0], partitions=2)
        node = cluster.nodes[0]
        for index in (0, 1):
            await node.produce("t", b"x" * 2_000, index=index)
        found = flat(await node.call(request(("t", 0, 0), ("t", 1, 0)), 12))
        assert [len(values(found["t", index])) for index in (0, 1)] == [1, 0]

    scenario(tmp_path, main, 0, fetch_max_bytes=1_024)


def test_read_committed_lists_aborted_transactions(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        await node.produce("t", b"a")
        assert (await one(node, 12, isolation_level=1)).aborted_transactions == []
        assert (await one(node, 12)).aborted_transactions is None

    scenario(tmp_path, main, 0)


def test_one_error_for_the_whole_request() -> None:
    response = k01_fetch.error_response(request(("t", 3, 0)), ErrorCode.UNKNOWN_SERVER_ERROR, None)
    assert response.error_code == -1
    assert [(key, d.error_code, d.high_watermark) for key, d in flat(response).items()] == [
        (("t", 3), -1, -1)
    ]


@pytest.mark.parametrize("version", [12, 13, 17])
def test_a_partition_named_twice_is_answered_once_as_the_last_says(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        for value in (b"a", b"b"):
            await node.produce("t", value)
        name = "t" if version < 13 else node.replicas.partition("t", 0).topic_id
        response = await node.call(request((name, 0, 0), (name, 0, 1)), version)
        (topic,) = response.responses
        (data,) = topic.partitions
        assert values(data) == [b"b"]

    scenario(tmp_path, main, 0)


def test_a_topic_without_a_name_is_one_that_is_not_there(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        response = await cluster.nodes[0].call(request(("", 0, 0)), 4)
        assert [one.error_code for one in flat(response).values()] == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]

    scenario(tmp_path, main, 0)


def test_every_negative_epoch_is_none(tmp_path: Path) -> None:
    """In a Fetch; in ListOffsets and OffsetForLeaderEpoch only -1 is."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        message = request(("t", 0, 0))
        message.topics[0].partitions[0].current_leader_epoch = -2
        response = await cluster.nodes[0].call(message, 12)
        assert flat(response)["t", 0].error_code == 0

    scenario(tmp_path, main, 0)
