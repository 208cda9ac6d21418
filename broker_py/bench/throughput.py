# SPDX-License-Identifier: Apache-2.0
"""Bulk and small requests: large batches, one record at a time, pipelined; fetch from the start."""

from __future__ import annotations

from bench import floor, frames, raw
from bench.peers import Peer, create_topic
from bench.workload import Bench, Figures, Workload, percentile, spending, topic_name

RECORD_BYTES = 1024
BATCH_RECORDS = 950
"""Records of 1 KiB in a batch of just under 1 MB, Kafka's default max.message.bytes."""
WINDOW = 5
"""Unanswered requests per connection, as Kafka's producer has."""
BULK_BATCHES = 1500
SMALL_REQUESTS = 30_000
ACTIVE, IDLE = 20, 200
BURST = 64
FETCH_MAX_BYTES = 10 << 20
ONE_BY_ONE = 3000
WARM_UP = 200


def acks(factor: int) -> int:
    return -1 if factor > 1 else 1


def produce_bulk(bench: Bench, peer: Peer, factor: int) -> Figures:
    topic = topic_name("bulk")
    create_topic(peer, topic, 1, factor)
    batch = frames.batch(BATCH_RECORDS, RECORD_BYTES)
    frame = frames.produce(topic, batch, acks(factor))
    count = bench.count(BULK_BATCHES, 50)
    with spending(peer.pids) as spent:
        seconds = raw.produce(peer.addresses[0], frame, count, WINDOW, raw.check_produced)
    raw.must_hold(peer, topic, count * BATCH_RECORDS)
    size = count * len(batch)
    return {"MB/s": size / 1e6 / seconds, "CPU-s/GB": spent.cpu_s / (size / 1e9)}


def floor_bulk(bench: Bench) -> Figures:
    frame = frames.produce("bulk-0000", frames.batch(BATCH_RECORDS, RECORD_BYTES), 1)
    count = bench.count(BULK_BATCHES, 50)
    process = floor.FloorProcess("sink", bench.path("floor") / "log")
    try:
        process.connect().close()
        with spending(process.pids) as spent:
            address = ("127.0.0.1", process.port)
            seconds = raw.produce(address, frame, count, WINDOW, lambda payload: None)
    finally:
        process.close()
    size = count * len(frame)
    return {"MB/s": size / 1e6 / seconds, "CPU-s/GB": spent.cpu_s / (size / 1e9)}


def small_requests(bench: Bench, peer: Peer, factor: int) -> Figures:
    topic = topic_name("small")
    create_topic(peer, topic, 1, factor)
    frame = frames.produce(topic, frames.batch(1, 100), acks(factor))
    count = bench.count(SMALL_REQUESTS, 2000)
    with spending(peer.pids) as spent:
        seconds = raw.many(peer.addresses[0], frame, count, ACTIVE, IDLE, echo=False)
    raw.must_hold(peer, topic, count)
    return {"requests/s": count / seconds, "CPU µs/request": spent.cpu_s / count * 1e6}


def floor_small(bench: Bench) -> Figures:
    frame = frames.produce("small-0000", frames.batch(1, 100), 1)
    count = bench.count(SMALL_REQUESTS, 2000)
    process = floor.FloorProcess("echo")
    try:
        process.connect().close()
        with spending(process.pids) as spent:
            seconds = raw.many(("127.0.0.1", process.port), frame, count, ACTIVE, IDLE, echo=True)
    finally:
        process.close()
    return {"requests/s": count / seconds, "CPU µs/request": spent.cpu_s / count * 1e6}


def pipelined(bench: Bench, peer: Peer, factor: int) -> Figures:
    topic = topic_name("piped")
    create_topic(peer, topic, 1, factor)
    frame = frames.produce(topic, frames.batch(1, 100), acks(factor))
    count = bench.count(2 * SMALL_REQUESTS, 2000) // BURST * BURST
    with spending(peer.pids) as spent:
        seconds = raw.pipeline(peer.addresses[0], frame, count, BURST)
    raw.must_hold(peer, topic, count)
    return {"requests/s": count / seconds, "CPU µs/request": spent.cpu_s / count * 1e6}


def _milliseconds(taken: list[float]) -> Figures:
    return {"p50 ms": percentile(taken, 0.5) * 1e3, "p99 ms": percentile(taken, 0.99) * 1e3}


def one_in_flight(bench: Bench, peer: Peer, factor: int) -> Figures:
    topic = topic_name("single")
    create_topic(peer, topic, 1, factor)
    frame = frames.produce(topic, frames.batch(1, 100), acks(factor))
    with raw.connect(peer.addresses[0]) as connection:
        raw.one_in_flight(connection, frame, WARM_UP)
        return _milliseconds(raw.one_in_flight(connection, frame, bench.count(ONE_BY_ONE, 500)))


def floor_one(bench: Bench) -> Figures:
    frame = frames.produce("single-0000", frames.batch(1, 100), 1)
    process = floor.FloorProcess("echo")
    try:
        with process.connect() as connection:
            raw.echoes(connection, frame, WARM_UP)
            return _milliseconds(raw.echoes(connection, frame, bench.count(ONE_BY_ONE, 500)))
    finally:
        process.close()


def filled_topic(bench: Bench, peer: Peer, factor: int) -> tuple[str, int]:
    """A topic to be read from its start, and how many batches it has."""
    topic = topic_name("read")
    create_topic(peer, topic, 1, factor)
    frame = frames.produce(topic, frames.batch(BATCH_RECORDS, RECORD_BYTES), acks(factor))
    count = bench.count(BULK_BATCHES, 50)
    raw.produce(peer.addresses[0], frame, count, WINDOW, raw.check_produced)
    raw.must_hold(peer, topic, count * BATCH_RECORDS)
    return topic, count


def read_topic(peer: Peer, topic: str, count: int) -> tuple[float, int]:
    """Fetch all of it: seconds, and bytes."""
    batch_bytes = len(frames.batch(BATCH_RECORDS, RECORD_BYTES))
    end = count * BATCH_RECORDS
    return raw.fetch_all(peer.addresses[0], topic, end, batch_bytes, BATCH_RECORDS, FETCH_MAX_BYTES)


def fetch_from_start(bench: Bench, peer: Peer, factor: int) -> Figures:
    topic, count = filled_topic(bench, peer, factor)
    with spending(peer.pids) as spent:
        seconds, size = read_topic(peer, topic, count)
    return {"MB/s": size / 1e6 / seconds, "CPU-s/GB": spent.cpu_s / (size / 1e9)}


def floor_fetch(bench: Bench) -> Figures:
    path = bench.path("floor") / "log"
    count = bench.count(BULK_BATCHES, 50)
    piece = bytes(frames.batch(BATCH_RECORDS, RECORD_BYTES))
    with path.open("wb") as file:
        for _ in range(count):
            file.write(piece)
    process = floor.FloorProcess("source", path)
    try:
        process.connect().close()
        frame = frames.fetch("read-0000", 0, FETCH_MAX_BYTES, 500)
        with spending(process.pids) as spent:
            address = ("127.0.0.1", process.port)
            seconds = raw.produce(address, bytearray(frame), count, 1, lambda payload: None)
    finally:
        process.close()
    size = count * floor.PIECE_BYTES
    return {"MB/s": size / 1e6 / seconds, "CPU-s/GB": spent.cpu_s / (size / 1e9)}


_RATE = {"MB/s": "more", "CPU-s/GB": "less"}
_REQUESTS = {"requests/s": "more", "CPU µs/request": "less"}
_TIMES = {"p50 ms": "less", "p99 ms": "less"}

WORKLOADS = [
    Workload("produce-bulk", "Produce, 1 MB batches of 1 KiB records", produce_bulk, _RATE, floor_bulk),
    Workload(
        "small-requests",
        f"One-record requests, {ACTIVE} active and {IDLE} idle connections",
        small_requests,
        _REQUESTS,
        floor_small,
    ),
    Workload("pipelined", "One-record requests, pipelined", pipelined, _REQUESTS),
    Workload("one-in-flight", "One-record requests, one in flight", one_in_flight, _TIMES, floor_one),
    Workload("fetch-start", "Fetch from the log start", fetch_from_start, _RATE, floor_fetch),
]
