# SPDX-License-Identifier: Apache-2.0
"""Partition states and how they change (Kafka: ZkPartitionStateMachine).

NonExistent → New → Online ↔ Offline → NonExistent. Going Online means to have a leader written in ZooKeeper:
the first one for a New partition, one by an election strategy otherwise. The write is conditional on the
znode version that the election saw; when the leader changed its ISR in between, the election is repeated with
what it wrote.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from commitlog.controller.context import (
    VALID_PREVIOUS_PARTITION_STATES,
    ControllerContext,
    LeaderAndIsr,
    PartitionState,
    TopicPartition,
)
from commitlog.controller.election import Elected, ElectionStrategy, elect, has_live_isr_member, initial_state
from commitlog.controller.request_batch import RequestBatch
from commitlog.controller.store import ControllerStore

log = logging.getLogger("commitlog.controller.state_change")

UncleanAllowed = Callable[[set[str]], Awaitable[Mapping[str, bool]]]
Result = LeaderAndIsr | Exception


class StateChangeFailed(Exception):
    """A partition or replica could not be brought into the wanted state; the others of the step can."""


class PartitionStateMachine:
    """Moves partitions between states, one batch of requests per call."""

    def __init__(
        self,
        context: ControllerContext,
        store: ControllerStore,
        new_batch: Callable[[], RequestBatch],
        unclean_allowed: UncleanAllowed,
        *,
        recovery_supported: bool,
    ) -> None:
        self._context = context
        self._store = store
        self._new_batch = new_batch
        self._unclean_allowed = unclean_allowed
        self.elections = 0
        self.unclean_elections = 0
        self._recovery_supported = recovery_supported

    async def startup(self) -> None:
        """States of a new term: no state znode → New, leader alive → Online, else Offline; then seek
        leaders."""
        for partition in self._context.all_partitions():
            state = self._context.leadership.get(partition)
            if state is None:
                self._context.put_partition_state(partition, PartitionState.NEW)
            elif self._context.is_replica_online(state.leader, partition):
                self._context.put_partition_state(partition, PartitionState.ONLINE)
            else:
                self._context.put_partition_state(partition, PartitionState.OFFLINE)
        await self.trigger_online()

    async def trigger_online(self, topic: str | None = None) -> dict[TopicPartition, Result]:
        """Seek leaders for all New and Offline partitions, or only for those of ``topic``."""
        partitions = [
            one
            for one in self._context.partitions_in_state(PartitionState.OFFLINE, PartitionState.NEW)
            if not self._context.is_topic_queued_for_deletion(one.topic) and topic in (None, one.topic)
        ]
        return await self.handle(partitions, PartitionState.ONLINE, ElectionStrategy.OFFLINE)

    async def handle(
        self,
        partitions: Iterable[TopicPartition],
        target: PartitionState,
        strategy: ElectionStrategy | None = None,
    ) -> dict[TopicPartition, Result]:
        """Change states; for ONLINE the outcome of every partition that was New or had an election."""
        valid = [one for one in partitions if self._check(one, target)]
        if not valid:
            return {}
        if target is not PartitionState.ONLINE:
            for partition in valid:
                log.debug("Changed partition %s state to %s", partition, target.value)
                self._context.put_partition_state(partition, target)
            return {}
        batch = self._new_batch()
        fresh = [one for one in valid if self._context.partition_state(one) is PartitionState.NEW]
        results = await self._initialize(fresh, batch)
        others = [one for one in valid if one not in results]
        if others and strategy is not None:
            results |= await self._elect(others, strategy, batch)
        for partition, result in results.items():
            if isinstance(result, Exception):
                log.error("Failed to bring partition %s online: %s", partition, result)
            else:
                self._context.put_partition_state(partition, PartitionState.ONLINE)
        batch.send()
        return results

    def _check(self, partition: TopicPartition, target: PartitionState) -> bool:
        current = self._context.partition_state(partition)
        if current in VALID_PREVIOUS_PARTITION_STATES[target]:
            return True
        log.error(
            "Partition %s initiated state change from %s to %s failed: illegal transition",
            partition,
            current.value,
            target.value,
        )
        return False

    async def _initialize(
        self, partitions: list[TopicPartition], batch: RequestBatch
    ) -> dict[TopicPartition, Result]:
        results: dict[TopicPartition, Result] = {}
        states: dict[TopicPartition, LeaderAndIsr] = {}
        for partition in partitions:
            state = initial_state(self._context, partition)
            if state is None:
                results[partition] = StateChangeFailed(
                    f"encountered error during state change of partition {partition} from New to Online, "
                    f"assigned replicas are {list(self._context.replicas(partition))}, live brokers are "
                    f"{sorted(self._context.live_ids)}. No assigned replica is alive."
                )
            else:
                states[partition] = state
        if not states:
            return results
        created = await self._store.create_partition_states(states)
        for partition, error in created.items():
            if error is not None:
                results[partition] = error
                continue
            state = results[partition] = self._context.leadership[partition] = states[partition]
            assignment = self._context.assignment(partition)
            batch.add_leader_and_isr(state.isr, partition, state, assignment, is_new=True)
        return results

    async def _elect(
        self, partitions: list[TopicPartition], strategy: ElectionStrategy, batch: RequestBatch
    ) -> dict[TopicPartition, Result]:
        results: dict[TopicPartition, Result] = {}
        remaining = partitions
        reread = False
        while remaining:
            finished, remaining = await self._elect_once(remaining, strategy, batch, reread=reread)
            results |= finished
            reread = True
        return results

    async def _elect_once(
        self,
        partitions: list[TopicPartition],
        strategy: ElectionStrategy,
        batch: RequestBatch,
        *,
        reread: bool,
    ) -> tuple[dict[TopicPartition, Result], list[TopicPartition]]:
        """Kafka reads every state before it elects. Here what is known goes first, since a write fails where
        the znode has changed; who fails, or has no one to elect, is read and tried again."""
        results, current = await self._read_states(partitions) if reread else self._known_states(partitions)
        unclean = await self._unclean_partitions(current, strategy)
        elected: dict[TopicPartition, Elected] = {}
        for partition, state in current.items():
            choice = elect(
                strategy,
                self._context,
                partition,
                state,
                unclean_allowed=partition in unclean,
                recovery_supported=self._recovery_supported,
            )
            if choice is not None:
                elected[partition] = choice
            elif reread:
                results[partition] = StateChangeFailed(
                    f"Failed to elect leader for partition {partition} under strategy {strategy.value}"
                )
        finished, retry = await self._store.update_partition_states(
            {one: choice.state.by_controller(self._context.epoch) for one, choice in elected.items()}
        )
        for partition, written in finished.items():
            results[partition] = written
            if isinstance(written, Exception):
                continue
            self.elections += 1
            if partition in unclean:
                self.unclean_elections += 1
            log.info("Elected %d as leader of %s: %s", written.leader, partition, strategy.value)
            self._context.leadership[partition] = written
            assignment = self._context.assignment(partition)
            recipients = elected[partition].recipients
            batch.add_leader_and_isr(recipients, partition, written, assignment, is_new=False)
        if not reread:
            retry += [one for one in partitions if one not in elected]
        return results, retry

    def _known_states(
        self, partitions: list[TopicPartition]
    ) -> tuple[dict[TopicPartition, Result], dict[TopicPartition, LeaderAndIsr]]:
        leadership = self._context.leadership
        return {}, {one: leadership[one] for one in partitions if one in leadership}

    async def _read_states(
        self, partitions: list[TopicPartition]
    ) -> tuple[dict[TopicPartition, Result], dict[TopicPartition, LeaderAndIsr]]:
        found = await self._store.partition_states(partitions)
        failed: dict[TopicPartition, Result] = {}
        current: dict[TopicPartition, LeaderAndIsr] = {}
        for partition in partitions:
            state = found.get(partition)
            if state is None:
                failed[partition] = StateChangeFailed(
                    f"LeaderAndIsr information doesn't exist for partition {partition}"
                )
            elif isinstance(state, Exception):
                failed[partition] = state
            elif state.controller_epoch > self._context.epoch:
                failed[partition] = StateChangeFailed(
                    f"Aborted leader election for partition {partition} since the LeaderAndIsr path was "
                    f"already written by another controller, elected with epoch {state.controller_epoch}: "
                    f"this controller went through a soft failure."
                )
            else:
                current[partition] = state
        return failed, current

    async def _unclean_partitions(
        self, states: Mapping[TopicPartition, LeaderAndIsr], strategy: ElectionStrategy
    ) -> set[TopicPartition]:
        """Those whose ISR is dead and whose topic's configuration, or the operator, allows to lose
        records."""
        if strategy not in (ElectionStrategy.OFFLINE, ElectionStrategy.UNCLEAN):
            return set()
        dead = {one for one, state in states.items() if not has_live_isr_member(self._context, one, state)}
        if strategy is ElectionStrategy.UNCLEAN or not dead:
            return dead
        allowed = await self._unclean_allowed({one.topic for one in dead})
        return {one for one in dead if allowed.get(one.topic, False)}
