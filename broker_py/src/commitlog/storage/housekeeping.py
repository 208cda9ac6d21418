# SPDX-License-Identifier: Apache-2.0
"""What is done to logs at intervals and beside requests (the scheduled part of Kafka's LogManager):
retention, flushing, compaction, the end of silent producers, and the removal of what has been deleted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from commitlog.storage.background import Background
from commitlog.storage.disk import Disk
from commitlog.storage.log import Log
from commitlog.storage.log_base import LogBase
from commitlog.storage.log_checkpoints import LogCheckpoints
from commitlog.storage.log_cleaner import LogCleaner
from commitlog.storage.log_manager_settings import LogManagerSettings

_log = logging.getLogger("commitlog.storage.housekeeping")


class Housekeeping:
    """Runs on the broker's loop; what blocks goes to its executor."""

    def __init__(
        self,
        disk: Disk,
        logs: Callable[[], Iterable[Log]],
        fail_dir: Callable[[str, OSError], None],
        background: Background,
        checkpoints: LogCheckpoints,
        cleaner: LogCleaner,
        settings: LogManagerSettings,
        now_ms: Callable[[], int],
    ) -> None:
        self._disk = disk
        self._logs = logs
        self._fail_dir = fail_dir
        self._background = background
        self._checkpoints = checkpoints
        self._cleaner = cleaner
        self._settings = settings
        self._now_ms = now_ms

    def start(self) -> None:
        """Begin retention, flushing, checkpoints, producer id expiry, compaction."""
        s = self._settings
        every = self._background.every
        write = self._checkpoints
        delay = s.initial_task_delay_ms
        every("kafka-log-retention", delay, s.retention_check_interval_ms, self.apply_retention)
        every("kafka-log-flusher", delay, s.flush_scheduler_interval_ms, self.flush_dirty_logs)
        interval = s.flush_offset_checkpoint_interval_ms
        every("kafka-recovery-point-checkpoint", delay, interval, write.write_recovery_points)
        interval = s.flush_start_offset_checkpoint_interval_ms
        every("kafka-log-start-offset-checkpoint", delay, interval, write.write_log_start_offsets)
        interval = s.high_watermark_checkpoint_interval_ms
        every("highwatermark-checkpoint", interval, interval, write.write_high_watermarks)
        interval = s.producer_id_expiration_check_interval_ms
        every("PeriodicProducerExpirationCheck", interval, interval, self.expire_producers)
        if s.cleaner_enable:
            every("kafka-log-cleaner", s.cleaner_backoff_ms, s.cleaner_backoff_ms, self.clean_logs)

    async def apply_retention(self) -> None:
        """Delete what retention lets go, of every log."""
        for log in self._logs():
            log.delete_old_segments(self._now_ms())
            await asyncio.sleep(0)

    async def clean_logs(self) -> None:
        """Compact until no log is dirty enough."""
        while not self._background.stopping and await self._cleaner.clean_dirtiest() is not None:
            await self._checkpoints.write_cleaner_offsets()

    async def flush_dirty_logs(self) -> None:
        """fsync logs that have waited for flush.ms."""
        now_ms = self._now_ms()
        for log in self._logs():
            if log.recovery_point < log.log_end_offset and now_ms - log.last_flush_ms >= log.config.flush_ms:
                await self._flush(log, log.log_end_offset)

    async def expire_producers(self) -> None:
        """Forget producers that have been silent for producer.id.expiration.ms."""
        for log in self._logs():
            log.producer_states.remove_expired(self._now_ms())

    # ---- as soon as possible, or after a delay

    def flush_later(self, log: LogBase, offset: int) -> None:
        """A rolled segment: nobody waits for it."""
        self._background.spawn("Flushing a rolled segment", partial(self._flush, log, offset))

    async def _flush(self, log: LogBase, offset: int) -> None:
        try:
            pending = log.segments_to_flush(offset)
            await asyncio.get_running_loop().run_in_executor(None, log.flush_segments, pending)
        except OSError as error:
            self._fail_dir(log.log_dir, error)
            return
        log.mark_flushed(pending)

    def delete_files_later(self, paths: Sequence[str], delay_ms: int) -> None:
        """Files that have been renamed: whoever reads them still may, for file.delete.delay.ms."""
        self._background.after(delay_ms, "Deleting segment files", partial(self._remove_files, paths))

    async def _remove_files(self, paths: Sequence[str]) -> None:
        def remove() -> None:
            for path in paths:
                if self._disk.exists(path):
                    self._disk.remove(path)

        await asyncio.get_running_loop().run_in_executor(None, remove)

    def remove_tree_later(self, path: str, delay_ms: int) -> None:
        """A log's directory that has been renamed."""
        self._background.after(delay_ms, "Deleting a log", partial(self._remove_tree, path))

    async def _remove_tree(self, path: str) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._disk.remove_tree, path)
        _log.info("Deleted log in %s.", path)
