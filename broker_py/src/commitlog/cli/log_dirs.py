# SPDX-License-Identifier: Apache-2.0
"""kafka-log-dirs.sh: what lies in the log directories of brokers (Kafka's `LogDirsCommand`)."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from commitlog.cli import terminal
from commitlog.cli.jopt import ArgumentError, Parsed, check_required
from commitlog.cli.log_dirs_options import OPTIONS, SUMMARY

if TYPE_CHECKING:
    from commitlog.wire.messages.describe_log_dirs_response import DescribeLogDirsResult


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        _main, arguments, summary=SUMMARY, options=OPTIONS, failed=terminal.say_as_java()
    )


def _main(parsed: Parsed) -> int:
    import asyncio

    check_required(parsed, "bootstrap-server", "describe")
    asyncio.run(_run(parsed))
    return 0


def _listed(parsed: Parsed, option: str) -> list[str]:
    return [word for word in (parsed.only(option) or "").split(",") if word]


async def _run(parsed: Parsed) -> None:
    from commitlog.cli import json_input
    from commitlog.cli.admin import check, connected
    from commitlog.cli.java_order import hash_order
    from commitlog.wire.messages.describe_log_dirs_request import DescribeLogDirsRequest

    topics = set(_listed(parsed, "topic-list"))
    wanted = _broker_ids(_listed(parsed, "broker-list"))
    async with connected(parsed.only("bootstrap-server") or "", parsed.only("command-config")) as admin:
        live = hash_order((node.id for node in await admin.nodes()), int)
        missing = [broker for broker in wanted if broker not in live]
        if missing:
            raise ArgumentError(
                f"ERROR: The given brokers do not exist from --broker-list: {_joined(missing)}. Current "
                "existent "
                f"brokers: {_joined(live)}"
            )
        print("Querying brokers for log directories information")
        brokers: list[dict[str, object]] = []
        for broker in wanted or live:
            response = await admin.ask_broker(broker, DescribeLogDirsRequest(topics=None))
            check(response.error_code)
            brokers.append({"broker": broker, "logDirs": _directories(response.results, topics)})
    print(f"Received log directory information from brokers {_joined(wanted or live)}")
    print(json_input.dump_hash_map({"version": 1, "brokers": brokers}))


def _broker_ids(words: Sequence[str]) -> list[int]:
    from commitlog.cli.java_order import hash_order

    for word in words:
        if not word.removeprefix("-").isdecimal():
            raise ArgumentError(f'For input string: "{word}"')
    return hash_order(dict.fromkeys(map(int, words)), int)


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _directories(results: Sequence[DescribeLogDirsResult], topics: Collection[str]) -> list[object]:
    from commitlog.cli.admin import ErrorCode, TopicPartition
    from commitlog.cli.java_order import hash_order, partitions_in_hash_order, string_hash

    found: list[object] = []
    for result in hash_order(results, lambda one: string_hash(one.log_dir)):
        error = ErrorCode.of(result.error_code)
        name = f"org.apache.kafka.common.errors.{error.exception}" if error != ErrorCode.NONE else None
        replicas = {
            TopicPartition(topic.name, one.partition_index): one
            for topic in result.topics
            for one in topic.partitions
            if not topics or topic.name in topics
        }
        partitions = [
            {
                "partition": str(partition),
                "size": replicas[partition].partition_size,
                "offsetLag": replicas[partition].offset_lag,
                "isFuture": replicas[partition].is_future_key,
            }
            for partition in partitions_in_hash_order(replicas)
        ]
        found.append({"logDir": result.log_dir, "error": name, "partitions": partitions})
    return found


if __name__ == "__main__":
    sys.exit(main())
