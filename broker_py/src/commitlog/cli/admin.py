# SPDX-License-Identifier: Apache-2.0
"""What several tools ask of a cluster (as Kafka's AdminClient): brokers, partitions by leader, groups by
coordinator, configurations. What may be tried again is tried again until the call's time is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from commitlog.cli.cluster import Address, ClientSettings, Cluster, parse_bootstrap_servers
from commitlog.cli.topics_errors import ToolError, java_text
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.message import Request, Response
from commitlog.wire.messages.find_coordinator_request import FindCoordinatorRequest
from commitlog.wire.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from commitlog.wire.messages.list_offsets_response import ListOffsetsPartitionResponse, ListOffsetsResponse
from commitlog.wire.messages.metadata_request import MetadataRequest
from commitlog.wire.messages.metadata_response import MetadataResponse, MetadataResponseTopic

R = TypeVar("R", bound=Response)
T = TypeVar("T")

__all__ = [
    "EARLIEST",
    "GROUP",
    "LATEST",
    "TRANSACTION",
    "Admin",
    "ErrorCode",
    "KafkaError",
    "Node",
    "TopicPartition",
    "by_topic",
    "check",
    "connected",
    "java_text",
]

GROUP = 0
TRANSACTION = 1
"""Kinds of coordinators (FindCoordinatorRequest.CoordinatorType)."""

LATEST = -1
EARLIEST = -2
READ_UNCOMMITTED = 0

_MOVED_COORDINATOR = frozenset(
    (
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    )
)


class TopicPartition(NamedTuple):
    """Shown as Kafka shows it: topic-0."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


@dataclass(frozen=True, slots=True)
class Node:
    """A broker as clients reach it."""

    id: int
    host: str
    port: int
    rack: str | None = None

    @property
    def address(self) -> Address:
        return self.host, self.port

    def __str__(self) -> str:
        rack = self.rack if self.rack is not None else "null"
        return f"{self.host}:{self.port} (id: {self.id} rack: {rack})"


def check(code: int, message: str | None = None) -> None:
    """Raise the KafkaError of a code, unless it is NONE."""
    if code != ErrorCode.NONE:
        raise KafkaError(ErrorCode.of(code), message)


def by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    """Partitions of each topic, in the order given."""
    found: dict[str, list[int]] = {}
    for topic, partition in partitions:
        found.setdefault(topic, []).append(partition)
    return found


class Admin(Cluster):
    """A cluster, asked as AdminClient asks it."""

    async def nodes(self) -> list[Node]:
        """All live brokers, by id."""
        metadata = await self.metadata()
        return sorted(_nodes(metadata).values(), key=lambda node: node.id)

    async def ask_node(self, node: Node, request: Request[R]) -> R:
        connection = await self.connection(node.address, type(request).__name__)
        return await connection.send(request)

    async def ask_broker(self, broker_id: int, request: Request[R]) -> R:
        """Ask the broker of that id; it is waited for until the call's time is over."""
        while True:
            found = _nodes(await self.metadata()).get(broker_id)
            if found is not None:
                return await self.ask_node(found, request)
            await self.back_off(type(request).__name__)

    async def describe_topics(self, names: Sequence[str]) -> list[MetadataResponseTopic]:
        """The topics of these names; one that does not exist is an error."""
        metadata = await self.metadata(names)
        for topic in metadata.topics:
            check(topic.error_code)
        by_name = {topic.name: topic for topic in metadata.topics}
        return [by_name[name] for name in names]

    async def all_topics(self) -> list[MetadataResponseTopic]:
        metadata = await self.ask(MetadataRequest(topics=None, allow_auto_topic_creation=False))
        return [topic for topic in metadata.topics if topic.name is not None]

    async def ask_leaders(
        self,
        partitions: Collection[TopicPartition],
        make: Callable[[dict[str, list[int]]], Request[R]],
        read: Callable[[R], Iterable[tuple[TopicPartition, int, T]]],
    ) -> dict[TopicPartition, T | KafkaError]:
        """Ask the leader of each partition; `make` makes the request for partitions by topic, `read` finds
        partition, error code and result in an answer. What failed is its error."""
        self.begin_call()
        pending = set(partitions)
        results: dict[TopicPartition, T | KafkaError] = {}
        failures: dict[TopicPartition, KafkaError] = {}
        while pending:
            asked = await self._by_leader(pending, results, failures)
            for leader, led in asked.items():
                request = make(by_topic(one for one in partitions if one in led))
                for partition, code, result in read(await self.ask_node(leader, request)):
                    if code == ErrorCode.NONE:
                        results[partition] = result
                    elif ErrorCode.of(code).retriable:
                        failures[partition] = KafkaError(ErrorCode.of(code))
                        continue
                    else:
                        results[partition] = KafkaError(ErrorCode.of(code))
                    pending.discard(partition)
            pending -= results.keys()
            if pending:
                try:
                    await self.back_off("metadata")
                except ToolError as error:
                    return {**results, **dict.fromkeys(pending, _timeout(error))}
        return results

    async def _by_leader(
        self,
        pending: Collection[TopicPartition],
        results: dict[TopicPartition, T | KafkaError],
        failures: dict[TopicPartition, KafkaError],
    ) -> dict[Node, set[TopicPartition]]:
        metadata = await self.metadata(sorted({one.topic for one in pending}))
        nodes = _nodes(metadata)
        found: dict[Node, set[TopicPartition]] = {}
        for topic in metadata.topics:
            mine = [one for one in pending if one.topic == topic.name]
            code = ErrorCode.of(topic.error_code)
            if code != ErrorCode.NONE:
                (failures if code.retriable else results).update(dict.fromkeys(mine, KafkaError(code)))
                continue
            leaders = {partition.partition_index: partition.leader_id for partition in topic.partitions}
            for one in mine:
                node = nodes.get(leaders.get(one.partition, -1))
                if node is None:
                    failures[one] = KafkaError(ErrorCode.LEADER_NOT_AVAILABLE)
                else:
                    found.setdefault(node, set()).add(one)
        return found

    async def list_offsets(
        self, wanted: Mapping[TopicPartition, int], isolation_level: int = READ_UNCOMMITTED
    ) -> dict[TopicPartition, ListOffsetsPartitionResponse | KafkaError]:
        """The offset for a timestamp, or LATEST and the like, of each partition."""

        def make(topics: dict[str, list[int]]) -> Request[ListOffsetsResponse]:
            return ListOffsetsRequest(
                replica_id=-1,
                isolation_level=isolation_level,
                topics=[
                    ListOffsetsTopic(
                        name=topic,
                        partitions=[
                            ListOffsetsPartition(
                                partition_index=number, timestamp=wanted[TopicPartition(topic, number)]
                            )
                            for number in numbers
                        ],
                    )
                    for topic, numbers in topics.items()
                ],
            )

        return await self.ask_leaders(list(wanted), make, _listed_offsets)

    async def coordinator(self, key: str, kind: int = GROUP) -> Node:
        """The coordinator of a group or a transactional id."""
        while True:
            connection = await self.connection(None, "FindCoordinatorRequest")
            version = await connection.choose_version(FindCoordinatorRequest.API_KEY)
            if version >= 4:
                request = FindCoordinatorRequest(key_type=kind, coordinator_keys=[key])
                one = (await connection.send(request, version)).coordinators[0]
                found = one.error_code, one.error_message, Node(one.node_id, one.host, one.port)
            else:
                answer = await connection.send(FindCoordinatorRequest(key=key, key_type=kind), version)
                node = Node(answer.node_id, answer.host, answer.port)
                found = answer.error_code, answer.error_message, node
            code, message, node = found
            if code != ErrorCode.COORDINATOR_NOT_AVAILABLE:
                check(code, message or None)
                return node
            await self.back_off("findCoordinator")

    async def ask_coordinator(
        self, key: str, request: Request[R], code_of: Callable[[R], int], kind: int = GROUP
    ) -> tuple[Node, R]:
        """Ask the coordinator, wherever it moves; `code_of` finds the error code that would say so."""
        self.begin_call()
        while True:
            node = await self.coordinator(key, kind)
            response = await self.ask_node(node, request)
            if ErrorCode.of(code_of(response)) not in _MOVED_COORDINATOR:
                return node, response
            await self.back_off(type(request).__name__)


@asynccontextmanager
async def connected(
    bootstrap: str, command_config: str | None = None, timeout_ms: int | None = None
) -> AsyncIterator[Admin]:
    """An admin client for the time of a block; `timeout_ms` instead of default.api.timeout.ms."""
    settings = ClientSettings.load(command_config)
    if timeout_ms is not None:
        settings = replace(settings, default_api_timeout_ms=timeout_ms)
    admin = Admin(parse_bootstrap_servers(bootstrap), settings)
    try:
        yield admin
    finally:
        admin.close()


def _nodes(metadata: MetadataResponse) -> dict[int, Node]:
    return {one.node_id: Node(one.node_id, one.host, one.port, one.rack) for one in metadata.brokers}


def _listed_offsets(
    response: ListOffsetsResponse,
) -> Iterable[tuple[TopicPartition, int, ListOffsetsPartitionResponse]]:
    for topic in response.topics:
        for one in topic.partitions:
            yield TopicPartition(topic.name, one.partition_index), one.error_code, one


def _timeout(error: Exception) -> KafkaError:
    return KafkaError(ErrorCode.REQUEST_TIMED_OUT, str(error))
