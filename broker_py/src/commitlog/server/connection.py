# SPDX-License-Identifier: Apache-2.0
"""One client connection: frames in, responses out, one request at a time (Kafka's KafkaChannel, muted
while it works).

The connection owns its receive buffer. The transport reads straight into it, frames are parsed in place,
and several frames may come with one read. It grows by doubling when reads fill it, so that a peer must send
bytes to make us hold bytes: to 256 KiB for any traffic, to the size of the frame for a larger one, and never
beyond ``socket.request.max.bytes``. After a run of small frames it goes back.

The buffer and the handlers: ``records`` of a request are views into the buffer. While a request is being
worked on (``_waiting``) the buffer only takes bytes behind the ones already there; it is compacted,
replaced or reused only after the request was answered. When it is full meanwhile, reading pauses: that is
Kafka's mute. A client over its quota is muted in the same way for as long as it is to be throttled: what it
has sent meanwhile waits, up to what the buffer holds. What all buffers have grown by together is bounded, too
(queued.max.request.bytes): a connection for whose request there is no room is not read until there is.

Responses are sent in order. What one wake-up produced goes to the transport in one write. Large file
regions go past the transport, by sendfile (file_sender); small ones, and all of them where that is not
possible, are read in bounded pieces, no faster than the peer takes them. Until the response is sent or with
the transport, no further request is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Protocol, cast

from commitlog.security.principal import ANONYMOUS
from commitlog.server.file_sender import LEAST_BYTES, FileSender, RegionEnded
from commitlog.wire.regions import FileRegion

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from commitlog.server.connection_quotas import RequestMemory

log = logging.getLogger("commitlog.server.connection")

IDLE_BUFFER_BYTES = 16 * 1024
"""What a new or a quiet connection holds: thousands of idle clients must not cost gigabytes."""
BUSY_BUFFER_BYTES = 256 * 1024
"""What a connection grows to when reads fill its buffer, whatever the size of its frames."""
SMALL_FRAMES_BEFORE_SHRINK = 64
SEND_CHUNK_BYTES = 256 * 1024
"""The most that is read from a file at once, and the transport's high-water mark."""
FLUSH_BYTES = 64 * 1024
"""Responses to pipelined requests are handed on when they reach this, so that backpressure is felt between
them.
"""

_INT32 = Struct(">i")

Chunk = bytes | bytearray | memoryview | FileRegion
Response = list[Chunk]


class CloseConnection(Exception):
    """The request cannot be answered; the connection is closed, alone. The text goes to the log."""


class Pending(Protocol):
    """A request whose answer has to wait."""

    future: asyncio.Future[object]

    def response(self) -> Response | None:
        """The answer, once ``future`` is done; raises CloseConnection."""

    def abandon(self) -> None:
        """The client has gone: what only waits for its sake need not wait any longer."""


class Requests(Protocol):
    """What the connection hands frames to (the dispatcher)."""

    def handle(self, connection: Connection, frame: memoryview) -> Response | Pending | None:
        """Answer one request frame; None when there is nothing to send. Raises CloseConnection."""


class ConnectionOwner(Protocol):
    """What knows all connections of a listener: it enforces the limits on their number and their idleness."""

    name: str
    max_request_bytes: int

    memory: RequestMemory

    def admit(self, connection: Connection) -> bool:
        """A connection was made; False when a limit refuses it."""

    def set_socket_options(self, sock: socket.socket | None) -> None:
        """Put the listener's socket options in force; None on a simulated network."""

    def forget(self, connection: Connection) -> None:
        """An admitted connection is gone."""


class Connection(asyncio.BufferedProtocol):
    """See the module's docstring. ``connection_id`` is Kafka's: local:port-remote:port-index."""

    __slots__ = (
        "_buffer",
        "_closing",
        "_end",
        "_held",
        "_loop",
        "_memory",
        "_muted",
        "_out",
        "_out_bytes",
        "_owner",
        "_pending",
        "_reading_paused",
        "_requests",
        "_reserved",
        "_sender",
        "_sends_files",
        "_small_frames",
        "_start",
        "_transport",
        "_unsent",
        "_view",
        "_waiting",
        "_write_paused",
        "admitted",
        "client_host",
        "client_port",
        "connection_id",
        "last_active",
        "listener_name",
        "made_at",
        "max_request_bytes",
        "principal",
        "requests",
    )

    def __init__(self, owner: ConnectionOwner, requests: Requests, index: int, *, held: bool) -> None:
        self._owner = owner
        self.requests = requests
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(IDLE_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._small_frames = 0
        self._memory = owner.memory
        self._reserved = 0
        self._waiting = False
        self._muted: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._pending: Pending | None = None
        self._reading_paused = False
        self._write_paused = False
        self._closing = False
        self._out: deque[Chunk] = deque()
        self._out_bytes = 0
        self._sends_files = False
        self._sender: FileSender | None = None
        self.admitted = False
        self.client_host = ""
        self.client_port = -1
        self.connection_id = str(index)
        self.listener_name = owner.name
        self.principal = ANONYMOUS
        self.max_request_bytes = owner.max_request_bytes
        self.made_at = self.last_active = self._loop.time()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        local = transport.get_extra_info("sockname") or ("", -1)
        remote = transport.get_extra_info("peername") or ("", -1)
        self.client_host, self.client_port = str(remote[0]), int(remote[1])
        self.connection_id = f"{local[0]}:{local[1]}-{remote[0]}:{remote[1]}-{self.connection_id}"
        transport.set_write_buffer_limits(high=SEND_CHUNK_BYTES)
        if not self._owner.admit(self):
            self._closing = True
            transport.abort()
            return
        self.admitted = True
        self._owner.set_socket_options(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._out.clear()
        if self._sender is not None:
            self._sender.close()
        if self._pending is not None:
            self._pending.abandon()
        if self._muted is not None:
            self._muted.cancel()
        self._memory.forget(self._room_again)
        self._give_back(0)
        if self.admitted:
            self._owner.forget(self)
        log.debug("Connection with %s (channelId=%s) disconnected", self.client_host, self.connection_id)

    def eof_received(self) -> bool:
        return False

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        self.last_active = self._loop.time()
        if self.is_busy or self._held:
            self._read_on()
        else:
            self._work()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._flush()
        if not self.is_busy:
            self._work()

    # for the listener and the handlers

    @property
    def is_busy(self) -> bool:
        """A request is being worked on, or the peer does not take what was answered."""
        return self._waiting or self._write_paused or bool(self._out) or self._muted is not None

    @property
    def is_working(self) -> bool:
        """A request is being worked on, or the peer has to wait for its quota: it may be silent."""
        return self._waiting or self._muted is not None

    def has_sent_more(self) -> bool:
        """The peer has taken some of what waits to be sent since this was asked last."""
        if self._transport is None or not (self._write_paused or self._out):
            return False
        before = self._unsent
        self._unsent = self._transport.get_write_buffer_size() + sum(map(len, self._out))
        return before != self._unsent

    def mute(self, seconds: float) -> None:
        """Look at no request for so long; what is answered already goes out."""
        if self._muted is not None:
            self._muted.cancel()
        self._muted = self._loop.call_later(seconds, self._unmute)

    def release(self) -> None:
        """Answer what came meanwhile: the broker has started to process requests."""
        if self._held and not self._closing:
            self._held = False
            self._work()

    def close(self) -> None:
        """Close after what is queued with the transport has been sent; read no more."""
        if not self._closing:
            self._flush()
            self._closing = True
            assert self._transport is not None
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def _unmute(self) -> None:
        self._muted = None
        self.last_active = self._loop.time()
        if not (self._closing or self._held or self.is_busy):
            self._work()

    # frames

    def _work(self) -> None:
        """Answer the complete frames in the buffer until one has to wait, then send what was answered."""
        try:
            while not (self._waiting or self._closing or self._write_paused or self._muted is not None):
                frame = self._next_frame()
                if frame is None:
                    break
                result = self.requests.handle(self, frame)
                if result is None:
                    continue
                if not isinstance(result, list):
                    self._waiting = True
                    self._pending = result
                    result.future.add_done_callback(self._answered)
                    break
                self._queue(result)
                if self._out_bytes >= FLUSH_BYTES:
                    self._flush()
        except CloseConnection as error:
            self._refuse(error)
        self._flush()
        if not self._closing:
            self._read_on()

    def _next_frame(self) -> memoryview | None:
        """The next whole frame, without its length; None when it is not all here yet."""
        start = self._start
        available = self._end - start
        if available < 4:
            return None
        (size,) = _INT32.unpack_from(self._buffer, start)
        if size < 0 or size > self.max_request_bytes:
            limit = f"larger than {self.max_request_bytes}" if size > 0 else "negative"
            raise CloseConnection(f"Invalid receive (size = {size} {limit})")
        if available - 4 < size:
            return None
        if size >= BUSY_BUFFER_BYTES:
            self._small_frames = 0
        self._start = start = start + 4
        self._start += size
        return self._view[start : start + size]

    def _answered(self, future: asyncio.Future[object]) -> None:
        """A request that had to wait is done: send its response, then go on with the frames that came
        meanwhile.
        """
        pending, self._pending = self._pending, None
        self._waiting = False
        assert pending is not None
        self.last_active = self._loop.time()
        try:
            response = pending.response()
        except CloseConnection as error:
            if not self._closing:
                self._refuse(error)
            return
        if self._closing:
            return
        if response is not None:
            self._queue(response)
        self._work()

    def _refuse(self, error: CloseConnection) -> None:
        log.error("Closing socket for %s because of error: %s", self.connection_id, error)
        self.close()

    # the receive buffer

    def _read_on(self) -> None:
        """Make room for more; while a request is being worked on there is only what is left of the buffer."""
        if not (self.is_busy or self._held):
            self._make_room()
        elif self._end == len(self._buffer):
            self._pause_reading()

    def _make_room(self) -> None:
        """No request holds views: make the next frame fit behind what is left, and read on."""
        left = self._end - self._start
        size = len(self._buffer)
        needed = 4
        if left >= 4:
            needed += int(_INT32.unpack_from(self._buffer, self._start)[0])
        if size > BUSY_BUFFER_BYTES:
            self._small_frames = 0 if needed > BUSY_BUFFER_BYTES else self._small_frames + 1
        if self._small_frames >= SMALL_FRAMES_BEFORE_SHRINK and left < BUSY_BUFFER_BYTES:
            self._replace_buffer(BUSY_BUFFER_BYTES)
            self._give_back(BUSY_BUFFER_BYTES)
        elif self._end == size and size < max(needed, BUSY_BUFFER_BYTES):
            if not self._reserve(max(needed, BUSY_BUFFER_BYTES)):
                self._pause_reading()
                return
            self._replace_buffer(min(max(needed, BUSY_BUFFER_BYTES), 2 * size))
        elif left == 0:
            self._start = self._end = 0
        elif self._start and (self._start + needed > size or self._end == size):
            self._view[:left] = self._view[self._start : self._end]
            self._start, self._end = 0, left
        self._resume_reading()

    def _replace_buffer(self, size: int) -> None:
        """A new buffer, never a resized one: whoever still holds a view of the old one keeps valid bytes."""
        left = self._end - self._start
        buffer = bytearray(size)
        buffer[:left] = self._view[self._start : self._end]
        self._buffer = buffer
        self._view = memoryview(buffer)
        self._start, self._end = 0, left
        self._small_frames = 0

    def _reserve(self, size: int) -> bool:
        """Have room for a buffer of that size counted, all at once: two half requests that both wait for
        room would wait for each other.
        """
        more = size - IDLE_BUFFER_BYTES - self._reserved
        if more > 0:
            if not self._memory.take(more, self._room_again):
                return False
            self._reserved += more
        return True

    def _give_back(self, size: int) -> None:
        """Count only a buffer of that size from now on."""
        keep = max(size - IDLE_BUFFER_BYTES, 0)
        if self._reserved > keep:
            free, self._reserved = self._reserved - keep, keep
            self._memory.give_back(free)

    def _room_again(self) -> None:
        if not self._closing:
            self._read_on()

    def shrink_if_idle(self) -> None:
        """Give a large buffer back; called by the listener for connections that have been quiet for a
        while.
        """
        if len(self._buffer) > IDLE_BUFFER_BYTES and self._start == self._end and not self.is_busy:
            self._replace_buffer(IDLE_BUFFER_BYTES)
            self._give_back(IDLE_BUFFER_BYTES)

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            assert self._transport is not None
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and not self._closing:
            self._reading_paused = False
            assert self._transport is not None
            self._transport.resume_reading()

    # sending

    def _queue(self, response: Sequence[Chunk]) -> None:
        for chunk in response:
            size = len(chunk)
            if size:
                self._out.append(chunk)
                self._out_bytes += size
                if size >= LEAST_BYTES and isinstance(chunk, FileRegion) and chunk.file.fileno() >= 0:
                    self._sends_files = True

    def _flush(self) -> None:
        """Hand queued chunks to the transport while it takes them."""
        out = self._out
        transport = self._transport
        assert transport is not None
        while out and not self._write_paused:
            if self._closing:
                out.clear()
                break
            if self._sends_files and self._send_past_transport():
                return
            if not isinstance(out[0], FileRegion):
                transport.write(self._gather_bytes())
                continue
            data = self._read_region(out[0])
            if data is None:
                return
            transport.write(data)
        if not out:
            self._out_bytes = 0

    def _send_past_transport(self) -> bool:
        """Send what is queued by sendfile; False when it has to go through the transport."""
        self._sends_files = False
        transport = self._transport
        assert transport is not None
        if transport.get_write_buffer_size():
            return False
        if self._sender is None:
            self._sender = FileSender.of(transport, self.resume_writing, self._send_failed)
            if self._sender is None:
                return False
        try:
            self._write_paused = not self._sender.send(self._out)
        except (OSError, RegionEnded) as error:
            self._send_failed(error)
        if not self._out:
            self._out_bytes = 0
        return True

    def _send_failed(self, error: Exception) -> None:
        """Half of the answer may have been sent, so nothing can follow it."""
        if isinstance(error, RegionEnded):
            log.error("Closing socket for %s: %s", self.connection_id, error)
        else:
            log.debug("Closing socket for %s: %s", self.connection_id, error)
        self._out.clear()
        self.abort()

    def _gather_bytes(self) -> bytes | bytearray | memoryview:
        """The chunks up to the next file region, as one write."""
        out = self._out
        first = out.popleft()
        if not out or isinstance(out[0], FileRegion):
            return first  # type: ignore[return-value]
        parts = [first]
        while out and not isinstance(out[0], FileRegion):
            parts.append(out.popleft())
        return b"".join(parts)  # type: ignore[arg-type]

    def _read_region(self, region: FileRegion) -> bytes | None:
        """The next piece of the region at the head of the queue; None when the disk fails or the file has
        become shorter than promised: half of the answer may have been sent, so nothing can follow it.
        """
        reason = "are gone"
        try:
            data = region.file.pread(min(region.size, SEND_CHUNK_BYTES), region.position)
        except OSError as error:
            data, reason = b"", f"cannot be read: {error.strerror}"
        if not data:
            log.error(
                "Closing socket for %s: %d bytes at position %d of a segment %s",
                self.connection_id,
                region.size,
                region.position,
                reason,
            )
            self._out.clear()
            self.abort()
            return None
        if len(data) == region.size:
            self._out.popleft()
        else:
            left = region.size - len(data)
            self._out[0] = FileRegion(region.file, region.position + len(data), left)
        return data
