# SPDX-License-Identifier: Apache-2.0
"""The four codecs in Kafka's framings (CompressionType, KIP-110, KIP-390).

gzip is RFC 1952. snappy has the xerial framing of snappy-java; a bare snappy block is read too, as
SnappyInputStream does. lz4 is the LZ4 frame format with independent blocks of 64 KiB; messages of magic 0
carry a header checksum over too many bytes (KAFKA-3160), which readers of magic 0 ignore. zstd is RFC 8878.
What comes out is bounded, so that a small batch cannot make the broker grow without limit.
"""

from __future__ import annotations

import zlib
from struct import Struct
from struct import error as struct_error

import cramjam

from commitlog.records.header import Buffer, Codec, CorruptBatch
from commitlog.wire.errors import ErrorCode, KafkaError

MAX_DECOMPRESSED_BYTES = 512 * 1024 * 1024

_GZIP_FIRST_WINDOW = 512
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL_MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_BLOCK = 32 * 1024
_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_LZ4_BLOCK = 64 * 1024
_LZ4_DESCRIPTOR = b"\x60\x40"  # version 1, independent blocks, no checksums; blocks of 64 KiB
_LZ4_INDEPENDENT, _LZ4_BLOCK_CHECKSUM, _LZ4_CONTENT_SIZE, _LZ4_CONTENT_CHECKSUM = 0x20, 0x10, 0x08, 0x04
_LZ4_UNCOMPRESSED = 0x80000000
_ZSTD_BLOCK = 128 * 1024
_INT32 = Struct(">i")
_UINT32_LE = Struct("<I")


def compress(codec: int, data: Buffer, *, magic: int = 2, level: int | None = None) -> bytes:
    """data compressed; magic 0 changes lz4's header checksum. level is for gzip and zstd."""
    if codec == Codec.NONE:
        return bytes(data)
    if codec == Codec.GZIP:
        compressor = zlib.compressobj(-1 if level is None else level, zlib.DEFLATED, 31)
        return compressor.compress(data) + compressor.flush()
    if codec == Codec.SNAPPY:
        return _compress_snappy(memoryview(data))
    if codec == Codec.LZ4:
        return _compress_lz4(memoryview(data), magic)
    if codec == Codec.ZSTD:
        return bytes(cramjam.zstd.compress(bytes(data), level=3 if level is None else level))
    raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"Unknown compression type id: {codec}")


def decompress(codec: int, data: Buffer, *, magic: int = 2) -> bytes:
    """The bytes that were compressed. Raises CorruptBatch when data is damaged or unreasonably large."""
    try:
        if codec == Codec.NONE:
            return bytes(data)
        if codec == Codec.GZIP:
            return _decompress_gzip(data)
        if codec == Codec.SNAPPY:
            return _decompress_snappy(memoryview(data))
        if codec == Codec.LZ4:
            return _decompress_lz4(memoryview(data), magic)
        if codec == Codec.ZSTD:
            return _decompress_zstd(memoryview(data))
    except (zlib.error, cramjam.DecompressionError, struct_error, IndexError, ValueError) as reason:
        raise CorruptBatch(f"Failed to decompress record stream ({Codec(codec).name}): {reason}") from reason
    raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"Unknown compression type id: {codec}")


def _check_size(size: int) -> None:
    if size > MAX_DECOMPRESSED_BYTES:
        raise CorruptBatch(f"Decompressed records exceed {MAX_DECOMPRESSED_BYTES} bytes")


def _decompress_gzip(data: Buffer) -> bytes:
    """Members are read in windows that begin small: what zlib does not use of one it copies, and a batch may
    have members by the ten thousand."""
    rest = memoryview(data)
    parts: list[bytes] = []
    total = 0
    while rest:
        stream = zlib.decompressobj(31)
        window = _GZIP_FIRST_WINDOW
        while not stream.eof:
            if not rest:
                raise CorruptBatch("Failed to decompress record stream (GZIP): it ends early")
            given = rest[:window]
            part = stream.decompress(given, MAX_DECOMPRESSED_BYTES + 1 - total)
            total += len(part)
            _check_size(total)
            parts.append(part)
            rest = rest[len(given) - len(stream.unused_data) :]
            window *= 2
    return b"".join(parts)


def _compress_snappy(data: memoryview) -> bytes:
    parts = [_XERIAL_HEADER]
    for start in range(0, len(data), _XERIAL_BLOCK):
        block = bytes(cramjam.snappy.compress_raw(bytes(data[start : start + _XERIAL_BLOCK])))
        parts += (_INT32.pack(len(block)), block)
    return b"".join(parts)


def _decompress_snappy(data: memoryview) -> bytes:
    if data[: len(_XERIAL_MAGIC)] != _XERIAL_MAGIC:
        return _snappy_block(data)
    parts: list[bytes] = []
    position = len(_XERIAL_HEADER)
    total = 0
    while position < len(data):
        size = _INT32.unpack_from(data, position)[0]
        position += 4
        if not 0 <= size <= len(data) - position:
            raise CorruptBatch(f"Snappy block of {size} bytes where {len(data) - position} are left")
        block = _snappy_block(data[position : position + size])
        total += len(block)
        _check_size(total)
        parts.append(block)
        position += size
    return b"".join(parts)


def _snappy_block(block: memoryview) -> bytes:
    raw = bytes(block)
    _check_size(cramjam.snappy.decompress_raw_len(raw))
    return bytes(cramjam.snappy.decompress_raw(raw))


def _compress_lz4(data: memoryview, magic: int) -> bytes:
    covered = _LZ4_MAGIC + _LZ4_DESCRIPTOR if magic == 0 else _LZ4_DESCRIPTOR
    parts = [_LZ4_MAGIC, _LZ4_DESCRIPTOR, bytes([(_xxh32_short(covered) >> 8) & 0xFF])]
    for start in range(0, len(data), _LZ4_BLOCK):
        plain = bytes(data[start : start + _LZ4_BLOCK])
        block = bytes(cramjam.lz4.compress_block(plain, store_size=False))
        if len(block) < len(plain):
            parts += (_UINT32_LE.pack(len(block)), block)
        else:
            parts += (_UINT32_LE.pack(len(plain) | _LZ4_UNCOMPRESSED), plain)
    parts.append(_UINT32_LE.pack(0))
    return b"".join(parts)


def _decompress_lz4(data: memoryview, magic: int) -> bytes:
    flags, block_limit, position = _lz4_frame_header(data, magic)
    plain = bytearray(block_limit)
    parts: list[bytes] = []
    total = 0
    while True:
        word = _UINT32_LE.unpack_from(data, position)[0]
        position += 4
        if word == 0:
            return b"".join(parts)
        size = word & ~_LZ4_UNCOMPRESSED
        if size > block_limit or size > len(data) - position:
            raise CorruptBatch(f"LZ4 block of {size} bytes is larger than the frame allows")
        block = bytes(data[position : position + size])
        if not word & _LZ4_UNCOMPRESSED:
            block = bytes(plain[: cramjam.lz4.decompress_block_into(block, plain)])
        total += len(block)
        _check_size(total)
        parts.append(block)
        position += size + (4 if flags & _LZ4_BLOCK_CHECKSUM else 0)


def _lz4_frame_header(data: memoryview, magic: int) -> tuple[int, int, int]:
    """(flags, largest block, where the blocks begin)."""
    if data[:4] != _LZ4_MAGIC:
        raise CorruptBatch("LZ4 frame magic is missing")
    flags, block_descriptor = data[4], data[5]
    if flags >> 6 != 1 or not flags & _LZ4_INDEPENDENT:
        raise CorruptBatch("Dependent block stream is unsupported")
    code = (block_descriptor >> 4) & 7
    if code < 4:
        raise CorruptBatch(f"Block size value {code} is unsupported")
    end = 6 + (8 if flags & _LZ4_CONTENT_SIZE else 0)
    # Writers of magic 0 got the checksum wrong for years, so it means nothing there.
    if magic > 0 and data[end] != (_xxh32_short(bytes(data[4:end])) >> 8) & 0xFF:
        raise CorruptBatch("LZ4 frame descriptor is damaged")
    return flags, 1 << (2 * code + 8), end + 1


def _decompress_zstd(data: memoryview) -> bytes:
    position = 0
    bound = 0
    while position < len(data):
        position, size = _zstd_frame_bound(data, position)
        bound += size
        _check_size(bound)
    return bytes(cramjam.zstd.decompress(bytes(data)))


def _zstd_frame_bound(data: memoryview, position: int) -> tuple[int, int]:
    """(end of the frame at position, most bytes that it can hold), from its block headers alone.

    cramjam has no limit of its own, and a block of four bytes can stand for 128 KiB.
    """
    magic = _UINT32_LE.unpack_from(data, position)[0]
    if magic & 0xFFFFFFF0 == 0x184D2A50:  # skippable frame
        return position + 8 + int(_UINT32_LE.unpack_from(data, position + 4)[0]), 0
    if magic != 0xFD2FB528:
        raise CorruptBatch("Zstandard frame magic is missing")
    descriptor = data[position + 4]
    single_segment = descriptor >> 5 & 1
    content_size_bytes = (single_segment, 2, 4, 8)[descriptor >> 6]
    position += 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3] + content_size_bytes
    total = 0
    last = 0
    while not last:
        header = data[position] | data[position + 1] << 8 | data[position + 2] << 16
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        total += _ZSTD_BLOCK if kind == 2 else size
        position += 3 + (1 if kind == 1 else size)
    return position + (4 if descriptor & 4 else 0), total


def _xxh32_short(data: bytes) -> int:
    """xxHash-32 with seed 0 of fewer than 16 bytes: all that an LZ4 frame descriptor needs."""
    mask = 0xFFFFFFFF
    value = 374761393 + len(data)
    position = 0
    while position + 4 <= len(data):
        value = (value + _UINT32_LE.unpack_from(data, position)[0] * 3266489917) & mask
        value = (((value << 17) | (value >> 15)) * 668265263) & mask
        position += 4
    for byte in data[position:]:
        value = (value + byte * 374761393) & mask
        value = (((value << 11) | (value >> 21)) * 2654435761) & mask
    value = ((value ^ (value >> 15)) * 2246822519) & mask
    value = ((value ^ (value >> 13)) * 3266489917) & mask
    return value ^ (value >> 16)
