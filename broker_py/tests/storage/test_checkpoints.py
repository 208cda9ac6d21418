# SPDX-License-Identifier: Apache-2.0
"""Small text files: offset checkpoints, leader epochs, partition.metadata; and the real disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.storage.checkpoint import CheckpointError, read_offsets, write_offsets
from commitlog.storage.disk import LocalDisk
from commitlog.storage.file_cache import FileCache
from commitlog.storage.leader_epochs import LeaderEpochCache
from commitlog.storage.partition_metadata import PartitionMetadataError, TopicIdFile, read_topic_id
from tests.storage.memory_disk import MemoryDisk


def disk_with(path: str, content: bytes) -> MemoryDisk:
    disk = MemoryDisk()
    disk.mkdir("/d")
    disk.write_atomic(path, content)
    return disk


@given(
    st.dictionaries(
        st.tuples(st.from_regex(r"[a-z._-]{1,9}", fullmatch=True), st.integers(0, 99)), st.integers(0)
    )
)
def test_offset_checkpoints_round_trip(offsets: dict[tuple[str, int], int]) -> None:
    disk = MemoryDisk()
    write_offsets(disk, "/c", offsets)
    assert read_offsets(disk, "/c") == offsets


def test_an_offset_checkpoint_is_kafkas_to_the_byte() -> None:
    disk = MemoryDisk()
    write_offsets(disk, "/c", {("a-b", 0): 5, ("t", 11): 2**40})
    assert disk.files["/c"].data == b"0\n2\na-b 0 5\nt 11 1099511627776\n"


def test_missing_and_empty_checkpoints_hold_nothing() -> None:
    assert read_offsets(MemoryDisk(), "/c") == {}
    for content in (b"", b"0\n", b"0\n0\n"):
        assert read_offsets(disk_with("/c", content), "/c") == {}


@pytest.mark.parametrize(
    "content", [b"1\n0\n", b"0\n2\nt 0 1\n", b"0\n1\nt 0 1\nt 1 1\n", b"0\n1\nt x 1\n", b"0\nfoo\n", b"\xff"]
)
def test_damaged_checkpoints_name_the_file(content: bytes) -> None:
    with pytest.raises(CheckpointError, match="/c"):
        read_offsets(disk_with("/c", content), "/c")


# ---- leader epochs


def epochs(disk: MemoryDisk, *pairs: tuple[int, int]) -> LeaderEpochCache:
    disk.mkdir("/d")
    cache = LeaderEpochCache(disk, "/d")
    for pair in pairs:
        cache.assign(*pair)
    return cache


def test_epochs_are_on_disk_when_flush_returns() -> None:
    disk = MemoryDisk()
    cache = epochs(disk)
    changes: list[bool] = []
    cache.on_change = lambda: changes.append(cache.is_behind)
    for pair in (0, 0), (3, 10), (4, 30):
        cache.assign(*pair)
    assert disk.files["/d/leader-epoch-checkpoint"].synced == b"", "it costs no sync to assign"
    assert changes == [True], "said once, however many changes wait"
    cache.flush()
    assert disk.files["/d/leader-epoch-checkpoint"].synced == b"0\n3\n0 0\n3 10\n4 30\n"
    assert LeaderEpochCache(disk, "/d").entries == cache.entries == [(0, 0), (3, 10), (4, 30)]
    assert cache.latest_epoch == 4


def test_end_offsets_for_epochs() -> None:
    cache = epochs(MemoryDisk(), (2, 10), (4, 30), (7, 50))
    asked = {-1: (-1, -1), 0: (0, 10), 1: (1, 10), 2: (2, 30), 3: (2, 30), 4: (4, 50), 6: (4, 50)}
    asked |= {7: (7, 99), 8: (-1, -1)}
    assert {epoch: cache.end_offset_for(epoch, 99) for epoch in asked} == asked
    assert epochs(MemoryDisk()).end_offset_for(0, 99) == (-1, -1)


def test_epochs_of_offsets() -> None:
    cache = epochs(MemoryDisk(), (2, 10), (4, 30))
    assert [cache.epoch_for_offset(offset) for offset in (0, 9, 10, 29, 30, 99)] == [None, None, 2, 2, 4, 4]


def test_repeated_assignment_changes_nothing_and_contradictions_go() -> None:
    disk = MemoryDisk()
    cache = epochs(disk, (1, 0), (2, 10), (2, 15), (3, 20))
    assert cache.entries == [(1, 0), (2, 10), (3, 20)]
    cache.assign(4, 20)  # nothing was written in epoch 3
    assert cache.entries == [(1, 0), (2, 10), (4, 20)]
    cache.assign(3, 12)
    assert cache.entries == [(1, 0), (2, 10), (3, 12)]
    cache.assign(3, 5)
    assert cache.entries == [(1, 0), (3, 5)]


def test_a_released_file_is_not_written_any_more() -> None:
    disk = MemoryDisk()
    cache = epochs(disk, (0, 0))
    cache.release()
    cache.flush()
    assert disk.files["/d/leader-epoch-checkpoint"].synced == b""


def test_recovery_confirms_epochs() -> None:
    def confirmed(*batches: tuple[int, int]) -> list[tuple[int, int]]:
        cache = epochs(MemoryDisk(), (1, 0), (2, 10), (5, 20))
        for one in batches:
            cache.confirm(*one)
        return cache.entries

    whole = [(1, 0), (2, 10), (5, 20)]
    assert confirmed((1, 0), (1, 5), (2, 10), (2, 19), (5, 20), (5, 99)) == whole
    assert confirmed((5, 20), (6, 30), (6, 40)) == [*whole, (6, 30)], "an entry that was lost"
    assert confirmed((2, 20), (2, 30)) == [(1, 0), (2, 10)], "an entry that a truncation had taken away"
    assert confirmed((2, 20), (5, 30)) == [(1, 0), (2, 10), (5, 30)]
    assert confirmed((3, 15), (5, 20)) == [(1, 0), (2, 10), (3, 15), (5, 20)]


def test_truncating_epochs_from_both_ends() -> None:
    cache = epochs(MemoryDisk(), (1, 0), (2, 10), (3, 20))
    cache.truncate_from_end(20)
    assert cache.entries == [(1, 0), (2, 10)]
    assert cache.latest_epoch == 2
    cache.truncate_from_start(4)
    assert cache.entries == [(1, 4), (2, 10)]
    cache.truncate_from_start(12)
    assert cache.entries == [(2, 12)]
    cache.clear()
    assert cache.latest_epoch is None


@pytest.mark.parametrize("content", [b"2\n0\n", b"0\n1\nx y\n", b"0\n1\n1 2 3\n", b"0\n1\n-1 5\n\xff"])
def test_a_damaged_epoch_file_says_so(content: bytes) -> None:
    cache = LeaderEpochCache(disk_with("/d/leader-epoch-checkpoint", content), "/d")
    assert cache.damaged
    assert cache.entries == []


# ---- partition.metadata


def test_topic_ids_are_written_as_kafka_prints_them() -> None:
    disk = MemoryDisk()
    disk.mkdir("/d")
    assert read_topic_id(disk, "/d") is None
    topic_id = bytes.fromhex("fbff00112233445566778899aabbccdd")
    file = TopicIdFile(disk, "/d")
    file.record(topic_id)
    file.flush()
    assert disk.files["/d/partition.metadata"].data == b"version: 0\ntopic_id: -_8AESIzRFVmd4iZqrvM3Q"
    assert read_topic_id(disk, "/d") == topic_id


@pytest.mark.parametrize(
    "content",
    [b"", b"version: 1\ntopic_id: -_8AESIzRFVmd4iZqrvM3Q", b"version: 0\n", b"version: 0\ntopic_id: abc",
     b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA", b"version: 0\ntopic_id: ***", b"\xff\xfe"],
)  # fmt: skip
def test_damaged_partition_metadata_names_the_file(content: bytes) -> None:
    with pytest.raises(PartitionMetadataError, match=r"/d/partition\.metadata"):
        read_topic_id(disk_with("/d/partition.metadata", content), "/d")


# ---- the real disk


def test_local_files(tmp_path: Path) -> None:
    disk = LocalDisk()
    path = str(tmp_path / "a" / "f")
    with pytest.raises(FileNotFoundError):
        disk.open(path)
    disk.mkdir(str(tmp_path / "a"))
    file = disk.open(path, create=True)
    file.append(b"hello")
    file.append(memoryview(b" world"))
    file.pwrite(b"J", 0)
    file.truncate(8)
    file.fsync()
    assert (file.size(), file.pread(100, 0), file.pread(2, 3), file.pread(5, 100)) == (
        8,
        b"Jello wo",
        b"lo",
        b"",
    )
    disk.rename(path, path + "2")
    assert disk.listdir(str(tmp_path / "a")) == ["f2"]
    disk.write_atomic(path, b"x")
    assert disk.read_bytes(path) == b"x"
    assert disk.mtime_ms(path) > 1_600_000_000_000
    total, usable = disk.free_bytes(path)
    assert 0 <= usable <= total
    disk.fsync_dir(str(tmp_path))
    disk.remove_tree(str(tmp_path / "a"))
    disk.remove_tree(str(tmp_path / "a"))
    assert not disk.exists(path)


def test_a_dropped_file_is_closed_when_its_last_reader_lets_go(tmp_path: Path) -> None:
    disk = LocalDisk()
    for name in "abc":
        disk.open(str(tmp_path / name), create=True).append(name.encode())
    cache = FileCache(disk, 1)
    held = cache.get(str(tmp_path / "a"))
    descriptor = held.fileno()
    cache.get(str(tmp_path / "b"))
    cache.get(str(tmp_path / "c"))
    assert held.pread(1, 0) == b"a"
    del held
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
