# SPDX-License-Identifier: Apache-2.0
"""Record data that no producer should send: every field of a batch and of a record set wrong, its checksum
right, in every format and codec."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

from crc32c import crc32c

from commitlog.records.batch import build_batch
from commitlog.records.compression import compress
from commitlog.records.header import Codec, Record
from commitlog.records.message_set import build_message_set

TIME = 1_700_000_000_000
THREE: list[Any] = [(TIME + n, b"k%d" % n, b"value %d" % n, (("h", b"x"),)) for n in range(3)]
HEADER_BYTES = 61

# Where the fields of a batch of format 2 are, and values that they should not have.
FIELDS: dict[str, tuple[int, str, tuple[int, ...]]] = {
    "base offset": (0, ">q", (-1, 5, 2**62)),
    "length": (8, ">i", (-1, 0, 10, 48, 49, 10_000, 2**31 - 1)),
    "leader epoch": (12, ">i", (-2, 7, 2**31 - 1)),
    "magic": (16, ">b", (-1, 0, 1, 3, 127)),
    "attributes": (21, ">h", (5, 6, 7, 8, 16, 32, 48, 64, -1, 2**14)),
    "last offset delta": (23, ">i", (-1, 0, 1, 3, 2**31 - 1)),
    "base timestamp": (27, ">q", (-2, -1, 0, 2**62)),
    "max timestamp": (35, ">q", (-2, -1, 0, 2**62)),
    "producer id": (43, ">q", (-2, 0, 7_777)),
    "producer epoch": (51, ">h", (-2, 0, 5)),
    "base sequence": (53, ">i", (-2, 0, 5, 2**31 - 1)),
    "count": (57, ">i", (-1, 0, 1, 2, 4, 1_000, 2**31 - 1)),
}


def varint(value: int) -> bytes:
    number = (value << 1) ^ (value >> 63)
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def record(
    *,
    length: int | None = None,
    attributes: int = 0,
    time: int = 0,
    offset: int = 0,
    key: bytes = varint(1) + b"k",
    value: bytes = varint(1) + b"v",
    headers: bytes = varint(0),
) -> bytes:
    body = bytes([attributes]) + varint(time) + varint(offset) + key + value + headers
    return varint(len(body) if length is None else length) + body


def bad_records() -> Iterator[tuple[str, list[bytes]]]:
    good = record()
    yield "records that are cut", [good[:-2]]
    yield "a byte after the records", [good, b"\0"]
    yield "a record's attributes", [record(attributes=0x7F)]
    yield "a time before", [record(time=-5)]
    yield "a time far away", [record(time=2**40)]
    yield "no offset delta of its own", [good, good]
    yield "an offset delta that is skipped", [good, record(offset=2)]
    yield "a negative offset delta", [record(offset=-1)]
    for length in (-1, 0, 3, 100, 2**31 - 1):
        yield f"a record's length {length}", [record(length=length)]
    for size in (-1, -2, 50, 2**31 - 1):
        yield f"a key's length {size}", [record(key=varint(size))]
        yield f"a value's length {size}", [record(value=varint(size))]
    for count in (-1, 1, 5, 2**31 - 1):
        yield f"{count} headers", [record(headers=varint(count))]
    yield "a header without a key", [record(headers=varint(1) + varint(-1) + varint(0))]
    yield "a header's key of no UTF-8", [record(headers=varint(1) + varint(1) + b"\xff" + varint(0))]
    yield "a varint without end", [b"\xff" * 11 + good]


def batch_of(records: list[bytes], codec: Codec = Codec.NONE, count: int | None = None) -> bytes:
    whole = b"".join(records)
    head = bytearray(build_batch(THREE[:1])[:HEADER_BYTES])
    number = len(records) if count is None else count
    struct.pack_into(">h", head, 21, int(codec))
    struct.pack_into(">i", head, 23, number - 1)
    struct.pack_into(">i", head, 57, number)
    return sealed(head + (compress(codec, whole) if codec else whole))


def sealed(data: bytes | bytearray) -> bytes:
    """With the length and the checksum that it has."""
    data = bytearray(data)
    struct.pack_into(">i", data, 8, len(data) - 12)
    struct.pack_into(">I", data, 17, crc32c(memoryview(data)[21:]))
    return bytes(data)


def bad_batches() -> Iterator[tuple[str, int, bytes]]:
    """What it is, the version of Produce that sends it, and the data."""
    for version in (3, 11):
        for what, data in of_today():
            yield f"{what}, version {version}", version, data
    for version, magic in ((0, 0), (1, 0), (2, 1)):
        for what, data in of_old(magic):
            yield f"{what}, version {version}", version, data


def of_today() -> Iterator[tuple[str, bytes]]:
    good = bytes(build_batch(THREE))
    yield "a good one", good
    yield "nothing", b""
    for size in (1, 11, 12, 16, 17, 30, 60, 61, len(good) - 1):
        yield f"cut to {size}", good[:size]
    yield "two batches", good + good
    yield "a byte more", good + b"\0"
    yield "a wrong checksum", good[:17] + b"\0\0\0\0" + good[21:]
    for name, (at, layout, values) in FIELDS.items():
        for value in values:
            changed = bytearray(good)
            struct.pack_into(layout, changed, at, value)
            yield f"{name} {value}", bytes(changed) if at < 17 else sealed(changed)
    yield "too large", bytes(build_batch([(TIME, None, b"x" * 5_000, ())]))
    yield "too large when open", bytes(build_batch([(TIME, None, b"x" * 5_000, ())], codec=Codec.GZIP))
    yield "a control batch", bytes(build_batch(THREE[:1], is_control=True, producer_id=1, producer_epoch=0))
    yield (
        "without its transaction",
        bytes(build_batch(THREE, is_transactional=True, producer_id=1, producer_epoch=0, base_sequence=0)),
    )
    for magic in (0, 1):
        yield (
            f"of format {magic}",
            bytes(build_message_set([Record(n, *each[:3]) for n, each in enumerate(THREE)], magic=magic)),
        )


def bad_contents() -> Iterator[tuple[str, bytes]]:
    """Batches whose headers are right, with records that are not."""
    for codec in (Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD):
        for what, records in bad_records():
            yield f"{what}, {codec.name}", batch_of(records, codec)
        for count in (0, 1, 4):
            yield (
                f"{count} for 3 records, {codec.name}",
                batch_of([record(offset=n) for n in range(3)], codec, count),
            )
    for codec in (Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD):
        squeezed = bytearray(build_batch(THREE, codec=codec))
        yield f"garbage for {codec.name}", sealed(squeezed[:HEADER_BYTES] + b"garbage" * 5)
        yield f"cut {codec.name}", sealed(squeezed[:-6])
        yield f"nothing in {codec.name}", sealed(squeezed[:HEADER_BYTES])


def of_old(magic: int) -> Iterator[tuple[str, bytes]]:
    records = [Record(n, *each[:3]) for n, each in enumerate(THREE)]
    time = 8 if magic else 0
    for codec in (Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4):
        good = bytes(build_message_set(records, magic=magic, codec=codec))
        yield f"a good one, {codec.name}", good
        yield f"twice, {codec.name}", good + good
        for size in (5, 12, 20, 26, len(good) - 1):
            yield f"cut to {size}, {codec.name}", good[:size]
        for name, at, layout, values in (
            ("size", 8, ">i", (-1, 0, 5, 13, 14, 10_000)),
            ("checksum", 12, ">I", (0,)),
            ("magic", 16, ">b", (-1, 0, 1, 2, 3)),
            ("attributes", 17, ">b", (0, 1, 2, 3, 4, 7, 8, 127, -1)),
            ("key length", 18 + time, ">i", (-2, -1, 1_000)),
            ("value length", 22 + time + (2 if codec is Codec.NONE else 0), ">i", (-2, -1, 1_000)),
        ):
            for value in values:
                changed = bytearray(good)
                struct.pack_into(layout, changed, at, value)
                if name not in ("size", "checksum"):
                    end = 12 + struct.unpack_from(">i", good, 8)[0]
                    struct.pack_into(">I", changed, 12, zlib.crc32(changed[16:end]))
                yield f"{name} {value}, {codec.name}", bytes(changed)
    yield "of format 2", bytes(build_batch(THREE))
