# SPDX-License-Identifier: Apache-2.0
"""The controller's one queue: events run one after another in one task (Kafka: ControllerEventManager).

Watches, responses of brokers, timers and API calls only put events; what an event does is decided when its
turn comes, from what ZooKeeper says then. So no two transitions ever interleave, and an event put before the
session expired never runs after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

log = logging.getLogger("commitlog.controller.events")


def _nothing() -> None:
    return None


@dataclass(slots=True, eq=False)
class ControllerEvent:
    """``name`` is Kafka's ControllerState; ``preempt`` runs instead of ``run`` when the event is dropped."""

    name: str
    run: Callable[[], Awaitable[None]]
    preempt: Callable[[], None] = _nothing
    active_only: bool = True
    done: asyncio.Future[None] | None = None


class EventQueue:
    """Runs events in order through ``process``, which owns all error handling of an event."""

    def __init__(self, process: Callable[[ControllerEvent], Awaitable[None]]) -> None:
        self._process = process
        self._events: deque[ControllerEvent] = deque()
        self._wakeup = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="controller-event-task")

    async def stop(self) -> None:
        """Drop what is queued and end the task, in the middle of an event if need be."""
        self._drop_all()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._drop_all()

    @property
    def running(self) -> bool:
        return self._task is not None

    def put(self, event: ControllerEvent) -> None:
        if self._task is None:
            self._drop(event)
            return
        self._events.append(event)
        self._wakeup.set()

    async def clear_and_put(self, event: ControllerEvent) -> None:
        """Drop everything queued, queue ``event``, and wait until it has been processed."""
        if self._task is None:
            return
        self._drop_all()
        event.done = asyncio.get_running_loop().create_future()
        self.put(event)
        await event.done

    def _drop_all(self) -> None:
        while self._events:
            self._drop(self._events.popleft())

    @staticmethod
    def _drop(event: ControllerEvent) -> None:
        event.preempt()
        if event.done is not None and not event.done.done():
            event.done.set_result(None)

    async def _run(self) -> None:
        while True:
            while not self._events:
                self._wakeup.clear()
                await self._wakeup.wait()
            event = self._events.popleft()
            try:
                await self._process(event)
            except asyncio.CancelledError:
                self._drop(event)
                raise
            except Exception:
                log.exception("Uncaught error processing event %s", event.name)
            finally:
                if event.done is not None and not event.done.done():
                    event.done.set_result(None)
