# SPDX-License-Identifier: Apache-2.0
"""ISR changes travel to the active controller in AlterPartition (KIP-497; Kafka's DefaultAlterPartitionManager).

One request is in flight per broker; everything submitted meanwhile goes together into the next one, at most one item a partition.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class LeaderAndIsr:
    """The state that a leader proposes, and the one that the controller answers."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    leader_recovery_state: int
    partition_epoch: int


class AlterPartitionManager:
    """Batches, sends and retries AlterPartition until the controller has answered for every partition."""

    def submit(self, topic: str, partition: int, topic_id: bytes, state: LeaderAndIsr) -> asyncio.Future[LeaderAndIsr]:
        """Propose a state. The future ends with the controller's state or a KafkaError for this partition.

        A second submit for a partition that is still pending raises KafkaError(OPERATION_NOT_ATTEMPTED).
        """
        raise NotImplementedError

    def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError
