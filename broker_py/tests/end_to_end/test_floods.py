# SPDX-License-Identifier: Apache-2.0
"""Peers that mean harm, before and after they are let in: the broker's memory stays within a bound, and
others are served meanwhile. Everything is bounded in number and time, and on loopback."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import BrokerProcess, Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess, free_port

client = CLIENTS["confluent-kafka"]()

PEERS = 300
MAX_FRAME = 1 << 20
QUEUED = 4 << 20
SETTINGS = {
    "max.connections.per.ip": "400",
    "socket.request.max.bytes": str(MAX_FRAME),
    "queued.max.request.bytes": str(QUEUED),
    "connections.max.idle.ms": "6000",
    "auto.create.topics.enable": "true",
}
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("floods"), zookeeper, 1, SETTINGS) as running:
        client.produce(running.bootstrap, "served", ["before"])
        yield running


def resident_bytes(broker: BrokerProcess) -> int:
    for line in Path(f"/proc/{broker.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


@contextlib.contextmanager
def peers(
    broker: BrokerProcess, count: int, receive_buffer: int | None = None
) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            one = stack.enter_context(socket.socket())
            if receive_buffer is not None:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            one.settimeout(30)
            one.connect(("127.0.0.1", broker.port))
            sockets.append(one)
        yield sockets


def is_closed(one: socket.socket) -> bool:
    """Whether the broker has closed the connection; what it has sent is thrown away."""
    one.settimeout(0)
    try:
        return not one.recv(1 << 16)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_silent_connections_cost_little_and_are_closed(cluster: Cluster) -> None:
    (broker,) = cluster.brokers
    before = resident_bytes(broker)
    with peers(broker, PEERS) as idle:
        client.produce(cluster.bootstrap, "served", ["while they are silent"])
        assert resident_bytes(broker) - before < PEERS * 40 * 1024 + (8 << 20)
        wait_until(lambda: all(map(is_closed, idle)), "silent connections to be closed")


def test_half_requests_take_no_more_than_the_bound(cluster: Cluster) -> None:
    (broker,) = cluster.brokers
    before = resident_bytes(broker)
    # Each announces 1 MB and sends half of it: 150 MB, if all were read.
    half = struct.pack(">i", MAX_FRAME) + struct.pack(">hhih", 0, 9, 1, -1) + bytes(MAX_FRAME // 2)
    with peers(broker, PEERS) as all_of_them:
        for one in all_of_them:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.send(half)
        client.produce(cluster.bootstrap, "served", ["while they are half"])
        assert resident_bytes(broker) - before < QUEUED + PEERS * 40 * 1024 + (16 << 20)
        wait_until(lambda: all(map(is_closed, all_of_them)), "half requests to be given up")
    # The room is free again: a large request is read.
    with peers(broker, 1) as (one,):
        large = struct.pack(">hhih", 18, 0, 7, MAX_FRAME // 64) + b"c" * (MAX_FRAME // 64)
        one.sendall(struct.pack(">i", len(large)) + large)
        assert struct.unpack(">ii", one.recv(8))[1] == 7


def test_readers_that_do_not_read_are_not_written_to_without_end(cluster: Cluster) -> None:
    (broker,) = cluster.brokers
    before = resident_bytes(broker)
    with peers(broker, 50, receive_buffer=4096) as deaf:
        for one in deaf:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                # 2000 answers of 500 bytes each, none of which is read.
                one.send(API_VERSIONS * 2000)
        client.produce(cluster.bootstrap, "served", ["while they are deaf"])
        # Per connection: what the transport and one round of answers hold.
        assert resident_bytes(broker) - before < 50 * (1 << 20)


def test_more_connections_than_an_address_may_have_are_refused(cluster: Cluster) -> None:
    (broker,) = cluster.brokers

    def surplus_is_refused() -> bool:
        # On a slow machine the first may have been idle for too long before the last come: then anew.
        with peers(broker, 450) as many:
            wait_until(lambda: sum(map(is_closed, many)) >= 50, "the surplus to be closed")
            some_are_served = sum(map(is_closed, many)) < 450
        return some_are_served and "already has the configured maximum of 400" in broker.output

    wait_until(surplus_is_refused, "the reason in the log")
    client.produce(cluster.bootstrap, "served", ["afterwards"])


def test_who_authenticates_in_drops_is_closed(cluster: Cluster, tmp_path: Path) -> None:
    port = free_port()
    jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_a="a";'
    guarded = BrokerProcess(
        tmp_path,
        5,
        cluster.connect_string,
        {
            "listeners": f"PLAINTEXT://127.0.0.1:{free_port()},SASL_PLAINTEXT://127.0.0.1:{port}",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": jaas,
            "connections.max.idle.ms": "3000",
        },
    )
    guarded.start()
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as one:
            sent = 0

            def dropped() -> bool:
                nonlocal sent
                with contextlib.suppress(BlockingIOError):
                    try:
                        one.send(b"\0" if sent < 2 else b"\1")
                        sent += 1
                    except ConnectionError:
                        return True
                return is_closed(one)

            wait_until(dropped, "the connection to be closed", 20)
            assert sent > 10
    finally:
        guarded.kill()
