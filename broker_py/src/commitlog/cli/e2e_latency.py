# SPDX-License-Identifier: Apache-2.0
"""kafka-e2e-latency.sh: how long a record takes from producer to consumer (Kafka's `EndToEndLatency`).

Each record is sent, acknowledged and read before the next. librdkafka does both, told in the Java client's
words.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from commitlog.cli import terminal
from commitlog.cli.jopt import ArgumentError
from commitlog.cli.topics_errors import Terse, ToolError
from commitlog.config.definitions import format_double

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, Producer

USAGE = (
    "USAGE: java org.apache.kafka.tools.EndToEndLatency broker_list topic num_messages producer_acks "
    "message_size_bytes [optional] properties_file"
)
POLL_TIMEOUT_MS = 60_000
METADATA_TIMEOUT_S = 60.0
REPORT_EVERY = 1000
_INT_BITS = 32


def main(arguments: Sequence[str] | None = None) -> int:
    command = terminal.guarded(_main, failed=terminal.say_as_java())
    return terminal.run(command, arguments, help_text=None)


def _main(words: list[str]) -> int:
    if len(words) not in (5, 6):
        raise ArgumentError(USAGE)
    servers, topic, count_text, acks, size_text = words[:5]
    count, size = _int(count_text), _int(size_text)
    if acks not in ("1", "all"):
        raise ArgumentError("Latency testing requires synchronous acknowledgement. Please use 1 or all")
    path = words[5].strip() if len(words) > 5 else ""
    settings = _settings(servers, path)
    _create_if_absent(servers, topic, path or None)
    for number in (count, size):
        if number < 0:
            raise ToolError(f"java.lang.NegativeArraySizeException: {number}")
    Latency(settings, topic, acks, size).run(count)
    return 0


def _int(text: str) -> int:
    """Integer.parseInt."""
    if re.fullmatch(r"[-+]?[0-9]+", text):
        number = int(text)
        if -(1 << _INT_BITS - 1) <= number < 1 << _INT_BITS - 1:
            return number
    raise ArgumentError(f'For input string: "{text}"')


def _settings(servers: str, path: str) -> dict[str, str]:
    from commitlog.cli.cluster import parse_bootstrap_servers

    settings: dict[str, str] = {}
    if path:
        from commitlog.config import properties

        settings.update(properties.load(path))
    parse_bootstrap_servers(servers)
    return settings | {"bootstrap.servers": servers}


def _create_if_absent(servers: str, topic: str, path: str | None) -> None:
    import asyncio

    asyncio.run(_create(servers, topic, path))


async def _create(servers: str, topic: str, path: str | None) -> None:
    """One partition, one replica; asking for the topic alone might create it otherwise."""
    from commitlog.cli.admin import KafkaError, check, connected, java_text
    from commitlog.wire.messages.create_topics_request import CreatableTopic, CreateTopicsRequest

    async with connected(servers, path) as admin:
        if any(known.name == topic for known in await admin.all_topics()):
            return
        print(
            f'Topic "{topic}" does not exist. Will create topic with 1 partition(s) and replication '
            "factor = 1"
        )
        wanted = CreatableTopic(name=topic, num_partitions=1, replication_factor=1)
        request = CreateTopicsRequest(topics=[wanted], timeout_ms=admin.timeout_ms)
        answer = await admin.ask_controller(request, lambda one: [each.error_code for each in one.topics])
        try:
            check(answer.topics[0].error_code, answer.topics[0].error_message)
        except KafkaError as error:
            print(f"Creation of topic {topic} failed")
            raise Terse(f"java.util.concurrent.ExecutionException: {java_text(error)}") from None


class Latency:
    """A consumer at the ends of all partitions, and a producer."""

    def __init__(self, settings: dict[str, str], topic: str, acks: str, size: int) -> None:
        self._topic = topic
        self._size = size
        self._random = random.Random(0)
        self._consumer = _make_consumer(settings)
        self._producer = _make_producer(settings, acks)

    def run(self, count: int) -> None:
        try:
            positions = self._go_to_ends()
            total_ns = 0
            latencies: list[int] = []
            for number in range(count):
                elapsed_ns = self._once(positions)
                if number % REPORT_EVERY == 0:
                    print(f"{number}\t{format_double(elapsed_ns / 1000.0 / 1000.0)}", flush=True)
                total_ns += elapsed_ns
                latencies.append(elapsed_ns // 1000 // 1000)
            _print_results(total_ns, latencies)
            self._commit(positions)
        finally:
            self._consumer.close()

    def _go_to_ends(self) -> dict[int, int]:
        """Where each partition's next record will be."""
        from confluent_kafka import TopicPartition

        deadline = time.monotonic() + METADATA_TIMEOUT_S
        while True:
            found = self._consumer.list_topics(self._topic, timeout=METADATA_TIMEOUT_S).topics[self._topic]
            if found.partitions and all(each.leader >= 0 for each in found.partitions.values()):
                break
            if time.monotonic() > deadline:
                raise ToolError(f"Topic {self._topic} has a partition without a leader")
            time.sleep(0.1)
        ends: dict[int, int] = {}
        for number in found.partitions:
            partition = TopicPartition(self._topic, number)
            offsets = self._consumer.get_watermark_offsets(partition, timeout=METADATA_TIMEOUT_S)
            if offsets is None:
                raise ToolError(f"Timeout of 60000ms expired before the position for {self._topic}-{number}")
            ends[number] = offsets[1]
        self._consumer.assign([TopicPartition(self._topic, *where) for where in ends.items()])
        return ends

    def _once(self, positions: dict[int, int]) -> int:
        """Send one record and read it; how many nanoseconds that took."""
        sent = bytes((self._random.randrange(65, 91),)) * self._size
        begin_ns = time.perf_counter_ns()
        self._send(sent)
        records = self._read(positions)
        elapsed_ns = time.perf_counter_ns() - begin_ns
        self._validate(sent, records, positions)
        return elapsed_ns

    def _send(self, value: bytes) -> None:
        failures: list[Any] = []
        self._producer.produce(self._topic, value, on_delivery=lambda error, _: failures.append(error))
        self._producer.flush()
        if failures[0] is not None:
            from commitlog.cli.verifiable_events import java_error

            raise Terse(": ".join(java_error(failures[0])))

    def _read(self, positions: dict[int, int]) -> list[Message]:
        deadline = time.monotonic() + POLL_TIMEOUT_MS / 1000
        while (left_s := deadline - time.monotonic()) > 0:
            first = self._consumer.poll(left_s)
            if first is None or first.error() is not None:
                continue
            records = [first, *(one for one in self._consumer.consume(500, 0) if one.error() is None)]
            for record in records:
                positions[record.partition() or 0] = (record.offset() or 0) + 1
            return records
        return []

    def _validate(self, sent: bytes, records: Sequence[Message], positions: dict[int, int]) -> None:
        complaint = None
        read = records[0].value() if records else b""
        if not records:
            complaint = f"poll() timed out before finding a result (timeout:[{POLL_TIMEOUT_MS}])"
        elif read != sent:
            texts = [bytes(data or b"").decode("utf-8", "replace") for data in (read, sent)]
            complaint = f"The message read [{texts[0]}] did not match the message sent [{texts[1]}]"
        elif len(records) != 1:
            complaint = f"Only one result was expected during this test. We found [{len(records)}]"
        if complaint is not None:
            self._commit(positions)
            raise ToolError(complaint)

    def _commit(self, positions: dict[int, int]) -> None:
        from confluent_kafka import TopicPartition

        where = [TopicPartition(self._topic, *one) for one in positions.items()]
        self._consumer.commit(offsets=where, asynchronous=False)


def _make_consumer(settings: dict[str, str]) -> Consumer:
    from commitlog.cli.librdkafka import make_consumer

    return make_consumer(
        {
            "socket.nagle.disable": "true",
            **settings,
            "group.id": f"test-group-{time.time_ns() // 1_000_000}",
            "enable.auto.commit": "false",
            "auto.offset.reset": "latest",
            "fetch.max.wait.ms": "0",
        }
    )


def _make_producer(settings: dict[str, str], acks: str) -> Producer:
    from commitlog.cli.librdkafka import make_producer

    return make_producer({"socket.nagle.disable": "true", **settings, "linger.ms": "0", "acks": acks})


def _print_results(total_ns: int, latencies: list[int]) -> None:
    if not latencies:
        print("Avg latency: NaN ms")
        raise ToolError("Index 0 out of bounds for length 0")
    print(f"Avg latency: {total_ns / len(latencies) / 1000.0 / 1000.0:.4f} ms")
    latencies.sort()
    shown = [latencies[int(len(latencies) * place)] for place in (0.5, 0.99, 0.999)]
    print("Percentiles: 50th = {}, 99th = {}, 99.9th = {}".format(*shown))


if __name__ == "__main__":
    sys.exit(main())
