# SPDX-License-Identifier: Apache-2.0
"""The segments of a log in offset order, and the few positions that tail reads ask for (LogSegments)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from commitlog.storage.segment import LogSegment

_POSITIONS = 64


class Segments:
    """Never empty once a log is loaded; the last one is the active one."""

    def __init__(self) -> None:
        self._bases: list[int] = []
        self._segments: list[LogSegment] = []
        # Offset to where the batch that holds it begins. Producers make it grow by one entry an append and
        # consumers at the tail then need neither index nor file.
        self._positions: dict[int, tuple[LogSegment, int]] = {}

    def __iter__(self) -> Iterator[LogSegment]:
        return iter(self._segments)

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def active(self) -> LogSegment:
        """The one that is appended to."""
        return self._segments[-1]

    @property
    def first(self) -> LogSegment:
        """The oldest."""
        return self._segments[0]

    @property
    def base_offsets(self) -> list[int]:
        """Ascending."""
        return list(self._bases)

    @property
    def size(self) -> int:
        """Bytes in all of them."""
        return sum(segment.size for segment in self._segments)

    def add(self, segment: LogSegment) -> None:
        """Put it in its place; one with the same base offset is replaced."""
        self.remove([s for s in self._segments if s.base_offset == segment.base_offset])
        at = bisect_right(self._bases, segment.base_offset)
        self._bases.insert(at, segment.base_offset)
        self._segments.insert(at, segment)

    def remove(self, segments: Iterable[LogSegment]) -> None:
        """Take them out; reads no longer find them."""
        gone = {id(segment) for segment in segments}
        if gone:
            self._segments = [s for s in self._segments if id(s) not in gone]
            self._bases = [s.base_offset for s in self._segments]
            self.forget_positions()

    def floor(self, offset: int) -> LogSegment | None:
        """The segment whose range holds offset."""
        at = bisect_right(self._bases, offset)
        return self._segments[at - 1] if at else None

    def after(self, segment: LogSegment) -> LogSegment | None:
        """The next one."""
        at = bisect_right(self._bases, segment.base_offset)
        return self._segments[at] if at < len(self._segments) else None

    def covering(self, start: int, end: int | None = None) -> list[LogSegment]:
        """Those that may hold offsets in [start, end)."""
        at = max(bisect_right(self._bases, start) - 1, 0)
        return [s for s in self._segments[at:] if end is None or s.base_offset < end]

    # ---- positions

    def remember(self, offset: int, segment: LogSegment, position: int) -> None:
        """The batch that holds offset begins at position."""
        positions = self._positions
        positions[offset] = (segment, position)
        if len(positions) > _POSITIONS:
            del positions[next(iter(positions))]

    def recall(self, offset: int) -> tuple[LogSegment, int] | None:
        """What was remembered."""
        return self._positions.get(offset)

    def forget_positions(self) -> None:
        """Something other than an append has changed the files."""
        self._positions.clear()
