# SPDX-License-Identifier: Apache-2.0
"""Compaction: the newest of every key stays, nothing else is lost, not even by a crash in the middle."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping

import pytest

from commitlog.records.batch import build_batch, decode_records, iterate_headers
from commitlog.records.control import end_transaction_marker
from commitlog.storage.cleaner import Cleaner, CleaningAborted, OffsetMap
from commitlog.storage.file_cache import FileCache
from commitlog.storage.log import Log
from commitlog.storage.log_cleaner import LogCleaner
from commitlog.storage.log_manager import LogManager
from commitlog.storage.log_manager_settings import LogManagerSettings
from tests.storage.memory_disk import MemoryDisk
from tests.storage.settings import Settings
from tests.storage.world import NOW_MS, Hooks, contents, open_log

DAY_MS = 86_400_000
COMPACT = frozenset({"compact"})


def settings(**changes: int) -> Settings:
    return Settings(cleanup_policy=COMPACT, segment_bytes=400, **changes)  # type: ignore[arg-type]


def put(log: Log, key: bytes, value: bytes | None, **fields: int) -> None:
    data = build_batch([(NOW_MS, key, value, ())], **fields)  # type: ignore[arg-type]
    log.append_as_leader(data, 0)
    log.update_high_watermark(log.log_end_offset)


def compact(log: Log, disk: MemoryDisk, now_ms: int = NOW_MS, map_limit: int = 1000) -> int:
    plan = log.cleaning_plan(log.cleanable(now_ms), now_ms)
    groups, cleaned_to = Cleaner(FileCache(disk), plan, map_limit).clean()
    assert log.install_cleaned(plan, groups, cleaned_to)
    return cleaned_to


def records(log: Log) -> list[tuple[int, bytes | None, bytes | None]]:
    found = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = contents(log.read(offset, 10_000, upper_offset=log.log_end_offset))
        if not data:
            break
        for position, header in iterate_headers(data):
            if not header.is_control:
                found += [(r.offset, r.key, r.value) for r in decode_records(data, position, header)]
            offset = header.next_offset
    return found


def newest(log: Log) -> Mapping[bytes | None, bytes | None]:
    return {key: value for _, key, value in records(log)}


def filled(disk: MemoryDisk, config: Settings | None = None, count: int = 60) -> Log:
    log = open_log(disk, config or settings())
    rng = random.Random(1)
    for i in range(count):
        put(log, b"key-%d" % rng.randrange(8), b"%d" % i)
    log.roll()
    return log


def test_only_the_newest_of_every_key_stays_at_its_offset() -> None:
    disk = MemoryDisk()
    log = filled(disk)
    before = records(log)
    expected = {key: (offset, key, value) for offset, key, value in before}
    size = log.size
    assert compact(log, disk) == 60
    assert records(log) == sorted(expected.values())
    assert log.size < size / 3
    assert log.log_end_offset == 60
    put(log, b"more", b"x")
    assert records(log)[-1] == (60, b"more", b"x")


def test_small_segments_are_merged() -> None:
    disk = MemoryDisk()
    log = filled(disk)
    assert len(log.segments()) > 10
    compact(log, disk)
    log.cleaned_to = 0
    compact(log, disk)  # what the first pass has made small
    assert len(log.segments()) <= 4
    assert all(segment.size <= 400 for segment in log.segments())


def test_the_active_segment_and_undecided_data_are_left_alone() -> None:
    disk = MemoryDisk()
    log = open_log(disk, settings())
    for i in range(20):
        put(log, b"k", b"%d" % i)
        if i == 9:
            put(log, b"t", b"open", producer_id=1, producer_epoch=0, base_sequence=0, is_transactional=True)
    assert log.last_stable_offset == 10
    limit = log.cleanable(NOW_MS).first_uncleanable
    assert limit <= 10
    compact(log, disk)
    assert [offset for offset, _, _ in records(log) if offset >= limit] == list(range(limit, 21))


def test_young_segments_wait_for_the_compaction_lag() -> None:
    disk = MemoryDisk()
    log = filled(disk, settings(min_compaction_lag_ms=1000))
    assert log.cleanable(NOW_MS + 999).dirty_bytes == 0
    assert log.cleanable(NOW_MS + 1000).dirty_bytes > 0


def test_a_log_is_overdue_after_the_largest_lag() -> None:
    log = filled(MemoryDisk(), settings(max_compaction_lag_ms=5000))
    assert not log.cleanable(NOW_MS + 5000).overdue
    assert log.cleanable(NOW_MS + 5001).overdue


def test_tombstones_stay_for_a_day_after_they_were_first_cleaned() -> None:
    disk = MemoryDisk()
    log = open_log(disk, settings())
    put(log, b"gone", b"x")
    put(log, b"gone", None)
    log.roll()
    compact(log, disk)
    assert records(log) == [(1, b"gone", None)]
    log.cleaned_to = 0
    compact(log, disk, NOW_MS + DAY_MS - 1)
    assert records(log) == [(1, b"gone", None)]
    log.cleaned_to = 0
    compact(log, disk, NOW_MS + DAY_MS)
    assert records(log) == []
    assert log.log_end_offset == 2


@pytest.mark.parametrize("committed", [True, False])
def test_aborted_data_goes_and_committed_data_stays(committed: bool) -> None:
    disk = MemoryDisk()
    log = open_log(disk, settings())
    put(log, b"k", b"old")
    put(log, b"k", b"new", producer_id=1, producer_epoch=0, base_sequence=0, is_transactional=True)
    marker = end_transaction_marker(
        timestamp=NOW_MS, producer_id=1, producer_epoch=0, committed=committed, coordinator_epoch=0
    )
    log.append_as_leader(marker, 0, origin="coordinator")
    log.update_high_watermark(3)
    log.roll()
    compact(log, disk)
    assert newest(log) == {b"k": b"new" if committed else b"old"}


def test_sequences_survive_although_the_records_go() -> None:
    disk = MemoryDisk()
    log = open_log(disk, settings())
    put(log, b"k", b"1", producer_id=7, producer_epoch=0, base_sequence=0)
    put(log, b"k", b"2")
    log.roll()
    compact(log, disk)
    assert records(log) == [(1, b"k", b"2")]
    for name in disk.listdir("/data/t-0"):
        if ".snapshot" in name:
            disk.remove(f"/data/t-0/{name}")
    log = open_log(disk, settings())
    assert log.producer_states.entries[7].batches[-1].last_sequence == 0


def test_a_full_map_cleans_as_far_as_it_reaches() -> None:
    disk = MemoryDisk()
    log = open_log(disk, settings())
    for i in range(30):
        put(log, b"%d" % (i % 15), b"%d" % i)
    log.roll()
    wanted = newest(log)
    passes = 0
    while log.cleaned_to < 30:
        before = log.cleaned_to
        compact(log, disk, map_limit=6)
        assert log.cleaned_to > before
        passes += 1
    assert passes > 1
    assert newest(log) == wanted


def test_long_keys_are_told_apart() -> None:
    offsets = OffsetMap(10)
    assert offsets.put_all([(i, b"x" * 1000 + b"%d" % i) for i in range(5)], 0)
    assert [offsets.get(b"x" * 1000 + b"%d" % i) for i in range(6)] == [0, 1, 2, 3, 4, -1]


def test_a_log_that_changed_meanwhile_wins() -> None:
    disk = MemoryDisk()
    log = filled(disk)
    plan = log.cleaning_plan(log.cleanable(NOW_MS), NOW_MS)
    groups, cleaned_to = Cleaner(FileCache(disk), plan, 1000).clean()
    log.truncate_to(20)
    before = records(log)
    assert not log.install_cleaned(plan, groups, cleaned_to)
    assert records(log) == before
    assert not [name for name in disk.listdir("/data/t-0") if name.endswith((".cleaned", ".swap"))]


def test_a_log_that_lost_files_meanwhile_is_not_called_damaged(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        log = filled(disk)
        cleaner = LogCleaner(lambda: [log], FileCache(disk), dedupe_buffer_size=10_000, now_ms=lambda: NOW_MS)
        work = asyncio.ensure_future(cleaner.clean_dirtiest())
        log.truncate_fully_and_start_at(5)
        assert await work is None or records(log) == []
        for i in range(20):
            put(log, b"k", b"%d" % i)
        assert await cleaner.clean_dirtiest() is log
        assert len(records(log)) < 10

    asyncio.run(scenario())
    assert "uncleanable" not in caplog.text


def test_a_stop_gives_a_pass_up_and_leaves_nothing_behind() -> None:
    disk = MemoryDisk()
    log = filled(disk)
    before = disk.listdir("/data/t-0")
    plan = log.cleaning_plan(log.cleanable(NOW_MS), NOW_MS)
    for calls in range(0, 100, 7):
        left = iter([False] * calls)
        with pytest.raises(CleaningAborted):
            Cleaner(FileCache(disk), plan, 1000, lambda left=left: next(left, True)).clean()  # type: ignore[misc]
        assert disk.listdir("/data/t-0") == before


def test_truncation_makes_what_follows_dirty_again() -> None:
    disk, hooks = MemoryDisk(), Hooks()
    log = open_log(disk, settings(), hooks=hooks)
    for i in range(20):
        put(log, b"k", b"%d" % i)
    log.roll()
    compact(log, disk)
    assert log.cleaned_to == 20
    log.truncate_to(10)
    assert log.cleaned_to == 10
    assert hooks.truncated == [10]


class Crash(Exception):
    """The power goes here."""


class CrashingDisk(MemoryDisk):
    """Stops working after a number of renames and removals."""

    steps: int | None = None

    def _step(self) -> None:
        if self.steps is not None:
            if self.steps == 0:
                raise Crash
            self.steps -= 1

    def rename(self, source: str, target: str) -> None:
        self._step()
        super().rename(source, target)


def test_a_crash_at_any_step_of_the_swap_loses_nothing() -> None:
    wanted = newest(filled(MemoryDisk(), count=25))
    crashes = 0
    for steps in range(200):
        disk = CrashingDisk()
        log = filled(disk, count=25)
        disk.steps = steps
        try:
            compact(log, disk)
        except Crash:
            crashes += 1
        else:
            break
        for clean in (True, False):
            recovered = open_log(disk.copy(), settings(), clean=clean)
            assert newest(recovered) == wanted
            assert recovered.log_end_offset == 25
            names = recovered._files.disk.listdir("/data/t-0")
            assert not [name for name in names if name.endswith((".cleaned", ".swap", ".deleted"))]
    assert crashes > 20


def run_manager(disk: MemoryDisk, config: Settings) -> LogManager:
    return LogManager(
        disk, ["/data"], broker_id=1, cluster_id="c", topic_config=lambda topic: config,
        settings=LogManagerSettings(cleaner_backoff_ms=1), now_ms=lambda: NOW_MS, rng=random.Random(1),
    )  # fmt: skip


def test_the_manager_compacts_what_is_dirty_enough_and_remembers_how_far() -> None:
    disk = MemoryDisk()
    config = settings()
    config.file_delete_delay_ms = 1

    async def scenario() -> None:
        logs = run_manager(disk, config)
        await logs.load()
        log = logs.get_or_create_log("t", 0, is_new=True)
        for i in range(40):
            put(log, b"k%d" % (i % 4), b"%d" % i)
        log.roll()
        logs.start()
        async with asyncio.timeout(20):
            while not disk.exists("/data/cleaner-offset-checkpoint"):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        assert disk.read_bytes("/data/cleaner-offset-checkpoint") == b"0\n1\nt 0 40\n"
        assert len(records(log)) == 4
        await logs.shutdown()
        again = run_manager(disk, config)
        await again.load()
        found = again.get_log("t", 0)
        assert found is not None
        assert found.cleaned_to == 40
        assert found.cleanable(NOW_MS).dirty_bytes == 0

    asyncio.run(scenario())


def test_a_damaged_log_is_set_aside_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = run_manager(disk, settings())
        await logs.load()
        for partition in range(2):
            log = logs.get_or_create_log("t", partition, is_new=True)
            for i in range(20):
                put(log, b"k", b"%d" % i)
        disk.files["/data/t-0/00000000000000000000.log"].data[70] ^= 1
        await logs.housekeeping.clean_logs()
        good = logs.get_log("t", 1)
        assert good is not None
        assert good.cleaned_to > 0
        await logs.shutdown()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert "Marking partition t-0 as uncleanable" in caplog.text
