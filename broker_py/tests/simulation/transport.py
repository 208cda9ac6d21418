# SPDX-License-Identifier: Apache-2.0
"""Both ends of a simulated TCP connection, with asyncio's Transport on top.

What is written is cut into segments at random, each travels through a `Pipe` in order; several that have
arrived come to the protocol as one read. A receiver that pauses reading fills the window, then the sender's
write buffer, and the sender's protocol is told to pause, as with real sockets. Writes copy, so that the
writer may reuse its buffer.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.network import Host, Life, Network

WINDOW_BYTES = 64 * 1024
HIGH_WATER_BYTES = 64 * 1024
LARGEST_SEGMENT_BYTES = 128 * 1024
CLOCK_GRAIN_S = 1e-6
"""A loop runs timers a little early, as far as its clock can be trusted; so does the line."""


class Signal(Enum):
    """What travels on a connection besides data."""

    SYN = auto()
    ACCEPTED = auto()
    REFUSED = auto()
    EOF = auto()
    RESET = auto()


Segment = bytes | Signal


class Pipe:
    """One direction of one connection."""

    def __init__(
        self, network: Network, source: Host, target: Host, receive: Callable[[list[Segment]], None]
    ) -> None:
        self.source = source
        self.target = target
        self._network = network
        self._receive = receive
        self._queue: deque[tuple[float, Segment]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._stalled = False

    def send(self, segment: Segment) -> None:
        loop = self._network.loop
        self._queue.append((loop.time() + self._network.delay_s(self.source, self.target), segment))
        self._schedule(self._queue[0][0])

    def discard(self) -> None:
        """What is on the way is lost."""
        self._queue.clear()

    def go_on(self) -> None:
        """The line has healed: TCP sends again what did not arrive."""
        self._stalled = False
        if self._queue:
            self._schedule(self._network.loop.time() + self._network.delay_s(self.source, self.target))

    def _schedule(self, due: float) -> None:
        if self._timer is None and not self._stalled:
            self._timer = self._network.loop.call_at(due, self._arrive, context=self._network.context)

    def _arrive(self) -> None:
        self._timer = None
        if self._network.is_cut(self.source, self.target):
            self._stalled = True
            self._network.stall(self)
            return
        arrived: list[Segment] = []
        while self._queue and self._queue[0][0] <= self._network.loop.time() + CLOCK_GRAIN_S:
            arrived.append(self._queue.popleft()[1])
        if self._queue:
            self._schedule(self._queue[0][0])
        if arrived:
            if self._network.on_arrival is not None:
                self._network.on_arrival(self.source, self.target, arrived)
            self._receive(arrived)


class SimulatedTransport(asyncio.Transport):
    """One end of a connection. The end that connects makes the other one, which waits for its listener."""

    def __init__(
        self, network: Network, host: Host, peer_host: Host, port: int, peer: SimulatedTransport | None = None
    ) -> None:
        super().__init__()
        self._network = network
        self._loop = network.loop
        self._host = host
        self._life: Life | None = None
        self._protocol: Any = None
        self._factory: Any = None
        self._waiter: asyncio.Future[None] | None = None
        self._out = Pipe(network, host, peer_host, self._deliver)
        self._unconsumed = 0
        self._arrived: deque[Segment] = deque()
        self._reading_paused = False
        self._writing_paused = False
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4
        self._closing = False
        self._eof_sent = False
        self._gone = False
        own_port = port if peer is not None else host.ephemeral_port()
        self.name = (host.address, own_port)
        self._peer: SimulatedTransport = peer or SimulatedTransport(network, peer_host, host, port, self)

    # -- connecting

    def connect(self, life: Life, factory: Any) -> asyncio.Future[None]:
        """Knock at the other side; the future is done when it has opened or refused, and otherwise never."""
        self._adopt(life)
        self._factory = factory
        self._waiter = self._loop.create_future()
        self._out.send(Signal.SYN)
        return self._waiter

    def _adopt(self, life: Life) -> None:
        self._life = life
        life.transports[self] = None

    def _knocked(self) -> None:
        life = self._host.life
        server = life.listeners.get(self.name[1]) if life.alive else None
        if server is None:
            self._gone = True
            self._out.send(Signal.REFUSED)
            return
        self._adopt(life)
        self._factory = server.factory
        self._out.send(Signal.ACCEPTED)
        self._as_host(self._open)

    def _as_host(self, callback: Callable[[], Any]) -> None:
        """Do what runs the host's code now, or when its process goes on."""
        life = self._life
        if life is not None and life.paused:
            self._loop.call_soon(callback, context=life.context.copy())
        else:
            callback()

    def _open(self) -> None:
        def make() -> None:
            self._protocol = self._factory()
            self._protocol.connection_made(self)

        self._guarded(make)

    def _opened(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        self._open()
        waiter.set_result(None)

    def _refused(self) -> None:
        waiter, self._waiter = self._waiter, None
        self._leave()
        if waiter is not None and not waiter.done():
            address = self._peer.name
            waiter.set_exception(ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}"))

    # -- receiving

    def _deliver(self, segments: list[Segment]) -> None:
        self._peer._receive(segments)

    def _receive(self, segments: list[Segment]) -> None:
        """Segments have reached this host."""
        if not self._host.powered:
            return
        if segments[0] is Signal.SYN:
            self._knocked()
            segments = segments[1:]
        if self._gone or (self._life is not None and not self._life.alive):
            if any(isinstance(segment, bytes) for segment in segments):
                self._out.send(Signal.RESET)
            return
        self._arrived.extend(segments)
        self._as_host(self._pump)

    def _pump(self) -> None:
        """Hand what has arrived to the protocol, as far as it wants to read."""
        while self._arrived and not self._gone:
            segment = self._arrived[0]
            if isinstance(segment, bytes):
                if self._reading_paused or self._closing:
                    # Who closes reads no more; a reset behind the data still counts.
                    if Signal.RESET not in self._arrived:
                        return
                    self._arrived.popleft()
                    continue
                self._read()
                continue
            self._arrived.popleft()
            self._signalled(segment)

    def _signalled(self, signal: Signal) -> None:
        if signal is Signal.ACCEPTED:
            self._opened()
        elif signal is Signal.REFUSED:
            self._refused()
        elif signal is Signal.RESET:
            self._force_close(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
        elif (
            self._protocol is not None
            and not self._closing
            and not self._guarded(self._protocol.eof_received)
        ):
            self.close()

    def _read(self) -> None:
        data = b""
        while self._arrived and isinstance(self._arrived[0], bytes):
            data += self._arrived.popleft()  # type: ignore[operator]
        size = len(data)
        if isinstance(self._protocol, asyncio.BufferedProtocol):
            view = self._guarded(lambda: self._protocol.get_buffer(-1))
            if view is None:
                return
            size = min(len(view), len(data))
            if size == 0:
                self._fatal(RuntimeError("get_buffer() returned an empty buffer"))
                return
            view[:size] = data[:size]
            if size < len(data):
                self._arrived.appendleft(data[size:])
            self._guarded(lambda: self._protocol.buffer_updated(size))
        else:
            self._guarded(lambda: self._protocol.data_received(data))
        self._peer._consumed(size)

    def _guarded(self, callback: Callable[[], Any]) -> Any:
        """Run a callback of the protocol as code of its host; what it raises closes the connection."""
        assert self._life is not None
        try:
            return self._life.context.copy().run(callback)
        except Exception as exc:
            self._fatal(exc)
            return None

    def _fatal(self, exc: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "Fatal error in a simulated transport", "exception": exc, "transport": self}
        )
        self._out.send(Signal.RESET)
        self._force_close(exc)

    # -- sending

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        rest = bytes(data)
        rng = self._network.rng
        self._unconsumed += len(rest)
        while rest:
            size = LARGEST_SEGMENT_BYTES if rng.randrange(4) else rng.randint(1, len(rest))
            self._out.send(rest[:size])
            rest = rest[size:]
        if self.get_write_buffer_size() > self._high and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def _consumed(self, size: int) -> None:
        """The other side has read; so there is room in the window."""
        self._unconsumed -= size
        if self._gone or self._life is None or not self._life.alive:
            return
        if self._writing_paused and self.get_write_buffer_size() <= self._low:
            self._writing_paused = False
            self._as_host(lambda: self._guarded(self._protocol.resume_writing))
        if self._closing and not self.get_write_buffer_size():
            self._say_goodbye()

    def get_write_buffer_size(self) -> int:
        return max(0, self._unconsumed - WINDOW_BYTES)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = (HIGH_WATER_BYTES if low is None else 4 * low) if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._eof_sent and not self._closing:
            self._eof_sent = True
            self._out.send(Signal.EOF)

    # -- the rest of a transport

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        if self._reading_paused and not self._closing:
            self._reading_paused = False
            self._loop.call_soon(self._pump, context=self._network.context)

    def is_reading(self) -> bool:
        return not (self._reading_paused or self._closing)

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": self.name, "peername": self._peer.name}.get(name, default)

    def is_closing(self) -> bool:
        return self._closing

    # -- the end

    def close(self) -> None:
        """Read no more; when what was written has left this host, say goodbye."""
        if self._closing:
            return
        self._closing = True
        if not self.get_write_buffer_size():
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        if any(isinstance(segment, bytes) for segment in self._arrived):
            self._out.send(Signal.RESET)  # as the kernel does for a socket with unread data
        elif not self._eof_sent:
            self._eof_sent = True
            self._out.send(Signal.EOF)
        self._lose(None)

    def abort(self) -> None:
        """Close now; what is on the way may be lost."""
        if self._gone:
            return
        if self._network.rng.randrange(2):
            self._out.discard()
        self._out.send(Signal.RESET)
        self._force_close(None)

    def _force_close(self, exc: Exception | None) -> None:
        self._closing = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(exc or ConnectionAbortedError("the connection was given up"))
        self._lose(exc)

    def _lose(self, exc: Exception | None) -> None:
        if self._gone:
            return
        self._leave()
        self._arrived.clear()
        if self._protocol is not None:
            assert self._life is not None
            self._loop.call_soon(self._protocol.connection_lost, exc, context=self._life.context.copy())

    def _leave(self) -> None:
        self._gone = True
        self._closing = True
        if self._life is not None:
            self._life.transports.pop(self, None)

    def reset_if_to(self, host: Host) -> None:
        """The line forgets this connection, if it goes to that host: both ends are reset."""
        peer = self._peer
        if peer._host is not host or self._gone:
            return
        for end in (self, peer):
            end._out.discard()
            end._as_host(
                partial(end._force_close, ConnectionResetError(errno.ECONNRESET, "Connection reset"))
            )

    def process_died(self) -> None:
        """The kernel closes the socket of a dead process: an ordinary end, or a reset if data were unread."""
        unread = bool(self._arrived) or bool(self._network.rng.randrange(2))
        self._out.send(Signal.RESET if unread else Signal.EOF)
        self._leave()

    def power_lost(self) -> None:
        """Nobody says goodbye."""
        self._out.discard()
        self._leave()


class SimulatedSocket:
    """What Server.sockets shows of a listening socket."""

    def __init__(self, address: str, port: int) -> None:
        self._name = (address, port)

    def getsockname(self) -> tuple[str, int]:
        return self._name


class SimulatedServer(asyncio.AbstractServer):
    """A listening port; connections that it accepted outlive it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, life: Life, factory: Any, port: int) -> None:
        self._loop = loop
        self._life = life
        self._port = port
        self.factory = factory

    @property
    def sockets(self) -> tuple[SimulatedSocket, ...]:
        return (SimulatedSocket(self._life.host.address, self._port),) if self.is_serving() else ()

    def is_serving(self) -> bool:
        return self._life.listeners.get(self._port) is self

    def close(self) -> None:
        if self.is_serving():
            del self._life.listeners[self._port]

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    async def start_serving(self) -> None:
        """It serves from its making."""

    async def serve_forever(self) -> None:
        await self._loop.create_future()

    async def wait_closed(self) -> None:
        """Closing is immediate."""
