# SPDX-License-Identifier: Apache-2.0
"""Which fetcher copies which partition: num.replica.fetchers per source broker (Kafka's
AbstractFetcherManager)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from commitlog.replication.fetcher import Fetcher
from commitlog.replication.leader_endpoint import LeaderEndpoint

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.connections import Connect
    from commitlog.replication.fetch_session_handler import TopicPartition
    from commitlog.replication.inter_broker_version import InterBrokerVersion
    from commitlog.replication.metadata_cache import Endpoint
    from commitlog.replication.partition import Partition
    from commitlog.replication.replication_quota import ReplicationQuota


class FetcherManager:
    """Makes fetchers when partitions need them, and ends those that have none left."""

    def __init__(
        self,
        *,
        config: BrokerConfig,
        broker_id: int,
        broker_epoch: Callable[[], int],
        version: Callable[[], InterBrokerVersion],
        connect: Connect,
        on_high_watermark: Callable[[Partition], None],
        quota: ReplicationQuota,
    ) -> None:
        self._config = config
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._version = version
        self._connect = connect
        self._on_high_watermark = on_high_watermark
        self._quota = quota
        self._fetchers: dict[tuple[int, int], Fetcher] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._fetchers)

    def fetchers(self) -> list[Fetcher]:
        """Those at work now."""
        return list(self._fetchers.values())

    def add(self, partition: Partition, topic_id: bytes, leader_id: int, endpoint: Endpoint) -> None:
        """Copy the partition from that broker."""
        index = fetcher_index(partition.topic, partition.partition, self._config.num_replica_fetchers)
        fetcher = self._fetchers.get((leader_id, index))
        if fetcher is not None and fetcher.leader.endpoint != endpoint:
            self._stop(leader_id, index)
            fetcher = None
        if fetcher is None:
            fetcher = self._fetchers[leader_id, index] = self._fetcher(leader_id, index, endpoint)
        fetcher.add(partition, topic_id)

    def _fetcher(self, leader_id: int, index: int, endpoint: Endpoint) -> Fetcher:
        leader = LeaderEndpoint(
            leader_id,
            endpoint,
            config=self._config,
            broker_id=self._broker_id,
            broker_epoch=self._broker_epoch,
            version=self._version,
            connect=self._connect,
        )
        name = f"[ReplicaFetcher replicaId={self._broker_id}, leaderId={leader_id}, fetcherId={index}]"
        client_id = f"ReplicaFetcherThread-{index}-{leader_id}"
        return Fetcher(name, leader, self._config, self._on_high_watermark, self._quota, client_id)

    def remove(self, keys: Iterable[TopicPartition]) -> None:
        """Stop copying these partitions, whoever does it."""
        keys = list(keys)
        for fetcher in self._fetchers.values():
            fetcher.remove(keys)

    def update_topic_id(self, key: TopicPartition, topic_id: bytes) -> None:
        for fetcher in self._fetchers.values():
            fetcher.update_topic_id(key, topic_id)

    def stop_idle(self) -> None:
        """End the fetchers that have nothing left to copy, and close their connections."""
        for (leader_id, index), fetcher in list(self._fetchers.items()):
            if not len(fetcher):
                self._stop(leader_id, index)

    def _stop(self, leader_id: int, index: int) -> None:
        task = self._fetchers.pop((leader_id, index)).stop()
        if task is not None:
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def stop(self) -> None:
        for leader_id, index in list(self._fetchers):
            self._stop(leader_id, index)
        await asyncio.gather(*self._stopping, return_exceptions=True)


def fetcher_index(topic: str, partition: int, fetchers: int) -> int:
    """abs(31 * topic.hashCode() + partition) % num.replica.fetchers, in Java's 32-bit arithmetic."""
    if fetchers == 1:
        return 0
    code = 0
    units = topic.encode("utf-16-le")
    for position in range(0, len(units), 2):
        code = (31 * code + (units[position] | units[position + 1] << 8)) & 0xFFFFFFFF
    value = (31 * code + partition) & 0xFFFFFFFF
    signed = value - (1 << 32) if value & 0x80000000 else value
    return 0 if signed == -(1 << 31) else abs(signed) % fetchers
