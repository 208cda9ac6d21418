# SPDX-License-Identifier: Apache-2.0
"""More than a broker can take: it becomes slower, or refuses; its memory stays under a bound, and what it
acknowledged is there.

Bounds are of what comes on top of an idle process; each test says what it would be if the excess were held.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from commitlog.wire.frames import encode_request
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from tests.end_to_end.cluster import DEADLINE_S, BrokerProcess, Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess

MIB = 1 << 20
IN_FLIGHT_BYTES = 8 * MIB
REQUEST_BYTES = 2 * MIB
RECORD = os.urandom(512 * 1024)
SOAK_S = float(os.environ.get("SOAK_S", "10"))


def status(broker: BrokerProcess, key: str) -> int:
    """A line of /proc/PID/status in bytes: VmRSS now, VmHWM the most that ever was."""
    lines = Path(f"/proc/{broker.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def most_memory(broker: BrokerProcess, act: Callable[[], object]) -> int:
    """How far resident memory rose above what it was, at its highest, while something was done."""
    Path(f"/proc/{broker.pid}/clear_refs").write_text("5")
    before = status(broker, "VmRSS")
    act()
    return status(broker, "VmHWM") - before


def descriptors(broker: BrokerProcess) -> int:
    return len(os.listdir(f"/proc/{broker.pid}/fd"))


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {
        "queued.max.request.bytes": str(IN_FLIGHT_BYTES),
        "socket.request.max.bytes": str(REQUEST_BYTES),
        "max.connections": "300",
        "log.segment.bytes": str(32 * MIB),
    }
    with running_cluster(tmp_path_factory.mktemp("overload"), zookeeper, 1, settings) as running:
        yield running


def create(cluster: Cluster, topic: str, partitions: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic, partitions, len(cluster.brokers))])[topic].result(DEADLINE_S)


def produce(cluster: Cluster, topic: str, count: int, value: bytes = RECORD) -> list[int]:
    """The offsets that were acknowledged."""
    settings = {
        "bootstrap.servers": cluster.bootstrap,
        "acks": "all",
        "message.max.bytes": REQUEST_BYTES - 65_536,
    }
    producer = Producer({**settings, "batch.num.messages": 1, "log_level": 0})
    offsets: list[int] = []
    failures: list[object] = []

    def delivered(error: object, message: Any) -> None:
        if error:
            failures.append(error)
        else:
            offsets.append(message.offset())

    for _ in range(count):
        producer.produce(topic, value, on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(DEADLINE_S) == 0
    assert failures == []
    return sorted(offsets)


def count_records(cluster: Cluster, topic: str, end: int) -> int:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "check", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    count, deadline = 0, time.monotonic() + DEADLINE_S
    while count < end and time.monotonic() < deadline:
        count += sum(1 for message in consumer.consume(100, 1) if message.error() is None)
    consumer.close()
    return count


@contextlib.contextmanager
def connections(broker: BrokerProcess, count: int) -> Iterator[list[socket.socket]]:
    opened = [socket.create_connection(("127.0.0.1", broker.port), timeout=DEADLINE_S) for _ in range(count)]
    try:
        yield opened
    finally:
        for one in opened:
            one.close()


def is_closed(connection: socket.socket) -> bool:
    """Whether the broker ends it."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_requests_that_are_promised_and_not_finished_fill_no_more_than_they_may(cluster: Cluster) -> None:
    """120 clients send 1 MiB each, all but its last byte: 120 MB if all were held; 8 MiB may be in flight."""
    (broker,) = cluster.brokers
    create(cluster, "patient")

    def flood() -> None:
        with connections(broker, 120) as clients:
            for client in clients:
                client.setblocking(False)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MIB)
            rests = {
                client: memoryview(struct.pack(">ihh", MIB, 0, 9) + bytes(MIB - 5)) for client in clients
            }
            idle_since = time.monotonic()
            # As far as they get: those whose turn has not come are not read.
            while any(rests.values()) and time.monotonic() - idle_since < 1:
                for client, rest in rests.items():
                    with contextlib.suppress(BlockingIOError):
                        if rest:
                            rests[client] = rest[client.send(rest[: 256 * 1024]) :]
                            idle_since = time.monotonic()

    assert most_memory(broker, flood) < IN_FLIGHT_BYTES + 32 * MIB
    assert produce(cluster, "patient", 4) == [0, 1, 2, 3]


def test_a_request_larger_than_allowed_ends_its_connection_and_no_other(cluster: Cluster) -> None:
    (broker,) = cluster.brokers
    with connections(broker, 2) as (large, other):
        large.sendall(struct.pack(">i", REQUEST_BYTES + 1))
        assert is_closed(large)
        other.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))
        assert other.recv(4096)[4:8] == struct.pack(">i", 7)


def test_connections_beyond_the_limit_are_refused_and_others_served(cluster: Cluster) -> None:
    (broker,) = cluster.brokers
    before = descriptors(broker)
    with connections(broker, 400) as clients:
        wait_until(lambda: descriptors(broker) <= 300 + before, "no more connections than allowed")
        refused = 0
        for client in clients:
            client.setblocking(False)
        time.sleep(0.2)
        for client in clients:
            with contextlib.suppress(BlockingIOError):
                refused += is_closed(client)
        assert 100 <= refused < 400
    wait_until(lambda: descriptors(broker) <= before, "the descriptors to be free again")
    create(cluster, "served")
    assert produce(cluster, "served", 1) == [0]


def test_consumers_that_do_not_read_cost_no_memory(cluster: Cluster) -> None:
    """60 of them ask for 30 MB each: 1.8 GB if it were read before they take it."""
    (broker,) = cluster.brokers
    create(cluster, "slow")
    produce(cluster, "slow", 64)
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=30 * MIB)
    request = FetchRequest(
        replica_id=-1, max_wait_ms=100, min_bytes=1, max_bytes=30 * MIB,
        topics=[FetchTopic(topic="slow", partitions=[partition])],
    )  # fmt: skip
    frame = encode_request(request, 12, 1, "slow")

    def starve() -> None:
        with connections(broker, 60) as clients:
            for client in clients:
                client.sendall(frame)
            for client in clients:
                assert len(client.recv(4)) == 4
            assert count_records(cluster, "slow", 64) == 64

    assert most_memory(broker, starve) < 64 * MIB


def test_producers_faster_than_the_disk_lose_nothing(cluster: Cluster) -> None:
    """Four of them, each with 64 MB under way: 256 MB if it were held."""
    (broker,) = cluster.brokers
    create(cluster, "fast")

    async def flood() -> list[list[int]]:
        return await asyncio.gather(*(asyncio.to_thread(produce, cluster, "fast", 128) for _ in range(4)))

    found: list[list[int]] = []
    assert most_memory(broker, lambda: found.extend(asyncio.run(flood()))) < IN_FLIGHT_BYTES + 64 * MIB
    assert sorted(offset for offsets in found for offset in offsets) == list(range(512))
    assert count_records(cluster, "fast", 512) == 512


def test_nothing_grows_over_a_soak(cluster: Cluster) -> None:
    """Clients, groups and topics come and go. `make soak MINUTES=n` does it for longer."""
    (broker,) = cluster.brokers
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})

    def life(number: int) -> None:
        topic = f"soak{number}"
        create(cluster, topic, 4)
        produce(cluster, topic, 20, b"x" * 10_000)
        consumer = Consumer(
            {"bootstrap.servers": cluster.bootstrap, "group.id": f"soak{number % 5}", "log_level": 0,
             "auto.offset.reset": "earliest"}
        )  # fmt: skip
        consumer.subscribe([topic])
        wait_until(lambda: consumer.consume(20, 0.5), "records")
        consumer.commit(asynchronous=False)
        consumer.close()
        admin.delete_topics([topic])[topic].result(DEADLINE_S)

    for number in range(5):
        life(number)
    # Deleted files are kept open no longer than their directories.
    settled = (descriptors(broker), status(broker, "VmRSS"))
    number, until = 5, time.monotonic() + SOAK_S
    while time.monotonic() < until:
        life(number)
        number += 1
    wait_until(lambda: descriptors(broker) <= settled[0] + 8, "the descriptors to be what they were")
    grown = status(broker, "VmRSS") - settled[1]
    print(f"{number} lives of a topic in {SOAK_S:.0f} s; memory grew by {grown / MIB:.1f} MB")
    assert grown < 16 * MIB + number * 4096


def test_a_follower_that_stands_still_makes_its_leader_hold_nothing(
    zookeeper: ZooKeeperProcess, tmp_path: Path
) -> None:
    """Requests with acks=all wait for it, their records on the disk: 64 MB if they were held."""
    settings = {"socket.request.max.bytes": str(REQUEST_BYTES), "replica.lag.time.max.ms": "3000"}
    with running_cluster(tmp_path, zookeeper, 2, settings) as cluster:
        create(cluster, "waits")
        produce(cluster, "waits", 1)
        leader = cluster.leader("waits")
        (follower,) = cluster.others(leader)
        follower.pause()
        try:
            assert most_memory(leader, lambda: produce(cluster, "waits", 128)) < 48 * MIB
        finally:
            follower.resume()
        cluster.wait_isr("waits", {0, 1})
        assert count_records(cluster, "waits", 129) == 129
