# SPDX-License-Identifier: Apache-2.0
"""Every file of a log directory, cut at every byte and damaged in every byte, after a kill and after a stop.

Whatever is damaged: loading does not raise (a directory whose owner cannot be told is refused), all that is
intact before the damage is served, nothing is served that was not written, and the log goes on. By default a
sample of the bytes is tried; with EVERY_BYTE=1 in the environment all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from commitlog.records.batch import CorruptBatch, iterate_headers
from commitlog.records.control import end_transaction_marker
from commitlog.storage.log import Log
from commitlog.storage.log_manager import LogManager, StorageError
from tests.storage.memory_disk import MemoryDisk
from tests.storage.settings import Settings
from tests.storage.test_log_manager import TOPIC_ID, manager
from tests.storage.world import NOW_MS, batch, contents

CONFIG = Settings(segment_bytes=700, index_interval_bytes=100, file_delete_delay_ms=1)
STEP = 1 if os.environ.get("EVERY_BYTE") else 23
UNCHECKED = {*range(8), *range(12, 16)}  # offset and leader epoch are not under a batch's CRC
LOG_START = 2


def write(log: Log) -> None:
    """Segments, epochs, a plain and two transactional producers; one transaction aborted, one open."""
    for i in range(5):
        fields = {"producer_id": 5, "producer_epoch": 0, "base_sequence": 2 * i}
        log.append_as_leader(batch([b"%d" % i, b"x" * 40], timestamp=NOW_MS + i, **fields), i // 2)
    log.flush()
    for producer in (6, 7):
        fields = {"producer_id": producer, "producer_epoch": 0, "base_sequence": 0}
        log.append_as_leader(batch(b"y" * 90, is_transactional=True, **fields), 3)
    abort = end_transaction_marker(
        timestamp=NOW_MS, producer_id=6, producer_epoch=0, committed=False, coordinator_epoch=0
    )
    log.append_as_leader(abort, 3, origin="coordinator")
    for i in range(5, 8):
        fields = {"producer_id": 5, "producer_epoch": 0, "base_sequence": 2 * i}
        log.append_as_leader(batch([b"%d" % i, b"x" * 40], timestamp=NOW_MS + i, **fields), 4)


async def written(disk: MemoryDisk, *, stop: bool) -> None:
    """A directory after a life of its broker, half of which is below the recovery point."""
    logs = manager(disk, config=CONFIG)
    await logs.load()
    log = logs.get_or_create_log("t", 0, topic_id=TOPIC_ID, is_new=True)
    write(log)
    log.update_high_watermark(9)
    log.maybe_increment_log_start_offset(LOG_START, "test")
    await logs.checkpoints.write_recovery_points()
    await logs.checkpoints.write_high_watermarks()
    await logs.checkpoints.write_log_start_offsets()
    disk.write_atomic("/data/cleaner-offset-checkpoint", b"0\n1\nt 0 7\n")
    if stop:
        await logs.shutdown()


def world(*, stop: bool) -> MemoryDisk:
    disk = MemoryDisk()
    asyncio.run(written(disk, stop=stop))
    return disk.copy()


def batches_of(disk: MemoryDisk) -> dict[int, tuple[str, int, bytes]]:
    """Every batch: base offset to (file, position, bytes)."""
    found = {}
    for path in sorted(disk.files):
        if path.endswith(".log"):
            data = bytes(disk.files[path].data)
            for at, header in iterate_headers(data):
                found[header.base_offset] = (path, at, data[at : at + header.size])
    return found


def served(log: Log) -> dict[int, bytes | None]:
    """What can be read, by base offset; None where the log says that it is corrupt."""
    found: dict[int, bytes | None] = {}
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = None
        with contextlib.suppress(CorruptBatch):
            data = contents(log.read(offset, 1, upper_offset=log.log_end_offset))
        if data is None:
            found[offset] = None
            offset += 1
            continue
        assert data
        at, header = next(iterate_headers(data))
        found[header.base_offset] = data[at : at + header.size]
        offset = header.next_offset
    return found


async def check(
    disk: MemoryDisk, path: str, position: int, batches: dict[int, tuple[str, int, bytes]]
) -> None:
    logs = manager(disk, config=CONFIG)
    if path.endswith("meta.properties") and not owner_is_told(disk):
        with pytest.raises(StorageError, match=path):
            await logs.load()
        return
    await logs.load()
    judge(logs, path, position, batches)


def judge(logs: LogManager, path: str, position: int, batches: dict[int, tuple[str, int, bytes]]) -> None:
    log = logs.get_log("t", 0)
    assert log is not None
    found = served(log)
    for offset, data in found.items():
        assert data is None or batches[offset][2] == data
    intact = {
        offset
        for offset, (file, at, data) in batches.items()
        if file < path or not path.endswith(".log") or (file == path and at + len(data) <= position)
    }
    if not path.endswith("log-start-offset-checkpoint"):  # its numbers are under no checksum
        assert {offset for offset in intact if offset >= LOG_START} <= found.keys()
        assert all(found[offset] is not None for offset in intact if offset >= LOG_START)
    if not path.endswith((".log", ".txnindex")):  # an index of aborted transactions has no checksum either
        assert log.producer_states.entries[5].batches[-1].last_sequence == 15
        log.update_high_watermark(log.log_end_offset)
        assert log.last_stable_offset == 11  # where the open transaction begins
        read = log.read(10, 10_000, upper_offset=11, read_committed=True)
        assert [(one.producer_id, one.first_offset) for one in read.aborted_transactions or []] == [(6, 10)]
    after = log.append_as_leader(batch(b"after"), 9).first_offset
    assert after >= max(found, default=0)


def owner_is_told(disk: MemoryDisk) -> bool:
    lines = bytes(disk.files["/data/meta.properties"].data).decode("latin-1").splitlines()
    wanted = {"version=0", "broker.id=1", "cluster.id=cluster"}
    keys = {line.partition("=")[0] for line in lines if line[:1] != "#"}
    told = {line.strip() for line in lines}
    return "version=0" in told and all(line in told or line.partition("=")[0] not in keys for line in wanted)


def damages(path: str, data: bytes) -> Iterator[tuple[int, Callable[[bytearray], None]]]:
    """(first bad byte, how it comes about)."""

    def cut(size: int) -> Callable[[bytearray], None]:
        return lambda content: content.__delitem__(slice(size, None))

    def flip(position: int) -> Callable[[bytearray], None]:
        return lambda content: content.__setitem__(position, content[position] ^ (1 << position % 8))

    starts = [at for at, _ in iterate_headers(data)] if path.endswith(".log") else []
    small = len(data) < 60
    for position in range(0, len(data), 1 if small else STEP):
        yield position, cut(position)
        within = position - max((start for start in starts if start <= position), default=position - 99)
        if within not in UNCHECKED:
            yield position, flip(position)


KINDS = (
    ".log", ".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint",
    "partition.metadata", "recovery-point-offset-checkpoint", "replication-offset-checkpoint",
    "log-start-offset-checkpoint", "cleaner-offset-checkpoint", "meta.properties", ".kafka_cleanshutdown",
)  # fmt: skip


@pytest.mark.parametrize("stop", [False, True], ids=["killed", "stopped"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_damage_costs_only_what_it_hits(kind: str, stop: bool) -> None:
    original = world(stop=stop)
    batches = batches_of(original)
    paths = [path for path in sorted(original.files) if path.endswith(kind)]
    if kind == ".kafka_cleanshutdown" and not stop:
        assert not paths
        return
    assert paths, sorted(original.files)
    assert any(original.files[path].data for path in paths)

    async def damage_all() -> None:
        for path in paths:
            for position, damage in damages(path, bytes(original.files[path].data)):
                disk = original.copy()
                damage(disk.files[path].data)
                await check(disk, path, position, batches)

    asyncio.run(damage_all())
