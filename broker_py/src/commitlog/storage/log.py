# SPDX-License-Identifier: Apache-2.0
"""One partition's log (Kafka's UnifiedLog): append, read, truncate, offsets.

Synchronous and owned by one thread, the broker's loop. What may block for long (fsync, removal of files) it
asks of its hooks. An OSError takes the log directory offline, as in Kafka: it is reported to the hooks and
becomes KAFKA_STORAGE_ERROR; an append that failed half way has been cut off again.
"""

from __future__ import annotations

import logging

from commitlog.storage.log_append import AppendInfo, UnexpectedAppendOffset
from commitlog.storage.log_base import LogHooks
from commitlog.storage.log_compaction import LogCompaction
from commitlog.storage.log_read import AbortedTransaction, LogRead
from commitlog.storage.retention import deletable_segments
from commitlog.storage.segment import LogSegment
from commitlog.storage.time_lookup import first_offset_at, offset_of_max_timestamp, offsets_before
from commitlog.storage.validator import Origin, RecordValidationError
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


class Log(LogCompaction):
    """A partition's log. log_start_offset <= last_stable_offset <= high_watermark <= log_end_offset."""

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
        if self._closed:
            self._check_open()
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
        self._check_open()
        try:
            return first_offset_at(self._segments, timestamp, self.log_start_offset)
        except OSError as error:
            raise self._io_error("Error while looking up a timestamp in", error) from error

    def max_timestamp_offset(self) -> tuple[int, int, int] | None:
        """(timestamp, offset, leader epoch) of the record with the largest timestamp (ListOffsets -3)."""
        self._check_open()
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
        self._check_open()
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
        self._truncations += 1
        self.cleaned_to = min(self.cleaned_to, offset)
        self._hooks.truncated(self)

    def truncate_fully_and_start_at(self, offset: int) -> None:
        """Drop everything; the next append gets offset."""
        self._check_open()
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
        self.leader_epochs.truncate_from_start(offset)
        self._states.on_log_start_offset(offset)
        return True

    def delete_old_segments(self, now_ms: int) -> int:
        """Apply retention; returns how many segments went."""
        self._check_open()
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

    # ---- durability and life

    def close(self) -> None:
        """Leave the files exactly as Kafka leaves them at a clean close."""
        if self._closed:
            return
        self._closed = True
        try:
            self.write_late_files()
            self._producers.take_snapshot()
            pending = self.segments_to_flush(self.log_end_offset)
            active = self._segments.active
            active.seal()
            if self._truncations or self.log_end_offset != self._synced_end:
                if active not in pending.segments:
                    pending.segments.append(active)
                self.flush_segments(pending)
                self._producers.snapshots.sync(self.log_end_offset)
        except OSError as error:
            raise self._io_error("Error while closing", error) from error
        self.mark_flushed(pending)
        self.release()

    def release(self) -> None:
        """Let the files go without writing anything more (failed directory, deletion)."""
        self._closed = True
        for file in self._late_files:
            file.release()
        for segment in self._segments:
            segment.forget()

    def rename_dir(self, directory: str) -> None:
        """Give the log's directory another name; the log goes on being read and appended to."""
        self._check_open()
        try:
            with self.leader_epochs.lock, self._topic_id_file.lock:
                self._files.disk.rename(self.directory, directory)
                for file in self._late_files:
                    file.move_to(directory)
            self.directory = directory
            self._truncations += 1  # a flush that is under way may have missed files
            for segment in self._segments:
                segment.move_to(directory)
            self._producers.snapshots.move_to(directory)
            self._files.disk.fsync_dir(self.log_dir)
        except OSError as error:
            raise self._io_error("Error while renaming dir for", error) from error

    def assign_epoch_start(self, leader_epoch: int, start_offset: int) -> None:
        """A new leader notes the start of its epoch (UnifiedLog.maybeAssignEpochStartOffset)."""
        self._check_open()
        self.leader_epochs.assign(leader_epoch, start_offset)

    def assign_topic_id(self, topic_id: bytes) -> None:
        """Have partition.metadata written; INCONSISTENT_TOPIC_ID when it holds another id."""
        if self.topic_id is None:
            self.topic_id = topic_id
            self._topic_id_file.record(topic_id)
        elif self.topic_id != topic_id:
            raise KafkaError(
                ErrorCode.INCONSISTENT_TOPIC_ID,
                f"Tried to assign topic ID {topic_id.hex()} to log for topic partition {self.name}, but log "
                f"already contained topic ID {self.topic_id.hex()}",
            )
