# SPDX-License-Identifier: Apache-2.0
"""Which log is compacted next (LogCleaner, LogCleanerManager): the dirtiest that is dirty enough."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from commitlog.records.header import CorruptBatch
from commitlog.storage.cleaner import Cleaner, CleaningAborted
from commitlog.storage.file_cache import FileCache
from commitlog.storage.log import Log
from commitlog.storage.log_compaction import Cleanable

_log = logging.getLogger("commitlog.storage.log_cleaner")

_BYTES_PER_KEY = 200  # what a key of the offset map costs here; Kafka's own map has 24


class LogCleaner:
    """Chooses and compacts logs, one at a time."""

    def __init__(
        self,
        logs: Callable[[], Iterable[Log]],
        files: FileCache,
        *,
        dedupe_buffer_size: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._logs = logs
        self._files = files
        self._map_limit = max(1, dedupe_buffer_size // _BYTES_PER_KEY)
        self._now_ms = now_ms
        self._uncleanable: set[Log] = set()
        self._stopping = False

    def stop(self) -> None:
        """Give up the pass that is under way."""
        self._stopping = True

    async def clean_dirtiest(self) -> Log | None:
        """Compact one log; None when none needs it."""
        chosen = self._choose()
        if chosen is None:
            return None
        log, cleanable = chosen
        now_ms = self._now_ms()
        plan = log.cleaning_plan(cleanable, now_ms)
        cleaner = Cleaner(self._files, plan, self._map_limit, lambda: self._stopping)
        _log.info(
            "Beginning cleaning of log %s, offsets %d to %d",
            log.name, cleanable.first_dirty, cleanable.first_uncleanable,
        )  # fmt: skip
        try:
            groups, cleaned_to = await asyncio.get_running_loop().run_in_executor(None, cleaner.clean)
        except CleaningAborted:
            return None
        except (CorruptBatch, OSError) as error:
            if log.has_changed_since(plan):
                return None  # its files went while they were read: another time
            _log.error("Marking partition %s as uncleanable: %s", log.name, error)
            self._uncleanable.add(log)
            return log
        if cleaned_to <= cleanable.first_dirty:
            _log.error("Marking partition %s as uncleanable: one batch has too many keys", log.name)
            self._uncleanable.add(log)
        if log.install_cleaned(plan, groups, cleaned_to):
            _log.info("Cleaned log %s up to offset %d", log.name, cleaned_to)
        return log

    def _choose(self) -> tuple[Log, Cleanable] | None:
        now_ms = self._now_ms()
        candidates: list[tuple[Log, Cleanable]] = []
        logs = list(self._logs())
        self._uncleanable.intersection_update(logs)
        for log in logs:
            if "compact" in log.config.cleanup_policy and log not in self._uncleanable:
                cleanable = log.cleanable(now_ms)
                if cleanable.dirty_bytes and (
                    cleanable.overdue or cleanable.ratio > log.config.min_cleanable_dirty_ratio
                ):
                    candidates.append((log, cleanable))
        return max(candidates, key=lambda candidate: candidate[1].ratio, default=None)
