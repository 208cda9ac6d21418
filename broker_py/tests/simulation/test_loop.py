# SPDX-License-Identifier: Apache-2.0
"""The simulated loop itself: time, blocking work, stuck worlds, and that a seed says everything."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.simulation.loop import SimulatedLoop, SimulationStuck, simulate


def test_an_hour_passes_at_once_and_in_order() -> None:
    async def main(loop: SimulatedLoop) -> list[tuple[str, float, int]]:
        seen: list[tuple[str, float, int]] = []
        start, start_ms = loop.time(), loop.now_ms()

        async def note(name: str, delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            seen.append((name, round(loop.time() - start, 6), loop.now_ms() - start_ms))

        await asyncio.gather(note("hour", 3600), note("ten", 10), note("now", 0))
        return seen

    began = time.monotonic()
    assert simulate(main) == [("now", 0.0, 0), ("ten", 10.0, 10_000), ("hour", 3600.0, 3_600_000)]
    assert time.monotonic() - began < 30


def test_timeouts_happen_in_virtual_time() -> None:
    async def main(loop: SimulatedLoop) -> float:
        start = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return loop.time() - start

    assert simulate(main) == pytest.approx(30)


def test_a_world_in_which_nothing_can_happen_says_so() -> None:
    async def main(loop: SimulatedLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(SimulationStuck, match="every task waits"):
        simulate(main)


def test_code_that_goes_round_without_waiting_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.loop.CALLBACKS_PER_INSTANT", 1000)

    async def main(loop: SimulatedLoop) -> None:
        while True:  # noqa: ASYNC110 - that it waits for nothing is the point
            await asyncio.sleep(0)

    with pytest.raises(SimulationStuck, match="time stands still"):
        simulate(main)


def test_blocking_work_is_done_a_little_later_and_its_errors_come_back() -> None:
    async def main(loop: SimulatedLoop) -> list[str]:
        order = ["asked"]
        work = loop.run_in_executor(None, order.append, "worked")
        order.append("went on")
        await work
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 / 0)
        return order

    assert simulate(main) == ["asked", "went on", "worked"]


def test_blocking_work_that_is_cancelled_in_time_is_not_done() -> None:
    async def main(loop: SimulatedLoop) -> list[str]:
        done: list[str] = []
        loop.run_in_executor(None, done.append, "x").cancel()
        await asyncio.sleep(1)
        return done

    assert simulate(main) == []


def test_what_still_runs_at_the_end_is_cancelled() -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(10_000)
        finally:
            ended.append("cleaned up")

    async def main(loop: SimulatedLoop) -> None:
        loop.left = asyncio.ensure_future(forever())  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    simulate(main)
    assert ended == ["cleaned up"]


class TestDeath:
    def test_no_code_of_a_dead_host_runs_not_even_its_cleanup(self) -> None:
        async def main(loop: SimulatedLoop) -> list[str]:
            host = loop.network.add_host("a")
            seen: list[str] = []

            async def work() -> None:
                try:
                    while True:
                        await asyncio.sleep(1)
                        loop.call_later(0.5, seen.append, f"later {len(seen)}")
                        seen.append("tick")
                finally:
                    seen.append("finally")

            host.spawn(work())
            blocking = host.run(loop.run_in_executor, None, seen.append, "blocking work")
            await blocking
            await asyncio.sleep(2.2)
            host.run(loop.run_in_executor, None, seen.append, "never done")
            host.kill()
            host.run(loop.call_soon, seen.append, "never called")
            host.run(loop.call_later, 1, seen.append, "never called either")
            await asyncio.sleep(10)
            alive = list(seen)
            host.boot()
            host.run(loop.call_soon, seen.append, "a new life")
            await asyncio.sleep(1)
            return [*alive, *seen[len(alive) :]]

        assert simulate(main) == ["blocking work", "tick", "later 1", "tick", "a new life"]

    def test_what_a_task_of_a_host_starts_belongs_to_the_host(self) -> None:
        async def main(loop: SimulatedLoop) -> list[str]:
            host = loop.network.add_host("a")
            seen: list[str] = []

            async def child() -> None:
                await asyncio.sleep(1)
                seen.append("child")

            async def parent() -> None:
                await asyncio.gather(child(), asyncio.create_task(child()))

            host.spawn(parent())
            await asyncio.sleep(0.5)
            host.power_off()
            await asyncio.sleep(5)
            return seen

        assert simulate(main) == []

    def test_a_future_of_the_living_is_not_harmed_by_a_dead_waiter(self) -> None:
        async def main(loop: SimulatedLoop) -> str:
            host = loop.network.add_host("a")
            future = loop.create_future()

            async def wait() -> None:
                await asyncio.shield(future)

            host.spawn(wait())
            await asyncio.sleep(1)
            host.kill()
            loop.call_later(1, future.set_result, "done")
            return await future

        assert simulate(main) == "done"
