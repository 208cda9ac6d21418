# SPDX-License-Identifier: Apache-2.0
"""What this broker knows of the cluster, as the controller told it with UpdateMetadata (Kafka's
ZkMetadataCache).

Partition states are merged, never replaced: a request names only what changed. Leader -2 (LeaderDuringDelete)
removes a partition. The broker list, on the other hand, is replaced by every request, and a zero topic id
removes the cached one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
)

NO_LEADER = -1
LEADER_DURING_DELETE = -2
ZERO_UUID = bytes(16)

_SECURITY_PROTOCOL_NAMES = {0: "PLAINTEXT", 1: "SSL", 2: "SASL_PLAINTEXT", 3: "SASL_SSL"}
_NO_PARTITIONS: Mapping[int, PartitionMetadata] = {}


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

    def __init__(self, broker_id: int) -> None:
        self.broker_id = broker_id
        self.controller_id: int | None = None
        self.version = 0
        """Grows with every update, so that a cached answer can tell whether it is still true."""
        self._brokers: dict[int, BrokerMetadata] = {}
        self._topics: dict[str, dict[int, PartitionMetadata]] = {}
        self._topic_ids: dict[str, bytes] = {}
        self._topic_names: dict[bytes, str] = {}
        self._waiters: dict[asyncio.Future[bool], Callable[[MetadataCache], bool]] = {}

    def update(self, request: UpdateMetadataRequest) -> list[tuple[str, int]]:
        """Merge one UpdateMetadata; answers the partitions that were removed."""
        self.controller_id = request.controller_id if request.controller_id >= 0 else None
        self._brokers = {broker.id: _broker(broker) for broker in request.live_brokers}
        removed = []
        for topic, topic_id, state in _states(request):
            if topic_id is not None:
                self._set_topic_id(topic, topic_id)
            if state.leader == LEADER_DURING_DELETE:
                self._remove(topic, state.partition_index)
                removed.append((topic, state.partition_index))
            else:
                self._topics.setdefault(topic, {})[state.partition_index] = _partition(topic, state)
        self.version += 1
        self._wake()
        return removed

    def _set_topic_id(self, topic: str, topic_id: bytes) -> None:
        known = self._topic_ids.pop(topic, None)
        if known is not None:
            self._topic_names.pop(known, None)
        if topic_id != ZERO_UUID:
            self._topic_ids[topic] = topic_id
            self._topic_names[topic_id] = topic

    def _remove(self, topic: str, partition: int) -> None:
        partitions = self._topics.get(topic)
        if partitions is None:
            return
        partitions.pop(partition, None)
        if not partitions:
            del self._topics[topic]
            self._set_topic_id(topic, ZERO_UUID)

    def alive_brokers(self) -> list[BrokerMetadata]:
        """Alive brokers, sorted by id."""
        return [self._brokers[broker_id] for broker_id in sorted(self._brokers)]

    def broker(self, broker_id: int) -> BrokerMetadata | None:
        return self._brokers.get(broker_id)

    def is_alive(self, broker_id: int) -> bool:
        return broker_id in self._brokers

    def broker_endpoint(self, broker_id: int, listener: str) -> Endpoint | None:
        """The broker's endpoint of that listener; None when the broker is dead or lacks the listener."""
        broker = self._brokers.get(broker_id)
        return None if broker is None else broker.endpoints.get(listener)

    def topics(self) -> list[str]:
        return list(self._topics)

    def contains_topic(self, topic: str) -> bool:
        return topic in self._topics

    def partitions(self, topic: str) -> Mapping[int, PartitionMetadata]:
        """Partition index to state; empty when the topic is unknown. The caller must not change it."""
        return self._topics.get(topic, _NO_PARTITIONS)

    def partition_state(self, topic: str, partition: int) -> PartitionMetadata | None:
        partitions = self._topics.get(topic)
        return None if partitions is None else partitions.get(partition)

    def topic_id(self, topic: str) -> bytes:
        """The topic's id, ZERO_UUID when it has none or is unknown."""
        return self._topic_ids.get(topic, ZERO_UUID)

    def topic_name(self, topic_id: bytes) -> str | None:
        return self._topic_names.get(topic_id)

    async def wait_until(self, predicate: Callable[[MetadataCache], bool], timeout_ms: int) -> bool:
        """Wait until the predicate holds, checked now and after every update; False when the time ran out."""
        if predicate(self):
            return True
        if timeout_ms <= 0:
            return False
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiters[waiter] = predicate
        timer = loop.call_later(timeout_ms / 1000, _resolve, waiter, False)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiters.pop(waiter, None)

    def _wake(self) -> None:
        for waiter, predicate in list(self._waiters.items()):
            if not waiter.done() and predicate(self):
                waiter.set_result(True)


def _resolve(waiter: asyncio.Future[bool], result: bool) -> None:
    if not waiter.done():
        waiter.set_result(result)


def _states(
    request: UpdateMetadataRequest,
) -> Iterator[tuple[str, bytes | None, UpdateMetadataPartitionState]]:
    """Partition states of either form: versions 0-4 list partitions, 5+ topics, from 7 on with an id."""
    for state in request.ungrouped_partition_states:
        yield state.topic_name, None, state
    for topic in request.topic_states:
        for state in topic.partition_states:
            yield topic.topic_name, topic.topic_id, state


def _broker(broker: UpdateMetadataBroker) -> BrokerMetadata:
    endpoints = {}
    for endpoint in broker.endpoints:
        # Before version 3 a listener has no name of its own: it is called as its security protocol.
        name = endpoint.listener or _SECURITY_PROTOCOL_NAMES.get(endpoint.security_protocol, "PLAINTEXT")
        endpoints[name] = Endpoint(name, endpoint.host, endpoint.port, endpoint.security_protocol)
    if not endpoints and broker.v0_host:
        endpoints["PLAINTEXT"] = Endpoint("PLAINTEXT", broker.v0_host, broker.v0_port)
    return BrokerMetadata(broker.id, endpoints, broker.rack)


def _partition(topic: str, state: UpdateMetadataPartitionState) -> PartitionMetadata:
    return PartitionMetadata(
        topic,
        state.partition_index,
        state.controller_epoch,
        state.leader,
        state.leader_epoch,
        tuple(state.isr),
        state.zk_version,
        tuple(state.replicas),
        tuple(state.offline_replicas),
    )
