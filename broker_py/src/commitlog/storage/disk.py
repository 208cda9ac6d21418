# SPDX-License-Identifier: Apache-2.0
"""The one door to the file system: every byte that storage reads or writes goes through a Disk.

The simulator puts its own Disk here, so the interface holds only what storage needs. Paths are plain
strings made with posixpath.join. Errors are OSError, as the operating system raises them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from typing import ClassVar, Protocol

Buffer = bytes | bytearray | memoryview


class File(Protocol):
    """An open file. A FileRegion in a response may hold on to it after its log has let go."""

    @property
    def path(self) -> str:
        """The path under which it was opened (a rename does not change it)."""

    def append(self, data: Buffer) -> None:
        """Write all of data at the end; on an error any prefix of it may have been written."""

    def pwrite(self, data: Buffer, position: int) -> None:
        """Write all of data at position."""

    def pread(self, size: int, position: int) -> bytes:
        """Up to size bytes from position; fewer only at the end of the file."""

    def truncate(self, size: int) -> None:
        """Cut (or zero-extend) the file to size bytes."""

    def fsync(self) -> None:
        """Return when data and length are on stable storage. May be called from a worker thread."""

    def size(self) -> int:
        """Length in bytes now."""

    def fileno(self) -> int:
        """The descriptor, for sendfile; -1 when there is none (simulated disks)."""

    def close(self) -> None:
        """Release it. A file that is merely dropped is closed when its last reader has let go."""


class Lock(Protocol):
    """An exclusive lock on a log directory (Kafka's `.lock` file)."""

    def release(self) -> None:
        """Give the lock back."""


class Disk(Protocol):
    """A file system."""

    def open(self, path: str, *, create: bool = False, private: bool = False) -> File:
        """Open for reading and writing; FileNotFoundError unless it exists or create is set. Private: when it
        is made, for its owner only."""

    def exists(self, path: str) -> bool:
        """Is there a file or directory?"""

    def is_dir(self, path: str) -> bool:
        """Is it a directory?"""

    def listdir(self, path: str) -> list[str]:
        """Names in a directory, sorted."""

    def mkdir(self, path: str) -> None:
        """Make a directory and its parents; no error when it exists."""

    def rename(self, source: str, target: str) -> None:
        """Rename, replacing target, atomically."""

    def remove(self, path: str) -> None:
        """Remove a file; FileNotFoundError when it is not there."""

    def remove_tree(self, path: str) -> None:
        """Remove a directory with all that is in it; no error when it is gone."""

    def fsync_dir(self, path: str) -> None:
        """Make creations, renames and removals in a directory durable."""

    def read_bytes(self, path: str) -> bytes:
        """A whole (small) file."""

    def write_atomic(self, path: str, data: bytes) -> None:
        """Replace a small file as Kafka does: `<path>.tmp`, fsync, rename, fsync of the directory."""

    def mtime_ms(self, path: str) -> int:
        """Last modification, milliseconds since the epoch."""

    def incarnation(self, path: str) -> str:
        """Names this very file since the machine was started: a copy of it has another one, and so has the
        same file after a restart of the machine, or on a clone of it. Empty where that cannot be told."""

    def free_bytes(self, path: str) -> tuple[int, int]:
        """(total, usable) bytes of the file system that holds path."""

    def lock(self, path: str) -> Lock | None:
        """Take the exclusive lock at path (created when missing); None when someone else holds it."""


class LocalFile:
    """A file of this machine. Closed when closed or when the last reference goes."""

    __slots__ = ("_fd", "_path", "_size")

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._size = os.fstat(fd).st_size

    @property
    def path(self) -> str:
        return self._path

    def append(self, data: Buffer) -> None:
        written = os.pwrite(self._fd, data, self._size)
        self._size += written
        if written != len(data):
            self._append_rest(memoryview(data)[written:])

    def _append_rest(self, rest: memoryview) -> None:
        # A short write is what a nearly full disk gives first; the next one raises ENOSPC.
        while rest:
            written = os.pwrite(self._fd, rest, self._size)
            self._size += written
            rest = rest[written:]

    def pwrite(self, data: Buffer, position: int) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._fd, rest, position)
            position += written
            rest = rest[written:]
        self._size = max(self._size, position)

    def pread(self, size: int, position: int) -> bytes:
        return os.pread(self._fd, size, position)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self._size = size

    def fsync(self) -> None:
        os.fsync(self._fd)

    def size(self) -> int:
        return self._size

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self.close()


class LocalLock:
    """An exclusive lock that this process holds on a file."""

    # Closing any descriptor of a file drops the process's record locks on it, so a second attempt in the same
    # process must not even open it.
    _held: ClassVar[set[str]] = set()

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd

    @classmethod
    def take(cls, path: str) -> LocalLock | None:
        """The lock, None when this or another process has it."""
        real = os.path.realpath(path)
        if real in cls._held:
            return None
        fd = os.open(real, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # Java's FileChannel.tryLock is a POSIX record lock, which flock(2) does not see: take both.
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have removed the file after it was opened here: then this locks nothing.
            if not os.path.samestat(os.fstat(fd), os.stat(real)):
                raise FileNotFoundError(errno.ENOENT, "was removed", real)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.ENOENT):
                return None
            raise
        cls._held.add(real)
        return cls(real, fd)

    def release(self) -> None:
        """Kafka's FileLock.destroy: the file goes, too."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._held.discard(self._path)
            with contextlib.suppress(OSError):  # a disk that has failed keeps it
                os.remove(self._path)
            os.close(fd)


class LocalDisk:
    """This machine's file system."""

    def open(self, path: str, *, create: bool = False, private: bool = False) -> LocalFile:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        return LocalFile(path, os.open(path, flags, 0o600 if private else 0o644))

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(path)

    def listdir(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def mkdir(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def rename(self, source: str, target: str) -> None:
        os.replace(source, target)

    def remove(self, path: str) -> None:
        os.remove(path)

    def remove_tree(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)

    def fsync_dir(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read_bytes(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def write_atomic(self, path: str, data: bytes) -> None:
        temporary = path + ".tmp"
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        self.fsync_dir(os.path.dirname(path) or ".")

    def mtime_ms(self, path: str) -> int:
        return os.stat(path).st_mtime_ns // 1_000_000

    def incarnation(self, path: str) -> str:
        stat = os.stat(path)
        try:
            boot = self.read_bytes("/proc/sys/kernel/random/boot_id").decode().strip()
        except OSError:
            boot = ""
        return f"{boot}/{stat.st_dev}/{stat.st_ino}" if boot else ""

    def free_bytes(self, path: str) -> tuple[int, int]:
        stat = os.statvfs(path)
        return stat.f_frsize * stat.f_blocks, stat.f_frsize * stat.f_bavail

    def lock(self, path: str) -> LocalLock | None:
        return LocalLock.take(path)
