# SPDX-License-Identifier: Apache-2.0
"""kafka-consumer-perf-test.sh: how fast records are read (Kafka's `ConsumerPerformance`).

They are read by librdkafka, which is told in the Java client's words; the figures are counted and printed as
Kafka's tool does.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from typing import Any

from commitlog.cli import terminal
from commitlog.cli.consumer_perf_test_options import OPTIONS, SUMMARY
from commitlog.cli.jopt import ArgumentError, Parsed, UsageError, check_required

NO_SERVER = "Missing required option(s) [bootstrap-server]"
MEGABYTE = 1024 * 1024
POLL_S = 0.1
BATCH = 10_000
REBALANCE_HEADS = ", rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
_DATE_PARTS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        _main,
        arguments,
        summary=SUMMARY,
        options=OPTIONS,
        bare=NO_SERVER,
        misread=UsageError,
        failed=terminal.say_as_java(),
    )


def _main(parsed: Parsed) -> int:
    if parsed.has("threads") or parsed.has("num-fetch-threads"):
        print(
            "WARNING: option [threads] and [num-fetch-threads] have been deprecated and will be ignored by "
            "the test"
        )
    if not parsed.has("bootstrap-server") and not parsed.has("broker-list"):
        raise UsageError(NO_SERVER)
    check_required(parsed, "topic", "messages")
    if parsed.only_number("reporting-interval") <= 0:
        raise ArgumentError("Reporting interval must be greater than 0.")
    detailed = parsed.has("show-detailed-stats")
    if not parsed.has("hide-header"):
        first = "time, threadId" if detailed else "start.time, end.time"
        print(f"{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec{REBALANCE_HEADS}")
    Performance(parsed).run()
    if parsed.has("print-metrics"):
        print("Metrics of the Java client are not known to this tool's client.", file=sys.stderr)
    return 0


def settings_of(parsed: Parsed) -> dict[str, str]:
    """ConsumerPerfOptions.props."""
    settings: dict[str, str] = {}
    path = parsed.only("consumer.config")
    if path is not None:
        from commitlog.config import properties

        settings.update(properties.load(path))
    servers = parsed.only("bootstrap-server") or parsed.only("broker-list") or ""
    settings |= {
        "bootstrap.servers": servers,
        "group.id": parsed.only("group") or "",
        "receive.buffer.bytes": parsed.only("socket-buffer-size") or "",
        "max.partition.fetch.bytes": parsed.only("fetch-size") or "",
        "auto.offset.reset": "latest" if parsed.has("from-latest") else "earliest",
        "check.crcs": "false",
    }
    settings.setdefault("client.id", "perf-consumer-client")
    return settings


def format_time(pattern: str, at_ms: int) -> str:
    """SimpleDateFormat for numeric dates and times."""
    moment = time.localtime(at_ms / 1000)

    def part(found: re.Match[str]) -> str:
        letters = found[0]
        if letters[0] == "S":
            return f"{at_ms % 1000:0{len(letters)}d}"
        return time.strftime(_DATE_PARTS[letters], moment) if letters in _DATE_PARTS else letters

    return re.sub(r"y+|M+|d+|H+|m+|s+|S+", part, pattern.replace("'", ""))


def now_ms() -> int:
    return int(time.time() * 1000)


class Performance:
    """One run: reads until there are enough records, or none came for too long."""

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._wanted = parsed.only_number("messages")
        self._timeout_ms = parsed.only_number("timeout") if parsed.only("timeout") else 10_000
        self._interval_ms = parsed.only_number("reporting-interval")
        self._dates = parsed.only("date-format") or ""
        self._bytes = self._messages = 0
        self._said: set[str] = set()
        self._last = (0, 0)
        self._join_start_ms = self._join_ms = self._join_in_round_ms = 0

    def run(self) -> None:
        from commitlog.cli.librdkafka import make_consumer

        consumer = make_consumer(settings_of(self._parsed))
        start_ms = self._join_start_ms = now_ms()
        consumer.subscribe(
            [self._parsed.only("topic") or ""], on_assign=self._assigned, on_revoke=self._revoked
        )
        self._consume(consumer)
        end_ms = now_ms()
        consumer.close()
        if not self._parsed.has("show-detailed-stats"):
            self._print_total(start_ms, end_ms)

    def _assigned(self, *_: object) -> None:
        elapsed = now_ms() - self._join_start_ms
        self._join_ms += elapsed
        self._join_in_round_ms += elapsed

    def _revoked(self, *_: object) -> None:
        self._join_start_ms = now_ms()

    def _consume(self, consumer: Any) -> None:
        reported_ms = consumed_ms = current_ms = now_ms()
        while self._messages < self._wanted and current_ms - consumed_ms <= self._timeout_ms:
            batch = self._read(consumer, min(BATCH, self._wanted - self._messages))
            current_ms = now_ms()
            if batch:
                consumed_ms = current_ms
            for message in batch:
                if (error := message.error()) is not None:
                    self._say(error.str())
                    continue
                self._messages += 1
                self._bytes += len(message.key() or b"") + len(message.value() or b"")
            if batch and current_ms - reported_ms >= self._interval_ms:
                self._report(reported_ms, current_ms)
                reported_ms = current_ms
        if self._messages < self._wanted:
            print(
                "WARNING: Exiting before consuming the expected number of messages: timeout "
                f"({self._timeout_ms} ms) exceeded. You can use the --timeout option to increase the timeout."
            )

    def _read(self, consumer: Any, count: int) -> list[Any]:
        from confluent_kafka import KafkaException

        try:
            return list(consumer.consume(count, POLL_S))
        except KafkaException as error:
            self._say(error.args[0].str())
            return []

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            print(text, file=sys.stderr)

    def _report(self, start_ms: int, end_ms: int) -> None:
        if self._parsed.has("show-detailed-stats"):
            elapsed_ms = end_ms - start_ms
            fetch_ms = elapsed_ms - self._join_in_round_ms
            megabytes = (self._bytes - self._last[0]) / MEGABYTE
            messages = self._messages - self._last[1]
            print(
                f"{format_time(self._dates, end_ms)}, 0, {self._bytes / MEGABYTE:.4f}, "
                f"{_rate(megabytes, elapsed_ms):.4f}, {self._messages}, {_rate(messages, elapsed_ms):.4f}, "
                f"{self._join_in_round_ms}, {fetch_ms}, {_rate(megabytes, fetch_ms):.4f}, "
                f"{_rate(messages, fetch_ms):.4f}"
            )
        self._join_in_round_ms = 0
        self._last = self._bytes, self._messages

    def _print_total(self, start_ms: int, end_ms: int) -> None:
        elapsed_ms = end_ms - start_ms
        fetch_ms = elapsed_ms - self._join_ms
        megabytes = self._bytes / MEGABYTE
        print(
            f"{format_time(self._dates, start_ms)}, {format_time(self._dates, end_ms)}, {megabytes:.4f}, "
            f"{_rate(megabytes, elapsed_ms):.4f}, {self._messages}, {_rate(self._messages, elapsed_ms):.4f}, "
            f"{self._join_ms}, {fetch_ms}, {_rate(megabytes, fetch_ms):.4f}, "
            f"{_rate(self._messages, fetch_ms):.4f}"
        )


def _rate(amount: float, elapsed_ms: int) -> float:
    return 0.0 if elapsed_ms <= 0 else 1000.0 * amount / elapsed_ms


if __name__ == "__main__":
    sys.exit(main())
