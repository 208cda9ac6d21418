# SPDX-License-Identifier: Apache-2.0
"""One event at a time, in order; none survives a session expiry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from commitlog.controller.events import ControllerEvent, EventQueue
from tests.groups.virtual_loop import in_virtual_time


async def process(event: ControllerEvent) -> None:
    await event.run()


def named(
    name: str, seen: list[str], seconds: float = 0.0, preempt: Callable[[], None] | None = None
) -> ControllerEvent:
    async def run() -> None:
        seen.append(f"{name} begins")
        await asyncio.sleep(seconds)
        seen.append(f"{name} ends")

    return ControllerEvent(name, run, preempt or (lambda: seen.append(f"{name} dropped")))


@in_virtual_time
async def test_events_never_interleave() -> None:
    seen: list[str] = []
    queue = EventQueue(process)
    queue.start()
    queue.put(named("a", seen, 5))
    queue.put(named("b", seen))
    await asyncio.sleep(10)
    assert seen == ["a begins", "a ends", "b begins", "b ends"]
    await queue.stop()


@in_virtual_time
async def test_clear_and_put_drops_the_queue_but_lets_the_running_event_end() -> None:
    seen: list[str] = []
    queue = EventQueue(process)
    queue.start()
    queue.put(named("running", seen, 5))
    queue.put(named("queued", seen))
    await asyncio.sleep(1)
    await queue.clear_and_put(named("expire", seen))
    assert seen == ["running begins", "queued dropped", "running ends", "expire begins", "expire ends"]
    await queue.stop()


@in_virtual_time
async def test_an_event_that_fails_does_not_end_the_queue() -> None:
    async def fail() -> None:
        raise RuntimeError("on purpose")

    seen: list[str] = []
    queue = EventQueue(process)
    queue.start()
    queue.put(ControllerEvent("bad", fail))
    queue.put(named("next", seen))
    await asyncio.sleep(1)
    assert seen == ["next begins", "next ends"]
    await queue.stop()


@in_virtual_time
async def test_stop_answers_whoever_waits_for_an_event() -> None:
    seen: list[str] = []
    queue = EventQueue(process)
    queue.start()
    queue.put(named("running", seen, 60))
    queue.put(named("queued", seen))
    await asyncio.sleep(1)
    await queue.stop()
    assert seen == ["running begins", "queued dropped", "running dropped"]
    queue.put(named("late", seen))
    assert seen[-1] == "late dropped"
