# SPDX-License-Identifier: Apache-2.0
"""The simulated disk: a file system while it runs, and what is left of it after a crash."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

import pytest

from commitlog.storage.disk import Disk, LocalDisk
from tests.simulation.disk import BLOCK_BYTES, SimulatedDisk


def made(seed: int = 0) -> SimulatedDisk:
    return SimulatedDisk(random.Random(seed), now_ms=lambda: 42)


def outcomes(
    prepare: Callable[[SimulatedDisk], None], look: Callable[[SimulatedDisk], object]
) -> set[object]:
    """What a loss of power after `prepare` may leave, over many seeds."""
    found = set()
    for seed in range(200):
        disk = made(seed)
        prepare(disk)
        disk.power_off()
        found.add(look(disk))
    return found


@pytest.fixture(params=["simulated", "local"])
def anywhere(request: pytest.FixtureRequest, tmp_path: object) -> tuple[Disk, str]:
    """Either disk, and a directory on it: both must be the same to storage."""
    if request.param == "local":
        return LocalDisk(), str(tmp_path)
    disk = made()
    disk.mkdir("/data")
    return disk, "/data"


class TestAFileSystem:
    def test_files(self, anywhere: tuple[Disk, str]) -> None:
        disk, root = anywhere
        with pytest.raises(FileNotFoundError):
            disk.open(f"{root}/f")
        file = disk.open(f"{root}/f", create=True)
        file.append(b"hello")
        file.append(memoryview(b" world"))
        file.pwrite(b"J", 0)
        file.pwrite(b"!", 12)
        assert file.pread(100, 0) == b"Jello world\0!"
        assert file.pread(5, 6) == b"world"
        assert file.pread(5, 99) == b""
        file.truncate(3)
        file.truncate(5)
        assert disk.read_bytes(f"{root}/f") == b"Jel\0\0"
        assert file.size() == 5
        file.fsync()
        other = disk.open(f"{root}/f")
        other.append(b"x")
        assert disk.read_bytes(f"{root}/f") == b"Jel\0\0x"
        assert file.path == f"{root}/f"
        file.close()

    def test_names(self, anywhere: tuple[Disk, str]) -> None:
        disk, root = anywhere
        disk.mkdir(f"{root}/t-0/deep")
        disk.mkdir(f"{root}/t-0")
        disk.open(f"{root}/t-0/b", create=True)
        disk.open(f"{root}/t-0/a", create=True).append(b"a")
        assert disk.listdir(f"{root}/t-0") == ["a", "b", "deep"]
        assert (disk.is_dir(f"{root}/t-0"), disk.is_dir(f"{root}/t-0/a"), disk.is_dir(f"{root}/no")) == (
            True,
            False,
            False,
        )
        reader = disk.open(f"{root}/t-0/a")
        disk.rename(f"{root}/t-0/a", f"{root}/t-0/b")
        disk.rename(f"{root}/t-0", f"{root}/t-0.gone")
        assert disk.listdir(root) == ["t-0.gone"]
        assert disk.read_bytes(f"{root}/t-0.gone/b") == b"a"
        disk.remove(f"{root}/t-0.gone/b")
        assert reader.pread(9, 0) == b"a", "an open file outlives its name"
        with pytest.raises(FileNotFoundError):
            disk.remove(f"{root}/t-0.gone/b")
        with pytest.raises(FileNotFoundError):
            disk.rename(f"{root}/no", f"{root}/yes")
        with pytest.raises(FileNotFoundError):
            disk.open(f"{root}/no/f", create=True)
        disk.remove_tree(f"{root}/t-0.gone")
        disk.remove_tree(f"{root}/t-0.gone")
        assert disk.listdir(root) == []
        disk.fsync_dir(root)
        with pytest.raises(FileNotFoundError):
            disk.listdir(f"{root}/t-0.gone")

    def test_small_files_and_locks(self, anywhere: tuple[Disk, str]) -> None:
        disk, root = anywhere
        disk.write_atomic(f"{root}/c", b"1")
        disk.write_atomic(f"{root}/c", b"2")
        assert disk.read_bytes(f"{root}/c") == b"2"
        lock = disk.lock(f"{root}/.lock")
        assert lock is not None
        assert disk.lock(f"{root}/.lock") is None or isinstance(disk, LocalDisk)
        lock.release()
        again = disk.lock(f"{root}/.lock")
        assert again is not None
        assert disk.exists(f"{root}/.lock")
        again.release()
        assert not disk.exists(f"{root}/.lock")
        total, free = disk.free_bytes(root)
        assert 0 < free <= total
        assert disk.mtime_ms(f"{root}/c") > 0

    def test_a_full_disk_takes_what_fits(self) -> None:
        disk = SimulatedDisk(random.Random(0), total_bytes=10)
        file = disk.open("/f", create=True)
        with pytest.raises(OSError, match="No space left") as caught:
            file.append(bytes(12))
        assert caught.value.errno == errno.ENOSPC
        assert file.size() == 10
        file.pwrite(b"within", 2)
        with pytest.raises(OSError, match="No space left"):
            disk.write_atomic("/g", b"x")
        assert disk.free_bytes("/") == (10, 0)

    def test_faults(self) -> None:
        def fault(operation: str, path: str) -> None:
            if (operation, path) == ("fsync", "/f"):
                raise OSError(errno.EIO, "broken", path)

        disk = SimulatedDisk(random.Random(0), fault=fault)
        file = disk.open("/f", create=True)
        file.append(b"x")
        with pytest.raises(OSError, match="broken"):
            file.fsync()
        assert disk.unsynced_bytes == 1


class TestLossOfPower:
    def test_what_was_synced_is_there(self) -> None:
        def prepare(disk: SimulatedDisk) -> None:
            file = disk.open("/f", create=True)
            file.append(b"safe")
            file.fsync()

        assert outcomes(prepare, lambda disk: disk.read_bytes("/f")) == {b"safe"}

    def test_unsynced_writes_survive_as_a_prefix_or_as_zeros(self) -> None:
        def prepare(disk: SimulatedDisk) -> None:
            file = disk.open("/f", create=True)
            file.append(b"safe")
            file.fsync()
            file.append(b"ab")
            file.append(b"cd")

        whole = b"safeabcd"
        found = outcomes(prepare, lambda disk: disk.read_bytes("/f"))
        assert {whole[:end] for end in range(4, 9)} <= found
        assert b"safea\0\0\0" in found or b"safe\0\0\0\0" in found
        for content in found:
            assert isinstance(content, bytes)
            kept = content.rstrip(b"\0")
            assert whole.startswith(kept)
            assert len(kept) >= 4

    def test_zeros_stay_within_a_block_of_the_unsynced_part(self) -> None:
        def prepare(disk: SimulatedDisk) -> None:
            file = disk.open("/f", create=True)
            file.append(b"s" * 100)
            file.fsync()
            file.append(b"u" * 3 * BLOCK_BYTES)

        for content in outcomes(prepare, lambda disk: disk.read_bytes("/f")):
            assert isinstance(content, bytes)
            assert content[:100] == b"s" * 100
            written = content.rstrip(
                b"\0"
            )  # a torn write may have its length, with zeros where data was to be
            assert written.count(0) <= BLOCK_BYTES

    def test_an_unsynced_truncation_may_not_have_happened(self) -> None:
        def prepare(disk: SimulatedDisk) -> None:
            file = disk.open("/f", create=True)
            file.append(b"abcdef")
            file.fsync()
            file.truncate(2)

        assert outcomes(prepare, lambda disk: disk.read_bytes("/f")) == {b"ab", b"abcdef"}

    def test_names_survive_as_a_prefix_of_what_happened(self) -> None:
        def prepare(disk: SimulatedDisk) -> None:
            disk.mkdir("/d")
            disk.open("/d/1", create=True).fsync()
            disk.open("/d/2", create=True)
            disk.rename("/d/1", "/d/one")
            disk.remove("/d/2")

        found = outcomes(prepare, lambda disk: tuple(disk.listdir("/d")))
        assert found == {("1",), ("1", "2"), ("2", "one"), ("one",)}

    def test_a_renamed_directory_is_here_or_there_with_all_that_is_in_it(self) -> None:
        def prepare(disk: SimulatedDisk) -> None:
            disk.mkdir("/t-0")
            for name in ("a", "b"):
                disk.open(f"/t-0/{name}", create=True).append(b"x")
                disk.open(f"/t-0/{name}").fsync()
            disk.rename("/t-0", "/t-0.delete")

        def look(disk: SimulatedDisk) -> object:
            (where,) = disk.listdir("/")
            return where, tuple(disk.listdir(f"/{where}")), disk.read_bytes(f"/{where}/b")

        assert outcomes(prepare, look) == {("t-0", ("a", "b"), b"x"), ("t-0.delete", ("a", "b"), b"x")}

    def test_fsync_of_a_directory_makes_names_durable(self) -> None:
        def prepare(disk: SimulatedDisk) -> None:
            disk.mkdir("/d")
            disk.open("/d/1", create=True)
            disk.fsync_dir("/d")

        assert outcomes(prepare, lambda disk: tuple(disk.listdir("/d"))) == {("1",)}

    def test_an_atomic_write_is_new_at_once(self) -> None:
        assert outcomes(lambda disk: disk.write_atomic("/c", b"new"), lambda disk: disk.read_bytes("/c")) == {
            b"new"
        }

    def test_what_was_lost_does_not_come_back(self) -> None:
        for seed in range(30):
            disk = made(seed)
            for name in "abcdef":
                disk.open(f"/{name}", create=True)
            disk.power_off()
            left = disk.listdir("/")
            disk.fsync_dir("/")
            disk.power_off()
            assert disk.listdir("/") == left

    def test_old_handles_and_locks_are_gone(self) -> None:
        disk = made()
        file = disk.open("/f", create=True)
        assert disk.lock("/.lock") is not None
        disk.power_off()
        with pytest.raises(OSError, match=r"[Ss]tale"):
            file.append(b"x")
        assert disk.lock("/.lock") is not None

    def test_the_death_of_a_process_loses_nothing(self) -> None:
        disk = made()
        file = disk.open("/f", create=True)
        file.append(b"not synced")
        lock = disk.lock("/.lock")
        assert lock is not None
        disk.kill()
        assert disk.read_bytes("/f") == b"not synced"
        assert disk.unsynced_bytes == 10
        assert disk.lock("/.lock") is not None
        lock.release()
        assert disk.lock("/.lock") is None, "the lock of a dead process frees nothing"
