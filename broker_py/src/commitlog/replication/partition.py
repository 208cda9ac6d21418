# SPDX-License-Identifier: Apache-2.0
"""One replica of one topic partition: leader or follower, its ISR and its high watermark (Kafka's cluster.Partition)."""

from __future__ import annotations

from commitlog.storage.log import Log


class Partition:
    """State of a partition that this broker hosts. Made and owned by the ReplicaManager."""

    topic: str
    partition: int
    log: Log | None  # None before the first LeaderAndIsr made it
    topic_id: bytes
    leader_id: int | None
    leader_epoch: int
    partition_epoch: int
    assignment: tuple[int, ...]

    @property
    def is_leader(self) -> bool:
        raise NotImplementedError

    @property
    def isr(self) -> tuple[int, ...]:
        """The committed ISR (as in ZooKeeper), sorted as the controller gave it."""
        raise NotImplementedError

    @property
    def high_watermark(self) -> int:
        raise NotImplementedError

    @property
    def log_end_offset(self) -> int:
        raise NotImplementedError
