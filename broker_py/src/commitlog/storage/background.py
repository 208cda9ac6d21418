# SPDX-License-Identifier: Apache-2.0
"""Work that the log manager does beside requests: once, later, or again and again (Kafka's scheduler).

Stopping waits for what is under way and never cancels it half way, as worker threads cannot be called back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from commitlog.wire.errors import KafkaError

_log = logging.getLogger("commitlog.storage.background")

NEVER_MS = 2**63 - 1


class Background:
    """Tasks and timers of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._stopping = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Long work should come to an end."""
        return self._stopping.is_set()

    def spawn(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do it as soon as possible."""

        async def run() -> None:
            try:
                await work()
            except (OSError, KafkaError) as error:
                _log.error("%s failed: %s", what, error)
            except Exception:
                _log.exception("Uncaught exception in %s", what)

        self._keep(what, run())

    def _keep(self, name: str, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        if isinstance(task, asyncio.Task):
            task.set_name(name)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def after(self, delay_ms: int, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do it once, later; not at all when stopped before."""

        def run() -> None:
            self._timers.discard(timer)
            self.spawn(what, work)

        timer = asyncio.get_running_loop().call_later(delay_ms / 1000, run)
        self._timers.add(timer)

    def every(self, name: str, first_ms: int, interval_ms: int, work: Callable[[], Awaitable[None]]) -> None:
        """Do it after first_ms and then each time interval_ms after it was done."""

        async def run() -> None:
            delay_ms = first_ms
            while not await self._stopping_within(delay_ms):
                try:
                    await work()
                except (OSError, KafkaError) as error:
                    _log.error("Error in %s: %s", name, error)
                except Exception:
                    _log.exception("Uncaught exception in %s", name)
                delay_ms = interval_ms

        if interval_ms < NEVER_MS:
            self._keep(name, run())

    async def _stopping_within(self, delay_ms: int) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay_ms / 1000)
        return self.stopping

    async def stop(self) -> None:
        """Begin nothing more and wait for what is under way."""
        self._stopping.set()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        while self._tasks:
            await asyncio.gather(*self._tasks)
