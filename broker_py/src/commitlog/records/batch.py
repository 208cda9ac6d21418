# SPDX-License-Identifier: Apache-2.0
"""Records inside a batch v2 (KIP-98: DefaultRecord, DefaultRecordBatch); the room's one import for batches.

record = varint length, attributes, varint timestamp delta, varint offset delta, key, value, headers; varints
are zig-zag. Broker hot paths never come here: only compaction, conversion, coordinators and tools do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from commitlog.records.compression import compress, decompress
from commitlog.records.header import (
    BATCH_OVERHEAD,
    CODEC_MASK,
    CONTROL_BIT,
    CREATE_TIME,
    DELETE_HORIZON_BIT,
    HEADER,
    LOG_APPEND_TIME,
    LOG_OVERHEAD,
    MAX_INT64,
    MIN_INT64,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
    Buffer,
    Codec,
    CorruptBatch,
    Header,
    Record,
    check_count,
    check_crc,
    compute_crc,
    increment_sequence,
    iterate_headers,
    read_header,
    stamp,
    stamp_log_append_time,
)
from commitlog.records.message_set import build_message_set, decode_messages, downgrade
from commitlog.wire.errors import ErrorCode, KafkaError

__all__ = [
    "BATCH_OVERHEAD",
    "CREATE_TIME",
    "LOG_APPEND_TIME",
    "NO_TIMESTAMP",
    "BatchHeader",
    "Buffer",
    "Codec",
    "CorruptBatch",
    "Header",
    "Record",
    "build_batch",
    "check_crc",
    "decode_records",
    "down_convert",
    "empty_batch",
    "encode_batch",
    "finish_batch",
    "increment_sequence",
    "iterate_headers",
    "read_header",
    "stamp",
    "stamp_log_append_time",
    "up_convert",
]


def decode_records(buf: Buffer, position: int, header: BatchHeader) -> list[Record]:
    """All records of a batch (any magic), decompressed, with absolute offsets. Raises CorruptBatch."""
    if header.magic < 2:
        return decode_messages(buf, position, header)
    check_count(header.record_count)
    body = memoryview(buf)[position + BATCH_OVERHEAD : position + header.size]
    data = decompress(header.codec, body)
    append_time = header.max_timestamp if header.timestamp_type == LOG_APPEND_TIME else None
    records: list[Record] = []
    at = 0
    try:
        for _ in range(header.record_count):
            record, at = _decode_record(data, at, header, append_time)
            records.append(record)
    except (IndexError, UnicodeDecodeError) as reason:
        raise CorruptBatch(
            f"Found invalid record structure after {len(records)} records: {reason}"
        ) from reason
    if at != len(data):
        raise CorruptBatch(f"Incorrect declared batch size, {len(data) - at} bytes still remaining")
    return records


def _decode_record(data: bytes, at: int, header: BatchHeader, append_time: int | None) -> tuple[Record, int]:
    size, at = read_varint(data, at)
    end = at + size
    if size < 0 or end > len(data):
        raise CorruptBatch(f"Invalid record size: {size} bytes where {len(data) - at} are left")
    timestamp_delta, at = read_varint(data, at + 1)  # after the attributes, which are unused
    offset_delta, at = read_varint(data, at)
    key, at = _nullable(data, at, end)
    value, at = _nullable(data, at, end)
    count, at = read_varint(data, at)
    if not 0 <= count <= size:
        raise CorruptBatch(f"Found invalid number of record headers {count}")
    headers: list[Header] = []
    for _ in range(count):
        name, at = _nullable(data, at, end)
        if name is None:
            raise CorruptBatch("Invalid negative header key size")
        content, at = _nullable(data, at, end)
        headers.append((name.decode(), content))
    if at != end:
        raise CorruptBatch(f"Invalid record size: expected to read {size} bytes, but {end - at} remain")
    timestamp = header.base_timestamp + timestamp_delta if append_time is None else append_time
    offset = header.base_offset + offset_delta
    if not (MIN_INT64 <= timestamp <= MAX_INT64 and MIN_INT64 <= offset <= MAX_INT64):
        raise CorruptBatch(f"Offset {offset} or timestamp {timestamp} of a record is out of range")
    return Record(offset, timestamp, key, value, headers), at


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A zig-zag varint and where it ends. Raises CorruptBatch, IndexError at the end of the data."""
    byte = data[at]
    at += 1
    value = byte & 0x7F
    shift = 7
    while byte & 0x80:
        if shift > 63:
            raise CorruptBatch("Varint is too long")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), at


def _nullable(data: bytes, at: int, end: int) -> tuple[bytes | None, int]:
    size, at = read_varint(data, at)
    if size < 0:
        return None, at
    if size > end - at:
        raise CorruptBatch(f"Field of {size} bytes where {end - at} are left")
    return data[at : at + size], at + size


def put_varint(out: bytearray, value: int) -> None:
    """Append a zig-zag varint."""
    value = (value << 1) ^ (value >> 63)
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _put_nullable(out: bytearray, data: bytes | None) -> None:
    if data is None:
        out.append(1)  # zig-zag of -1
        return
    put_varint(out, len(data))
    out += data


def _encode_record(out: bytearray, record: Record, base_offset: int, base_timestamp: int) -> None:
    body = bytearray(1)  # attributes
    put_varint(body, record.timestamp - base_timestamp)
    put_varint(body, record.offset - base_offset)
    _put_nullable(body, record.key)
    _put_nullable(body, record.value)
    put_varint(body, len(record.headers))
    for name, content in record.headers:
        _put_nullable(body, name.encode())
        _put_nullable(body, content)
    put_varint(out, len(body))
    out += body


def encode_batch(header: BatchHeader, records: Sequence[Record], *, level: int | None = None) -> bytearray:
    """A batch with this header's fields and these records; length, crc and record count are computed."""
    body = bytearray()
    for record in records:
        _encode_record(body, record, header.base_offset, header.base_timestamp)
    return finish_batch(header, body, len(records), level=level)


def finish_batch(
    header: BatchHeader, body: bytearray, record_count: int, *, level: int | None = None
) -> bytearray:
    """A batch with this header's fields around encoded records."""
    payload = compress(header.codec, body, level=level) if header.codec else body
    length = BATCH_OVERHEAD - LOG_OVERHEAD + len(payload)
    final = header._replace(batch_length=length, magic=2, crc=0, record_count=record_count)
    out = bytearray(HEADER.pack(*final))
    out += payload
    final = final._replace(crc=compute_crc(out, 0, final))
    HEADER.pack_into(out, 0, *final)
    return out


def build_batch(
    records: Iterable[tuple[int, bytes | None, bytes | None, Sequence[Header]]],
    *,
    codec: int = Codec.NONE,
    base_offset: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    leader_epoch: int = -1,
    is_transactional: bool = False,
    is_control: bool = False,
    log_append_time: int | None = None,
    level: int | None = None,
) -> bytearray:
    """A batch of (timestamp, key, value, headers) with consecutive offsets from base_offset."""
    kept = [Record(base_offset + i, *fields) for i, fields in enumerate(records)]
    if not kept:
        raise ValueError("a batch needs at least one record")
    attributes = codec | is_transactional * TRANSACTIONAL_BIT | is_control * CONTROL_BIT
    max_timestamp = max(r.timestamp for r in kept)
    if log_append_time is not None:
        attributes |= TIMESTAMP_TYPE_BIT
        max_timestamp = log_append_time
    header = BatchHeader(
        base_offset, 0, leader_epoch, 2, 0, attributes, len(kept) - 1, kept[0].timestamp, max_timestamp,
        producer_id, producer_epoch, base_sequence, 0,
    )  # fmt: skip
    return encode_batch(header, kept, level=level)


def empty_batch(header: BatchHeader) -> bytearray:
    """The batch without any record, kept for its producer's last sequence (writeEmptyHeader)."""
    attributes = header.attributes & ~(CODEC_MASK | DELETE_HORIZON_BIT)
    return encode_batch(header._replace(attributes=attributes, base_timestamp=NO_TIMESTAMP), [])


def up_convert(message_set: Buffer) -> bytearray:
    """v0/v1 messages of a Produce v0-v2 as one batch v2 with offsets from 0. Raises CorruptBatch."""
    records: list[Record] = []
    codec: int = Codec.NONE
    for position, header in iterate_headers(message_set):
        if not check_crc(message_set, position, header):
            raise CorruptBatch(f"Record is corrupt (stored crc = {header.crc})")
        codec = codec or header.codec
        records += decode_records(message_set, position, header)
    if not records:
        raise CorruptBatch("Message set holds no whole message")
    return build_batch([r[1:] for r in records], codec=codec)


def down_convert(batches: Buffer, magic: int, *, first_offset: int = 0) -> bytearray:
    """Batches as v0/v1 messages for Fetch v0-v3 (RecordsUtil.downConvert).

    Headers and control batches are dropped; so are records below first_offset, but for compressed batches,
    whose readers skip for themselves. zstd has no old form: UNSUPPORTED_COMPRESSION_TYPE.
    """
    out = bytearray()
    for position, header in iterate_headers(batches):
        if header.magic <= magic:
            out += memoryview(batches)[position : position + header.size]
            continue
        if header.is_control:
            continue
        if header.codec == Codec.ZSTD:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
                f"Down-conversion of zstandard-compressed batches to magic {magic} is not supported",
            )
        records = decode_records(batches, position, header)
        if header.codec == Codec.NONE:
            records = [r for r in records if r.offset >= first_offset]
        out += build_message_set(
            [downgrade(r, magic) for r in records],
            magic=magic,
            codec=header.codec,
            log_append_time=header.timestamp_type == LOG_APPEND_TIME,
        )
    return out
