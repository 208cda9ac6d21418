# SPDX-License-Identifier: Apache-2.0
"""The checkpoint files of every directory in log.dirs: what is written when (Kafka: LogManager.checkpoint*).

Writing goes to the loop's executor; a directory whose disk fails meanwhile is handed to the log manager.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from commitlog.storage.background import Background
from commitlog.storage.checkpoint import (
    CLEANER_OFFSET,
    HIGH_WATERMARK,
    LOG_START_OFFSET,
    RECOVERY_POINT,
)
from commitlog.storage.log import Log
from commitlog.storage.log_base import LogBase
from commitlog.storage.log_dir import LogDir

Offsets = dict[tuple[str, int], int]


class LogCheckpoints:
    """Offsets of the logs as they are now, written next to them. Owns nothing but when it has to be done."""

    def __init__(
        self,
        dirs: Collection[LogDir],
        logs_in: Callable[[str], list[Log]],
        fail_dir: Callable[[str, OSError], None],
        background: Background,
    ) -> None:
        self._dirs = dirs
        self._logs_in = logs_in
        self._fail_dir = fail_dir
        self._background = background
        self._due = False

    async def write_recovery_points(self) -> None:
        """recovery-point-offset-checkpoint of every directory."""
        await self._write(RECOVERY_POINT, _recovery_point)

    async def write_log_start_offsets(self) -> None:
        """log-start-offset-checkpoint of every directory."""
        await self._write(LOG_START_OFFSET, _start_offset)

    async def write_high_watermarks(self) -> None:
        """replication-offset-checkpoint of every directory (every hosted partition)."""
        await self._write(HIGH_WATERMARK, _high_watermark)

    async def write_cleaner_offsets(self) -> None:
        """cleaner-offset-checkpoint of every directory, when anything has been compacted."""
        if any(log.cleaned_to for log_dir in self._dirs for log in self._logs_in(log_dir.path)):
            await self._write(CLEANER_OFFSET, lambda log: log.cleaned_to or None)

    async def _write(self, name: str, offset_of: Callable[[Log], int | None]) -> None:
        loop = asyncio.get_running_loop()
        for log_dir in self._dirs:
            if not log_dir.online or not log_dir.loaded:
                continue
            offsets = self._offsets(log_dir, offset_of)
            try:
                await loop.run_in_executor(None, log_dir.write_checkpoint, name, offsets, log_dir.capture())
            except OSError as error:
                self._fail_dir(log_dir.path, error)

    def _offsets(self, log_dir: LogDir, offset_of: Callable[[Log], int | None]) -> Offsets:
        offsets: Offsets = {}
        for log in self._logs_in(log_dir.path):
            offset = offset_of(log)
            if offset is not None:
                offsets[log.topic, log.partition] = offset
        return offsets

    def write_soon(self) -> None:
        """A log went: the next of its name must not meet its offsets in a checkpoint."""
        if not self._due:
            self._due = True
            self._background.spawn("Checkpointing after a deletion", self._write_without_the_gone)

    async def _write_without_the_gone(self) -> None:
        self._due = False
        await self.write_recovery_points()
        await self.write_log_start_offsets()
        await self.write_cleaner_offsets()

    def lower_recovery_point(self, log: LogBase, log_dir: LogDir) -> None:
        """What is written next to a truncated log is not on stable storage, so no checkpoint may say so."""
        if log_dir.recovery_points.get((log.topic, log.partition), 0) > log.recovery_point:
            offsets = self._offsets(log_dir, _recovery_point)
            log_dir.write_checkpoint(RECOVERY_POINT, offsets, log_dir.capture())

    def write_last(self, log_dir: LogDir) -> None:
        """What a clean stop leaves. In a worker thread, when nothing else uses the logs any more; raises
        OSError."""
        for name, offset_of in (
            (RECOVERY_POINT, _recovery_point),
            (LOG_START_OFFSET, _start_offset),
            (HIGH_WATERMARK, _high_watermark),
        ):
            log_dir.write_checkpoint(name, self._offsets(log_dir, offset_of), log_dir.capture())


def _recovery_point(log: Log) -> int:
    return log.recovery_point


def _high_watermark(log: Log) -> int:
    return log.high_watermark


def _start_offset(log: Log) -> int | None:
    """Only what the first segment's name does not say already."""
    return log.log_start_offset if log.log_start_offset > log.first_segment_offset else None
