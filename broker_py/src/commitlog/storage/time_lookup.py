# SPDX-License-Identifier: Apache-2.0
"""From timestamps to offsets, for ListOffsets (UnifiedLog.fetchOffsetByTimestamp, KIP-79, KIP-734).

The time index narrows it down to a stretch of the log; the batches there are opened record by record.
"""

from __future__ import annotations

from commitlog.records.batch import decode_records
from commitlog.storage.segment import LogSegment
from commitlog.storage.segments import Segments

LATEST = -1
EARLIEST = -2

Found = tuple[int, int, int]


def first_offset_at(segments: Segments, timestamp: int, log_start_offset: int) -> Found | None:
    """(timestamp, offset, leader epoch) of the first record from log_start_offset on that is as new."""
    for segment in segments:
        if segment.largest_timestamp >= timestamp:
            found = _first_in_segment(segment, timestamp, log_start_offset)
            if found is not None:
                return found
    return None


def _first_in_segment(segment: LogSegment, timestamp: int, start: int) -> Found | None:
    offset = max(segment.time_index.lookup(timestamp), start)
    position = segment.offset_index.lookup(offset)
    for found, header in segment.headers(position, segment.size):
        if header.max_timestamp < timestamp:
            continue
        for record in decode_records(segment.read_batch(found, header), 0, header):
            if record.timestamp >= timestamp and record.offset >= start:
                return record.timestamp, record.offset, header.leader_epoch
    return None


def offset_of_max_timestamp(segments: Segments) -> Found | None:
    """(timestamp, offset, leader epoch) of the first record that has the largest timestamp of the log."""
    segment = max(segments, key=lambda s: s.max_timestamp[0])
    timestamp, offset = segment.max_timestamp
    if timestamp < 0:
        return None
    for found, header in segment.headers(segment.offset_index.lookup(offset), segment.size):
        if header.max_timestamp != timestamp:
            continue
        for record in decode_records(segment.read_batch(found, header), 0, header):
            if record.timestamp == timestamp:
                return timestamp, record.offset, header.leader_epoch
    return None


def offsets_before(
    segments: Segments, timestamp: int, limit: int, log_start_offset: int, log_end_offset: int, now_ms: int
) -> list[int]:
    """Segment starts last modified by timestamp, newest first (ListOffsets v0, legacyFetchOffsetsBefore)."""
    known = [(max(s.base_offset, log_start_offset), s.last_modified_ms) for s in segments]
    if segments.active.size > 0:
        known.append((log_end_offset, now_ms))
    if timestamp == EARLIEST:
        known = known[:1]
    elif timestamp != LATEST:
        known = [entry for entry in known if entry[1] <= timestamp]
    return [offset for offset, _ in reversed(known)][:limit]
