# SPDX-License-Identifier: Apache-2.0
"""Clients that do nothing but move bytes: blocking sockets, frames made beforehand, answers checked.

Every run ends by asking the broker for the partition's end, and fails unless all records are there.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench import frames
from bench.peers import DEADLINE_S, TANSU, Peer
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.client import BrokerConnection
from commitlog.wire.frames import decode_response
from commitlog.wire.messages.fetch_response import FetchResponse
from commitlog.wire.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from commitlog.wire.messages.produce_response import ProduceResponse

_INT32 = struct.Struct(">i")
_SCRATCH = memoryview(bytearray(64 << 20))
LATEST = -1


class BenchError(Exception):
    """A broker answered with an error, or lost what it acknowledged."""


def connect(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address, timeout=DEADLINE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def receive(connection: socket.socket, view: memoryview) -> memoryview:
    """Fill the view."""
    at = 0
    while at < len(view):
        got = connection.recv_into(view[at:])
        if not got:
            raise BenchError("the broker closed the connection")
        at += got
    return view


def answer(connection: socket.socket) -> memoryview:
    """The next answer, without its size; valid until the next is read."""
    (size,) = _INT32.unpack(receive(connection, _SCRATCH[:4]))
    return receive(connection, _SCRATCH[4 : 4 + size])


def check_produced(payload: memoryview) -> int:
    """The base offset; BenchError for an error."""
    _, response = decode_response(ApiKey.PRODUCE, frames.PRODUCE_VERSION, payload)
    assert isinstance(response, ProduceResponse)
    partition = response.responses[0].partition_responses[0]
    if partition.error_code:
        raise BenchError(f"Produce failed with error {partition.error_code}")
    return partition.base_offset


def produce(
    address: tuple[str, int], frame: bytearray, count: int, window: int, check: Callable[[memoryview], object]
) -> float:
    """Send the frame `count` times with at most `window` unanswered; seconds."""
    with connect(address) as connection:
        started = time.perf_counter()
        for sent in range(count):
            connection.sendall(frame)
            if sent >= window - 1:
                check(answer(connection))
        for _ in range(min(window - 1, count)):
            check(answer(connection))
        return time.perf_counter() - started


def pipeline(address: tuple[str, int], frame: bytearray, count: int, burst: int) -> float:
    """Small frames in bursts that go out in one write; the last answer of each burst is checked."""
    block = bytes(frame) * burst
    with connect(address) as connection:
        started = time.perf_counter()
        for _ in range(count // burst):
            connection.sendall(block)
            for _ in range(burst):
                last = answer(connection)
            check_produced(last)
        return time.perf_counter() - started


def one_in_flight(connection: socket.socket, frame: bytearray, count: int) -> list[float]:
    """Seconds of each request."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        connection.sendall(frame)
        answer(connection)
        taken.append(time.perf_counter() - started)
    return taken


def echoes(connection: socket.socket, frame: bytearray, count: int) -> list[float]:
    """The same against an echo, which gives back what it gets."""
    taken = []
    view = _SCRATCH[: len(frame)]
    for _ in range(count):
        started = time.perf_counter()
        connection.sendall(frame)
        receive(connection, view)
        taken.append(time.perf_counter() - started)
    return taken


@dataclass
class _Client:
    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)


def many(address: tuple[str, int], frame: bytearray, count: int, active: int, idle: int, echo: bool) -> float:
    """`count` requests over `active` connections with one in flight each, beside `idle` ones; seconds."""
    with ExitStack() as stack:
        for _ in range(idle):
            stack.enter_context(connect(address))
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(active):
            client = _Client(stack.enter_context(connect(address)))
            selector.register(client.connection, selectors.EVENT_READ, client)
        sent = done = 0
        started = time.perf_counter()
        for key in list(selector.get_map().values()):
            key.fileobj.sendall(frame)  # type: ignore[union-attr]
            sent += 1
        while done < count:
            for key, _ in selector.select(DEADLINE_S):
                client = key.data
                client.received += client.connection.recv(65536)
                size = len(frame) if echo else _frame_size(client.received)
                if len(client.received) < size:
                    continue
                client.received.clear()
                done += 1
                if sent < count:
                    client.connection.sendall(frame)
                    sent += 1
        return time.perf_counter() - started


def _frame_size(received: bytearray) -> int:
    return 4 + int(_INT32.unpack_from(received)[0]) if len(received) >= 4 else 4


def fetch_all(
    address: tuple[str, int], topic: str, end: int, batch_bytes: int, batch_records: int, max_bytes: int
) -> tuple[float, int]:
    """Read a log of equal batches from its start to `end`; (seconds, bytes)."""
    offset = size = 0
    with connect(address) as connection:
        started = time.perf_counter()
        while offset < end:
            connection.sendall(frames.fetch(topic, offset, max_bytes, 500))
            got = fetched_bytes(answer(connection))
            offset += got // batch_bytes * batch_records
            size += got // batch_bytes * batch_bytes
        return time.perf_counter() - started, size


def fetched_bytes(payload: memoryview) -> int:
    """Bytes of records in a Fetch answer; BenchError for an error."""
    _, response = decode_response(ApiKey.FETCH, frames.FETCH_VERSION, payload)
    assert isinstance(response, FetchResponse)
    if response.error_code or response.responses[0].partitions[0].error_code:
        raise BenchError(f"Fetch failed: {response.error_code or response.responses[0].partitions[0]}")
    return len(response.responses[0].partitions[0].records or b"")


async def _end_offset(address: tuple[str, int], topic: str) -> int:
    connection = await BrokerConnection.open(*address, "bench")
    try:
        request = ListOffsetsRequest(
            replica_id=-1,
            topics=[
                ListOffsetsTopic(
                    name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=LATEST)]
                )
            ],
        )
        found = await connection.send(request, frames.LIST_OFFSETS_VERSION)
        return found.topics[0].partitions[0].offset
    finally:
        connection.close()


def end_offset(peer: Peer, topic: str) -> int:
    """Where partition 0 ends for consumers."""
    return asyncio.run(_end_offset(peer.addresses[0], topic))


def must_hold(peer: Peer, topic: str, records: int) -> None:
    """All acknowledged records are there. Not asked of Tansu: its latest offset is the last batch's first."""
    if peer.name == TANSU:
        return
    deadline = time.monotonic() + 10
    while (end := end_offset(peer, topic)) != records:
        if time.monotonic() > deadline:
            raise BenchError(f"{peer.name}: {topic} ends at {end}, {records} records were acknowledged")
        time.sleep(0.05)
