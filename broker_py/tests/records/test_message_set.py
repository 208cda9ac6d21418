# SPDX-License-Identifier: Apache-2.0
"""Message sets v0/v1: Kafka's bytes, and conversions there and back."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record import MemoryRecords

from commitlog.records.batch import (
    Codec,
    CorruptBatch,
    Record,
    build_batch,
    check_crc,
    decode_records,
    down_convert,
    iterate_headers,
    read_header,
    up_convert,
)
from commitlog.records.control import end_transaction_marker
from commitlog.records.message_set import build_message_set
from commitlog.wire.errors import ErrorCode, KafkaError
from tests.records.kafka_bytes import GOLDEN

CODECS = {"none": Codec.NONE, "gzip": Codec.GZIP, "snappy": Codec.SNAPPY, "lz4": Codec.LZ4}
FIELDS = [(b"k1", b"v1"), (None, b"v2"), (b"k3", None)]
TIMES = [1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_002]


def decode_all(data: bytes | bytearray) -> list[Record]:
    records: list[Record] = []
    for position, header in iterate_headers(data):
        assert check_crc(data, position, header)
        records += decode_records(data, position, header)
    return records


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", list(CODECS))
def test_kafkas_message_sets_are_read(magic: int, codec: str) -> None:
    records = decode_all(bytes.fromhex(GOLDEN[magic, codec]))
    assert [record.offset for record in records] == [0, 1, 2]
    assert [(record.key, record.value) for record in records] == FIELDS
    assert [record.timestamp for record in records] == (TIMES if magic else [-1, -1, -1])


@pytest.mark.parametrize("magic", [0, 1])
def test_plain_message_sets_are_kafkas_to_the_byte(magic: int) -> None:
    records = [Record(i, TIMES[i], *FIELDS[i]) for i in range(3)]
    assert build_message_set(records, magic=magic).hex() == GOLDEN[magic, "none"]


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", list(CODECS))
def test_compressed_message_sets_are_read_back(magic: int, codec: str) -> None:
    records = [Record(40 + 2 * i, TIMES[i] if magic else -1, *FIELDS[i]) for i in range(3)]
    data = build_message_set(records, magic=magic, codec=CODECS[codec])
    assert decode_all(data) == records


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", list(CODECS))
def test_up_conversion_keeps_everything(magic: int, codec: str) -> None:
    batch = up_convert(bytes.fromhex(GOLDEN[magic, codec]))
    header = read_header(batch)
    assert (header.magic, header.base_offset, header.record_count) == (2, 0, 3)
    assert header.codec == CODECS[codec]
    assert [(record.key, record.value) for record in decode_all(batch)] == FIELDS
    assert [record.timestamp for record in decode_all(batch)] == (TIMES if magic else [-1, -1, -1])


def test_up_conversion_refuses_damage() -> None:
    data = bytearray.fromhex(GOLDEN[1, "gzip"])
    data[60] ^= 1
    with pytest.raises(CorruptBatch):
        up_convert(data)
    with pytest.raises(CorruptBatch):
        up_convert(bytes.fromhex(GOLDEN[1, "none"])[:20])


@pytest.mark.parametrize(
    ("magic", "codec"),
    [(0, Codec.NONE), (0, Codec.GZIP), (1, Codec.NONE), (1, Codec.GZIP), (1, Codec.LZ4)],
)
def test_kafka_python_reads_down_converted_batches(magic: int, codec: Codec) -> None:
    records = [(TIMES[i], *FIELDS[i], [("h", b"dropped")]) for i in range(3)]
    data = build_batch(records, codec=codec, base_offset=70) + build_batch(
        records, codec=codec, base_offset=73
    )
    converted = bytes(down_convert(data, magic))
    read = [record for batch in MemoryRecords(converted) for record in batch]
    assert [record.offset for record in read] == list(range(70, 76))
    assert [(record.key, record.value) for record in read] == FIELDS * 2
    assert [record.timestamp for record in read] == (TIMES * 2 if magic else [None] * 6)


def test_down_conversion_drops_control_batches_and_early_records() -> None:
    marker = end_transaction_marker(
        timestamp=1, producer_id=1, producer_epoch=0, committed=True, coordinator_epoch=0
    )
    data = build_batch([(1, None, b"%d" % i, ()) for i in range(5)], base_offset=10) + marker
    converted = decode_all(down_convert(data, 1, first_offset=13))
    assert [record.offset for record in converted] == [13, 14]


def test_down_conversion_keeps_log_append_time() -> None:
    data = build_batch([(1, None, b"v", ())], log_append_time=55)
    for codec in (Codec.NONE, Codec.GZIP):
        data = build_batch([(1, None, b"v", ())] * 2, log_append_time=55, codec=codec)
        converted = down_convert(data, 1)
        assert read_header(converted).timestamp_type == 1
        assert [record.timestamp for record in decode_all(converted)] == [55, 55]


def test_old_messages_are_passed_on_as_they_are() -> None:
    data = bytes.fromhex(GOLDEN[0, "gzip"])
    assert bytes(down_convert(data, 1)) == data


def test_zstd_has_no_old_form() -> None:
    with pytest.raises(KafkaError) as failure:
        down_convert(build_batch([(1, None, b"v", ())], codec=Codec.ZSTD), 1)
    assert failure.value.code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(key for key in GOLDEN if key[0] < 2)), st.data())
def test_damaged_messages_raise_only_kafka_errors(key: tuple[int, str], data: st.DataObject) -> None:
    message_set = bytearray.fromhex(GOLDEN[key])
    position = data.draw(st.integers(12, len(message_set) - 1))
    message_set[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(KafkaError):
        for at, header in iterate_headers(message_set):
            decode_records(message_set, at, header)
