# SPDX-License-Identifier: Apache-2.0
"""SyncGroup: the leader brings the assignment, it is written to the log, and everybody gets his share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from commitlog.groups import effects as fx
from commitlog.groups import rebalance
from commitlog.groups.group import UNKNOWN_MEMBER_ID, Group, GroupState, sync_error
from commitlog.groups.records import group_metadata_value
from commitlog.wire.errors import ErrorCode

logger = logging.getLogger("commitlog.groups.syncing")


@dataclass(frozen=True, slots=True)
class Sync:
    """A SyncGroup request whose answer is owed to `waiter`."""

    waiter: object
    generation_id: int
    member_id: str
    group_instance_id: str | None
    protocol_type: str | None
    protocol_name: str | None
    assignment: Mapping[str, bytes]


def sync(group: Group, request: Sync) -> None:
    """Answer, or let the member wait for the assignment of its generation."""
    error = _sync_error(group, request)
    if error is not ErrorCode.NONE:
        group.effects.append(fx.Reply(request.waiter, sync_error(error)))
        return
    member = group.members[request.member_id]
    group.members.pending_sync.discard(member.member_id)
    if not group.members.pending_sync:
        group.effects.append(fx.StopSyncTimer())
    if group.state is GroupState.STABLE:
        group.effects.append(fx.Reply(request.waiter, group.sync_response(member)))
        group.restart_session_timer(member)
        return
    member.awaiting_sync = request.waiter
    if member.member_id == group.members.leader_id:
        _store_assignment(group, member.member_id, request.assignment)


def _sync_error(group: Group, request: Sync) -> ErrorCode:
    error = group.generation_error(
        request.generation_id, request.member_id, request.group_instance_id, "sync-group"
    )
    if error is not ErrorCode.NONE:
        return error
    if request.protocol_type not in (None, group.members.protocol_type):
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if request.protocol_name not in (None, group.protocol_name):
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if group.state is GroupState.PREPARING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def _store_assignment(group: Group, leader_id: str, assignment: Mapping[str, bytes]) -> None:
    logger.info(
        "Assignment received from leader %s for group %s for generation %d. The group has %d members, %d of "
        "which are static.",
        leader_id,
        group.group_id,
        group.generation_id,
        len(group.members),
        group.members.static_count,
    )
    missing = [member.member_id for member in group.members if member.member_id not in assignment]
    if missing:
        logger.warning(
            "Setting empty assignments for members %s of %s for generation %d",
            missing,
            group.group_id,
            group.generation_id,
        )
    complete = {**assignment, **dict.fromkeys(missing, b"")}
    then = fx.AssignmentStored(group.generation_id, leader_id, complete)
    group.effects.append(fx.Store(group_metadata_value(group, complete), then))


def stored(group: Group, event: fx.Stored, error: ErrorCode) -> None:
    """A write that an earlier call asked for has come to an end."""
    match event:
        case fx.AssignmentStored():
            _assignment_stored(group, event, error)
        case fx.StaticMemberStored():
            _static_member_stored(group, event, error)
        case fx.EmptyGenerationStored() if error is not ErrorCode.NONE:
            # If the broker fails before another rebalance, the generation before becomes active again and,
            # most likely, times out: nobody is in it.
            logger.warning("Failed to write empty metadata for group %s: %s", group.group_id, error.name)


def _assignment_stored(group: Group, event: fx.AssignmentStored, error: ErrorCode) -> None:
    if group.state is not GroupState.COMPLETING_REBALANCE or event.generation_id != group.generation_id:
        return  # a rebalance has begun meanwhile
    if error is not ErrorCode.NONE:
        rebalance.propagate_assignment(group, error)
        rebalance.maybe_prepare(
            group,
            f"Error {error.name} when storing group assignment during SyncGroup (member: {event.leader_id})",
        )
        return
    for member in group.members:
        member.assignment = event.assignment[member.member_id]
    rebalance.propagate_assignment(group, ErrorCode.NONE)
    group.transition_to(GroupState.STABLE)


def _static_member_stored(group: Group, event: fx.StaticMemberStored, error: ErrorCode) -> None:
    member = event.member
    if error is not ErrorCode.NONE:
        logger.warning("Failed to persist metadata for group %s: %s", group.group_id, error.name)
        _take_back_static_member(group, event, error)
        return
    if event.can_skip_assignment:
        response = group.generation_response(member)
        response.skip_assignment = member.member_id == group.members.leader_id
    else:
        # The old leader's id keeps a client that does not know SkipAssignment (KIP-814) from assigning: a
        # stable group would ignore the new assignment.
        response = group.join_response(member.member_id, event.old_leader_id)
    group.reply_join(member, response)


def _take_back_static_member(group: Group, event: fx.StaticMemberStored, error: ErrorCode) -> None:
    """The log knows the static member by its old id only: so must we, or it is lost with the next load."""
    member = event.member
    if member.awaiting_join is not event.waiter or member.member_id not in group.members:
        return
    response = group.join_response(UNKNOWN_MEMBER_ID, event.old_leader_id)
    response.error_code = error
    group.reply_join(member, response)
    group.members.update(
        member, event.old_protocols, event.old_rebalance_timeout_ms, event.old_session_timeout_ms
    )
    group.effects.append(fx.StopSessionTimer(member.member_id))
    group.members.rename_static(member, event.old_member_id)
    group.restart_session_timer(member)
