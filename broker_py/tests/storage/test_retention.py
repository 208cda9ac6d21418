# SPDX-License-Identifier: Apache-2.0
"""Which segments retention takes, and how."""

from __future__ import annotations

from commitlog.storage.log import Log
from tests.storage.memory_disk import MemoryDisk
from tests.storage.settings import Settings
from tests.storage.world import NOW_MS, Hooks, batch, open_log

HOUR_MS = 3_600_000


def hourly_log(config: Settings, hooks: Hooks | None = None, *, timestamps: bool = True) -> Log:
    """Ten segments of one batch of 178 bytes, an hour apart, the newest now; all of it replicated."""
    config.segment_bytes = 200
    config.segment_ms = 2**62
    disk = MemoryDisk()
    log = open_log(disk, config, hooks=hooks)
    for i in range(10):
        disk.now_ms = NOW_MS - (9 - i) * HOUR_MS
        log.append_as_leader(batch(b"x" * 107, timestamp=disk.now_ms if timestamps else -1), 0)
    log.update_high_watermark(10)
    assert len(log.segments()) == 10
    assert log.size == 1780
    return log


def test_by_time() -> None:
    log = hourly_log(Settings(retention_ms=5 * HOUR_MS))
    assert log.delete_old_segments(NOW_MS) == 4
    assert log.log_start_offset == 4
    assert log.delete_old_segments(NOW_MS + 1) == 1


def test_by_modification_time_when_there_are_no_timestamps() -> None:
    log = hourly_log(Settings(retention_ms=5 * HOUR_MS), timestamps=False)
    assert log.delete_old_segments(NOW_MS) == 4


def test_by_size_what_is_left_is_never_below_the_limit() -> None:
    log = hourly_log(Settings(retention_ms=-1, retention_bytes=1000))
    assert log.delete_old_segments(NOW_MS) == 4
    assert log.size == 1068


def test_by_start_offset() -> None:
    log = hourly_log(Settings(retention_ms=-1))
    log.maybe_increment_log_start_offset(3, "client delete records request")
    assert log.delete_old_segments(NOW_MS) == 3
    assert log.segments()[0].base_offset == 3


def test_nothing_without_a_reason_or_when_only_compacted() -> None:
    assert hourly_log(Settings(retention_ms=-1)).delete_old_segments(NOW_MS) == 0
    compacted = Settings(retention_ms=1, retention_bytes=1, cleanup_policy=frozenset({"compact"}))
    assert hourly_log(compacted).delete_old_segments(NOW_MS) == 0


def test_both_policies_together_delete() -> None:
    config = Settings(retention_ms=5 * HOUR_MS, cleanup_policy=frozenset({"compact", "delete"}))
    assert hourly_log(config).delete_old_segments(NOW_MS) == 4


def test_nothing_at_or_above_the_high_watermark() -> None:
    log = hourly_log(Settings(retention_ms=0))
    log.update_high_watermark(2)
    assert log.delete_old_segments(NOW_MS + 1) == 2


def test_an_expired_active_segment_is_rolled_first() -> None:
    log = hourly_log(Settings(retention_ms=0))
    assert log.delete_old_segments(NOW_MS + 1) == 10
    assert (log.log_start_offset, log.log_end_offset, len(log.segments())) == (10, 10, 1)
    assert log.delete_old_segments(NOW_MS + 1) == 0
    assert log.append_as_leader(batch(), 0).first_offset == 10


def test_files_are_renamed_and_left_to_be_removed_later() -> None:
    hooks = Hooks()
    log = hourly_log(Settings(retention_ms=8 * HOUR_MS), hooks)
    log.delete_old_segments(NOW_MS)
    assert sorted(path.rsplit("/", 1)[1] for path in hooks.deleted) == [
        "00000000000000000000.index.deleted",
        "00000000000000000000.log.deleted",
        "00000000000000000000.timeindex.deleted",
    ]


def test_snapshots_go_with_their_segments() -> None:
    hooks = Hooks()
    log = hourly_log(Settings(retention_ms=7 * HOUR_MS), hooks)
    log.delete_old_segments(NOW_MS)
    assert [path for path in hooks.deleted if ".snapshot" in path] == [
        "/data/t-0/00000000000000000001.snapshot.deleted"
    ]
