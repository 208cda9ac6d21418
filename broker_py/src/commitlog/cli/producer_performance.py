# SPDX-License-Identifier: Apache-2.0
"""What kafka-producer-perf-test.sh does once its options are read: payloads, pace, and the figures
(ProducerPerformance, ThroughputThrottler)."""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from commitlog.cli.librdkafka import make_producer
from commitlog.cli.topics_errors import ToolError
from commitlog.config import properties

REPORTING_INTERVAL_MS = 5000
SAMPLES_MAX = 500_000
POOL_BYTES = 1 << 22
LETTERS = bytes(range(65, 91))


def now_ms() -> int:
    return int(time.time() * 1000)


def settings_of(options: argparse.Namespace) -> dict[str, str]:
    settings: dict[str, str] = {}
    if options.producer_config is not None:
        settings.update(properties.load(options.producer_config))
    for text in options.producer_props or ():
        pieces = text.rstrip("=").split("=")
        if len(pieces) != 2:
            raise ToolError(f"Invalid property: {text}")
        settings[pieces[0]] = pieces[1]
    if "bootstrap.servers" not in settings:
        raise ToolError("No resolvable bootstrap urls given in bootstrap.servers")
    if options.transaction_duration_ms > 0:
        settings["transactional.id"] = options.transactional_id
    settings.setdefault("client.id", "perf-producer-client")
    return settings


def payloads(options: argparse.Namespace) -> Iterator[bytes]:
    """As many as are asked for, without end."""
    if options.payload_file is not None:
        found = _from_file(options.payload_file, options.payload_delimiter.replace("\\n", "\n"))
        return iter(partial(random.Random(0).choice, found), None)
    if options.record_size is not None:
        return _random_letters(options.record_size)
    return (str(number).encode() for number in itertools.count())


def _from_file(path: str, delimiter: str) -> list[bytes]:
    print(f"Reading payloads from: {os.path.abspath(path)}")
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        raise ToolError("File does not exist or empty file provided.")
    with open(path, encoding="utf-8", newline="") as file:
        texts = file.read().split(delimiter)
    while texts and not texts[-1]:
        texts.pop()
    print(f"Number of messages read: {len(texts)}")
    return [text.encode() for text in texts]


def _random_letters(size: int) -> Iterator[bytes]:
    """Records cut out of one pool of letters, each at another place, so that they cost little to make."""
    chosen = random.Random(0)
    pool = bytes(chosen.choices(LETTERS, k=max(POOL_BYTES, size + 1)))
    while True:
        start = chosen.randrange(len(pool) - size)
        yield pool[start : start + size]


class Stats:
    """ProducerPerformance.Stats."""

    def __init__(self, records: int, now: Callable[[], int] = now_ms) -> None:
        self._now = now
        self._start = self._window_start = now()
        self._sampling = max(1, records // min(records, SAMPLES_MAX)) if records else 1
        self._latencies: list[int] = []
        self.count = 0
        self._bytes = self._total = self._max = 0
        self._new_window()

    def _new_window(self) -> None:
        self._window_start = self._now()
        self._window_count = self._window_bytes = self._window_total = self._window_max = 0

    def record(self, latency_ms: int, size: int, at_ms: int) -> None:
        if self.count % self._sampling == 0:
            self._latencies.append(latency_ms)
        self.count += 1
        self._bytes += size
        self._total += latency_ms
        self._max = max(self._max, latency_ms)
        self._window_count += 1
        self._window_bytes += size
        self._window_total += latency_ms
        self._window_max = max(self._window_max, latency_ms)
        if at_ms - self._window_start >= REPORTING_INTERVAL_MS:
            self.print_window()
            self._new_window()

    def print_window(self) -> None:
        rate, megabytes = _rates(self._window_count, self._window_bytes, self._now() - self._window_start)
        print(
            f"{self._window_count} records sent, {rate:.1f} records/sec ({megabytes:.2f} MB/sec), "
            f"{_share(self._window_total, self._window_count, 1)} ms avg latency, "
            f"{float(self._window_max):.1f} ms "
            "max latency."
        )

    def print_total(self) -> None:
        rate, megabytes = _rates(self.count, self._bytes, self._now() - self._start)
        ordered = sorted(self._latencies)
        places = (0.5, 0.95, 0.99, 0.999)
        shown = [ordered[int(place * len(ordered))] if ordered else 0 for place in places]
        print(
            f"{self.count} records sent, {rate:f} records/sec ({megabytes:.2f} MB/sec), "
            f"{_share(self._total, self.count, 2)} ms avg latency, {float(self._max):.2f} ms max latency, "
            f"{shown[0]} ms "
            f"50th, {shown[1]} ms 95th, {shown[2]} ms 99th, {shown[3]} ms 99.9th."
        )


def _rates(count: int, size: int, elapsed_ms: int) -> tuple[float, float]:
    elapsed = max(elapsed_ms, 1)
    return 1000.0 * count / elapsed, 1000.0 * size / elapsed / (1024 * 1024)


def _share(total: int, count: int, digits: int) -> str:
    return f"{total / count:.{digits}f}" if count else "NaN"


def _failure_class() -> type[Exception]:
    from confluent_kafka import KafkaException

    return KafkaException


class Sender:
    """A producer whose answers go into the figures; the errors of what could not be sent are shown once
    each."""

    def __init__(self, options: argparse.Namespace, stats: Stats) -> None:
        self._producer = make_producer(settings_of(options))
        self._stats = stats
        self._topic: str = options.topic
        self._said: set[str] = set()
        self._transaction_ms: int = options.transaction_duration_ms
        self._in_transaction = False
        self._transaction_start_ms = 0
        if self._transaction_ms > 0:
            self._call(self._producer.init_transactions)

    def _call(self, step: Callable[[], Any]) -> None:
        try:
            step()
        except _failure_class() as error:
            raise ToolError(error.args[0].str()) from None

    def send(self, payload: bytes) -> int:
        """Hand a record over; when that was."""
        if self._transaction_ms > 0 and not self._in_transaction:
            self._call(self._producer.begin_transaction)
            self._in_transaction = True
            self._transaction_start_ms = now_ms()
        start_ms = now_ms()
        size = len(payload)
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    payload,
                    on_delivery=lambda error, _: self._delivered(error, start_ms, size),
                )
            except BufferError:
                self._producer.poll(0.01)
            except _failure_class() as error:
                # What librdkafka knows already, it says at once: a topic that this client may not write to.
                self._say(error.args[0].str())
                break
            else:
                break
        self._producer.poll(0)
        if self._in_transaction and self._transaction_ms <= start_ms - self._transaction_start_ms:
            self.commit()
        return start_ms

    def _delivered(self, error: Any, start_ms: int, size: int) -> None:
        if error is None:
            at_ms = now_ms()
            self._stats.record(at_ms - start_ms, size, at_ms)
        else:
            self._say(error.str())

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            print(text, file=sys.stderr)

    def commit(self) -> None:
        if self._in_transaction:
            self._call(self._producer.commit_transaction)
            self._in_transaction = False

    def close(self) -> None:
        self.commit()
        self._producer.flush()


def run(options: argparse.Namespace) -> None:
    chosen = payloads(options)
    stats = Stats(options.num_records)
    sender = Sender(options, stats)
    start_ms = now_ms()
    for sent in range(options.num_records):
        sent_ms = sender.send(next(chosen))
        _keep_pace(options.throughput, sent, start_ms, sent_ms)
    sender.close()
    stats.print_total()
    if options.print_metrics:
        print("\nMetrics of the Java client are not known to this tool's client.", file=sys.stderr)


def _keep_pace(throughput: float, sent: int, start_ms: int, sent_ms: int) -> None:
    """Wait until this many records may have been sent."""
    if throughput <= 0:
        return
    ahead_s = sent / throughput - (sent_ms - start_ms) / 1000
    if ahead_s > 0.005:
        time.sleep(ahead_s)
