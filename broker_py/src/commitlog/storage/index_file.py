# SPDX-License-Identifier: Apache-2.0
"""Files of fixed-size entries in growing order: what .index and .timeindex have in common (AbstractIndex).

The JVM maps such a file at its full size (segment.index.bytes) and trims it on roll and on clean close. Here
the active segment's entries are kept in memory and written on flush, roll and close, so the file always has
its trimmed length; a sealed one is searched on disk. After a crash the entries on disk mean nothing until
recovery has rebuilt them, which is also how the JVM treats its own. Only the segment that owns it touches
it.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from commitlog.storage.file_cache import FileCache


class IndexFile:
    """Entries as tuples; a sequence, so that bisect works on it."""

    def __init__(self, files: FileCache, path: str, entry: Struct) -> None:
        self._files = files
        self.path = path
        self._entry = entry
        self._memory: bytearray | None = None
        self._written = 0
        self.count = -1  # entries; unknown until the file has been looked at

    def create(self) -> None:
        """Make an empty file."""
        self._files.forget(self.path)
        file = self._files.disk.open(self.path, create=True)
        file.truncate(0)
        self._memory = bytearray()
        self._written = 0
        self.count = 0

    def __len__(self) -> int:
        if self.count < 0:
            self.count = self._files.get(self.path).size() // self._entry.size
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        size = self._entry.size
        if self._memory is not None:
            return self._entry.unpack_from(self._memory, index * size)
        data = self._files.get(self.path).pread(size, index * size)
        if len(data) < size:
            raise IndexError(index)
        return self._entry.unpack(data)

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return len(self) * self._entry.size

    @property
    def last(self) -> tuple[Any, ...] | None:
        """The newest entry."""
        return self[self.count - 1] if len(self) else None

    def append(self, *fields: int) -> None:
        """Add an entry (in memory)."""
        memory = self._memory if self._memory is not None else self.load()
        memory += self._entry.pack(*fields)
        self.count = len(memory) // self._entry.size

    def load(self) -> bytearray:
        """Keep the entries in memory from now on."""
        if self._memory is None:
            file = self._files.get(self.path)
            usable = len(self) * self._entry.size
            self._memory = bytearray(file.pread(usable, 0))
            self._written = len(self._memory)
        return self._memory

    def truncate(self, count: int) -> None:
        """Keep the first count entries, on disk too."""
        memory = self.load()
        del memory[count * self._entry.size :]
        self.count = count
        file = self._files.get(self.path)
        self._written = min(self._written, len(memory))
        file.truncate(self._written)

    def flush(self) -> None:
        """Write what is only in memory."""
        memory = self._memory
        if memory is not None and self._written < len(memory):
            file = self._files.get(self.path)
            file.pwrite(bytes(memory[self._written :]), self._written)
            self._written = len(memory)

    def seal(self) -> None:
        """Write everything, trim the file, and let the memory go."""
        self.flush()
        file = self._files.get(self.path)
        if file.size() != len(self) * self._entry.size:
            file.truncate(len(self) * self._entry.size)
        self._memory = None
