# SPDX-License-Identifier: Apache-2.0
"""ISR changes travel to the active controller in AlterPartition (KIP-497; Kafka's
DefaultAlterPartitionManager).

One request is in flight per broker; everything submitted meanwhile goes together into the next one, at most
one item a partition. A request is repeated until the controller, whoever that is by then, has answered it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from commitlog.replication.metadata_cache import ZERO_UUID, MetadataCache
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.alter_partition_request import (
    AlterPartitionRequest,
    BrokerState,
    PartitionData,
    TopicData,
)

if TYPE_CHECKING:
    from commitlog.replication.connections import Connect, Connection
    from commitlog.replication.inter_broker_version import InterBrokerVersion
    from commitlog.wire.messages.alter_partition_response import AlterPartitionResponse

logger = logging.getLogger("commitlog.replication.alter_partition")

RECOVERED = 0
RECOVERING = 1
_RETRY_BACKOFF_S = 0.05
_MAX_VERSION = AlterPartitionRequest.MAX_VERSION


@dataclass(slots=True, frozen=True)
class LeaderAndIsr:
    """The state that a leader proposes, and the one that the controller answers."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    leader_recovery_state: int
    partition_epoch: int


@dataclass(slots=True, frozen=True)
class _Item:
    topic: str
    partition: int
    topic_id: bytes
    state: LeaderAndIsr
    future: asyncio.Future[LeaderAndIsr]


class AlterPartitionManager:
    """Batches, sends and retries AlterPartition until the controller has answered for every partition."""

    def __init__(
        self,
        *,
        broker_id: int,
        broker_epoch: Callable[[], int],
        metadata: MetadataCache,
        listener_name: str,
        version: Callable[[], InterBrokerVersion],
        connect: Connect,
    ) -> None:
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._metadata = metadata
        self._listener_name = listener_name
        self._version = version
        self._connect = connect
        self._pending: dict[tuple[str, int], _Item] = {}
        self._submitted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._controller_id: int | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="alter-partition")

    async def stop(self) -> None:
        """Stop sending. What was pending stays undone: the next leader epoch decides."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._disconnect()
        for item in self._pending.values():
            item.future.cancel()
        self._pending.clear()

    def submit(
        self, topic: str, partition: int, topic_id: bytes, state: LeaderAndIsr
    ) -> asyncio.Future[LeaderAndIsr]:
        """Propose a state. The future ends with the controller's state or a KafkaError for this partition.

        A second submit for a partition that is still pending raises KafkaError(OPERATION_NOT_ATTEMPTED).
        """
        if (topic, partition) in self._pending:
            raise KafkaError(
                ErrorCode.OPERATION_NOT_ATTEMPTED,
                f"Failed to enqueue ISR change state {state} for partition {topic}-{partition}",
            )
        future: asyncio.Future[LeaderAndIsr] = asyncio.get_running_loop().create_future()
        self._pending[topic, partition] = _Item(topic, partition, topic_id, state, future)
        self._submitted.set()
        return future

    async def _run(self) -> None:
        while True:
            await self._submitted.wait()
            self._submitted.clear()
            try:
                while self._pending:
                    if not await self._send_batch(list(self._pending.values())):
                        await asyncio.sleep(_RETRY_BACKOFF_S)
            except Exception:
                # A bug must not stop ISR changes for good: say it, and begin again with a new connection.
                logger.exception("Unexpected error while sending AlterPartition")
                self._disconnect()
                self._submitted.set()
                await asyncio.sleep(_RETRY_BACKOFF_S)

    async def _send_batch(self, items: Sequence[_Item]) -> bool:
        """One request with its answer; False when it must be repeated."""
        try:
            connection = await self._controller()
            if connection is None:
                return False
            version = await self._request_version(connection, items)
            request = build_request(items, version, self._broker_id, self._broker_epoch())
            response = cast("AlterPartitionResponse", await connection.send(request, version))
        except OSError as error:
            logger.info("AlterPartition to controller %s failed: %s. Retrying.", self._controller_id, error)
            self._disconnect()
            return False
        return self._answered(items, version, response)

    async def _controller(self) -> Connection | None:
        """A connection to whom the metadata names as controller now."""
        controller_id = self._metadata.controller_id
        if self._connection is not None and controller_id == self._controller_id:
            return self._connection
        self._disconnect()
        if controller_id is None:
            return None
        endpoint = self._metadata.broker_endpoint(controller_id, self._listener_name)
        if endpoint is None:
            return None
        self._connection = await self._connect(controller_id, endpoint)
        self._controller_id = controller_id
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._controller_id = None

    async def _request_version(self, connection: Connection, items: Sequence[_Item]) -> int:
        """The highest both sides know; below 2, where topics go by name, unless every topic has an id."""
        versions = await connection.negotiate()
        _, newest = versions.get(AlterPartitionRequest.API_KEY, (0, 0))
        by_id = self._version().topic_ids and all(item.topic_id != ZERO_UUID for item in items)
        return min(newest, _MAX_VERSION if by_id else 1)

    def _answered(self, items: Sequence[_Item], version: int, response: AlterPartitionResponse) -> bool:
        error = ErrorCode.of(response.error_code)
        if error is not ErrorCode.NONE:
            # STALE_BROKER_EPOCH heals with the next registration, NOT_CONTROLLER with the next
            # UpdateMetadata.
            logger.log(
                logging.WARNING if error is not ErrorCode.NOT_CONTROLLER else logging.INFO,
                "Controller %s answered AlterPartition with %s. Retrying.",
                self._controller_id,
                error.name,
            )
            return False
        names = {item.topic_id: item.topic for item in items}
        answers: dict[tuple[str, int], LeaderAndIsr | KafkaError] = {}
        for topic in response.topics:
            name = names.get(topic.topic_id) if version >= 2 else topic.topic_name
            if not name:
                logger.error(
                    "Received an unexpected topic %s in the AlterPartition response, ignoring it", topic
                )
                continue
            for data in topic.partitions:
                code = ErrorCode.of(data.error_code)
                answers[name, data.partition_index] = (
                    KafkaError(code)
                    if code is not ErrorCode.NONE
                    else LeaderAndIsr(
                        data.leader_id,
                        data.leader_epoch,
                        tuple(data.isr),
                        data.leader_recovery_state,
                        data.partition_epoch,
                    )
                )
        for item in items:
            answer = answers.get((item.topic, item.partition))
            # A partition that the controller left out stays pending and goes out again.
            if answer is None:
                continue
            del self._pending[item.topic, item.partition]
            if item.future.done():
                continue
            if isinstance(answer, KafkaError):
                item.future.set_exception(answer)
            else:
                item.future.set_result(answer)
        return len(answers) > 0


def build_request(
    items: Sequence[_Item], version: int, broker_id: int, broker_epoch: int
) -> AlterPartitionRequest:
    """One AlterPartition for all items, by topic."""
    topics: dict[str, TopicData] = {}
    for item in items:
        topic = topics.get(item.topic)
        if topic is None:
            topic = topics[item.topic] = TopicData(
                topic_name=item.topic if version < 2 else "",
                topic_id=item.topic_id if version >= 2 else ZERO_UUID,
            )
        data = PartitionData(
            partition_index=item.partition,
            leader_epoch=item.state.leader_epoch,
            partition_epoch=item.state.partition_epoch,
            leader_recovery_state=item.state.leader_recovery_state if version >= 1 else RECOVERED,
        )
        if version >= 3:
            # In ZooKeeper mode nobody knows the followers' epochs: -1 stands for "do not check".
            data.new_isr_with_epochs = [BrokerState(broker_id=broker) for broker in item.state.isr]
        else:
            data.new_isr = list(item.state.isr)
        topic.partitions.append(data)
    return AlterPartitionRequest(broker_id=broker_id, broker_epoch=broker_epoch, topics=list(topics.values()))
