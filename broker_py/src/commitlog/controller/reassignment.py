# SPDX-License-Identifier: Apache-2.0
"""Moving replicas between brokers (KIP-455, Kafka: KafkaController.onPartitionReassignment).

While it lasts the assignment holds the union of old and new replicas, with those being added and removed
named in the topic's znode, so that any later controller can carry on. When all targets are in the ISR the
removed ones leave.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from commitlog.controller.context import (
    LeaderAndIsr,
    PartitionReplica,
    PartitionState,
    ReplicaAssignment,
    ReplicaState,
    TopicPartition,
)
from commitlog.controller.core import ApiResult, ControllerCore, describe
from commitlog.controller.election import ElectionStrategy
from commitlog.controller.fencing import ControllerMoved
from commitlog.coordination import paths
from commitlog.coordination.client import ClientClosed, CoordinationError, SessionExpired
from commitlog.wire.errors import ErrorCode

log = logging.getLogger("commitlog.controller.reassignment")

NONE: ApiResult = (ErrorCode.NONE, None)
NO_REASSIGNMENT: ApiResult = (
    ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
    ErrorCode.NO_REASSIGNMENT_IN_PROGRESS.message,
)
NO_PARTITION: ApiResult = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The partition does not exist.")


class Reassignments:
    """Starts, advances, finishes and cancels reassignments."""

    def __init__(self, core: ControllerCore) -> None:
        self._core = core
        self._context = core.context

    async def start(self) -> None:
        """At the begin of a term: what the znode asks for first, then what was under way."""
        resumed = await self.process_znode()
        for partition in sorted(self._context.being_reassigned - resumed):
            await self._advance(partition, self._context.assignment(partition))

    async def resume_involving(self, brokers: set[int]) -> None:
        for partition in sorted(self._context.being_reassigned):
            assignment = self._context.assignment(partition)
            if brokers.intersection(assignment.target):
                await self._advance(partition, assignment)

    async def complete_if_caught_up(self, partitions: Iterable[TopicPartition]) -> None:
        """After the ISR of these partitions may have grown."""
        for partition in partitions:
            if partition in self._context.being_reassigned:
                assignment = self._context.assignment(partition)
                if await self._is_complete(partition, assignment):
                    await self._advance(partition, assignment)

    async def process_znode(self) -> set[TopicPartition]:
        """/admin/reassign_partitions, the trigger of older tools; the partitions now under way."""
        await self._core.store.arm(paths.REASSIGN_PARTITIONS)
        wanted: dict[TopicPartition, tuple[int, ...] | None] = dict(await self._core.store.reassignments())
        if not wanted:
            return set()
        results = await self._start_all(wanted)
        failed = {one for one, result in results.items() if result[0] != ErrorCode.NONE}
        if failed:
            log.warning("Could not start reassignments: %s", {one: results[one] for one in failed})
            await self._remove_from_znode(lambda partition, _: partition in failed)
        return results.keys() - failed

    async def alter(
        self, wanted: Mapping[TopicPartition, Sequence[int] | None]
    ) -> dict[TopicPartition, ApiResult]:
        """AlterPartitionReassignments; a target of None cancels."""
        results: dict[TopicPartition, ApiResult] = {}
        valid: dict[TopicPartition, tuple[int, ...] | None] = {}
        for partition, target in wanted.items():
            error = None if target is None else self._validate(partition, target)
            if error is not None:
                results[partition] = error
            else:
                valid[partition] = None if target is None else tuple(target)
        # The latest wish counts, whichever way it came.
        await self._remove_from_znode(lambda partition, _: partition in valid)
        return results | await self._start_all(valid)

    def current(self, wanted: Iterable[TopicPartition] | None) -> dict[TopicPartition, ReplicaAssignment]:
        """ListPartitionReassignments: those under way, or the ones of ``wanted`` that are."""
        partitions = self._context.being_reassigned if wanted is None else wanted
        found = {one: self._context.assignment(one) for one in partitions}
        return {one: assignment for one, assignment in found.items() if assignment.is_being_reassigned}

    def _validate(self, partition: TopicPartition, target: Sequence[int]) -> ApiResult | None:
        code = ErrorCode.INVALID_REPLICA_ASSIGNMENT
        if not target:
            return code, "Empty replica list specified in partition reassignment."
        if len(set(target)) != len(target):
            return (
                code,
                f"Duplicate replica ids in partition reassignment replica list: {_as_scala_shows(target)}",
            )
        if any(one < 0 for one in target):
            return code, f"Invalid broker id in replica list: {_as_scala_shows(target)}"
        adding = self._context.assignment(partition).reassign_to(target).adding
        if not self._context.live_ids.issuperset(adding):
            live = ", ".join(map(str, sorted(self._context.live_ids)))
            return code, (
                "Replica assignment has brokers that are not alive. Replica list: "
                f"{_as_scala_shows(adding)}, live broker list: Set({live})"
            )
        return None

    async def _start_all(
        self, wanted: Mapping[TopicPartition, tuple[int, ...] | None]
    ) -> dict[TopicPartition, ApiResult]:
        results: dict[TopicPartition, ApiResult] = {}
        for partition, target in wanted.items():
            known = self._context.assignment(partition)
            if target is None and not known.is_being_reassigned:
                results[partition] = NO_REASSIGNMENT
                continue
            if not known.replicas or self._context.is_topic_queued_for_deletion(partition.topic):
                results[partition] = NO_PARTITION
                continue
            wish = known.reassign_to(known.origin if target is None else target)
            if self._would_lose_records(partition, wish):
                results[partition] = (
                    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                    f"Unable to change the assignment of {partition} because it would require an unclean "
                    "leader election.",
                )
                continue
            try:
                await self._advance(partition, wish)
                results[partition] = NONE
            except (ControllerMoved, SessionExpired, ClientClosed):
                raise
            except CoordinationError as error:
                log.exception("Reassignment of %s failed", partition)
                results[partition] = (ErrorCode.UNKNOWN_SERVER_ERROR, describe(error))
        return results

    def _would_lose_records(self, partition: TopicPartition, wish: ReplicaAssignment) -> bool:
        """After an unclean election among replicas being added, these may be the only ones in sync: to
        call the move off would delete them. (A ZooKeeper-mode JVM controller does; a KRaft one refuses as
        we do.)"""
        state = self._context.leadership.get(partition)
        return state is not None and not set(state.isr).intersection(wish.replicas)

    async def _advance(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        """Write what is wanted, then begin it or, when all targets are in the ISR, finish it."""
        # Until it has ended the topic cannot be deleted.
        self._core.deletion.mark_ineligible({partition.topic}, "topic reassignment in progress")
        await self._record(partition, assignment)
        if await self._is_complete(partition, assignment):
            await self._finish(partition, assignment)
            return
        await self._bump_epoch_and_send(partition, assignment)
        adding = [PartitionReplica(*partition, one) for one in assignment.adding]
        fresh = [one for one in adding if self._context.replica_state(one) is ReplicaState.NON_EXISTENT]
        await self._core.replicas.handle(fresh, ReplicaState.NEW)

    async def _record(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        before = self._context.assignment(partition)
        if before != assignment:
            await self._write(partition, assignment)
            superseded = [one for one in before.replicas if one not in assignment.replicas]
            await self._stop_replicas(partition, superseded)
        self._context.being_reassigned.add(partition)

    async def _write(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        topic = partition.topic
        whole = {**self._context.assignments[topic], partition.partition: assignment}
        await self._core.store.set_assignment(topic, self._context.topic_ids.get(topic), whole)
        log.info("Updated assigned replicas for partition %s being reassigned to %s", partition, assignment)
        self._context.set_assignment(partition, assignment)

    async def _is_complete(self, partition: TopicPartition, assignment: ReplicaAssignment) -> bool:
        if not assignment.is_being_reassigned:
            return True
        state = (await self._core.store.partition_states((partition,))).get(partition)
        return isinstance(state, LeaderAndIsr) and set(assignment.target) <= set(state.isr)

    async def _finish(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        adding = [PartitionReplica(*partition, one) for one in assignment.adding]
        await self._core.replicas.handle(adding, ReplicaState.ONLINE)
        completed = ReplicaAssignment(assignment.target)
        self._context.set_assignment(partition, completed)
        await self._move_leader_if_required(partition, completed)
        await self._stop_replicas(partition, assignment.removing)
        await self._write(partition, completed)
        self._context.being_reassigned.discard(partition)
        await self._remove_from_znode(
            lambda one, replicas: one == partition and replicas == completed.replicas
        )
        self._core.send_update_metadata((partition,))
        await self._core.deletion.resume_for_topics({partition.topic})

    async def _move_leader_if_required(self, partition: TopicPartition, completed: ReplicaAssignment) -> None:
        state = self._context.leadership.get(partition)
        leader = -1 if state is None else state.leader
        if leader in completed.replicas and self._context.is_replica_online(leader, partition):
            await self._bump_epoch_and_send(partition, completed)
            return
        log.info("Leader %d of %s, being reassigned, is not in the new list or is dead", leader, partition)
        await self._core.partitions.handle((partition,), PartitionState.ONLINE, ElectionStrategy.REASSIGN)

    async def _stop_replicas(self, partition: TopicPartition, brokers: Iterable[int]) -> None:
        """Out of the ISR, then deleted; their brokers' answers are not waited for."""
        replicas = [PartitionReplica(*partition, one) for one in brokers]
        for state in (
            ReplicaState.OFFLINE,
            ReplicaState.DELETION_STARTED,
            ReplicaState.DELETION_SUCCESSFUL,
            ReplicaState.NON_EXISTENT,
        ):
            await self._core.replicas.handle(replicas, state)

    async def _bump_epoch_and_send(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        state = await self._bump_epoch(partition)
        if state is None:
            return
        batch = self._core.new_batch()
        batch.add_leader_and_isr(assignment.origin, partition, state, assignment, is_new=False)
        batch.add_leader_and_isr(assignment.adding, partition, state, assignment, is_new=True)
        batch.send()

    async def _bump_epoch(self, partition: TopicPartition) -> LeaderAndIsr | None:
        """A higher leader epoch, so that the brokers accept a LeaderAndIsr that changes the replicas
        alone."""
        while True:
            state = (await self._core.store.partition_states((partition,))).get(partition)
            if not isinstance(state, LeaderAndIsr) or state.controller_epoch > self._context.epoch:
                log.error("Cannot update the leader epoch of %s: its state is %s", partition, state)
                return None
            bumped = state.new_epoch().by_controller(self._context.epoch)
            finished, retry = await self._core.store.update_partition_states({partition: bumped})
            if retry:
                continue
            written = finished[partition]
            if isinstance(written, Exception):
                log.error("Cannot update the leader epoch of %s: %s", partition, written)
                return None
            self._context.leadership[partition] = written
            return written

    async def _remove_from_znode(self, remove: Callable[[TopicPartition, tuple[int, ...]], bool]) -> None:
        listed = await self._core.store.reassignments()
        kept = {one: replicas for one, replicas in listed.items() if not remove(one, replicas)}
        if len(kept) != len(listed):
            # The watch sees this, and is armed again then, for the next request.
            await self._core.store.set_reassignments(kept)


def _as_scala_shows(brokers: Sequence[int]) -> str:
    return f"ArrayBuffer({', '.join(map(str, brokers))})"
