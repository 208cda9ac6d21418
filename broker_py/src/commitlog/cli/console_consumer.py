# SPDX-License-Identifier: Apache-2.0
"""kafka-console-consumer.sh: records of topics as lines of standard output (Kafka's ConsoleConsumer).

Options and messages are those of Kafka 3.9; --zookeeper works as in 0.8: brokers are found and a group's
offsets are kept in ZooKeeper.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO, cast

from commitlog.cli import terminal
from commitlog.cli.console_consumer_options import FOREVER, OPTIONS, SUMMARY, ConsumerCommand, parse_command
from commitlog.cli.jopt import ArgumentError, Parsed, UsageError
from commitlog.cli.message_formatter import ConsumedRecord
from commitlog.cli.topics_errors import ToolError

if TYPE_CHECKING:
    from confluent_kafka import Message

    from commitlog.cli.record_source import RecordSource
    from commitlog.cli.zookeeper_group import ZooKeeperGroup

LOGGER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
POLL_STEP_S = 0.5
"""How long a signal may have to wait."""


class Stopped(BaseException):
    """Somebody wants the tool to end."""

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.exit_status = 128 + signal_number


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    # Kafka 3.9 shows its options below what it cannot read; for --zookeeper, which it has not, a line does.
    misread = ArgumentError if any(word.startswith("--zookeeper") for word in words) else UsageError
    return terminal.run_tool(_main, words, summary=SUMMARY, options=OPTIONS, misread=misread)


def _main(parsed: Parsed) -> int:
    command = parse_command(parsed, random.Random())
    try:
        with _signals(), _group(command) as group:
            return _run(command, group, sys.stdout.buffer)
    except Stopped as stopped:
        return stopped.exit_status


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM end the reading, not the orderly close after it."""

    def stop(signal_number: int, _: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(signal_number)

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def _group(command: ConsumerCommand) -> Iterator[ZooKeeperGroup | None]:
    if command.zookeeper is None:
        yield None
        return
    from commitlog.cli.zookeeper_group import ZooKeeperGroup

    with ZooKeeperGroup(command.zookeeper, command.group, is_kept=command.has_own_group) as group:
        yield group


def _run(command: ConsumerCommand, group: ZooKeeperGroup | None, output: BinaryIO) -> int:
    from commitlog.cli.record_source import make_source

    source = make_source(command, group)
    printer = Printer(command, source, output)
    try:
        printer.run()
    finally:
        source.close()
        print(f"Processed a total of {printer.count} messages", file=sys.stderr)
        if command.systest_events:
            print("shutdown_complete")
    return 0


class Printer:
    """Reads and prints until there is nothing more to do."""

    def __init__(self, command: ConsumerCommand, source: RecordSource, output: BinaryIO) -> None:
        self.count = 0
        self._command = command
        self._source = source
        self._output = output

    def run(self) -> None:
        from commitlog.cli.terminal import log

        silent_since = time.monotonic()
        while self._wanted() > 0:
            messages = self._source.receive(self._wanted(), self._wait_s(silent_since))
            if messages:
                silent_since = time.monotonic()
                if not self._print(messages):
                    print("Unable to write to standard out, closing consumer.", file=sys.stderr)
                    return
            elif self._is_over(silent_since):
                log("ERROR", "Error processing message, terminating consumer process: ", LOGGER)
                print("org.apache.kafka.common.errors.TimeoutException", file=sys.stderr)
                return

    def _wanted(self) -> int:
        maximum = self._command.max_messages
        return sys.maxsize if maximum == FOREVER else maximum - self.count

    def _wait_s(self, silent_since: float) -> float:
        timeout_ms = self._command.timeout_ms
        if timeout_ms == FOREVER:
            return POLL_STEP_S
        left_s = silent_since + timeout_ms / 1000 - time.monotonic()
        return max(0.0, min(POLL_STEP_S, left_s))

    def _is_over(self, silent_since: float) -> bool:
        timeout_ms = self._command.timeout_ms
        return timeout_ms != FOREVER and time.monotonic() - silent_since > timeout_ms / 1000

    def _print(self, messages: Sequence[Message]) -> bool:
        """False when nobody listens any more."""
        from commitlog.cli.terminal import log

        try:
            for message in messages:
                self.count += 1
                try:
                    text = self._command.formatter(_record(message))
                except ValueError as error:
                    if not self._command.skip_message_on_error:
                        raise ToolError(f"Error processing message: {error}") from None
                    log("ERROR", f"Error processing message, skipping this message: {error}", LOGGER)
                    continue
                self._output.write(text)
            self._output.flush()
        except BrokenPipeError:
            sys.stdout = None  # or Python complains of the flush at exit
            return False
        return True


def _record(message: Message) -> ConsumedRecord:
    timestamp_type, timestamp = message.timestamp()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return ConsumedRecord(
        partition=partition,
        offset=offset,
        timestamp_type=timestamp_type,
        timestamp=timestamp,
        headers=cast("Sequence[tuple[str, bytes | None]]", message.headers() or ()),
        key=message.key(),
        value=message.value(),
    )


if __name__ == "__main__":
    sys.exit(main())
