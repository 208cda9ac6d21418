# SPDX-License-Identifier: Apache-2.0
"""The log's side of compaction: what may be cleaned, and swapping new segments in (LogCleanerManager,
LocalLog).

The work between the two is the Cleaner's, in a worker thread; whatever happens to the log meanwhile wins.
"""

from __future__ import annotations

from dataclasses import dataclass

from commitlog.storage.cleaner import CleanedGroup, CleaningPlan, discard
from commitlog.storage.log_append import LogAppends
from commitlog.storage.segment import SWAP, LogSegment


@dataclass(slots=True, frozen=True)
class Cleanable:
    """How much of a log waits for compaction."""

    first_dirty: int
    first_uncleanable: int
    dirty_bytes: int
    ratio: float
    overdue: bool  # max.compaction.lag.ms has passed


class LogCompaction(LogAppends):
    """The part of a log that compaction needs."""

    def cleanable(self, now_ms: int) -> Cleanable:
        """What could be cleaned now."""
        first_dirty = self.cleaned_to
        if not self.log_start_offset <= first_dirty <= self.log_end_offset:
            first_dirty = self.log_start_offset
        first_uncleanable = self._first_uncleanable(first_dirty, now_ms)
        clean = sum(s.size for s in self._segments if s.base_offset < first_dirty)
        dirty_segments = [
            s for s in self._segments.covering(first_dirty) if s.base_offset < first_uncleanable
        ]
        dirty = sum(s.size for s in dirty_segments)
        clean -= sum(s.size for s in dirty_segments if s.base_offset < first_dirty)
        ratio = dirty / (clean + dirty) if dirty else 0.0
        return Cleanable(
            first_dirty, first_uncleanable, dirty, ratio, self._is_overdue(dirty_segments, now_ms)
        )

    def _first_uncleanable(self, first_dirty: int, now_ms: int) -> int:
        """Start of the first segment that is active, undecided, or younger than min.compaction.lag.ms."""
        active = self._segments.active
        limit = min(self.last_stable_offset, active.base_offset)
        lag_ms = self.config.min_compaction_lag_ms
        if lag_ms > 0:
            for segment in self._segments.covering(first_dirty):
                if segment is not active and segment.largest_timestamp > now_ms - lag_ms:
                    limit = min(limit, segment.base_offset)
                    break
        holder = self._segments.floor(limit)
        return holder.base_offset if holder is not None else limit

    def _is_overdue(self, dirty: list[LogSegment], now_ms: int) -> bool:
        times = [time for s in dirty if (time := s.first_timestamp()) is not None and time > 0]
        return bool(times) and min(times) < now_ms - max(self.config.max_compaction_lag_ms, 0)

    def cleaning_plan(self, cleanable: Cleanable, now_ms: int) -> CleaningPlan:
        """Everything that a worker needs to know."""
        entries = self._states.entries.values()
        config = self.config
        return CleaningPlan(
            segments=list(self._segments),
            sizes=[segment.size for segment in self._segments],
            first_dirty=cleanable.first_dirty,
            first_uncleanable=cleanable.first_uncleanable,
            segment_bytes=config.segment_bytes,
            index_bytes=config.segment_index_bytes,
            index_interval=config.index_interval_bytes,
            delete_retention_ms=config.delete_retention_ms,
            now_ms=now_ms,
            last_data_offsets={
                e.producer_id: e.batches[-1].last_offset if e.batches else None for e in entries
            },
            producer_epochs={e.producer_id: e.producer_epoch for e in entries},
        )

    def has_changed_since(self, plan: CleaningPlan) -> bool:
        """Was the log truncated, deleted or closed while the cleaner read it?"""
        present = {id(segment) for segment in self._segments}
        return self._closed or any(
            id(segment) not in present or segment.size != size or segment is self._segments.active
            for segment, size in zip(plan.segments, plan.sizes, strict=True)
            if segment.base_offset < plan.first_uncleanable
        )

    def install_cleaned(self, plan: CleaningPlan, groups: list[CleanedGroup], cleaned_to: int) -> bool:
        """Swap new segments in; False (and nothing done) when the log has changed under the cleaner."""
        if self.has_changed_since(plan):
            discard(self._files, groups)
            return False
        try:
            for group in groups:
                self._swap(group)
        except OSError as error:
            raise self._io_error("Error while replacing segments of", error) from error
        self.cleaned_to = cleaned_to
        return True

    def _swap(self, group: CleanedGroup) -> None:
        """In an order that a crash cannot hurt: once `.swap` is there, loading completes the rest."""
        group.cleaned.change_suffix(SWAP)
        self._segments.remove(group.replaced)
        self._rename_away(group.replaced, snapshots=group.replaced[1:])
        group.cleaned.change_suffix("")
        self._segments.add(group.cleaned)
        self._segments.forget_positions()
