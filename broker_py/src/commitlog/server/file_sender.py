# SPDX-License-Identifier: Apache-2.0
"""Large pieces of segments go from the page cache to the socket without passing through Python (sendfile, as
Kafka's FileRecords.writeTo).

A transport cannot do that, so the bytes go past it, through a duplicate of its descriptor, and only while it
holds nothing of its own that would have to go first. What the socket does not take waits here for the socket;
the connection treats that time as the transport's own backpressure.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from commitlog.wire.regions import FileRegion

LEAST_BYTES = 32 * 1024
"""Below this a read and a write with the bytes around it cost less than calls of their own."""
_MORE = getattr(socket, "MSG_MORE", 0)


class RegionEnded(Exception):
    """The file has become shorter than what was promised of it, or cannot be read; the text says which."""


class FileSender:
    """Sends a connection's queue of chunks. ``on_sent`` is called when a queue that had to wait is through,
    ``on_error`` when it cannot be sent."""

    def __init__(
        self, descriptor: int, on_sent: Callable[[], None], on_error: Callable[[Exception], None]
    ) -> None:
        # Kept apart from the transport's: the loop lets nobody else watch the transport's own descriptor.
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._on_sent = on_sent
        self._on_error = on_error
        self._queue: deque[Any] = deque()
        self.waiting = False

    @classmethod
    def of(
        cls,
        transport: asyncio.Transport,
        on_sent: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> FileSender | None:
        """None where bytes must pass through the transport: TLS, and simulated networks."""
        sock = transport.get_extra_info("socket")
        if sock is None or transport.get_extra_info("sslcontext") is not None:
            return None
        return cls(sock.fileno(), on_sent, on_error)

    def send(self, queue: deque[Any]) -> bool:
        """Send chunks from the queue until it is empty (True) or the socket takes no more (False: the rest
        goes as soon as it does). Raises OSError of the socket, and RegionEnded."""
        try:
            while queue:
                if isinstance(queue[0], FileRegion):
                    self._send_region(queue)
                else:
                    self._send_bytes(queue)
        except BlockingIOError:
            self._queue = queue
            if not self.waiting:
                self.waiting = True
                self._loop.add_writer(self._socket, self._go_on)
            return False
        return True

    def _send_bytes(self, queue: deque[Any]) -> None:
        chunk = queue[0]
        sent = self._socket.send(chunk, _MORE if len(queue) > 1 else 0)
        if sent == len(chunk):
            queue.popleft()
        else:
            queue[0] = memoryview(chunk)[sent:]

    def _send_region(self, queue: deque[Any]) -> None:
        region = queue[0]
        source = region.file.fileno()
        sent = os.sendfile(self._socket.fileno(), source, region.position, region.size)
        if sent == 0:
            raise RegionEnded(f"{region.size} bytes at position {region.position} of a segment are gone")
        if sent == region.size:
            queue.popleft()
        else:
            queue[0] = FileRegion(region.file, region.position + sent, region.size - sent)

    def _go_on(self) -> None:
        try:
            if not self.send(self._queue):
                return
        except (OSError, RegionEnded) as error:
            self._stop_waiting()
            self._on_error(error)
            return
        self._stop_waiting()
        self._on_sent()

    def _stop_waiting(self) -> None:
        if self.waiting:
            self.waiting = False
            self._loop.remove_writer(self._socket)

    def close(self) -> None:
        """Let go of the descriptor; what waits is not sent."""
        self._stop_waiting()
        self._socket.close()
