# SPDX-License-Identifier: Apache-2.0
"""Produce through the codec of every version: validation, errors, who closes the connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commitlog.apis import k00_produce
from commitlog.apis.services import RequestContext
from commitlog.records.batch import build_batch
from commitlog.records.header import Record
from commitlog.records.message_set import build_message_set
from commitlog.security.principal import ANONYMOUS
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.frames import RequestHeader
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from commitlog.wire.messages.produce_response import PartitionProduceResponse, ProduceResponse
from tests.replication.cluster import LISTENER, Cluster, Node, now_ms, scenario

VERSIONS = range(12)


def batch(value: bytes = b"v", **options: Any) -> bytearray:
    return build_batch([(now_ms(), b"k", value, ())], **options)


def request(
    *partitions: tuple[str, int, bytes | bytearray | None], acks: int = 1, transactional_id: str | None = None
) -> ProduceRequest:
    return ProduceRequest(
        acks=acks,
        timeout_ms=2_000,
        transactional_id=transactional_id,
        topic_data=[
            TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=index, records=records)])
            for topic, index, records in partitions
        ],
    )


def flat(response: ProduceResponse) -> list[PartitionProduceResponse]:
    return [partition for topic in response.responses for partition in topic.partition_responses]


async def one(
    node: Node, records: bytes | bytearray | None, version: int, **options: Any
) -> PartitionProduceResponse:
    (partition,) = flat(await node.call(request(("t", 0, records), **options), version))
    return partition


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_appends(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        magic = {0: 0, 1: 0, 2: 1}.get(version)
        records = batch() if magic is None else build_message_set([Record(0, 1, b"k", b"v")], magic=magic)
        partition = await one(cluster.nodes[0], records, version)
        assert (partition.error_code, partition.base_offset, partition.index) == (0, 0, 0)
        assert partition.log_append_time_ms == -1
        assert partition.log_start_offset == (0 if version >= 5 else -1)
        assert cluster.nodes[0].values("t") == [b"v"]

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize(
    ("version", "records", "error"),
    [
        (3, lambda: None, ErrorCode.INVALID_RECORD),
        (3, lambda: b"", ErrorCode.INVALID_RECORD),
        (3, lambda: batch() + batch(), ErrorCode.INVALID_RECORD),
        (3, lambda: batch()[:-1], ErrorCode.INVALID_RECORD),
        (3, lambda: build_message_set([Record(0, 1, b"k", b"v")], magic=1), ErrorCode.INVALID_RECORD),
        (6, lambda: batch(codec=4), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (7, lambda: batch(codec=4), ErrorCode.NONE),
        (3, lambda: batch() + b"\0", ErrorCode.NONE),  # the beginning of a second one is ignored
        (3, lambda: batch() + bytes(11) + b"\1" + bytes(60), ErrorCode.CORRUPT_MESSAGE),
        (2, lambda: build_message_set([Record(0, 1, b"k", b"v")], magic=1)[:-1], None),
    ],
)
def test_what_a_version_may_send(tmp_path: Path, version: int, records: Any, error: ErrorCode | None) -> None:
    """None: nothing is appended, which is no error."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        partition = await one(cluster.nodes[0], records(), version)
        assert partition.error_code == (error or ErrorCode.NONE)
        assert partition.base_offset == (0 if error is ErrorCode.NONE else -1)

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        (bytes(8) + b"\0\0\0\1" + bytes(60), "Record size 1 is less than the minimum record overhead (14)"),
        (bytes(11) + b"\x40" + bytes(4) + b"\3" + bytes(60), "Invalid magic found in record: 3"),
    ],
)
def test_what_is_no_batch_fails_the_whole_request(tmp_path: Path, records: bytes, complaint: str) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        for asked in (request(("t", 0, batch()), ("x", 0, records)), request(("t", 0, records))):
            with pytest.raises(KafkaError) as refused:
                await cluster.nodes[0].call(asked, 11)
            assert (refused.value.code, refused.value.message) == (ErrorCode.CORRUPT_MESSAGE, complaint)
        assert cluster.nodes[0].values("t") == []

    scenario(tmp_path, main, 0)


def test_a_partition_named_twice_and_a_topic_without_a_name(tmp_path: Path) -> None:
    """The last records of the partition are appended, and it is answered once; the other is unknown."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        asked = request(("", 0, batch()), ("t", 0, batch(b"first")), ("t", 0, batch(b"last")))
        response = await cluster.nodes[0].call(asked, 11)
        found = {
            (topic.name, each.error_code)
            for topic in response.responses
            for each in topic.partition_responses
        }
        assert found == {("t", ErrorCode.NONE), ("", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)}
        assert len(flat(response)) == 2
        assert cluster.nodes[0].values("t") == [b"last"]

    scenario(tmp_path, main, 0)


def test_known_and_unknown_partitions_in_one_request(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        cluster.create_topic("__consumer_offsets", [0])
        response = await cluster.nodes[0].call(
            request(
                ("t", 0, batch()), ("t", 1, batch()), ("x", 0, batch()), ("__consumer_offsets", 0, batch())
            ),
            9,
        )
        found = {
            (topic.name, partition.index): partition.error_code
            for topic in response.responses
            for partition in topic.partition_responses
        }
        assert found == {
            ("t", 0): ErrorCode.NONE,
            ("t", 1): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ("x", 0): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ("__consumer_offsets", 0): ErrorCode.INVALID_TOPIC_EXCEPTION,
        }

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize("version", [9, 10])
def test_the_wrong_broker_names_the_right_one_from_version_10(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        response = await cluster.nodes[1].call(request(("t", 0, batch())), version)
        (partition,) = flat(response)
        assert partition.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        leader = partition.current_leader
        expected = (0, 0) if version >= 10 else (-1, -1)
        assert (leader.leader_id, leader.leader_epoch) == expected
        nodes = [(node.node_id, node.host, node.port) for node in response.node_endpoints]
        assert nodes == ([(0, "127.0.0.1", 9092)] if version >= 10 else [])

    scenario(tmp_path, main)


def test_acks_all_is_answered_when_the_followers_have_it(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        partition = await one(cluster.nodes[0], batch(b"a"), 9, acks=-1)
        assert (partition.error_code, partition.base_offset) == (0, 0)
        assert cluster.nodes[1].values("t") == [b"a"]
        cluster.partition_network(0, 1)
        assert (await one(cluster.nodes[0], batch(), 9, acks=-1)).error_code == ErrorCode.REQUEST_TIMED_OUT
        assert (await one(cluster.nodes[0], batch(), 9, acks=3)).error_code == ErrorCode.INVALID_REQUIRED_ACKS

    scenario(tmp_path, main)


def without_acks(node: Node, message: ProduceRequest, client_id: str = "") -> tuple[Any, bool]:
    closed: list[bool] = []
    header = RequestHeader(0, 9, 7, client_id, 0)
    context = RequestContext(header, "127.0.0.1", 1, LISTENER, ANONYMOUS, "", lambda: closed.append(True))
    return k00_produce.handle(node.services, context, message), bool(closed)


def test_acks_0_is_not_answered_and_an_error_closes_the_connection(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        assert without_acks(node, request(("t", 0, batch()), acks=0)) == (None, False)
        assert without_acks(node, request(("t", 0, batch()), ("x", 0, batch()), acks=0)) == (None, True)
        assert without_acks(node, request(("t", 0, b""), acks=0)) == (None, True)
        transactional = batch(producer_id=1, producer_epoch=0, base_sequence=0, is_transactional=True)
        assert without_acks(node, request(("t", 0, transactional), acks=0)) == (None, True)
        assert len(node.values("t")) == 2

    scenario(tmp_path, main, 0)


def test_the_admin_client_may_write_into_internal_topics(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("__consumer_offsets", [0])
        message = request(("__consumer_offsets", 0, batch()), acks=0)
        assert without_acks(cluster.nodes[0], message, k00_produce.ADMIN_CLIENT_ID) == (None, False)
        assert len(cluster.nodes[0].values("__consumer_offsets")) == 1

    scenario(tmp_path, main, 0)


def test_transactional_records_need_a_transactional_id(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        transactional = batch(producer_id=1, producer_epoch=0, base_sequence=0, is_transactional=True)
        response = await cluster.nodes[0].call(request(("t", 0, transactional), ("x", 0, batch())), 9)
        assert [p.error_code for p in flat(response)] == [ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED] * 2
        assert cluster.nodes[0].values("t") == []
        assert (await one(cluster.nodes[0], transactional, 9, transactional_id="id")).error_code == 0

    scenario(tmp_path, main, 0)


def test_record_errors_name_the_records_from_version_8(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0], cleanup_policy="compact")
        records = build_batch([(now_ms(), b"k", b"v", ()), (now_ms(), None, b"v", ())])
        partition = await one(cluster.nodes[0], records, 8)
        assert partition.error_code == ErrorCode.INVALID_RECORD
        assert [error.batch_index for error in partition.record_errors] == [1]
        assert partition.error_message
        assert (await one(cluster.nodes[0], records, 7)).record_errors == []

    scenario(tmp_path, main, 0)


def test_one_error_for_the_whole_request() -> None:
    response = k00_produce.error_response(request(("t", 1, b"")), ErrorCode.UNKNOWN_SERVER_ERROR, "why")
    assert response is not None
    (partition,) = flat(response)
    assert (partition.index, partition.error_code, partition.base_offset) == (1, -1, -1)
