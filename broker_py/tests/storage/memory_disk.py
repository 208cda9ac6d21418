# SPDX-License-Identifier: Apache-2.0
"""A Disk in memory that can be full, fail, and lose what was not synced, for crash tests."""

from __future__ import annotations

import errno
import posixpath

from commitlog.storage.disk import Buffer


class Inode:
    """A file's bytes, and those of them that would survive a power cut."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = b""
        self.mtime_ms = 0


class MemoryFile:
    """An open file of a MemoryDisk."""

    def __init__(self, disk: MemoryDisk, path: str, inode: Inode) -> None:
        self._disk = disk
        self.path = path
        self.inode = inode

    def append(self, data: Buffer) -> None:
        self.pwrite(data, len(self.inode.data))

    def pwrite(self, data: Buffer, position: int) -> None:
        granted = self._disk.grant(self.path, len(data))
        self.inode.data[position : position + granted] = bytes(data[:granted])
        self.inode.mtime_ms = self._disk.now_ms
        if granted < len(data):
            raise OSError(errno.ENOSPC, "No space left on device", self.path)

    def pread(self, size: int, position: int) -> bytes:
        self._disk.check(self.path)
        return bytes(self.inode.data[position : position + size])

    def truncate(self, size: int) -> None:
        del self.inode.data[size:]
        self.inode.data.extend(bytes(size - len(self.inode.data)))

    def fsync(self) -> None:
        self._disk.check(self.path)
        self._disk.syncs.append(self.path)
        self.inode.synced = bytes(self.inode.data)

    def size(self) -> int:
        return len(self.inode.data)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        return None


class MemoryLock:
    """A lock on a path of a MemoryDisk."""

    def __init__(self, disk: MemoryDisk, path: str) -> None:
        self._disk, self._path = disk, path

    def release(self) -> None:
        self._disk.locked.discard(self._path)
        self._disk.files.pop(self._path, None)


class MemoryDisk:
    """A file system in memory. `space` bytes may still be written; paths below `broken` raise EIO."""

    def __init__(self) -> None:
        self.files: dict[str, Inode] = {}
        self.dirs: set[str] = {"/"}
        self.locked: set[str] = set()
        self.syncs: list[str] = []
        self.space: int | None = None
        self.broken: str | None = None
        self.now_ms = 0

    def check(self, path: str) -> None:
        if self.broken is not None and path.startswith(self.broken):
            raise OSError(errno.EIO, "Input/output error", path)

    def grant(self, path: str, size: int) -> int:
        self.check(path)
        if self.space is None:
            return size
        granted = min(size, self.space)
        self.space -= granted
        return granted

    def copy(self) -> MemoryDisk:
        """The same files, as a kill -9 would leave them."""
        other = MemoryDisk()
        other.dirs = set(self.dirs)
        for path, inode in self.files.items():
            twin = other.files[path] = Inode()
            twin.data, twin.synced, twin.mtime_ms = bytearray(inode.data), inode.synced, inode.mtime_ms
        return other

    def after_power_cut(self) -> MemoryDisk:
        """The same files with only what was synced in them."""
        other = self.copy()
        for inode in other.files.values():
            inode.data = bytearray(inode.synced)
        return other

    def open(self, path: str, *, create: bool = False, private: bool = False) -> MemoryFile:
        self.check(path)
        if path not in self.files:
            if not create:
                raise FileNotFoundError(errno.ENOENT, "No such file", path)
            self.files[path] = Inode()
            self.files[path].mtime_ms = self.now_ms
        return MemoryFile(self, path, self.files[path])

    def exists(self, path: str) -> bool:
        return path in self.files or path in self.dirs

    def is_dir(self, path: str) -> bool:
        return path in self.dirs

    def listdir(self, path: str) -> list[str]:
        self.check(path)
        prefix = path.rstrip("/") + "/"
        names = {p[len(prefix) :].split("/")[0] for p in {*self.files, *self.dirs} if p.startswith(prefix)}
        return sorted(names - {""})

    def mkdir(self, path: str) -> None:
        self.check(path)
        while path not in self.dirs:
            self.dirs.add(path)
            path = posixpath.dirname(path)

    def rename(self, source: str, target: str) -> None:
        self.check(source)
        if source in self.files:
            self.files[target] = self.files.pop(source)
            return
        if source not in self.dirs:
            raise FileNotFoundError(errno.ENOENT, "No such file", source)
        self.dirs = {target + d[len(source) :] if _within(d, source) else d for d in self.dirs}
        self.files = {
            target + p[len(source) :] if _within(p, source) else p: i for p, i in self.files.items()
        }

    def remove(self, path: str) -> None:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "No such file", path)
        del self.files[path]

    def remove_tree(self, path: str) -> None:
        self.dirs = {d for d in self.dirs if not _within(d, path)}
        self.files = {p: inode for p, inode in self.files.items() if not _within(p, path)}

    def fsync_dir(self, path: str) -> None:
        self.check(path)

    def read_bytes(self, path: str) -> bytes:
        return bytes(self.open(path).inode.data)

    def write_atomic(self, path: str, data: bytes) -> None:
        granted = self.grant(path, len(data))
        if granted < len(data):
            raise OSError(errno.ENOSPC, "No space left on device", path)
        inode = self.files[path] = Inode()
        inode.data = bytearray(data)
        inode.synced = bytes(data)

    def mtime_ms(self, path: str) -> int:
        return self.files[path].mtime_ms

    def incarnation(self, path: str) -> str:
        return path

    def free_bytes(self, path: str) -> tuple[int, int]:
        return 2**40, 2**40 if self.space is None else self.space

    def lock(self, path: str) -> MemoryLock | None:
        if path in self.locked:
            return None
        self.locked.add(path)
        self.files.setdefault(path, Inode())
        return MemoryLock(self, path)


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory + "/")
