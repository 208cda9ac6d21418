# SPDX-License-Identifier: Apache-2.0
"""All replicas of this broker, and every request that reads or writes them (Kafka's ReplicaManager)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from commitlog.config.broker import BrokerConfig
from commitlog.replication.metadata_cache import Endpoint, MetadataCache
from commitlog.replication.partition import Partition
from commitlog.storage.log_manager import LogManager
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrRequest
from commitlog.wire.messages.leader_and_isr_response import LeaderAndIsrResponse
from commitlog.wire.messages.stop_replica_request import StopReplicaRequest
from commitlog.wire.messages.stop_replica_response import StopReplicaResponse
from commitlog.wire.messages.update_metadata_request import UpdateMetadataRequest
from commitlog.wire.messages.update_metadata_response import UpdateMetadataResponse

LeadershipListener = Callable[[Sequence[Partition], Sequence[Partition]], None]
"""Called on the loop as (became_leader, became_follower) after a LeaderAndIsr was applied; a partition that was deleted from this broker
(StopReplica) is passed among the followers. Partition.leader_epoch is already the new one."""


class Connection(Protocol):
    """What replication needs of a connection to a fellow broker: BrokerConnection's shape."""

    async def send(self, msg: object, version: int | None = None) -> object: ...
    def close(self) -> None: ...


Connect = Callable[[int, Endpoint], Awaitable[Connection]]
"""connect(broker_id, endpoint): opens a connection; production passes BrokerConnection.open, tests a direct call."""


@dataclass(slots=True)
class AppendResult:
    """What became of one partition's records."""

    error: ErrorCode = ErrorCode.NONE
    base_offset: int = -1
    last_offset: int = -1
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    error_message: str | None = None
    record_errors: Sequence[tuple[int, str | None]] = ()


class ReplicaManager:
    """Owner of every Partition of this broker, its purgatories, fetchers and the high watermark checkpoint."""

    metadata: MetadataCache
    broker_epoch: int  # set by the server after each registration in ZooKeeper

    def __init__(
        self,
        config: BrokerConfig,
        log_manager: LogManager,
        metadata: MetadataCache,
        *,
        connect: Connect,
        now_ms: Callable[[], int],
        rng: random.Random,
    ) -> None: ...

    def start(self) -> None:
        """Start ISR expiration, the high watermark checkpoint and the AlterPartition manager."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop fetchers and background tasks, end every waiting request, checkpoint high watermarks."""
        raise NotImplementedError

    def append_records(
        self,
        *,
        acks: int,
        timeout_ms: int,
        entries: Sequence[tuple[str, int, bytes | bytearray | memoryview]],
        origin: str = "client",
        allow_internal: bool = False,
    ) -> list[AppendResult] | asyncio.Future[list[AppendResult]]:
        """Append one record set a partition; results in the entries' order. A plain list when nothing has to be waited for."""
        raise NotImplementedError

    def become_leader_or_follower(self, request: LeaderAndIsrRequest, version: int) -> LeaderAndIsrResponse:
        raise NotImplementedError

    def stop_replicas(self, request: StopReplicaRequest, version: int) -> StopReplicaResponse:
        raise NotImplementedError

    def update_metadata(self, request: UpdateMetadataRequest, version: int) -> UpdateMetadataResponse:
        raise NotImplementedError

    def partition(self, topic: str, partition: int) -> Partition:
        """The partition that this broker leads or follows. KafkaError(NOT_LEADER_OR_FOLLOWER) when the metadata cache knows it elsewhere,
        UNKNOWN_TOPIC_OR_PARTITION when nobody does, KAFKA_STORAGE_ERROR when its log directory failed."""
        raise NotImplementedError

    def hosted_partition(self, topic: str, partition: int) -> Partition | None:
        raise NotImplementedError

    def partitions(self) -> Iterator[Partition]:
        raise NotImplementedError

    def add_leadership_listener(self, listener: LeadershipListener) -> None:
        raise NotImplementedError
