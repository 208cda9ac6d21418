# SPDX-License-Identifier: Apache-2.0
"""How fast replicas may be copied (Kafka's ReplicationQuotaManager, KIP-73, and the quota of KIP-113).

Topics name the replicas that are throttled, brokers the rate. A replica that is in sync is never held back,
but what it copies counts, so that the sum stays below the rate. Nothing is measured while no rate is set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from commitlog.metrics.rate import SimpleRate, Windows

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig

LEADER_RATE = "leader.replication.throttled.rate"
FOLLOWER_RATE = "follower.replication.throttled.rate"
ALTER_LOG_DIRS_RATE = "replica.alter.log.dirs.io.max.bytes.per.second"
EVERY_REPLICA = "*"
_UNLIMITED = (1 << 63) - 1


class ReplicationQuota:
    """A rate in bytes per second, and what was copied of late."""

    __slots__ = ("_now_ms", "_rate", "limit")

    def __init__(self, windows: Windows, now_ms: Callable[[], int]) -> None:
        self.limit: int | None = None
        self._rate = SimpleRate(windows)
        self._now_ms = now_ms

    @property
    def is_exceeded(self) -> bool:
        return self.limit is not None and self.byte_rate > self.limit

    @property
    def byte_rate(self) -> float:
        return self._rate.measure(self._now_ms())

    def record(self, size: int) -> None:
        if self.limit is not None:
            self._rate.record(size, self._now_ms())


class ReplicationQuotas:
    """The three of a broker: what it gives to followers, what it takes from leaders, what it moves between
    its directories (QuotaFactory.QuotaManagers)."""

    def __init__(self, config: BrokerConfig, now_ms: Callable[[], int]) -> None:
        self._config = config
        windows = Windows(
            config.replication_quota_window_num, config.replication_quota_window_size_seconds * 1000
        )
        moves = Windows(
            config.alter_log_dirs_replication_quota_window_num,
            config.alter_log_dirs_replication_quota_window_size_seconds * 1000,
        )
        self.leader = ReplicationQuota(windows, now_ms)
        self.follower = ReplicationQuota(windows, now_ms)
        self.alter_log_dirs = ReplicationQuota(moves, now_ms)
        self.config_changed()

    def config_changed(self) -> None:
        """Take the rates from the dynamic configuration; it is the only place that they can be in."""
        self.leader.limit = self._rate(LEADER_RATE)
        self.follower.limit = self._rate(FOLLOWER_RATE)
        self.alter_log_dirs.limit = self._rate(ALTER_LOG_DIRS_RATE)

    def _rate(self, name: str) -> int | None:
        text = self._config.dynamic_broker.get(name) or self._config.dynamic_cluster.get(name)
        if text is None:
            return None
        try:
            rate = int(text)
        except ValueError:
            return None  # written past the broker, which refuses it
        return rate if rate < _UNLIMITED else None


def is_throttled(replicas: Collection[str], partition: int, broker_id: int) -> bool:
    """Whether a topic's list of throttled replicas, "partition:broker" or "*", names this one."""
    return bool(replicas) and (EVERY_REPLICA in replicas or f"{partition}:{broker_id}" in replicas)
