# SPDX-License-Identifier: Apache-2.0
"""A timer fires once, when it was last told to."""

from __future__ import annotations

import asyncio

import pytest

from commitlog.groups.timers import Deadline
from tests.groups.virtual_loop import in_virtual_time


@pytest.mark.parametrize(
    ("starts", "fires_at"),
    [
        ([(0, 5_000)], 5_000),
        ([(0, 5_000), (4_000, 5_000)], 9_000),
        ([(0, 5_000), (1_000, 5_000), (5_500, 5_000)], 10_500),
        ([(0, 30_000), (1_000, 2_000)], 3_000),
        ([(0, 30_000), (1_000, 2_000), (2_000, 40_000)], 42_000),
        ([(0, 0)], 0),
    ],
)
@in_virtual_time
async def test_last_start_counts(starts: list[tuple[int, int]], fires_at: int) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    fired: list[int] = []
    deadline = Deadline(loop, lambda: fired.append(round((loop.time() - begin) * 1000)))
    for at_ms, delay_ms in starts:
        await asyncio.sleep(at_ms / 1000 - (loop.time() - begin))
        deadline.start(delay_ms)
    await asyncio.sleep(100)
    assert fired == [fires_at]


@in_virtual_time
async def test_stopped_timer_does_not_fire_and_may_be_started_again() -> None:
    loop = asyncio.get_running_loop()
    fired: list[float] = []
    deadline = Deadline(loop, lambda: fired.append(loop.time()))
    deadline.start(1_000)
    deadline.stop()
    await asyncio.sleep(5)
    assert fired == []
    deadline.start(1_000)
    await asyncio.sleep(5)
    assert len(fired) == 1
