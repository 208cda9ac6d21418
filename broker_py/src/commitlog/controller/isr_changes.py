# SPDX-License-Identifier: Apache-2.0
"""Leaders change their ISR: AlterPartition (KIP-497), and the notifications of leaders older than IBP 2.7.

As in KafkaController, the controller judges a leader's wish against what it knows, writes it under its own
fence, and answers with the new partition epoch. The leader epoch stays, so no LeaderAndIsr follows, only
UpdateMetadata.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from commitlog.controller.context import LeaderAndIsr, TopicPartition
from commitlog.controller.core import ControllerCore
from commitlog.controller.reassignment import Reassignments
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages import alter_partition_request as asked
from commitlog.wire.messages import alter_partition_response as answered

log = logging.getLogger("commitlog.controller.controller")

FIRST_VERSION_WITH_TOPIC_IDS = 2
RECOVERING = 1


@dataclass(slots=True)
class _Verdicts:
    """Outcome per partition while a request is being worked on."""

    states: dict[TopicPartition, LeaderAndIsr]
    errors: dict[TopicPartition, ErrorCode]


class IsrChanges:
    """Runs AlterPartition and ISR notifications in the event task."""

    def __init__(self, core: ControllerCore, reassignments: Reassignments) -> None:
        self._core = core
        self._context = core.context
        self._reassignments = reassignments

    # Notifications of leaders that wrote the state znode themselves

    async def process_notifications(self) -> None:
        names, partitions = await self._core.store.isr_changes()
        try:
            if partitions:
                await self._refresh(partitions)
                self._core.send_update_metadata(partitions)
                await self._reassignments.complete_if_caught_up(sorted(partitions))
        finally:
            await self._core.store.delete_isr_changes(names)

    async def _refresh(self, partitions: set[TopicPartition]) -> None:
        """Take over what ZooKeeper says of these partitions."""
        for partition, state in (await self._core.store.partition_states(partitions)).items():
            if isinstance(state, LeaderAndIsr) and self._context.replicas(partition):
                self._context.leadership[partition] = state

    # AlterPartition

    async def alter(
        self, request: asked.AlterPartitionRequest, version: int
    ) -> tuple[answered.AlterPartitionResponse, list[TopicPartition]]:
        """The response, and the partitions whose reassignment may now be complete."""
        known = self._context.live_brokers.get(request.broker_id)
        if known is None or known.epoch != request.broker_epoch:
            log.info(
                "Ignoring AlterPartition due to stale broker epoch %d of broker %d",
                request.broker_epoch,
                request.broker_id,
            )
            return answered.AlterPartitionResponse(error_code=ErrorCode.STALE_BROKER_EPOCH), []
        wanted = self._named_partitions(request, version)
        verdicts = _Verdicts({}, {})
        updates: dict[TopicPartition, LeaderAndIsr] = {}
        for partition, data in wanted.items():
            self._judge(request.broker_id, partition, data, version, verdicts, updates)
        await self._write(updates, verdicts)
        if wanted:
            self._core.send_update_metadata(wanted)
        return self._response(request, version, verdicts), list(wanted)

    def _topic_name(self, topic: asked.TopicData, version: int) -> str | None:
        if version >= FIRST_VERSION_WITH_TOPIC_IDS:
            return self._context.topic_names.get(topic.topic_id)
        return topic.topic_name

    def _named_partitions(
        self, request: asked.AlterPartitionRequest, version: int
    ) -> dict[TopicPartition, asked.PartitionData]:
        return {
            TopicPartition(name, data.partition_index): data
            for topic in request.topics
            if (name := self._topic_name(topic, version)) is not None
            for data in topic.partitions
        }

    def _judge(
        self,
        broker_id: int,
        partition: TopicPartition,
        data: asked.PartitionData,
        version: int,
        verdicts: _Verdicts,
        updates: dict[TopicPartition, LeaderAndIsr],
    ) -> None:
        current = self._context.leadership.get(partition)
        if current is None:
            verdicts.errors[partition] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            return
        with_epochs = tuple(one.broker_id for one in data.new_isr_with_epochs)
        wish = replace(
            current,
            leader=broker_id,
            leader_epoch=data.leader_epoch,
            isr=with_epochs if version >= 3 else tuple(data.new_isr),
            partition_epoch=data.partition_epoch,
            recovering=data.leader_recovery_state == RECOVERING,
        )
        if wish.at_partition_epoch(current.partition_epoch) == current and (
            wish.partition_epoch <= current.partition_epoch
        ):
            verdicts.states[partition] = current
            return
        error = self._refuse(partition, wish, current, version)
        if error is None:
            updates[partition] = wish.by_controller(self._context.epoch)
        else:
            log.info("Rejecting AlterPartition of %s from broker %d: %s", partition, broker_id, error.name)
            verdicts.errors[partition] = error

    def _refuse(
        self, partition: TopicPartition, wish: LeaderAndIsr, current: LeaderAndIsr, version: int
    ) -> ErrorCode | None:
        if wish.partition_epoch > current.partition_epoch or wish.leader_epoch > current.leader_epoch:
            # The leader knows more than we do: there must be a newer controller.
            return ErrorCode.NOT_CONTROLLER
        if wish.leader_epoch < current.leader_epoch:
            return ErrorCode.FENCED_LEADER_EPOCH
        if wish.partition_epoch < current.partition_epoch:
            return ErrorCode.INVALID_UPDATE_VERSION
        if wish.recovering and (len(wish.isr) > 1 or not current.recovering):
            return ErrorCode.INVALID_REQUEST
        if not self._context.live_ids.issuperset(wish.isr):
            # Replicas that shut down or died since: to admit them would only delay the high watermark.
            if version >= FIRST_VERSION_WITH_TOPIC_IDS:
                return ErrorCode.INELIGIBLE_REPLICA
            return ErrorCode.OPERATION_NOT_ATTEMPTED
        return None

    async def _write(self, updates: dict[TopicPartition, LeaderAndIsr], verdicts: _Verdicts) -> None:
        if not updates:
            return
        finished, overtaken = await self._core.store.update_partition_states(updates)
        for partition, written in finished.items():
            if isinstance(written, Exception):
                log.error("Failed to update ISR for partition %s: %s", partition, written)
                verdicts.errors[partition] = ErrorCode.UNKNOWN_SERVER_ERROR
            else:
                log.info(
                    "ISR for partition %s updated to %s and version updated to %d",
                    partition,
                    ",".join(map(str, written.isr)),
                    written.partition_epoch,
                )
                self._context.leadership[partition] = written
                verdicts.states[partition] = written
        for partition in overtaken:
            log.info(
                "Failed to update ISR for partition %s to %s, bad ZK version.", partition, updates[partition]
            )
            verdicts.errors[partition] = ErrorCode.INVALID_UPDATE_VERSION
        if overtaken:
            await self._refresh(set(overtaken))

    def _response(
        self, request: asked.AlterPartitionRequest, version: int, verdicts: _Verdicts
    ) -> answered.AlterPartitionResponse:
        """Each partition once, however often it was named."""
        topics: dict[str, answered.TopicData] = {}
        unknown = []
        answers: set[TopicPartition] = set()
        for topic in request.topics:
            name = self._topic_name(topic, version)
            if name is None:
                unknown.append(_unknown_id(topic))
                continue
            for data in topic.partitions:
                partition = TopicPartition(name, data.partition_index)
                if partition not in answers:
                    answers.add(partition)
                    results = topics.setdefault(
                        name, answered.TopicData(topic_id=topic.topic_id, topic_name=topic.topic_name)
                    )
                    results.partitions.append(self._answer(partition, verdicts))
        return answered.AlterPartitionResponse(topics=[*unknown, *topics.values()])

    def _answer(self, partition: TopicPartition, verdicts: _Verdicts) -> answered.PartitionData:
        result = answered.PartitionData(partition_index=partition.partition)
        error = verdicts.errors.get(partition)
        if error is not None:
            result.error_code = error
            return result
        state = verdicts.states[partition]
        result.leader_id = state.leader
        result.leader_epoch = state.leader_epoch
        result.isr = list(state.isr)
        result.leader_recovery_state = int(state.recovering)
        result.partition_epoch = state.partition_epoch
        return result


def _unknown_id(topic: asked.TopicData) -> answered.TopicData:
    return answered.TopicData(
        topic_id=topic.topic_id,
        topic_name=topic.topic_name,
        partitions=[
            answered.PartitionData(
                partition_index=data.partition_index, error_code=ErrorCode.UNKNOWN_TOPIC_ID
            )
            for data in topic.partitions
        ],
    )
