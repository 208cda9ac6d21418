# SPDX-License-Identifier: Apache-2.0
"""Message sets v0/v1, the format before KIP-98: parse, build, convert (LegacyRecord, RecordsUtil).

A message is offset, size, CRC-32, magic, attributes, in v1 a timestamp, key, value. A compressed one is a
wrapper whose value is the compressed inner set: with absolute offsets inside in v0, in v1 relative ones and
the wrapper carrying the offset of its last (KIP-31, KIP-32).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from struct import Struct
from struct import error as struct_error

from commitlog.records.compression import compress, decompress
from commitlog.records.header import (
    LOG_APPEND_TIME,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_BIT,
    BatchHeader,
    Buffer,
    Codec,
    CorruptBatch,
    Record,
    check_count,
    check_crc,
    iterate_headers,
)

_INT32 = Struct(">i")
_OFFSET_SIZE = Struct(">qi")
_CRC = Struct(">I")
_V0_BODY = Struct(">bb")
_V1_BODY = Struct(">bbq")


def decode_messages(buf: Buffer, position: int, header: BatchHeader) -> list[Record]:
    """The records of a v0/v1 message, of all its inner ones when it is compressed."""
    key, value = _key_and_value(buf, position, header)
    if header.codec == Codec.NONE:
        return [Record(header.base_offset, header.max_timestamp, key, value)]
    if value is None:
        raise CorruptBatch("Found invalid compressed record set with null value")
    return _decode_inner(decompress(header.codec, value, magic=header.magic), header)


def _decode_inner(inner: bytes, wrapper: BatchHeader) -> list[Record]:
    records: list[Record] = []
    consumed = 0
    for position, header in iterate_headers(inner):
        if header.magic != wrapper.magic:
            raise CorruptBatch(f"Compressed message magic {wrapper.magic} holds a message of {header.magic}")
        if header.codec != Codec.NONE:
            raise CorruptBatch("Compressed outer record should not have a compressed inner record")
        if not check_crc(inner, position, header):
            raise CorruptBatch(f"Record is corrupt (stored crc = {header.crc}) inside a compressed message")
        check_count(len(records) + 1)
        records.append(decode_messages(inner, position, header)[0])
        consumed = position + header.size
    if not records or consumed != len(inner):
        raise CorruptBatch("Found invalid compressed record set: it is empty or cut short")
    if wrapper.magic == 0:
        return records
    base = wrapper.base_offset - records[-1].offset
    if wrapper.timestamp_type == LOG_APPEND_TIME:
        return [r._replace(offset=base + r.offset, timestamp=wrapper.max_timestamp) for r in records]
    return [r._replace(offset=base + r.offset) for r in records]


def _key_and_value(buf: Buffer, position: int, header: BatchHeader) -> tuple[bytes | None, bytes | None]:
    end = position + header.size
    at = position + (18 if header.magic == 0 else 26)
    key, at = _nullable_bytes(buf, at, end)
    value, _ = _nullable_bytes(buf, at, end)  # what comes after it no version of Kafka looks at
    return key, value


def _nullable_bytes(buf: Buffer, at: int, end: int) -> tuple[bytes | None, int]:
    try:
        size = _INT32.unpack_from(buf, at)[0]
    except struct_error as reason:
        raise CorruptBatch("Message is cut short") from reason
    at += 4
    if size < 0:
        return None, at
    if size > end - at:
        raise CorruptBatch(f"Message field of {size} bytes where {end - at} are left")
    return bytes(buf[at : at + size]), at + size


def build_message(
    magic: int, offset: int, timestamp: int, key: bytes | None, value: bytes | None, attributes: int = 0
) -> bytes:
    """One message of magic 0 or 1."""
    body = _V0_BODY.pack(0, attributes) if magic == 0 else _V1_BODY.pack(1, attributes, timestamp)
    for field in (key, value):
        body += _INT32.pack(-1) if field is None else _INT32.pack(len(field)) + field
    return _OFFSET_SIZE.pack(offset, len(body) + 4) + _CRC.pack(zlib.crc32(body)) + body


def build_message_set(
    records: Iterable[Record], *, magic: int, codec: int = Codec.NONE, log_append_time: bool = False
) -> bytearray:
    """A message set of the records at their offsets; with a codec, one wrapper that holds them all."""
    kept = list(records)
    time_bit = TIMESTAMP_TYPE_BIT if log_append_time and magic == 1 else 0
    out = bytearray()
    if codec == Codec.NONE or not kept:
        for r in kept:
            out += build_message(magic, r.offset, r.timestamp, r.key, r.value, time_bit)
        return out
    base = kept[0].offset if magic == 1 else 0
    for r in kept:
        out += build_message(magic, r.offset - base, r.timestamp, r.key, r.value, time_bit)
    timestamp = max(r.timestamp for r in kept)
    value = compress(codec, out, magic=magic)
    return bytearray(build_message(magic, kept[-1].offset, timestamp, None, value, codec | time_bit))


def downgrade(record: Record, magic: int) -> Record:
    """record as a message of this magic can hold it: without headers, in v0 without timestamp."""
    return Record(record.offset, record.timestamp if magic else NO_TIMESTAMP, record.key, record.value)
