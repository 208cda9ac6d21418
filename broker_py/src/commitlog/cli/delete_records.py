# SPDX-License-Identifier: Apache-2.0
"""kafka-delete-records.sh: delete what lies before an offset (Kafka's `DeleteRecordsCommand`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from commitlog.cli import terminal
from commitlog.cli.delete_records_options import OPTIONS, SUMMARY
from commitlog.cli.jopt import Parsed, check_required

if TYPE_CHECKING:
    from commitlog.cli.admin import Admin, TopicPartition

VERSION = 1
REQUEST_TIMEOUT_MS = 30_000


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        _main, arguments, summary=SUMMARY, options=OPTIONS, failed=terminal.say_as_java()
    )


def _main(parsed: Parsed) -> int:
    import asyncio

    from commitlog.cli import json_input

    check_required(parsed, "bootstrap-server", "offset-json-file")
    offsets = parse_offsets(json_input.read(parsed.only("offset-json-file") or ""))
    asyncio.run(_run(parsed, offsets))
    return 0


def parse_offsets(text: str) -> dict[TopicPartition, int]:
    """{"version":1,"partitions":[{"topic":"foo","partition":1,"offset":1}]}"""
    from commitlog.cli import json_input
    from commitlog.cli.admin import TopicPartition
    from commitlog.cli.java_order import partitions_in_hash_order
    from commitlog.cli.topics_errors import ToolError

    try:
        document = json_input.as_object(json_input.parse(text))
    except ValueError:
        raise ToolError("The input string is not a valid JSON") from None
    version = json_input.integer(document.get("version", VERSION))
    if version != VERSION:
        raise ToolError(f"Not supported version field value {version}")
    if "partitions" not in document:
        raise ToolError("Missing partitions field")
    offsets: dict[TopicPartition, int] = {}
    twice: list[TopicPartition] = []
    for item in json_input.as_list(document["partitions"]):
        entry = json_input.as_object(item)
        partition = TopicPartition(
            json_input.text_field(entry, "topic"), json_input.integer_field(entry, "partition")
        )
        if partition in offsets:
            twice.append(partition)
        offsets[partition] = json_input.integer_field(entry, "offset", "Long")
    if twice:
        shown = ",".join(map(str, partitions_in_hash_order(dict.fromkeys(twice))))
        raise ToolError(f"Offset json file contains duplicate topic partitions: {shown}")
    return offsets


async def _run(parsed: Parsed, offsets: dict[TopicPartition, int]) -> None:
    from commitlog.cli.admin import KafkaError, connected, java_text
    from commitlog.cli.java_order import partitions_in_hash_order

    async with connected(parsed.only("bootstrap-server") or "", parsed.only("command-config")) as admin:
        print("Executing records delete operation")
        results = await delete_records(admin, offsets)
    print("Records delete operation completed:")
    for partition in partitions_in_hash_order(results):
        result = results[partition]
        if isinstance(result, KafkaError):
            print(f"partition: {partition}\terror: {java_text(result)}")
        else:
            print(f"partition: {partition}\tlow_watermark: {result}")


async def delete_records(
    admin: Admin, offsets: dict[TopicPartition, int]
) -> dict[TopicPartition, int | Exception]:
    """The low watermark of each partition, or why there is none."""
    from commitlog.cli.admin import TopicPartition
    from commitlog.wire.messages.delete_records_request import (
        DeleteRecordsPartition,
        DeleteRecordsRequest,
        DeleteRecordsTopic,
    )

    def make(topics: dict[str, list[int]]) -> DeleteRecordsRequest:
        return DeleteRecordsRequest(
            timeout_ms=REQUEST_TIMEOUT_MS,
            topics=[
                DeleteRecordsTopic(
                    name=topic,
                    partitions=[
                        DeleteRecordsPartition(
                            partition_index=number, offset=offsets[TopicPartition(topic, number)]
                        )
                        for number in numbers
                    ],
                )
                for topic, numbers in topics.items()
            ],
        )

    found = await admin.ask_leaders(
        list(offsets),
        make,
        lambda response: (
            (TopicPartition(topic.name, one.partition_index), one.error_code, one.low_watermark)
            for topic in response.topics
            for one in topic.partitions
        ),
    )
    return dict(found)


if __name__ == "__main__":
    sys.exit(main())
