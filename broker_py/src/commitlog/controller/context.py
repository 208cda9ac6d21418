# SPDX-License-Identifier: Apache-2.0
"""What the active controller knows of the cluster, in memory (Kafka: ControllerContext).

Everything here is a cache of ZooKeeper plus the state machines' states. Only the controller's event task
changes it, so it needs no lock; it is emptied on resignation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from commitlog.coordination.documents import Endpoint

NO_LEADER = -1
LEADER_DURING_DELETE = -2
INITIAL_LEADER_EPOCH = 0
INITIAL_PARTITION_EPOCH = 0
EPOCH_DURING_DELETE = -2
INITIAL_CONTROLLER_EPOCH = 0


class TopicPartition(NamedTuple):
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class PartitionReplica(NamedTuple):
    topic: str
    partition: int
    broker: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


@dataclass(slots=True, frozen=True)
class Broker:
    """A registered broker; ``epoch`` is the czxid of its registration."""

    id: int
    epoch: int
    endpoints: tuple[Endpoint, ...]
    rack: str | None = None

    def endpoint(self, listener: str) -> Endpoint | None:
        return next((one for one in self.endpoints if one.listener_name == listener), None)


@dataclass(slots=True, frozen=True)
class LeaderAndIsr:
    """The content of a partition's state znode; ``partition_epoch`` is that znode's data version."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    partition_epoch: int = INITIAL_PARTITION_EPOCH
    controller_epoch: int = INITIAL_CONTROLLER_EPOCH
    recovering: bool = False

    def new_leader(self, leader: int) -> LeaderAndIsr:
        return self.new_leader_and_isr(leader, self.isr)

    def new_leader_and_isr(self, leader: int, isr: Iterable[int]) -> LeaderAndIsr:
        return replace(self, leader=leader, isr=tuple(isr), leader_epoch=self.leader_epoch + 1)

    def new_recovering_leader(self, leader: int) -> LeaderAndIsr:
        """After an unclean election: the leader alone is in sync, and it must recover (KIP-704)."""
        return replace(self.new_leader_and_isr(leader, (leader,)), recovering=True)

    def at_partition_epoch(self, partition_epoch: int) -> LeaderAndIsr:
        """The same state as ZooKeeper has it after a write."""
        return replace(self, partition_epoch=partition_epoch)

    def by_controller(self, controller_epoch: int) -> LeaderAndIsr:
        return replace(self, controller_epoch=controller_epoch)

    def new_epoch(self) -> LeaderAndIsr:
        return self.new_leader_and_isr(self.leader, self.isr)


def during_delete(isr: Iterable[int], controller_epoch: int) -> LeaderAndIsr:
    """The state sent in UpdateMetadata so that caches drop a partition (Kafka: LeaderAndIsr.duringDelete)."""
    return LeaderAndIsr(
        LEADER_DURING_DELETE, INITIAL_LEADER_EPOCH, tuple(isr), controller_epoch=controller_epoch
    )


@dataclass(slots=True, frozen=True)
class ReplicaAssignment:
    """Replicas of a partition, with those being added and removed by a reassignment (KIP-455)."""

    replicas: tuple[int, ...]
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()

    @property
    def origin(self) -> tuple[int, ...]:
        return tuple(one for one in self.replicas if one not in self.adding)

    @property
    def target(self) -> tuple[int, ...]:
        return tuple(one for one in self.replicas if one not in self.removing)

    @property
    def is_being_reassigned(self) -> bool:
        return bool(self.adding or self.removing)

    def without(self, replica: int) -> ReplicaAssignment:
        def keep(replicas: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(one for one in replicas if one != replica)

        return ReplicaAssignment(keep(self.replicas), keep(self.adding), keep(self.removing))

    def reassign_to(self, target: Iterable[int]) -> ReplicaAssignment:
        """The assignment that moves the replicas held before any reassignment to ``target``."""
        target = tuple(target)
        union = tuple(dict.fromkeys((*target, *self.origin)))
        return ReplicaAssignment(
            union,
            adding=tuple(one for one in union if one not in self.origin),
            removing=tuple(one for one in union if one not in target),
        )


NO_ASSIGNMENT = ReplicaAssignment(())


class PartitionState(Enum):
    NON_EXISTENT = "NonExistentPartition"
    NEW = "NewPartition"
    ONLINE = "OnlinePartition"
    OFFLINE = "OfflinePartition"


class ReplicaState(Enum):
    NEW = "NewReplica"
    ONLINE = "OnlineReplica"
    OFFLINE = "OfflineReplica"
    DELETION_STARTED = "ReplicaDeletionStarted"
    DELETION_SUCCESSFUL = "ReplicaDeletionSuccessful"
    DELETION_INELIGIBLE = "ReplicaDeletionIneligible"
    NON_EXISTENT = "NonExistentReplica"


VALID_PREVIOUS_PARTITION_STATES: Mapping[PartitionState, frozenset[PartitionState]] = {
    PartitionState.NEW: frozenset({PartitionState.NON_EXISTENT}),
    PartitionState.ONLINE: frozenset({PartitionState.NEW, PartitionState.ONLINE, PartitionState.OFFLINE}),
    PartitionState.OFFLINE: frozenset({PartitionState.NEW, PartitionState.ONLINE, PartitionState.OFFLINE}),
    PartitionState.NON_EXISTENT: frozenset({PartitionState.OFFLINE}),
}

VALID_PREVIOUS_REPLICA_STATES: Mapping[ReplicaState, frozenset[ReplicaState]] = {
    ReplicaState.NEW: frozenset({ReplicaState.NON_EXISTENT}),
    ReplicaState.ONLINE: frozenset(
        {ReplicaState.NEW, ReplicaState.ONLINE, ReplicaState.OFFLINE, ReplicaState.DELETION_INELIGIBLE}
    ),
    ReplicaState.OFFLINE: frozenset(
        {ReplicaState.NEW, ReplicaState.ONLINE, ReplicaState.OFFLINE, ReplicaState.DELETION_INELIGIBLE}
    ),
    ReplicaState.DELETION_STARTED: frozenset({ReplicaState.OFFLINE}),
    ReplicaState.DELETION_SUCCESSFUL: frozenset({ReplicaState.DELETION_STARTED}),
    ReplicaState.DELETION_INELIGIBLE: frozenset({ReplicaState.OFFLINE, ReplicaState.DELETION_STARTED}),
    ReplicaState.NON_EXISTENT: frozenset({ReplicaState.DELETION_SUCCESSFUL}),
}


@dataclass(slots=True)
class ControllerContext:
    """Caches and states of one term of office."""

    epoch: int = INITIAL_CONTROLLER_EPOCH
    epoch_zk_version: int = 0
    live_brokers: dict[int, Broker] = field(default_factory=dict)
    shutting_down: set[int] = field(default_factory=set)
    assignments: dict[str, dict[int, ReplicaAssignment]] = field(default_factory=dict)
    leadership: dict[TopicPartition, LeaderAndIsr] = field(default_factory=dict)
    partition_states: dict[TopicPartition, PartitionState] = field(default_factory=dict)
    replica_states: dict[PartitionReplica, ReplicaState] = field(default_factory=dict)
    replicas_on_offline_dirs: dict[int, set[TopicPartition]] = field(default_factory=dict)
    being_reassigned: set[TopicPartition] = field(default_factory=set)
    topic_ids: dict[str, bytes] = field(default_factory=dict)
    topic_names: dict[bytes, str] = field(default_factory=dict)
    all_topics: set[str] = field(default_factory=set)
    topics_to_be_deleted: set[str] = field(default_factory=set)
    topics_with_deletion_started: set[str] = field(default_factory=set)
    topics_ineligible_for_deletion: set[str] = field(default_factory=set)

    def reset(self) -> None:
        """Forget everything; a later term starts from what ZooKeeper says."""
        fresh = ControllerContext()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    # Brokers

    @property
    def live_or_shutting_down_ids(self) -> set[int]:
        return set(self.live_brokers)

    @property
    def live_ids(self) -> set[int]:
        return self.live_brokers.keys() - self.shutting_down

    def is_replica_online(
        self, broker: int, partition: TopicPartition, *, shutting_down_counts: bool = False
    ) -> bool:
        alive = broker in self.live_brokers and (shutting_down_counts or broker not in self.shutting_down)
        return alive and partition not in self.replicas_on_offline_dirs.get(broker, ())

    # Topics and assignments

    def add_topic_id(self, topic: str, topic_id: bytes) -> None:
        known = self.topic_ids.get(topic)
        if known is not None and known != topic_id:
            raise ValueError(f"topic ID map already contained ID for topic {topic} and new ID did not match")
        self.topic_ids[topic] = topic_id
        self.topic_names[topic_id] = topic

    def remove_topic(self, topic: str) -> None:
        self.topics_to_be_deleted.discard(topic)
        self.topics_with_deletion_started.discard(topic)
        self.topics_ineligible_for_deletion.discard(topic)
        self.all_topics.discard(topic)
        topic_id = self.topic_ids.pop(topic, None)
        if topic_id is not None:
            self.topic_names.pop(topic_id, None)
        for partition, assignment in self.assignments.pop(topic, {}).items():
            name = TopicPartition(topic, partition)
            self.leadership.pop(name, None)
            self.partition_states.pop(name, None)
            self.being_reassigned.discard(name)
            for broker in assignment.replicas:
                self.replica_states.pop(PartitionReplica(topic, partition, broker), None)

    def set_assignment(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        self.assignments.setdefault(partition.topic, {})[partition.partition] = assignment

    def assignment(self, partition: TopicPartition) -> ReplicaAssignment:
        return self.assignments.get(partition.topic, {}).get(partition.partition, NO_ASSIGNMENT)

    def replicas(self, partition: TopicPartition) -> tuple[int, ...]:
        return self.assignment(partition).replicas

    def partitions_of_topic(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for partition in self.assignments.get(topic, {})]

    def all_partitions(self) -> list[TopicPartition]:
        return [TopicPartition(topic, one) for topic, parts in self.assignments.items() for one in parts]

    def replicas_of_topic(self, topic: str) -> list[PartitionReplica]:
        return [
            PartitionReplica(topic, partition, broker)
            for partition, assignment in self.assignments.get(topic, {}).items()
            for broker in assignment.replicas
        ]

    def replicas_of_partition(self, partition: TopicPartition) -> list[PartitionReplica]:
        return [PartitionReplica(*partition, broker) for broker in self.replicas(partition)]

    def partitions_on_broker(self, broker: int) -> list[TopicPartition]:
        return [one for one in self.all_partitions() if broker in self.replicas(one)]

    def replicas_on_brokers(self, brokers: Iterable[int]) -> list[PartitionReplica]:
        wanted = set(brokers)
        return [
            PartitionReplica(topic, partition, broker)
            for topic, parts in self.assignments.items()
            for partition, assignment in parts.items()
            for broker in assignment.replicas
            if broker in wanted
        ]

    def online_and_offline_replicas(self) -> tuple[list[PartitionReplica], list[PartitionReplica]]:
        online: list[PartitionReplica] = []
        offline: list[PartitionReplica] = []
        for topic, parts in self.assignments.items():
            for partition, assignment in parts.items():
                for broker in assignment.replicas:
                    alive = self.is_replica_online(broker, TopicPartition(topic, partition))
                    (online if alive else offline).append(PartitionReplica(topic, partition, broker))
        return online, offline

    def partitions_with_leaders(self) -> list[TopicPartition]:
        return [one for one in self.leadership if not self.is_topic_queued_for_deletion(one.topic)]

    def partitions_with_offline_leader(self) -> list[TopicPartition]:
        return [
            one
            for one, state in self.leadership.items()
            if not self.is_replica_online(state.leader, one)
            and not self.is_topic_queued_for_deletion(one.topic)
        ]

    def partitions_led_by(self, broker: int) -> list[TopicPartition]:
        return [
            one
            for one, state in self.leadership.items()
            if state.leader == broker
            and not self.is_topic_queued_for_deletion(one.topic)
            and len(self.replicas(one)) > 1
        ]

    # States

    def partition_state(self, partition: TopicPartition) -> PartitionState:
        return self.partition_states.get(partition, PartitionState.NON_EXISTENT)

    def put_partition_state(self, partition: TopicPartition, state: PartitionState) -> None:
        if state is PartitionState.NON_EXISTENT:
            self.partition_states.pop(partition, None)
        else:
            self.partition_states[partition] = state

    def partitions_in_state(self, *states: PartitionState) -> list[TopicPartition]:
        return [one for one, state in self.partition_states.items() if state in states]

    def replica_state(self, replica: PartitionReplica) -> ReplicaState:
        return self.replica_states.get(replica, ReplicaState.NON_EXISTENT)

    def put_replica_state(self, replica: PartitionReplica, state: ReplicaState) -> None:
        if state is ReplicaState.NON_EXISTENT:
            self.replica_states.pop(replica, None)
        else:
            self.replica_states[replica] = state

    def topic_replicas_in_state(self, topic: str, state: ReplicaState) -> list[PartitionReplica]:
        return [one for one in self.replicas_of_topic(topic) if self.replica_states.get(one) is state]

    def all_topic_replicas_in_state(self, topic: str, state: ReplicaState) -> bool:
        return all(self.replica_states.get(one) is state for one in self.replicas_of_topic(topic))

    def any_replica_in_state(self, topic: str, state: ReplicaState) -> bool:
        return bool(self.topic_replicas_in_state(topic, state))

    # Deletion

    def is_topic_queued_for_deletion(self, topic: str) -> bool:
        return topic in self.topics_to_be_deleted

    def is_topic_eligible_for_deletion(self, topic: str) -> bool:
        return topic in self.topics_to_be_deleted and topic not in self.topics_ineligible_for_deletion
