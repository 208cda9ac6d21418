# SPDX-License-Identifier: Apache-2.0
"""`.timeindex`: from a timestamp to an offset (TimeIndex, KIP-33).

Entries of 12 bytes, big-endian: int64 largest timestamp so far, int32 offset (minus the segment's base
offset) of the batch that had it. A closed segment ends with an entry for its largest timestamp.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from struct import Struct

from commitlog.storage.file_cache import FileCache
from commitlog.storage.index_file import IndexFile

ENTRY = Struct(">qi")
_timestamp = itemgetter(0)
_offset = itemgetter(1)


class TimeIndex(IndexFile):
    """The time index of one segment."""

    def __init__(self, files: FileCache, path: str, base_offset: int) -> None:
        super().__init__(files, path, ENTRY)
        self._base_offset = base_offset

    @property
    def last_entry(self) -> tuple[int, int]:
        """(timestamp, offset) of the newest entry; (-1, base offset) when there is none."""
        last = self.last
        return (last[0], self._base_offset + last[1]) if last else (-1, self._base_offset)

    def maybe_add(self, timestamp: int, offset: int) -> None:
        """Append an entry when the timestamp is larger than the last one."""
        if timestamp > self.last_entry[0]:
            self.append(timestamp, offset - self._base_offset)

    def lookup(self, timestamp: int) -> int:
        """Offset of the entry with the largest timestamp <= timestamp; the base offset when there is none."""
        found = bisect_right(self, timestamp, key=_timestamp)
        return self._base_offset + int(self[found - 1][1]) if found else self._base_offset

    def truncate_to(self, offset: int) -> None:
        """Drop entries at or above offset."""
        self.truncate(bisect_right(self, offset - self._base_offset - 1, key=_offset))
