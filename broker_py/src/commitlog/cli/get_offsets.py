# SPDX-License-Identifier: Apache-2.0
"""kafka-get-offsets.sh: the offsets of partitions at their ends or at a time (Kafka's `GetOffsetShell`)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence

from commitlog.cli import terminal
from commitlog.cli.get_offsets_options import OPTIONS, SUMMARY
from commitlog.cli.jopt import ArgumentError, Parsed, UsageError
from commitlog.cli.topic_filter import TopicFilter

SPECS = {"latest": -1, "earliest": -2, "max-timestamp": -3, "earliest-local": -4, "latest-tiered": -5}
PARTITION_MAX = 2**31 - 1
FAILED = "Error occurred: "
_RULE = re.compile(r"([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?")

PartitionFilter = Callable[[str, int], bool]


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        _main,
        arguments,
        summary=SUMMARY,
        options=OPTIONS,
        misread=lambda text: ArgumentError(FAILED + text),
        failed=terminal.say_as_java(FAILED),
    )


def _main(parsed: Parsed) -> int:
    import asyncio

    option = "bootstrap-server" if parsed.has("bootstrap-server") else "broker-list"
    servers = parsed.only(option)
    if servers is None:
        raise ArgumentError(f"{FAILED}Missing required option(s) [bootstrap-server]")
    check_servers(servers)
    if parsed.has("topic-partitions") and (parsed.has("topic") or parsed.has("partitions")):
        raise ArgumentError(f"{FAILED}--topic-partitions cannot be used with --topic or --partitions")
    timestamp = _timestamp(parsed.only("time") or "")
    asyncio.run(_run(servers, parsed, timestamp, partition_filter(parsed)))
    return 0


def check_servers(servers: str) -> None:
    """ToolsUtils.validateBootstrapServer."""
    if not servers.strip():
        raise UsageError("Error while validating the bootstrap address\n")
    if not all(re.fullmatch(r"\[?[^\]]+\]?:\d+", one.rpartition("://")[2]) for one in servers.split(",")):
        raise UsageError("Please provide valid host:port like host1:9091,host2:9092\n")


def _timestamp(text: str) -> int:
    if text in SPECS:
        return SPECS[text]
    if not re.fullmatch(r"[-+]?\d+", text):
        raise ArgumentError(
            f"{FAILED}Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or "
            "max-timestamp "
            "/ -4 or earliest-local / -5 or latest-tiered, or a specified long format timestamp"
        )
    return int(text)


def partition_filter(parsed: Parsed) -> PartitionFilter:
    """Which partitions the command is about."""
    rules = parsed.only("topic-partitions")
    if rules is not None:
        return _by_rules(rules)
    topics = TopicFilter(parsed.only("topic") or ".*")
    text = parsed.only("partitions")
    if not text:
        return lambda topic, _: topics.allows(topic)
    words = text.split(",")
    if not all(re.fullmatch(r"[-+]?\d+", word) for word in words):
        raise ArgumentError(
            f"{FAILED}--partitions expects a comma separated list of numeric partition ids, but received: "
            f"{text}"
        )
    numbers = {int(word) for word in words}
    return lambda topic, number: number in numbers and topics.allows(topic)


def _by_rules(text: str) -> PartitionFilter:
    """`topic:3`, `topic:0-2` (upper bound excluded), `topic:5-`, `:-2`, `topic`; separated by commas."""
    rules: list[tuple[TopicFilter, int, int]] = []
    for rule in text.split(","):
        found = _RULE.fullmatch(rule)
        if found is None:
            raise ArgumentError(f"{FAILED}Invalid rule specification: {rule}")
        topic, only, low, high = found.groups()
        first = int(only or low or 0)
        end = first + 1 if only else int(high) if high else PARTITION_MAX
        rules.append((TopicFilter(topic or ".*"), first, end))
    return lambda topic, number: any(
        first <= number < end and topics.allows(topic) for topics, first, end in rules
    )


async def _run(servers: str, parsed: Parsed, timestamp: int, selects: PartitionFilter) -> None:
    from commitlog.cli.admin import KafkaError, TopicPartition, connected, java_text

    async with connected(servers, parsed.only("command-config")) as admin:
        partitions = [
            TopicPartition(topic.name or "", partition.partition_index)
            for topic in await admin.all_topics()
            if not (topic.is_internal and parsed.has("exclude-internal-topics"))
            for partition in topic.partitions
            if selects(topic.name or "", partition.partition_index)
        ]
        if not partitions:
            raise ArgumentError(f"{FAILED}Could not match any topic-partitions with the specified filters")
        offsets = await admin.list_offsets(dict.fromkeys(partitions, timestamp))
    for partition in partitions:
        failure = offsets[partition]
        if isinstance(failure, KafkaError):
            print(
                f"Skip getting offsets for topic-partition {partition} due to error: {java_text(failure)}",
                file=sys.stderr,
            )
    for partition in sorted(partitions, key=str):
        found = offsets[partition]
        if not isinstance(found, KafkaError) and found.offset >= 0:
            print(f"{partition.topic}:{partition.partition}:{found.offset}")


if __name__ == "__main__":
    sys.exit(main())
