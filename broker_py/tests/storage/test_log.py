# SPDX-License-Identifier: Apache-2.0
"""Appending to, reading and truncating one log."""

from __future__ import annotations

import errno
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commitlog.records.batch import Codec, CorruptBatch, decode_records, iterate_headers, read_header
from commitlog.records.control import end_transaction_marker
from commitlog.records.header import Record
from commitlog.records.message_set import build_message, build_message_set
from commitlog.storage.disk import LocalDisk
from commitlog.storage.log import Log, UnexpectedAppendOffset
from commitlog.wire.errors import ErrorCode, KafkaError
from tests.storage.memory_disk import MemoryDisk
from tests.storage.settings import Settings
from tests.storage.world import NOW_MS, Hooks, batch, contents, in_every_codec, offsets, open_log, read_all

_CODECS = {
    "uncompressed": Codec.NONE,
    "gzip": Codec.GZIP,
    "snappy": Codec.SNAPPY,
    "lz4": Codec.LZ4,
    "zstd": Codec.ZSTD,
}


def filled(count: int = 10, config: Settings | None = None, disk: MemoryDisk | None = None) -> Log:
    """Batches of two records, so base offsets are even."""
    log = open_log(disk or MemoryDisk(), config)
    for i in range(count):
        log.append_as_leader(batch([b"%d" % i, b"x" * 100]), 0)
    return log


def code_of(error: pytest.ExceptionInfo[KafkaError]) -> ErrorCode:
    return error.value.code


# ---- append


def test_the_leader_assigns_offsets_and_epoch_in_place() -> None:
    log = filled(3)
    data = batch([b"a", b"b", b"c"])
    info = log.append_as_leader(data, 5)
    assert (info.first_offset, info.last_offset, info.duplicate) == (6, 8, False)
    assert (info.log_append_time, info.records_bytes) == (-1, len(data))
    header = read_header(data)
    assert (header.base_offset, header.leader_epoch) == (6, 5)
    assert log.leader_epochs.entries == [(0, 0), (5, 6)]
    assert contents(log.read(6, 10_000, upper_offset=9)) == bytes(data)


@pytest.mark.parametrize("name", ["producer", *_CODECS])
def test_the_topics_codec_is_in_the_log_whatever_came(name: str) -> None:
    log = open_log(MemoryDisk(), Settings(compression_type=name))
    for sent in in_every_codec():
        info = log.append_as_leader(bytearray(sent), 0)
        stored = contents(log.read(info.first_offset, 10_000, upper_offset=info.last_offset + 1))
        header, came = read_header(stored), read_header(sent)
        assert header.codec == (came.codec if name == "producer" else _CODECS[name])
        records = decode_records(stored, 0, header)
        assert [record.value for record in records] == [b"squeeze " * 40] * 4
        assert [len(record.headers) for record in records] == [1 if came.magic == 2 else 0] * 4
        times = [-1] * 4 if came.magic == 0 else [NOW_MS + i for i in range(4)]
        assert [record.timestamp for record in records] == times


def test_log_append_time_is_told() -> None:
    log = open_log(MemoryDisk(), Settings(message_timestamp_type="LogAppendTime"))
    assert log.append_as_leader(batch(timestamp=3), 0).log_append_time == NOW_MS


def test_memoryviews_are_written_where_they_lie() -> None:
    log = open_log(MemoryDisk())
    frame = bytearray(b"head") + batch() + b"tail"
    log.append_as_leader(memoryview(frame)[4:-4], 9)
    assert read_header(frame, 4).leader_epoch == 9


def test_a_follower_takes_batches_as_they_are() -> None:
    leader = filled(5)
    follower = open_log(MemoryDisk())
    data = contents(leader.read(0, 10_000, upper_offset=10))
    info = follower.append_as_follower(data + data[:30])
    assert (info.first_offset, info.last_offset, info.records_bytes) == (0, 9, len(data))
    assert contents(follower.read(0, 10_000, upper_offset=10)) == data


def test_a_follower_refuses_damage_and_repetition() -> None:
    data = contents(filled(5).read(0, 10_000, upper_offset=10))
    follower = open_log(MemoryDisk())
    damaged = bytearray(data)
    damaged[-1] ^= 1
    with pytest.raises(CorruptBatch):
        follower.append_as_follower(damaged)
    assert follower.log_end_offset == 0
    follower.append_as_follower(data)
    with pytest.raises(UnexpectedAppendOffset) as failure:
        follower.append_as_follower(data)
    assert failure.value.first_offset == 0


def test_a_follower_may_start_above_its_log_end() -> None:
    follower = open_log(MemoryDisk())
    follower.append_as_follower(batch([b"a"], base_offset=500, leader_epoch=3))
    assert follower.log_end_offset == 501


def test_a_follower_leaves_out_batches_of_a_later_epoch() -> None:
    follower = open_log(MemoryDisk())
    data = batch(base_offset=0, leader_epoch=3) + batch(base_offset=1, leader_epoch=4)
    info = follower.append_as_follower(data, leader_epoch=3)
    assert (info.last_offset, follower.log_end_offset) == (0, 1)
    assert follower.append_as_follower(data[len(data) // 2 :], leader_epoch=3).records_bytes == 0
    assert follower.append_as_follower(data[len(data) // 2 :], leader_epoch=4).last_offset == 1


def test_a_closed_segment_ends_with_its_largest_timestamp() -> None:
    disk = MemoryDisk()
    log = open_log(disk)
    for timestamp in (5, 9, 7):
        log.append_as_leader(batch(timestamp=timestamp), 0)
    log.close()
    entry = disk.files["/data/t-0/00000000000000000000.timeindex"].data
    assert entry.hex() == f"{9:016x}{1:08x}"


def test_what_is_larger_than_a_segment_is_refused() -> None:
    log = open_log(MemoryDisk(), Settings(segment_bytes=200))
    with pytest.raises(KafkaError) as failure:
        log.append_as_leader(batch(b"x" * 300), 0)
    assert code_of(failure) == ErrorCode.RECORD_LIST_TOO_LARGE


@pytest.mark.parametrize("space", [0, 1, 50, 100])
def test_a_full_disk_leaves_the_log_as_it_was(space: int) -> None:
    disk, hooks = MemoryDisk(), Hooks()
    log = open_log(disk, hooks=hooks)
    log.append_as_leader(batch(b"kept"), 0)
    before = bytes(disk.files["/data/t-0/00000000000000000000.log"].data)
    disk.space = space
    with pytest.raises(KafkaError) as failure:
        log.append_as_leader(batch(b"x" * 100), 0)
    assert code_of(failure) == ErrorCode.KAFKA_STORAGE_ERROR
    assert [error.errno for error in hooks.errors] == [errno.ENOSPC]
    assert bytes(disk.files["/data/t-0/00000000000000000000.log"].data) == before
    assert log.log_end_offset == 1
    disk.space = None
    assert log.append_as_leader(batch(), 0).first_offset == 1


def test_flush_messages_is_obeyed() -> None:
    disk = MemoryDisk()
    log = open_log(disk, Settings(flush_messages=3))
    for _ in range(2):
        log.append_as_leader(batch(), 0)
    assert log.recovery_point == 0
    log.append_as_leader(batch(), 0)
    assert log.recovery_point == 3
    assert disk.syncs.count("/data/t-0/00000000000000000000.log") == 1


def test_a_flush_that_a_truncation_overtook_proves_nothing() -> None:
    log = filled(5)
    pending = log.segments_to_flush(10)
    log.truncate_to(4)
    for _ in range(6):
        log.append_as_leader(batch(), 0)
    log.flush_segments(pending)
    log.mark_flushed(pending)
    assert log.recovery_point == 0
    pending = log.segments_to_flush(99)
    log.append_as_leader(batch(), 0)
    log.flush_segments(pending)
    log.mark_flushed(pending)
    assert log.recovery_point == 10


# ---- roll


def test_segments_roll_by_size() -> None:
    hooks = Hooks()
    log = open_log(MemoryDisk(), Settings(segment_bytes=400), hooks=hooks)
    for _ in range(9):
        log.append_as_leader(batch(b"x" * 50), 0)
    bases = [segment.base_offset for segment in log.segments()]
    assert bases == [0, 3, 6]
    assert all(segment.size <= 400 for segment in log.segments())
    assert hooks.flushed == [3, 6]


def test_segments_roll_by_time_of_the_records() -> None:
    log = open_log(MemoryDisk(), Settings(segment_ms=1000))
    for timestamp in (NOW_MS, NOW_MS + 1000, NOW_MS + 1001, NOW_MS + 1500):
        log.append_as_leader(batch(timestamp=timestamp), 0)
    assert [segment.base_offset for segment in log.segments()] == [0, 2]


def test_segments_roll_when_an_index_is_full() -> None:
    log = open_log(MemoryDisk(), Settings(segment_index_bytes=24, index_interval_bytes=0))
    for _ in range(8):
        log.append_as_leader(batch(timestamp=-1), 0)
    assert all(len(segment.offset_index) <= 3 for segment in log.segments())
    assert [segment.base_offset for segment in log.segments()] == [0, 4]


def test_segments_roll_when_offsets_span_too_far() -> None:
    log = open_log(MemoryDisk())
    log.append_as_follower(batch(base_offset=0))
    log.append_as_follower(batch(base_offset=2**31 - 1))
    log.append_as_follower(batch(base_offset=2**31))
    assert [segment.base_offset for segment in log.segments()] == [0, 2**31]


def test_rolling_an_empty_segment_does_nothing() -> None:
    log = open_log(MemoryDisk())
    log.roll()
    assert len(log.segments()) == 1
    log.append_as_leader(batch(), 0)
    log.roll()
    log.roll()
    assert [segment.base_offset for segment in log.segments()] == [0, 1]


def test_closing_an_idle_log_writes_nothing() -> None:
    disk = MemoryDisk()
    log = filled(5, disk=disk)
    log.close()
    assert disk.files["/data/t-0/00000000000000000000.log"].synced
    before = {path: bytes(inode.data) for path, inode in disk.files.items()}
    again = open_log(disk, clean=True, recovery_point=10)
    disk.syncs.clear()
    again.close()
    assert disk.syncs == []
    assert {path: bytes(inode.data) for path, inode in disk.files.items()} == before


# ---- read


def test_reads_hold_whole_batches_from_the_one_with_the_offset() -> None:
    log = filled(10, Settings(index_interval_bytes=200))
    size = log.read(0, 1, upper_offset=20).size
    for offset in range(20):
        for max_bytes in (1, size, size + 1, 3 * size, 100_000):
            found = offsets(log.read(offset, max_bytes, upper_offset=20))
            first = offset // 2 * 2
            count = min(max(max_bytes // size, 1), (20 - first) // 2)
            assert found == list(range(first, first + 2 * count, 2)), (offset, max_bytes)


def test_nothing_is_read_at_or_above_the_upper_offset() -> None:
    log = filled(10)
    assert offsets(log.read(2, 10_000, upper_offset=6)) == [2, 4]
    assert log.read(6, 10_000, upper_offset=6).regions == []
    assert log.read(8, 10_000, upper_offset=6).regions == []
    assert log.read(20, 10_000, upper_offset=20).regions == []


def test_reads_stay_in_one_segment_and_go_on_in_the_next() -> None:
    log = filled(12, Settings(segment_bytes=700))
    assert len(log.segments()) > 2
    assert [offset for offset, _ in read_all(log)] == list(range(24))
    second = log.segments()[1].base_offset
    assert offsets(log.read(0, 10_000, upper_offset=24))[-1] == second - 2
    assert offsets(log.read(0, 10_000, upper_offset=second)) == list(range(0, second, 2))


@pytest.mark.parametrize("offset", [-1, 21, 1000])
def test_offsets_outside_the_log_are_out_of_range(offset: int) -> None:
    with pytest.raises(KafkaError) as failure:
        filled(10).read(offset, 1000, upper_offset=20)
    assert code_of(failure) == ErrorCode.OFFSET_OUT_OF_RANGE


def test_a_first_batch_that_is_too_large() -> None:
    log = filled(3)
    whole = log.read(0, 10, upper_offset=6)
    assert offsets(whole) == [0]
    cut = log.read(0, 10, upper_offset=6, min_one=False)
    assert (cut.size, cut.first_entry_incomplete) == (10, True)
    nothing = log.read(0, 0, upper_offset=6, min_one=False)
    assert (nothing.regions, nothing.first_entry_incomplete) == ([], False)


def test_tail_reads_follow_the_appends() -> None:
    log = open_log(MemoryDisk(), Settings(segment_bytes=500))
    for i in range(30):
        assert log.read(i, 10_000, upper_offset=i).regions == []
        log.append_as_leader(batch(b"%d" % i), 0)
        assert offsets(log.read(i, 10_000, upper_offset=i + 1)) == [i]


def test_gaps_of_compaction_are_read_over() -> None:
    log = open_log(MemoryDisk(), Settings(segment_bytes=200))
    for base in (0, 10, 20, 30):
        log.append_as_follower(batch(b"x" * 60, base_offset=base))
    for offset, expected in ((0, 0), (1, 10), (10, 10), (15, 20), (25, 30), (30, 30)):
        assert offsets(log.read(offset, 50, upper_offset=31)) == [expected]


def test_a_region_outlives_the_deletion_of_its_segment(tmp_path: object) -> None:
    log = open_log(LocalDisk(), Settings(segment_bytes=300), log_dir=str(tmp_path), cache_limit=1)
    for _ in range(8):
        log.append_as_leader(batch(b"x" * 100), 0)
    read = log.read(0, 10_000, upper_offset=8)
    expected = contents(read)
    log.truncate_fully_and_start_at(100)
    assert contents(read) == expected


def test_few_files_stay_open(tmp_path: object) -> None:
    log = open_log(LocalDisk(), Settings(segment_bytes=300), log_dir=str(tmp_path), cache_limit=4)
    for _ in range(60):
        log.append_as_leader(batch(b"x" * 100), 0)
    assert len(log.segments()) > 20
    assert len(read_all(log)) == 60
    assert len(log._files) <= 4


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=30),
    segment_bytes=st.integers(300, 2000),
    interval=st.integers(0, 500),
    reads=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 1500), st.integers(0, 90)), max_size=30),
)
def test_reads_match_a_simple_model(
    sizes: list[int], segment_bytes: int, interval: int, reads: list[tuple[int, int, int]]
) -> None:
    log = open_log(MemoryDisk(), Settings(segment_bytes=segment_bytes, index_interval_bytes=interval))
    spans: list[tuple[int, int]] = []
    for size in sizes:
        info = log.append_as_leader(batch([b"x" * 30] * size), 0)
        spans.append((info.first_offset, info.last_offset))
    end = log.log_end_offset
    starts = [first for first, _ in spans]
    for offset, max_bytes, upper in reads:
        offset = min(offset, end)
        upper = max((start for start in [*starts, end] if start <= upper), default=0)
        found = offsets(log.read(offset, max_bytes, upper_offset=upper))
        possible = [first for first, last in spans if last >= offset and first < upper]
        assert found == possible[: len(found)]
        assert bool(found) == bool(possible and offset < upper)


# ---- high watermark, log start


def test_the_high_watermark_stays_in_the_log() -> None:
    log = filled(5)
    assert log.update_high_watermark(99) == 10
    assert log.update_high_watermark(4) == 4
    log.maybe_increment_log_start_offset(4, "test")
    assert log.update_high_watermark(1) == 4


def test_the_log_start_moves_up_to_the_high_watermark_only() -> None:
    log = filled(5)
    log.update_high_watermark(6)
    with pytest.raises(KafkaError) as failure:
        log.maybe_increment_log_start_offset(7, "test")
    assert code_of(failure) == ErrorCode.OFFSET_OUT_OF_RANGE
    assert log.maybe_increment_log_start_offset(5, "test")
    assert not log.maybe_increment_log_start_offset(3, "test")
    with pytest.raises(KafkaError):
        log.read(4, 100, upper_offset=10)
    assert offsets(log.read(5, 100, upper_offset=10)) == [4]
    assert log.leader_epochs.entries == [(0, 5)]


# ---- truncation


def test_truncation_takes_everything_with_it() -> None:
    log = open_log(MemoryDisk(), Settings(segment_bytes=400, index_interval_bytes=0))
    for i in range(20):
        fields = {"producer_id": 7, "producer_epoch": 0, "base_sequence": i}
        log.append_as_leader(batch(b"x" * 50, **fields), i // 5)  # type: ignore[arg-type]
    log.update_high_watermark(18)
    log.flush()
    assert log.truncate_to(8)
    assert (log.log_end_offset, log.high_watermark, log.recovery_point) == (8, 8, 8)
    assert log.leader_epochs.entries == [(0, 0), (1, 5)]
    assert log.producer_states.entries[7].batches[-1].last_sequence == 7
    assert [offset for offset, _ in read_all(log)] == list(range(8))
    assert all(segment.base_offset <= 8 for segment in log.segments())
    info = log.append_as_leader(batch(producer_id=7, producer_epoch=0, base_sequence=8), 6)
    assert info.first_offset == 8


def test_truncating_above_the_end_changes_nothing() -> None:
    log = filled(5)
    assert not log.truncate_to(10)
    assert not log.truncate_to(99)
    assert log.log_end_offset == 10


def test_truncating_below_the_first_segment_starts_again() -> None:
    log = open_log(MemoryDisk())
    log.append_as_follower(batch(base_offset=100))
    log.truncate_fully_and_start_at(50)
    log.append_as_follower(batch(base_offset=50))
    assert log.truncate_to(20)
    assert (log.log_start_offset, log.log_end_offset, log.high_watermark) == (20, 20, 20)


def test_reads_after_truncation_see_the_new_data() -> None:
    log = filled(5)
    log.read(8, 100, upper_offset=10)
    log.truncate_to(6)
    log.append_as_leader(batch([b"new", b"newer"]), 2)
    assert read_all(log)[6:] == [(6, b"new"), (7, b"newer")]


def test_starting_again_elsewhere() -> None:
    hooks = Hooks()
    log = open_log(MemoryDisk(), hooks=hooks)
    log.append_as_leader(batch(producer_id=7, producer_epoch=0, base_sequence=0), 3)
    log.truncate_fully_and_start_at(1000)
    assert (log.log_start_offset, log.log_end_offset, log.high_watermark) == (1000, 1000, 1000)
    assert log.leader_epochs.entries == []
    assert not log.producer_states.entries
    assert all(path.endswith(".deleted") for path in hooks.deleted)
    assert log.append_as_leader(batch(), 4).first_offset == 1000


# ---- transactions


def transactional(log: Log, producer: int, sequence: int) -> None:
    fields = {"producer_id": producer, "producer_epoch": 0, "base_sequence": sequence}
    log.append_as_leader(batch(is_transactional=True, **fields), 0)  # type: ignore[arg-type]


def end(log: Log, producer: int, committed: bool) -> None:
    marker = end_transaction_marker(
        timestamp=NOW_MS, producer_id=producer, producer_epoch=0, committed=committed, coordinator_epoch=0
    )
    log.append_as_leader(marker, 0, origin="coordinator")


def test_the_last_stable_offset_waits_for_decision_and_replication() -> None:
    log = open_log(MemoryDisk())
    transactional(log, 1, 0)
    transactional(log, 2, 0)
    log.update_high_watermark(2)
    assert log.last_stable_offset == 0
    end(log, 1, committed=True)
    log.update_high_watermark(2)
    assert log.last_stable_offset == 0  # the marker at 2 is not below the high watermark
    log.update_high_watermark(3)
    assert log.last_stable_offset == 1
    end(log, 2, committed=False)
    log.update_high_watermark(4)
    assert log.last_stable_offset == 4


def test_aborted_transactions_are_told_to_committed_readers_only() -> None:
    log = open_log(MemoryDisk(), Settings(segment_bytes=300))
    for step in range(6):
        transactional(log, step % 2, step // 2)
        end(log, step % 2, committed=step % 2 == 0)
    log.update_high_watermark(log.log_end_offset)
    assert log.read(0, 10_000, upper_offset=12).aborted_transactions is None
    found = []
    offset = 0
    while offset < 12:
        read = log.read(offset, 10_000, upper_offset=12, read_committed=True)
        assert read.aborted_transactions is not None
        found += [(aborted.producer_id, aborted.first_offset) for aborted in read.aborted_transactions]
        offset = list(iterate_headers(contents(read)))[-1][1].next_offset
    assert sorted(set(found)) == [(1, 2), (1, 6), (1, 10)]


def test_a_committed_reader_of_nothing_gets_an_empty_list() -> None:
    log = open_log(MemoryDisk())
    assert log.read(0, 100, upper_offset=0, read_committed=True).aborted_transactions == []


def test_compressed_messages_come_one_at_a_time() -> None:
    one = bytes(build_message_set([Record(0, NOW_MS, None, b"v")], magic=1, codec=Codec.GZIP))
    log = open_log(MemoryDisk())
    with pytest.raises(KafkaError) as failure:
        log.append_as_leader(bytearray(one * 2), 0)
    assert failure.value.code is ErrorCode.INVALID_RECORD
    log.append_as_leader(bytearray(one), 0)


def test_a_wrong_base_offset_is_told_before_a_wrong_checksum() -> None:
    data = batch([b"v"])
    data[7] = 5
    data[17:21] = bytes(4)
    with pytest.raises(KafkaError) as failure:
        open_log(MemoryDisk()).append_as_leader(data, 0)
    assert failure.value.code is ErrorCode.INVALID_RECORD


def test_what_stands_behind_the_value_of_an_old_message_is_not_looked_at() -> None:
    message = bytearray(build_message(1, 0, NOW_MS, None, b"1234"))
    message[30:34] = b"\xff\xff\xff\xff"
    struct.pack_into(">I", message, 12, zlib.crc32(message[16:]))
    log = open_log(MemoryDisk())
    log.append_as_leader(message, 0)
    assert log.log_end_offset == 1
