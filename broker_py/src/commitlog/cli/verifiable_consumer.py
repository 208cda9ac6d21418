# SPDX-License-Identifier: Apache-2.0
"""kafka-verifiable-consumer.sh: a member of a group that tells each thing that happens to it in a line of
JSON (Kafka's `VerifiableConsumer`).

It reads with librdkafka, which is told in the Java client's words; what it reads at once is told at once, up
to max.poll.records.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commitlog.cli import argparse4j
from commitlog.cli.argparse4j import Parser
from commitlog.cli.verifiable_consumer_options import make_parser, settings_of
from commitlog.cli.verifiable_events import Stopping, java_error, passes, say, stop_by_signal, topic_error

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

LOGGER = "org.apache.kafka.tools.VerifiableConsumer"
POLL_S = 0.5
"""How long a signal may have to wait."""
MAX_POLL_RECORDS = 500
_NOT_A_MEMBER = (
    "Offset commit cannot be completed since the consumer is not part of an active group for auto partition "
    "assignment; it is likely that the consumer was kicked out of the group."
)
_REBALANCING = (
    "Offset commit cannot be completed since the consumer is undergoing a rebalance for auto partition "
    "assignment. You can try completing the rebalance by calling poll() and then retry the operation."
)
_COMMIT_FAILURES = {
    "ILLEGAL_GENERATION": _NOT_A_MEMBER,
    "UNKNOWN_MEMBER_ID": _NOT_A_MEMBER,
    "REBALANCE_IN_PROGRESS": _REBALANCING,
}
"""What KafkaConsumer says instead of the error's own text."""

CONSUMER_GROUP_HEARTBEAT = 68
HEARTBEAT_VERSION = 1
"""What librdkafka speaks of it; brokers of 3.9 list version 0, and answer it in KRaft mode alone."""

Partition = tuple[str, int]


def main(arguments: Sequence[str] | None = None) -> int:
    return argparse4j.run(make_parser, _work, arguments)


def _work(_: Parser, options: argparse.Namespace) -> int:
    settings = settings_of(options)
    with stop_by_signal() as stopping:
        VerifiableConsumer(options, settings, stopping).run()
    return stopping.exit_status


class Fatal(Exception):
    """The consumer cannot go on; the text is the Java client's exception."""


class VerifiableConsumer:
    """One run: reads and commits until there are enough records or a signal comes."""

    def __init__(self, options: argparse.Namespace, settings: dict[str, str], stopping: Stopping) -> None:
        from commitlog.cli.cluster import parse_bootstrap_servers
        from commitlog.cli.librdkafka import make_consumer

        parse_bootstrap_servers(settings["bootstrap.servers"])
        self._most = int(settings.get("max.poll.records", str(MAX_POLL_RECORDS)))
        self._consumer = make_consumer(settings)
        self._stopping = stopping
        self._settings = settings
        self._topic: str = options.topic
        self._topic_checked = False
        self._maximum: int = options.max_messages
        self._verbose: bool = options.verbose
        self._commits: bool = not options.enable_autocommit
        self._consumed = 0

    def run(self) -> None:
        from commitlog.cli.terminal import log

        say("startup_complete")
        try:
            self._check_protocol()
            self._consumer.subscribe([self._topic], on_assign=_assigned, on_revoke=_revoked)
            while not self._finished() and self._stopping.signal is None:
                records = self._read()
                if records:
                    offsets = self._received(records)
                    if self._commits:
                        self._commit(offsets)
        except Fatal as failure:
            log("ERROR", "Error during processing, terminating consumer process: ", LOGGER)
            print(failure, file=sys.stderr)
        finally:
            self._consumer.close()
            say("shutdown_complete")

    def _finished(self) -> bool:
        return 0 <= self._maximum <= self._consumed

    def _read(self) -> list[Message]:
        self._check_topic()
        first = self._consumer.poll(POLL_S)
        if first is None:
            return []
        return [
            message
            for message in (first, *self._consumer.consume(self._most - 1, 0))
            if not self._is_error(message)
        ]

    def _check_protocol(self) -> None:
        """librdkafka looks for a coordinator that knows the new protocol without end."""
        if self._settings.get("group.protocol") != "consumer":
            return
        import asyncio

        if not asyncio.run(_knows_consumer_protocol(self._settings)):
            raise Fatal(
                "org.apache.kafka.common.errors.UnsupportedVersionException: The version of API is not "
                "supported."
            )

    def _check_topic(self) -> None:
        """librdkafka waits for a topic with an impossible name; the Java client does not."""
        if self._topic_checked:
            return
        from confluent_kafka import KafkaException

        try:
            found = self._consumer.list_topics(self._topic, timeout=POLL_S).topics[self._topic]
        except KafkaException:
            return
        self._topic_checked = True
        if found.error is not None and not passes(found.error):
            raise Fatal(": ".join(topic_error(found.error, self._topic)))

    def _is_error(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return False
        if self._is_fatal(error):
            raise Fatal(self._failure(error, message))
        return True

    @staticmethod
    def _is_fatal(error: KafkaError) -> bool:
        return not passes(error) or error.fatal() or error.name() == "_AUTO_OFFSET_RESET"

    def _failure(self, error: KafkaError, message: Message) -> str:
        if error.name() == "_AUTO_OFFSET_RESET":
            return (
                "org.apache.kafka.clients.consumer.NoOffsetForPartitionException: Undefined offset with no "
                f"reset policy for partitions: [{message.topic()}-{message.partition()}]"
            )
        return ": ".join(topic_error(error, self._topic))

    def _received(self, records: Sequence[Message]) -> dict[Partition, int]:
        """Tell what came, partition by partition; the offsets to commit. What is beyond the maximum counts as
        received, and is read by the next member."""
        from commitlog.cli.java_order import partitions_in_hash_order

        found: dict[Partition, list[Message]] = {}
        for record in records:
            found.setdefault((record.topic() or "", record.partition() or 0), []).append(record)
        offsets: dict[Partition, int] = {}
        summaries: list[dict[str, Any]] = []
        for partition in partitions_in_hash_order(found):
            wanted = found[partition]
            if self._maximum >= 0:
                wanted = wanted[: self._maximum - self._consumed]
            if not wanted:
                continue
            first, last = wanted[0].offset() or 0, wanted[-1].offset() or 0
            offsets[partition] = last + 1
            summary = {**_named(partition), "count": len(wanted), "minOffset": first, "maxOffset": last}
            summaries.append(summary)
            if self._verbose:
                _tell_records(wanted)
            self._consumed += len(wanted)
        say("records_consumed", count=len(records), partitions=summaries)
        return offsets

    def _commit(self, offsets: dict[Partition, int]) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        told = [{**_named(partition), "offset": offset} for partition, offset in offsets.items()]
        wanted = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        try:
            committed = self._consumer.commit(offsets=wanted, asynchronous=False) or ()
            error = next((one.error for one in committed if one.error is not None), None)
        except KafkaException as failure:
            error = failure.args[0]
        if error is None:
            say("offsets_committed", offsets=told, success=True)
        elif error.name() == "FENCED_INSTANCE_ID":
            raise Fatal(": ".join(java_error(error)))
        else:
            text = _COMMIT_FAILURES.get(error.name(), java_error(error)[1])
            say("offsets_committed", offsets=told, error=text, success=False)


async def _knows_consumer_protocol(settings: Mapping[str, str]) -> bool:
    from commitlog.cli.cluster import ClientSettings, Cluster, parse_bootstrap_servers
    from commitlog.security.client_security import client_security

    servers = parse_bootstrap_servers(settings["bootstrap.servers"])
    cluster = Cluster(servers, ClientSettings(security=client_security(settings)))
    try:
        connection = await cluster.connection(None, "apiVersions")
        _, highest = (await connection.negotiate()).get(CONSUMER_GROUP_HEARTBEAT, (0, 0))
    finally:
        cluster.close()
    return highest >= HEARTBEAT_VERSION


def _named(partition: Partition) -> dict[str, Any]:
    return {"topic": partition[0], "partition": partition[1]}


def _tell_records(records: Iterable[Message]) -> None:
    for record in records:
        say(
            "record_data",
            key=_text(record.key()),
            value=_text(record.value()),
            topic=record.topic(),
            partition=record.partition(),
            offset=record.offset(),
        )


def _text(data: str | bytes | None) -> str | None:
    """StringDeserializer."""
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else data


def _assigned(_: object, partitions: Iterable[Any]) -> None:
    say("partitions_assigned", partitions=_sorted(partitions))


def _revoked(_: object, partitions: Iterable[Any]) -> None:
    say("partitions_revoked", partitions=_sorted(partitions))


def _sorted(partitions: Iterable[Any]) -> list[dict[str, Any]]:
    return [_named(one) for one in sorted((each.topic, each.partition) for each in partitions)]


if __name__ == "__main__":
    sys.exit(main())
