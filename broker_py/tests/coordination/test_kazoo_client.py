# SPDX-License-Identifier: Apache-2.0
"""What only the real client does: say clearly that ZooKeeper cannot be reached, and leave the loop alone
meanwhile."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
from kazoo.handlers.threading import SequentialThreadingHandler

from commitlog.coordination.client import (
    ClientClosed,
    ConnectionLoss,
    CoordinationTimeout,
    NoNode,
    retry_until_connected,
)
from commitlog.coordination.kazoo_client import KazooCoordination
from commitlog.coordination.kazoo_connection import InlineHandler
from commitlog.coordination.kazoo_multi_read import MultiRead
from commitlog.coordination.kazoo_words import split_connect_string, unresolvable_hosts
from tests.coordination.conftest import ZooKeeperWorld
from tests.real_zookeeper import ZooKeeperProcess, free_port


async def test_nobody_listens() -> None:
    port = free_port()
    client = KazooCoordination(f"127.0.0.1:{port}/chroot", connection_timeout_ms=300)
    with pytest.raises(CoordinationTimeout) as caught:
        await client.start()
    assert str(caught.value) == f"cannot reach ZooKeeper at 127.0.0.1:{port} within 300 ms"
    with pytest.raises(ClientClosed):
        await client.get("/a")


async def test_an_unknown_host_is_named() -> None:
    client = KazooCoordination("cafka1.invalid:2181", connection_timeout_ms=300)
    with pytest.raises(CoordinationTimeout, match=r"unknown host cafka1\.invalid"):
        await client.start()


@pytest.mark.zookeeper
async def test_a_request_that_kazoo_forgets_does_not_hang(
    zookeeper_process: ZooKeeperProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kazoo replaces its queues when a session expires; what is queued at that moment is never answered by
    it."""
    world = ZooKeeperWorld(zookeeper_process)
    client = await world.client()
    monkeypatch.setattr(client._client, "get_async", lambda *_, **__: client._client.handler.async_result())
    forgotten = asyncio.create_task(client.get("/a"))
    await client.exists("/a")
    await world.cut(client)
    with pytest.raises(ConnectionLoss):
        await forgotten
    await world.heal(client)
    await world.close()


@pytest.mark.zookeeper
async def test_a_server_that_cannot_read_many_is_asked_one_by_one(
    zookeeper_process: ZooKeeperProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZooKeeper before 3.6 answers as every ZooKeeper does to an operation that there is not."""
    world = ZooKeeperWorld(zookeeper_process)
    client = await world.client()
    await client.create("/a", b"1")
    monkeypatch.setattr(MultiRead, "type", 99)
    with pytest.raises(ConnectionLoss):
        await client.get_all(["/a", "/b"])
    (data, _), missing = await retry_until_connected(client, lambda: client.get_all(["/a", "/b"]))
    assert data == b"1"
    assert isinstance(missing, NoNode)
    await world.close()


def test_connection_strings() -> None:
    assert split_connect_string("h1:2181,h2:2181/kafka/a") == ("h1:2181,h2:2181", "/kafka/a")
    assert split_connect_string("h1:2181/") == ("h1:2181", "")
    assert split_connect_string("h1:2181") == ("h1:2181", "")
    assert unresolvable_hosts("127.0.0.1:2181,cafka1.invalid:2181,[::1]:2181/x") == ["cafka1.invalid"]


def test_a_lost_host_takes_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first one that is tried takes it all, and a broker cannot start while one of three is lost."""
    given: list[float] = []
    monkeypatch.setattr(
        SequentialThreadingHandler, "create_connection", lambda *_, timeout, **__: given.append(timeout)
    )
    client = KazooCoordination("h1:2181,h2:2181,h3:2181/chroot", session_timeout_ms=18_000)
    client._handler.create_connection(("192.0.2.1", 2181), timeout=client._client._session_timeout / 1000)
    assert given == [6.0]


def test_sockets_of_any_number_are_waited_for() -> None:
    """A broker has thousands of files open before it connects again."""
    near, far = socket.socketpair()
    high = os.dup2(near.fileno(), 1500)
    with near, far, socket.socket(fileno=high) as many:
        handler = InlineHandler(None)
        assert handler.select([many], [], [], 0.001) == ([], [], [])
        assert handler.select([], [many], [], 0.001) == ([], [many], [])
        far.send(b"x")
        assert handler.select([near, many], [], [], None) == ([near, many], [], [])
        many.recv(1)
        far.close()
        assert handler.select([many], [], [], 0.001) == ([many], [], [])
