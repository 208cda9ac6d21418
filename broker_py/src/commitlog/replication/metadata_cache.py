# SPDX-License-Identifier: Apache-2.0
"""What this broker knows of the cluster, as the controller told it with UpdateMetadata (Kafka's ZkMetadataCache).

Partition states are merged, never replaced: a request names only what changed. Leader -2 (LeaderDuringDelete) removes a partition.
The broker list, on the other hand, is replaced by every request, and a zero topic id removes a cached one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from commitlog.wire.messages.update_metadata_request import UpdateMetadataRequest

NO_LEADER = -1
LEADER_DURING_DELETE = -2


@dataclass(slots=True, frozen=True)
class Endpoint:
    """One listener of one broker, as clients and fellow brokers reach it."""

    listener: str
    host: str
    port: int
    security_protocol: int = 0


@dataclass(slots=True, frozen=True)
class BrokerMetadata:
    """An alive broker."""

    id: int
    endpoints: Mapping[str, Endpoint]
    rack: str | None = None


@dataclass(slots=True, frozen=True)
class PartitionMetadata:
    """UpdateMetadataPartitionState: what clients are told about one partition."""

    topic: str
    partition: int
    controller_epoch: int
    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    zk_version: int
    replicas: tuple[int, ...]
    offline_replicas: tuple[int, ...] = ()


class MetadataCache:
    """The cluster as last told by the controller. Reads are plain dictionary hits."""

    controller_id: int | None
    version: int  # grows with every update, so that a waiter or a cached answer can tell that something changed

    def __init__(self, broker_id: int) -> None: ...

    def update(self, request: UpdateMetadataRequest) -> list[tuple[str, int]]:
        """Merge one UpdateMetadata; answers the partitions that were removed."""
        raise NotImplementedError

    def alive_brokers(self) -> list[BrokerMetadata]:
        """Alive brokers, sorted by id."""
        raise NotImplementedError

    def broker(self, broker_id: int) -> BrokerMetadata | None:
        raise NotImplementedError

    def is_alive(self, broker_id: int) -> bool:
        raise NotImplementedError

    def broker_endpoint(self, broker_id: int, listener: str) -> Endpoint | None:
        """The broker's endpoint of that listener; None when the broker is dead or lacks the listener."""
        raise NotImplementedError

    def topics(self) -> list[str]:
        raise NotImplementedError

    def contains_topic(self, topic: str) -> bool:
        raise NotImplementedError

    def partitions(self, topic: str) -> Mapping[int, PartitionMetadata]:
        """Partition index to state; empty when the topic is unknown. The caller must not change it."""
        raise NotImplementedError

    def partition_state(self, topic: str, partition: int) -> PartitionMetadata | None:
        raise NotImplementedError

    def topic_id(self, topic: str) -> bytes:
        """The topic's id, ZERO_UUID when it has none or is unknown."""
        raise NotImplementedError

    def topic_name(self, topic_id: bytes) -> str | None:
        raise NotImplementedError

    async def wait_until(self, predicate: Callable[[MetadataCache], bool], timeout_ms: int) -> bool:
        """Wait until the predicate holds, checked now and after every update; False when the time ran out."""
        raise NotImplementedError
