# SPDX-License-Identifier: Apache-2.0
"""Hosts and the lines between them: delays, cuts, crashes.

A line is a direction between two hosts. What is sent on it arrives in order per connection, each segment
after a delay of its own. While a line is cut nothing arrives; when it heals, what waited comes (TCP sends
again). A host can lose its process (`kill`: the kernel closes its sockets, peers notice) or its power
(`power_off`: silence; a peer learns of it when it sends after the host is back, or by its own timeouts).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import errno
import random
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tests.simulation.transport import Pipe, Signal, SimulatedServer, SimulatedTransport

if TYPE_CHECKING:
    from tests.simulation.loop import SimulatedLoop

T = TypeVar("T")

LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("simulated_life", default=None)
"""The life of a host to which the running code belongs; None for the world outside: the test itself."""

FIRST_EPHEMERAL_PORT = 32768
OUTSIDE = "outside"


@dataclass(slots=True, frozen=True)
class Latency:
    """How long a segment is on its way: mostly between low and high, now and then up to slow."""

    low_s: float = 0.0002
    high_s: float = 0.002
    slow_s: float = 0.03
    slow_one_in: int = 50

    def draw(self, rng: random.Random) -> float:
        if self.slow_one_in and rng.randrange(self.slow_one_in) == 0:
            return rng.uniform(self.high_s, self.slow_s)
        return rng.uniform(self.low_s, self.high_s)


class Life:
    """A host's process from boot to death: its context, tasks, sockets. Nothing of it outlives it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.alive = True
        self.held: list[asyncio.Handle] | None = None
        """While the process is paused: what it would have run by now, or later."""
        self.context = contextvars.Context()
        self.context.run(LIFE.set, self)
        self.listeners: dict[int, SimulatedServer] = {}
        self.transports: dict[SimulatedTransport, None] = {}
        self.steps_left = 0
        """How many more steps of its tasks and callbacks are to be run before `last_step`; 0: no such end."""
        self.last_step: Callable[[], None] | None = None
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        return list(self._tasks)

    @property
    def paused(self) -> bool:
        return self.held is not None

    def end_after(self, steps: int, last_step: Callable[[], None]) -> None:
        """Call `last_step` from outside when so many steps more have been taken: it may kill the process."""
        self.steps_left, self.last_step = steps, last_step

    def end(self, loop: SimulatedLoop) -> None:
        """No code of this life runs from here on."""
        self.alive = False
        self.held = None
        self.listeners.clear()
        loop.forget_life(self)
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def bury(self) -> None:
        """Close the coroutines where death found them, so that the collector does not at a random time."""
        for task in self._tasks:
            coroutine = task.get_coro()
            with contextlib.suppress(BaseException):
                self.context.copy().run(coroutine.close)  # type: ignore[union-attr]


class Host:
    """A machine: a name, an address, and a process on it that lives, dies, and can be started again."""

    def __init__(self, network: Network, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.powered = True
        self.life = Life(self)
        self._network = network
        self._next_port = FIRST_EPHEMERAL_PORT

    def __repr__(self) -> str:
        return f"Host({self.name})"

    @property
    def alive(self) -> bool:
        return self.life.alive

    def run(self, function: Callable[..., T], *args: Any, **named: Any) -> T:
        """Call a function as code of this host."""
        return self.life.context.copy().run(function, *args, **named)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task of this host. Do not await it past the host's death: it would never be done."""
        return self._network.loop.create_task(coroutine, context=self.life.context.copy())

    def kill(self) -> None:
        """kill -9: the process is gone, the kernel closes its connections; what was sent still arrives."""
        transports = list(self.life.transports)
        self._end_life()
        for transport in transports:
            transport.process_died()

    def power_off(self) -> None:
        """The machine is gone without a word; what it had sent and has not arrived is lost."""
        self.powered = False
        transports = list(self.life.transports)
        self._end_life()
        for transport in transports:
            transport.power_lost()

    def pause(self) -> None:
        """kill -STOP: none of its code runs, but its kernel goes on accepting connections and data."""
        if self.life.alive and not self.life.paused:
            self._network.loop.hold_life(self.life)

    def resume(self) -> None:
        """kill -CONT: everything that was due comes at once."""
        if self.life.paused:
            self._network.loop.release_life(self.life)

    def boot(self) -> None:
        """A new process on the machine: a new life, with no memory of the old one but its disk."""
        assert not self.life.alive, f"{self.name} is running"
        self.powered = True
        self.life = Life(self)

    def ephemeral_port(self) -> int:
        self._next_port += 1
        return self._next_port - 1

    def _end_life(self) -> None:
        if self.life.alive:
            self.life.end(self._network.loop)
            self._network.remember_the_dead(self.life)


class Network:
    """All hosts, and the state of the lines between them."""

    def __init__(self, loop: SimulatedLoop, rng: random.Random, latency: Latency) -> None:
        self.loop = loop
        self.rng = rng
        self.latency = latency
        self.context = contextvars.Context()
        self._hosts: dict[str, Host] = {}
        self._cut: set[tuple[str, str]] = set()
        self._stalled: dict[tuple[str, str], list[Pipe]] = {}
        self._dead: list[Life] = []
        self._slowness: dict[str, float] = {}
        self.on_arrival: Callable[[Host, Host, Sequence[bytes | Signal]], None] | None = None
        """Told of everything that arrives: (source, target, segments)."""
        self.outside = self.add_host(OUTSIDE)

    # -- hosts

    def add_host(self, name: str) -> Host:
        host = Host(self, name, f"10.0.0.{len(self._hosts) + 1}")
        self._hosts[name] = host
        return host

    def host(self, name: str) -> Host:
        return self._hosts[name]

    def resolve(self, name: str | None) -> Host:
        """A host by name or address; localhost is whoever asks."""
        if name in ("localhost", "127.0.0.1"):
            return self.here().host
        for host in self._hosts.values():
            if name in (host.name, host.address):
                return host
        raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {name}")

    def here(self) -> Life:
        return LIFE.get() or self.outside.life

    def remember_the_dead(self, life: Life) -> None:
        self._dead.append(life)

    def dead_lives(self) -> list[Life]:
        return list(self._dead)

    def tasks_of_the_dead(self) -> set[asyncio.Task[Any]]:
        return {task for life in self._dead for task in life.tasks}

    # -- lines

    def cut(self, source: Host, target: Host, *, one_way: bool = False) -> None:
        """Let nothing through from source to target, nor back unless one_way."""
        self._cut.add((source.name, target.name))
        if not one_way:
            self._cut.add((target.name, source.name))

    def isolate(self, host: Host) -> None:
        """Cut a host off from all others, the outside among them."""
        for other in self._hosts.values():
            if other is not host:
                self.cut(host, other)

    def heal(self, one: Host | None = None, other: Host | None = None) -> None:
        """Let everything through again: between two hosts, at one host, or everywhere."""
        for line in sorted(self._cut):
            if all(host is None or host.name in line for host in (one, other)):
                self._cut.discard(line)
                for pipe in self._stalled.pop(line, []):
                    pipe.go_on()

    def is_cut(self, source: Host, target: Host) -> bool:
        return (source.name, target.name) in self._cut

    def stall(self, pipe: Pipe) -> None:
        """Something should have arrived on a line that is cut."""
        self._stalled.setdefault((pipe.source.name, pipe.target.name), []).append(pipe)

    def delay_s(self, source: Host, target: Host) -> float:
        if source is target:
            return 0.0001
        slowness = max(self._slowness.get(source.name, 1.0), self._slowness.get(target.name, 1.0))
        return self.latency.draw(self.rng) * slowness

    def slow_down(self, host: Host, factor: float) -> None:
        """Make everything to and from a host take that much longer; 1 is as usual."""
        self._slowness[host.name] = factor

    def break_connections(self, one: Host, other: Host) -> None:
        """Reset every connection between two hosts; what is on the way is lost."""
        for transport in list(one.life.transports):
            transport.reset_if_to(other)

    # -- sockets

    def listen(self, factory: Any, address: Any, port: int | None) -> SimulatedServer:
        life = self.here()
        if isinstance(address, list | tuple):
            (address,) = address
        if address not in (None, "", "0.0.0.0", "::") and self.resolve(address) is not life.host:
            raise OSError(
                errno.EADDRNOTAVAIL, f"could not bind on any address out of [('{address}', {port})]"
            )
        chosen = port or life.host.ephemeral_port()
        if chosen in life.listeners:
            raise OSError(
                errno.EADDRINUSE, f"error while attempting to bind on address ('{address}', {chosen})"
            )
        server = SimulatedServer(self.loop, life, factory, chosen)
        life.listeners[chosen] = server
        return server

    async def connect(self, factory: Any, address: Any, port: Any) -> tuple[Any, Any]:
        life = self.here()
        target = self.resolve(address)
        client = SimulatedTransport(self, life.host, target, port)
        waiter = client.connect(life, factory)
        try:
            await waiter
        except asyncio.CancelledError:
            client.abort()
            raise
        return client, client.get_protocol()
