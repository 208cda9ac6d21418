# SPDX-License-Identifier: Apache-2.0
"""What a partition needs of the broker that hosts it, so that it need not know the ReplicaManager."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.alter_partition import AlterPartitionManager
    from commitlog.replication.metadata_cache import MetadataCache
    from commitlog.replication.partition import Partition
    from commitlog.replication.replication_quota import ReplicationQuotas
    from commitlog.storage.log_manager import LogManager


@dataclass(slots=True)
class PartitionHost:
    """One for all partitions of a broker."""

    broker_id: int
    config: BrokerConfig
    metadata: MetadataCache
    logs: LogManager
    isr_changes: AlterPartitionManager
    now_ms: Callable[[], int]
    wake_fetches: Callable[[Partition], None]
    """Look at a partition's waiting fetches after the current turn of the loop, when its answer is on its
    way."""
    quotas: ReplicationQuotas
    isr_shrinks: int = 0
    isr_expands: int = 0
    failed_isr_updates: int = 0
