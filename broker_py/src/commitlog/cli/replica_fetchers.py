# SPDX-License-Identifier: Apache-2.0
"""The fetchers of kafka-replica-verification.sh: every replica of the topics is read in step, by a consumer
whom followers answer too (ReplicaVerificationTool.ReplicaFetcher)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from commitlog.cli import terminal
from commitlog.cli.admin import Admin, KafkaError, Node, TopicPartition, connected
from commitlog.cli.java_order import partitions_in_hash_order
from commitlog.cli.jopt import Parsed
from commitlog.cli.replica_buffer import ReplicaBuffer
from commitlog.cli.topic_filter import TopicFilter
from commitlog.cli.topics_errors import FAILURES, ToolError
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic, ReplicaState
from commitlog.wire.messages.fetch_response import FetchResponse, PartitionData
from commitlog.wire.messages.metadata_response import MetadataResponseTopic

LOGGER = "org.apache.kafka.tools.ReplicaVerificationTool"
DEBUGGING_CONSUMER_ID = -2
STATE_VERSION = 15
"""From here on the replica's id is in a field of its own."""
FETCH_MAX_BYTES = 50 * 1024 * 1024
"""What one answer may hold of all partitions together; the rest comes with the next."""
REQUEST_TIMEOUT_MS = 30_000


async def run(servers: str, parsed: Parsed) -> int:
    """The exit status, once there is one."""
    option = "topics-include" if parsed.has("topics-include") else "topic-white-list"
    async with connected(servers, timeout_ms=REQUEST_TIMEOUT_MS) as admin:
        chosen = TopicFilter(parsed.only(option) or "")
        topics = [topic for topic in await admin.all_topics() if chosen.allows(topic.name or "")]
        if not topics:
            text = (
                "No topics found. [topics-include] if specified, is either filtering out all topics or there "
            )
            terminal.log("ERROR", f"{text}is no topic.", LOGGER)
            return 1
        offsets = await _initial_offsets(admin, topics, parsed.only_number("time"))
        buffer = ReplicaBuffer(
            partitions_in_hash_order(offsets), offsets, parsed.only_number("report-interval-ms")
        )
        fetchers = await _fetchers(admin, topics, parsed)
        print(f"{terminal.log_time()}: verification process is started", flush=True)
        while True:
            await asyncio.gather(*(fetcher.fetch(buffer) for fetcher in fetchers))
            if not buffer.verify():
                return 1


async def _initial_offsets(
    admin: Admin, topics: Sequence[MetadataResponseTopic], timestamp: int
) -> dict[TopicPartition, int]:
    wanted = {
        TopicPartition(topic.name or "", partition.partition_index): timestamp
        for topic in topics
        for partition in topic.partitions
    }
    found: dict[TopicPartition, int] = {}
    for partition, answer in (await admin.list_offsets(wanted)).items():
        if isinstance(answer, KafkaError):
            raise answer
        if answer.offset < 0:
            raise ToolError(f"{partition} has no record that is as late as --time {timestamp}")
        found[partition] = answer.offset
    return found


async def _fetchers(
    admin: Admin, topics: Sequence[MetadataResponseTopic], parsed: Parsed
) -> list[ReplicaFetcher]:
    """One for each broker that has replicas; a broker that is away answers nothing."""
    led: dict[int, dict[bytes, tuple[str, list[int]]]] = {}
    for topic in topics:
        for partition in topic.partitions:
            for replica in partition.replica_nodes:
                mine = led.setdefault(replica, {})
                mine.setdefault(topic.topic_id, (topic.name or "", []))[1].append(partition.partition_index)
    nodes = {node.id: node for node in await admin.nodes()}
    size, wait_ms = parsed.only_number("fetch-size"), parsed.only_number("max-wait-ms")
    return [
        ReplicaFetcher(admin, nodes.get(broker), broker, partitions, size, wait_ms)
        for broker, partitions in sorted(led.items())
    ]


class ReplicaFetcher:
    """Asks one broker for what follows in its replicas."""

    def __init__(
        self,
        admin: Admin,
        node: Node | None,
        broker: int,
        partitions: Mapping[bytes, tuple[str, Sequence[int]]],
        size: int,
        wait_ms: int,
    ) -> None:
        self._admin = admin
        self._node = node
        self._broker = broker
        self._partitions = partitions
        self._size = size
        self._wait_ms = wait_ms

    async def fetch(self, buffer: ReplicaBuffer) -> None:
        """What is not answered counts as nothing new."""
        answer = await self._ask(buffer)
        for name, numbers in self._partitions.values():
            for number in numbers:
                empty = PartitionData(partition_index=number, high_watermark=-1)
                buffer.add(TopicPartition(name, number), self._broker, empty)
        for topic in () if answer is None else answer.responses:
            name = topic.topic or self._partitions[topic.topic_id][0]
            for data in topic.partitions:
                buffer.add(TopicPartition(name, data.partition_index), self._broker, data)

    async def _ask(self, buffer: ReplicaBuffer) -> FetchResponse | None:
        if self._node is None:
            await asyncio.sleep(self._wait_ms / 1000)
            return None
        self._admin.begin_call()
        try:
            connection = await self._admin.connection(self._node.address, "fetch")
            version = await connection.choose_version(FetchRequest.API_KEY)
            return await connection.send(self._request(buffer, version), version)
        except FAILURES:
            return None

    def _request(self, buffer: ReplicaBuffer, version: int) -> FetchRequest:
        request = FetchRequest(
            max_wait_ms=self._wait_ms,
            min_bytes=1,
            max_bytes=FETCH_MAX_BYTES,
            topics=[
                FetchTopic(
                    topic=name,
                    topic_id=topic_id,
                    partitions=[
                        FetchPartition(
                            partition=number,
                            fetch_offset=buffer.offsets[TopicPartition(name, number)],
                            log_start_offset=0,
                            partition_max_bytes=self._size,
                        )
                        for number in numbers
                    ],
                )
                for topic_id, (name, numbers) in self._partitions.items()
            ],
        )
        if version >= STATE_VERSION:
            request.replica_state = ReplicaState(replica_id=DEBUGGING_CONSUMER_ID)
        else:
            request.replica_id = DEBUGGING_CONSUMER_ID
        return request
