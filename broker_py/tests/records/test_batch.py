# SPDX-License-Identifier: Apache-2.0
"""Records in batches: round trips, Kafka's own bytes, kafka-python as a second reader, damage."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record import MemoryRecords
from kio.records.readers import read_batch

from commitlog.records import header as header_module
from commitlog.records.batch import (
    Codec,
    CorruptBatch,
    Record,
    build_batch,
    check_crc,
    decode_records,
    empty_batch,
    finish_batch,
    iterate_headers,
    put_varint,
    read_header,
)
from commitlog.records.message_set import build_message_set
from commitlog.records.spans import record_spans, refill_batch
from tests.records.kafka_bytes import GOLDEN

EXPECTED = [
    Record(0, 1_700_000_000_000, b"k1", b"v1", []),
    Record(1, 1_700_000_000_001, None, b"v2", []),
    Record(2, 1_700_000_000_002, b"k3", None, []),
]

nullable = st.none() | st.binary(max_size=40)
headers = st.lists(st.tuples(st.text(max_size=5), nullable), max_size=3)
fields = st.tuples(st.integers(-1, 2**60), nullable, nullable, headers)


def decode(data: bytes | bytearray) -> list[Record]:
    return decode_records(data, 0, read_header(data))


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_kafkas_batches_are_read(codec: str) -> None:
    data = bytes.fromhex(GOLDEN[2, codec])
    assert check_crc(data, 0, read_header(data))
    assert decode(data) == EXPECTED


def test_an_uncompressed_batch_is_kafkas_to_the_byte() -> None:
    built = build_batch([record[1:] for record in EXPECTED])
    from_kafka = bytes.fromhex(GOLDEN[2, "gzip"])
    assert decode(built) == decode(from_kafka)
    assert built[12:17] == from_kafka[12:17]
    assert built[21:61] == b"\0\0" + from_kafka[23:61]


@settings(max_examples=60, deadline=None)
@given(st.lists(fields, min_size=1, max_size=8), st.sampled_from(list(Codec)), st.integers(0, 2**50))
def test_what_is_built_is_read_back(
    records: list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]],
    codec: Codec,
    base_offset: int,
) -> None:
    data = build_batch(records, codec=codec, base_offset=base_offset)
    header = read_header(data)
    assert header.record_count == len(records)
    assert header.max_timestamp == max(record[0] for record in records)
    assert check_crc(data, 0, header)
    assert decode(data) == [Record(base_offset + i, *record) for i, record in enumerate(records)]


@settings(max_examples=30, deadline=None)
@given(st.lists(fields, min_size=1, max_size=8), st.sampled_from([Codec.NONE, Codec.GZIP, Codec.LZ4]))
def test_kafka_python_reads_the_same(
    records: list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]], codec: Codec
) -> None:
    data = build_batch(records, codec=codec, base_offset=5)
    batch = MemoryRecords(bytes(data)).next_batch()
    assert batch.validate_crc()
    read = [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in batch]
    assert read == [(5 + i, *record) for i, record in enumerate(records)]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**42), nullable, nullable, headers), min_size=1, max_size=8),
    st.integers(0, 2**50),
)
def test_kio_reads_the_same(
    records: list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]], base_offset: int
) -> None:
    data = build_batch(
        records, base_offset=base_offset, producer_id=3, producer_epoch=4, base_sequence=5, leader_epoch=6
    )
    batch, size = read_batch(bytes(data), 0)
    assert size == len(data)
    assert (batch.base_offset, batch.producer_id, batch.producer_epoch) == (base_offset, 3, 4)
    assert (batch.base_sequence, batch.partition_leader_epoch) == (5, 6)
    assert batch.crc == read_header(data).crc
    assert [(r.offset, r.key, r.value) for r in batch.records] == [
        (base_offset + i, record[1], record[2]) for i, record in enumerate(records)
    ]
    assert [[(h.key, h.value) for h in r.headers] for r in batch.records] == [
        [(name.encode(), value) for name, value in record[3]] for record in records
    ]


def test_log_append_time_is_every_records_time() -> None:
    data = build_batch([(5, None, b"a", ()), (6, None, b"b", ())], log_append_time=77)
    assert [record.timestamp for record in decode(data)] == [77, 77]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_records_raise_only_corrupt_batch(data: st.DataObject) -> None:
    built = build_batch([(5, b"key", b"value", [("h", b"x")])] * 3)
    position = data.draw(st.integers(61, len(built) - 1))
    built[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(CorruptBatch):
        decode(built)


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_damaged_compressed_records_raise_only_corrupt_batch(codec: Codec) -> None:
    good = build_batch([(5, b"key", b"value" * 20, ())] * 30, codec=codec)
    for position in range(61, len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 0x41
        with contextlib.suppress(CorruptBatch):
            decode(damaged)


def test_a_record_count_that_lies_is_noticed() -> None:
    data = build_batch([(5, None, b"a", ())] * 2)
    header = read_header(data)
    for count in (1, 3):
        with pytest.raises(CorruptBatch):
            decode_records(data, 0, header._replace(record_count=count))


def test_an_emptied_batch_keeps_its_header() -> None:
    data = build_batch([(5, b"k", b"v", ())] * 2, producer_id=3, producer_epoch=1, base_sequence=20)
    emptied = empty_batch(read_header(data))
    assert len(emptied) == 61
    assert decode(emptied) == []
    assert read_header(emptied).last_sequence == 21


def crowded(codec: Codec, count: int) -> bytes:
    """A batch of as many records as it says, which are as small as can be and all alike."""
    whole = build_batch([(0, None, None, ())])
    header = read_header(whole)._replace(record_count=count, last_offset_delta=count - 1, attributes=codec)
    return bytes(finish_batch(header, bytearray(whole[61:]) * count, count))


def test_a_batch_of_more_records_than_memory_has_room_for_is_not_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A megabyte of gzip may hold fifty million."""
    assert len(decode(crowded(Codec.GZIP, 1000))) == 1000
    monkeypatch.setattr(header_module, "MAX_RECORDS", 999)
    for data in (crowded(Codec.GZIP, 1000), crowded(Codec.NONE, 1000)):
        with pytest.raises(CorruptBatch, match="1000 records is not opened"):
            decode(data)
        with pytest.raises(CorruptBatch, match="1000 records is not opened"):
            record_spans(data, 0, read_header(data))
    records = [Record(n, -1, None, b"v") for n in range(1000)]
    for magic in (0, 1):
        with pytest.raises(CorruptBatch, match="is not opened"):
            decode(build_message_set(records, magic=magic, codec=Codec.GZIP))
        assert len(list(iterate_headers(build_message_set(records, magic=magic)))) == 1000


@pytest.mark.parametrize("field", ["timestamp", "offset"])
def test_a_record_out_of_range_is_corrupt(field: str) -> None:
    """What cannot be written again: Java's numbers begin anew there."""
    body = bytearray(1)
    put_varint(body, 2**63 if field == "timestamp" else 0)
    put_varint(body, 2**63 if field == "offset" else 0)
    body += bytes([1, 1, 0])
    whole = bytearray()
    put_varint(whole, len(body))
    header = read_header(build_batch([(0, None, None, ())]))
    data = finish_batch(header, whole + body, 1)
    with pytest.raises(CorruptBatch, match="out of range"):
        decode(data)
    if field == "timestamp":
        with pytest.raises(CorruptBatch, match="out of range"):
            refill_batch(header, *record_spans(data, 0, read_header(data)))
