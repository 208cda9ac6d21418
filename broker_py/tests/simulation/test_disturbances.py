# SPDX-License-Identifier: Apache-2.0
"""What a schedule does to hosts and lines short of death: processes that stand still, resets, slow hosts."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulation.cluster import Cluster
from tests.simulation.loop import SimulatedLoop, simulate
from tests.simulation.network import Latency
from tests.simulation.test_network import Recorder

STEADY = Latency(0.001, 0.001, 0.001, 0)


def test_a_paused_process_does_nothing_and_then_catches_up() -> None:
    async def main(loop: SimulatedLoop) -> None:
        host = loop.network.add_host("a")
        ticks: list[int] = []

        async def tick() -> None:
            while True:
                await asyncio.sleep(1)
                ticks.append(round(loop.time() - start))

        start = loop.time()
        host.spawn(tick())
        timers: list[str] = []
        host.run(loop.call_later, 3, timers.append, "kept")
        host.run(loop.call_later, 3, timers.append, "cancelled").cancel()
        await asyncio.sleep(2.5)
        host.pause()
        host.run(loop.call_soon, timers.append, "asked for meanwhile")
        host.run(loop.call_later, 1, timers.append, "later")
        await asyncio.sleep(10)
        assert ticks == [1, 2]
        assert timers == []
        host.resume()
        await asyncio.sleep(1.6)
        assert ticks == [1, 2, 12, 14]
        assert timers == ["asked for meanwhile", "kept", "later"]

    simulate(main)


def test_the_kernel_of_a_paused_process_accepts_connections_and_data() -> None:
    async def main(loop: SimulatedLoop) -> None:
        a, b = loop.network.add_host("a"), loop.network.add_host("b")
        served: list[Recorder] = []

        def serve() -> Recorder:
            served.append(Recorder(echo=True))
            return served[-1]

        await b.spawn(loop.create_server(serve, "b", 9092))
        b.pause()
        transport, client = await a.spawn(loop.create_connection(Recorder, "b", 9092))
        transport.write(b"hello")
        await asyncio.sleep(5)
        assert served == []
        assert client.data == b""
        b.resume()
        await asyncio.sleep(0.1)
        assert served[0].data == client.data == b"hello"

    simulate(main)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_process_can_be_killed_after_any_step(steps: int) -> None:
    async def main(loop: SimulatedLoop) -> None:
        host = loop.network.add_host("a")
        taken: list[int] = []

        async def work() -> None:
            for number in range(10):
                taken.append(number)
                await asyncio.sleep(0)

        host.life.end_after(steps, host.kill)
        host.spawn(work())
        await asyncio.sleep(1)
        assert taken == list(range(steps))
        assert not host.alive

    simulate(main)


@pytest.mark.parametrize("changes", [1, 2, 3, 4])
def test_a_process_can_be_killed_between_two_changes_of_its_disk(changes: int) -> None:
    async def main(loop: SimulatedLoop) -> None:
        cluster = Cluster(loop, 1)
        broker = cluster.brokers[0]
        broker.host.boot()
        done: list[str] = []

        def end() -> bool:
            broker.kill()
            return True

        async def work() -> None:
            file = broker.disk.open("/data/a", create=True)
            for name, change in (
                ("write", lambda: file.append(b"x")),
                ("sync", file.fsync),
                ("rename", lambda: broker.disk.rename("/data/a", "/data/b")),
            ):
                change()
                done.append(name)

        broker.end_within(changes, end)
        broker.host.spawn(work())
        await asyncio.sleep(1)
        assert done == ["write", "sync", "rename"][: changes - 1]
        assert broker.running == (changes == 4)
        assert broker.disk.exists("/data/b") == (changes == 4)
        assert not cluster.crashes.found

    simulate(main)


def test_a_clock_jumps_and_timers_do_not() -> None:
    async def main(loop: SimulatedLoop) -> None:
        broker = Cluster(loop, 1).brokers[0]
        before, start = broker.now_ms(), loop.time()
        broker.move_clock(-900_000)
        await asyncio.sleep(1)
        assert broker.now_ms() - before == 1_000 - 900_000
        assert loop.time() - start == pytest.approx(1)

    simulate(main)


def test_death_ends_a_pause() -> None:
    async def main(loop: SimulatedLoop) -> None:
        host = loop.network.add_host("a")
        seen: list[str] = []
        host.run(loop.call_later, 1, seen.append, "never")
        host.pause()
        host.kill()
        host.boot()
        host.resume()
        host.run(loop.call_later, 1, seen.append, "new life")
        await asyncio.sleep(5)
        assert seen == ["new life"]

    simulate(main)


@pytest.mark.parametrize("seed", range(4))
def test_a_reset_ends_the_connections_between_two_hosts_and_no_others(seed: int) -> None:
    async def main(loop: SimulatedLoop) -> None:
        a, b, c = (loop.network.add_host(name) for name in "abc")
        await b.spawn(loop.create_server(Recorder, "b", 9092))
        await c.spawn(loop.create_server(Recorder, "c", 9092))
        to_b, one = await a.spawn(loop.create_connection(Recorder, "b", 9092))
        _, other = await a.spawn(loop.create_connection(Recorder, "c", 9092))
        to_b.write(b"lost")
        loop.network.break_connections(b, a)
        await asyncio.sleep(1)
        assert one.events == ["made", "lost ConnectionResetError"]
        assert other.events == ["made"]
        assert not b.life.transports

    simulate(main, seed)


def test_a_slow_host_is_slow_in_both_directions() -> None:
    async def main(loop: SimulatedLoop) -> None:
        a, b = loop.network.add_host("a"), loop.network.add_host("b")
        await b.spawn(loop.create_server(lambda: Recorder(echo=True), "b", 9092))
        transport, client = await a.spawn(loop.create_connection(Recorder, "b", 9092))
        loop.network.slow_down(b, 100)
        transport.write(b"x")
        await asyncio.sleep(0.19)
        assert client.data == b""
        await asyncio.sleep(0.02)
        assert client.data == b"x"
        loop.network.slow_down(b, 1)
        transport.write(b"y")
        await asyncio.sleep(0.003)
        assert client.data == b"xy"

    simulate(main, latency=STEADY)
