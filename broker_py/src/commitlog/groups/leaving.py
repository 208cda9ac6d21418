# SPDX-License-Identifier: Apache-2.0
"""LeaveGroup: by a member itself, or by an administrator who names static members (KIP-345, KIP-571)."""

from __future__ import annotations

import logging

from commitlog.groups import rebalance
from commitlog.groups.group import UNKNOWN_MEMBER_ID, Group
from commitlog.wire.errors import ErrorCode

logger = logging.getLogger("commitlog.groups.leaving")


def leave(group: Group, member_id: str, group_instance_id: str | None, reason: str | None) -> ErrorCode:
    """Remove one member; without a member id it is the one that the instance name stands for."""
    if member_id == UNKNOWN_MEMBER_ID:
        current = None
        if group_instance_id is not None:
            current = group.members.static_member_id(group_instance_id)
        if current is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        member_id = current
    elif member_id in group.members.pending:
        rebalance.remove_pending(group, member_id)
        logger.info(
            "Pending member with memberId=%s has left group %s through explicit `LeaveGroup` request",
            member_id,
            group.group_id,
        )
        return ErrorCode.NONE
    else:
        error = group.member_error(member_id, group_instance_id, "leave-group")
        if error is not ErrorCode.NONE:
            return error
    member = group.members[member_id]
    why = reason if reason is not None else "not provided"
    rebalance.remove_member(group, member, f"Removing member {member_id} on LeaveGroup; client reason: {why}")
    logger.info(
        "Member %s has left group %s through explicit `LeaveGroup`; client reason: %s",
        member,
        group.group_id,
        why,
    )
    return ErrorCode.NONE
