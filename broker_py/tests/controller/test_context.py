# SPDX-License-Identifier: Apache-2.0
"""Assignments under reassignment, and a context that forgets."""

from __future__ import annotations

import pytest

from commitlog.controller.context import (
    Broker,
    ControllerContext,
    LeaderAndIsr,
    PartitionReplica,
    PartitionState,
    ReplicaAssignment,
    ReplicaState,
    TopicPartition,
)

T0 = TopicPartition("t", 0)


def test_reassign_to_holds_targets_first_and_names_what_comes_and_goes() -> None:
    moved = ReplicaAssignment((1, 2, 3)).reassign_to((4, 2))
    assert moved == ReplicaAssignment((4, 2, 1, 3), adding=(4,), removing=(1, 3))
    assert moved.target == (4, 2)
    assert moved.origin == (2, 1, 3)


def test_reassigning_again_starts_from_the_replicas_held_before() -> None:
    first = ReplicaAssignment((1, 2)).reassign_to((3, 4))
    assert first.reassign_to((1, 5)) == ReplicaAssignment((1, 5, 2), adding=(5,), removing=(2,))


def test_cancelling_leaves_nothing_to_add_or_remove() -> None:
    moved = ReplicaAssignment((1, 2)).reassign_to((3, 4))
    cancelled = moved.reassign_to(moved.origin)
    assert not cancelled.is_being_reassigned
    assert set(cancelled.replicas) == {1, 2}


def test_without_takes_a_replica_out_of_every_list() -> None:
    assert ReplicaAssignment((1, 2, 3), (3,), (2,)).without(2) == ReplicaAssignment((1, 3), (3,), ())


def test_reset_forgets_everything_in_place() -> None:
    context = ControllerContext(epoch=3)
    context.live_brokers[1] = Broker(1, 5, ())
    context.set_assignment(T0, ReplicaAssignment((1,)))
    context.leadership[T0] = LeaderAndIsr(1, 0, (1,))
    context.put_partition_state(T0, PartitionState.ONLINE)
    context.reset()
    assert context == ControllerContext()


def test_a_removed_topic_leaves_no_states_behind() -> None:
    context = ControllerContext()
    context.all_topics.add("t")
    context.add_topic_id("t", b"i" * 16)
    context.set_assignment(T0, ReplicaAssignment((1,)))
    context.put_partition_state(T0, PartitionState.ONLINE)
    context.put_replica_state(PartitionReplica("t", 0, 1), ReplicaState.ONLINE)
    context.remove_topic("t")
    assert context == ControllerContext()


def test_a_topic_cannot_change_its_id() -> None:
    context = ControllerContext()
    context.add_topic_id("t", b"i" * 16)
    context.add_topic_id("t", b"i" * 16)
    with pytest.raises(ValueError, match="did not match"):
        context.add_topic_id("t", b"j" * 16)
