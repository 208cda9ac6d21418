# SPDX-License-Identifier: Apache-2.0
"""Writes what logs have left for later (see late_file), in worker threads, a few files at a time.

Many syncs in parallel share a commit of the file system's journal: thousands of them cost a fraction of what
they would cost one after another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from commitlog.storage.background import Background
from commitlog.storage.log_base import LogBase

THREADS = 4
LOGS_AT_A_TIME = 16


class LateWriter:
    """The logs of one manager that have late files."""

    def __init__(self, background: Background, on_error: Callable[[str, OSError], None]) -> None:
        self._background = background
        self._on_error = on_error
        self._waiting: dict[LogBase, None] = {}
        self._busy = 0

    def add(self, log: LogBase) -> None:
        """Have its late files written soon."""
        self._waiting[log] = None
        if self._busy < THREADS and self._busy * LOGS_AT_A_TIME < len(self._waiting):
            self._busy += 1
            self._background.spawn("Writing leader epochs and topic ids", self._write)

    async def _write(self) -> None:
        try:
            while self._waiting:
                logs = list(self._waiting)[:LOGS_AT_A_TIME]
                for log in logs:
                    del self._waiting[log]
                failures = await asyncio.get_running_loop().run_in_executor(None, _write_all, logs)
                for log, error in failures:
                    if not log.is_closed:  # a log that was deleted meanwhile has taken its directory along
                        self._on_error(log.log_dir, error)
        finally:
            self._busy -= 1


def _write_all(logs: Sequence[LogBase]) -> list[tuple[LogBase, OSError]]:
    """In a worker thread."""
    failures = []
    for log in logs:
        try:
            log.write_late_files()
        except OSError as error:
            failures.append((log, error))
    return failures
