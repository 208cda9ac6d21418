# SPDX-License-Identifier: Apache-2.0
"""What the group APIs reach, and a way to ask them through the codec, as a client of a given version
would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, cast

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext
from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
from commitlog.groups.log_writer import OFFSETS_TOPIC
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.security.principal import ANONYMOUS
from commitlog.wire import frames
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
    UpdateMetadataTopicState,
)
from tests.groups.harness import Harness


class FakeAutoTopics:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def create(self, topics: Iterable[str], count: Callable[[int], None]) -> dict[str, ErrorCode]:
        self.asked += topics
        return dict.fromkeys(topics, ErrorCode.LEADER_NOT_AVAILABLE)


class FakeProducerIds:
    def __init__(self) -> None:
        self.next = 4_000
        self.error: ErrorCode | None = None

    def next_id(self) -> int:
        if self.error is not None:
            raise KafkaError(self.error)
        self.next += 1
        return self.next


class Broker:
    """Broker 1 of two (0 is the other), with topic `topic` of two partitions and the offsets topic."""

    def __init__(self, **settings: Any) -> None:
        self.harness = Harness(**settings)
        self.metadata = MetadataCache(1)
        self.auto_topics = FakeAutoTopics()
        self.producer_ids = FakeProducerIds()
        self.zookeeper: MemoryCoordination = MemoryEnsemble().client()
        self.services = SimpleNamespace(
            config=self.harness.config,
            groups=self.harness.groups,
            metadata=self.metadata,
            coordination=self.zookeeper,
            auto_topics=self.auto_topics,
            producer_ids=self.producer_ids,
            verifier=SimpleNamespace(is_enabled=False),
        )

    async def started(self) -> Broker:
        await self.zookeeper.start()
        await self.harness.started()
        self.tell_metadata({"topic": [0, 1]})
        return self

    def tell_metadata(self, leaders: dict[str, list[int]], alive: tuple[int, ...] = (0, 1)) -> None:
        """Topics with the leader of each partition."""
        self.metadata.update(
            UpdateMetadataRequest(
                topic_states=[
                    UpdateMetadataTopicState(
                        topic_name=topic,
                        partition_states=[
                            UpdateMetadataPartitionState(partition_index=index, leader=leader)
                            for index, leader in enumerate(partitions)
                        ],
                    )
                    for topic, partitions in leaders.items()
                ],
                live_brokers=[
                    UpdateMetadataBroker(
                        id=broker,
                        endpoints=[
                            UpdateMetadataEndpoint(host=f"kafka{broker}", port=9092, listener="PLAINTEXT"),
                            UpdateMetadataEndpoint(host=f"inside{broker}", port=9093, listener="INSIDE"),
                        ],
                    )
                    for broker in alive
                ],
            )
        )

    def tell_offsets_topic(self, **how: Any) -> None:
        self.tell_metadata({OFFSETS_TOPIC: [index % 2 for index in range(50)]}, **how)

    async def ask(self, api: Api, request: Any, version: int, *, listener: str = "PLAINTEXT") -> Any:
        """Encode, decode, handle, encode, decode. Errors of the whole request as the edge answers them."""
        frame = memoryview(frames.encode_request(request, version, 7, "client"))[4:]
        header = frames.decode_request_header(frame)
        decoded = frames.decode_request(header, frame)
        context = RequestContext(
            header=header,
            client_host="127.0.0.1",
            client_port=1,
            listener_name=listener,
            principal=ANONYMOUS,
            connection_id="",
            close=lambda: None,
        )
        try:
            answer: Any = api.handle(cast(Any, self.services), context, decoded)
            if asyncio.isfuture(answer) or asyncio.iscoroutine(answer):
                answer = await answer
        except KafkaError as error:
            assert api.error_response is not None
            answer = api.error_response(decoded, error.code, error.message)
        encoded = b"".join(bytes(cast(Any, part)) for part in frames.encode_response(answer, version, 7))
        return frames.decode_response(int(api.key), version, memoryview(encoded)[4:])[1]


def versions(api: Api, first: int = 0) -> range:
    return range(max(first, api.min_version), api.max_version + 1)
