# SPDX-License-Identifier: Apache-2.0
"""The channel keeps order, repeats until answered, and gives up only with the broker."""

from __future__ import annotations

import asyncio
from typing import Any

from commitlog.controller.channel import BrokerLink, ControllerChannel
from commitlog.controller.context import Broker
from commitlog.coordination.documents import Endpoint
from tests.groups.virtual_loop import in_virtual_time


class Peer:
    def __init__(self) -> None:
        self.received: list[Any] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self.up = True
        self.closed = 0
        self.broken: Exception = ConnectionError("down")

    async def connect(self, broker_id: int, endpoint: Endpoint) -> BrokerLink:
        if not self.up:
            raise self.broken
        self.connections += 1
        return self

    async def send(self, msg: Any, version: int | None = None) -> Any:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0.01)
        self.in_flight -= 1
        if not self.up:
            raise self.broken
        self.received.append((msg, version))
        return f"answer to {msg}"

    def close(self) -> None:
        self.closed += 1


BROKER = Broker(2, 10, (Endpoint("PLAINTEXT", "b2", 9092, "PLAINTEXT"),))


def channel_to(peer: Peer) -> ControllerChannel:
    channel = ControllerChannel(1, "PLAINTEXT", peer.connect)
    channel.add_broker(BROKER)
    return channel


@in_virtual_time
async def test_in_order_one_at_a_time_over_one_connection() -> None:
    peer = Peer()
    channel = channel_to(peer)
    answers: list[tuple[int, Any]] = []
    for number in range(5):
        channel.send(2, number, 7, lambda broker, answer: answers.append((broker, answer)))
    await asyncio.sleep(1)
    assert peer.received == [(number, 7) for number in range(5)]
    assert answers == [(2, f"answer to {number}") for number in range(5)]
    assert (peer.most_in_flight, peer.connections) == (1, 1)
    await channel.stop()


@in_virtual_time
async def test_repeated_every_100_ms_until_the_broker_is_there() -> None:
    for broken in (ConnectionError("down"), TimeoutError(), RuntimeError("a bug of ours")):
        peer = Peer()
        peer.broken = broken
        peer.up = False
        channel = channel_to(peer)
        channel.send(2, "first", 1)
        channel.send(2, "second", 1)
        await asyncio.sleep(5)
        assert peer.received == []
        assert channel.queue_sizes == {2: 1}
        peer.up = True
        await asyncio.sleep(0.2)
        assert [message for message, _ in peer.received] == ["first", "second"]
        await channel.stop()


@in_virtual_time
async def test_a_connection_that_broke_is_replaced() -> None:
    peer = Peer()
    channel = channel_to(peer)
    channel.send(2, "first", 1)
    await asyncio.sleep(0.1)
    peer.up = False
    channel.send(2, "second", 1)
    await asyncio.sleep(1)
    peer.up = True
    await asyncio.sleep(1)
    assert [message for message, _ in peer.received] == ["first", "second"]
    assert (peer.connections, peer.closed) == (2, 1)
    await channel.stop()


@in_virtual_time
async def test_a_removed_broker_gets_nothing_more() -> None:
    peer = Peer()
    peer.up = False
    channel = channel_to(peer)
    channel.send(2, "lost", 1)
    await asyncio.sleep(1)
    channel.remove_broker(2)
    peer.up = True
    channel.send(2, "to nobody", 1)
    await asyncio.sleep(1)
    assert peer.received == []
    channel.add_broker(BROKER)
    channel.send(2, "to the returned one", 1)
    await asyncio.sleep(1)
    assert [message for message, _ in peer.received] == ["to the returned one"]
    await channel.stop()


@in_virtual_time
async def test_a_broker_without_the_listener_is_left_out() -> None:
    channel = ControllerChannel(1, "INTERNAL", Peer().connect)
    channel.add_broker(BROKER)
    channel.send(2, "nowhere to go", 1)
    assert channel.queue_sizes == {}
    await channel.stop()
