# SPDX-License-Identifier: Apache-2.0
"""What an application sees: the same work through librdkafka (confluent-kafka)."""

from __future__ import annotations

import os
import threading
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from bench import raw
from bench.peers import DEADLINE_S, Peer, create_topic
from bench.workload import Bench, Figures, Workload, percentile, spending, topic_name

LARGE_RECORDS, LARGE_BYTES = 500_000, 1024
SMALL_RECORDS, SMALL_BYTES = 2_000_000, 100
PACE_S = 0.002
PACED_RECORDS = 2000
TRANSACTIONS = 300
RECORDS_PER_TRANSACTION = 10


def bootstrap(peer: Peer) -> str:
    return ",".join(f"{host}:{port}" for host, port in peer.addresses)


def producer(peer: Peer, factor: int, **settings: object) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap(peer),
            "acks": "all" if factor > 1 else "1",
            "linger.ms": 5,
            **settings,
        }
    )


def _produce(bench: Bench, peer: Peer, factor: int, records: int, size: int) -> Figures:
    topic = topic_name("client")
    create_topic(peer, topic, 1, factor)
    value = os.urandom(size)
    failed: list[KafkaError] = []
    client = producer(peer, factor, **{"batch.size": 1_000_000, "queue.buffering.max.messages": 2_000_000})

    def delivered(error: KafkaError | None, message: object) -> None:
        if error is not None:
            failed.append(error)

    with spending(peer.pids) as spent:
        started = time.perf_counter()
        for _ in range(records):
            while True:
                try:
                    client.produce(topic, value, partition=0, on_delivery=delivered)
                    break
                except BufferError:
                    client.poll(0.01)
        client.flush(DEADLINE_S)
        seconds = time.perf_counter() - started
    if failed:
        raise raw.BenchError(f"{len(failed)} records failed, the first with {failed[0]}")
    raw.must_hold(peer, topic, records)
    total = records * size
    return {"MB/s": total / 1e6 / seconds, "CPU-s/GB": spent.cpu_s / (total / 1e9)}


def produce_large(bench: Bench, peer: Peer, factor: int) -> Figures:
    return _produce(bench, peer, factor, bench.count(LARGE_RECORDS, 20_000), LARGE_BYTES)


def produce_small(bench: Bench, peer: Peer, factor: int) -> Figures:
    return _produce(bench, peer, factor, bench.count(SMALL_RECORDS, 50_000), SMALL_BYTES)


def end_to_end(bench: Bench, peer: Peer, factor: int) -> Figures:
    """From produce() to poll(), one record every 2 ms."""
    topic = topic_name("latency")
    create_topic(peer, topic, 1, factor)
    count = bench.count(PACED_RECORDS, 500)
    consumer = Consumer(
        {"bootstrap.servers": bootstrap(peer), "group.id": topic, "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    client = producer(peer, factor, **{"linger.ms": 0})
    warm = count // 10
    taken: list[float] = []

    def consume() -> None:
        deadline = time.monotonic() + DEADLINE_S
        seen = 0
        while seen < count + warm and time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None or message.error():
                continue
            seen += 1
            if seen > warm:
                taken.append((time.perf_counter_ns() - int(message.value())) / 1e6)

    reader = threading.Thread(target=consume)
    reader.start()
    for _ in range(count + warm):
        client.produce(topic, str(time.perf_counter_ns()).encode(), partition=0)
        client.poll(0)
        time.sleep(PACE_S)
    client.flush(DEADLINE_S)
    reader.join()
    consumer.close()
    if len(taken) != count:
        raise raw.BenchError(f"{peer.name}: {len(taken)} of {count} records were read")
    return {"p50 ms": percentile(taken, 0.5), "p99 ms": percentile(taken, 0.99)}


def transactions(bench: Bench, peer: Peer, factor: int) -> Figures:
    topic = topic_name("transactions")
    create_topic(peer, topic, 1, factor)
    client = producer(peer, 2, **{"transactional.id": topic, "linger.ms": 0})
    client.init_transactions(DEADLINE_S)
    count = bench.count(TRANSACTIONS, 50)

    def transact() -> None:
        client.begin_transaction()
        for _ in range(RECORDS_PER_TRANSACTION):
            client.produce(topic, b"x" * 100, partition=0)
        client.commit_transaction(DEADLINE_S)

    for _ in range(10):
        transact()
    with spending(peer.pids) as spent:
        started = time.perf_counter()
        for _ in range(count):
            transact()
        seconds = time.perf_counter() - started
    return {"transactions/s": count / seconds, "CPU ms/transaction": spent.cpu_s / count * 1e3}


_RATE = {"MB/s": "more", "CPU-s/GB": "less"}

WORKLOADS = [
    Workload("client-1k", "librdkafka, records of 1 KiB", produce_large, _RATE),
    Workload("client-100", "librdkafka, records of 100 bytes", produce_small, _RATE),
    Workload(
        "end-to-end",
        "Produce to consume through librdkafka, a record every 2 ms",
        end_to_end,
        {"p50 ms": "less", "p99 ms": "less"},
    ),
    Workload(
        "transactions",
        f"Transactions of {RECORDS_PER_TRANSACTION} records through librdkafka",
        transactions,
        {"transactions/s": "more", "CPU ms/transaction": "less"},
    ),
]
