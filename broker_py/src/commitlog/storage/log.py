# SPDX-License-Identifier: Apache-2.0
"""One partition's log (Kafka's UnifiedLog): append, read, truncate, offsets. Synchronous; owned by one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from commitlog.storage.leader_epochs import LeaderEpochCache
from commitlog.storage.log_config import LogConfig
from commitlog.wire.regions import FileRegion

Origin = Literal["client", "replication", "coordinator"]


@dataclass(slots=True)
class AppendInfo:
    """What an append did. For a duplicate the offsets are those of the batch that is already in the log."""

    first_offset: int
    last_offset: int
    log_append_time: int
    log_start_offset: int
    duplicate: bool
    records_bytes: int
    leader_epoch: int = -1


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


class Log:
    """A partition's log. Offsets: log_start_offset <= last_stable_offset <= high_watermark <= log_end_offset."""

    topic: str
    partition: int
    topic_id: bytes | None
    log_dir: str
    config: LogConfig
    leader_epochs: LeaderEpochCache
    log_start_offset: int
    log_end_offset: int
    high_watermark: int
    recovery_point: int

    @property
    def last_stable_offset(self) -> int:
        """First offset that a read_committed consumer must not see."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Bytes in all segments."""
        raise NotImplementedError

    @property
    def latest_epoch(self) -> int | None:
        """Leader epoch of the newest batch."""
        raise NotImplementedError

    def append_as_leader(
        self, records: bytearray | memoryview, leader_epoch: int, *, origin: Origin = "client"
    ) -> AppendInfo:
        """Validate, assign offsets in place in `records` (which must be writable), append. Raises KafkaError."""
        raise NotImplementedError

    def append_as_follower(self, records: bytes | bytearray | memoryview) -> AppendInfo:
        """Append batches as the leader sent them; a partial batch at the end is left out."""
        raise NotImplementedError

    def read(
        self,
        offset: int,
        max_bytes: int,
        *,
        upper_offset: int,
        min_one: bool = True,
        read_committed: bool = False,
    ) -> LogRead:
        """Whole batches from offset, below upper_offset. OFFSET_OUT_OF_RANGE outside [log start, log end]."""
        raise NotImplementedError

    def update_high_watermark(self, offset: int) -> int:
        """Set it, clipped to [log start, log end]; returns what it became."""
        raise NotImplementedError

    def truncate_to(self, offset: int) -> bool:
        """Drop everything from offset on; False when there was nothing to drop."""
        raise NotImplementedError

    def truncate_fully_and_start_at(self, offset: int) -> None:
        """Drop everything; the next append gets offset."""
        raise NotImplementedError

    def maybe_increment_log_start_offset(self, offset: int, reason: str) -> bool:
        """DeleteRecords, or a follower that learns the leader's. Above the high watermark: OFFSET_OUT_OF_RANGE."""
        raise NotImplementedError

    def offset_for_timestamp(self, timestamp: int) -> tuple[int, int, int] | None:
        """(timestamp, offset, leader epoch) of the first record with at least this timestamp."""
        raise NotImplementedError

    def max_timestamp_offset(self) -> tuple[int, int, int] | None:
        """(timestamp, offset, leader epoch) of the record with the largest timestamp (ListOffsets -3)."""
        raise NotImplementedError

    def assign_epoch_start(self, leader_epoch: int, start_offset: int) -> None:
        """A new leader notes the start of its epoch (UnifiedLog.maybeAssignEpochStartOffset)."""
        raise NotImplementedError

    def assign_topic_id(self, topic_id: bytes) -> None:
        """Write partition.metadata; INCONSISTENT_TOPIC_ID when it holds another id."""
        raise NotImplementedError

    def delete_old_segments(self, now_ms: int) -> int:
        """Apply retention; returns how many segments went."""
        raise NotImplementedError

    def roll(self) -> None:
        """Begin a new segment at the log end."""
        raise NotImplementedError

    def flush(self) -> None:
        """fsync everything up to the log end."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave the files exactly as Kafka leaves them at a clean close."""
        raise NotImplementedError

    def segments(self) -> Sequence[object]:
        """The segments, oldest first."""
        raise NotImplementedError
