# SPDX-License-Identifier: Apache-2.0
"""Frames in, responses out, over real loopback sockets on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import random
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from commitlog.server import connection as connection_module
from commitlog.server.connection import BUSY_BUFFER_BYTES, IDLE_BUFFER_BYTES, CloseConnection, Connection
from commitlog.server.connection_quotas import ConnectionLimits, ConnectionQuotas
from commitlog.server.listener import SocketListener
from commitlog.storage.disk import LocalDisk
from commitlog.wire.regions import FileRegion, ReadableFile

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def runner(main: Coroutine[Any, Any, None]) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as made:
            made.run(asyncio.wait_for(main, 30))

    return runner


class Answer:
    """A pending request: ``give`` ends it."""

    def __init__(self) -> None:
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.abandoned = False

    def give(self, response: Any) -> None:
        self.future.set_result(response)

    def response(self) -> Any:
        return self.future.result()

    def abandon(self) -> None:
        self.abandoned = True


@dataclass
class Script:
    """Echoes every frame, unless told otherwise by its first word."""

    seen: list[bytes] = field(default_factory=list)
    views: list[memoryview] = field(default_factory=list)
    pending: list[Answer] = field(default_factory=list)
    regions: dict[bytes, list[Any]] = field(default_factory=dict)

    def handle(self, connection: Connection, frame: memoryview) -> Any:
        data = bytes(frame)
        self.seen.append(data)
        if data in self.regions:
            return list(self.regions[data])
        if data.startswith(b"wait"):
            self.views.append(frame)
            self.pending.append(Answer())
            return self.pending[-1]
        if data == b"silent":
            return None
        if data == b"garbage":
            raise CloseConnection("no such api")
        return [struct.pack(">i", len(data)), data]


class MemoryFile:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.read = 0

    def pread(self, size: int, position: int) -> bytes:
        piece = self.data[position : position + size]
        self.read += len(piece)
        return piece

    def fileno(self) -> int:
        return -1


def frame(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


async def reply(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - it looks into objects that set no event
        await asyncio.sleep(0)


class Server:
    """A listener on a free port, and connections to it."""

    def __init__(self, script: Script, **limits: int) -> None:
        values = {"max_connections": 100, "max_connections_per_ip": 100, **limits}
        self.quotas = ConnectionQuotas(
            ConnectionLimits(**values),  # type: ignore[arg-type]
            lambda: int(asyncio.get_running_loop().time() * 1000),
        )
        self.listener = SocketListener("PLAINTEXT", "127.0.0.1", 0, script, self.quotas)

    async def __aenter__(self) -> Server:
        await self.listener.bind()
        self.listener.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.listener.stop()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.listener.port, limit=1 << 24)

    async def connection(self) -> Connection:
        await until(lambda: list(self.listener.connections()))
        return next(self.listener.connections())


def test_several_frames_in_one_receive_are_answered_in_order(run: Run) -> None:
    async def main() -> None:
        async with Server(Script()) as server:
            reader, writer = await server.connect()
            writer.write(b"".join(frame(b"%d" % number) for number in range(100)))
            assert [await reply(reader) for _ in range(100)] == [b"%d" % number for number in range(100)]

    run(main())


def test_a_frame_may_come_byte_by_byte(run: Run) -> None:
    async def main() -> None:
        async with Server(Script()) as server:
            reader, writer = await server.connect()
            for byte in frame(b"slowly"):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            assert await reply(reader) == b"slowly"

    run(main())


def test_random_frames_in_random_pieces_are_echoed(run: Run) -> None:
    rng = random.Random(7)
    frames = [rng.randbytes(rng.choice([0, 1, 9, 500, 20_000, 300_000, 700_000])) for _ in range(60)]
    frames += [b"x" * rng.randrange(50) for _ in range(3_000)]

    async def main() -> None:
        async with Server(Script()) as server:
            reader, writer = await server.connect()

            async def send() -> None:
                stream = b"".join(map(frame, frames))
                while stream:
                    size = rng.choice([1, 3, 1_000, 65_536, 400_000])
                    writer.write(stream[:size])
                    await writer.drain()
                    stream = stream[size:]

            sending = asyncio.create_task(send())
            for expected in frames:
                assert await reply(reader) == expected
            await sending

    run(main())


def test_the_buffer_grows_to_a_large_frame_and_is_given_back(run: Run) -> None:
    async def main() -> None:
        async with Server(Script()) as server:
            reader, writer = await server.connect()
            connection = await server.connection()
            assert len(connection._buffer) == IDLE_BUFFER_BYTES
            writer.write(frame(b"a" * 3_000_000))
            assert len(await reply(reader)) == 3_000_000
            assert 3_000_000 <= len(connection._buffer) <= 3_000_004
            for _ in range(connection_module.SMALL_FRAMES_BEFORE_SHRINK):
                writer.write(frame(b"small"))
                await reply(reader)
            assert len(connection._buffer) == BUSY_BUFFER_BYTES
            connection.shrink_if_idle()
            assert len(connection._buffer) == IDLE_BUFFER_BYTES

    run(main())


def test_a_promised_size_alone_makes_nothing_grow(run: Run) -> None:
    async def main() -> None:
        async with Server(Script()) as server:
            _, writer = await server.connect()
            connection = await server.connection()
            writer.write(struct.pack(">i", 90_000_000) + b"only this")
            await until(lambda: connection._end)
            assert len(connection._buffer) == IDLE_BUFFER_BYTES

    run(main())


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", struct.pack(">i", -5), frame(b"garbage")])
def test_garbage_closes_that_connection_alone_with_one_line(
    run: Run, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with Server(Script()) as server:
            reader, writer = await server.connect()
            bad_reader, bad_writer = await server.connect()
            bad_writer.write(garbage)
            assert await bad_reader.read() == b""
            writer.write(frame(b"still here"))
            assert await reply(reader) == b"still here"

    with caplog.at_level(logging.INFO, "commitlog.server.connection"):
        run(main())
    assert len(caplog.records) == 1
    assert "Closing socket for 127.0.0.1:" in caplog.text


def test_answers_before_garbage_are_still_sent(run: Run) -> None:
    async def main() -> None:
        async with Server(Script()) as server:
            reader, writer = await server.connect()
            writer.write(frame(b"fine") + frame(b"garbage") + frame(b"never"))
            assert await reader.read() == frame(b"fine")

    run(main())


def test_one_request_at_a_time_and_none_is_lost(run: Run) -> None:
    script = Script()

    async def main() -> None:
        async with Server(script) as server:
            reader, writer = await server.connect()
            writer.write(
                frame(b"first") + frame(b"wait") + frame(b"third") + frame(b"silent") + frame(b"5th")
            )
            assert await reply(reader) == b"first"
            await until(lambda: script.pending)
            assert script.seen == [b"first", b"wait"]
            script.pending[0].give([frame(b"second")])
            assert [await reply(reader) for _ in range(3)] == [b"second", b"third", b"5th"]

    run(main())


def test_bytes_of_a_waiting_request_stay_while_more_arrive(run: Run) -> None:
    script = Script()
    body = b"wait" + bytes(range(256)) * 20
    more = [b"%06d" % number * 40 for number in range(300)]

    async def main() -> None:
        async with Server(script) as server:
            reader, writer = await server.connect()
            connection = await server.connection()
            writer.write(frame(body) + b"".join(map(frame, more)))
            await until(lambda: connection._reading_paused)
            assert script.views[0] == body
            assert len(connection._buffer) == IDLE_BUFFER_BYTES
            script.pending[0].give([frame(b"done")])
            assert await reply(reader) == b"done"
            assert [await reply(reader) for _ in more] == more

    run(main())


def test_a_waiting_request_of_a_client_that_went_away_is_abandoned(run: Run) -> None:
    script = Script()

    async def main() -> None:
        async with Server(script) as server:
            _, writer = await server.connect()
            writer.write(frame(b"wait") + frame(b"never looked at"))
            await until(lambda: script.pending)
            writer.close()
            await until(lambda: script.pending[0].abandoned)
            script.pending[0].give([frame(b"nobody reads this")])
            await asyncio.sleep(0)
            assert script.seen == [b"wait"]

    run(main())


def memory_file(data: bytes, directory: Path) -> ReadableFile:
    return MemoryFile(data)


def real_file(data: bytes, directory: Path) -> ReadableFile:
    path = directory / "00000000000000000000.log"
    path.write_bytes(data)
    return LocalDisk().open(str(path))


@pytest.mark.parametrize("make", [memory_file, real_file])
def test_file_regions_are_sent_byte_for_byte(
    run: Run, tmp_path: Path, make: Callable[[bytes, Path], ReadableFile]
) -> None:
    data = random.Random(1).randbytes(3_000_000)
    file = make(data, tmp_path)
    script = Script()
    large = [struct.pack(">i", 2_900_000 + 8), b"head", FileRegion(file, 50_000, 2_900_000), b"tail"]
    script.regions[b"large"] = large
    small = [struct.pack(">i", 1_000 + 70_000), FileRegion(file, 7, 1_000), FileRegion(file, 9, 70_000)]
    script.regions[b"small"] = small

    async def main() -> None:
        async with Server(script) as server:
            reader, writer = await server.connect()
            for _ in range(3):
                # The second large region meets bytes that the transport still holds, or an empty transport.
                writer.write(frame(b"large") + frame(b"next") + frame(b"small") + frame(b"large"))
                assert await reply(reader) == b"head" + data[50_000:2_950_000] + b"tail"
                assert await reply(reader) == b"next"
                assert await reply(reader) == data[7:1_007] + data[9:70_009]
                assert await reply(reader) == b"head" + data[50_000:2_950_000] + b"tail"

    run(main())


@pytest.mark.parametrize("make", [memory_file, real_file])
def test_a_client_that_does_not_read_is_not_read_from(
    run: Run, tmp_path: Path, make: Callable[[bytes, Path], ReadableFile]
) -> None:
    """Files are read, and further requests looked at, no faster than the client takes the answers."""
    file = make(bytes(64_000_000), tmp_path)
    script = Script()
    script.regions[b"fetch"] = [struct.pack(">i", 64_000_000), FileRegion(file, 0, 64_000_000)]

    async def main() -> None:
        async with Server(script) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.listener.port)
            writer.write(frame(b"fetch") * 50)
            connection = await server.connection()
            await until(lambda: connection._write_paused)
            # Whatever the sockets hold: far less than one answer, and the second request has not begun.
            if isinstance(file, MemoryFile):
                assert file.read < 32_000_000
            assert len(script.seen) == 1
            for _ in range(2):
                assert len(await reply(reader)) == 64_000_000
            assert 2 <= len(script.seen) <= 3

    run(main())


def test_a_client_that_goes_away_within_a_file_leaves_nothing_open(run: Run, tmp_path: Path) -> None:
    script = Script()
    file = real_file(bytes(64_000_000), tmp_path)
    script.regions[b"fetch"] = [struct.pack(">i", 64_000_000), FileRegion(file, 0, 64_000_000)]

    async def main() -> None:
        async with Server(script) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.listener.port)
            descriptors = len(os.listdir("/proc/self/fd"))
            writer.write(frame(b"fetch"))
            connection = await server.connection()
            await until(lambda: connection._write_paused)
            assert len(os.listdir("/proc/self/fd")) == descriptors + 1
            writer.transport.abort()
            await until(lambda: not list(server.listener.connections()))
            # Both ends of the connection, and what the file was sent through.
            await until(lambda: len(os.listdir("/proc/self/fd")) == descriptors - 2)

    run(main())


def test_a_file_that_became_shorter_while_it_was_sent_closes_the_connection(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script()
    file = real_file(bytes(100_000), tmp_path)
    script.regions[b"fetch"] = [struct.pack(">i", 200_000), FileRegion(file, 0, 200_000)]

    async def main() -> None:
        async with Server(script) as server:
            reader, writer = await server.connect()
            writer.write(frame(b"fetch"))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await reply(reader)

    run(main())
    assert "are gone" in caplog.text


class FailingFile(MemoryFile):
    """A disk that has seen its best days."""

    def pread(self, size: int, position: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("file", "reason"),
    [(MemoryFile(b"short"), "are gone"), (FailingFile(b""), "cannot be read: Input/output error")],
)
def test_a_region_that_cannot_be_read_to_its_end_closes_the_connection(
    run: Run, caplog: pytest.LogCaptureFixture, file: MemoryFile, reason: str
) -> None:
    script = Script()
    script.regions[b"fetch"] = [struct.pack(">i", 1_000), FileRegion(file, 0, 1_000)]

    async def main() -> None:
        async with Server(script) as server:
            reader, writer = await server.connect()
            writer.write(frame(b"fetch"))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await reply(reader)

    run(main())
    assert reason in caplog.text
    assert "Fatal error" not in caplog.text


def test_requests_wait_until_the_listener_is_started(run: Run) -> None:
    async def main() -> None:
        script = Script()
        server = Server(script)
        await server.listener.bind()
        reader, writer = await server.connect()
        writer.write(frame(b"early") * 2_000)
        connection = await server.connection()
        await until(lambda: connection._end)
        assert not script.seen
        server.listener.start()
        assert [await reply(reader) for _ in range(2_000)] == [b"early"] * 2_000
        await server.listener.stop()

    run(main())


def test_a_connection_half_made_when_the_listener_starts_is_served(run: Run) -> None:
    """The event loop makes the protocol first and calls connection_made in a later turn."""

    async def main() -> None:
        server = Server(Script())
        await server.listener.bind()
        half_made = server.listener._new_connection()
        server.listener.start()
        near, far = socket.socketpair()
        await asyncio.get_running_loop().connect_accepted_socket(lambda: half_made, near)
        reader, writer = await asyncio.open_connection(sock=far)
        writer.write(frame(b"hello"))
        assert await reply(reader) == b"hello"
        writer.close()
        await server.listener.stop()

    run(main())


def test_limits_per_address_and_in_total(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main(**limits: int) -> None:
        async with Server(Script(), **limits) as server:
            reader, writer = await server.connect()
            writer.write(frame(b"in"))
            assert await reply(reader) == b"in"
            refused, _ = await server.connect()
            with contextlib.suppress(ConnectionResetError):
                assert await refused.read() == b""
            writer.close()
            await until(lambda: not list(server.listener.connections()))
            reader, writer = await server.connect()
            writer.write(frame(b"in again"))
            assert await reply(reader) == b"in again"

    with caplog.at_level(logging.INFO, "commitlog.server.listener"):
        run(main(max_connections_per_ip=1))
        run(main(max_connections=1))
    assert "already has the configured maximum of 1 connections" in caplog.text
    assert "the broker already has its maximum of 1 connections" in caplog.text


def test_idle_connections_are_closed_but_not_those_that_wait_for_an_answer(run: Run) -> None:
    script = Script()

    async def main() -> None:
        async with Server(script, connections_max_idle_ms=100) as server:
            reader, writer = await server.connect()
            writer.write(frame(b"wait"))
            await until(lambda: script.pending)
            idle, _ = await server.connect()
            assert await idle.read() == b""
            script.pending[0].give([frame(b"worth the wait")])
            assert await reply(reader) == b"worth the wait"
            assert await reader.read() == b""

    run(main())


def test_a_port_in_use_is_an_error_at_bind(run: Run) -> None:
    async def main() -> None:
        async with Server(Script()) as server:
            second = SocketListener("PLAINTEXT", "127.0.0.1", server.listener.port, Script(), server.quotas)
            with pytest.raises(OSError, match="address already in use"):
                await second.bind()

    run(main())


def test_a_buffer_that_large_frames_need_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when each frame comes with one receive, so that nothing large is ever left over."""
    replaced: list[int] = []
    replace = Connection._replace_buffer

    def counted(self: Connection, size: int) -> None:
        replaced.append(size)
        replace(self, size)

    monkeypatch.setattr(Connection, "_replace_buffer", counted)

    async def main() -> None:
        async with Server(Script()) as server:
            reader, writer = await server.connect()
            for _ in range(3 * connection_module.SMALL_FRAMES_BEFORE_SHRINK):
                writer.write(frame(bytes(300_000)))
                await reply(reader)
            assert replaced[-1] == 300_004
            assert replaced.count(300_004) == 1

    run(main())
