# SPDX-License-Identifier: Apache-2.0
"""An event loop whose clock jumps to the next timer: minutes pass in no time, and always alike."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.BaseSelector):
    """Never sleeps: when there is nothing to read, the time that would have been waited has passed."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("Deadlock: nothing is ready and no timer is set")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Virtual time, and an executor that works at once."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def run(main: Coroutine[Any, Any, T], *, timeout_s: float = 3600.0) -> T:
    """asyncio.run in virtual time; the timeout is virtual too."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(asyncio.wait_for(main, timeout_s))


async def until(
    condition: Callable[[], bool], *, timeout_s: float = 120.0, step_s: float | None = None
) -> None:
    """Wait in virtual time until the condition holds; with no step, looked at less often as time goes."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not condition():
        waited = loop.time() - start
        assert waited < timeout_s, "the condition did not come true in time"
        await asyncio.sleep(step_s or max(0.001, waited / 100))
