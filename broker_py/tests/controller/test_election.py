# SPDX-License-Identifier: Apache-2.0
"""Every election strategy, on partition t-0 with assignment [1, 2, 3]."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from commitlog.controller.context import (
    Broker,
    ControllerContext,
    LeaderAndIsr,
    ReplicaAssignment,
    TopicPartition,
)
from commitlog.controller.election import (
    ElectionStrategy,
    elect,
    has_live_isr_member,
    initial_state,
    preferred_can_lead,
)

T0 = TopicPartition("t", 0)


def context_of(
    live: Iterable[int],
    *,
    shutting_down: Iterable[int] = (),
    lost_disk: int | None = None,
    assignment: ReplicaAssignment | None = None,
) -> ControllerContext:
    context = ControllerContext(epoch=7)
    context.live_brokers = {one: Broker(one, 10, ()) for one in live}
    context.shutting_down = set(shutting_down)
    context.set_assignment(T0, assignment or ReplicaAssignment((1, 2, 3)))
    if lost_disk is not None:
        context.replicas_on_offline_dirs[lost_disk] = {T0}
    return context


def state_of(leader: int, *isr: int, recovering: bool = False) -> LeaderAndIsr:
    return LeaderAndIsr(leader, 5, isr, partition_epoch=9, controller_epoch=3, recovering=recovering)


def test_new_partition_is_led_by_the_first_live_replica_and_all_live_ones_are_in_sync() -> None:
    state = initial_state(context_of([2, 3]), T0)
    assert state == LeaderAndIsr(2, 0, (2, 3), partition_epoch=0, controller_epoch=7)


def test_new_partition_without_a_live_replica_gets_no_state() -> None:
    assert initial_state(context_of([9]), T0) is None


@pytest.mark.parametrize(
    ("live", "isr", "leader", "new_isr"),
    [
        ([1, 2, 3], (1, 2, 3), 1, (1, 2, 3)),
        ([2, 3], (1, 2, 3), 2, (2, 3)),
        ([2, 3], (1, 3), 3, (3,)),
        ([2, 3], (3, 2, 1), 2, (3, 2)),
    ],
)
def test_offline_takes_the_first_assigned_live_member_of_the_isr(
    live: list[int], isr: tuple[int, ...], leader: int, new_isr: tuple[int, ...]
) -> None:
    elected = elect(ElectionStrategy.OFFLINE, context_of(live), T0, state_of(1, *isr))
    assert elected is not None
    assert (elected.state.leader, elected.state.isr) == (leader, new_isr)
    assert elected.state.leader_epoch == 6
    assert elected.state.partition_epoch == 9, "the version to write over is the one that was read"
    assert elected.recipients == tuple(live)


def test_offline_does_not_lose_records_unless_allowed() -> None:
    context = context_of([2, 3])
    assert elect(ElectionStrategy.OFFLINE, context, T0, state_of(1, 1)) is None
    elected = elect(ElectionStrategy.OFFLINE, context, T0, state_of(1, 1), unclean_allowed=True)
    assert elected is not None
    assert (elected.state.leader, elected.state.isr, elected.state.recovering) == (2, (2,), True)


def test_unclean_before_leader_recovery_state_existed() -> None:
    elected = elect(
        ElectionStrategy.UNCLEAN,
        context_of([3]),
        T0,
        state_of(-1, 1),
        unclean_allowed=True,
        recovery_supported=False,
    )
    assert elected is not None
    assert (elected.state.leader, elected.state.isr, elected.state.recovering) == (3, (3,), False)


def test_unclean_prefers_a_clean_leader_where_there_is_one() -> None:
    elected = elect(ElectionStrategy.UNCLEAN, context_of([2, 3]), T0, state_of(1, 1, 3), unclean_allowed=True)
    assert elected is not None
    assert (elected.state.leader, elected.state.recovering) == (3, False)


def test_a_live_member_of_the_isr_that_is_not_assigned_any_more_is_no_reason_to_wait() -> None:
    context = context_of([2, 3, 9])
    assert not has_live_isr_member(context, T0, state_of(9, 9))
    assert has_live_isr_member(context, T0, state_of(9, 9, 3))


def test_unclean_needs_a_live_replica() -> None:
    assert elect(ElectionStrategy.UNCLEAN, context_of([9]), T0, state_of(1, 1), unclean_allowed=True) is None


def test_a_replica_on_a_lost_disk_or_shutting_down_is_not_live() -> None:
    for context in (context_of([1, 2, 3], lost_disk=1), context_of([1, 2, 3], shutting_down=[1])):
        elected = elect(ElectionStrategy.OFFLINE, context, T0, state_of(1, 1, 2))
        assert elected is not None
        assert (elected.state.leader, elected.state.isr) == (2, (2,))


def test_preferred_is_the_first_assigned_or_nobody() -> None:
    elected = elect(ElectionStrategy.PREFERRED, context_of([1, 2, 3]), T0, state_of(2, 2, 1))
    assert elected is not None
    assert (elected.state.leader, elected.state.isr, elected.state.leader_epoch) == (1, (2, 1), 6)
    assert elected.recipients == (1, 2, 3), "dead ones too: the channel drops what it cannot send"
    assert elect(ElectionStrategy.PREFERRED, context_of([1, 2, 3]), T0, state_of(2, 2, 3)) is None
    assert elect(ElectionStrategy.PREFERRED, context_of([2, 3]), T0, state_of(2, 1, 2)) is None


def test_preferred_can_lead_judges_by_the_cache() -> None:
    context = context_of([1, 2, 3])
    assert not preferred_can_lead(context, T0)
    context.leadership[T0] = state_of(2, 1, 2)
    assert preferred_can_lead(context, T0)


def test_reassign_takes_the_first_target_that_is_live_and_in_sync() -> None:
    assignment = ReplicaAssignment((4, 5, 1, 2), adding=(4, 5), removing=(1, 2))
    context = context_of([1, 2, 5], assignment=assignment)
    elected = elect(ElectionStrategy.REASSIGN, context, T0, state_of(1, 1, 2, 4, 5))
    assert elected is not None
    assert (elected.state.leader, elected.state.isr) == (5, (1, 2, 4, 5))
    assert elected.recipients == (4, 5)
    assert elect(ElectionStrategy.REASSIGN, context, T0, state_of(1, 1, 2)) is None


def test_controlled_shutdown_moves_on_and_leaves_the_isr() -> None:
    context = context_of([1, 2, 3], shutting_down=[1])
    elected = elect(ElectionStrategy.CONTROLLED_SHUTDOWN, context, T0, state_of(1, 1, 2, 3))
    assert elected is not None
    assert (elected.state.leader, elected.state.isr) == (2, (2, 3))
    assert elected.recipients == (1, 2, 3), "the one that leaves must learn that it no longer leads"


def test_controlled_shutdown_keeps_the_leader_when_nobody_else_is_in_sync() -> None:
    context = context_of([1, 2, 3], shutting_down=[1])
    assert elect(ElectionStrategy.CONTROLLED_SHUTDOWN, context, T0, state_of(1, 1)) is None
