# SPDX-License-Identifier: Apache-2.0
"""What only the ensemble in memory can do: delays, unavailability, sessions that time out, all without a
clock on the wall."""

from __future__ import annotations

import asyncio

import pytest

from commitlog.coordination.client import (
    ConnectionLoss,
    CoordinationTimeout,
    Create,
    EventType,
    SessionState,
    WatchEvent,
)
from commitlog.coordination.memory import MemoryEnsemble
from tests.coordination.conftest import Recorder


async def test_delayed_answers_keep_their_order() -> None:
    delays = iter([0.02, 0.0, 0.01, 0.0, 0.0, 0.03, 0.0, 0.0])
    ensemble = MemoryEnsemble(delay=lambda _client, _direction: next(delays))
    client = ensemble.client()
    await client.start()
    done: list[int] = []

    async def create(number: int) -> None:
        await client.create(f"/n{number}")
        done.append(number)

    await asyncio.gather(*(create(number) for number in range(4)))
    assert done == [0, 1, 2, 3]


async def test_a_request_under_way_when_the_line_breaks_is_in_doubt() -> None:
    """The write may have been done: the answer was lost, or it never was: the request was."""
    for direction, done in (("answer", True), ("request", False)):
        ensemble = MemoryEnsemble()
        client, other = ensemble.client(), ensemble.client("other")
        await client.start()
        await other.start()
        slow = direction
        ensemble.delay = lambda name, way, slow=slow: 3600.0 if (name, way) == ("client", slow) else 0.0
        creating = asyncio.create_task(client.create("/a"))
        await asyncio.sleep(0)
        await other.exists("/")
        client.disconnect()
        with pytest.raises(ConnectionLoss):
            await creating
        assert (await other.exists("/a") is not None) == done


async def test_an_event_under_way_when_the_line_breaks_is_told_after_the_reconnection() -> None:
    ensemble = MemoryEnsemble()
    client, other = ensemble.client(), ensemble.client("other")
    await client.start()
    await other.start()
    await client.create("/w")
    watch = Recorder()
    await client.get("/w", watch)
    ensemble.delay = lambda name, way: 0.005 if (name, way) == ("client", "answer") else 0.0
    await other.set("/w", b"1")
    client.disconnect()
    await asyncio.sleep(0.01)  # past the moment at which the event would have come
    assert watch.seen == []
    client.reconnect()
    assert await watch.first() == WatchEvent(EventType.CHANGED, "/w")


async def test_a_session_times_out_while_its_client_is_cut_off() -> None:
    ensemble = MemoryEnsemble()
    client = ensemble.client(session_timeout_ms=5)
    states = Recorder()
    client.add_session_listener(states)
    await client.start()
    await client.create("/e", b"", ephemeral=True)
    client.disconnect()
    while ensemble.tree.stat("/e") is not None:  # noqa: ASYNC110 - the ensemble tells nobody
        await asyncio.sleep(0.001)
    assert ensemble.sessions() == []
    client.reconnect()
    assert states.seen == [
        SessionState.CONNECTED,
        SessionState.SUSPENDED,
        SessionState.EXPIRED,
        SessionState.CONNECTED,
    ]
    assert ensemble.sessions() == [client.session_id]


async def test_a_connection_that_breaks_twice_starts_one_clock() -> None:
    ensemble = MemoryEnsemble()
    client = ensemble.client(session_timeout_ms=5)
    await client.start()
    session = client.session_id
    ensemble.detach(session, 5)  # the server noticed first, then the client
    client.disconnect()
    client.reconnect()
    await asyncio.sleep(0.02)
    assert ensemble.sessions() == [session]


async def test_an_ensemble_that_is_not_there_is_reported() -> None:
    ensemble = MemoryEnsemble()
    ensemble.available = False
    client = ensemble.client(session_timeout_ms=1)
    with pytest.raises(CoordinationTimeout, match="cannot reach ZooKeeper at memory within 1 ms"):
        await client.start()


async def test_a_failed_transaction_takes_a_zxid_as_in_zookeeper() -> None:
    ensemble = MemoryEnsemble()
    client = ensemble.client()
    await client.start()
    before = ensemble.tree.zxid
    with pytest.raises(Exception, match="NoNode"):
        await client.multi([Create("/a"), Create("/none/b")])
    assert ensemble.tree.zxid == before + 1
    assert ensemble.tree.paths() == ["/"]
