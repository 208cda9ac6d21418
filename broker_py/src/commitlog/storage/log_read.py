# SPDX-License-Identifier: Apache-2.0
"""Reading a log: from an offset to file ranges of whole batches (LocalLog.read, LogSegment.read).

Nothing is copied: the answer names parts of files. What an earlier process wrote is CRC-checked when first
read; a batch that is bad is reported once and never served.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from commitlog.records.header import CorruptBatch, read_header
from commitlog.storage.segment import LogSegment
from commitlog.storage.segments import Segments
from commitlog.wire.regions import FileRegion

_log = logging.getLogger("commitlog.storage.log_read")
_HEADER_BYTES = 61
_REPORTS = 100


@dataclass(slots=True, frozen=True)
class AbortedTransaction:
    """One entry of a Fetch response's aborted transactions."""

    producer_id: int
    first_offset: int


@dataclass(slots=True)
class LogRead:
    """File ranges that hold whole batches from the one that contains the offset asked for.

    first_entry_incomplete: the first batch alone is larger than max_bytes and min_one was not asked for: the
    region is cut inside it, which only Fetch v0-v2 may see.
    """

    regions: list[FileRegion]
    size: int
    first_offset: int
    aborted_transactions: list[AbortedTransaction] | None = None
    first_entry_incomplete: bool = False


@dataclass(slots=True)
class LogReader:
    """Reads the segments of one log."""

    name: str
    segments: Segments
    index_interval: int
    _reported: set[tuple[int, str]] = field(default_factory=set)
    _reindexed: set[int] = field(default_factory=set)

    def read(
        self,
        offset: int,
        max_bytes: int,
        upper_offset: int,
        log_end_offset: int,
        *,
        min_one: bool,
        read_committed: bool,
    ) -> LogRead:
        """Batches of [offset, upper_offset), which the caller has checked to be in the log."""
        nothing = LogRead([], 0, offset, [] if read_committed else None)
        upper_offset = min(upper_offset, log_end_offset)
        if offset >= upper_offset or (max_bytes <= 0 and not min_one):
            return nothing
        found = self._locate(offset, log_end_offset)
        if found is None:
            return nothing
        segment, position = found
        limit = self._limit(segment, upper_offset, log_end_offset)
        if position >= limit:
            return nothing
        end, incomplete = self._end(segment, position, limit, max_bytes, upper_offset, min_one)
        bad = segment.check(position, end)
        if bad is not None:
            if self._reindex(segment):
                return self.read(
                    offset,
                    max_bytes,
                    upper_offset,
                    log_end_offset,
                    min_one=min_one,
                    read_committed=read_committed,
                )
            end = self._before_damage(segment, position, bad)
        result = LogRead(
            [FileRegion(segment.file, position, end - position)], end - position, offset, None, incomplete
        )
        if read_committed:
            result.aborted_transactions = self._aborted(segment, offset, position, end, log_end_offset)
        return result

    def _locate(self, offset: int, log_end_offset: int) -> tuple[LogSegment, int] | None:
        known = self.segments.recall(offset)
        if known is not None:
            return known
        segment = self.segments.floor(offset) or self.segments.first
        current: LogSegment | None = segment
        # Compaction may have removed the end of a segment, so the batch can be in a later one.
        while current is not None:
            found = self._find(current, offset)
            if found is not None:
                return current, found
            current = self.segments.after(current)
        return None

    def _find(self, segment: LogSegment, offset: int) -> int | None:
        try:
            found = segment.find(offset)
        except CorruptBatch as reason:
            if self._reindex(segment):
                return self._find(segment, offset)
            self._report(segment, f"looking for offset {offset}: {reason.message}", reason.message or "")
            raise CorruptBatch(self._damage_text(segment, reason.message)) from reason
        return None if found is None else found[0]

    def _limit(self, segment: LogSegment, upper_offset: int, log_end_offset: int) -> int:
        """Position in segment that a read must not pass."""
        if upper_offset >= log_end_offset:
            return segment.size
        known = self.segments.recall(upper_offset)
        if known is None:
            upper = self.segments.floor(upper_offset)
            if upper is None or upper.base_offset > segment.base_offset:
                return segment.size if upper is not None else 0
            position = self._find(upper, upper_offset)
            if position is None:
                return segment.size if upper is segment else 0
            self.segments.remember(upper_offset, upper, position)
            known = upper, position
        if known[0] is segment:
            return known[1]
        return segment.size if known[0].base_offset > segment.base_offset else 0

    def _end(
        self, segment: LogSegment, position: int, limit: int, max_bytes: int, upper_offset: int, min_one: bool
    ) -> tuple[int, bool]:
        """(where the read ends, does it end inside its first batch)."""
        if limit - position <= max_bytes:
            if segment is self.segments.active or limit < segment.size:
                self.segments.remember(upper_offset, segment, limit)
            return limit, False
        end, next_offset = segment.last_boundary(position, position + max_bytes)
        if end > position:
            if next_offset is not None:
                self.segments.remember(next_offset, segment, end)
            return end, False
        if not min_one:
            return position + max_bytes, True
        header = read_header(segment.file.pread(_HEADER_BYTES, position))
        return min(position + header.size, limit), False

    def _before_damage(self, segment: LogSegment, position: int, bad: tuple[int, str]) -> int:
        """Where a read that met a bad batch has to end. CORRUPT_MESSAGE when that is its first."""
        self._report(segment, f"at position {bad[0]}: {bad[1]}", f"{bad[0]}")
        if bad[0] <= position:
            raise CorruptBatch(self._damage_text(segment, bad[1]))
        return bad[0]

    def _reindex(self, segment: LogSegment) -> bool:
        """A damaged index looks like a damaged log: write it anew, once."""
        if segment.base_offset in self._reindexed:
            return False
        self._reindexed.add(segment.base_offset)
        if not segment.rebuild_offset_index(self.index_interval):
            return False
        self.segments.forget_positions()
        _log.warning("[Log %s] Rebuilt offset index of segment %d", self.name, segment.base_offset)
        return True

    def _report(self, segment: LogSegment, what: str, key: str) -> None:
        """Say it once."""
        if (segment.base_offset, key) not in self._reported and len(self._reported) < _REPORTS:
            self._reported.add((segment.base_offset, key))
            _log.error(
                "[Log %s] Corruption found in segment %s, not serving it, %s", self.name, segment.path, what
            )

    def _damage_text(self, segment: LogSegment, reason: str | None) -> str:
        return f"Corruption in segment {segment.base_offset} of {self.name}: {reason}"

    def _aborted(
        self, segment: LogSegment, offset: int, position: int, end: int, log_end_offset: int
    ) -> list[AbortedTransaction]:
        """Aborted transactions that touch what was read (LocalLog.addAbortedTransactions)."""
        upper = segment.offset_index.upper_bound_offset(end)
        if upper is None:
            following = self.segments.after(segment)
            upper = following.base_offset if following is not None else log_end_offset
        found: list[AbortedTransaction] = []
        for later in self.segments.covering(segment.base_offset):
            entries, complete = later.txn_index.collect(offset, upper)
            found += [AbortedTransaction(entry.producer_id, entry.first_offset) for entry in entries]
            if complete:
                break
        return found
