# SPDX-License-Identifier: Apache-2.0
"""The event loop of a simulated cluster: virtual time, a simulated network, everything chosen by a seed.

It is an asyncio loop without a selector. When nothing is left to do, time jumps to the next timer; when
there is no timer either, the simulation is stuck and says so. Every host of the cluster runs on this one
loop; code belongs to a host by its context (`contextvars`): what a task or callback of a host creates
belongs to that host too. When a host dies, none of its code runs ever again, not even its `finally` blocks,
as when a machine loses power.

What a simulation does depends on its seed and on nothing else, as long as the code under test takes time
from the loop and randomness from the generator that it is given, and does not walk through sets of strings
or of objects.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import logging
import random
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.simulation.network import LIFE, Latency, Life, Network
from tests.simulation.transport import SimulatedServer

T = TypeVar("T")

START_S = 1000.0
START_WALL_CLOCK_MS = 1_700_000_000_000
CALLBACKS_PER_INSTANT = 1_000_000


class SimulationStuck(Exception):
    """Nothing is left to happen, or time does not pass any more."""


class _NoSelector:
    """Stands where a loop waits for sockets: waiting is moving the clock."""

    def __init__(self) -> None:
        self.now = START_S
        self.turns = 0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise SimulationStuck("every task waits for something, and no timer is set")
        self.turns = 0 if timeout > 0 else self.turns + 1
        if self.turns > CALLBACKS_PER_INSTANT:
            raise SimulationStuck(f"time stands still at {self.now}: some code goes round without waiting")
        self.now += max(timeout, 0.0)
        return []

    def close(self) -> None:
        pass


class SimulatedLoop(asyncio.BaseEventLoop):
    """See the module's docstring. `network` has the hosts; `executor_delay_s`: how late blocking work is."""

    def __init__(
        self, seed: int = 0, *, latency: Latency | None = None, executor_delay_s: float = 0.002
    ) -> None:
        super().__init__()
        self._selector = _NoSelector()
        self.seed = seed
        self.rng = random.Random(seed)
        self.network = Network(self, random.Random(f"network {seed}"), latency or Latency())
        self._executor_rng = random.Random(f"executor {seed}")
        self._executor_delay_s = executor_delay_s

    # -- time

    def time(self) -> float:
        return self._selector.now

    def now_ms(self) -> int:
        """The wall clock of every host, for constructors that take one."""
        return START_WALL_CLOCK_MS + round((self.time() - START_S) * 1000)

    # -- what BaseEventLoop asks of a loop with sockets

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    # -- the code of dead hosts does not run

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = super().call_soon(callback, *args, context=context)
        life = handle._context.get(LIFE)
        if life is None:
            return handle
        if not life.alive:
            handle.cancel()
        elif life.held is not None:
            self._ready.pop()
            life.held.append(handle)
        elif life.steps_left:
            life.steps_left -= 1
            if not life.steps_left and life.last_step is not None:
                super().call_soon(life.last_step, context=self.network.context.copy())
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        life = timer._context.get(LIFE)
        if life is None:
            return timer
        if not life.alive:
            timer.cancel()
        elif life.held is not None:
            self._scheduled.remove(timer)
            heapq.heapify(self._scheduled)
            timer._scheduled = False
            life.held.append(timer)
        return timer

    def create_task(
        self, coro: Any, *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[Any]:
        task = super().create_task(coro, name=name, context=context)
        life = LIFE.get() if context is None else context.get(LIFE)
        if life is not None:
            life.adopt(task)
        return task

    def forget_life(self, life: Life) -> None:
        """A host died: take back everything of it that was about to run."""
        for handle in [*self._ready, *self._scheduled]:
            if handle._context.get(LIFE) is life:
                handle.cancel()

    def hold_life(self, life: Life) -> None:
        """A process stops: put aside everything of it that is ready or has a time."""
        life.held = []
        for index, handle in enumerate(self._ready):
            if handle._context.get(LIFE) is life:
                life.held.append(handle)
                # The loop counts what is ready before it goes through it: the place must not vanish.
                self._ready[index] = placeholder = asyncio.Handle(_nothing, (), self)
                placeholder.cancel()
        timers = [timer for timer in self._scheduled if timer._context.get(LIFE) is life]
        for timer in timers:
            timer._scheduled = False
        life.held += sorted(timers)
        self._scheduled = [timer for timer in self._scheduled if timer._context.get(LIFE) is not life]
        heapq.heapify(self._scheduled)
        self._timer_cancelled_count = sum(timer._cancelled for timer in self._scheduled)

    def release_life(self, life: Life) -> None:
        """A process goes on: what was ready runs first, then the timers that are over."""
        held, life.held = life.held or [], None
        for handle in held:
            if handle._cancelled:
                continue
            if isinstance(handle, asyncio.TimerHandle):
                handle._scheduled = True
                heapq.heappush(self._scheduled, handle)
            else:
                self._ready.append(handle)

    # -- doors

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Blocking work takes no time, but is done a little later, so that other things happen in between."""
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as exc:
                future.set_exception(exc)

        self.call_later(self._executor_rng.uniform(0, self._executor_delay_s), work)
        return future

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> SimulatedServer:
        return self.network.listen(protocol_factory, host, port)

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> tuple[Any, Any]:
        return await self.network.connect(protocol_factory, host, port)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> list[Any]:
        found = self.network.resolve(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (found.address, port))]


def simulate(main: Callable[[SimulatedLoop], Coroutine[Any, Any, T]], seed: int = 0, **options: Any) -> T:
    """Run `main(loop)` in a world of its own and return its result; what still runs then is cancelled."""
    loop = SimulatedLoop(seed, **options)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        _end(loop)


def _end(loop: SimulatedLoop) -> None:
    dead = loop.network.tasks_of_the_dead()
    left = [task for task in asyncio.all_tasks(loop) if task not in dead]
    for task in left:
        task.cancel()
    loop._selector.turns = 0
    try:
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=60))
    finally:
        # What the dead would still have to say is of no interest.
        threshold = logging.root.manager.disable
        logging.disable()
        for life in loop.network.dead_lives():
            life.bury()
        logging.disable(threshold)
        loop.close()


def _nothing() -> None:
    pass
