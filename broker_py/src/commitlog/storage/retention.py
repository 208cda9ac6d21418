# SPDX-License-Identifier: Apache-2.0
"""Which segments retention deletes: by log start offset, by retention.bytes, by retention.ms (UnifiedLog).

Always a run from the oldest on, never at or above the high watermark, and an empty active segment stays.
"""

from __future__ import annotations

from typing import Protocol

from commitlog.storage.log_config import LogConfig
from commitlog.storage.segment import LogSegment
from commitlog.storage.segments import Segments


class RetainedLog(Protocol):
    """What is looked at of a log."""

    config: LogConfig
    log_start_offset: int
    log_end_offset: int
    high_watermark: int


def deletable_segments(log: RetainedLog, segments: Segments, reason: str, now_ms: int) -> list[LogSegment]:
    """The segments that a reason (start offset, size, time) lets go."""
    config = log.config
    excess = segments.size - config.retention_bytes
    if reason != "start offset" and "delete" not in config.cleanup_policy:
        return []
    if reason == "size" and (config.retention_bytes < 0 or excess < 0):
        return []
    if reason == "time" and config.retention_ms < 0:
        return []
    doomed: list[LogSegment] = []
    for segment in segments:
        following = segments.after(segment)
        end = following.base_offset if following is not None else log.log_end_offset
        if log.high_watermark < end or (following is None and segment.size == 0):
            break
        if reason == "start offset":
            goes = following is not None and end <= log.log_start_offset
        elif reason == "size":
            goes = excess >= segment.size
            excess -= segment.size
        else:
            goes = now_ms - segment.largest_timestamp > config.retention_ms
        if not goes:
            break
        doomed.append(segment)
    return doomed
