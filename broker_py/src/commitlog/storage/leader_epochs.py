# SPDX-License-Identifier: Apache-2.0
"""`leader-epoch-checkpoint`: which leader epoch began at which offset (KIP-101, LeaderEpochFileCache)."""

from __future__ import annotations

from commitlog.storage.disk import Disk

UNDEFINED_EPOCH = -1
UNDEFINED_OFFSET = -1


class LeaderEpochCache:
    """(epoch, start offset) pairs, both strictly growing; written through to the file before assign returns."""

    def __init__(self, disk: Disk, directory: str) -> None:
        raise NotImplementedError

    @property
    def latest_epoch(self) -> int | None:
        """The newest epoch known, None when there is none."""
        raise NotImplementedError

    def assign(self, epoch: int, start_offset: int) -> None:
        """Remember that epoch starts at start_offset; drops entries that contradict it."""
        raise NotImplementedError

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """(epoch, end offset) for OffsetForLeaderEpoch and diverging-epoch checks; (-1, -1) when unknown."""
        raise NotImplementedError

    def epoch_for_offset(self, offset: int) -> int | None:
        """The epoch that the record at offset was written in."""
        raise NotImplementedError
