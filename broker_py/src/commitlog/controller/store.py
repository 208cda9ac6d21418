# SPDX-License-Identifier: Apache-2.0
"""The znodes that the controller reads, watches and writes (Kafka: KafkaZkClient as the controller uses it).

Reads leave a watch where a handler is registered for the path; every write goes through the fence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from commitlog.controller.context import Broker, LeaderAndIsr, ReplicaAssignment, TopicPartition
from commitlog.controller.fencing import OPS_PER_MULTI, Fence, Undecided
from commitlog.coordination import paths
from commitlog.coordination.client import (
    BadVersion,
    Coordination,
    Create,
    NodeExists,
    NoNode,
    Op,
    Stat,
    Watch,
    WatchEvent,
)
from commitlog.coordination.documents import (
    RECOVERED,
    RECOVERING,
    BrokerRegistration,
    ControllerDocument,
    DocumentError,
    PartitionState,
    TopicAssignment,
    decode_isr_change,
    decode_log_dir_event,
    decode_preferred_replica_election,
    decode_reassign_partitions,
    encode_reassign_partitions,
)

log = logging.getLogger("commitlog.controller.store")

Handler = Callable[[WatchEvent], None]


class ControllerStore:
    """Typed access; ``fence`` is shared with whoever takes and leaves office."""

    def __init__(self, coordination: Coordination, fence: Fence) -> None:
        self._coordination = coordination
        self.fence = fence
        self._handlers: dict[str, Handler] = {}
        self._callbacks: dict[str, Watch] = {}

    # Watches

    def handle_changes(self, path: str, handler: Handler) -> None:
        """Have ``handler`` called when a watch on ``path`` fires; a later read of the path arms the watch."""
        self._handlers[path] = handler
        # One callback per path for good: the client then sees that a second watch is the same as the first.
        self._callbacks.setdefault(path, lambda event: self._fired(path, event))

    def ignore_changes(self, path: str) -> None:
        self._handlers.pop(path, None)

    def ignore_all_changes(self, keep: Iterable[str] = ()) -> None:
        kept = set(keep)
        self._handlers = {path: handler for path, handler in self._handlers.items() if path in kept}
        self._callbacks = {path: one for path, one in self._callbacks.items() if path in kept}

    def _fired(self, path: str, event: WatchEvent) -> None:
        handler = self._handlers.get(path)
        if handler is not None:
            handler(event)

    def _watch(self, path: str) -> Watch | None:
        return self._callbacks[path] if path in self._handlers else None

    async def arm(self, path: str) -> bool:
        """Leave the data watch of ``path``; whether the znode exists."""
        stat = await self.fence.read(lambda: self._coordination.exists(path, self._watch(path)))
        return stat is not None

    # Controller

    async def controller_id(self) -> int | None:
        try:
            data, _ = await self.fence.read(lambda: self._coordination.get(paths.CONTROLLER))
        except NoNode:
            return None
        return ControllerDocument.decode(data).broker_id

    # Brokers

    async def brokers(self) -> dict[int, Broker]:
        names = await self._children(paths.BROKER_IDS)
        found = await self.fence.all(self.broker(int(name)) for name in names if name.isdigit())
        return {broker.id: broker for broker in found if broker is not None}

    async def broker(self, broker_id: int) -> Broker | None:
        path = paths.broker_id(broker_id)
        try:
            data, stat = await self.fence.read(lambda: self._coordination.get(path, self._watch(path)))
            registration = BrokerRegistration.decode(broker_id, data)
        except NoNode:
            return None
        except DocumentError as error:
            log.error("Ignoring broker %d: %s", broker_id, error)
            return None
        return Broker(broker_id, stat.czxid, registration.endpoints, registration.rack)

    # Topics

    async def topics(self) -> set[str]:
        return set(await self._children(paths.BROKER_TOPICS))

    async def assignments(
        self, topics: Iterable[str]
    ) -> dict[str, tuple[bytes | None, dict[int, ReplicaAssignment]]]:
        """Topic → its id and assignment; topics that are gone or unreadable are left out."""
        names = sorted(topics)
        found = await self.fence.all(self._assignment(name) for name in names)
        return {name: one for name, one in zip(names, found, strict=True) if one is not None}

    async def _assignment(self, topic: str) -> tuple[bytes | None, dict[int, ReplicaAssignment]] | None:
        path = paths.topic(topic)
        try:
            data, _ = await self.fence.read(lambda: self._coordination.get(path, self._watch(path)))
            document = TopicAssignment.decode(topic, data)
        except NoNode:
            return None
        except DocumentError as error:
            log.error("Ignoring topic %s: %s", topic, error)
            return None
        return document.topic_id, {
            partition: ReplicaAssignment(
                tuple(replicas),
                tuple(document.adding_replicas.get(partition, ())),
                tuple(document.removing_replicas.get(partition, ())),
            )
            for partition, replicas in document.partitions.items()
        }

    async def set_assignment(
        self, topic: str, topic_id: bytes | None, assignment: Mapping[int, ReplicaAssignment]
    ) -> None:
        document = TopicAssignment(
            partitions={partition: one.replicas for partition, one in assignment.items()},
            topic_id=topic_id,
            adding_replicas={partition: one.adding for partition, one in assignment.items() if one.adding},
            removing_replicas={
                partition: one.removing for partition, one in assignment.items() if one.removing
            },
        )
        await self.fence.set(paths.topic(topic), document.encode())

    async def topic_deletions(self) -> set[str]:
        return set(await self._children(paths.DELETE_TOPICS))

    async def remove_topic_deletions(self, topics: Iterable[str]) -> None:
        await self.fence.all(self.fence.delete(paths.delete_topic(topic)) for topic in sorted(topics))

    async def delete_topic(self, topic: str) -> None:
        """The request goes last: a controller that fails over in between starts the deletion again."""
        await self.fence.delete_recursively(paths.topic(topic))
        await self.fence.delete_recursively(paths.topic_config(topic))
        await self.fence.delete(paths.delete_topic(topic))

    # Partition states

    async def partition_states(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, LeaderAndIsr | Exception]:
        """Partition → its state or the error that reading it gave; absent ones are left out."""
        names = sorted(partitions)
        wanted = [paths.partition_state(*name) for name in names]
        found = await self.fence.read(lambda: self._coordination.get_all(wanted))
        states: dict[TopicPartition, LeaderAndIsr | Exception] = {}
        for name, answer in zip(names, found, strict=True):
            if isinstance(answer, NoNode):
                continue
            try:
                states[name] = answer if isinstance(answer, Exception) else _state(name, *answer)
            except DocumentError as error:
                states[name] = error
        return states

    async def create_partition_states(
        self, states: Mapping[TopicPartition, LeaderAndIsr]
    ) -> dict[TopicPartition, Exception | None]:
        """Write first states, parents included; None for each that is in place now."""
        topics = sorted({partition.topic for partition in states})
        create = self.fence.create
        await self.fence.settle(
            create(paths.topic_partitions(topic), ignore_existing=True) for topic in topics
        )
        ordered = list(states.items())
        chunks = [ordered[at : at + OPS_PER_MULTI // 2] for at in range(0, len(ordered), OPS_PER_MULTI // 2)]
        results = await self.fence.all(self._create_some(chunk) for chunk in chunks)
        return {partition: error for some in results for partition, error in some.items()}

    async def _create_some(
        self, states: Sequence[tuple[TopicPartition, LeaderAndIsr]]
    ) -> dict[TopicPartition, Exception | None]:
        ops: list[Op] = []
        for partition, state in states:
            ops.append(Create(paths.topic_partition(*partition), None))
            ops.append(Create(paths.partition_state(*partition), _state_document(state)))
        names = [partition for partition, _ in states]
        try:
            await self.fence.write_together(ops)
        except Undecided:
            # Some are there already, of an earlier attempt or term.
            create = self.fence.create
            await self.fence.settle(
                create(paths.topic_partition(*one), ignore_existing=True) for one in names
            )
            found = await self.fence.settle(self._create_partition_state(*one) for one in states)
            return dict(zip(names, found, strict=True))
        return dict.fromkeys(names)

    async def _create_partition_state(self, partition: TopicPartition, state: LeaderAndIsr) -> None:
        path, data = paths.partition_state(*partition), _state_document(state)
        try:
            await self.fence.create(path, data)
        except NodeExists:
            # The reply to our own write may have been lost on the way.
            found = await self.partition_states((partition,))
            if found.get(partition) != state:
                raise

    async def update_partition_states(
        self, states: Mapping[TopicPartition, LeaderAndIsr]
    ) -> tuple[dict[TopicPartition, LeaderAndIsr | Exception], list[TopicPartition]]:
        """Write where the znode still has the state's partition epoch.

        Gives the states as written (with their new partition epochs) or the error of each, and the partitions
        whose znode somebody else, that is the leader, wrote in between: read those again and decide again.
        """
        results = await self.fence.set_all(
            [
                (paths.partition_state(*partition), _state_document(state), state.partition_epoch)
                for partition, state in states.items()
            ]
        )
        finished: dict[TopicPartition, LeaderAndIsr | Exception] = {}
        retry: list[TopicPartition] = []
        for (partition, state), result in zip(states.items(), results, strict=True):
            if isinstance(result, BadVersion):
                retry.append(partition)
            elif isinstance(result, Exception):
                finished[partition] = result
            else:
                finished[partition] = state.at_partition_epoch(result.version)
        return finished, retry

    # Triggers and notifications

    async def preferred_elections(self) -> set[TopicPartition]:
        path = paths.PREFERRED_REPLICA_ELECTION
        try:
            data, _ = await self.fence.read(lambda: self._coordination.get(path, self._watch(path)))
            return {TopicPartition(*one) for one in decode_preferred_replica_election(data)}
        except NoNode:
            return set()
        except DocumentError as error:
            log.error("Ignoring %s: %s", path, error)
            return set()

    async def delete_preferred_elections(self) -> None:
        await self.fence.delete(paths.PREFERRED_REPLICA_ELECTION)

    async def reassignments(self) -> dict[TopicPartition, tuple[int, ...]]:
        path = paths.REASSIGN_PARTITIONS
        try:
            data, _ = await self.fence.read(lambda: self._coordination.get(path, self._watch(path)))
            decoded = decode_reassign_partitions(data)
        except NoNode:
            return {}
        except DocumentError as error:
            log.error("Ignoring %s: %s", path, error)
            return {}
        return {TopicPartition(*one): tuple(replicas) for one, replicas in decoded.items()}

    async def set_reassignments(self, reassignments: Mapping[TopicPartition, Iterable[int]]) -> None:
        """Keep what is still to be done; no znode when nothing is."""
        if not reassignments:
            await self.fence.delete(paths.REASSIGN_PARTITIONS)
            return
        data = encode_reassign_partitions({one: list(replicas) for one, replicas in reassignments.items()})
        try:
            await self.fence.set(paths.REASSIGN_PARTITIONS, data)
        except NoNode:
            await self.fence.create(paths.REASSIGN_PARTITIONS, data)

    async def isr_changes(self) -> tuple[list[str], set[TopicPartition]]:
        """Notifications of leaders with an IBP below 2.7-IV2, and the partitions they name."""
        names = await self._children(paths.ISR_CHANGE_NOTIFICATION)
        partitions: set[TopicPartition] = set()
        for data in await self._notifications(paths.isr_change(name) for name in names):
            try:
                partitions.update(TopicPartition(*one) for one in decode_isr_change(data))
            except DocumentError as error:
                log.error("Ignoring an ISR change notification: %s", error)
        return names, partitions

    async def log_dir_events(self) -> tuple[list[str], set[int]]:
        """Notifications of brokers that lost a log directory, and these brokers."""
        names = await self._children(paths.LOG_DIR_EVENT_NOTIFICATION)
        brokers: set[int] = set()
        for data in await self._notifications(paths.log_dir_event(name) for name in names):
            try:
                brokers.add(decode_log_dir_event(data))
            except DocumentError as error:
                log.error("Ignoring a log dir event notification: %s", error)
        return names, brokers

    async def delete_isr_changes(self, names: Iterable[str]) -> None:
        await self.fence.all(self.fence.delete(paths.isr_change(name)) for name in names)

    async def delete_log_dir_events(self, names: Iterable[str]) -> None:
        await self.fence.all(self.fence.delete(paths.log_dir_event(name)) for name in names)

    async def _notifications(self, notification_paths: Iterable[str]) -> list[bytes]:
        async def data_of(path: str) -> bytes | None:
            try:
                return (await self.fence.read(lambda: self._coordination.get(path)))[0]
            except NoNode:
                return None

        found = await self.fence.all(data_of(path) for path in notification_paths)
        return [data for data in found if data is not None]

    async def _children(self, path: str) -> list[str]:
        try:
            return await self.fence.read(lambda: self._coordination.children(path, self._watch(path)))
        except NoNode:
            return []


def _state(partition: TopicPartition, data: bytes, stat: Stat) -> LeaderAndIsr:
    document = PartitionState.decode(*partition, data)
    return LeaderAndIsr(
        leader=document.leader,
        leader_epoch=document.leader_epoch,
        isr=document.isr,
        partition_epoch=stat.version,
        controller_epoch=document.controller_epoch,
        recovering=document.leader_recovery_state == RECOVERING,
    )


def _state_document(state: LeaderAndIsr) -> bytes:
    return PartitionState(
        leader=state.leader,
        leader_epoch=state.leader_epoch,
        isr=state.isr,
        controller_epoch=state.controller_epoch,
        leader_recovery_state=RECOVERING if state.recovering else RECOVERED,
    ).encode()
