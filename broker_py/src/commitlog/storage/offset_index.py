# SPDX-License-Identifier: Apache-2.0
"""`.index`: from an offset to a file position (OffsetIndex).

Entries of 8 bytes, big-endian: int32 last offset of a batch minus the segment's base offset,
int32 file position where it begins. Sparse: one for about every index.interval.bytes of the log.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from struct import Struct

from commitlog.storage.file_cache import FileCache
from commitlog.storage.index_file import IndexFile

ENTRY = Struct(">ii")
_offset = itemgetter(0)
_position = itemgetter(1)


class OffsetIndex(IndexFile):
    """The offset index of one segment."""

    def __init__(self, files: FileCache, path: str, base_offset: int) -> None:
        super().__init__(files, path, ENTRY)
        self._base_offset = base_offset

    @property
    def last_offset(self) -> int:
        """Offset of the newest entry, the base offset when there is none."""
        last = self.last
        return self._base_offset + (last[0] if last else 0)

    def add(self, offset: int, position: int) -> None:
        """Append an entry; offsets must grow."""
        if len(self) and offset <= self.last_offset:
            raise ValueError(f"Attempt to append offset {offset} after {self.last_offset} to {self.path}")
        self.append(offset - self._base_offset, position)

    def lookup(self, offset: int) -> int:
        """File position of the entry with the largest offset <= offset; 0 when there is none."""
        found = bisect_right(self, offset - self._base_offset, key=_offset)
        return int(self[found - 1][1]) if found else 0

    def floor_position(self, position: int) -> int:
        """The largest indexed position <= position; 0 when there is none."""
        found = bisect_right(self, position, key=_position)
        return int(self[found - 1][1]) if found else 0

    def upper_bound_offset(self, position: int) -> int | None:
        """Offset of the first entry at or after a file position (OffsetIndex.fetchUpperBoundOffset)."""
        found = bisect_right(self, position - 1, key=_position)
        return self._base_offset + int(self[found][0]) if found < len(self) else None

    def truncate_to(self, offset: int) -> None:
        """Drop entries at or above offset."""
        self.truncate(bisect_right(self, offset - self._base_offset - 1, key=_offset))
