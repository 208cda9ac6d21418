# SPDX-License-Identifier: Apache-2.0
"""What a follower asks of its leader, at the versions of inter.broker.protocol.version (Kafka's
RemoteLeaderEndPoint)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from commitlog.replication.fetch import FetchPartition
from commitlog.replication.fetch_session_handler import FetchPlan, FetchSessionHandler, TopicPartition
from commitlog.replication.inter_broker_version import InterBrokerVersion
from commitlog.replication.list_offsets import EARLIEST_TIMESTAMP, LATEST_TIMESTAMP
from commitlog.replication.metadata_cache import ZERO_UUID, Endpoint
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages import fetch_request as fetch_messages
from commitlog.wire.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from commitlog.wire.messages.offset_for_leader_epoch_request import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.connections import Connect, Connection
    from commitlog.wire.messages.fetch_response import FetchResponse, PartitionData
    from commitlog.wire.messages.list_offsets_response import ListOffsetsResponse
    from commitlog.wire.messages.offset_for_leader_epoch_response import (
        EpochEndOffset,
        OffsetForLeaderEpochResponse,
    )


@dataclass(slots=True, frozen=True)
class EpochQuery:
    """OffsetForLeaderEpoch: where does leader_epoch end?"""

    topic: str
    partition: int
    current_leader_epoch: int
    leader_epoch: int


class LeaderEndpoint:
    """One leader, over one connection that is opened when it is needed and dropped when it fails."""

    def __init__(
        self,
        leader_id: int,
        endpoint: Endpoint,
        *,
        config: BrokerConfig,
        broker_id: int,
        broker_epoch: Callable[[], int],
        version: Callable[[], InterBrokerVersion],
        connect: Connect,
    ) -> None:
        self.leader_id = leader_id
        self.endpoint = endpoint
        self._config = config
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._version = version
        self._connect = connect
        self._connection: Connection | None = None
        self._session = FetchSessionHandler(leader_id)

    @property
    def version(self) -> InterBrokerVersion:
        return self._version()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await self._connect(self.leader_id, self.endpoint)
        return self._connection

    def plan(self, wanted: Mapping[TopicPartition, FetchPartition]) -> FetchPlan:
        return self._session.plan(wanted)

    def plan_advanced(self, advanced: Mapping[TopicPartition, FetchPartition]) -> FetchPlan | None:
        return self._session.plan_advanced(advanced)

    async def fetch(self, plan: FetchPlan, max_wait_ms: int) -> list[tuple[TopicPartition, PartitionData]]:
        """One fetch. Empty when the session was refused: the next plan begins a new one. OSError when the
        leader is away."""
        version = self.version.fetch
        if version >= 13 and not plan.can_use_topic_ids:
            version = 12
        try:
            connection = await self._connected()
            response = cast(
                "FetchResponse", await connection.send(self._request(plan, max_wait_ms, version), version)
            )
        except BaseException:
            # Cancelled too: the answer that may still come belongs to no plan.
            self._session.failed()
            self.close()
            raise
        names = plan.topic_names
        answers = [
            ((topic.topic if version < 13 else names.get(topic.topic_id, ""), data.partition_index), data)
            for topic in response.responses
            for data in topic.partitions
        ]
        error = ErrorCode.of(response.error_code)
        if not self._session.answered(error, response.session_id, [key for key, _ in answers]):
            if error is ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR:
                raise KafkaError(error)
            return []
        return answers

    def _request(self, plan: FetchPlan, max_wait_ms: int, version: int) -> fetch_messages.FetchRequest:
        request = fetch_messages.FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=self._config.replica_fetch_min_bytes,
            max_bytes=self._config.replica_fetch_response_max_bytes,
            session_id=plan.session_id,
            session_epoch=plan.epoch,
        )
        if version >= 15:
            request.replica_state = fetch_messages.ReplicaState(
                replica_id=self._broker_id, replica_epoch=self._broker_epoch()
            )
        else:
            request.replica_id = self._broker_id
        topics: dict[str, fetch_messages.FetchTopic] = {}
        for wanted in plan.to_send.values():
            topic = topics.get(wanted.topic)
            if topic is None:
                topic = fetch_messages.FetchTopic(topic=wanted.topic)
                if version >= 13:
                    topic.topic_id = wanted.topic_id
                topics[wanted.topic] = topic
                request.topics.append(topic)
            topic.partitions.append(
                fetch_messages.FetchPartition(
                    partition=wanted.partition,
                    current_leader_epoch=wanted.current_leader_epoch,
                    fetch_offset=wanted.fetch_offset,
                    last_fetched_epoch=wanted.last_fetched_epoch,
                    log_start_offset=wanted.log_start_offset,
                    partition_max_bytes=wanted.max_bytes,
                )
            )
        for forgotten in plan.to_forget:
            request.forgotten_topics_data.append(
                fetch_messages.ForgottenTopic(
                    topic=forgotten.topic,
                    topic_id=forgotten.topic_id if version >= 13 else ZERO_UUID,
                    partitions=[forgotten.partition],
                )
            )
        return request

    async def latest_offset(self, topic: str, partition: int, current_leader_epoch: int) -> int:
        return await self._list_offset(topic, partition, current_leader_epoch, LATEST_TIMESTAMP)

    async def earliest_offset(self, topic: str, partition: int, current_leader_epoch: int) -> int:
        return await self._list_offset(topic, partition, current_leader_epoch, EARLIEST_TIMESTAMP)

    async def _list_offset(
        self, topic: str, partition: int, current_leader_epoch: int, timestamp: int
    ) -> int:
        version = self.version.list_offsets
        request = ListOffsetsRequest(
            replica_id=self._broker_id,
            topics=[
                ListOffsetsTopic(
                    name=topic,
                    partitions=[
                        ListOffsetsPartition(
                            partition_index=partition,
                            current_leader_epoch=current_leader_epoch,
                            timestamp=timestamp,
                        )
                    ],
                )
            ],
        )
        response = cast("ListOffsetsResponse", await self._send(request, version))
        answer = response.topics[0].partitions[0]
        error = ErrorCode.of(answer.error_code)
        if error is not ErrorCode.NONE:
            raise KafkaError(error)
        return answer.offset if version >= 1 else answer.old_style_offsets[0]

    async def epoch_end_offsets(
        self, queries: Sequence[EpochQuery]
    ) -> Iterator[tuple[TopicPartition, EpochEndOffset]]:
        """Where each epoch ends in the leader's log (KIP-101, KIP-279)."""
        topics: dict[str, OffsetForLeaderTopic] = {}
        for query in queries:
            topics.setdefault(query.topic, OffsetForLeaderTopic(topic=query.topic)).partitions.append(
                OffsetForLeaderPartition(
                    partition=query.partition,
                    current_leader_epoch=query.current_leader_epoch,
                    leader_epoch=query.leader_epoch,
                )
            )
        request = OffsetForLeaderEpochRequest(replica_id=self._broker_id, topics=list(topics.values()))
        response = cast(
            "OffsetForLeaderEpochResponse", await self._send(request, self.version.offset_for_leader_epoch)
        )
        return (
            ((topic.topic, answer.partition), answer)
            for topic in response.topics
            for answer in topic.partitions
        )

    async def _send(self, request: object, version: int) -> object:
        try:
            connection = await self._connected()
            return await connection.send(request, version)
        except BaseException:
            self._session.failed()
            self.close()
            raise
