# SPDX-License-Identifier: Apache-2.0
"""Plans of kafka-reassign-partitions.sh: the JSON that people write, and which replicas it moves from where
to where (ReassignPartitionsCommand's parsing and its move map)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from commitlog.cli import json_input
from commitlog.cli.admin import TopicPartition
from commitlog.cli.java_order import hash_order, partitions_in_hash_order, strings_in_hash_order
from commitlog.cli.topics_errors import ToolError

VERSION = 1
ANY_LOG_DIR = "any"

T = TypeVar("T")


class Replica(NamedTuple):
    """TopicPartitionReplica; sorts as Kafka's tool sorts them."""

    broker: int
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}-{self.broker}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A reassignment file: partitions in its order, and the directories that it names."""

    partitions: Sequence[tuple[TopicPartition, Sequence[int]]]
    directories: Mapping[Replica, str]

    @property
    def targets(self) -> dict[TopicPartition, Sequence[int]]:
        return dict(self.partitions)

    def check(self) -> None:
        """parseExecuteAssignmentArgs: what can be executed."""
        if not self.partitions:
            raise ToolError("Partition reassignment list cannot be empty")
        if any(not replicas for _, replicas in self.partitions):
            raise ToolError("Partition replica list cannot be empty")
        twice = partitions_in_hash_order(_duplicates(partition for partition, _ in self.partitions))
        if twice:
            shown = ",".join(map(str, twice))
            raise ToolError(f"Partition reassignment contains duplicate topic partitions: {shown}")
        repeated = [
            f"{partition} contains multiple entries for {','.join(map(str, again))}"
            for partition, replicas in self.partitions
            if (again := hash_order(_duplicates(replicas), int))
        ]
        if repeated:
            shown = ". ".join(repeated)
            raise ToolError(f"Partition replica lists may not contain duplicate entries: {shown}")


def _duplicates(items: Iterable[T]) -> list[T]:
    seen: set[T] = set()
    twice: dict[T, None] = {}
    for item in items:
        if item in seen:
            twice[item] = None
        seen.add(item)
    return list(twice)


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = json_input.as_object(json_input.parse(text))
    except ValueError:
        raise ToolError("The input string is not a valid JSON") from None
    version = json_input.integer(document.get("version", VERSION))
    if version != VERSION:
        raise ToolError(f"Not supported version field value {version}")
    return document


def parse_plan(text: str) -> Plan:
    """{"version":1,"partitions":[{"topic":"foo","partition":1,"replicas":[1,2],"log_dirs":["any","/d"]}]}"""
    partitions: list[tuple[TopicPartition, Sequence[int]]] = []
    directories: dict[Replica, str] = {}
    for item in json_input.as_list(_document(text).get("partitions", [])):
        entry = json_input.as_object(item)
        partition = TopicPartition(
            json_input.text_field(entry, "topic"), json_input.integer_field(entry, "partition")
        )
        if "replicas" not in entry:
            raise ToolError("No such field exists: `replicas`")
        replicas = [json_input.integer(one) for one in json_input.as_list(entry["replicas"])]
        named = entry.get("log_dirs", [ANY_LOG_DIR] * len(replicas))
        paths = [json_input.text(one) for one in json_input.as_list(named)]
        if len(paths) != len(replicas):
            raise ToolError(
                f"Size of replicas list {replicas} is different from size of log dirs list "
                f"[{', '.join(paths)}] for partition {partition}"
            )
        partitions.append((partition, replicas))
        for broker, path in zip(replicas, paths, strict=True):
            if path != ANY_LOG_DIR:
                directories[Replica(broker, *partition)] = path
    return Plan(partitions, directories)


def parse_topics(text: str) -> list[str]:
    """{"version":1,"topics":[{"topic":"foo"}]}"""
    topics = [
        json_input.text_field(json_input.as_object(item), "topic")
        for item in json_input.as_list(_document(text).get("topics", []))
    ]
    twice = strings_in_hash_order(_duplicates(topics))
    if twice:
        raise ToolError(f"List of topics to reassign contains duplicate entries: [{', '.join(twice)}]")
    return topics


def parse_brokers(text: str) -> list[int]:
    words = text.split(",")
    for word in words:
        if not word.removeprefix("-").isdecimal():
            raise ToolError(f'For input string: "{word}"')
    brokers = [int(word) for word in words]
    twice = hash_order(_duplicates(brokers), int)
    if twice:
        raise ToolError(f"Broker list contains duplicate entries: {twice}")
    return brokers


def format_plan(assignment: Mapping[TopicPartition, Sequence[int]]) -> str:
    """A reassignment file for these replicas, in any directory."""
    partitions = [
        {
            "topic": partition.topic,
            "partition": partition.partition,
            "replicas": list(assignment[partition]),
            "log_dirs": [ANY_LOG_DIR] * len(assignment[partition]),
        }
        for partition in sorted(assignment)
    ]
    return json.dumps({"version": VERSION, "partitions": partitions}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Move:
    """Where the replicas of a partition are, and where they will be that are not there yet."""

    sources: frozenset[int]
    destinations: frozenset[int]


def moves(
    ongoing: Mapping[TopicPartition, tuple[Sequence[int], Sequence[int]]],
    proposed: Mapping[TopicPartition, Sequence[int]],
    current: Mapping[TopicPartition, Sequence[int]],
) -> dict[TopicPartition, Move]:
    """calculateProposedMoveMap; `ongoing` has replicas and adding replicas."""
    found = {
        partition: Move(frozenset(replicas) - frozenset(adding), frozenset(adding))
        for partition, (replicas, adding) in ongoing.items()
    }
    for partition, replicas in proposed.items():
        move = found.get(partition)
        sources = frozenset(current[partition]) if move is None else move.sources
        found[partition] = Move(sources, frozenset(replicas) - sources)
    return found


def throttled(found: Mapping[TopicPartition, Move], *, leaders: bool) -> dict[str, str]:
    """The value of leader.replication.throttled.replicas, or of the follower's, by topic."""
    parts: dict[str, set[str]] = {}
    for (topic, number), move in found.items():
        brokers = move.sources if leaders else move.destinations - move.sources
        parts.setdefault(topic, set()).update(f"{number}:{broker}" for broker in brokers)
    return {topic: ",".join(sorted(replicas)) for topic, replicas in parts.items()}


def reassigning_brokers(found: Mapping[TopicPartition, Move]) -> list[int]:
    return sorted({broker for move in found.values() for broker in move.sources | move.destinations})
