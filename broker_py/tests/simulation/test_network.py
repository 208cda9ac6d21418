# SPDX-License-Identifier: Apache-2.0
"""The simulated network: both kinds of protocol, backpressure, cuts, deaths, and one seed, one world."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from typing import Any

import pytest

from tests.simulation.loop import SimulatedLoop, simulate
from tests.simulation.network import Host


class Recorder(asyncio.Protocol):
    """Writes down what happens to it."""

    def __init__(self, *, echo: bool = False) -> None:
        self.echo = echo
        self.transport: Any = None
        self.data = b""
        self.events: list[str] = []
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.echo:
            self.transport.write(data)

    def eof_received(self) -> None:
        self.events.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(f"lost {type(exc).__name__}" if exc else "lost")
        self.ended.set_result(None)

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


class SmallBuffer(asyncio.BufferedProtocol):
    """A reader with ten bytes of room."""

    def __init__(self) -> None:
        self.buffer = bytearray(10)
        self.data = b""

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]


class World:
    """Two hosts; b listens on 9092."""

    def __init__(self, loop: SimulatedLoop, **options: Any) -> None:
        self.loop = loop
        self.a = loop.network.add_host("a")
        self.b = loop.network.add_host("b")
        self.accepted: list[Any] = []
        self._options = options

    async def listen(self, factory: Any = None) -> None:
        def accept() -> Any:
            self.accepted.append((factory or (lambda: Recorder(**self._options)))())
            return self.accepted[-1]

        await self.b.spawn(self.loop.create_server(accept, "b", 9092))

    async def connect(self, factory: Any = Recorder, source: Host | None = None) -> Any:
        _, protocol = await (source or self.a).spawn(self.loop.create_connection(factory, "b", 9092))
        return protocol


async def sleep_until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 - virtual time costs nothing, and conditions are of any kind
        await asyncio.sleep(0.01)


def test_bytes_arrive_in_order_and_whole() -> None:
    payload = bytes(range(256)) * 2000

    async def main(loop: SimulatedLoop) -> None:
        world = World(loop, echo=True)
        await world.listen()
        client = await world.connect()
        buffer = bytearray(payload[:1000])
        client.transport.write(memoryview(buffer))
        buffer[:] = bytes(1000)  # a writer may reuse its buffer at once
        client.transport.writelines([payload[1000:5000], bytearray(payload[5000:])])
        await sleep_until(lambda: len(client.data) >= len(payload))
        assert client.data == payload
        assert world.accepted[0].data == payload
        assert client.transport.get_extra_info("peername") == ("10.0.0.3", 9092)
        assert world.accepted[0].transport.get_extra_info("peername")[0] == "10.0.0.2"
        assert client.transport.get_extra_info("socket") is None

    simulate(main)


def test_a_buffered_protocol_gets_what_fits() -> None:
    async def main(loop: SimulatedLoop) -> bytes:
        world = World(loop)
        await world.listen(SmallBuffer)
        client = await world.connect()
        client.transport.write(b"more than ten bytes at once")
        await sleep_until(lambda: world.accepted and len(world.accepted[0].data) == 27)
        found: bytes = world.accepted[0].data
        return found

    assert simulate(main) == b"more than ten bytes at once"


def test_streams_work_too() -> None:
    async def main(loop: SimulatedLoop) -> bytes:
        host = loop.network.add_host("s")

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.read()).upper())
            writer.close()

        server = await host.spawn(asyncio.start_server(serve, "s", 0))
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("s", port)
        writer.write(b"hello")
        writer.write_eof()
        return await reader.read()

    assert simulate(main) == b"HELLO"


def test_nobody_listens_and_a_port_in_use() -> None:
    async def main(loop: SimulatedLoop) -> None:
        world = World(loop)
        with pytest.raises(ConnectionRefusedError):
            await world.connect()
        await world.listen()
        with pytest.raises(OSError, match="bind") as caught:
            await world.listen()
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError, match="bind") as caught:
            await world.a.spawn(loop.create_server(Recorder, "b", 9093))
        assert caught.value.errno == errno.EADDRNOTAVAIL
        with pytest.raises(OSError, match="not known"):
            await loop.create_connection(Recorder, "nowhere", 1)

    simulate(main)


def test_a_closed_server_accepts_no_more_and_keeps_what_it_has() -> None:
    async def main(loop: SimulatedLoop) -> None:
        world = World(loop, echo=True)
        server = await world.b.spawn(loop.create_server(lambda: Recorder(echo=True), "b", 9092))
        client = await world.connect()
        server.close()
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await world.connect()
        client.transport.write(b"x")
        await sleep_until(lambda: client.data == b"x")

    simulate(main)


class TestEndings:
    def test_close_sends_what_was_written_first(self) -> None:
        async def main(loop: SimulatedLoop) -> None:
            world = World(loop)
            await world.listen()
            client = await world.connect()
            client.transport.write(bytes(500_000))
            client.transport.close()
            client.transport.write(b"too late")
            await client.ended
            assert len(world.accepted[0].data) >= 500_000 - 64 * 1024, "it ends when the rest fits the window"
            await sleep_until(lambda: "lost" in world.accepted[0].events)
            assert len(world.accepted[0].data) == 500_000
            assert world.accepted[0].events == ["made", "eof", "lost"]
            assert client.events[-1] == "lost"

        simulate(main)

    def test_abort_resets_the_other_side(self) -> None:
        async def main(loop: SimulatedLoop) -> None:
            world = World(loop)
            await world.listen()
            client = await world.connect()
            client.transport.abort()
            await client.ended
            await world.accepted[0].ended
            assert client.events == ["made", "lost"]
            assert world.accepted[0].events == ["made", "lost ConnectionResetError"]

        simulate(main)

    def test_a_protocol_that_raises_loses_its_connection_alone(self) -> None:
        async def main(loop: SimulatedLoop) -> None:
            reported: list[dict[str, Any]] = []
            loop.set_exception_handler(lambda _, context: reported.append(context))

            class Broken(Recorder):
                def data_received(self, data: bytes) -> None:
                    raise ValueError("broken")

            world = World(loop)
            await world.listen(Broken)
            client, other = await world.connect(), await world.connect()
            client.transport.write(b"x")
            await client.ended
            assert client.events == ["made", "lost ConnectionResetError"]
            assert [type(each["exception"]) for each in reported] == [ValueError]
            assert other.events == ["made"]

        simulate(main)

    def test_data_for_a_closed_socket_come_back_as_a_reset(self) -> None:
        async def main(loop: SimulatedLoop) -> None:
            class KeepsOpen(Recorder):
                def eof_received(self) -> bool:  # type: ignore[override]
                    return True

            world = World(loop)
            await world.listen()
            client = await world.connect(KeepsOpen)
            world.accepted[0].transport.close()
            await asyncio.sleep(1)
            client.transport.write(b"x")
            await client.ended
            assert client.events[-1] == "lost ConnectionResetError"

        simulate(main)


def test_a_reader_that_pauses_stops_the_writer() -> None:
    async def main(loop: SimulatedLoop) -> None:
        world = World(loop)
        await world.listen()
        client = await world.connect()
        server = world.accepted[0]
        server.transport.pause_reading()
        client.transport.set_write_buffer_limits(high=1000, low=10)
        client.transport.write(bytes(64 * 1024))
        assert client.transport.get_write_buffer_size() == 0
        client.transport.write(bytes(2000))
        assert client.transport.get_write_buffer_size() == 2000
        assert client.events == ["made", "pause"]
        await asyncio.sleep(100)
        assert server.data == b""
        server.transport.resume_reading()
        await asyncio.sleep(1)
        assert len(server.data) == 64 * 1024 + 2000
        assert client.events == ["made", "pause", "resume"]

    simulate(main)


class TestCuts:
    def test_nothing_passes_a_cut_until_it_heals(self) -> None:
        async def main(loop: SimulatedLoop) -> None:
            world = World(loop, echo=True)
            await world.listen()
            client = await world.connect()
            loop.network.cut(world.a, world.b)
            client.transport.write(b"waits")
            await asyncio.sleep(60)
            assert world.accepted[0].data == b""
            loop.network.heal(world.a, world.b)
            await sleep_until(lambda: client.data == b"waits")

        simulate(main)

    def test_one_way(self) -> None:
        async def main(loop: SimulatedLoop) -> None:
            world = World(loop, echo=True)
            await world.listen()
            client = await world.connect()
            loop.network.cut(world.b, world.a, one_way=True)
            client.transport.write(b"x")
            await asyncio.sleep(60)
            assert (world.accepted[0].data, client.data) == (b"x", b"")
            loop.network.heal()
            await sleep_until(lambda: client.data == b"x")

        simulate(main)

    def test_connecting_through_a_cut_takes_until_the_timeout(self) -> None:
        async def main(loop: SimulatedLoop) -> None:
            world = World(loop)
            await world.listen()
            loop.network.isolate(world.b)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(30):
                    await world.connect()
            patient = asyncio.ensure_future(world.connect())
            await asyncio.sleep(30)
            loop.network.heal(world.b)
            assert (await patient).events == ["made"]

        simulate(main)

    def test_a_third_host_is_not_concerned(self) -> None:
        async def main(loop: SimulatedLoop) -> None:
            world = World(loop, echo=True)
            await world.listen()
            loop.network.cut(world.a, world.b)
            client = await world.connect(source=loop.network.add_host("c"))
            client.transport.write(b"x")
            await sleep_until(lambda: client.data == b"x")

        simulate(main)


class TestDeaths:
    def test_a_killed_process_leaves_closed_sockets_behind(self) -> None:
        endings = set()

        async def main(loop: SimulatedLoop) -> str:
            world = World(loop)
            await world.listen()
            client = await world.connect()
            world.accepted[0].transport.write(b"last words")
            world.b.kill()
            await client.ended
            assert client.data == b"last words"
            assert world.accepted[0].events == ["made"], "the dead see nothing"
            with pytest.raises(ConnectionRefusedError):
                await world.connect()
            world.b.boot()
            await world.listen()
            assert (await world.connect()).events == ["made"]
            return str(client.events[-1])

        for seed in range(8):
            endings.add(simulate(main, seed))
        assert endings == {"lost", "lost ConnectionResetError"}

    def test_a_lost_machine_is_silent_until_it_is_back(self) -> None:
        async def main(loop: SimulatedLoop) -> None:
            world = World(loop)
            await world.listen()
            client = await world.connect()
            world.b.power_off()
            client.transport.write(b"x")
            await asyncio.sleep(100)
            assert client.events == ["made"]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await world.connect()
            world.b.boot()
            await asyncio.sleep(1)
            client.transport.write(b"y")
            await client.ended
            assert client.events == ["made", "lost ConnectionResetError"]

        simulate(main)


def test_one_seed_is_one_world_and_another_seed_another() -> None:
    async def main(loop: SimulatedLoop) -> str:
        trace = hashlib.sha256()

        class Traced(Recorder):
            def data_received(self, data: bytes) -> None:
                trace.update(f"{loop.time():.9f} {len(data)}\n".encode())
                super().data_received(data)

        world = World(loop)
        await world.listen(lambda: Traced(echo=True))
        clients = [await world.connect(Traced) for _ in range(5)]
        for number in range(200):
            clients[number % 5].transport.write(bytes(loop.rng.randrange(1, 5000)))
            await asyncio.sleep(loop.rng.random() / 1000)
        await asyncio.sleep(10)
        return trace.hexdigest()

    assert simulate(main, 7) == simulate(main, 7)
    assert len({simulate(main, seed) for seed in range(4)}) == 4
