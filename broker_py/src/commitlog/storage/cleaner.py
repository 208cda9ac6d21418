# SPDX-License-Identifier: Apache-2.0
"""Compaction of one log: keep the newest record of every key (LogCleaner's Cleaner, KIP-98, KIP-534).

Reads sealed segments and writes new ones beside them with the suffix `.cleaned`; it changes nothing of the
log itself, so it runs in a worker thread. A crash leaves only `.cleaned` files, which loading removes.
Tombstones and transaction markers stay for delete.retention.ms after the first pass that found them (their
batch's delete horizon); aborted data goes at once; the last batch of an active producer stays, if need be
empty, since it holds the sequence number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from commitlog.records.batch import decode_records, empty_batch
from commitlog.records.header import LOG_APPEND_TIME, BatchHeader, read_header
from commitlog.records.message_set import build_message_set
from commitlog.records.spans import RecordSpan, record_keys, record_spans, refill_batch
from commitlog.storage.cleaned_transactions import CleanedTransactions
from commitlog.storage.file_cache import FileCache
from commitlog.storage.producer_rebuild import marker_of
from commitlog.storage.segment import CLEANED, MAX_RELATIVE_OFFSET, LogSegment
from commitlog.storage.txn_index import AbortedTxn

_LONG_KEY = 32
_DIGEST = _LONG_KEY + 1  # no raw key has this length, so a digest is never taken for one
_WRITE_BYTES = 1024 * 1024


class OffsetMap:
    """Key to newest offset of the dirty part, for a bounded number of keys (SkimpyOffsetMap)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._offsets: dict[bytes, int] = {}
        self.latest_offset = -1

    def put_all(self, keys: Iterable[tuple[int, bytes | None]], start: int) -> bool:
        """The keys of what begins at start or later; False when there is no room."""
        offsets, limit = self._offsets, self._limit
        for offset, key in keys:
            if key is None or offset < start:
                continue
            if len(key) > _LONG_KEY:
                key = _short(key)
            if len(offsets) >= limit and key not in offsets:
                return False
            offsets[key] = offset
        return True

    def get(self, key: bytes) -> int:
        """-1 when the key is not in the dirty part."""
        return self._offsets.get(_short(key), -1)


def _short(key: bytes) -> bytes:
    return key if len(key) <= _LONG_KEY else blake2b(key, digest_size=_DIGEST).digest()


class CleaningAborted(Exception):
    """The broker stops; what has been written is discarded."""


@dataclass(slots=True, frozen=True)
class CleaningPlan:
    """What one pass works on, taken from the log on the broker's loop."""

    segments: Sequence[LogSegment]
    sizes: Sequence[int]
    first_dirty: int
    first_uncleanable: int
    segment_bytes: int
    index_bytes: int
    index_interval: int
    delete_retention_ms: int
    now_ms: int
    last_data_offsets: dict[int, int | None]  # of active producers; None when only a marker is left
    producer_epochs: dict[int, int]


@dataclass(slots=True)
class CleanedGroup:
    """A new segment and the ones whose place it takes."""

    cleaned: LogSegment
    replaced: list[LogSegment]


class Cleaner:
    """One compaction pass over one log."""

    def __init__(
        self,
        files: FileCache,
        plan: CleaningPlan,
        map_limit: int,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._files = files
        self._should_stop = should_stop
        self._plan = plan
        self._map = OffsetMap(map_limit)
        self._legacy_horizon_ms = 0

    def clean(self) -> tuple[list[CleanedGroup], int]:
        """(new segments, offset up to which the log is clean). Raises CorruptBatch, OSError."""
        plan = self._plan
        self._map_dirty_part()
        end = self._map.latest_offset + 1
        clean_part = [s for s in plan.segments if s.base_offset < plan.first_dirty]
        if clean_part:
            self._legacy_horizon_ms = clean_part[-1].last_modified_ms - plan.delete_retention_ms
        transactions = CleanedTransactions()
        groups: list[CleanedGroup] = []
        try:
            for group in self._groups([s for s in plan.segments if s.base_offset < end]):
                groups.append(self._clean_group(group, transactions))
        except BaseException:
            discard(self._files, groups)
            raise
        return groups, max(end, plan.first_dirty)

    # ---- which keys are newer

    def _map_dirty_part(self) -> None:
        plan = self._plan
        transactions = CleanedTransactions()
        transactions.add(self._aborted(plan.first_dirty, plan.first_uncleanable))
        dirty = [
            s
            for i, s in enumerate(plan.segments)
            if s.base_offset < plan.first_uncleanable and self._end_of(i) > plan.first_dirty
        ]
        ends = [*(s.base_offset for s in dirty[1:]), plan.first_uncleanable]
        for segment, end in zip(dirty, ends, strict=False):
            if not self._map_segment(segment, transactions):
                return
            self._map.latest_offset = max(self._map.latest_offset, end - 1)

    def _end_of(self, index: int) -> int:
        segments = self._plan.segments
        return segments[index + 1].base_offset if index + 1 < len(segments) else self._plan.first_uncleanable

    def _map_segment(self, segment: LogSegment, transactions: CleanedTransactions) -> bool:
        """False when the map is full."""
        start = self._plan.first_dirty
        for _, header, data in segment.batches(segment.offset_index.lookup(start), segment.size):
            self._check_stop()
            if header.is_control:
                transactions.saw_control(header, marker_of(data, header))
            elif not transactions.saw_batch(header) and not self._map.put_all(_keys(header, data), start):
                return False
            if header.last_offset >= start:
                self._map.latest_offset = max(self._map.latest_offset, header.last_offset)
        return True

    def _aborted(self, start: int, end: int) -> list[AbortedTxn]:
        found: list[AbortedTxn] = []
        for i, segment in enumerate(self._plan.segments):
            if i + 1 < len(self._plan.segments) and self._plan.segments[i + 1].base_offset <= start:
                continue
            entries, complete = segment.txn_index.collect(start, end)
            found += entries
            if complete:
                break
        return found

    # ---- writing

    def _groups(self, segments: list[LogSegment]) -> list[list[LogSegment]]:
        """Neighbours that fit into one new segment (groupSegmentsBySize)."""
        plan = self._plan
        groups: list[list[LogSegment]] = []
        for i, segment in enumerate(segments):
            last_offset = (
                segments[i + 1].base_offset if i + 1 < len(segments) else plan.first_uncleanable
            ) - 1
            group = groups[-1] if groups else None
            if (
                group is not None
                and sum(s.size for s in group) + segment.size <= plan.segment_bytes
                and sum(s.offset_index.size for s in group) + segment.offset_index.size <= plan.index_bytes
                and sum(s.time_index.size for s in group) + segment.time_index.size <= plan.index_bytes
                and last_offset - group[0].base_offset <= MAX_RELATIVE_OFFSET
            ):
                group.append(segment)
            else:
                groups.append([segment])
        return groups

    def _clean_group(self, group: list[LogSegment], transactions: CleanedTransactions) -> CleanedGroup:
        first = group[0]
        cleaned = LogSegment.create(
            self._files, first.directory, first.base_offset, created_ms=self._plan.now_ms, suffix=CLEANED
        )
        result = CleanedGroup(cleaned, group)
        transactions.cleaned_index = cleaned.txn_index
        try:
            for i, segment in enumerate(group):
                end = group[i + 1].base_offset if i + 1 < len(group) else segment.next_offset()
                transactions.add(self._aborted(segment.base_offset, end))
                self._clean_into(cleaned, segment, transactions)
            cleaned.seal()
            cleaned.sync()
        except BaseException:
            discard(self._files, [result])
            raise
        return result

    def _clean_into(
        self, cleaned: LogSegment, segment: LogSegment, transactions: CleanedTransactions
    ) -> None:
        keep_legacy = segment.last_modified_ms > self._legacy_horizon_ms
        out = bytearray()
        batches: list[tuple[int, BatchHeader]] = []
        for _, header, data in segment.batches(0, segment.size):
            self._check_stop()
            kept = self._clean_batch(header, data, transactions, keep_legacy)
            if kept:
                batches.append((len(out), read_header(kept)))
                out += kept
            if len(out) >= _WRITE_BYTES:
                cleaned.append(out, batches, self._plan.index_interval)
                out, batches = bytearray(), []
        if batches:
            cleaned.append(out, batches, self._plan.index_interval)

    def _clean_batch(
        self, header: BatchHeader, data: memoryview, transactions: CleanedTransactions, keep_legacy: bool
    ) -> bytes | bytearray | memoryview | None:
        """What is left of a batch, None for nothing."""
        plan = self._plan
        if header.magic < 2:
            return self._clean_messages(header, data, keep_legacy)
        if header.is_control:
            empty_txn = transactions.saw_control(header, marker_of(data, header))
            horizon = header.delete_horizon_ms
            drop_all = empty_txn and horizon is not None and horizon <= plan.now_ms
        else:
            empty_txn = False
            drop_all = transactions.saw_batch(header)
        last_of_producer = self._is_last_of_producer(header)
        if drop_all:
            return empty_batch(header) if last_of_producer else None
        opened, spans = record_spans(data, 0, header)
        kept = spans if header.is_control else self._kept(header, spans)
        if not kept:
            return empty_batch(header) if last_of_producer else None
        needs_horizon = header.delete_horizon_ms is None and (
            empty_txn or not all(span.has_value for span in kept)
        )
        if len(kept) == len(spans) and not needs_horizon:
            return data
        new_horizon = plan.now_ms + plan.delete_retention_ms if needs_horizon else None
        return refill_batch(header, opened, kept, delete_horizon_ms=new_horizon)

    def _kept(self, header: BatchHeader, spans: list[RecordSpan]) -> list[RecordSpan]:
        latest, newest = self._map.latest_offset, self._map.get
        horizon = header.delete_horizon_ms
        tombstones = horizon is None or self._plan.now_ms < horizon
        return [
            span
            for span in spans
            if span.offset > latest
            or (span.key is not None and span.offset >= newest(span.key) and (span.has_value or tombstones))
        ]

    def _clean_messages(
        self, header: BatchHeader, data: memoryview, keep_legacy: bool
    ) -> bytes | bytearray | memoryview | None:
        """The same of magic 0 and 1, whose tombstones go by the age of their segment."""
        latest, newest = self._map.latest_offset, self._map.get
        records = decode_records(data, 0, header)
        kept = [
            record
            for record in records
            if record.offset > latest
            or (
                record.key is not None
                and record.offset >= newest(record.key)
                and (record.value is not None or keep_legacy)
            )
        ]
        if not kept:
            return None
        if len(kept) == len(records):
            return data
        log_append_time = header.timestamp_type == LOG_APPEND_TIME
        return build_message_set(
            kept, magic=header.magic, codec=header.codec, log_append_time=log_append_time
        )

    def _check_stop(self) -> None:
        if self._should_stop():
            raise CleaningAborted

    def _is_last_of_producer(self, header: BatchHeader) -> bool:
        producer_id = header.producer_id
        if producer_id not in self._plan.producer_epochs:
            return False
        last_data_offset = self._plan.last_data_offsets.get(producer_id)
        if last_data_offset is not None:
            return header.last_offset == last_data_offset
        return header.is_control and header.producer_epoch == self._plan.producer_epochs[producer_id]


def _keys(header: BatchHeader, data: memoryview) -> list[tuple[int, bytes | None]]:
    """Offset and key of each record of a batch."""
    if header.magic >= 2:
        return record_keys(data, 0, header)
    return [(record.offset, record.key) for record in decode_records(data, 0, header)]


def discard(files: FileCache, groups: Sequence[CleanedGroup]) -> None:
    """Remove new segments that will not be used."""
    for group in groups:
        paths = group.cleaned.paths
        group.cleaned.forget()
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                files.disk.remove(path)
