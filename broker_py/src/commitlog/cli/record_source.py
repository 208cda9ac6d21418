# SPDX-License-Identifier: Apache-2.0
"""Where kafka-console-consumer.sh gets its records: a group, one partition, or all partitions by
ZooKeeper."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from commitlog.cli.console_consumer_options import EARLIEST, ConsumerCommand
from commitlog.cli.librdkafka import make_consumer
from commitlog.cli.terminal import log
from commitlog.cli.topics_errors import ToolError
from commitlog.cli.zookeeper_group import TopicPartition, ZooKeeperGroup

if TYPE_CHECKING:
    import confluent_kafka
    from confluent_kafka import Consumer, KafkaError, Message

CLIENT_LOGGER = "org.apache.kafka.clients.NetworkClient"
INTERNAL_TOPICS = ("__consumer_offsets", "__transaction_state")
BATCH_MAX = 500
METADATA_TIMEOUT_S = 10.0
REFRESH_INTERVAL_S = 5.0
"""How often topics and partitions that have come into being are looked for in ZooKeeper mode."""


class RecordSource(Protocol):
    """Gives records, and is told when nothing more is wanted."""

    def receive(self, limit: int, timeout_s: float) -> Sequence[Message]:
        """At least one record if one comes in time, more if they are there already."""

    def close(self) -> None:
        """Leave, with the offsets of what was received committed where that was asked for."""


class BrokerSource:
    """A consumer of a group, or of the one partition that was named."""

    def __init__(self, command: ConsumerCommand) -> None:
        settings = dict(command.settings)
        if command.topics.pattern is not None and settings.get("exclude.internal.topics", "true") == "true":
            settings["topic.blacklist"] = ",".join(f"^{topic}$" for topic in INTERNAL_TOPICS)
        self._consumer = make_consumer(settings)
        if command.partition is not None:
            self._consumer.assign([_at(command.topics.name or "", command.partition, command.offset)])
        elif command.topics.name is not None:
            self._consumer.subscribe([command.topics.name])
        else:
            self._consumer.subscribe([_posix_pattern(command.topics.pattern or "")])

    def receive(self, limit: int, timeout_s: float) -> Sequence[Message]:
        return _receive(self._consumer, limit, timeout_s)

    def close(self) -> None:
        self._consumer.close()


class ZooKeeperSource:
    """All partitions of the topics, from and to the offsets in ZooKeeper."""

    def __init__(self, command: ConsumerCommand, group: ZooKeeperGroup) -> None:
        self._command = command
        self._group = group
        if command.from_beginning:
            group.forget()
        self._consumer = make_consumer({**command.settings, "bootstrap.servers": group.bootstrap_servers()})
        self._positions: dict[TopicPartition, int] = {}
        self._assigned: set[TopicPartition] = set()
        self._dirty: set[TopicPartition] = set()
        self._next_refresh = 0.0
        self._next_commit = time.monotonic() + command.commit_interval_ms / 1000

    def receive(self, limit: int, timeout_s: float) -> Sequence[Message]:
        now = time.monotonic()
        if now >= self._next_refresh:
            self._next_refresh = now + REFRESH_INTERVAL_S
            self._assign_new_partitions()
        if now >= self._next_commit:
            self._next_commit = now + self._command.commit_interval_ms / 1000
            self._commit()
        messages = _receive(self._consumer, limit, timeout_s)
        for message in messages:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            self._positions[topic, partition] = offset + 1
            self._dirty.add((topic, partition))
        return messages

    def close(self) -> None:
        self._commit()
        self._consumer.close()

    def _commit(self) -> None:
        self._group.commit({partition: self._positions[partition] for partition in sorted(self._dirty)})
        self._dirty.clear()

    def _assign_new_partitions(self) -> None:
        import confluent_kafka

        topics = self._command.topics
        try:
            # Asking for the one topic creates it where that is allowed, as 0.8 did.
            metadata = self._consumer.list_topics(topic=topics.name, timeout=METADATA_TIMEOUT_S)
        except confluent_kafka.KafkaException as error:
            log("WARN", f"Could not get metadata: {error.args[0].str()}", CLIENT_LOGGER)
            return
        new: list[confluent_kafka.TopicPartition] = []
        for name, topic in metadata.topics.items():
            if topic.error is not None or not topics.matches(name):
                continue
            if topics.name is None and name in INTERNAL_TOPICS:
                continue
            for index in topic.partitions:
                if (name, index) not in self._assigned:
                    self._assigned.add((name, index))
                    new.append(self._begin(name, index))
        if new:
            self._consumer.incremental_assign(new)

    def _begin(self, topic: str, partition: int) -> confluent_kafka.TopicPartition:
        known = self._group.offset((topic, partition))
        return _at(topic, partition, self._command.offset if known is None else known)


def make_source(command: ConsumerCommand, group: ZooKeeperGroup | None) -> RecordSource:
    return BrokerSource(command) if group is None else ZooKeeperSource(command, group)


def _at(topic: str, partition: int, offset: int) -> confluent_kafka.TopicPartition:
    import confluent_kafka

    if offset < 0:
        beginning, end = confluent_kafka.OFFSET_BEGINNING, confluent_kafka.OFFSET_END
        offset = beginning if offset == EARLIEST else end
    return confluent_kafka.TopicPartition(topic, partition, offset)


def _posix_pattern(pattern: str) -> str:
    """librdkafka matches with the C library's regular expressions, which lack some of Java's
    abbreviations."""
    for java, posix in ((r"\d", "[0-9]"), (r"\w", "[A-Za-z0-9_]"), ("(?:", "(")):
        pattern = pattern.replace(java, posix)
    whole = pattern.removeprefix("^").removesuffix("$")
    return f"^({whole})$"


def _receive(consumer: Consumer, limit: int, timeout_s: float) -> list[Message]:
    first = consumer.poll(timeout_s)
    if first is None:
        return []
    messages = [first]
    if limit > 1:
        messages += consumer.consume(min(limit, BATCH_MAX) - 1, 0)
    return [message for message in messages if not _is_error(message)]


def _is_error(message: Message) -> bool:
    """Errors of a cluster in motion are told and waited out; others end the consumer."""
    error: KafkaError | None = message.error()
    if error is None:
        return False
    import confluent_kafka

    waits = (
        confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
        confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE,
        confluent_kafka.KafkaError._ALL_BROKERS_DOWN,
        confluent_kafka.KafkaError._TRANSPORT,
    )
    if error.code() not in waits and not error.retriable():
        raise ToolError(f"{error.name()}: {error.str()}")
    log("WARN", error.str(), CLIENT_LOGGER)
    return True
