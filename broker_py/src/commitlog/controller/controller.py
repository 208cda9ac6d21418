# SPDX-License-Identifier: Apache-2.0
"""The controller of a broker: candidate always, active while elected (Kafka: KafkaController)."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from commitlog.controller.context import Endpoint, TopicPartition

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.coordination.client import Coordination
    from commitlog.wire.messages.alter_partition_request import AlterPartitionRequest
    from commitlog.wire.messages.alter_partition_response import AlterPartitionResponse


class BrokerLink(Protocol):
    """What the channel needs of a connection to a broker; wire.client.BrokerConnection is one."""

    async def send(self, msg: object, version: int | None = None) -> object: ...

    def close(self) -> None: ...


Connect = Callable[[int, Endpoint], Awaitable[BrokerLink]]


class KafkaController:
    """Elects, fails over, and drives the cluster's state from one event queue."""

    def __init__(
        self,
        config: BrokerConfig,
        coordination: Coordination,
        broker_id: int,
        broker_epoch: int,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
        connect: Connect | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def is_active(self) -> bool:
        """Whether this broker is the elected controller right now, as far as it knows."""
        raise NotImplementedError

    @property
    def controller_epoch(self) -> int: ...  # type: ignore[empty-body]

    async def start(self) -> None:
        """Start the event task and stand for election; call after the broker has registered."""

    async def stop(self) -> None:
        """Resign if active, stop the channel and the event task."""

    async def on_session_expired(self) -> None:
        """Drop all queued events and resign; returns when done. Call before the broker registers again."""

    async def on_session_restored(self, broker_epoch: int) -> None:
        """Stand for election again with the broker's new epoch; call after the re-registration."""

    async def controlled_shutdown(self, broker_id: int, broker_epoch: int) -> set[TopicPartition]:
        """Move leaders off a broker; the partitions it still leads. Raises KafkaError."""
        raise NotImplementedError

    async def alter_partition(self, request: AlterPartitionRequest, version: int) -> AlterPartitionResponse:
        """Answer a leader's ISR change."""
        raise NotImplementedError
