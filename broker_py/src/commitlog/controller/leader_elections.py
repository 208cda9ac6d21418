# SPDX-License-Identifier: Apache-2.0
"""Elections that somebody asks for: an operator, or the balance of leaders (Kafka: KafkaController, KIP-460).

Three ways lead here: the ElectLeaders API, the older /admin/preferred_replica_election znode, and the check
that runs every leader.imbalance.check.interval.seconds. Only the API may ask for an unclean election.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from enum import Enum

from commitlog.controller.context import (
    NO_LEADER,
    LeaderAndIsr,
    PartitionState,
    TopicPartition,
)
from commitlog.controller.core import ApiResult, ControllerCore, describe
from commitlog.controller.election import ElectionStrategy, preferred_can_lead
from commitlog.controller.partition_state_machine import StateChangeFailed
from commitlog.coordination import paths
from commitlog.wire.errors import ErrorCode

log = logging.getLogger("commitlog.controller.controller")


class ElectionType(Enum):
    """ElectLeaders' ElectionType."""

    PREFERRED = 0
    UNCLEAN = 1


class Trigger(Enum):
    AUTO = "AutoTriggered"
    ZOOKEEPER = "ZkTriggered"
    ADMIN_CLIENT = "AdminClientTriggered"


ElectionResult = int | ApiResult
"""The leader elected, or why none was."""

_FAILURE = {
    ElectionType.PREFERRED: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
    ElectionType.UNCLEAN: ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
}


class LeaderElections:
    """Runs requested elections in the event task."""

    def __init__(self, core: ControllerCore) -> None:
        self._core = core
        self._context = core.context

    async def process_znode(self) -> None:
        """What /admin/preferred_replica_election asks for; the watch on it stays armed."""
        if not await self._core.store.arm(paths.PREFERRED_REPLICA_ELECTION):
            return
        partitions = await self._core.store.preferred_elections()
        log.info("Starting preferred replica leader election for partitions %s", sorted(partitions))
        await self.elect(sorted(partitions), ElectionType.PREFERRED, Trigger.ZOOKEEPER)

    async def elect(
        self, partitions: Iterable[TopicPartition], election_type: ElectionType, trigger: Trigger
    ) -> dict[TopicPartition, ElectionResult]:
        results: dict[TopicPartition, ElectionResult] = {}
        electable: list[TopicPartition] = []
        for partition in dict.fromkeys(partitions):
            refused = self._refuse(partition, election_type)
            if refused is not None:
                results[partition] = refused
            else:
                electable.append(partition)
        return results | await self._run(electable, election_type, trigger)

    def elect_all(self) -> list[TopicPartition]:
        """What a request without a list of partitions means."""
        return self._context.all_partitions()

    def _refuse(self, partition: TopicPartition, election_type: ElectionType) -> ApiResult | None:
        replicas = self._context.replicas(partition)
        if not replicas:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The partition does not exist."
        if self._context.is_topic_queued_for_deletion(partition.topic):
            return ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic is being deleted"
        state = self._context.leadership.get(partition)
        leader = NO_LEADER if state is None else state.leader
        if election_type is ElectionType.PREFERRED:
            needed = leader != replicas[0]
        else:
            needed = leader == NO_LEADER or leader not in self._context.live_ids
        if not needed:
            return ErrorCode.ELECTION_NOT_NEEDED, ErrorCode.ELECTION_NOT_NEEDED.message
        return None

    async def _run(
        self, partitions: list[TopicPartition], election_type: ElectionType, trigger: Trigger
    ) -> dict[TopicPartition, ElectionResult]:
        log.info(
            "Starting replica leader election (%s) for partitions %s triggered by %s",
            election_type.name,
            ",".join(map(str, partitions)),
            trigger.value,
        )
        strategy = ElectionStrategy.PREFERRED
        if election_type is ElectionType.UNCLEAN:
            by_operator = trigger is Trigger.ADMIN_CLIENT
            strategy = ElectionStrategy.UNCLEAN if by_operator else ElectionStrategy.OFFLINE
        try:
            outcome = await self._core.partitions.handle(partitions, PartitionState.ONLINE, strategy)
        finally:
            if trigger is Trigger.ZOOKEEPER:
                # The watch sees this, and is armed again then, for the next request.
                await self._core.store.delete_preferred_elections()
        return {one: self._result(one, outcome.get(one), election_type) for one in partitions}

    @staticmethod
    def _result(
        partition: TopicPartition, outcome: LeaderAndIsr | Exception | None, election_type: ElectionType
    ) -> ElectionResult:
        if isinstance(outcome, LeaderAndIsr):
            return outcome.leader
        if outcome is None or isinstance(outcome, StateChangeFailed):
            message = f"Failed to elect leader for partition {partition}" if outcome is None else str(outcome)
            return _FAILURE[election_type], message
        return ErrorCode.UNKNOWN_SERVER_ERROR, describe(outcome)

    async def rebalance(self) -> None:
        """Give brokers back what they prefer to lead, where too much of it is led by others."""
        per_broker: dict[int, list[TopicPartition]] = defaultdict(list)
        for partition in self._context.all_partitions():
            replicas = self._context.replicas(partition)
            if replicas and not self._context.is_topic_queued_for_deletion(partition.topic):
                per_broker[replicas[0]].append(partition)
        limit = self._core.config.leader_imbalance_per_broker_percentage / 100
        for broker, preferring in sorted(per_broker.items()):
            elsewhere = [
                one
                for one in preferring
                if (state := self._context.leadership.get(one)) is not None and state.leader != broker
            ]
            ratio = len(elsewhere) / len(preferring)
            log.debug("Leader imbalance ratio for broker %d is %s", broker, ratio)
            if ratio <= limit:
                continue
            candidates = [
                one
                for one in elsewhere
                if one not in self._context.being_reassigned and preferred_can_lead(self._context, one)
            ]
            if candidates:
                await self._run(candidates, ElectionType.PREFERRED, Trigger.AUTO)
