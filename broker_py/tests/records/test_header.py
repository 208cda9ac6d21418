# SPDX-License-Identifier: Apache-2.0
"""Headers, CRCs and stamping, to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.records.batch import (
    CorruptBatch,
    build_batch,
    check_crc,
    iterate_headers,
    read_header,
    stamp,
    stamp_log_append_time,
)
from commitlog.records.header import MAGIC_POSITION, increment_sequence
from commitlog.records.message_set import build_message
from commitlog.wire.errors import ErrorCode

# One record, key "k", value "v", written by Apache Kafka 3.9's MemoryRecords.
KAFKA_BATCH = bytes.fromhex(
    "0000000000000000 0000003a ffffffff 02 e99b8dd8 0000 00000000 0000018bcfe56800 0000018bcfe56800"
    "ffffffffffffffff ffff ffffffff 00000001 10000000026b027600"
)


def batch(count: int = 1) -> bytearray:
    return build_batch([(5, b"k", b"v", ())] * count, producer_id=9, producer_epoch=2, base_sequence=3)


def test_the_layout_is_kafkas() -> None:
    header = read_header(KAFKA_BATCH)
    assert header.size == len(KAFKA_BATCH)
    assert (header.base_offset, header.next_offset, header.leader_epoch, header.magic) == (0, 1, -1, 2)
    assert header.max_timestamp == 1_700_000_000_000
    assert build_batch([(1_700_000_000_000, b"k", b"v", ())])[21:] == KAFKA_BATCH[21:]


def test_properties_follow_the_attributes() -> None:
    header = read_header(
        build_batch([(5, b"", b"", ())] * 3, codec=1, base_offset=7, is_transactional=True, is_control=True)
    )
    assert (header.base_offset, header.last_offset, header.next_offset) == (7, 9, 10)
    assert header.codec == 1
    assert header.is_transactional
    assert header.is_control
    assert header.timestamp_type == 0
    assert header.delete_horizon_ms is None


@given(st.integers(0, 2**31 - 1), st.integers(0, 1000))
def test_sequences_wrap_like_kafkas(sequence: int, increment: int) -> None:
    limit = 2**31 - 1
    if sequence > limit - increment:
        assert increment_sequence(sequence, increment) == increment - (limit - sequence) - 1
    else:
        assert increment_sequence(sequence, increment) == sequence + increment


def test_last_sequence() -> None:
    assert read_header(batch(4)).last_sequence == 6
    assert read_header(KAFKA_BATCH).last_sequence == -1


def test_stamping_leaves_the_crc_valid_and_touches_twelve_bytes() -> None:
    data = batch()
    before = bytes(data)
    stamp(data, 0, 2**40, 77)
    header = read_header(data)
    assert (header.base_offset, header.leader_epoch) == (2**40, 77)
    assert check_crc(data, 0, header)
    assert [i for i in range(len(data)) if data[i] != before[i]] == [2, 12, 13, 14, 15]


def test_log_append_time_changes_type_maximum_and_crc() -> None:
    data = batch(2)
    stamp_log_append_time(data, 0, 12345)
    header = read_header(data)
    assert header.timestamp_type == 1
    assert header.max_timestamp == 12345
    assert header.base_timestamp == 5
    assert check_crc(data, 0, header)


def test_every_flipped_bit_under_the_crc_is_seen() -> None:
    data = batch()
    for position in range(16, len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        if position == MAGIC_POSITION:
            with pytest.raises(CorruptBatch):
                read_header(damaged)
        else:
            assert not check_crc(damaged, 0, read_header(damaged)), position


def test_iteration_leaves_a_partial_batch_out() -> None:
    data = batch() + batch(2) + batch(3)
    size = len(batch())
    for cut in range(len(data)):
        headers = [header.record_count for _, header in iterate_headers(data[:cut])]
        expected = [1, 2, 3][: sum(cut >= end for end in (size, size + len(batch(2)), len(data)))]
        assert headers == expected


@pytest.mark.parametrize(
    ("position", "value"),
    [(8, b"\0\0\0\x0d"), (8, b"\xff\xff\xff\xff"), (16, b"\x03"), (16, b"\xff"), (8, b"\0\0\0\x30")],
    ids=["length too small", "negative length", "magic 3", "negative magic", "less than a header"],
)
def test_what_can_be_no_header_is_refused(position: int, value: bytes) -> None:
    data = batch()
    data[position : position + len(value)] = value
    with pytest.raises(CorruptBatch) as failure:
        list(iterate_headers(data))
    assert failure.value.code == ErrorCode.CORRUPT_MESSAGE


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_ignored_but_never_raises_anything_else(data: bytes) -> None:
    try:
        for position, header in iterate_headers(data):
            assert header.size > 0
            check_crc(data, position, header)
    except CorruptBatch:
        pass


def test_messages_read_like_batches() -> None:
    data = build_message(0, 11, -1, b"k", b"v") + build_message(1, 12, 99, None, b"v")
    (_, first), (position, second) = iterate_headers(data)
    assert (first.magic, first.last_offset, first.max_timestamp, first.record_count) == (0, 11, -1, 1)
    assert (second.magic, second.last_offset, second.max_timestamp) == (1, 12, 99)
    assert check_crc(data, 0, first)
    assert check_crc(data, position, second)
