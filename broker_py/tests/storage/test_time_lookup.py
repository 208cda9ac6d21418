# SPDX-License-Identifier: Apache-2.0
"""ListOffsets by timestamp."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commitlog.records.batch import CorruptBatch, build_batch
from tests.storage.memory_disk import MemoryDisk
from tests.storage.settings import Settings
from tests.storage.world import NOW_MS, batch, open_log


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=3), min_size=1, max_size=25),
    st.integers(0, 60),
    st.sampled_from([0, 200]),
    st.sampled_from([300, 100_000]),
)
def test_first_and_largest_match_a_simple_model(
    batches: list[list[int]], timestamp: int, interval: int, segment_bytes: int
) -> None:
    log = open_log(MemoryDisk(), Settings(index_interval_bytes=interval, segment_bytes=segment_bytes))
    times: list[int] = []
    for number, one in enumerate(batches):
        log.append_as_leader(build_batch([(time, None, b"x" * 40, ()) for time in one]), number)
        times += one
    found = log.offset_for_timestamp(timestamp)
    expected = next((offset for offset, time in enumerate(times) if time >= timestamp), None)
    assert (found[1] if found else None) == expected
    if found:
        assert found[0] == times[found[1]]
        assert found[2] == log.leader_epochs.epoch_for_offset(found[1])
    largest = log.max_timestamp_offset()
    assert largest is not None
    assert (largest[0], largest[1]) == (max(times), times.index(max(times)))


def test_records_below_the_log_start_are_not_found() -> None:
    log = open_log(MemoryDisk())
    for i in range(5):
        log.append_as_leader(batch(timestamp=10 * i), 0)
    log.update_high_watermark(5)
    log.maybe_increment_log_start_offset(3, "test")
    assert log.offset_for_timestamp(5) == (30, 3, 0)


def test_an_empty_log_has_none() -> None:
    log = open_log(MemoryDisk())
    assert log.offset_for_timestamp(0) is None
    assert log.max_timestamp_offset() is None


def test_the_largest_log_append_time_is_its_batchs_first_record() -> None:
    log = open_log(MemoryDisk(), Settings(message_timestamp_type="LogAppendTime"))
    log.append_as_leader(batch([b"a", b"b"]), 0)
    assert log.max_timestamp_offset() == (NOW_MS, 0, 0)


def test_damage_is_not_answered_from() -> None:
    disk = MemoryDisk()
    log = open_log(disk)
    log.append_as_leader(batch(timestamp=10), 0)
    disk.files["/data/t-0/00000000000000000000.log"].data[-1] ^= 1
    with pytest.raises(CorruptBatch):
        log.offset_for_timestamp(5)


def test_segment_starts_for_the_oldest_clients() -> None:
    disk = MemoryDisk()
    log = open_log(disk, Settings(segment_bytes=100))
    for i in range(4):
        disk.now_ms = 1000 * i
        log.append_as_leader(batch(), 0)
    assert log.legacy_offsets_before(-1, 2) == [4, 3]
    assert log.legacy_offsets_before(-2, 5) == [0]
    assert log.legacy_offsets_before(1500, 5) == [1, 0]
