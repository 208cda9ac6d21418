# SPDX-License-Identifier: Apache-2.0
"""What the machine itself can do: servers that do the least that any broker must, as processes of their own.

echo    answers every byte with itself and parses nothing (uvloop, as the broker has)
sink    receives frames, takes their CRC-32C, appends them to a file and acknowledges
source  answers every frame with the next piece of a file, by pread and send
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import cast

import crc32c
import uvloop
from tests.real_zookeeper import free_port

_INT32 = struct.Struct(">i")
ACK = _INT32.pack(46) + bytes(46)
"""As large as a Produce answer for one partition."""
PIECE_BYTES = 1 << 20
_FRAME_MOST = 4 << 20


class Echo(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(256 * 1024))
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        assert self._transport is not None
        self._transport.write(bytes(self._buffer[:nbytes]))


async def serve_echo(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


def _accept(port: int) -> list[socket.socket]:
    listener = socket.create_server(("127.0.0.1", port))
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return [listener, connection]


def _receive(connection: socket.socket, view: memoryview) -> bool:
    at = 0
    while at < len(view):
        got = connection.recv_into(view[at:])
        if not got:
            return False
        at += got
    return True


def _frame(connection: socket.socket, buffer: memoryview) -> memoryview | None:
    if not _receive(connection, buffer[:4]):
        return None
    (size,) = _INT32.unpack_from(buffer)
    frame = buffer[4 : 4 + size]
    return frame if _receive(connection, frame) else None


def serve_sink(port: int, path: str) -> None:
    buffer = memoryview(bytearray(_FRAME_MOST))
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        listener, connection = _accept(port)
        listener.close()
        while (frame := _frame(connection, buffer)) is not None:
            crc32c.crc32c(frame)
            os.write(target, frame)
            connection.sendall(ACK)
        connection.close()


def serve_source(port: int, path: str) -> None:
    buffer = memoryview(bytearray(_FRAME_MOST))
    source = os.open(path, os.O_RDONLY)
    size = os.fstat(source).st_size
    while True:
        listener, connection = _accept(port)
        listener.close()
        at = 0
        while _frame(connection, buffer) is not None:
            data = os.pread(source, PIECE_BYTES, at)
            at = (at + len(data)) % size
            connection.sendall(_INT32.pack(len(data)))
            connection.sendall(data)
        connection.close()


class FloorProcess:
    """One of the servers above, until closed."""

    def __init__(self, kind: str, path: Path | None = None) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "bench.floor", kind, str(self.port), str(path or "")]
        self._process = subprocess.Popen(command)
        self.pids = [self._process.pid]

    def connect(self) -> socket.socket:
        """A connection, once the server listens."""
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port))
            except ConnectionRefusedError:
                if self._process.poll() is not None:
                    raise

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    kind, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if kind == "echo":
        uvloop.run(serve_echo(port))
    elif kind == "sink":
        serve_sink(port, path)
    else:
        serve_source(port, path)


if __name__ == "__main__":
    main()
