# SPDX-License-Identifier: Apache-2.0
"""How a group gets from one generation to the next, and what becomes of those who do not come along.

Kafka's prepareRebalance, onCompleteJoin, and the expirations of DelayedJoin, InitialDelayedJoin,
DelayedSync and DelayedHeartbeat.
"""

from __future__ import annotations

import logging

from commitlog.groups import effects as fx
from commitlog.groups.group import (
    CONSUMER_PROTOCOL_TYPE,
    UNKNOWN_MEMBER_ID,
    Group,
    GroupState,
    join_error,
    sync_error,
)
from commitlog.groups.member import Member
from commitlog.groups.records import group_metadata_value, subscribed_topics
from commitlog.wire.errors import ErrorCode

logger = logging.getLogger("commitlog.groups.rebalance")


def maybe_prepare(group: Group, reason: str) -> None:
    """Begin a rebalance unless one is under way (or the group is dead)."""
    if group.can_rebalance:
        prepare(group, reason)


def prepare(group: Group, reason: str) -> None:
    """Everybody has to join again. The first rebalance of an empty group waits for more members to arrive."""
    if group.state is GroupState.COMPLETING_REBALANCE:
        propagate_assignment(group, ErrorCode.REBALANCE_IN_PROGRESS)
    group.members.pending_sync.clear()
    group.effects.append(fx.StopSyncTimer())
    was_empty = group.state is GroupState.EMPTY
    group.transition_to(GroupState.PREPARING_REBALANCE)
    logger.info(
        "Preparing to rebalance group %s in state %s with old generation %d (__consumer_offsets-%d) "
        "(reason: %s)",
        group.group_id,
        group.state.value,
        group.generation_id,
        group.offsets_partition,
        reason,
    )
    timeout_ms = group.members.rebalance_timeout_ms
    if was_empty:
        delay_ms = group.limits.initial_rebalance_delay_ms
        group.initial_join_ms = (delay_ms, max(timeout_ms - delay_ms, 0))
        group.effects.append(fx.StartJoinTimer(delay_ms))
    else:
        group.initial_join_ms = None
        group.effects.append(fx.StartJoinTimer(timeout_ms))
        maybe_complete_join(group)


def maybe_complete_join(group: Group) -> None:
    """Go on at once when everybody is there; the initial delay is waited out in any case."""
    if (
        group.state is GroupState.PREPARING_REBALANCE
        and group.initial_join_ms is None
        and group.members.all_joined
    ):
        _complete_join(group)


def _complete_join(group: Group) -> None:
    failed = [member for member in group.members.not_yet_rejoined() if not member.is_static]
    if failed:
        names = [member.member_id for member in failed]
        logger.info("Group %s removed dynamic members who haven't joined: %s", group.group_id, names)
    for member in failed:
        group.members.remove(member.member_id)
        group.effects.append(fx.StopSessionTimer(member.member_id))
    if not group.members.elect_joined_leader() and len(group.members):
        # Only static members that have not come back: wait until their sessions expire.
        logger.error("Group %s could not complete rebalance because no members rejoined", group.group_id)
        group.effects.append(fx.StartJoinTimer(group.members.rebalance_timeout_ms))
        return
    group.effects.append(fx.StopJoinTimer())
    _begin_next_generation(group)
    if group.state is GroupState.EMPTY:
        logger.info(
            "Group %s with generation %d is now empty (__consumer_offsets-%d)",
            group.group_id,
            group.generation_id,
            group.offsets_partition,
        )
        group.effects.append(fx.Store(group_metadata_value(group, {}), fx.EmptyGenerationStored()))
        return
    logger.info(
        "Stabilized group %s generation %d (__consumer_offsets-%d) with %d members",
        group.group_id,
        group.generation_id,
        group.offsets_partition,
        len(group.members),
    )
    for member in group.members:
        group.reply_join(member, group.generation_response(member))
        group.restart_session_timer(member)
        member.is_new = False
        group.members.pending_sync.add(member.member_id)
    group.effects.append(fx.StartSyncTimer(group.members.rebalance_timeout_ms))


def _begin_next_generation(group: Group) -> None:
    group.generation_id += 1
    group.members.pending_sync.clear()
    if len(group.members):
        group.protocol_name = group.members.select_protocol()
        group.transition_to(GroupState.COMPLETING_REBALANCE)
    else:
        group.protocol_name = None
        group.transition_to(GroupState.EMPTY)
    compute_subscribed_topics(group)


def compute_subscribed_topics(group: Group) -> None:
    """Only a consumer group's metadata can be read by the broker: it says which offsets are in use."""
    group.subscribed_topics = None
    if group.members.protocol_type != CONSUMER_PROTOCOL_TYPE:
        return
    if not len(group.members):
        group.subscribed_topics = frozenset()
    elif group.protocol_name is not None:
        protocol = group.protocol_name
        metadata = (member.metadata(protocol) for member in group.members)
        group.subscribed_topics = subscribed_topics(group.group_id, protocol, metadata)


def propagate_assignment(group: Group, error: ErrorCode) -> None:
    """Answer every waiting SyncGroup; an error takes the assignments back."""
    for member in group.members:
        if error is ErrorCode.NONE:
            response = group.sync_response(member)
        else:
            member.assignment = b""
            response = sync_error(error)
        if group.reply_sync(member, response):
            group.restart_session_timer(member)


def remove_member(group: Group, member: Member, reason: str) -> None:
    """A member left or failed: the others share its partitions in a new generation."""
    group.reply_join(member, join_error(UNKNOWN_MEMBER_ID, ErrorCode.UNKNOWN_MEMBER_ID))
    group.members.remove(member.member_id)
    group.effects.append(fx.StopSessionTimer(member.member_id))
    if group.state is GroupState.PREPARING_REBALANCE:
        maybe_complete_join(group)
    else:
        maybe_prepare(group, reason)


def remove_pending(group: Group, member_id: str) -> None:
    """An id that was given out will not come back: a rebalance need not wait for it."""
    group.members.remove(member_id)
    group.effects.append(fx.StopSessionTimer(member_id))
    maybe_complete_join(group)


def loaded(group: Group) -> None:
    """The group was read from the log: its members have a session timeout to be heard of."""
    logger.info("Loading group metadata for %s with generation %d", group.group_id, group.generation_id)
    if len(group.members) > group.limits.max_size:
        prepare(
            group,
            f"Freshly-loaded group is over capacity ({group.limits.max_size}). "
            "Rebalancing in order to give a chance for consumers to commit offsets",
        )
    for member in group.members:
        group.restart_session_timer(member)


def session_expired(group: Group, member_id: str) -> None:
    """Nothing was heard of a member, or of a pending one, for its session timeout."""
    if group.state is GroupState.DEAD:
        return
    if member_id in group.members.pending:
        logger.info(
            "Pending member %s in group %s has been removed after session timeout expiration.",
            member_id,
            group.group_id,
        )
        remove_pending(group, member_id)
    elif member_id in group.members and not group.members[member_id].needs_no_heartbeat:
        logger.info("Member %s in group %s has failed, removing it from the group", member_id, group.group_id)
        remove_member(group, group.members[member_id], f"removing member {member_id} on heartbeat expiration")


def join_timer_expired(group: Group) -> None:
    """The time to join is up. An empty group waits on while newcomers keep coming, up to their timeout."""
    if group.state is not GroupState.PREPARING_REBALANCE:
        return
    if group.initial_join_ms is not None:
        delay_ms, remaining_ms = group.initial_join_ms
        if group.new_member_added and remaining_ms != 0:
            group.new_member_added = False
            next_ms = min(group.limits.initial_rebalance_delay_ms, remaining_ms)
            group.initial_join_ms = (next_ms, max(remaining_ms - delay_ms, 0))
            group.effects.append(fx.StartJoinTimer(next_ms))
            return
        group.initial_join_ms = None
    _complete_join(group)


def sync_timer_expired(group: Group) -> None:
    """Members that never sent their SyncGroup are removed, and the others start over (KAFKA-13435)."""
    pending = sorted(group.members.pending_sync)
    if not pending or not group.can_rebalance:
        return
    for member_id in pending:
        group.members.remove(member_id)
        group.effects.append(fx.StopSessionTimer(member_id))
    logger.debug("Group %s removed members who haven't sent their sync request: %s", group.group_id, pending)
    prepare(group, f"Removing {pending} on pending sync request expiration")
