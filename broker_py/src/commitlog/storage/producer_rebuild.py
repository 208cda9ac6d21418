# SPDX-License-Identifier: Apache-2.0
"""Producer state from snapshots and log (UnifiedLog.rebuildProducerState, LogSegment.updateProducerState)."""

from __future__ import annotations

import contextlib
import logging

from commitlog.records.batch import decode_records
from commitlog.records.header import BatchHeader, Buffer, CorruptBatch, Record
from commitlog.storage.producer_snapshot import Snapshots
from commitlog.storage.producer_state import BATCHES_TO_RETAIN, ProducerStates
from commitlog.storage.segment import LogSegment
from commitlog.storage.segments import Segments
from commitlog.storage.txn_index import AbortedTxn

RECALL_BYTES = 1024 * 1024
"""Before a producer's last batch: what it had in flight with others beside it."""

_log = logging.getLogger("commitlog.storage.producer_rebuild")


class ProducerStateStore:
    """A partition's producer state with its snapshot files."""

    def __init__(self, name: str, states: ProducerStates, snapshots: Snapshots) -> None:
        self.name = name
        self.states = states
        self.snapshots = snapshots
        self.last_snapshot_offset = 0

    def take_snapshot(self) -> int | None:
        """Write one unless the newest is of the same offset; returns its offset."""
        offset = self.states.map_end_offset
        if offset <= self.last_snapshot_offset:
            return None
        self.snapshots.write(offset, self.states.entries.values())
        self.last_snapshot_offset = offset
        return offset

    def truncate_and_reload(self, log_start_offset: int, log_end_offset: int, now_ms: int) -> None:
        """Take the newest snapshot within the log (ProducerStateManager.truncateAndReload)."""
        for offset in self.snapshots.offsets:
            if not log_start_offset < offset <= log_end_offset:
                self.snapshots.remove(offset)
        if log_end_offset == self.states.map_end_offset:
            self.states.on_log_start_offset(log_start_offset)
            self.last_snapshot_offset = max(self.snapshots.offsets, default=log_start_offset)
            return
        loaded = self.snapshots.load_latest()
        offset, entries = loaded if loaded is not None else (log_start_offset, [])
        self.states.load(entries, offset, now_ms)
        self.last_snapshot_offset = offset

    def truncate_fully(self, offset: int) -> None:
        """Forget everything and all snapshots."""
        for known in self.snapshots.offsets:
            self.snapshots.remove(known)
        self.states.clear(offset)
        self.last_snapshot_offset = 0

    def rebuild(
        self,
        segments: Segments,
        *,
        log_start_offset: int,
        last_offset: int,
        now_ms: int,
        clean: bool,
    ) -> None:
        """Make the state that of last_offset, from the newest snapshot and the log behind it."""
        bases = segments.base_offsets
        if not self.snapshots.offsets and clean:
            # No snapshot and no crash: a log from before producers had ids. Empty snapshots at the last two
            # segments spare a scan when the log is truncated later.
            for offset in [*bases[-2:], last_offset]:
                self.states.map_end_offset = offset
                self.take_snapshot()
            return
        states = self.states
        was_empty = states.is_empty and states.map_end_offset >= last_offset
        self.truncate_and_reload(log_start_offset, last_offset, now_ms)
        # Without producers before a truncation there are none after it either.
        if last_offset > states.map_end_offset and not was_empty:
            for segment in segments.covering(states.map_end_offset, last_offset):
                states.map_end_offset = max(segment.base_offset, states.map_end_offset, log_start_offset)
                if segment.base_offset in bases[-2:]:
                    self.take_snapshot()
                self._scan(segment, states.map_end_offset, last_offset)
        states.map_end_offset = last_offset
        self.take_snapshot()

    def _scan(self, segment: LogSegment, start: int, end: int) -> None:
        position = segment.offset_index.lookup(start)
        try:
            for found, header in segment.headers(position, segment.size):
                if header.base_offset >= end:
                    return
                if header.last_offset < start or header.producer_id < 0:
                    continue
                data = segment.read_batch(found, header) if header.is_control else b""
                self.states_saw(header, marker_of(data, header))
        except CorruptBatch as reason:
            # Below the recovery point, or recovery would have cut it off.
            _log.error("[Log %s] Producers of %s are known in part only: %s", self.name, segment.path, reason)

    def recall(self, segments: Segments, header: BatchHeader) -> None:
        """Kafka's snapshots hold the last batch of each producer, so that after a restart Kafka takes an
        older one that is sent again for a gap, which ends the producer (OUT_OF_ORDER_SEQUENCE_NUMBER). Here
        the end of the log is looked through, once, before that is said."""
        before = self.states.forgotten_before(header)
        if before is None:
            return
        older: list[BatchHeader] = []
        budget = RECALL_BYTES
        for segment in reversed(segments.covering(segments.first.base_offset, before)):
            reach = segment.offset_index.lookup(before)
            start = segment.offset_index.floor_position(max(0, reach - budget))
            older = [*_batches_of(header, segment, start, before), *older][-BATCHES_TO_RETAIN:]
            budget -= segment.size - start
            if budget <= 0 or len(older) == BATCHES_TO_RETAIN:
                break
        self.states.remember(header.producer_id, older)

    def states_saw(self, header: BatchHeader, marker: Record | None) -> AbortedTxn | None:
        """Account for one batch that is in the log; an entry for the transaction index if it aborted one."""
        states = self.states
        if not header.is_control:
            states.add_batch(header)
            return None
        completed = states.add_marker(header, marker) if marker is not None else None
        if completed is None:
            return None
        stable = states.last_stable_offset_after(completed)
        states.complete(completed)
        if not completed.aborted:
            return None
        return AbortedTxn(0, completed.producer_id, completed.first_offset, completed.last_offset, stable)


def marker_of(data: Buffer, header: BatchHeader) -> Record | None:
    """The record of a control batch; None of any other and of one that compaction has emptied."""
    if not header.is_control:
        return None
    records = decode_records(data, 0, header)
    return records[0] if records else None


def _batches_of(producer: BatchHeader, segment: LogSegment, start: int, before: int) -> list[BatchHeader]:
    """The data batches of the same producer and epoch from a file position up to an offset."""
    found: list[BatchHeader] = []
    with contextlib.suppress(CorruptBatch):
        for _, header in segment.headers(start, segment.size):
            if header.base_offset >= before:
                break
            if (
                header.producer_id == producer.producer_id
                and header.producer_epoch == producer.producer_epoch
                and not header.is_control
            ):
                found.append(header)
    return found
