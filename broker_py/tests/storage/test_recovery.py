# SPDX-License-Identifier: Apache-2.0
"""After a crash: what is intact before the damage stays, nothing bad is served, nothing raises."""

from __future__ import annotations

import logging

import pytest

from commitlog.records.batch import CorruptBatch, iterate_headers
from commitlog.records.control import end_transaction_marker
from commitlog.storage.log import Log
from commitlog.wire.errors import ErrorCode, KafkaError
from tests.storage.memory_disk import MemoryDisk
from tests.storage.settings import Settings
from tests.storage.world import NOW_MS, batch, open_log, read_all

LOG = "/data/t-0/00000000000000000000.log"
SMALL = Settings(segment_bytes=500, index_interval_bytes=100)


UNCHECKED = [*range(8), *range(12, 16)]  # offset and leader epoch are not under a batch's CRC


def small_log(disk: MemoryDisk, config: Settings = SMALL, count: int = 12) -> Log:
    """A dozen batches, some of a producer, over a few segments and epochs; not closed."""
    log = open_log(disk, config)
    for i in range(count):
        fields = {"producer_id": 5, "producer_epoch": 0, "base_sequence": 2 * i}
        log.append_as_leader(batch([b"%d" % i, b"x" * 40], timestamp=NOW_MS + i, **fields), i // 5)
    return log


def batch_ends(disk: MemoryDisk, path: str = LOG) -> list[int]:
    data = bytes(disk.files[path].data)
    return [position + header.size for position, header in iterate_headers(data)]


def expected_values(count: int) -> list[tuple[int, bytes]]:
    values = [value for i in range(count) for value in (b"%d" % i, b"x" * 40)]
    return list(enumerate(values))


def test_cut_at_every_byte_keeps_all_whole_batches() -> None:
    original = MemoryDisk()
    small_log(original, Settings(index_interval_bytes=100), count=7)
    ends = batch_ends(original)
    for size in range(ends[-1] + 1):
        disk = original.copy()
        del disk.files[LOG].data[size:]
        log = open_log(disk)
        whole = sum(end <= size for end in ends)
        assert log.log_end_offset == 2 * whole
        assert read_all(log) == expected_values(whole)
        # The log must go on as if nothing had happened.
        assert log.append_as_leader(batch(b"after"), 9).first_offset == 2 * whole


def test_flipping_any_bit_serves_nothing_bad() -> None:
    original = MemoryDisk()
    small_log(original, Settings(index_interval_bytes=100), count=5)
    ends = batch_ends(original)
    starts = [0, *ends[:-1]]
    for position in range(ends[-1]):
        disk = original.copy()
        disk.files[LOG].data[position] ^= 1 << position % 8
        damaged = sum(end <= position for end in ends)
        log = open_log(disk)
        if position - starts[damaged] in UNCHECKED:
            continue  # see the next test
        assert log.log_end_offset == 2 * damaged, position
        assert read_all(log) == expected_values(damaged)


def test_a_flipped_offset_never_raises_nor_hides_earlier_batches() -> None:
    original = MemoryDisk()
    small_log(original, Settings(index_interval_bytes=100), count=5)
    starts = [0, *batch_ends(original)[:-1]]
    for number, start in enumerate(starts):
        for byte in UNCHECKED:
            for bit in range(8):
                disk = original.copy()
                disk.files[LOG].data[start + byte] ^= 1 << bit
                log = open_log(disk)
                assert read_all(log)[: 2 * number] == expected_values(number)
                assert log.append_as_leader(batch(b"after"), 99).first_offset >= 2 * number


def test_damage_in_one_segment_drops_the_later_ones(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()
    log = small_log(disk)
    bases = [segment.base_offset for segment in log.segments()]
    assert len(bases) >= 3
    second = log.segments()[1].path
    disk.files[second].data[batch_ends(disk, second)[0] + 70] ^= 1
    with caplog.at_level(logging.WARNING):
        log = open_log(disk, SMALL)
    assert log.log_end_offset == bases[1] + 2
    assert [segment.base_offset for segment in log.segments()] == bases[:2]
    assert f"{bases[2]:020d}.log" not in disk.listdir("/data/t-0")
    text = caplog.text
    assert second in text
    assert f"at byte offset {batch_ends(disk, second)[0]}" in text
    assert f"next offset {bases[1] + 2}" in text
    assert "Record is corrupt" in text


def test_damage_below_the_recovery_point_is_reported_and_not_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = MemoryDisk()
    log = small_log(disk)
    end = log.log_end_offset
    last_base = log.segments()[-1].base_offset
    disk.files[LOG].data[batch_ends(disk)[1] + 70] ^= 1
    log = open_log(disk, SMALL, recovery_point=last_base)
    assert log.log_end_offset == end
    with caplog.at_level(logging.ERROR):
        assert log.read(0, 10_000, upper_offset=end).size == batch_ends(disk)[1]
        for _ in range(2):
            with pytest.raises(KafkaError) as failure:
                log.read(4, 10_000, upper_offset=end)
            assert failure.value.code == ErrorCode.CORRUPT_MESSAGE
    assert caplog.text.count("Corruption found in segment") == 1
    assert LOG in caplog.text
    # What comes after the damage is still there.
    assert log.read(6, 10_000, upper_offset=end).size > 0
    assert bytes(disk.files[LOG].data) != b""


def test_every_flip_below_the_recovery_point_is_caught_by_reads() -> None:
    original = MemoryDisk()
    log = small_log(original)
    end, last_base = log.log_end_offset, log.segments()[-1].base_offset
    good = bytes(original.files[LOG].data)
    starts = [0, *batch_ends(original)[:-1]]
    refused = 0
    for position in range(len(good)):
        within = position - max(start for start in starts if start <= position)
        if within in UNCHECKED:
            continue
        disk = original.copy()
        disk.files[LOG].data[position] ^= 0x10
        log = open_log(disk, SMALL, recovery_point=last_base)
        assert log.log_end_offset == end
        for offset in range(0, log.segments()[1].base_offset, 2):
            try:
                read = log.read(offset, 200, upper_offset=end)
            except CorruptBatch:
                refused += 1
                continue
            for region in read.regions:
                assert region.read() == good[region.position : region.position + region.size]
    assert refused >= len(good) * 0.7


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
def test_a_damaged_index_is_rebuilt_when_it_misleads(suffix: str) -> None:
    original = MemoryDisk()
    log = small_log(original)
    end, last_base = log.log_end_offset, log.segments()[-1].base_offset
    good = read_all(log)
    path = LOG.replace(".log", suffix)
    for position in range(len(original.files[path].data)):
        disk = original.copy()
        disk.files[path].data[position] ^= 0x55
        log = open_log(disk, SMALL, recovery_point=last_base)
        for offset in range(0, end, 2):
            read = log.read(offset, 200, upper_offset=end)
            header = next(iterate_headers(b"".join(region.read() for region in read.regions)))[1]
            assert header.base_offset == offset
        assert read_all(log) == good


def test_indexes_after_recovery_are_those_of_a_clean_close() -> None:
    disk = MemoryDisk()
    log = small_log(disk)
    crashed = disk.copy()
    log.close()
    recovered = open_log(crashed, SMALL)
    recovered.close()
    names = set(disk.listdir("/data/t-0"))
    assert names == set(crashed.listdir("/data/t-0"))
    for name in names:
        if not name.endswith("index"):
            path = f"/data/t-0/{name}"
            assert crashed.files[path].data == disk.files[path].data, name


def test_zero_padding_of_a_crashed_jvm_index_is_dropped() -> None:
    disk = MemoryDisk()
    small_log(disk)
    for name in disk.listdir("/data/t-0"):
        if name.endswith("index"):
            disk.files[f"/data/t-0/{name}"].data += bytes(5000)
    log = open_log(disk, SMALL)
    assert read_all(log) == expected_values(12)
    assert all(len(inode.data) < 300 for path, inode in disk.files.items() if path.endswith("index"))


def test_a_missing_index_is_rebuilt() -> None:
    disk = MemoryDisk()
    log = small_log(disk)
    log.close()
    disk.remove(LOG.replace(".log", ".index"))
    log = open_log(disk, SMALL, clean=True)
    assert len(log.segments()[0].offset_index) > 0
    assert read_all(log) == expected_values(12)


def test_orphaned_indexes_and_temporary_files_go() -> None:
    disk = MemoryDisk()
    small_log(disk).close()
    for name in (
        "00000000000000000999.index",
        "00000000000000000000.log.deleted",
        "00000000000000000000.log.cleaned",
    ):
        disk.open(f"/data/t-0/{name}", create=True)
    open_log(disk, SMALL, clean=True)
    names = disk.listdir("/data/t-0")
    assert not [name for name in names if "999" in name or name.endswith((".deleted", ".cleaned"))]


def test_an_interrupted_swap_is_completed() -> None:
    disk = MemoryDisk()
    log = small_log(disk)
    log.close()
    bases = [segment.base_offset for segment in log.segments()]
    merged = bytes(disk.files[LOG].data + disk.files[f"/data/t-0/{bases[1]:020d}.log"].data)
    disk.open(f"{LOG}.swap", create=True).append(merged)
    log = open_log(disk, SMALL, clean=True)
    assert [segment.base_offset for segment in log.segments()] == [0, *bases[2:]]
    assert read_all(log) == expected_values(12)


def test_producers_survive_a_crash() -> None:
    disk = MemoryDisk()
    small_log(disk)
    log = open_log(disk, SMALL)
    duplicate = log.append_as_leader(
        batch([b"11", b"x" * 40], producer_id=5, producer_epoch=0, base_sequence=22), 3
    )
    assert duplicate.duplicate
    assert duplicate.first_offset == 22
    with pytest.raises(KafkaError) as failure:
        log.append_as_leader(batch(producer_id=5, producer_epoch=0, base_sequence=30), 3)
    assert failure.value.code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_damaged_snapshot_is_replaced_from_the_log(caplog: pytest.LogCaptureFixture) -> None:
    original = MemoryDisk()
    small_log(original).close()
    newest = max(name for name in original.listdir("/data/t-0") if name.endswith(".snapshot"))
    path = f"/data/t-0/{newest}"
    for position in range(len(original.files[path].data)):
        disk = original.copy()
        disk.files[path].data[position] ^= 1
        log = open_log(disk, SMALL, clean=True)
        assert log.producer_states.entries[5].batches[-1].last_sequence == 23
    assert "Failed to load producer snapshot" in caplog.text


def test_open_transactions_and_aborted_ones_survive_a_crash() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    for producer in (1, 2):
        fields = {"producer_id": producer, "producer_epoch": 0, "base_sequence": 0}
        log.append_as_leader(batch(b"x" * 400, is_transactional=True, **fields), 0)
    abort = end_transaction_marker(
        timestamp=NOW_MS, producer_id=1, producer_epoch=0, committed=False, coordinator_epoch=0
    )
    log.append_as_leader(abort, 0, origin="coordinator")
    log = open_log(disk, SMALL)
    log.update_high_watermark(3)
    assert log.last_stable_offset == 1
    read = log.read(0, 10_000, upper_offset=1, read_committed=True)
    assert [(t.producer_id, t.first_offset) for t in read.aborted_transactions or []] == [(1, 0)]


def test_leader_epochs_are_found_in_the_log_when_their_file_is_damaged() -> None:
    disk = MemoryDisk()
    small_log(disk).close()
    disk.files["/data/t-0/leader-epoch-checkpoint"].data[0:1] = b"\xff"
    log = open_log(disk, SMALL, clean=True)
    assert log.leader_epochs.entries == [(0, 0), (1, 10), (2, 20)]


def test_epochs_of_lost_batches_are_forgotten() -> None:
    disk = MemoryDisk()
    log = small_log(disk)
    log.leader_epochs.assign(7, 22)
    del disk.files[log.segments()[-1].path].data[:]
    log = open_log(disk, SMALL)
    assert log.log_end_offset < 22
    assert 7 not in dict(log.leader_epochs.entries)


def test_a_lost_end_of_a_segment_takes_the_later_ones_with_it(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()
    log = small_log(disk)
    second, third = log.segments()[1:3]
    del disk.files[second.path].data[batch_ends(disk, second.path)[-2] :]  # between two batches
    log = open_log(disk, SMALL)
    assert log.log_end_offset == third.base_offset - 2
    assert "its end is lost" in caplog.text


def test_holes_of_compaction_are_no_loss() -> None:
    config = Settings(segment_bytes=200, cleanup_policy=frozenset({"compact"}))
    disk = MemoryDisk()
    log = open_log(disk, config)
    for base in (0, 10, 20, 30):
        log.append_as_follower(batch(b"x" * 60, base_offset=base))
    assert open_log(disk, config).log_end_offset == 31


def test_damage_below_the_recovery_point_does_not_stop_loading(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()
    log = small_log(disk)
    last_base = log.segments()[-1].base_offset
    end = log.log_end_offset
    for name in disk.listdir("/data/t-0"):
        if name.endswith(".snapshot"):
            disk.remove(f"/data/t-0/{name}")
    disk.files[LOG].data[8:12] = b"\xff\xff\xff\xff"
    log = open_log(disk, SMALL, recovery_point=last_base)
    assert log.log_end_offset == end
    assert "known in part only" in caplog.text


def test_a_power_cut_loses_only_what_was_not_flushed() -> None:
    disk = MemoryDisk()
    log = small_log(disk)
    log.flush()
    flushed = log.log_end_offset
    log.append_as_leader(batch(b"lost"), 3)
    log = open_log(disk.after_power_cut(), SMALL, recovery_point=flushed)
    assert log.log_end_offset == flushed


def test_a_tail_damaged_after_a_clean_close_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()
    small_log(disk).close()
    last = max(name for name in disk.listdir("/data/t-0") if name.endswith(".log"))
    del disk.files[f"/data/t-0/{last}"].data[-5:]
    with caplog.at_level(logging.WARNING):
        log = open_log(disk, SMALL, clean=True)
    assert log.log_end_offset == 22
    assert "damaged although it was closed cleanly" in caplog.text


def test_a_log_below_its_start_offset_starts_again_there() -> None:
    disk = MemoryDisk()
    small_log(disk).close()
    log = open_log(disk, SMALL, log_start_offset=1000)
    assert (log.log_start_offset, log.log_end_offset) == (1000, 1000)
    assert log.append_as_leader(batch(), 5).first_offset == 1000
