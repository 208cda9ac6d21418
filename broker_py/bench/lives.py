# SPDX-License-Identifier: Apache-2.0
"""Whole lives of clusters: start, many partitions, the controller's death, memory, compaction, recovery.

Each starts clusters of its own, so the JVM is as cold here as it is when a person starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from kazoo.exceptions import NoNodeError
from tests.end_to_end.cluster import BrokerProcess, wait_until

from bench import frames, machine, peers, raw
from bench.peers import ClusterPeer, Peer, create_topic
from bench.throughput import BATCH_RECORDS, RECORD_BYTES, WINDOW
from bench.workload import Bench, Figures, Workload
from commitlog.records.batch import build_batch
from commitlog.wire.client import BrokerConnection
from commitlog.wire.messages.metadata_request import MetadataRequest

LOG_GB = 10
RECOVERY_GB = 2
COMPACTION_MB = 500
COMPACTION_KEYS = 100_000
SEGMENT_BYTES = 104_857_600
LOOK_AGAIN_S = 0.2


@contextlib.contextmanager
def cluster(bench: Bench, peer: Peer, nodes: int, **settings: str) -> Iterator[ClusterPeer]:
    """A new cluster of the peer's kind; settings with _ for the dot of a property."""
    properties = {key.replace("_", "."): value for key, value in settings.items()}
    started = ClusterPeer(peer.name, bench.path("life"), bench.zookeeper, nodes, properties)
    try:
        yield started
    finally:
        started.close()


def _first_acknowledged(broker: BrokerProcess, frame: bytearray) -> float:
    """Seconds from exec to the first acknowledged record."""
    started = time.perf_counter()
    broker.launch()
    while True:
        with contextlib.suppress(OSError, raw.BenchError), raw.connect(("127.0.0.1", broker.port)) as sock:
            sock.sendall(frame)
            raw.check_produced(raw.answer(sock))
            return time.perf_counter() - started
        if not broker.running:
            raise raw.BenchError(f"broker {broker.id} ended: {broker.errors}")
        time.sleep(0.002)


def _fill(bench: Bench, peer: ClusterPeer, topic: str, gigabytes: float, **configs: str) -> int:
    create_topic(peer, topic, 1, 1, {key.replace("_", "."): value for key, value in configs.items()})
    frame = frames.produce(topic, frames.batch(BATCH_RECORDS, RECORD_BYTES), 1)
    count = max(1, int(gigabytes * 1e9 / len(frame)))
    raw.produce(peer.addresses[0], frame, count, WINDOW, raw.check_produced)
    return count * len(frame)


def start_up(bench: Bench, peer: Peer, factor: int) -> Figures:
    """An orderly stop before; without data, and with a log."""
    with cluster(bench, peer, 1) as running:
        broker = running.cluster.brokers[0]
        create_topic(running, "first", 1, 1)
        frame = frames.produce("first", frames.batch(1, 100), 1)
        broker.stop()
        empty = _first_acknowledged(broker, frame)
        gigabytes = LOG_GB * bench.scale
        _fill(bench, running, "log", gigabytes, segment_bytes=str(SEGMENT_BYTES))
        broker.stop()
        full = _first_acknowledged(broker, frame)
        return {"empty s": empty, "with log s": full, "log GB": gigabytes}


def recovery(bench: Bench, peer: Peer, factor: int) -> Figures:
    """kill -9 with one large segment that was never flushed, then start."""
    with cluster(bench, peer, 1, log_flush_offset_checkpoint_interval_ms="3600000") as running:
        broker = running.cluster.brokers[0]
        create_topic(running, "first", 1, 1)
        frame = frames.produce("first", frames.batch(1, 100), 1)
        size = _fill(bench, running, "log", RECOVERY_GB * bench.scale, segment_bytes="1073741824")
        broker.kill()
        wait_until(lambda: not running.cluster.znodes.exists("/brokers/ids/0"), "the session to end")
        seconds = _first_acknowledged(broker, frame)
        return {"s/GB": seconds / (size / 1e9), "GB/s": size / 1e9 / seconds}


def memory(bench: Bench, peer: Peer, factor: int) -> Figures:
    with cluster(bench, peer, 1) as running:
        time.sleep(2)
        idle = peers.resident_mb(running)
        create_topic(running, "many", 1000, 1)
        many = peers.resident_mb(running)
        create_topic(running, "load", 1, 1)
        frame = frames.produce("load", frames.batch(BATCH_RECORDS, RECORD_BYTES), 1)
        most = 0.0
        for _ in range(20):
            count = bench.count(100, 10)
            raw.produce(running.addresses[0], frame, count, WINDOW, raw.check_produced)
            raw.many(
                running.addresses[0],
                frames.produce("load", frames.batch(1, 100), 1),
                bench.count(2000, 200),
                20,
                200,
                echo=False,
            )
            most = max(most, peers.resident_mb(running))
        return {"idle MB": idle, "1000 partitions MB": many, "under load MB": most}


async def _metadata_ms(address: tuple[str, int]) -> float:
    connection = await BrokerConnection.open(*address, "bench", request_timeout_ms=120_000)
    try:
        await connection.send(MetadataRequest(topics=None))
        started = time.perf_counter()
        await connection.send(MetadataRequest(topics=None))
        return (time.perf_counter() - started) * 1e3
    finally:
        connection.close()


def _fail_over(running: ClusterPeer) -> float:
    """Seconds from the moment at which ZooKeeper ends the dead controller's session until another broker
    has been elected and has written the new leaders of every partition that the dead one led."""
    znodes = running.cluster.znodes
    dead = running.cluster.controller()
    dead.kill()
    wait_until(lambda: not znodes.exists(f"/brokers/ids/{dead.id}"), "the session to end")
    started = time.perf_counter()
    survivors = running.cluster.others(dead)
    alive = {broker.id for broker in survivors}

    async def all_led() -> bool:
        connection = await BrokerConnection.open(
            "127.0.0.1", survivors[0].port, "bench", request_timeout_ms=120_000
        )
        try:
            # All the partitions are asked for rarely: telling them is work that the survivors lack.
            told = await connection.send(MetadataRequest(topics=[]))
            if told.controller_id not in alive:
                return False
            found = await connection.send(MetadataRequest(topics=None))
            if all(each.leader_id in alive for topic in found.topics for each in topic.partitions):
                return True
            await asyncio.sleep(LOOK_AGAIN_S)
            return False
        finally:
            connection.close()

    with contextlib.suppress(NoNodeError):
        wait_until(lambda: asyncio.run(all_led()), "a new controller and leaders", 300)
    return time.perf_counter() - started


def partitions(bench: Bench, peer: Peer, factor: int) -> Figures:
    """A topic with many partitions on three brokers, factor 2; then the controller dies."""
    figures: Figures = {}
    for count in bench.partitions:
        with cluster(bench, peer, 3) as running:
            started = time.perf_counter()
            create_topic(running, "many", count, 2)
            figures[f"create {count} s"] = time.perf_counter() - started
            figures[f"metadata {count} ms"] = asyncio.run(_metadata_ms(running.addresses[0]))
            figures[f"memory {count} MB"] = peers.resident_mb(running)
            figures[f"failover {count} s"] = _fail_over(running)
    return figures


def compaction(bench: Bench, peer: Peer, factor: int) -> Figures:
    """A log of random keys, written while the cleaner is off; then the broker starts with it on."""
    with cluster(bench, peer, 1, log_cleaner_enable="false") as running:
        broker = running.cluster.brokers[0]
        configs = {"cleanup.policy": "compact", "segment.bytes": str(int(SEGMENT_BYTES * bench.scale / 4))}
        create_topic(running, "compacted", 1, 1, configs)
        size = _fill_keys(bench, running, "compacted")
        broker.stop()
        broker.settings |= {"log.cleaner.enable": "true", "log.cleaner.backoff.ms": "100"}
        broker.start()
        before = machine.cpu_seconds([broker.pid])
        started = time.perf_counter()
        checkpoint = broker.log_dir / "cleaner-offset-checkpoint"
        wait_until(lambda: "compacted 0" in _text(checkpoint), "the cleaner to finish", 120)
        seconds = time.perf_counter() - started
        spent = machine.cpu_seconds([broker.pid]) - before
        return {"MB/s": size / 1e6 / seconds, "CPU-s/GB": spent / (size / 1e9)}


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _fill_keys(bench: Bench, running: ClusterPeer, topic: str) -> int:
    """Batches of 100 records of 1 KiB; every key comes several times."""
    keys = max(1, int(COMPACTION_KEYS * bench.scale))
    total = int(COMPACTION_MB * 1e6 * bench.scale)
    value = bytes(range(256)) * 4
    now = int(time.time() * 1000)
    size = number = 0
    with raw.connect(running.addresses[0]) as connection:
        while size < total:
            batch = build_batch(
                (now, b"%d" % ((number * 100 + i) * 7919 % keys), value, ()) for i in range(100)
            )
            connection.sendall(frames.produce(topic, batch, 1))
            raw.check_produced(raw.answer(connection))
            number += 1
            size += len(batch)
    return size


WORKLOADS = [
    Workload(
        "start-up",
        "exec to the first acknowledged produce",
        start_up,
        {"empty s": "less", "with log s": "less"},
        clusters_only=True,
        fresh=True,
        factors=(1,),
    ),
    Workload(
        "recovery",
        "kill -9 to the first acknowledged produce, per GB of log",
        recovery,
        {"s/GB": "less", "GB/s": "more"},
        clusters_only=True,
        once=True,
        fresh=True,
        factors=(1,),
    ),
    Workload(
        "memory",
        "Resident memory of a broker",
        memory,
        {"idle MB": "less", "1000 partitions MB": "less", "under load MB": "less"},
        clusters_only=True,
        once=True,
        fresh=True,
        factors=(1,),
    ),
    Workload(
        "partitions",
        "Many partitions on three brokers, and the death of their controller",
        partitions,
        {},
        clusters_only=True,
        once=True,
        fresh=True,
        factors=(2,),
    ),
    Workload(
        "compaction",
        "Compaction",
        compaction,
        {"MB/s": "more", "CPU-s/GB": "less"},
        clusters_only=True,
        once=True,
        fresh=True,
        factors=(1,),
    ),
]
