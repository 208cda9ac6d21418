# SPDX-License-Identifier: Apache-2.0
"""One partition's log (Kafka's UnifiedLog): append, read, truncate, offsets.

Synchronous and owned by one thread, the broker's loop. What may block for long (fsync, removal of files) it
asks of its hooks. An OSError takes the log directory offline, as in Kafka: it is reported to the hooks and
becomes KAFKA_STORAGE_ERROR; an append that failed half way has been cut off again.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commitlog.records.header import (
    NO_TIMESTAMP,
    BatchHeader,
    Buffer,
    CorruptBatch,
    Record,
    check_crc,
    iterate_headers,
)
from commitlog.storage.file_cache import FileCache
from commitlog.storage.log_config import LogConfig
from commitlog.storage.log_loader import LoadedLog
from commitlog.storage.log_read import AbortedTransaction, LogRead, LogReader
from commitlog.storage.partition_metadata import (
    PartitionMetadataError,
    read_topic_id,
    write_topic_id,
)
from commitlog.storage.producer_rebuild import marker_of
from commitlog.storage.producer_state import ProducerStates
from commitlog.storage.retention import deletable_segments
from commitlog.storage.segment import DELETED, LogSegment
from commitlog.storage.time_lookup import first_offset_at, offset_of_max_timestamp, offsets_before
from commitlog.storage.validator import Origin, RecordValidationError, Validator
from commitlog.wire.errors import ErrorCode, KafkaError

__all__ = [
    "AbortedTransaction",
    "AppendInfo",
    "Log",
    "LogHooks",
    "LogRead",
    "Origin",
    "RecordValidationError",
    "UnexpectedAppendOffset",
]

_log = logging.getLogger("commitlog.storage.log")


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


class UnexpectedAppendOffset(KafkaError):
    """A follower was given batches that begin below its log end (UnexpectedAppendOffsetException)."""

    def __init__(self, message: str, first_offset: int, last_offset: int) -> None:
        super().__init__(ErrorCode.UNKNOWN_SERVER_ERROR, message)
        self.first_offset = first_offset
        self.last_offset = last_offset


@dataclass(slots=True, frozen=True)
class LogHooks:
    """What a log leaves to its manager.

    delete_files(paths, delay ms): remove files that have been renamed `.deleted`. flush(log, offset): a
    segment was rolled, make everything below offset durable. io_error(log dir, error): the disk failed.
    """

    delete_files: Callable[[Sequence[str], int], None]
    flush: Callable[[Log, int], None]
    io_error: Callable[[str, OSError], None]


class Log:
    """A partition's log. log_start_offset <= last_stable_offset <= high_watermark <= log_end_offset."""

    def __init__(
        self,
        *,
        files: FileCache,
        directory: str,
        log_dir: str,
        topic: str,
        partition: int,
        config: LogConfig,
        loaded: LoadedLog,
        hooks: LogHooks,
        now_ms: Callable[[], int],
        rng: random.Random,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.name = f"{topic}-{partition}"
        self.directory = directory
        self.log_dir = log_dir
        self.config = config
        self.leader_epochs = loaded.leader_epochs
        self.log_start_offset = loaded.log_start_offset
        self.log_end_offset = loaded.log_end_offset
        self.high_watermark = loaded.log_start_offset
        self.recovery_point = loaded.recovery_point
        self._files = files
        self._segments = loaded.segments
        self._producers = loaded.producers
        self._states = loaded.producers.states
        self._hooks = hooks
        self._now_ms = now_ms
        self._rng = rng
        self._validator = Validator(self.name)
        self._reader = LogReader(self.name, loaded.segments, config.index_interval_bytes)
        self._closed = False
        self.last_flush_ms = now_ms()
        self._segments.active.jitter_ms = self._jitter_ms()
        self.topic_id = self._read_topic_id()

    def __repr__(self) -> str:
        return f"Log({self.directory}, offsets {self.log_start_offset} to {self.log_end_offset})"

    # ---- offsets

    @property
    def last_stable_offset(self) -> int:
        """First offset that a read_committed consumer must not see."""
        unstable = self._states.first_unstable_offset
        if unstable is None or unstable >= self.high_watermark:
            return self.high_watermark
        return max(unstable, self.log_start_offset)

    @property
    def size(self) -> int:
        """Bytes in all segments."""
        return self._segments.size

    @property
    def first_segment_offset(self) -> int:
        """Base offset of the oldest segment."""
        return self._segments.first.base_offset

    @property
    def latest_epoch(self) -> int | None:
        """Newest leader epoch known."""
        return self.leader_epochs.latest_epoch

    @property
    def producer_states(self) -> ProducerStates:
        """Producers of this partition (DescribeProducers, expiry)."""
        return self._states

    def segments(self) -> Sequence[LogSegment]:
        """The segments, oldest first."""
        return list(self._segments)

    def update_high_watermark(self, offset: int) -> int:
        """Set it, clipped to [log start, log end]; returns what it became."""
        self.high_watermark = max(self.log_start_offset, min(offset, self.log_end_offset))
        self._states.on_high_watermark(self.high_watermark)
        return self.high_watermark

    # ---- append

    def append_as_leader(
        self, records: bytearray | memoryview, leader_epoch: int, *, origin: Origin = "client"
    ) -> AppendInfo:
        """Validate, assign offsets in place (records must be writable), append. Raises KafkaError."""
        offset = self.log_end_offset
        ready, header, append_time_ms = self._validator.validate(
            records, self.config,
            next_offset=offset, leader_epoch=leader_epoch, origin=origin, now_ms=self._now_ms(),
        )  # fmt: skip
        marker = None
        if header.producer_id >= 0:
            if header.is_control:
                marker = marker_of(ready, header)
                if marker is not None:
                    self._states.check_marker(header, marker, offset)
            else:
                duplicate = self._states.find_duplicate(header) if origin == "client" else None
                if duplicate is not None:
                    return AppendInfo(
                        duplicate.first_offset, duplicate.last_offset, duplicate.timestamp,
                        self.log_start_offset, True, 0, leader_epoch,
                    )  # fmt: skip
                self._states.check(header, offset, from_client=origin == "client")
        try:
            if leader_epoch != self.leader_epochs.latest_epoch and leader_epoch >= 0:
                self.leader_epochs.assign(leader_epoch, offset)
            segment = self._write(ready, ((0, header),), header.max_timestamp)
            if header.producer_id >= 0:
                self._account(segment, header, marker)
            self._after_append()
        except OSError as error:
            raise self._io_error("Error while appending records to", error) from error
        return AppendInfo(
            offset, header.last_offset, append_time_ms, self.log_start_offset, False, len(ready), leader_epoch
        )

    def append_as_follower(self, records: Buffer, *, leader_epoch: int | None = None) -> AppendInfo:
        """Append batches as the leader sent them; a partial batch at the end is left out.

        leader_epoch is what the follower knows: batches of a later epoch are left out too (KAFKA-18723),
        since the leader's answer may be newer than the truncation that this follower has done.
        """
        headers = self._check_replicated(records, leader_epoch)
        if not headers:
            return AppendInfo(-1, -1, NO_TIMESTAMP, self.log_start_offset, False, 0)
        first, last = headers[0][1], headers[-1][1]
        size = headers[-1][0] + last.size
        newest = max(header.max_timestamp for _, header in headers)
        valid = records if size == len(records) else memoryview(records)[:size]
        try:
            self._note_epochs(headers)
            segment = self._write(valid, headers, newest)
            for position, header in headers:
                if header.producer_id >= 0:
                    data = memoryview(records)[position : position + header.size]
                    self._account(segment, header, marker_of(data, header))
            self._after_append()
        except OSError as error:
            raise self._io_error("Error while appending records to", error) from error
        return AppendInfo(
            first.base_offset,
            last.last_offset,
            NO_TIMESTAMP,
            self.log_start_offset,
            False,
            size,
            last.leader_epoch,
        )

    def _check_replicated(self, records: Buffer, leader_epoch: int | None) -> list[tuple[int, BatchHeader]]:
        headers: list[tuple[int, BatchHeader]] = []
        expected = self.log_end_offset
        for position, header in iterate_headers(records):
            if leader_epoch is not None and header.leader_epoch > leader_epoch:
                break
            if not check_crc(records, position, header):
                raise CorruptBatch(
                    f"Record is corrupt (stored crc = {header.crc}) in topic partition {self.name}."
                )
            if (header.base_offset if header.magic >= 2 else header.last_offset) < expected:
                raise UnexpectedAppendOffset(
                    f"Unexpected offset in append to {self.name}. Offset {header.base_offset} is less than "
                    f"the next offset {expected}. Log start offset = {self.log_start_offset}",
                    header.base_offset,
                    header.last_offset,
                )
            headers.append((position, header))
            expected = header.next_offset
        return headers

    def _note_epochs(self, headers: list[tuple[int, BatchHeader]]) -> None:
        for _, header in headers:
            if header.magic < 2:
                # Truncation falls back to the high watermark while the old format has no epochs.
                self.leader_epochs.clear()
            elif header.leader_epoch != self.leader_epochs.latest_epoch and header.leader_epoch >= 0:
                self.leader_epochs.assign(header.leader_epoch, header.base_offset)

    def _write(
        self, records: Buffer, batches: Sequence[tuple[int, BatchHeader]], max_timestamp: int
    ) -> LogSegment:
        config = self.config
        size = len(records)
        last_offset = batches[-1][1].last_offset
        if size > config.segment_bytes:
            raise KafkaError(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"Message batch size is {size} bytes in append to partition {self.name}, which exceeds the "
                f"maximum configured segment size of {config.segment_bytes}.",
            )
        segment = self._segments.active
        if segment.should_roll(
            size, max_timestamp, last_offset, self._now_ms(),
            config.segment_bytes, config.segment_ms, config.segment_index_bytes,
        ):  # fmt: skip
            segment = self._roll(batches[0][1].base_offset)
        segment.append(records, batches, config.index_interval_bytes)
        self.log_end_offset = last_offset + 1
        self._segments.remember(last_offset + 1, segment, segment.size)
        return segment

    def _account(self, segment: LogSegment, header: BatchHeader, marker: Record | None) -> None:
        aborted = self._producers.states_saw(header, marker)
        if aborted is not None:
            segment.txn_index.append(aborted)

    def _after_append(self) -> None:
        self._states.map_end_offset = self.log_end_offset
        if self.log_end_offset - self.recovery_point >= self.config.flush_messages:
            self.flush()

    # ---- roll

    def roll(self) -> None:
        """Begin a new segment at the log end."""
        try:
            self._roll(self.log_end_offset)
        except OSError as error:
            raise self._io_error("Error while rolling log segment for", error) from error

    def _roll(self, first_offset: int) -> LogSegment:
        base = max(first_offset, self.log_end_offset)
        active = self._segments.active
        if active.base_offset == base and active.size == 0:
            return active
        if base <= active.base_offset:
            raise KafkaError(
                ErrorCode.UNKNOWN_SERVER_ERROR,
                f"Trying to roll a new log segment for {self.name} with start offset {base} at or below the "
                f"active segment's {active.base_offset}",
            )
        segment = LogSegment.create(self._files, self.directory, base, created_ms=self._now_ms())
        active.seal()
        segment.jitter_ms = self._jitter_ms()
        self._segments.add(segment)
        self._segments.forget_positions()
        self._segments.remember(base, segment, 0)
        # The snapshot is at the new segment's base, so that recovery can begin there.
        self._states.map_end_offset = base
        self._producers.take_snapshot()
        _log.info(
            "[Log partition=%s, dir=%s] Rolled new log segment at offset %d", self.name, self.log_dir, base
        )
        self._hooks.flush(self, base)
        return segment

    def _jitter_ms(self) -> int:
        limit = min(self.config.segment_jitter_ms, self.config.segment_ms)
        return self._rng.randrange(limit) if limit > 0 else 0

    # ---- read

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
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Received request for offset {offset} for partition {self.name}, but we only have log "
                f"segments in the range {self.log_start_offset} to {self.log_end_offset}.",
            )
        try:
            return self._reader.read(
                offset, max_bytes, upper_offset, self.log_end_offset,
                min_one=min_one, read_committed=read_committed,
            )  # fmt: skip
        except OSError as error:
            raise self._io_error("Error while reading from", error) from error

    def offset_for_timestamp(self, timestamp: int) -> tuple[int, int, int] | None:
        """(timestamp, offset, leader epoch) of the first record with at least this timestamp."""
        try:
            return first_offset_at(self._segments, timestamp, self.log_start_offset)
        except OSError as error:
            raise self._io_error("Error while looking up a timestamp in", error) from error

    def max_timestamp_offset(self) -> tuple[int, int, int] | None:
        """(timestamp, offset, leader epoch) of the record with the largest timestamp (ListOffsets -3)."""
        try:
            return offset_of_max_timestamp(self._segments)
        except OSError as error:
            raise self._io_error("Error while looking up a timestamp in", error) from error

    def legacy_offsets_before(self, timestamp: int, limit: int) -> list[int]:
        """Segment starts before a timestamp, newest first (ListOffsets v0)."""
        return offsets_before(
            self._segments, timestamp, limit, self.log_start_offset, self.log_end_offset, self._now_ms()
        )

    # ---- truncate

    def truncate_to(self, offset: int) -> bool:
        """Drop everything from offset on; False when there was nothing to drop."""
        if offset < 0:
            raise ValueError(f"Cannot truncate partition {self.name} to a negative offset ({offset}).")
        try:
            if offset >= self.log_end_offset:
                self.leader_epochs.truncate_from_end(offset)
                return False
            _log.info("[Log partition=%s, dir=%s] Truncating to offset %d", self.name, self.log_dir, offset)
            if self._segments.first.base_offset > offset:
                self._start_again(offset)
            else:
                self._cut(offset)
        except OSError as error:
            raise self._io_error("Error while truncating log of", error) from error
        return True

    def _cut(self, offset: int) -> None:
        self._delete([s for s in self._segments if s.base_offset > offset], "log truncation")
        active = self._segments.active
        active.activate()
        active.truncate_to(offset)
        self._segments.forget_positions()
        self._end_at(offset)
        self.leader_epochs.truncate_from_end(offset)
        self.log_start_offset = min(offset, self.log_start_offset)
        self._producers.rebuild(
            self._segments,
            log_start_offset=self.log_start_offset,
            last_offset=offset,
            now_ms=self._now_ms(),
            clean=False,
        )
        self.update_high_watermark(self.high_watermark)

    def _end_at(self, offset: int) -> None:
        self.log_end_offset = offset
        self.recovery_point = min(self.recovery_point, offset)
        self.high_watermark = min(self.high_watermark, offset)

    def truncate_fully_and_start_at(self, offset: int) -> None:
        """Drop everything; the next append gets offset."""
        _log.info(
            "[Log partition=%s, dir=%s] Truncate and start at offset %d", self.name, self.log_dir, offset
        )
        try:
            self._start_again(offset)
        except OSError as error:
            raise self._io_error("Error while truncating the entire log for", error) from error

    def _start_again(self, offset: int) -> None:
        self._delete(list(self._segments), "log truncation")
        segment = LogSegment.create(self._files, self.directory, offset, created_ms=self._now_ms())
        segment.jitter_ms = self._jitter_ms()
        self._segments.add(segment)
        self.leader_epochs.clear()
        self._producers.truncate_fully(offset)
        self._end_at(offset)
        self.log_start_offset = self.high_watermark = offset

    # ---- deletion

    def maybe_increment_log_start_offset(self, offset: int, reason: str) -> bool:
        """DeleteRecords, or a follower learns the leader's. OFFSET_OUT_OF_RANGE above the high watermark."""
        if offset > self.high_watermark:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Cannot increment the log start offset to {offset} of partition {self.name} since it is "
                f"larger than the high watermark {self.high_watermark}",
            )
        if offset <= self.log_start_offset:
            return False
        _log.info(
            "[Log partition=%s, dir=%s] Incremented log start offset to %d due to %s",
            self.name, self.log_dir, offset, reason,
        )  # fmt: skip
        self.log_start_offset = offset
        try:
            self.leader_epochs.truncate_from_start(offset)
        except OSError as error:
            raise self._io_error("Exception while increasing log start offset for", error) from error
        self._states.on_log_start_offset(offset)
        return True

    def delete_old_segments(self, now_ms: int) -> int:
        """Apply retention; returns how many segments went."""
        count = 0
        try:
            for reason in ("start offset", "size", "time"):
                doomed = deletable_segments(self, self._segments, reason, now_ms)
                if doomed:
                    self._retire(doomed, f"{reason} retention breach")
                    count += len(doomed)
        except OSError as error:
            raise self._io_error("Error while deleting segments for", error) from error
        return count

    def _retire(self, doomed: list[LogSegment], reason: str) -> None:
        if len(doomed) == len(self._segments):
            self._roll(self.log_end_offset)
        following = self._segments.after(doomed[-1])
        if following is not None:
            self.maybe_increment_log_start_offset(following.base_offset, "segment deletion")
        self._delete(doomed, reason)

    def _delete(self, doomed: list[LogSegment], reason: str) -> None:
        """Rename to `.deleted` now, so that readers that hold a region can finish; remove later."""
        if not doomed:
            return
        _log.info(
            "[Log partition=%s, dir=%s] Deleting segments %s due to %s",
            self.name, self.log_dir, [s.base_offset for s in doomed], reason,
        )  # fmt: skip
        self._segments.remove(doomed)
        self._rename_away([path for segment in doomed for path in segment.paths], doomed)

    def _rename_away(self, paths: list[str], segments: list[LogSegment]) -> None:
        for segment in segments:
            segment.forget()
            snapshot = self._producers.snapshots.forget(segment.base_offset)
            if snapshot is not None:
                paths.append(snapshot)
        gone = []
        for path in paths:
            self._files.disk.rename(path, path + DELETED)
            gone.append(path + DELETED)
        self._hooks.delete_files(gone, self.config.file_delete_delay_ms)

    # ---- durability and life

    def flush(self) -> None:
        """fsync everything up to the log end."""
        try:
            self.flush_segments(self.segments_to_flush(self.log_end_offset))
        except OSError as error:
            raise self._io_error("Error while flushing log for", error) from error
        self.mark_flushed(self.log_end_offset)

    def segments_to_flush(self, offset: int) -> list[LogSegment]:
        """Segments with data in [recovery point, offset), their indexes written but not yet synced."""
        if offset <= self.recovery_point:
            return []
        pending = self._segments.covering(self.recovery_point, offset)
        for segment in pending:
            segment.write_indexes()
        return pending

    def flush_segments(self, segments: list[LogSegment]) -> None:
        """fsync; touches no state of the log, so it may run in a worker thread."""
        for segment in segments:
            segment.sync()
            self._producers.snapshots.sync(segment.base_offset)

    def mark_flushed(self, offset: int) -> None:
        """What is below offset is on stable storage."""
        self.recovery_point = max(self.recovery_point, min(offset, self.log_end_offset))
        self.last_flush_ms = self._now_ms()

    def close(self) -> None:
        """Leave the files exactly as Kafka leaves them at a clean close."""
        if self._closed:
            return
        self._closed = True
        try:
            self._producers.take_snapshot()
            pending = self.segments_to_flush(self.log_end_offset)
            active = self._segments.active
            active.seal()
            self.flush_segments(pending if active in pending else [*pending, active])
            self._producers.snapshots.sync(self.log_end_offset)
        except OSError as error:
            raise self._io_error("Error while closing", error) from error
        self.mark_flushed(self.log_end_offset)
        self.release()

    def release(self) -> None:
        """Let the files go without writing anything more (failed directory, deletion)."""
        self._closed = True
        for segment in self._segments:
            segment.forget()

    def assign_epoch_start(self, leader_epoch: int, start_offset: int) -> None:
        """A new leader notes the start of its epoch (UnifiedLog.maybeAssignEpochStartOffset)."""
        try:
            self.leader_epochs.assign(leader_epoch, start_offset)
        except OSError as error:
            raise self._io_error("Error while writing leader epochs of", error) from error

    def assign_topic_id(self, topic_id: bytes) -> None:
        """Write partition.metadata; INCONSISTENT_TOPIC_ID when it holds another id."""
        if self.topic_id is None:
            try:
                write_topic_id(self._files.disk, self.directory, topic_id)
            except OSError as error:
                raise self._io_error("Error while writing partition metadata file of", error) from error
            self.topic_id = topic_id
        elif self.topic_id != topic_id:
            raise KafkaError(
                ErrorCode.INCONSISTENT_TOPIC_ID,
                f"Tried to assign topic ID {topic_id.hex()} to log for topic partition {self.name}, but log "
                f"already contained topic ID {self.topic_id.hex()}",
            )

    def _read_topic_id(self) -> bytes | None:
        try:
            return read_topic_id(self._files.disk, self.directory)
        except PartitionMetadataError as reason:
            _log.error("[Log partition=%s, dir=%s] %s", self.name, self.log_dir, reason)
            return None

    def _io_error(self, what: str, error: OSError) -> KafkaError:
        message = f"{what} {self.name} in dir {self.log_dir}: {error}"
        self._hooks.io_error(self.log_dir, error)
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, message)
