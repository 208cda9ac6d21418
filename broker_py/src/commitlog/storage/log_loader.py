# SPDX-License-Identifier: Apache-2.0
"""Loading a partition directory at start: unfinished swaps, recovery after a crash, producer state
(LogLoader).

After a clean shutdown files are taken as they are, but for the end of the active segment, which is looked
at. After a crash every segment from the recovery point on is read, its CRCs checked and its indexes written
anew; at the first bad byte the segment is cut and all later ones go. What is below the recovery point was
on stable storage: its CRCs are checked when it is first read. Runs in a worker thread that owns the
directory until the log is given to the broker's loop.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from commitlog.records.header import BatchHeader, CorruptBatch
from commitlog.storage.file_cache import FileCache
from commitlog.storage.leader_epochs import LeaderEpochCache
from commitlog.storage.log_config import LogConfig
from commitlog.storage.producer_rebuild import ProducerStateStore, marker_of
from commitlog.storage.producer_snapshot import Snapshots
from commitlog.storage.producer_state import ProducerStates
from commitlog.storage.segment import (
    CLEANED,
    DELETED,
    INDEX,
    LOG,
    SWAP,
    TIME_INDEX,
    TXN_INDEX,
    LogSegment,
    file_name,
    headers_of,
)
from commitlog.storage.segments import Segments

_log = logging.getLogger("commitlog.storage.log_loader")


@dataclass(slots=True)
class LoadedLog:
    """What a partition directory held."""

    segments: Segments
    leader_epochs: LeaderEpochCache
    producers: ProducerStateStore
    log_start_offset: int
    log_end_offset: int
    recovery_point: int


@dataclass(slots=True)
class LogLoader:
    """Loads one partition directory."""

    files: FileCache
    directory: str
    name: str
    config: LogConfig
    log_start_offset: int
    recovery_point: int
    clean: bool
    producer_expiration_ms: int
    now_ms: Callable[[], int]

    def load(self) -> LoadedLog:
        """Everything, ready for appends; OSError when the disk fails."""
        self.files.disk.mkdir(self.directory)
        self._finish_swaps()
        segments = Segments()
        epochs = LeaderEpochCache(self.files.disk, self.directory)
        self._open_segments(segments, epochs)
        if epochs.damaged:
            self._find_epochs(segments, epochs)
            epochs.flush()
        if self.clean:
            self._check_tail(segments, epochs)
        else:
            self._recover(segments, epochs)
        end = self._end_offset(segments, epochs)
        segments.active.activate()
        epochs.truncate_from_end(end)
        epochs.truncate_from_start(self.log_start_offset)
        start = max(self.log_start_offset, segments.first.base_offset)
        producers = self._producers()
        producers.snapshots.remove_strays(segments.base_offsets)
        producers.rebuild(
            segments, log_start_offset=start, last_offset=end, now_ms=self.now_ms(), clean=self.clean
        )
        recovery_point = end if self.clean else min(self.recovery_point, end)
        return LoadedLog(segments, epochs, producers, start, end, recovery_point)

    def _producers(self) -> ProducerStateStore:
        states = ProducerStates(self.name, self.producer_expiration_ms)
        return ProducerStateStore(self.name, states, Snapshots(self.files.disk, self.directory))

    # ---- temporary files

    def _path(self, name: str) -> str:
        return posixpath.join(self.directory, name)

    def _finish_swaps(self) -> None:
        """Remove what a crash left half done, complete what was past the point of return."""
        disk = self.files.disk
        names = disk.listdir(self.directory)
        cleaned = [name for name in names if name.endswith(CLEANED)]
        lowest_cleaned = min((_offset_of(name) or 0 for name in cleaned), default=None)
        swaps = []
        for name in names:
            if name.endswith((DELETED, CLEANED)):
                disk.remove(self._path(name))
            elif name.endswith(SWAP):
                # Swaps above an unfinished .cleaned belong to a split that did not complete.
                if lowest_cleaned is not None and (_offset_of(name) or 0) >= lowest_cleaned:
                    disk.remove(self._path(name))
                else:
                    swaps.append(name)
        if swaps:
            self._complete_swaps(swaps)

    def _complete_swaps(self, swaps: list[str]) -> None:
        disk = self.files.disk
        ranges = [self._swap_range(name) for name in swaps if name.endswith(LOG + SWAP)]
        low = min((first for first, _ in ranges), default=0)
        high = max((end for _, end in ranges), default=0)
        for name in disk.listdir(self.directory):
            offset = _offset_of(name)
            if not name.endswith(SWAP) and offset is not None and low <= offset < high:
                _log.info("[Log %s] Deleting %s, which has been compacted", self.name, name)
                disk.remove(self._path(name))
        for name in swaps:
            _log.info("[Log %s] Recovering file %s by renaming", self.name, name)
            disk.rename(self._path(name), self._path(name.removesuffix(SWAP)))

    def _swap_range(self, name: str) -> tuple[int, int]:
        """[base offset, next offset) of a segment that was to be swapped in."""
        first = end = _offset_of(name) or 0
        file = self.files.disk.open(self._path(name))
        for _, header in headers_of(file, 0, file.size()):
            end = header.next_offset
        return first, end

    # ---- segments

    def _open_segments(self, segments: Segments, epochs: LeaderEpochCache) -> None:
        disk = self.files.disk
        names = set(disk.listdir(self.directory))
        for name in sorted(names):
            stem, suffix = posixpath.splitext(name)
            if suffix in (INDEX, TIME_INDEX, TXN_INDEX) and stem + LOG not in names:
                _log.warning("[Log %s] Found an orphaned index file %s", self.name, self._path(name))
                disk.remove(self._path(name))
        for name in sorted(names):
            offset = _offset_of(name)
            if offset is None or not name.endswith(LOG):
                continue
            missing = file_name(offset, INDEX) not in names
            for suffix in (INDEX, TIME_INDEX):
                disk.open(self._path(file_name(offset, suffix)), create=True)
            segment = LogSegment(self.files, self.directory, offset, created_ms=self.now_ms())
            segments.add(segment)
            if missing or not segment.txn_index.is_sane(offset):
                _log.error(
                    "[Log %s] Indexes of segment %d are missing or corrupt, rebuilding them",
                    self.name,
                    offset,
                )
                self._recover_segment(segment, segments, epochs)

    def _recover(self, segments: Segments, epochs: LeaderEpochCache) -> None:
        unflushed = [s for s in segments if _may_hold_from(s, segments, self.recovery_point)]
        for i, segment in enumerate(unflushed):
            _log.info(
                "[Log %s] Recovering unflushed segment %d. %d/%d recovered",
                self.name, segment.base_offset, i, len(unflushed),
            )  # fmt: skip
            later = unflushed[i + 1 :]
            if self._recover_segment(segment, segments, epochs) or self._has_lost_its_end(segment, later):
                self._drop(later, segments)
                return

    def _has_lost_its_end(self, segment: LogSegment, later: list[LogSegment]) -> bool:
        """Is there a hole before the next segment?

        A power cut can take the unflushed end of a segment and leave the next one, cleanly between two
        batches. Kafka goes on with the hole; replicas would then differ for good. Compaction makes holes
        too, so they mean nothing where it is at work.
        """
        if not later or "compact" in self.config.cleanup_policy:
            return False
        end = segment.next_offset()
        if end >= later[0].base_offset:
            return False
        _log.warning(
            "[Log %s] Segment %s ends at offset %d where the next one begins at %d: its end is lost",
            self.name, segment.path, end, later[0].base_offset,
        )  # fmt: skip
        return True

    def _drop(self, later: list[LogSegment], segments: Segments) -> None:
        """Segments behind a cut cannot be reached any more."""
        if later:
            bases = [s.base_offset for s in later]
            _log.warning("[Log %s] Deleting segments %s, which follow the damage", self.name, bases)
        segments.remove(later)
        for segment in later:
            paths = segment.paths
            segment.forget()
            for path in paths:
                self.files.disk.remove(path)

    def _recover_segment(self, segment: LogSegment, segments: Segments, epochs: LeaderEpochCache) -> bool:
        """Check every batch, write the indexes anew, cut at the first bad byte; was anything cut?"""
        producers = self._producers()
        before = Segments()
        for earlier in segments:
            if earlier.base_offset < segment.base_offset:
                before.add(earlier)
        producers.rebuild(
            before,
            log_start_offset=self.log_start_offset,
            last_offset=segment.base_offset,
            now_ms=self.now_ms(),
            clean=False,
        )
        size = segment.size
        valid, next_offset, reason = self._scan(segment, epochs, producers)
        if reason is not None:
            _log.warning(
                "[Log %s] Found invalid messages in log segment %s at byte offset %d (next offset %d): %s. "
                "Truncating %d bytes",
                self.name, segment.path, valid, next_offset, reason, size - valid,
            )  # fmt: skip
            segment.cut(valid)
        segment.mark_checked()
        segment.seal()
        if self.clean:
            epochs.flush()
            segment.sync()  # a log that then stays idle is not synced again when it is closed
        producers.take_snapshot()
        return reason is not None

    def _scan(
        self, segment: LogSegment, epochs: LeaderEpochCache, producers: ProducerStateStore
    ) -> tuple[int, int, str | None]:
        """(valid bytes, offset after them, why they end before the file does)."""
        segment.reset_indexes()
        interval = self.config.index_interval_bytes
        valid = last_entry = 0
        expected = segment.base_offset
        try:
            for position, header, data in segment.batches(0, segment.size):
                last_entry = segment.note_recovered(position, header, last_entry, interval)
                if header.magic >= 2:
                    self._note_batch(segment, header, data, epochs, producers)
                valid = position + header.size
                expected = header.next_offset
        except CorruptBatch as reason:
            return valid, expected, reason.message
        return valid, expected, None

    def _note_batch(
        self,
        segment: LogSegment,
        header: BatchHeader,
        data: memoryview,
        epochs: LeaderEpochCache,
        producers: ProducerStateStore,
    ) -> None:
        if header.leader_epoch >= 0 and header.next_offset > self.log_start_offset:
            epochs.confirm(header.leader_epoch, max(header.base_offset, self.log_start_offset))
        if header.producer_id >= 0:
            aborted = producers.states_saw(header, marker_of(data, header))
            if aborted is not None:
                segment.txn_index.append(aborted)
        producers.states.map_end_offset = header.next_offset

    def _check_tail(self, segments: Segments, epochs: LeaderEpochCache) -> None:
        """After a clean shutdown: is the end of the active segment whole?"""
        if not len(segments):
            return
        active = segments.active
        start = active.offset_index.lookup(active.offset_index.last_offset)
        if start > active.size or active.check(start, active.size) is not None:
            _log.warning(
                "[Log %s] The end of segment %s is damaged although it was closed cleanly, recovering it",
                self.name, active.path,
            )  # fmt: skip
            self._recover_segment(active, segments, epochs)

    def _end_offset(self, segments: Segments, epochs: LeaderEpochCache) -> int:
        """The log end offset; an empty log begins at the log start offset."""
        if len(segments):
            end = segments.active.next_offset()
            if end >= self.log_start_offset:
                return end
            _log.warning(
                "[Log %s] Deleting all segments because logEndOffset (%d) is smaller than logStartOffset %d. "
                "This could happen if segment files were deleted from the file system.",
                self.name, end, self.log_start_offset,
            )  # fmt: skip
            self._drop(list(segments), segments)
            epochs.clear()
            self._producers().truncate_fully(self.log_start_offset)
        segments.add(
            LogSegment.create(self.files, self.directory, self.log_start_offset, created_ms=self.now_ms())
        )
        return self.log_start_offset

    def _find_epochs(self, segments: Segments, epochs: LeaderEpochCache) -> None:
        """The epoch file was unreadable: batches carry their epochs too."""
        for segment in segments:
            try:
                for _, header in segment.headers(0, segment.size):
                    latest = epochs.latest_epoch
                    if header.leader_epoch >= 0 and (latest is None or header.leader_epoch > latest):
                        epochs.assign(header.leader_epoch, header.base_offset)
            except CorruptBatch as reason:
                _log.warning("[Log %s] Cannot read on in %s: %s", self.name, segment.path, reason.message)


def _may_hold_from(segment: LogSegment, segments: Segments, offset: int) -> bool:
    following = segments.after(segment)
    return following is None or following.base_offset > offset


def _offset_of(name: str) -> int | None:
    stem = name.partition(".")[0]
    return int(stem) if len(stem) == 20 and stem.isdigit() else None
