# SPDX-License-Identifier: Apache-2.0
"""Logs without a manager: what the storage tests open, append to and compare."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from commitlog.records.batch import build_batch, decode_records, iterate_headers
from commitlog.records.header import Codec, Record
from commitlog.records.message_set import build_message_set
from commitlog.storage.disk import Disk
from commitlog.storage.file_cache import FileCache
from commitlog.storage.log import Log, LogHooks
from commitlog.storage.log_loader import LogLoader
from commitlog.storage.log_read import LogRead
from tests.storage.settings import Settings

NOW_MS = 1_700_000_000_000


class Hooks:
    """Remembers what a log asked of its manager."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.flushed: list[int] = []
        self.truncated: list[int] = []
        self.late: list[str] = []
        self.errors: list[OSError] = []

    def as_hooks(self) -> LogHooks:
        return LogHooks(
            lambda paths, delay_ms: self.deleted.extend(paths),
            lambda log, offset: self.flushed.append(offset),
            lambda log: self.truncated.append(log.log_end_offset),
            lambda log: self.late.append(log.name),
            lambda log_dir, error: self.errors.append(error),
        )


def open_log(
    disk: Disk,
    config: Settings | None = None,
    *,
    log_dir: str = "/data",
    topic: str = "t",
    clean: bool = False,
    recovery_point: int = 0,
    log_start_offset: int = 0,
    hooks: Hooks | None = None,
    now_ms: int = NOW_MS,
    cache_limit: int = 512,
) -> Log:
    """Load (or make) a partition's log as the manager does."""
    config = config or Settings()
    files = FileCache(disk, cache_limit)
    directory = f"{log_dir}/{topic}-0"
    loaded = LogLoader(
        files=files,
        directory=directory,
        name=f"partition={topic}-0",
        config=config,
        log_start_offset=log_start_offset,
        recovery_point=recovery_point,
        clean=clean,
        producer_expiration_ms=86_400_000,
        now_ms=lambda: now_ms,
    ).load()
    return Log(
        files=files,
        directory=directory,
        log_dir=log_dir,
        topic=topic,
        partition=0,
        config=config,
        loaded=loaded,
        hooks=(hooks or Hooks()).as_hooks(),
        now_ms=lambda: now_ms,
        rng=random.Random(1),
    )


def batch(values: Sequence[bytes] | bytes = b"v", *, timestamp: int = NOW_MS, **fields: Any) -> bytearray:
    """A batch of these values, all with one timestamp."""
    items = [values] if isinstance(values, bytes) else list(values)
    return build_batch([(timestamp, b"k", value, ()) for value in items], **fields)


def contents(read: LogRead) -> bytes:
    """The bytes of a read."""
    return b"".join(region.read() for region in read.regions)


def offsets(read: LogRead) -> list[int]:
    """Base offsets of the batches of a read, which must be whole."""
    data = contents(read)
    headers = list(iterate_headers(data))
    assert sum(header.size for _, header in headers) == len(data) == read.size
    return [header.base_offset for _, header in headers]


def read_all(log: Log, upper: int | None = None) -> list[tuple[int, bytes | None]]:
    """(offset, value) of every record from the log start on, read in small steps."""
    found: list[tuple[int, bytes | None]] = []
    offset = log.log_start_offset
    upper = log.log_end_offset if upper is None else upper
    while offset < upper:
        data = contents(log.read(offset, 1000, upper_offset=upper))
        if not data:
            break
        for position, header in iterate_headers(data):
            found += [
                (r.offset, r.value) for r in decode_records(data, position, header) if r.offset >= offset
            ]
            offset = header.next_offset
    return found


def in_every_codec() -> list[bytearray]:
    """The same records as a client of any age may send them, compressed in every way that it can."""
    records = [Record(i, NOW_MS + i, b"k%d" % i, b"squeeze " * 40, (("h", b"1"),)) for i in range(4)]
    bare = [record._replace(headers=()) for record in records]
    old = [Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4]
    return [
        *(build_message_set(bare, magic=magic, codec=codec) for magic in (0, 1) for codec in old),
        *(build_batch([record[1:] for record in records], codec=codec) for codec in Codec),
    ]
