# SPDX-License-Identifier: Apache-2.0
"""Where the records of a batch v2 are, and what compaction asks of them, without taking them apart.

A record keeps its offset delta, key, value and headers when others of its batch go; its length and timestamp
delta alone are written anew, since the base timestamp becomes that of the first record that is left
(MemoryRecords.filterTo).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from commitlog.records.batch import finish_batch, put_varint, read_varint
from commitlog.records.compression import decompress
from commitlog.records.header import (
    BATCH_OVERHEAD,
    CREATE_TIME,
    DELETE_HORIZON_BIT,
    LOG_APPEND_TIME,
    MAX_INT64,
    MIN_INT64,
    BatchHeader,
    Buffer,
    CorruptBatch,
    check_count,
)


class RecordSpan(NamedTuple):
    """One record in the decompressed data of its batch."""

    offset: int
    timestamp: int
    key: bytes | None
    has_value: bool
    start: int
    """Where its offset delta begins."""
    end: int


def _opened(buf: Buffer, position: int, header: BatchHeader) -> bytes:
    check_count(header.record_count)
    return decompress(header.codec, memoryview(buf)[position + BATCH_OVERHEAD : position + header.size])


def record_keys(buf: Buffer, position: int, header: BatchHeader) -> list[tuple[int, bytes | None]]:
    """Offset and key of each record of a batch with magic 2. Raises CorruptBatch."""
    data = _opened(buf, position, header)
    base_offset = header.base_offset
    keys: list[tuple[int, bytes | None]] = []
    at = 0
    try:
        for _ in range(header.record_count):
            size, at = read_varint(data, at)
            end = at + size
            if size < 0 or end > len(data):
                raise CorruptBatch(f"Invalid record size: {size} bytes where {len(data) - at} are left")
            at += 1  # the attributes, which are unused
            while data[at] > 0x7F:  # the timestamp
                at += 1
            if (byte := data[at + 1]) < 0x80:
                offset_delta, at = (byte >> 1) ^ -(byte & 1), at + 2
            else:
                offset_delta, at = read_varint(data, at + 1)
            if (byte := data[at]) < 0x80:
                length, at = (byte >> 1) ^ -(byte & 1), at + 1
            else:
                length, at = read_varint(data, at)
            if at + max(length, 0) > end:
                raise CorruptBatch(f"Invalid record: its key reaches beyond its {size} bytes")
            keys.append((base_offset + offset_delta, data[at : at + length] if length >= 0 else None))
            at = end
    except IndexError as reason:
        raise CorruptBatch(f"Found invalid record structure after {len(keys)} records: {reason}") from reason
    if at != len(data):
        raise CorruptBatch(f"Incorrect declared batch size, {len(data) - at} bytes still remaining")
    return keys


def record_spans(buf: Buffer, position: int, header: BatchHeader) -> tuple[bytes, list[RecordSpan]]:
    """The decompressed data of a batch with magic 2 and the spans of its records. Raises CorruptBatch."""
    data = _opened(buf, position, header)
    base_offset, base_timestamp = header.base_offset, header.base_timestamp
    append_time = header.max_timestamp if header.timestamp_type == LOG_APPEND_TIME else None
    spans: list[RecordSpan] = []
    at = 0
    try:
        for _ in range(header.record_count):
            # Varints of one byte are most, and are read here: a call for each is a third of the time.
            size, at = read_varint(data, at)
            end = at + size
            if size < 0 or end > len(data):
                raise CorruptBatch(f"Invalid record size: {size} bytes where {len(data) - at} are left")
            at += 1  # the attributes, which are unused
            if (byte := data[at]) < 0x80:
                timestamp_delta, start = (byte >> 1) ^ -(byte & 1), at + 1
            else:
                timestamp_delta, start = read_varint(data, at)
            if (byte := data[start]) < 0x80:
                offset_delta, at = (byte >> 1) ^ -(byte & 1), start + 1
            else:
                offset_delta, at = read_varint(data, start)
            if (byte := data[at]) < 0x80:
                length, at = (byte >> 1) ^ -(byte & 1), at + 1
            else:
                length, at = read_varint(data, at)
            key = None
            if length >= 0:
                key = data[at : at + length]
                at += length
            length, at = read_varint(data, at)
            if at + max(length, 0) > end:
                raise CorruptBatch(f"Invalid record: its key and value reach beyond its {size} bytes")
            timestamp = base_timestamp + timestamp_delta if append_time is None else append_time
            spans.append(RecordSpan(base_offset + offset_delta, timestamp, key, length >= 0, start, end))
            at = end
    except IndexError as reason:
        raise CorruptBatch(f"Found invalid record structure after {len(spans)} records: {reason}") from reason
    if at != len(data):
        raise CorruptBatch(f"Incorrect declared batch size, {len(data) - at} bytes still remaining")
    return data, spans


def refill_batch(
    header: BatchHeader, data: bytes, kept: Sequence[RecordSpan], *, delete_horizon_ms: int | None = None
) -> bytearray:
    """The batch with only these of its records left, as compaction writes it (MemoryRecords.filterTo).

    Offset range and producer fields stay, so that sequence numbers survive; a delete horizon (KIP-534) takes
    the place of the base timestamp.
    """
    horizon = header.delete_horizon_ms if delete_horizon_ms is None else delete_horizon_ms
    attributes, base_timestamp = header.attributes, kept[0].timestamp
    if horizon is not None:
        attributes, base_timestamp = attributes | DELETE_HORIZON_BIT, horizon
    max_timestamp = header.max_timestamp
    if header.timestamp_type == CREATE_TIME:
        max_timestamp = max(span.timestamp for span in kept)
    for timestamp in (base_timestamp, max_timestamp):
        if not MIN_INT64 <= timestamp <= MAX_INT64:
            raise CorruptBatch(f"Timestamp {timestamp} of a record is out of range")
    body = bytearray()
    for _, timestamp, _, _, start, end in kept:
        front = bytearray(1)  # attributes
        put_varint(front, timestamp - base_timestamp)
        put_varint(body, len(front) + end - start)
        body += front
        body += data[start:end]
    changed = header._replace(
        attributes=attributes, base_timestamp=base_timestamp, max_timestamp=max_timestamp
    )
    return finish_batch(changed, body, len(kept))
