# SPDX-License-Identifier: Apache-2.0
"""What a log is made of: offsets and segments, rolling, flushing, and what it does when the disk fails."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commitlog.storage.file_cache import FileCache
from commitlog.storage.log_config import LogConfig
from commitlog.storage.log_loader import LoadedLog
from commitlog.storage.log_read import LogReader
from commitlog.storage.partition_metadata import PartitionMetadataError, TopicIdFile, read_topic_id
from commitlog.storage.producer_state import ProducerStates
from commitlog.storage.segment import DELETED, LogSegment
from commitlog.storage.validator import Validator
from commitlog.wire.errors import ErrorCode, KafkaError

_log = logging.getLogger("commitlog.storage.log")


@dataclass(slots=True, frozen=True)
class LogHooks:
    """What a log leaves to its manager.

    delete_files(paths, delay ms): remove files that have been renamed `.deleted`. flush(log, offset): a
    segment was rolled, make everything below offset durable. truncated(log): its recovery point went back,
    which a checkpoint must say. late_files(log): call its write_late_files soon. io_error(log dir, error):
    the disk failed.
    """

    delete_files: Callable[[Sequence[str], int], None]
    flush: Callable[[LogBase, int], None]
    truncated: Callable[[LogBase], None]
    late_files: Callable[[LogBase], None]
    io_error: Callable[[str, OSError], None]


@dataclass(slots=True, frozen=True)
class PendingFlush:
    """What has to be synced before the recovery point may move to offset."""

    segments: list[LogSegment]
    offset: int
    truncations: int


class LogBase:
    """Offsets: log_start_offset <= last_stable_offset <= high_watermark <= log_end_offset."""

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
        self._truncations = 0
        self._synced_end = loaded.recovery_point  # nothing to sync at close while the log still ends here
        self.cleaned_to = 0  # what is below has been compacted (cleaner-offset-checkpoint)
        self.last_flush_ms = now_ms()
        self._segments.active.jitter_ms = self._jitter_ms()
        self.topic_id = self._read_topic_id()
        self._topic_id_file = TopicIdFile(files.disk, directory)
        self._late_files = self.leader_epochs, self._topic_id_file
        for file in self._late_files:
            file.on_change = self._late_files_changed

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
    def truncations(self) -> int:
        """How often the log was cut: who copies it must then look again what it has in common with it."""
        return self._truncations

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

    # ---- removal

    def _delete(self, doomed: list[LogSegment], reason: str) -> None:
        """Rename to `.deleted` now, so that readers that hold a region can finish; remove later."""
        if not doomed:
            return
        _log.info(
            "[Log partition=%s, dir=%s] Deleting segments %s due to %s",
            self.name, self.log_dir, [s.base_offset for s in doomed], reason,
        )  # fmt: skip
        self._segments.remove(doomed)
        self._rename_away(doomed, snapshots=doomed)

    def _rename_away(self, segments: Sequence[LogSegment], *, snapshots: Sequence[LogSegment]) -> None:
        paths = []
        for segment in segments:
            paths += segment.paths
            segment.forget()
        for segment in snapshots:
            snapshot = self._producers.snapshots.forget(segment.base_offset)
            if snapshot is not None:
                paths.append(snapshot)
        gone = []
        for path in paths:
            self._files.disk.rename(path, path + DELETED)
            gone.append(path + DELETED)
        self._hooks.delete_files(gone, self.config.file_delete_delay_ms)

    # ---- durability

    def _late_files_changed(self) -> None:
        self._hooks.late_files(self)

    @property
    def has_late_files(self) -> bool:
        """Is there something for write_late_files to do?"""
        return any(file.is_behind for file in self._late_files)

    def write_late_files(self) -> None:
        """Leader epochs and topic id onto stable storage; may run in a worker thread."""
        for file in self._late_files:
            file.flush()

    @property
    def is_closed(self) -> bool:
        """Closed, deleted, or its directory failed."""
        return self._closed

    def flush(self) -> None:
        """fsync everything up to the log end."""
        try:
            pending = self.segments_to_flush(self.log_end_offset)
            self.flush_segments(pending)
        except OSError as error:
            raise self._io_error("Error while flushing log for", error) from error
        self.mark_flushed(pending)

    def segments_to_flush(self, offset: int) -> PendingFlush:
        """Segments with data in [recovery point, offset), their indexes written but not yet synced."""
        offset = min(offset, self.log_end_offset)  # a truncation may have come before
        pending = PendingFlush([], offset, self._truncations)
        if offset > self.recovery_point:
            pending.segments.extend(self._segments.covering(self.recovery_point, offset))
        for segment in pending.segments:
            segment.write_indexes()
        return pending

    def flush_segments(self, pending: PendingFlush) -> None:
        """fsync; touches no state of the log, so it may run in a worker thread."""
        self.write_late_files()
        for segment in pending.segments:
            segment.sync()
            self._producers.snapshots.sync(segment.base_offset)

    def mark_flushed(self, pending: PendingFlush) -> None:
        """What was pending is on stable storage, unless it has been truncated and written anew meanwhile."""
        if pending.truncations == self._truncations:
            self.recovery_point = max(self.recovery_point, pending.offset)
        self.last_flush_ms = self._now_ms()

    # ---- failure

    def _read_topic_id(self) -> bytes | None:
        try:
            return read_topic_id(self._files.disk, self.directory)
        except PartitionMetadataError as reason:
            _log.error("[Log partition=%s, dir=%s] %s", self.name, self.log_dir, reason)
            return None

    def _check_open(self) -> None:
        """A log whose directory failed, or that was deleted, may still be held by someone."""
        if self._closed:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log for partition {self.name} is closed")

    def _io_error(self, what: str, error: OSError) -> KafkaError:
        message = f"{what} {self.name} in dir {self.log_dir}: {error}"
        self._hooks.io_error(self.log_dir, error)
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, message)
