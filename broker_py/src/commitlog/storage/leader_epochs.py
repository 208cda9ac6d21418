# SPDX-License-Identifier: Apache-2.0
"""`leader-epoch-checkpoint`: which leader epoch began at which offset (KIP-101, LeaderEpochFileCache).

A checkpoint file whose lines are `epoch startOffset`. A new epoch is on disk before assign returns, since a
follower that asks later must find it; entries that a deletion at the log's start has taken away may come back
after a crash and are then removed again by loading. Only the log's own thread touches it.
"""

from __future__ import annotations

import logging
import posixpath

from commitlog.storage.checkpoint import CheckpointError, read_lines, write_lines
from commitlog.storage.disk import Disk

UNDEFINED_EPOCH = -1
UNDEFINED_OFFSET = -1
FILE_NAME = "leader-epoch-checkpoint"

_log = logging.getLogger("commitlog.storage.leader_epochs")


class LeaderEpochCache:
    """(epoch, start offset) pairs, both strictly growing."""

    def __init__(self, disk: Disk, directory: str) -> None:
        """Read the file, made when missing; `damaged`: unreadable, the log must be scanned for epochs."""
        self._disk = disk
        self._path = posixpath.join(directory, FILE_NAME)
        self._entries: list[tuple[int, int]] = []
        self.latest_epoch: int | None = None
        self.damaged = False
        self._unwritten = False
        if not disk.exists(self._path):
            disk.open(self._path, create=True)
        try:
            for line in read_lines(disk, self._path):
                epoch, start_offset = map(int, line.split(" "))
                self._insert(epoch, start_offset)
        except (CheckpointError, ValueError) as reason:
            _log.error("Cannot read %s, finding leader epochs in the log instead: %s", self._path, reason)
            self._entries.clear()
            self._after_change()
            self.damaged = True

    def move_to(self, directory: str) -> None:
        """The log's directory has another name now."""
        self._path = posixpath.join(directory, FILE_NAME)

    @property
    def entries(self) -> list[tuple[int, int]]:
        """(epoch, start offset), oldest first."""
        return list(self._entries)

    def assign(self, epoch: int, start_offset: int) -> None:
        """Remember that epoch starts at start_offset; drops entries that contradict it."""
        if epoch < 0 or start_offset < 0:
            raise ValueError(f"Received invalid partition leader epoch entry ({epoch}, {start_offset})")
        if self._insert(epoch, start_offset):
            self._write()

    def _insert(self, epoch: int, start_offset: int) -> bool:
        if self._entries:
            latest, latest_start = self._entries[-1]
            if epoch == latest and start_offset >= latest_start:
                return False
        removed = []
        while self._entries and (self._entries[-1][0] >= epoch or self._entries[-1][1] >= start_offset):
            removed.append(self._entries.pop())
        # Replacing an epoch in which nothing was written is what every election without data does.
        if len(removed) > 1 or (removed and removed[0][1] != start_offset):
            _log.warning(
                "New epoch entry (%d, %d) caused truncation of conflicting entries %s in %s",
                epoch, start_offset, removed, self._path,
            )  # fmt: skip
        self._entries.append((epoch, start_offset))
        self._after_change()
        return True

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """(epoch, end offset) for OffsetForLeaderEpoch and diverging-epoch checks; (-1, -1) when unknown."""
        if epoch == UNDEFINED_EPOCH:
            return UNDEFINED_EPOCH, UNDEFINED_OFFSET
        if epoch == self.latest_epoch:
            return epoch, log_end_offset
        floor = epoch
        for known, start_offset in self._entries:
            if known > epoch:
                return floor, start_offset
            floor = known
        return UNDEFINED_EPOCH, UNDEFINED_OFFSET

    def epoch_for_offset(self, offset: int) -> int | None:
        """The epoch that the record at offset was written in."""
        found = None
        for epoch, start_offset in self._entries:
            if start_offset > offset:
                break
            found = epoch
        return found

    def truncate_from_end(self, end_offset: int) -> None:
        """Forget epochs that start at or after end_offset."""
        kept = [entry for entry in self._entries if entry[1] < end_offset]
        if end_offset >= 0 and len(kept) != len(self._entries):
            self._entries = kept
            self._after_change()
            self._write()

    def truncate_from_start(self, start_offset: int) -> None:
        """Forget epochs that ended before start_offset; the one that holds it now begins there."""
        removed = [entry for entry in self._entries if entry[1] <= start_offset]
        if removed and removed != [(removed[-1][0], start_offset)]:
            self._entries[: len(removed)] = [(removed[-1][0], start_offset)]
            self._unwritten = True  # not urgent: loading does the same again

    def clear(self) -> None:
        """Forget everything."""
        if self._entries:
            self._entries.clear()
            self._after_change()
            self._write()

    def _after_change(self) -> None:
        self.latest_epoch = self._entries[-1][0] if self._entries else None

    def flush(self) -> None:
        """Write what truncation at the start has left unwritten."""
        if self._unwritten:
            self._write()

    def _write(self) -> None:
        lines = (f"{epoch} {start_offset}" for epoch, start_offset in self._entries)
        write_lines(self._disk, self._path, lines)
        self._unwritten = False
