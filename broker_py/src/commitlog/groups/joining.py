# SPDX-License-Identifier: Apache-2.0
"""JoinGroup: who is let in, under which id, and whether the group has to rebalance for it.

Kafka's doNewMemberJoinGroup, doCurrentMemberJoinGroup and updateStaticMemberAndRebalance. KIP-394 (an id is
given out before a member is let in), KIP-345 (static members), KIP-814 (a static leader may skip the
assignment), KIP-389 (group.max.size).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from commitlog.groups import effects as fx
from commitlog.groups import rebalance
from commitlog.groups.group import UNKNOWN_MEMBER_ID, Group, GroupState, join_error, sync_error
from commitlog.groups.member import Member, Protocols
from commitlog.groups.records import group_metadata_value
from commitlog.wire.errors import ErrorCode

logger = logging.getLogger("commitlog.groups.joining")

NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60 * 1000
"""How long a new member's first JoinGroup may wait: a client that gave up leaves a member behind
otherwise."""


@dataclass(frozen=True, slots=True)
class Join:
    """A JoinGroup request whose answer is owed to `waiter`."""

    waiter: object
    member_id: str
    new_member_id: str
    """The id to use if the request brings none."""
    group_instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    reason: str
    requires_known_member_id: bool
    can_skip_assignment: bool

    @property
    def protocol_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.protocols)


def join(group: Group, request: Join) -> None:
    """Answer, or let the member wait for the next generation."""
    if not _has_room(group, request.member_id):
        group.members.remove(request.member_id)
        group.effects.append(fx.StopSessionTimer(request.member_id))
        _refuse(group, request, UNKNOWN_MEMBER_ID, ErrorCode.GROUP_MAX_SIZE_REACHED)
    elif group.state is GroupState.DEAD:
        _refuse(group, request, request.member_id, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    elif not group.supports(request.protocol_type, request.protocol_names):
        _refuse(group, request, request.member_id, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    elif request.member_id == UNKNOWN_MEMBER_ID:
        _join_new(group, request)
    else:
        _join_known(group, request)
    rebalance.maybe_complete_join(group)


def _refuse(group: Group, request: Join, member_id: str, error: ErrorCode) -> None:
    group.effects.append(fx.Reply(request.waiter, join_error(member_id, error)))


def _has_room(group: Group, member_id: str) -> bool:
    """A member keeps its place. During a rebalance those count that have joined it: the last ones are
    turned away."""
    if group.state in (GroupState.EMPTY, GroupState.DEAD):
        return True
    if group.state is GroupState.PREPARING_REBALANCE:
        if member_id in group.members and group.members[member_id].awaiting_join is not None:
            return True
        return group.members.awaiting_join_count < group.limits.max_size
    return member_id in group.members or len(group.members) < group.limits.max_size


def _join_new(group: Group, request: Join) -> None:
    state, new_id = group.state.value, request.new_member_id
    instance = request.group_instance_id
    if instance is not None:
        old_id = group.members.static_member_id(instance)
        if old_id is not None:
            logger.info(
                "Static member with groupInstanceId=%s and unknown member id joins group %s in %s state. "
                "Replacing previously mapped member %s with this groupInstanceId.",
                instance,
                group.group_id,
                state,
                old_id,
            )
            _replace_static_member(group, request, group.members[old_id])
            return
        logger.info(
            "Static member with groupInstanceId=%s and unknown member id joins group %s in %s state. "
            "Created a new member id %s for this member and add to the group.",
            instance,
            group.group_id,
            state,
            new_id,
        )
        _add_member(group, request, new_id)
    elif request.requires_known_member_id:
        logger.info(
            "Dynamic member with unknown member id joins group %s in %s state. Created a new member id %s "
            "and request the member to rejoin with this id.",
            group.group_id,
            state,
            new_id,
        )
        group.members.pending.add(new_id)
        group.effects.append(fx.StartSessionTimer(new_id, request.session_timeout_ms))
        _refuse(group, request, new_id, ErrorCode.MEMBER_ID_REQUIRED)
    else:
        logger.info(
            "Dynamic Member with unknown member id joins group %s in %s state. Created a new member id %s "
            "for this member and add to the group.",
            group.group_id,
            state,
            new_id,
        )
        _add_member(group, request, new_id)


def _join_known(group: Group, request: Join) -> None:
    member_id = request.member_id
    if member_id in group.members.pending:
        if request.group_instance_id is not None:
            # Ids are given out to dynamic members only.
            _refuse(group, request, member_id, ErrorCode.UNKNOWN_SERVER_ERROR)
            return
        logger.debug(
            "Pending dynamic member with id %s joins group %s in %s state. Adding to the group now.",
            member_id,
            group.group_id,
            group.state.value,
        )
        _add_member(group, request, member_id)
        return
    error = group.member_error(member_id, request.group_instance_id, "join-group")
    if error is not ErrorCode.NONE:
        _refuse(group, request, member_id, error)
        return
    member = group.members[member_id]
    reason = _reason_to_rebalance(group, member, request)
    if reason is None:
        # It may not have got the answer to its JoinGroup: tell it the current generation once more.
        response = (
            group.generation_response(member)
            if group.state is GroupState.COMPLETING_REBALANCE
            else group.join_response(member_id, group.members.leader_id or "")
        )
        group.effects.append(fx.Reply(request.waiter, response))
        return
    _update_member(group, member, request)
    rebalance.maybe_prepare(group, reason)


def _reason_to_rebalance(group: Group, member: Member, request: Join) -> str | None:
    """A member that joins again with nothing new disturbs nobody, unless it leads: it may have seen new
    partitions."""
    state = group.state.value
    if group.state is GroupState.PREPARING_REBALANCE:
        return f"Member {member.member_id} joining group during {state}; client reason: {request.reason}"
    if group.state is GroupState.STABLE and member.member_id == group.members.leader_id:
        return f"Leader {member.member_id} re-joining group during {state}; client reason: {request.reason}"
    if member.protocols != request.protocols:
        return (
            f"Updating metadata for member {member.member_id} during {state}; client reason: {request.reason}"
        )
    return None


def _add_member(group: Group, request: Join, member_id: str) -> None:
    member = Member(
        member_id=member_id,
        group_instance_id=request.group_instance_id,
        client_id=request.client_id,
        client_host=request.client_host,
        rebalance_timeout_ms=request.rebalance_timeout_ms,
        session_timeout_ms=request.session_timeout_ms,
        protocols=request.protocols,
        is_new=True,
    )
    if group.state is GroupState.PREPARING_REBALANCE and group.generation_id == 0:
        group.new_member_added = True
    if not len(group.members):
        group.members.protocol_type = request.protocol_type
    group.members.add(member, request.waiter)
    group.effects.append(fx.StartSessionTimer(member_id, NEW_MEMBER_JOIN_TIMEOUT_MS))
    rebalance.maybe_prepare(
        group,
        f"Adding new member {member_id} with group instance id {member.group_instance_id}; "
        f"client reason: {request.reason}",
    )


def _update_member(group: Group, member: Member, request: Join) -> None:
    group.members.update(member, request.protocols, request.rebalance_timeout_ms, request.session_timeout_ms)
    group.members.set_awaiting_join(member, request.waiter)


def _replace_static_member(group: Group, request: Join, member: Member) -> None:
    """A static instance is back under a new id and takes its old place; who waits under the old id is
    fenced."""
    undo = fx.StaticMemberStored(
        member=member,
        waiter=request.waiter,
        old_member_id=member.member_id,
        old_leader_id=group.members.leader_id or "",
        old_protocols=member.protocols,
        old_rebalance_timeout_ms=member.rebalance_timeout_ms,
        old_session_timeout_ms=member.session_timeout_ms,
        can_skip_assignment=request.can_skip_assignment,
    )
    group.reply_join(member, join_error(member.member_id, ErrorCode.FENCED_INSTANCE_ID))
    group.reply_sync(member, sync_error(ErrorCode.FENCED_INSTANCE_ID))
    group.effects.append(fx.StopSessionTimer(member.member_id))
    group.members.rename_static(member, request.new_member_id)
    group.restart_session_timer(member)
    _update_member(group, member, request)
    if group.state is GroupState.STABLE:
        if group.members.select_protocol() != group.protocol_name:
            rebalance.maybe_prepare(
                group,
                f"Group's selectedProtocol will change because static member {member.member_id} with "
                f"instance id {member.group_instance_id} joined with change of protocol; client reason: "
                f"{request.reason}",
            )
            return
        logger.info(
            "Static member which joins during Stable stage and doesn't affect selectProtocol will not "
            "trigger rebalance."
        )
        assignment = {member.member_id: member.assignment for member in group.members}
        group.effects.append(fx.Store(group_metadata_value(group, assignment), undo))
    elif group.state is GroupState.COMPLETING_REBALANCE:
        # The leader may be assigning to the old id at this moment, and the new one would get nothing.
        rebalance.prepare(
            group,
            f"Updating metadata for static member {member.member_id} with instance id "
            f"{member.group_instance_id}; client reason: {request.reason}",
        )
