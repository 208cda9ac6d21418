# SPDX-License-Identifier: Apache-2.0
"""Replica states and how they change (Kafka: ZkReplicaStateMachine).

NonExistent → New → Online ↔ Offline; Offline → DeletionStarted → DeletionSuccessful → NonExistent, or
DeletionIneligible when its broker is gone. Going Offline takes a replica out of the ISR, unless it is the
last one there: an ISR is never empty, so that it always says where the committed records are.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from commitlog.controller.context import (
    NO_LEADER,
    VALID_PREVIOUS_REPLICA_STATES,
    ControllerContext,
    LeaderAndIsr,
    PartitionReplica,
    ReplicaState,
    TopicPartition,
)
from commitlog.controller.request_batch import RequestBatch
from commitlog.controller.store import ControllerStore

log = logging.getLogger("commitlog.controller.state_change")


class ReplicaStateMachine:
    """Moves replicas between states, one batch of requests per call."""

    def __init__(
        self, context: ControllerContext, store: ControllerStore, new_batch: Callable[[], RequestBatch]
    ) -> None:
        self._context = context
        self._store = store
        self._new_batch = new_batch

    async def startup(self) -> None:
        """States of a new term; replicas on dead brokers cannot be deleted until these return."""
        online, offline = self._context.online_and_offline_replicas()
        for replica in online:
            self._context.put_replica_state(replica, ReplicaState.ONLINE)
        for replica in offline:
            self._context.put_replica_state(replica, ReplicaState.DELETION_INELIGIBLE)
        await self.handle(online, ReplicaState.ONLINE)
        await self.handle(offline, ReplicaState.OFFLINE)

    async def handle(self, replicas: Iterable[PartitionReplica], target: ReplicaState) -> None:
        per_broker: dict[int, list[PartitionReplica]] = defaultdict(list)
        for replica in replicas:
            if self._check(replica, target):
                per_broker[replica.broker].append(replica)
        if not per_broker:
            return
        batch = self._new_batch()
        for broker, ones in sorted(per_broker.items()):
            match target:
                case ReplicaState.OFFLINE:
                    await self._to_offline(broker, ones, batch)
                case ReplicaState.NEW:
                    self._to_new(ones, batch)
                case ReplicaState.ONLINE:
                    self._to_online(ones, batch)
                case _:
                    self._to_deletion_state(ones, target, batch)
        batch.send()

    def _check(self, replica: PartitionReplica, target: ReplicaState) -> bool:
        current = self._context.replica_state(replica)
        if current in VALID_PREVIOUS_REPLICA_STATES[target]:
            return True
        log.error(
            "Replica %d of partition %s initiated state change from %s to %s failed: illegal transition",
            replica.broker,
            replica.topic_partition,
            current.value,
            target.value,
        )
        return False

    def _put(self, replica: PartitionReplica, target: ReplicaState) -> None:
        log.debug("Changed state of replica %s to %s", replica, target.value)
        self._context.put_replica_state(replica, target)

    def _to_new(self, replicas: list[PartitionReplica], batch: RequestBatch) -> None:
        for replica in replicas:
            partition = replica.topic_partition
            state = self._context.leadership.get(partition)
            if state is not None and state.leader == replica.broker:
                log.error(
                    "Replica %d for partition %s cannot be moved to NewReplica state as it is being "
                    "requested to become leader",
                    replica.broker,
                    partition,
                )
                continue
            if state is not None:
                assignment = self._context.assignment(partition)
                batch.add_leader_and_isr((replica.broker,), partition, state, assignment, is_new=True)
            self._put(replica, ReplicaState.NEW)

    def _to_online(self, replicas: list[PartitionReplica], batch: RequestBatch) -> None:
        for replica in replicas:
            partition = replica.topic_partition
            assignment = self._context.assignment(partition)
            if self._context.replica_state(replica) is ReplicaState.NEW:
                if replica.broker not in assignment.replicas:
                    log.error("Adding replica %s that is not part of the assignment", replica)
                    added = replace(assignment, replicas=(*assignment.replicas, replica.broker))
                    self._context.set_assignment(partition, added)
            elif (state := self._context.leadership.get(partition)) is not None:
                batch.add_leader_and_isr((replica.broker,), partition, state, assignment, is_new=False)
            self._put(replica, ReplicaState.ONLINE)

    async def _to_offline(self, broker: int, replicas: list[PartitionReplica], batch: RequestBatch) -> None:
        for replica in replicas:
            batch.add_stop_replica((broker,), replica.topic_partition, delete=False)
        led = [one.topic_partition for one in replicas if one.topic_partition in self._context.leadership]
        removed = await self._remove_from_isr(broker, led)
        for replica in replicas:
            partition = replica.topic_partition
            if partition not in self._context.leadership:
                batch.add_update_metadata(self._context.live_or_shutting_down_ids, (partition,))
            elif (state := removed.get(partition)) is None:
                continue
            elif not self._context.is_topic_queued_for_deletion(partition.topic):
                assignment = self._context.assignment(partition)
                others = [one for one in assignment.replicas if one != broker]
                batch.add_leader_and_isr(others, partition, state, assignment, is_new=False)
            self._put(replica, ReplicaState.OFFLINE)

    def _to_deletion_state(
        self, replicas: list[PartitionReplica], target: ReplicaState, batch: RequestBatch
    ) -> None:
        for replica in replicas:
            partition = replica.topic_partition
            if target is ReplicaState.DELETION_STARTED:
                batch.add_stop_replica((replica.broker,), partition, delete=True)
            elif target is ReplicaState.NON_EXISTENT:
                assignment = self._context.assignment(partition)
                self._context.set_assignment(partition, assignment.without(replica.broker))
            self._put(replica, target)

    async def _remove_from_isr(
        self, broker: int, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, LeaderAndIsr]:
        """The states afterwards, of those that could be settled; partitions that never had it in the ISR
        too."""
        settled: dict[TopicPartition, LeaderAndIsr] = {}
        # What is known goes first, since a write fails where the znode has changed: the rest is read.
        known = {
            one: state
            for one in partitions
            if (state := self._context.leadership.get(one)) is not None and broker in state.isr
        }
        finished, remaining = await self._remove_once(broker, list(known), known)
        settled |= finished
        remaining += [one for one in partitions if one not in known]
        while remaining:
            found = await self._store.partition_states(remaining)
            finished, remaining = await self._remove_once(broker, remaining, found)
            settled |= finished
        return settled

    async def _remove_once(
        self,
        broker: int,
        partitions: list[TopicPartition],
        found: Mapping[TopicPartition, LeaderAndIsr | Exception],
    ) -> tuple[dict[TopicPartition, LeaderAndIsr], list[TopicPartition]]:
        settled: dict[TopicPartition, LeaderAndIsr] = {}
        shrunk: dict[TopicPartition, LeaderAndIsr] = {}
        for partition in partitions:
            state = found.get(partition)
            if state is None or isinstance(state, Exception):
                if not self._context.is_topic_queued_for_deletion(partition.topic):
                    reason = state or "no leader and ISR information in ZooKeeper"
                    log.error("Cannot remove replica %d from ISR of %s: %s", broker, partition, reason)
            elif state.controller_epoch > self._context.epoch:
                log.error(
                    "Leader and isr path for partition %s was written by another controller, with epoch %d",
                    partition,
                    state.controller_epoch,
                )
            elif broker in state.isr:
                shrunk[partition] = self._without_replica(state, broker)
            else:
                settled[partition] = state
        finished, retry = await self._store.update_partition_states(shrunk)
        for partition, written in finished.items():
            if isinstance(written, Exception):
                log.error("Could not remove replica %d from ISR of %s: %s", broker, partition, written)
            else:
                settled[partition] = written
        for partition, state in settled.items():
            self._context.leadership[partition] = state
        return settled, retry

    def _without_replica(self, state: LeaderAndIsr, broker: int) -> LeaderAndIsr:
        leader = NO_LEADER if state.leader == broker else state.leader
        isr = state.isr if len(state.isr) == 1 else tuple(one for one in state.isr if one != broker)
        return state.new_leader_and_isr(leader, isr).by_controller(self._context.epoch)
