# SPDX-License-Identifier: Apache-2.0
"""`leader-epoch-checkpoint`: which leader epoch began at which offset (KIP-101, LeaderEpochFileCache).

A checkpoint file whose lines are `epoch startOffset`. It is written after the change (see late_file), yet
always before the recovery point passes the change and before a clean close. After a crash it may therefore
be wrong only above the recovery point, and there every batch is read and says which epoch it is of:
`confirm` takes away what contradicts it and adds what is missing. An epoch in which nothing was written
needs no entry: loading drops it in any case. Entries that a deletion at the log's start has taken away may
come back, and are removed again by loading. Only the log's own thread changes it.
"""

from __future__ import annotations

import logging

from commitlog.storage.checkpoint import CheckpointError, encode_lines, read_lines
from commitlog.storage.disk import Disk
from commitlog.storage.late_file import LateFile

UNDEFINED_EPOCH = -1
UNDEFINED_OFFSET = -1
FILE_NAME = "leader-epoch-checkpoint"

_log = logging.getLogger("commitlog.storage.leader_epochs")


class LeaderEpochCache(LateFile):
    """(epoch, start offset) pairs, both strictly growing."""

    def __init__(self, disk: Disk, directory: str) -> None:
        """Read the file, made when missing; `damaged`: unreadable, the log must be scanned for epochs."""
        super().__init__(disk, directory, FILE_NAME)
        self._entries: list[tuple[int, int]] = []
        self.latest_epoch: int | None = None
        self.damaged = False
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

    @property
    def entries(self) -> list[tuple[int, int]]:
        """(epoch, start offset), oldest first."""
        return list(self._entries)

    def assign(self, epoch: int, start_offset: int) -> None:
        """Remember that epoch starts at start_offset; drops entries that contradict it."""
        if epoch < 0 or start_offset < 0:
            raise ValueError(f"Received invalid partition leader epoch entry ({epoch}, {start_offset})")
        if self._insert(epoch, start_offset):
            self.changed()

    def confirm(self, epoch: int, offset: int) -> None:
        """Recovery has read a batch of this epoch at this offset: make the entries say so."""
        if self._entries and epoch == self._entries[-1][0] and offset >= self._entries[-1][1]:
            return
        if self.epoch_for_offset(offset) == epoch:
            return
        self.truncate_from_end(offset)
        if self.latest_epoch is None or epoch > self.latest_epoch:
            self.assign(epoch, offset)

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
            self.changed()

    def truncate_from_start(self, start_offset: int) -> None:
        """Forget epochs that ended before start_offset; the one that holds it now begins there."""
        removed = [entry for entry in self._entries if entry[1] <= start_offset]
        if removed and removed != [(removed[-1][0], start_offset)]:
            self._entries[: len(removed)] = [(removed[-1][0], start_offset)]
            self.changed()

    def clear(self) -> None:
        """Forget everything."""
        if self._entries:
            self._entries.clear()
            self._after_change()
            self.changed()

    def _after_change(self) -> None:
        self.latest_epoch = self._entries[-1][0] if self._entries else None

    def content(self) -> bytes:
        return encode_lines(f"{epoch} {start_offset}" for epoch, start_offset in self.entries)
