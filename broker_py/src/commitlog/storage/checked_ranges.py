# SPDX-License-Identifier: Apache-2.0
"""Which parts of a file that an earlier process wrote have had their CRCs checked by this one.

Kafka serves what is on disk and leaves the check to clients. This broker checks old data once, when it is
first read, so that damage below the recovery point is reported and never served.
"""

from __future__ import annotations

_LIMIT = 32


class CheckedRanges:
    """Disjoint byte ranges, a bounded number of them (a forgotten one is merely checked again)."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def first_unchecked(self, start: int, end: int) -> int:
        """Where checking of [start, end) has to begin; end when it has been done."""
        for low, high in self._ranges:
            if low <= start < high:
                return min(high, end)
        return start

    def add(self, start: int, end: int) -> None:
        """[start, end) has been checked."""
        kept = []
        for low, high in self._ranges:
            if low <= end and start <= high:
                start, end = min(low, start), max(high, end)
            else:
                kept.append((low, high))
        kept.append((start, end))
        self._ranges = kept[-_LIMIT:]
