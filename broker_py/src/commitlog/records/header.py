# SPDX-License-Identifier: Apache-2.0
"""The fixed part of a record batch: header, CRC, stamping (DefaultRecordBatch, KIP-98), all without copying.

Messages v0/v1 of old segments and clients share the place of offset, length and magic, so one reader serves
all three formats; it gives them the shape of a v2 header. This is the hot path: one unpack per batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from enum import IntEnum
from struct import Struct, error
from typing import NamedTuple

from crc32c import crc32c

from commitlog.wire.errors import ErrorCode, KafkaError

Buffer = bytes | bytearray | memoryview
Header = tuple[str, bytes | None]

NO_TIMESTAMP = -1
CREATE_TIME = 0
LOG_APPEND_TIME = 1

CODEC_MASK = 0x07
TIMESTAMP_TYPE_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20
DELETE_HORIZON_BIT = 0x40

LOG_OVERHEAD = 12  # offset and length, before what the length counts
MAGIC_POSITION = 16
HEADER_SIZE_UP_TO_MAGIC = 17
BATCH_OVERHEAD = 61
MESSAGE_OVERHEAD_V0 = 14  # crc, magic, attributes, key and value length
MESSAGE_OVERHEAD_V1 = 22
MAX_SEQUENCE = 2**31 - 1
MAX_RECORDS = 2**20
"""In a batch that is opened. A megabyte of gzip can hold fifty million, which would fill the memory of the
broker that takes them apart; no producer's batch.size holds so many."""
MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1

HEADER = Struct(">qiibIhiqqqhii")
_OFFSET_AND_LENGTH = Struct(">qi")
_MESSAGE_V0 = Struct(">qiIbb")
_MESSAGE_V1 = Struct(">qiIbbq")
_OFFSET = Struct(">q")
_EPOCH = Struct(">i")
_CRC_AND_ATTRIBUTES = Struct(">Ih")
_CRC_POSITION = 17
_CRC_START = 21
_MAX_TIMESTAMP_POSITION = 35


class Codec(IntEnum):
    """Compression codecs by their number in a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class CorruptBatch(KafkaError):
    """The bytes are no record batch, or its CRC or contents are wrong: CORRUPT_MESSAGE on the wire."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.CORRUPT_MESSAGE, message)


class BatchHeader(NamedTuple):
    """The 61 bytes before a batch's records, in wire order.

    Of a v0/v1 message the base offset is its own offset, which for a compressed one is its *last* record's.
    """

    base_offset: int
    batch_length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Total bytes, including offset and length."""
        return self.batch_length + LOG_OVERHEAD

    @property
    def last_offset(self) -> int:
        """Offset of the last record (also when compaction has removed it)."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """Offset after this batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def codec(self) -> int:
        """Compression, see Codec."""
        return self.attributes & CODEC_MASK

    @property
    def timestamp_type(self) -> int:
        """CREATE_TIME or LOG_APPEND_TIME."""
        return (self.attributes & TIMESTAMP_TYPE_BIT) >> 3

    @property
    def is_transactional(self) -> bool:
        """Part of a transaction (its marker too)."""
        return self.attributes & TRANSACTIONAL_BIT != 0

    @property
    def is_control(self) -> bool:
        """Holds a control record, which no consumer sees."""
        return self.attributes & CONTROL_BIT != 0

    @property
    def delete_horizon_ms(self) -> int | None:
        """When compaction may drop the batch's tombstones (KIP-534); the base timestamp's place holds it."""
        return self.base_timestamp if self.attributes & DELETE_HORIZON_BIT else None

    @property
    def last_sequence(self) -> int:
        """Of an idempotent producer's batch, wrapping at 2^31; -1 without a sequence."""
        if self.base_sequence < 0:
            return -1
        return increment_sequence(self.base_sequence, self.last_offset_delta)


class Record(NamedTuple):
    """One record with its absolute offset and timestamp."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


def check_count(count: int) -> None:
    """Raises CorruptBatch for more records than a batch may have that is opened."""
    if count > MAX_RECORDS:
        raise CorruptBatch(f"A batch of {count} records is not opened: more than {MAX_RECORDS} are not held")


def increment_sequence(sequence: int, increment: int) -> int:
    """Sequence numbers run 0..2^31-1 and begin again at 0 (DefaultRecordBatch.incrementSequence)."""
    return (sequence + increment) & MAX_SEQUENCE


def read_header(buf: Buffer, position: int = 0) -> BatchHeader:
    """The header at position. Raises CorruptBatch when there can be none; looks at no byte beyond it."""
    try:
        header = BatchHeader._make(HEADER.unpack_from(buf, position))
    except error:
        return _read_short_header(buf, position)
    if header.magic != 2:
        return _read_message_header(buf, position)
    if header.batch_length < BATCH_OVERHEAD - LOG_OVERHEAD:
        raise CorruptBatch(f"Batch length {header.batch_length} is less than the minimum batch overhead")
    return header


def _read_short_header(buf: Buffer, position: int) -> BatchHeader:
    """Fewer than 61 bytes are left: only a v0/v1 message fits."""
    if len(buf) - position < LOG_OVERHEAD + MESSAGE_OVERHEAD_V0 or buf[position + MAGIC_POSITION] == 2:
        raise CorruptBatch(f"{max(len(buf) - position, 0)} bytes are too few for a batch header")
    return _read_message_header(buf, position)


def _read_message_header(buf: Buffer, position: int) -> BatchHeader:
    offset, length, crc, magic, attributes = _MESSAGE_V0.unpack_from(buf, position)
    timestamp = NO_TIMESTAMP
    minimum = MESSAGE_OVERHEAD_V0
    if magic == 1:
        minimum = MESSAGE_OVERHEAD_V1
        if len(buf) - position < LOG_OVERHEAD + minimum:
            raise CorruptBatch(f"{len(buf) - position} bytes are too few for a message of magic 1")
        timestamp = _MESSAGE_V1.unpack_from(buf, position)[5]
    elif magic != 0:
        raise CorruptBatch(f"Invalid magic found in record: {magic}")
    if length < minimum:
        raise CorruptBatch(f"Record size {length} is less than the minimum record overhead ({minimum})")
    attributes &= CODEC_MASK | (TIMESTAMP_TYPE_BIT if magic else 0)
    count = 1 if attributes & CODEC_MASK == 0 else -1
    return BatchHeader(
        offset, length, -1, magic, crc, attributes, 0, timestamp, timestamp, -1, -1, -1, count
    )  # fmt: skip


def iterate_headers(buf: Buffer) -> Iterator[tuple[int, BatchHeader]]:
    """(position, header) of every whole batch; a partial one at the end is left out, as in Kafka."""
    position = 0
    end = len(buf)
    while end - position >= HEADER_SIZE_UP_TO_MAGIC:
        length = _OFFSET_AND_LENGTH.unpack_from(buf, position)[1]
        if length < MESSAGE_OVERHEAD_V0:
            raise CorruptBatch(f"Record size {length} is less than the minimum record overhead (14)")
        if end - position < LOG_OVERHEAD + length:
            return
        header = read_header(buf, position)
        yield position, header
        position += header.batch_length + LOG_OVERHEAD


def compute_crc(buf: Buffer, position: int, header: BatchHeader) -> int:
    """CRC-32C of a batch's bytes, CRC-32 of a message's."""
    end = position + header.batch_length + LOG_OVERHEAD
    if header.magic == 2:
        return crc32c(memoryview(buf)[position + _CRC_START : end])
    return zlib.crc32(memoryview(buf)[position + MAGIC_POSITION : end])


def check_crc(buf: Buffer, position: int, header: BatchHeader) -> bool:
    """Does the stored CRC match the bytes? False also when some of them are missing."""
    if len(buf) - position < header.batch_length + LOG_OVERHEAD:
        return False
    return compute_crc(buf, position, header) == header.crc


def stamp(buf: bytearray | memoryview, position: int, base_offset: int, leader_epoch: int) -> None:
    """Write the base offset and the partition leader epoch in place; neither is under the CRC."""
    _OFFSET.pack_into(buf, position, base_offset)
    _EPOCH.pack_into(buf, position + LOG_OVERHEAD, leader_epoch)


def stamp_log_append_time(buf: bytearray | memoryview, position: int, now_ms: int) -> None:
    """Make LogAppendTime of a batch: attribute bit, max timestamp and CRC change, the records do not."""
    header = read_header(buf, position)
    _OFFSET.pack_into(buf, position + _MAX_TIMESTAMP_POSITION, now_ms)
    attributes = header.attributes | TIMESTAMP_TYPE_BIT
    _CRC_AND_ATTRIBUTES.pack_into(buf, position + _CRC_POSITION, 0, attributes)
    crc = compute_crc(buf, position, header)
    _CRC_AND_ATTRIBUTES.pack_into(buf, position + _CRC_POSITION, crc, attributes)
