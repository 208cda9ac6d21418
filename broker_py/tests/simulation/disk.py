# SPDX-License-Identifier: Apache-2.0
"""A disk in memory that forgets, at a loss of power, what was not synced: `commitlog.storage.disk.Disk`
for simulations.

What survives is chosen by a seed, within what a journalling file system (ext4, data=ordered) allows:

- of each file what was there at its last fsync, and of the writes since then a prefix, the last of them
  torn, or with zeros for its end; a block that the prefix added may read as zeros (its length reached the
  disk, its data did not);
- of the creations, renames and removals since the last sync a prefix of them all, in their order; any fsync
  of a file or directory makes all earlier ones durable, as a commit of the journal does;
- after a rename or removal that did not survive, the old content.

The death of a process alone (`kill`) loses nothing. After either, old handles are of no use and locks are
free.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import random
from collections.abc import Callable
from dataclasses import dataclass, field

Buffer = bytes | bytearray | memoryview
CHANGES = ("write", "truncate", "fsync", "rename", "write_atomic", "remove", "remove_tree", "mkdir")
"""The operations between which a process may die and leave something else behind."""
BLOCK_BYTES = 4096
TOTAL_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class _Write:
    """One change of a file since its last fsync: data at a position, or (data None) a truncation to it."""

    position: int
    data: bytes | None


@dataclass(slots=True, eq=False)
class _Inode:
    """A file: its content as programs see it, as the disk has it, and the way from one to the other."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    unsynced: list[_Write] = field(default_factory=list)
    mtime_ms: int = 0

    def apply(self, write: _Write) -> None:
        _apply(self.content, write)
        self.unsynced.append(write)

    def sync(self) -> None:
        self.durable = bytes(self.content)
        self.unsynced.clear()

    def lose_power(self, rng: random.Random) -> None:
        content = bytearray(self.durable)
        kept = rng.randint(0, len(self.unsynced))
        for write in self.unsynced[:kept]:
            _apply(content, write)
        if kept < len(self.unsynced):
            torn = self.unsynced[kept]
            if torn.data:
                whole, there = torn.data, rng.randint(0, len(torn.data))
                # Either its length is what reached the disk, or the length that the write made.
                rest = bytes(len(whole) - there) if rng.randrange(2) else b""
                _apply(content, _Write(torn.position, whole[:there] + rest))
        grown = len(content) - len(self.durable)
        if grown > 0 and rng.randrange(4) == 0:
            start = len(self.durable) + rng.randrange(grown)
            end = min(len(content), start - start % BLOCK_BYTES + BLOCK_BYTES)
            content[start:end] = bytes(end - start)
        self.content = content
        self.sync()


def _apply(content: bytearray, write: _Write) -> None:
    if write.data is None:
        del content[write.position :]
        content.extend(bytes(write.position - len(content)))
        return
    content.extend(bytes(max(0, write.position - len(content))))
    content[write.position : write.position + len(write.data)] = write.data


Entry = _Inode | None
"""What a path names: a file, or (None) a directory."""

Change = tuple[str, Entry, bool]
"""One step of the journal: path, what it names from now on, and whether it is there at all."""


class Died(BaseException):
    """The process died in this very operation: nothing of it goes on. For `fault` to raise."""


class SimulatedDisk:
    """One machine's file system. `fault(operation, path)` may raise OSError before the operation is done."""

    def __init__(
        self,
        rng: random.Random,
        *,
        now_ms: Callable[[], int] = lambda: 0,
        total_bytes: int = TOTAL_BYTES,
        fault: Callable[[str, str], None] | None = None,
    ) -> None:
        self.fault = fault
        self.total_bytes = total_bytes
        self.epoch = 0
        self._rng = rng
        self._now_ms = now_ms
        self._entries: dict[str, Entry] = {"/": None}
        self._durable: dict[str, Entry] = {"/": None}
        self._journal: list[list[Change]] = []
        self._locks: set[str] = set()

    # -- what happens to the machine

    def kill(self) -> None:
        """The process dies; the kernel keeps what was written."""
        self.epoch += 1
        self._locks.clear()

    def power_off(self) -> None:
        """The machine dies."""
        self.kill()
        for changes in self._journal[: self._rng.randint(0, len(self._journal))]:
            _replay(self._durable, changes)
        self._journal.clear()
        self._entries = dict(self._durable)
        for inode in self._entries.values():
            if inode is not None:
                inode.lose_power(self._rng)

    @property
    def unsynced_bytes(self) -> int:
        """How much a loss of power could cost now."""
        inodes = (inode for inode in self._entries.values() if inode is not None)
        return sum(len(write.data or b"") for inode in inodes for write in inode.unsynced)

    # -- Disk

    def open(self, path: str, *, create: bool = False, private: bool = False) -> SimulatedFile:
        path = self._enter("open", path)
        if path not in self._entries:
            if not create:
                raise _error(errno.ENOENT, path)
            self._need_parent(path)
            self._change([(path, _Inode(mtime_ms=self._now_ms()), True)])
        inode = self._entries[path]
        if inode is None:
            raise _error(errno.EISDIR, path)
        return SimulatedFile(self, path, inode)

    def exists(self, path: str) -> bool:
        return self._enter("exists", path) in self._entries

    def is_dir(self, path: str) -> bool:
        path = self._enter("is_dir", path)
        return path in self._entries and self._entries[path] is None

    def listdir(self, path: str) -> list[str]:
        path = self._enter("listdir", path)
        self._need_dir(path)
        return sorted(posixpath.basename(entry) for entry in self._entries if _parent(entry) == path != entry)

    def mkdir(self, path: str) -> None:
        path = self._enter("mkdir", path)
        missing = []
        while path not in self._entries:
            missing.append(path)
            path = _parent(path)
        self._need_dir(path)
        for each in reversed(missing):
            self._change([(each, None, True)])

    def rename(self, source: str, target: str) -> None:
        source, target = self._enter("rename", source), _normal(target)
        if source not in self._entries:
            raise _error(errno.ENOENT, source)
        self._need_parent(target)
        if self.is_dir(target):
            if self.listdir(target):
                raise _error(errno.ENOTEMPTY, target)
            if self._entries[source] is not None:
                raise _error(errno.EISDIR, target)
        inside = [path for path in self._entries if path == source or path.startswith(source + "/")]
        gone: list[Change] = [(path, None, False) for path in inside]
        come: list[Change] = [(target + path[len(source) :], self._entries[path], True) for path in inside]
        self._change(gone + come)

    def remove(self, path: str) -> None:
        path = self._enter("remove", path)
        if path not in self._entries:
            raise _error(errno.ENOENT, path)
        if self._entries[path] is None:
            raise _error(errno.EISDIR, path)
        self._change([(path, None, False)])

    def remove_tree(self, path: str) -> None:
        path = self._enter("remove_tree", path)
        inside = [each for each in self._entries if each == path or each.startswith(path + "/")]
        for each in sorted(inside, key=len, reverse=True):
            self._change([(each, None, False)])

    def fsync_dir(self, path: str) -> None:
        self._need_dir(self._enter("fsync_dir", path))
        self.commit()

    def read_bytes(self, path: str) -> bytes:
        file = self.open(path)
        return file.pread(file.size(), 0)

    def write_atomic(self, path: str, data: bytes) -> None:
        path = self._enter("write_atomic", path)
        self._need_parent(path)
        self.need_room(len(data), path)
        inode = _Inode(bytearray(data), bytes(data), mtime_ms=self._now_ms())
        self._change([(path, inode, True)])
        self.commit()

    def mtime_ms(self, path: str) -> int:
        path = self._enter("mtime_ms", path)
        if path not in self._entries:
            raise _error(errno.ENOENT, path)
        inode = self._entries[path]
        return self._now_ms() if inode is None else inode.mtime_ms

    def incarnation(self, path: str) -> str:
        return path

    def free_bytes(self, path: str) -> tuple[int, int]:
        self._need_dir(self._enter("free_bytes", path))
        return self.total_bytes, max(0, self.total_bytes - self._used())

    def lock(self, path: str) -> SimulatedLock | None:
        if path in self._locks:
            return None
        self.open(path, create=True)
        self._locks.add(path)
        return SimulatedLock(self, path)

    # -- for files and locks

    def check(self, operation: str, path: str, epoch: int) -> None:
        """Refuse a handle from before a crash, then whatever `fault` refuses."""
        if epoch != self.epoch:
            raise _error(errno.ESTALE, path)
        self._enter(operation, path)

    def touch(self, inode: _Inode) -> None:
        inode.mtime_ms = self._now_ms()

    def commit(self) -> None:
        """The journal reaches the disk."""
        for changes in self._journal:
            _replay(self._durable, changes)
        self._journal.clear()

    def need_room(self, size: int, path: str) -> None:
        if self._used() + size > self.total_bytes:
            raise _error(errno.ENOSPC, path)

    def fill(self) -> None:
        """No room is left but for what is there."""
        self.total_bytes = self._used()

    def room(self) -> int:
        return max(0, self.total_bytes - self._used())

    def unlock(self, path: str, epoch: int) -> None:
        if epoch == self.epoch:
            self._locks.discard(path)
            with contextlib.suppress(OSError):
                self.remove(path)

    # -- inside

    def _enter(self, operation: str, path: str) -> str:
        path = _normal(path)
        if self.fault is not None:
            self.fault(operation, path)
        return path

    def _change(self, changes: list[Change]) -> None:
        _replay(self._entries, changes)
        self._journal.append(changes)

    def _need_dir(self, path: str) -> None:
        if path not in self._entries:
            raise _error(errno.ENOENT, path)
        if self._entries[path] is not None:
            raise _error(errno.ENOTDIR, path)

    def _need_parent(self, path: str) -> None:
        self._need_dir(_parent(path))

    def _used(self) -> int:
        return sum(len(inode.content) for inode in self._entries.values() if inode is not None)


class SimulatedFile:
    """See storage's File. It goes on reading what was removed, as an open descriptor does."""

    def __init__(self, disk: SimulatedDisk, path: str, inode: _Inode) -> None:
        self._disk = disk
        self._path = path
        self._inode = inode
        self._epoch = disk.epoch
        self._closed = False

    @property
    def path(self) -> str:
        return self._path

    def append(self, data: Buffer) -> None:
        self.pwrite(data, len(self._inode.content))

    def pwrite(self, data: Buffer, position: int) -> None:
        self._use("write")
        whole = bytes(data)
        growth = position + len(whole) - len(self._inode.content)
        fits = (
            whole if growth <= self._disk.room() else whole[: max(0, len(whole) - growth + self._disk.room())]
        )
        if fits:
            self._inode.apply(_Write(position, fits))
            self._disk.touch(self._inode)
        if len(fits) < len(whole):
            raise _error(errno.ENOSPC, self._path)

    def pread(self, size: int, position: int) -> bytes:
        self._use("read")
        return bytes(self._inode.content[position : position + size])

    def truncate(self, size: int) -> None:
        self._use("truncate")
        self._inode.apply(_Write(size, None))
        self._disk.touch(self._inode)

    def fsync(self) -> None:
        self._use("fsync")
        self._inode.sync()
        self._disk.commit()

    def size(self) -> int:
        return len(self._inode.content)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self._closed = True

    def _use(self, operation: str) -> None:
        if self._closed:
            raise _error(errno.EBADF, self._path)
        self._disk.check(operation, self._path, self._epoch)


class SimulatedLock:
    """A lock that dies with its process."""

    def __init__(self, disk: SimulatedDisk, path: str) -> None:
        self._disk = disk
        self._path = path
        self._epoch = disk.epoch

    def release(self) -> None:
        self._disk.unlock(self._path, self._epoch)


def _replay(entries: dict[str, Entry], changes: list[Change]) -> None:
    for path, entry, present in changes:
        if present:
            entries[path] = entry
        else:
            entries.pop(path, None)


def _normal(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


def _parent(path: str) -> str:
    return posixpath.dirname(path)


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
