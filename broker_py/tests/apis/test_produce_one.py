# SPDX-License-Identifier: Apache-2.0
"""The short way of a Produce against the long one: what it takes, it reads and answers as that does."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commitlog.apis import produce_one
from commitlog.apis.k00_produce import _check, _partition
from commitlog.records.batch import build_batch
from commitlog.replication.produce import AppendResult
from commitlog.wire.errors import ErrorCode
from commitlog.wire.frames import decode_request, decode_request_header, encode_request, encode_response
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from commitlog.wire.messages.produce_response import ProduceResponse, TopicProduceResponse

VERSIONS = range(3, 12)
RECORDS = bytes(build_batch([(1, b"k", b"v" * 300, ())]))


def a_frame(
    version: int,
    topic: str = "orders",
    records: bytes | None = RECORDS,
    acks: int = 1,
    client_id: str | None = "client",
    transactional_id: str | None = None,
    partitions: int = 1,
) -> bytes:
    request = ProduceRequest(
        acks=acks,
        timeout_ms=1500,
        transactional_id=transactional_id,
        topic_data=[
            TopicProduceData(
                name=topic,
                partition_data=[
                    PartitionProduceData(index=7 + number, records=records) for number in range(partitions)
                ],
            )
        ],
    )
    return encode_request(request, version, 77, client_id)[4:]


def agrees_with_the_long_way(frame: bytes) -> bool:
    """Whether the short way takes the frame; it may, only if the long one finds the same in it."""
    one = produce_one.parse(memoryview(bytearray(frame)))
    if one is None:
        return False
    view = memoryview(bytearray(frame))
    header = decode_request_header(view)
    request = decode_request(header, view)
    assert isinstance(request, ProduceRequest)
    (topic,) = request.topic_data
    (data,) = topic.partition_data
    assert (header.api_key, header.api_version, header.correlation_id) == (0, one.version, one.correlation_id)
    assert (request.transactional_id, request.acks, request.timeout_ms) == (None, one.acks, one.timeout_ms)
    assert (topic.name, data.index, data.records) == (one.topic, one.partition, one.records)
    assert _check(one.version, one.records) is None
    return True


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client_id", [None, "", "client"])
def test_the_plain_case_of_every_version_is_taken(version: int, client_id: str | None) -> None:
    assert agrees_with_the_long_way(a_frame(version, client_id=client_id))
    assert agrees_with_the_long_way(a_frame(version, acks=-1, topic="ü" * 50, records=RECORDS))


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_else_is_left_to_the_long_way(version: int) -> None:
    others = [
        a_frame(version, acks=0),
        a_frame(version, acks=2),
        a_frame(version, partitions=2),
        a_frame(version, transactional_id="t"),
        a_frame(version, topic="__consumer_offsets"),
        a_frame(version, topic=""),
        a_frame(version, topic="t" * 128 if version >= 9 else ""),
        a_frame(version, records=None),
        a_frame(version, records=b""),
        a_frame(version, records=RECORDS[:-1]),
        a_frame(version, records=RECORDS + RECORDS),
        a_frame(version, records=bytes(build_batch([(1, None, b"v", ())], is_transactional=True))),
        a_frame(version, records=bytes(build_batch([(1, None, b"v", ())], is_control=True))),
        a_frame(version) + b"\0",
    ]
    assert [produce_one.parse(memoryview(bytearray(frame))) for frame in others] == [None] * len(others)
    zstd = a_frame(version, records=bytes(build_batch([(1, None, b"v", ())], codec=4)))
    assert agrees_with_the_long_way(zstd) is (version >= 7)


def test_other_apis_and_versions_are_left_to_the_long_way() -> None:
    frame = bytearray(a_frame(9))
    for key, version in [(1, 9), (0, 2), (0, 12), (-1, 9), (0, -1)]:
        frame[:4] = key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big", signed=True)
        assert produce_one.parse(memoryview(frame)) is None


@given(
    version=st.sampled_from(VERSIONS),
    client_id=st.none() | st.text(max_size=20),
    changes=st.lists(st.tuples(st.integers(0, 130), st.integers(0, 255)), max_size=4),
    end=st.integers(0, 500),
)
@example(version=9, client_id=None, changes=[(2, 0x7F)], end=500)
def test_broken_frames(version: int, client_id: str | None, changes: list[tuple[int, int]], end: int) -> None:
    """Neither an exception nor another reading than the long way's."""
    frame = bytearray(a_frame(version, client_id=client_id))
    for at, value in changes:
        frame[at] = value
    agrees_with_the_long_way(bytes(frame[:end]))


@given(
    version=st.sampled_from(VERSIONS),
    topic=st.text(min_size=1, max_size=40),
    offset=st.integers(0, 2**63 - 1),
    append_time=st.integers(-1, 2**41),
    log_start=st.integers(0, 2**40),
)
def test_the_answer_is_the_long_way_s_byte_for_byte(
    version: int, topic: str, offset: int, append_time: int, log_start: int
) -> None:
    result = AppendResult(ErrorCode.NONE, offset, offset, append_time, log_start)
    one = produce_one.ProduceOne(version, 77, 1, 1500, topic, 7, memoryview(RECORDS))
    response = ProduceResponse(
        responses=[TopicProduceResponse(name=topic, partition_responses=[_partition(7, result)])]
    )
    assert produce_one.encode(one, result) == b"".join(encode_response(response, version, 77))
