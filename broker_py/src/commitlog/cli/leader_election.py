# SPDX-License-Identifier: Apache-2.0
"""kafka-leader-election.sh: elect preferred leaders, or unclean ones (Kafka's `LeaderElectionCommand`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from commitlog.cli import terminal
from commitlog.cli.jopt import ArgumentError, Parsed
from commitlog.cli.leader_election_options import OPTIONS, SUMMARY

if TYPE_CHECKING:
    from commitlog.cli.admin import TopicPartition
    from commitlog.wire.messages.elect_leaders_response import ElectLeadersResponse

ELECTIONS = {"PREFERRED": 0, "UNCLEAN": 1}
API_TIMEOUT_MS = 30_000


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        _main, arguments, summary=SUMMARY, options=OPTIONS, failed=terminal.say_as_java()
    )


def _main(parsed: Parsed) -> int:
    import asyncio

    election = _check(parsed)
    asyncio.run(_run(parsed, election, _partitions(parsed)))
    return 0


def _check(parsed: Parsed) -> str:
    """LeaderElectionCommandOptions.validate; the type of the election."""
    missing = [name for name in ("bootstrap-server", "election-type") if not parsed.has(name)]
    if missing:
        raise ArgumentError(f"Missing required option(s): {', '.join(missing)}")
    what = ("topic", "all-topic-partitions", "path-to-json-file")
    if sum(map(parsed.has, what)) != 1:
        raise ArgumentError(f"One and only one of the following options is required: {', '.join(what)}")
    if parsed.has("topic") and not parsed.has("partition"):
        raise ArgumentError("Missing required option(s): partition")
    if parsed.has("partition") and not parsed.has("topic"):
        raise ArgumentError("Option partition is only allowed if topic is used")
    election = (parsed.only("election-type") or "").upper()
    if election not in ELECTIONS:
        raise ArgumentError(f"Cannot parse argument '{parsed.only('election-type')}' of option election-type")
    return election


def _partitions(parsed: Parsed) -> list[TopicPartition] | None:
    """None: all that are eligible."""
    from commitlog.cli.admin import TopicPartition

    path = parsed.only("path-to-json-file")
    if path is not None:
        return _from_file(path)
    topic = parsed.only("topic")
    return None if topic is None else [TopicPartition(topic, parsed.only_number("partition"))]


def _from_file(path: str) -> list[TopicPartition]:
    from commitlog.cli import json_input
    from commitlog.cli.admin import TopicPartition
    from commitlog.cli.java_order import partitions_in_hash_order

    try:
        document = json_input.as_object(json_input.parse(json_input.read(path)))
    except ValueError:
        raise ArgumentError("Replica election data is empty") from None
    if "partitions" not in document:
        raise ArgumentError('Replica election data is missing "partitions" field')
    found: list[TopicPartition] = []
    for item in json_input.as_list(document["partitions"]):
        entry = json_input.as_object(item)
        found.append(
            TopicPartition(
                json_input.text_field(entry, "topic"), json_input.integer_field(entry, "partition")
            )
        )
    twice = [one for one in found if found.count(one) > 1]
    if twice:
        shown = ", ".join(map(str, partitions_in_hash_order(dict.fromkeys(twice))))
        raise ArgumentError(f"Replica election data contains duplicate partitions: [{shown}]")
    return found


async def _run(parsed: Parsed, election: str, partitions: Sequence[TopicPartition] | None) -> None:
    from commitlog.cli.admin import ErrorCode, by_topic, check, connected
    from commitlog.cli.topics_errors import ToolError
    from commitlog.wire.messages.elect_leaders_request import ElectLeadersRequest, TopicPartitions

    wanted = None
    if partitions is not None:
        topics = by_topic(partitions)
        wanted = [TopicPartitions(topic=topic, partitions=numbers) for topic, numbers in topics.items()]
    request = ElectLeadersRequest(
        election_type=ELECTIONS[election], topic_partitions=wanted, timeout_ms=API_TIMEOUT_MS
    )
    bootstrap = parsed.only("bootstrap-server") or ""
    async with connected(bootstrap, parsed.only("admin.config"), API_TIMEOUT_MS) as admin:
        response = await admin.ask_controller(request, _codes)
    text = {
        ErrorCode.REQUEST_TIMED_OUT: "Timeout waiting for election results",
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED: "Not authorized to perform leader election",
    }.get(ErrorCode.of(response.error_code))
    if text is not None:
        print(text)
        raise ToolError(text)
    check(response.error_code)
    _print(election, response)


def _codes(response: ElectLeadersResponse) -> list[int]:
    results = response.replica_election_results
    return [response.error_code, *(one.error_code for topic in results for one in topic.partition_result)]


def _print(election: str, response: ElectLeadersResponse) -> None:
    from commitlog.cli.admin import ErrorCode, KafkaError, TopicPartition, java_text
    from commitlog.cli.java_order import partitions_in_hash_order
    from commitlog.cli.topics_errors import ToolError

    results = {
        TopicPartition(topic.topic, one.partition_id): one
        for topic in response.replica_election_results
        for one in topic.partition_result
    }
    ordered = partitions_in_hash_order(results)
    codes = {partition: ErrorCode.of(results[partition].error_code) for partition in ordered}
    elected = [str(partition) for partition in ordered if codes[partition] == ErrorCode.NONE]
    idle = [str(partition) for partition in ordered if codes[partition] == ErrorCode.ELECTION_NOT_NEEDED]
    failed = [
        partition
        for partition in ordered
        if codes[partition] not in (ErrorCode.NONE, ErrorCode.ELECTION_NOT_NEEDED)
    ]
    if elected:
        print(f"Successfully completed leader election ({election}) for partitions {', '.join(elected)}")
    if idle:
        print(f"Valid replica already elected for partitions {', '.join(idle)}")
    for partition in failed:
        error = KafkaError(codes[partition], results[partition].error_message)
        print(f"Error completing leader election ({election}) for partition: {partition}: {java_text(error)}")
    if failed:
        raise ToolError(f"{len(failed)} replica(s) could not be elected")


if __name__ == "__main__":
    sys.exit(main())
