# SPDX-License-Identifier: Apache-2.0
"""Record batch v2 (KIP-98's DefaultRecordBatch): header, CRC, stamping, records.

Also reads the header of messages v0/v1, since old segments and old clients hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview
Header = tuple[str, bytes | None]
NO_TIMESTAMP = -1


class Codec(IntEnum):
    """Compression codecs by their number in a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class BatchHeader(NamedTuple):
    """The 61 bytes before a batch's records, in wire order. Of a v0/v1 message: offset is the last one."""

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
        return self.batch_length + 12

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def codec(self) -> int:
        return self.attributes & 7

    @property
    def timestamp_type(self) -> int:
        """0 CreateTime, 1 LogAppendTime."""
        return (self.attributes >> 3) & 1

    @property
    def is_transactional(self) -> bool:
        return self.attributes & 0x10 != 0

    @property
    def is_control(self) -> bool:
        return self.attributes & 0x20 != 0

    @property
    def has_delete_horizon(self) -> bool:
        return self.attributes & 0x40 != 0

    @property
    def last_sequence(self) -> int:
        """Of an idempotent producer's batch, wrapping at 2^31; -1 without a sequence."""
        raise NotImplementedError


class Record(NamedTuple):
    """One record with its absolute offset and timestamp."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


def read_header(buf: Buffer, position: int = 0) -> BatchHeader:
    """The header at position. Raises CorruptBatch (a KafkaError CORRUPT_MESSAGE) when it cannot be one."""
    raise NotImplementedError


def iterate_headers(buf: Buffer) -> Iterator[tuple[int, BatchHeader]]:
    """(position, header) of every whole batch; a partial one at the end is left out."""
    raise NotImplementedError


def check_crc(buf: Buffer, position: int, header: BatchHeader) -> bool:
    """Does the stored CRC match the bytes?"""
    raise NotImplementedError


def stamp(buf: bytearray | memoryview, position: int, base_offset: int, leader_epoch: int) -> None:
    """Write the base offset and the partition leader epoch in place; neither is under the CRC."""
    raise NotImplementedError


def decode_records(buf: Buffer, position: int, header: BatchHeader) -> list[Record]:
    """All records of a batch (any magic), decompressed, with absolute offsets."""
    raise NotImplementedError


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
) -> bytearray:
    """A batch of (timestamp, key, value, headers) with consecutive offsets from base_offset."""
    raise NotImplementedError
