# SPDX-License-Identifier: Apache-2.0
"""Codecs in Kafka's framings; nothing that comes in can make the broker grow without limit."""

from __future__ import annotations

import gzip
import os
import random
import zlib

import cramjam
import lz4.frame
import pytest

from commitlog.records import compression
from commitlog.records.compression import compress, decompress
from commitlog.records.header import Codec, CorruptBatch
from commitlog.wire.errors import ErrorCode, KafkaError

CODECS = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
SAMPLES = [b"", b"a", b"abc" * 50_000, os.urandom(200_000)]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("magic", [0, 2])
def test_round_trips(codec: Codec, magic: int) -> None:
    for sample in SAMPLES:
        assert decompress(codec, compress(codec, sample, magic=magic), magic=magic) == sample


@pytest.mark.parametrize(("codec", "level"), [(Codec.GZIP, 9), (Codec.ZSTD, 19)])
def test_levels_compress_harder(codec: Codec, level: int) -> None:
    sample = b"".join(b"%d," % (i * i % 7919) for i in range(20_000))
    packed = compress(codec, sample, level=level)
    assert decompress(codec, packed) == sample
    assert len(packed) < len(compress(codec, sample, level=1))


def test_other_programs_read_what_is_written() -> None:
    sample = b"abc" * 50_000
    assert gzip.decompress(compress(Codec.GZIP, sample)) == sample
    assert lz4.frame.decompress(compress(Codec.LZ4, sample)) == sample
    assert bytes(cramjam.zstd.decompress(compress(Codec.ZSTD, sample))) == sample


def test_lz4_frames_have_kafkas_descriptor_right_and_wrong() -> None:
    assert compress(Codec.LZ4, b"x", magic=2)[:7].hex() == "04224d18604082"
    assert compress(Codec.LZ4, b"x", magic=0)[:7].hex() == "04224d1860401a"


def test_lz4_of_magic_0_is_read_with_either_checksum() -> None:
    for magic in (0, 1):
        assert decompress(Codec.LZ4, compress(Codec.LZ4, b"x" * 100, magic=magic), magic=0) == b"x" * 100
    with pytest.raises(CorruptBatch):
        decompress(Codec.LZ4, compress(Codec.LZ4, b"x", magic=0), magic=2)


def test_lz4_with_block_checksums_and_content_size() -> None:
    sample = os.urandom(1000) + b"a" * 100_000
    for size in (lz4.frame.BLOCKSIZE_MAX64KB, lz4.frame.BLOCKSIZE_MAX4MB):
        packed = lz4.frame.compress(
            sample,
            block_linked=False,
            block_checksum=True,
            content_checksum=True,
            store_size=True,
            block_size=size,
        )
        assert decompress(Codec.LZ4, packed) == sample


def test_snappy_without_framing_is_read() -> None:
    assert decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(b"abc" * 100))) == b"abc" * 100


def test_gzip_members_follow_each_other() -> None:
    assert decompress(Codec.GZIP, gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"
    large = random.Random(0).randbytes(100_000)
    assert decompress(Codec.GZIP, gzip.compress(large) + gzip.compress(b"two")) == large + b"two"


def test_gzip_members_by_the_thousand_cost_no_more_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """zlib copies what it is given and does not use: one megabyte of empty members held a broker up for
    minutes."""
    given: list[int] = []

    class Counted:
        def __init__(self, wbits: int) -> None:
            self._stream = real(wbits)

        def __getattr__(self, name: str) -> object:
            return getattr(self._stream, name)

        def decompress(self, data: memoryview, most: int) -> bytes:
            given.append(len(data))
            return self._stream.decompress(data, most)

    real = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Counted)
    members = 2_000
    assert decompress(Codec.GZIP, gzip.compress(b"x") * members) == b"x" * members
    assert sum(given) <= members * 512


@pytest.mark.parametrize("codec", CODECS)
def test_bombs_are_refused_before_they_go_off(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = compress(codec, bytes(2_000_000))
    monkeypatch.setattr(compression, "MAX_DECOMPRESSED_BYTES", 1_000_000)
    with pytest.raises(CorruptBatch):
        decompress(codec, packed)


@pytest.mark.parametrize("codec", CODECS)
def test_cut_streams_are_corrupt(codec: Codec) -> None:
    packed = compress(codec, b"abc" * 1000)
    start = 17 if codec == Codec.SNAPPY else 1  # a framing without blocks is an empty stream
    for size in range(start, len(packed) - 1):
        with pytest.raises(CorruptBatch):
            decompress(codec, packed[:size])


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(KafkaError) as failure:
        decompress(5, b"")
    assert failure.value.code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
