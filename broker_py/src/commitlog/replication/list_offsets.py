# SPDX-License-Identifier: Apache-2.0
"""Offsets by time (Partition.fetchOffsetForTimestamp, UnifiedLog.legacyFetchOffsetsBefore)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition
    from commitlog.storage.log import Log

LATEST_TIMESTAMP = -1
EARLIEST_TIMESTAMP = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL_TIMESTAMP = -4
LATEST_TIERED_TIMESTAMP = -5
NO_TIMESTAMP = -1


@dataclass(slots=True, frozen=True)
class FoundOffset:
    """An answer to ListOffsets 1+; all -1 when no record is that young."""

    timestamp: int = NO_TIMESTAMP
    offset: int = -1
    leader_epoch: int = -1


def offset_for_timestamp(
    partition: Partition,
    timestamp: int,
    *,
    isolation_level: int | None,
    current_leader_epoch: int,
    require_leader: bool,
) -> FoundOffset:
    """The offset for a time or for one of the special timestamps. isolation_level None: the asker is a
    broker.

    A new leader's high watermark may lag behind the start of its epoch, though consumers were told more by
    the old leader: until it has caught up, a client gets OFFSET_NOT_AVAILABLE rather than an offset that runs
    backwards.
    """
    log = partition.log_for(current_leader_epoch, require_leader=require_leader)
    last_fetchable = _last_fetchable(log, isolation_level)
    start = partition.leader_epoch_start_offset
    lagging = isolation_level is not None and start is not None and start > log.high_watermark
    if timestamp == LATEST_TIMESTAMP:
        if lagging:
            raise KafkaError(ErrorCode.OFFSET_NOT_AVAILABLE)
        return FoundOffset(NO_TIMESTAMP, last_fetchable, partition.leader_epoch)
    if timestamp in (EARLIEST_TIMESTAMP, EARLIEST_LOCAL_TIMESTAMP):
        epoch = log.leader_epochs.epoch_for_offset(log.log_start_offset)
        return FoundOffset(NO_TIMESTAMP, log.log_start_offset, -1 if epoch is None else epoch)
    if timestamp == LATEST_TIERED_TIMESTAMP:
        # Without tiered storage nothing is there: -1, as Kafka answers.
        return FoundOffset()
    found = log.max_timestamp_offset() if timestamp == MAX_TIMESTAMP else log.offset_for_timestamp(timestamp)
    if found is not None and found[1] < last_fetchable:
        return FoundOffset(*found)
    if lagging:
        raise KafkaError(ErrorCode.OFFSET_NOT_AVAILABLE)
    return FoundOffset()


def _last_fetchable(log: Log, isolation_level: int | None) -> int:
    if isolation_level is None:
        return log.log_end_offset
    return log.last_stable_offset if isolation_level == 1 else log.high_watermark


def legacy_offsets_before(
    partition: Partition, timestamp: int, max_offsets: int, *, from_consumer: bool, require_leader: bool
) -> list[int]:
    """ListOffsets 0: where segments begin, newest first; the high watermark for what no consumer may read."""
    log = partition.log_for(-1, require_leader=require_leader)
    offsets = log.legacy_offsets_before(timestamp, max_offsets)
    if not from_consumer or not any(offset > log.high_watermark for offset in offsets):
        return offsets
    return [log.high_watermark, *(offset for offset in offsets if offset <= log.high_watermark)]
