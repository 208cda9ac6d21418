# SPDX-License-Identifier: Apache-2.0
"""Bad record data to everything that reads it: `python -m tests.fuzz.batches [--minutes 15] [--seed 0]`.

A reader takes what it is given, or says CorruptBatch, KafkaError or MalformedMessage, soon and in little
memory. What is found is printed with its seed and kept in tests/fuzz/corpus/batches, where the tests replay
it from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from commitlog.groups import records as group_records
from commitlog.records.batch import build_batch, decode_records, down_convert, up_convert
from commitlog.records.compression import compress, decompress
from commitlog.records.control import end_transaction_marker, parse_marker
from commitlog.records.header import (
    BATCH_OVERHEAD,
    Codec,
    CorruptBatch,
    check_crc,
    compute_crc,
    iterate_headers,
    read_header,
)
from commitlog.records.spans import record_keys, record_spans, refill_batch
from commitlog.storage.validator import Validator
from commitlog.transactions import records as transaction_records
from commitlog.wire.codec import MalformedMessage
from commitlog.wire.errors import KafkaError
from tests.jvm.bad_batches import THREE, bad_batches, bad_contents, batch_of, record, sealed
from tests.records.kafka_bytes import GOLDEN
from tests.storage.settings import Settings

CORPUS = Path(__file__).parent / "corpus" / "batches"
PER_SEED = 2_000
SLOW_S = 2.0
"""Of processor time, for a few kilobytes; what takes a broker's loop so long is a finding."""
MEMORY_BYTES = 3 * 2**30
NOW_MS = 1_700_000_000_000
LIES = (
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x80\0\0\0",
    b"\xff" * 9 + b"\x01",
    b"\xff" * 11,
    b"\0\0\0\0",
)
NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))

TOPICS = (
    Settings(cleanup_policy=frozenset({"compact"})),
    Settings(message_timestamp_before_max_ms=1000, message_timestamp_after_max_ms=1000),
    Settings(message_timestamp_type="LogAppendTime"),
    *(Settings(compression_type=name) for name in ("uncompressed", "gzip", "snappy", "lz4", "zstd")),
)
VALIDATOR = Validator("fuzz-0")


def of_headers(data: bytes) -> None:
    for position, header in iterate_headers(data):
        check_crc(data, position, header)


def of_records(data: bytes) -> None:
    for position, header in iterate_headers(data):
        for each in decode_records(data, position, header):
            if header.is_control:
                parse_marker(each)


def of_spans(data: bytes) -> None:
    """As compaction does, which also writes what it keeps."""
    for position, header in iterate_headers(data):
        if header.magic == 2:
            record_keys(data, position, header)
            opened, spans = record_spans(data, position, header)
            if spans[::2]:
                refill_batch(header, opened, spans[::2])


def of_old_producers(data: bytes) -> None:
    up_convert(data)


def of_old_consumers(data: bytes) -> None:
    for magic in (0, 1):
        down_convert(data, magic)


def of_leaders(data: bytes) -> None:
    for config in TOPICS:
        with suppress(KafkaError):
            VALIDATOR.validate(
                bytearray(data), config, next_offset=100, leader_epoch=3, origin="client", now_ms=NOW_MS
            )


def of_coordinators(data: bytes) -> None:
    for position, header in iterate_headers(data):
        for each in decode_records(data, position, header):
            for part in (each.key or b"", each.value or b""):
                for read in (
                    group_records.read_key,
                    group_records.read_offset_value,
                    transaction_records.read_key,
                ):
                    with suppress(MalformedMessage):
                        read(part)
                with suppress(MalformedMessage):
                    transaction_records.read_value("t", part)


READERS: tuple[Callable[[bytes], None], ...] = (
    of_headers, of_records, of_spans, of_old_producers, of_old_consumers, of_leaders, of_coordinators,
)  # fmt: skip


def complaint(data: bytes) -> str | None:
    """What a reader says that none should; None when all read or refuse it."""
    for reader in READERS:
        begun = time.process_time()
        try:
            reader(data)
        except (KafkaError, MalformedMessage):
            pass
        except Exception:
            return f"{reader.__name__}: {traceback.format_exc()}"
        took = time.process_time() - begun
        if took > SLOW_S:
            return f"{reader.__name__} took {took:.1f} s for {len(data)} bytes"
    return None


def good() -> list[bytes]:
    """What damage begins with: every format and codec, as Kafka wrote it, and as tests have damaged it."""
    found = [bytes.fromhex(data) for data in GOLDEN.values()]
    found += [data for _, _, data in bad_batches()] + [data for _, data in bad_contents()]
    marker = end_transaction_marker(
        timestamp=NOW_MS, producer_id=1, producer_epoch=0, committed=True, coordinator_epoch=0
    )
    found.append(bytes(marker))
    key, value = group_records.group_key("g"), b"\0\3" + bytes(40)
    found.append(_batch_of([(NOW_MS, key, value, ()), *THREE]))
    found.append(_batch_of([(NOW_MS, transaction_records.transaction_key("t"), b"\0\0" + bytes(30), ())]))
    return [data for data in found if data]


def _batch_of(records: list[object]) -> bytes:
    return bytes(build_batch(records))  # type: ignore[arg-type]


class Drawer:
    """Damages one after the other, by a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._good = good()

    def draw(self) -> bytes:
        rng = self._rng
        data = rng.choice(self._good) if rng.random() < 0.85 else self._of_large_numbers()
        if rng.random() < 0.2:
            data += rng.choice(self._good)
        roll = rng.random()
        if roll < 0.1:
            return data
        if roll < 0.45:
            return self._inside(data)
        data = self._damaged(data)
        return data if roll < 0.6 else self._resealed(data)

    def _of_large_numbers(self) -> bytes:
        """A batch that is as it should be, but for the values of its numbers."""
        rng = self._rng
        records = [
            record(time=rng.choice(NUMBERS), offset=rng.choice((0, 1, number, rng.choice(NUMBERS))))
            for number in range(rng.randint(1, 3))
        ]
        data = bytearray(batch_of(records, rng.choice(list(Codec))))
        struct.pack_into(">qq", data, 27, rng.choice(NUMBERS), rng.choice(NUMBERS))
        struct.pack_into(">q", data, 0, rng.choice((0, 0, *NUMBERS)))
        return sealed(data)

    def _inside(self, data: bytes) -> bytes:
        """Damage below the compression, under a header and a checksum that are right."""
        try:
            header = read_header(data)
            if header.magic != 2 or header.codec > Codec.ZSTD:
                return self._resealed(self._damaged(data))
            opened = decompress(header.codec, data[BATCH_OVERHEAD : header.size])
        except KafkaError:
            return self._resealed(self._damaged(data))
        opened = self._damaged(opened)
        if self._rng.random() < 0.1:
            opened *= self._rng.choice((2, 50, 3_000))
        codec = self._rng.choice(list(Codec))
        return self._sealed_around(data[:BATCH_OVERHEAD], codec, compress(codec, opened))

    def _sealed_around(self, head: bytes, codec: int, body: bytes) -> bytes:
        changed = bytearray(head + body)
        attributes = int.from_bytes(changed[21:23], "big") & ~7 | codec
        struct.pack_into(">H", changed, 21, attributes)
        if self._rng.random() < 0.3:
            count = self._rng.choice((0, 1, 2, 5, 2**31 - 1))
            struct.pack_into(">i", changed, 57, count)
            struct.pack_into(">i", changed, 23, count - 1)
        return sealed(changed)

    def _resealed(self, data: bytes) -> bytes:
        """With checksums that are right, as far as there are whole batches."""
        changed = bytearray(data)
        with suppress(CorruptBatch, struct.error, IndexError):
            for position, header in list(iterate_headers(changed)):
                at = position + (17 if header.magic == 2 else 12)
                struct.pack_into(">I", changed, at, compute_crc(changed, position, header))
        return bytes(changed)

    def _damaged(self, data: bytes) -> bytes:
        rng = self._rng
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            if not broken:
                break
            at = rng.randrange(len(broken))
            how = rng.random()
            if how < 0.2:
                del broken[at : at + rng.choice((1, 2, 8, len(broken)))]
            elif how < 0.5:
                lie = rng.choice(LIES)
                broken[at : at + rng.choice((0, len(lie)))] = lie
            elif how < 0.6:
                broken[at:at] = broken[: rng.randrange(len(broken))]
            else:
                broken[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        return bytes(broken)


def findings(seed: int, count: int) -> Iterator[tuple[bytes, str]]:
    drawer = Drawer(seed)
    for _ in range(count):
        data = drawer.draw()
        found = complaint(data)
        if found:
            yield data, found


def keep(data: bytes, why: str) -> Path:
    """The data as a file of the corpus: why, then its bytes in hexadecimal."""
    path = CORPUS / f"{why.split(':')[0].split()[0]}-{hashlib.sha256(data).hexdigest()[:8]}.hex"
    CORPUS.mkdir(exist_ok=True)
    path.write_text(f"# {why.strip().splitlines()[-1][:200]}\n{data.hex(' ', 32).replace(' ', chr(10))}\n")
    return path


def corpus() -> list[Path]:
    return sorted(CORPUS.glob("*.hex"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.batches")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    end = time.monotonic() + arguments.minutes * 60
    seed, known = arguments.seed, set[str]()
    while time.monotonic() < end:
        for data, why in findings(seed, PER_SEED):
            lines = why.strip().splitlines()
            place = "".join(line for line in lines if line.startswith("  File"))[-300:] + lines[-1][:40]
            if place not in known:
                known.add(place)
                print(f"--- seed {seed}, {keep(data, why)}\n{why}\n", flush=True)
        print(f"seed {seed}: {PER_SEED} drawn, {len(known)} findings so far", flush=True)
        seed += 1
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
