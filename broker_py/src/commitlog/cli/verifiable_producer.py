# SPDX-License-Identifier: Apache-2.0
"""kafka-verifiable-producer.sh: rising integers, and a line of JSON for the fate of each (Kafka's
`VerifiableProducer`).

Records are sent by librdkafka, which is told in the Java client's words; it waits for a topic's metadata as
the Java client does, tries nothing again, and puts keys into the same partitions.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from commitlog.cli import argparse4j
from commitlog.cli.argparse4j import Parser, whole_number
from commitlog.cli.verifiable_events import (
    Stopping,
    connection_group,
    java_error,
    now_ms,
    passes,
    say,
    stop_by_signal,
    topic_error,
)

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

DESCRIPTION = (
    "This tool produces increasing integers to the specified topic and prints JSON metadata to stdout on "
    'each "send" request, making externally visible which messages have been acked and which have not.'
)
SERVERS_HELP = (
    "REQUIRED: The server(s) to connect to. Comma-separated list of Kafka brokers in the form "
    "HOST1:PORT1,HOST2:PORT2,..."
)
ACKS = (0, 1, -1)
STEP_S = 0.1
"""How long a signal may have to wait."""
METADATA_RETRY_S = 0.1
_ERRORS = "org.apache.kafka.common.errors."
INVALID_TOPIC = f"{_ERRORS}InvalidTopicException"


def main(arguments: Sequence[str] | None = None) -> int:
    return argparse4j.run(make_parser, _work, arguments)


def _work(_: Parser, options: argparse.Namespace) -> int:
    settings = settings_of(options)
    with stop_by_signal() as stopping:
        VerifiableProducer(options, settings, stopping).run()
    return stopping.exit_status


def _acks(text: str) -> int:
    number = whole_number("Integer")(text)
    if number not in ACKS:
        raise argparse.ArgumentTypeError(f"invalid choice: '{text}' (choose from {{0,1,-1}})")
    return number


def make_parser() -> Parser:
    parser = Parser(prog="verifiable-producer", description=DESCRIPTION)
    parser.add_argument("--topic", metavar="TOPIC", required=True, help="Produce messages to this topic.")
    parser.add_argument(
        "--max-messages",
        metavar="MAX-MESSAGES",
        type=whole_number("Integer"),
        default=-1,
        help="Produce this many messages. If -1, produce messages until the process is killed externally. "
        "(default: -1)",
    )
    parser.add_argument(
        "--throughput",
        metavar="THROUGHPUT",
        type=whole_number("Integer"),
        default=-1,
        help="If set >= 0, throttle maximum message throughput to *approximately* THROUGHPUT messages/sec. "
        "(default: -1)",
    )
    parser.add_argument(
        "--acks",
        metavar="ACKS",
        type=_acks,
        default=-1,
        help="Acks required on each produced message. See Kafka docs on acks for details. (default: -1)",
    )
    parser.add_argument("--producer.config", metavar="CONFIG_FILE", help="Producer config properties file.")
    _record_options(parser)
    connection_group(parser, SERVERS_HELP)
    return parser


def _record_options(parser: Parser) -> None:
    parser.add_argument(
        "--message-create-time",
        metavar="CREATETIME",
        type=whole_number("Long"),
        default=-1,
        help="Send messages with creation time starting at the arguments value, in milliseconds since epoch "
        "(default: -1)",
    )
    parser.add_argument(
        "--value-prefix",
        metavar="VALUE-PREFIX",
        type=whole_number("Integer"),
        help="If specified, each produced value will have this prefix with a dot separator",
    )
    parser.add_argument(
        "--repeating-keys",
        metavar="REPEATING-KEYS",
        type=whole_number("Integer"),
        help="If specified, each produced record will have a key starting at 0 increment by 1 up to the "
        "number specified (exclusive), then the key is set to 0 again",
    )


def settings_of(options: argparse.Namespace) -> dict[str, str]:
    settings = {
        "bootstrap.servers": options.servers,
        "acks": str(options.acks),
        "retries": "0",
        "linger.ms": "0",
        "delivery.timeout.ms": "120000",
        "client.id": "producer-1",
    }
    path = getattr(options, "producer.config")
    if path is not None:
        from commitlog.config import properties

        settings.update(properties.load(path))
    return settings


class VerifiableProducer:
    """One run: sends until there are enough records or a signal comes, then tells how it went."""

    def __init__(self, options: argparse.Namespace, settings: dict[str, str], stopping: Stopping) -> None:
        from commitlog.cli.cluster import parse_bootstrap_servers
        from commitlog.cli.librdkafka import make_producer

        parse_bootstrap_servers(settings["bootstrap.servers"])
        self._producer = make_producer(settings)
        self._max_block_ms = int(settings.get("max.block.ms", "60000"))
        self._stopping = stopping
        self._topic: str = options.topic
        self._maximum: int = options.max_messages
        self._throughput: int = options.throughput
        self._prefix: int | None = options.value_prefix
        self._repeating_keys: int | None = options.repeating_keys
        self._next_key = 0
        self._create_time: int | None = (
            None if options.message_create_time == -1 else options.message_create_time
        )
        self._start_ms = now_ms()
        self._topic_known = False
        self._invalid: tuple[str, str] | None = None
        self._sent = self._acked = 0

    def run(self) -> None:
        say("startup_complete")
        start_ms = now_ms()
        number = 0
        while self._stopping.signal is None and (self._maximum < 0 or number < self._maximum):
            sent_ms = now_ms()
            self._send(self._key(), str(number) if self._prefix is None else f"{self._prefix}.{number}")
            self._keep_pace(number, start_ms, sent_ms)
            number += 1
        while self._producer.flush(STEP_S):
            pass
        say("shutdown_complete")
        self._summarize()

    def _summarize(self) -> None:
        elapsed_ms = max(now_ms() - self._start_ms, 1)
        say(
            "tool_data",
            sent=self._sent,
            acked=self._acked,
            target_throughput=self._throughput,
            avg_throughput=1000 * (self._acked / elapsed_ms),
        )

    def _key(self) -> str | None:
        if self._repeating_keys is None:
            return None
        key = str(self._next_key)
        self._next_key += 1
        if self._next_key == self._repeating_keys:
            self._next_key = 0
        return key

    def _send(self, key: str | None, value: str) -> None:
        from confluent_kafka import KafkaException

        self._sent += 1
        failure = self._wait_for_topic()
        if failure is not None:
            self._failed(key, value, *failure)
            return
        timestamp = self._timestamp()
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    value,
                    key,
                    on_delivery=lambda error, message: self._delivered(key, value, error, message),
                    timestamp=timestamp or 0,
                )
            except BufferError:
                self._producer.poll(STEP_S)
                continue
            except KafkaException as error:
                self._failed(key, value, *java_error(error.args[0]))
            self._producer.poll(0)
            return

    def _timestamp(self) -> int | None:
        """Kafka's tool adds the time since its start to each, which is not the time between them."""
        timestamp = self._create_time
        if timestamp is not None:
            self._create_time = timestamp + now_ms() - self._start_ms
        return timestamp

    def _wait_for_topic(self) -> tuple[str, str] | None:
        """KafkaProducer.waitOnMetadata: before the first record, max.block.ms at most."""
        if self._topic_known or self._invalid is not None:
            return self._invalid
        from confluent_kafka import KafkaException

        deadline = time.monotonic() + self._max_block_ms / 1000
        while (left_s := deadline - time.monotonic()) > 0 and self._stopping.signal is None:
            try:
                topic = self._producer.list_topics(self._topic, timeout=min(left_s, 1.0)).topics[self._topic]
            except KafkaException:
                continue
            if topic.error is None and topic.partitions:
                self._topic_known = True
                return None
            if topic.error is not None and not passes(topic.error):
                exception, text = topic_error(topic.error, self._topic)
                if exception == INVALID_TOPIC:
                    # Which the Java client remembers, and says in other words the next time.
                    self._invalid = exception, self._topic
                return exception, text
            time.sleep(METADATA_RETRY_S)
        text = f"Topic {self._topic} not present in metadata after {self._max_block_ms} ms."
        return f"{_ERRORS}TimeoutException", text

    def _delivered(self, key: str | None, value: str, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed(key, value, *java_error(error))
            return
        self._acked += 1
        offset = message.offset()
        say(
            "producer_send_success",
            key=key,
            value=value,
            offset=-1 if offset is None or offset < 0 else offset,
            topic=message.topic(),
            partition=message.partition(),
        )

    def _failed(self, key: str | None, value: str, exception: str, text: str) -> None:
        said: dict[str, Any] = {"topic": self._topic, "key": key, "value": value}
        say("producer_send_error", **said, exception=f"class {exception}", message=text)

    def _keep_pace(self, number: int, start_ms: int, sent_ms: int) -> None:
        """ThroughputThrottler: wait until this many records may have been sent; with 0 a second, for ever."""
        if self._throughput > 0:
            due = start_ms / 1000 + number / self._throughput
            if due > sent_ms / 1000:
                self._wait_until(due)
        elif self._throughput == 0 and number > 0:
            self._wait_until(math.inf)

    def _wait_until(self, due: float) -> None:
        """Answers are told as they come."""
        while self._stopping.signal is None and (left_s := due - time.time()) > 0:
            self._producer.poll(min(STEP_S, left_s))


if __name__ == "__main__":
    sys.exit(main())
