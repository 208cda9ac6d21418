# SPDX-License-Identifier: Apache-2.0
"""kafka-console-producer.sh: a line of standard input becomes a record (Kafka's ConsoleProducer).

Options, prompt and messages are Kafka's. One thing is not: when a record was not delivered the exit status
is 1, also without --sync, so that a script learns of it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from commitlog.cli import terminal
from commitlog.cli.console_producer_options import OPTIONS, SUMMARY, ProducerCommand, parse_command
from commitlog.cli.jopt import UsageError
from commitlog.cli.line_reader import Line, LineReader, read_lines
from commitlog.cli.topics_errors import ToolError

if TYPE_CHECKING:
    import confluent_kafka

CALLBACK_LOGGER = "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback"
METADATA_STEP_S = 1.0
QUEUE_STEP_S = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        lambda parsed: _run(parse_command(parsed), sys.stdin.buffer),
        arguments,
        summary=SUMMARY,
        options=OPTIONS,
        bare="Missing required option(s) [bootstrap-server]",
        misread=UsageError,
    )


def _run(command: ProducerCommand, source: BinaryIO) -> int:
    from commitlog.cli.librdkafka import make_producer

    reader = LineReader(command.reader)
    sender = Sender(make_producer(command.settings), command)
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if is_terminal:
        sender.report_in_background()
    try:
        for line in read_lines(source, prompts=is_terminal):
            sender.send(reader.parse(line))
    finally:
        sender.close()
    return 1 if sender.failures else 0


class Sender:
    """A producer that tells of what it could not deliver, in Kafka's words."""

    def __init__(self, producer: confluent_kafka.Producer, command: ProducerCommand) -> None:
        self.failures = 0
        self._producer = producer
        self._command = command
        self._topic_is_known = False
        self._closing = threading.Event()

    def report_in_background(self) -> None:
        """While somebody thinks about his next line, say what became of the last."""

        def report() -> None:
            while not self._closing.is_set():
                self._producer.poll(QUEUE_STEP_S)

        threading.Thread(target=report, daemon=True).start()

    def send(self, line: Line) -> None:
        if not self._topic_is_known:
            self._topic_is_known = self._wait_for_topic()
            if not self._topic_is_known:
                self._failed(line, self._timeout(f"Topic {self._command.topic} not present in metadata"))
                return
        deadline = time.monotonic() + self._command.max_block_ms / 1000
        while not self._enqueue(line):
            if time.monotonic() > deadline:
                self._failed(
                    line, self._timeout("Failed to allocate memory within the configured max blocking time")
                )
                return
            self._producer.poll(QUEUE_STEP_S)
        self._producer.poll(0)
        if self._command.sync:
            failures = self.failures
            self._producer.flush()
            if self.failures > failures:
                raise ToolError("the record was not delivered, see above")

    def close(self) -> None:
        """Wait for what is still on its way, as long as the producer tries."""
        self._producer.flush()
        self._closing.set()

    def _enqueue(self, line: Line) -> bool:
        """False when the queue is full."""

        def delivered(error: confluent_kafka.KafkaError | None, _: object) -> None:
            if error is not None:
                self._failed(line, f"{error.name()}: {error.str()}")

        import confluent_kafka

        try:
            self._producer.produce(
                self._command.topic,
                line.value,
                line.key,
                headers=list(line.headers) or None,
                on_delivery=delivered,
            )
        except BufferError:
            return False
        except confluent_kafka.KafkaException as error:  # refused before it was queued: too large
            delivered(error.args[0], None)
        return True

    def _wait_for_topic(self) -> bool:
        """Until the topic has leaders, or max.block.ms are over; asking for it may create it."""
        import confluent_kafka

        deadline = time.monotonic() + self._command.max_block_ms / 1000
        while True:
            self._producer.poll(0)  # lets it tell why there is no answer
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            try:
                found = self._producer.list_topics(self._command.topic, timeout=min(METADATA_STEP_S, left_s))
            except confluent_kafka.KafkaException:
                continue
            topic = found.topics[self._command.topic]
            if topic.error is None and topic.partitions:
                return True
            if topic.error is not None and topic.error.code() == confluent_kafka.KafkaError.TOPIC_EXCEPTION:
                raise ToolError(f"Invalid topics: [{self._command.topic}]")
            time.sleep(min(QUEUE_STEP_S, left_s))

    def _timeout(self, what: str) -> str:
        return (
            f"org.apache.kafka.common.errors.TimeoutException: {what} after {self._command.max_block_ms} ms."
        )

    def _failed(self, line: Line, reason: str) -> None:
        from commitlog.cli.terminal import log

        self.failures += 1
        key = "null" if line.key is None else f"{len(line.key)} bytes"
        value = "null" if line.value is None else f"{len(line.value)} bytes"
        topic = self._command.topic
        text = f"Error when sending message to topic {topic} with key: {key}, value: {value} with error:"
        log("ERROR", text, CALLBACK_LOGGER)
        print(reason, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
