# SPDX-License-Identifier: Apache-2.0
"""Who leads a partition next: the election strategies as pure functions (Kafka: Election).

A strategy sees the state znode's content, the assignment and who is alive, and answers with the state to
write and the brokers that must learn of it, or with None when nobody may lead. Writing is the partition state
machine's part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from commitlog.controller.context import ControllerContext, LeaderAndIsr, TopicPartition


class ElectionStrategy(Enum):
    """Why a leader is sought. UNCLEAN is OFFLINE on behalf of an operator who accepts data loss (KIP-460)."""

    OFFLINE = "OfflinePartitionLeaderElectionStrategy"
    UNCLEAN = "OfflinePartitionLeaderElectionStrategy(allowUnclean)"
    REASSIGN = "ReassignPartitionLeaderElectionStrategy"
    PREFERRED = "PreferredReplicaPartitionLeaderElectionStrategy"
    CONTROLLED_SHUTDOWN = "ControlledShutdownPartitionLeaderElectionStrategy"


@dataclass(slots=True, frozen=True)
class Elected:
    state: LeaderAndIsr
    recipients: tuple[int, ...]


def initial_state(context: ControllerContext, partition: TopicPartition) -> LeaderAndIsr | None:
    """The first state of a new partition: every live replica is in sync, the first of them leads."""
    live = _online(context, partition, context.replicas(partition))
    if not live:
        return None
    return LeaderAndIsr(live[0], 0, live, controller_epoch=context.epoch)


def elect(
    strategy: ElectionStrategy,
    context: ControllerContext,
    partition: TopicPartition,
    state: LeaderAndIsr,
    *,
    unclean_allowed: bool = False,
    recovery_supported: bool = True,
) -> Elected | None:
    """Apply ``strategy``; ``unclean_allowed`` and ``recovery_supported`` (IBP 3.2) matter to OFFLINE and
    UNCLEAN."""
    match strategy:
        case ElectionStrategy.OFFLINE | ElectionStrategy.UNCLEAN:
            return _offline(context, partition, state, unclean_allowed, recovery_supported)
        case ElectionStrategy.PREFERRED:
            return _preferred(context, partition, state)
        case ElectionStrategy.REASSIGN:
            return _reassign(context, partition, state)
        case ElectionStrategy.CONTROLLED_SHUTDOWN:
            return _controlled_shutdown(context, partition, state)


def preferred_can_lead(context: ControllerContext, partition: TopicPartition) -> bool:
    """Whether a preferred election would succeed, judged from the cached state."""
    state = context.leadership.get(partition)
    return state is not None and _preferred(context, partition, state) is not None


def has_live_isr_member(context: ControllerContext, partition: TopicPartition, state: LeaderAndIsr) -> bool:
    """Whether OFFLINE would find a leader without losing records."""
    return any(one in state.isr for one in _online(context, partition, context.replicas(partition)))


def _online(
    context: ControllerContext,
    partition: TopicPartition,
    replicas: Sequence[int],
    *,
    shutting_down_counts: bool = False,
) -> tuple[int, ...]:
    return tuple(
        one
        for one in replicas
        if context.is_replica_online(one, partition, shutting_down_counts=shutting_down_counts)
    )


def _offline(
    context: ControllerContext,
    partition: TopicPartition,
    state: LeaderAndIsr,
    unclean_allowed: bool,
    recovery_supported: bool,
) -> Elected | None:
    live = _online(context, partition, context.replicas(partition))
    leader = next((one for one in live if one in state.isr), None)
    if leader is not None:
        isr = _online(context, partition, state.isr)
        return Elected(state.new_leader_and_isr(leader, isr), live)
    if not unclean_allowed or not live:
        return None
    # The records that only the dead members of the ISR have are given up.
    if recovery_supported:
        return Elected(state.new_recovering_leader(live[0]), live)
    return Elected(state.new_leader_and_isr(live[0], live[:1]), live)


def _preferred(context: ControllerContext, partition: TopicPartition, state: LeaderAndIsr) -> Elected | None:
    replicas = context.replicas(partition)
    if not replicas or replicas[0] not in state.isr or not context.is_replica_online(replicas[0], partition):
        return None
    return Elected(state.new_leader(replicas[0]), replicas)


def _reassign(context: ControllerContext, partition: TopicPartition, state: LeaderAndIsr) -> Elected | None:
    target = context.assignment(partition).target
    leader = next((one for one in _online(context, partition, target) if one in state.isr), None)
    return None if leader is None else Elected(state.new_leader(leader), target)


def _controlled_shutdown(
    context: ControllerContext, partition: TopicPartition, state: LeaderAndIsr
) -> Elected | None:
    up = _online(context, partition, context.replicas(partition), shutting_down_counts=True)
    staying = [one for one in up if one in state.isr and one not in context.shutting_down]
    if not staying:
        return None
    isr = tuple(one for one in state.isr if one not in context.shutting_down)
    return Elected(state.new_leader_and_isr(staying[0], isr), up)
