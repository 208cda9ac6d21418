# SPDX-License-Identifier: Apache-2.0
"""Production code behind the simulated doors: it does not know in which world it is."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from commitlog.coordination.client import EventType, SessionState, WatchEvent
from commitlog.coordination.memory import MemoryEnsemble
from commitlog.wire.client import BrokerConnection
from commitlog.wire.frames import decode_request, decode_request_header, encode_response
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.heartbeat_response import HeartbeatResponse
from tests.simulation.disk import SimulatedDisk
from tests.simulation.loop import SimulatedLoop, simulate
from tests.simulation.network import LIFE


async def answer_heartbeats(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A broker that knows Heartbeat v1 only, and gives the generation back as the throttle time."""
    while True:
        try:
            size = int.from_bytes(await reader.readexactly(4), "big")
            frame = memoryview(await reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        header = decode_request_header(frame)
        request = decode_request(header, frame)
        assert isinstance(request, HeartbeatRequest)
        answer = HeartbeatResponse(throttle_time_ms=request.generation_id)
        writer.writelines(encode_response(answer, 1, header.correlation_id))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_the_client_over_a_line_that_is_cut(seed: int) -> None:
    async def main(loop: SimulatedLoop) -> None:
        a, b = loop.network.add_host("a"), loop.network.add_host("b")
        await b.spawn(asyncio.start_server(answer_heartbeats, "b", 9092))
        connection = await a.spawn(BrokerConnection.open("b", 9092, "test"))

        async def ask(number: int, **options: Any) -> int:
            response = await connection.send(HeartbeatRequest(generation_id=number), 1, **options)
            return response.throttle_time_ms

        assert await asyncio.gather(*(ask(number) for number in range(20))) == list(range(20))
        loop.network.cut(a, b)
        loop.call_later(10, loop.network.heal)
        assert await ask(20) == 20
        loop.network.cut(a, b)
        before = loop.time()
        with pytest.raises(TimeoutError):
            await ask(21)
        assert loop.time() - before == pytest.approx(30)
        loop.network.heal()
        b.power_off()
        with pytest.raises(TimeoutError):
            await a.spawn(BrokerConnection.open("b", 9092, "test", connect_timeout_ms=500))

    simulate(main, seed)


def test_a_watch_runs_as_code_of_who_left_it_even_when_the_writer_dies() -> None:
    async def main(loop: SimulatedLoop) -> None:
        ensemble = MemoryEnsemble(now_ms=loop.now_ms, delay=lambda *_: 0.5)
        a, b = loop.network.add_host("a"), loop.network.add_host("b")
        of_a, of_b = (host.run(ensemble.client, host.name) for host in (a, b))
        await asyncio.gather(a.spawn(of_a.start()), b.spawn(of_b.start()))
        seen: list[tuple[WatchEvent, object]] = []
        watch = lambda event: seen.append((event, LIFE.get()))  # noqa: E731
        assert await a.spawn(of_a.exists("/x", watch=watch)) is None
        creation = b.spawn(of_b.create("/x", b""))
        await asyncio.sleep(0.6)  # the request has arrived, the event is on its way
        b.power_off()
        ensemble.detach(of_b.session_id, 6000)
        await asyncio.sleep(1)
        assert seen == [(WatchEvent(EventType.CREATED, "/x"), a.life)]
        assert not creation.done()

    simulate(main)


def test_the_session_of_a_dead_broker_ends_by_its_timeout() -> None:
    async def main(loop: SimulatedLoop) -> None:
        ensemble = MemoryEnsemble(now_ms=loop.now_ms)
        a, b = loop.network.add_host("a"), loop.network.add_host("b")
        of_a, of_b = (host.run(ensemble.client, host.name, session_timeout_ms=6000) for host in (a, b))
        await asyncio.gather(a.spawn(of_a.start()), b.spawn(of_b.start()))
        await b.spawn(of_b.create("/b", b"", ephemeral=True))
        states: list[SessionState] = []
        of_b.add_session_listener(states.append)
        b.kill()
        ensemble.detach(of_b.session_id, 6000)  # not disconnect(), which would tell the dead
        await asyncio.sleep(5.9)
        assert await a.spawn(of_a.exists("/b")) is not None
        await asyncio.sleep(0.2)
        assert await a.spawn(of_a.exists("/b")) is None
        assert states == []

    simulate(main)


def test_work_for_the_disk_dies_with_its_host() -> None:
    async def main(loop: SimulatedLoop) -> int:
        host = loop.network.add_host("a")
        disk = SimulatedDisk(random.Random(loop.seed), now_ms=loop.now_ms)
        file = disk.open("/log", create=True)

        async def append_and_sync() -> None:
            while True:
                file.append(b"x")
                await asyncio.get_running_loop().run_in_executor(None, file.fsync)

        host.spawn(append_and_sync())
        await asyncio.sleep(1)
        host.power_off()
        synced = file.size() - disk.unsynced_bytes
        disk.power_off()
        await asyncio.sleep(1)
        assert synced <= len(disk.read_bytes("/log")) <= synced + 1
        return synced

    assert simulate(main, 3) == simulate(main, 3) > 100
