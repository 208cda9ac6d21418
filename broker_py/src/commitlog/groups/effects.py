# SPDX-License-Identifier: Apache-2.0
"""What a group wants done in the world: answers, timers, writes. `group.py` and its neighbours say what,
`runner.py` does it.

A timer that is started replaces the one of the same name. A write is answered by handing its `then` back to
`syncing.stored` with the error that came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commitlog.groups.member import Member, Protocols
from commitlog.wire.messages.group_metadata_value import GroupMetadataValue
from commitlog.wire.messages.join_group_response import JoinGroupResponse
from commitlog.wire.messages.sync_group_response import SyncGroupResponse


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a request that was parked as `waiter`."""

    waiter: object
    response: JoinGroupResponse | SyncGroupResponse


@dataclass(frozen=True, slots=True)
class StartSessionTimer:
    """Call `rebalance.session_expired` when nothing was heard of the member for so long."""

    member_id: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class StopSessionTimer:
    member_id: str


@dataclass(frozen=True, slots=True)
class StartJoinTimer:
    """Call `rebalance.join_timer_expired`: members had their time to join."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class StopJoinTimer:
    pass


@dataclass(frozen=True, slots=True)
class StartSyncTimer:
    """Call `rebalance.sync_timer_expired`: members had their time to send SyncGroup."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class StopSyncTimer:
    pass


@dataclass(frozen=True, slots=True)
class StopAllTimers:
    pass


@dataclass(frozen=True, slots=True)
class AssignmentStored:
    """The leader's assignment of a generation has been written."""

    generation_id: int
    leader_id: str
    assignment: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class StaticMemberStored:
    """The new id of a static member of a stable group has been written; the rest serves to undo a failure."""

    member: Member
    waiter: object
    old_member_id: str
    old_leader_id: str
    old_protocols: Protocols
    old_rebalance_timeout_ms: int
    old_session_timeout_ms: int
    can_skip_assignment: bool


@dataclass(frozen=True, slots=True)
class EmptyGenerationStored:
    """The generation without members has been written."""


Stored = AssignmentStored | StaticMemberStored | EmptyGenerationStored


@dataclass(frozen=True, slots=True)
class Store:
    """Write the group's metadata to its partition of `__consumer_offsets`."""

    value: GroupMetadataValue
    then: Stored


Effect = (
    Reply
    | StartSessionTimer
    | StopSessionTimer
    | StartJoinTimer
    | StopJoinTimer
    | StartSyncTimer
    | StopSyncTimer
    | StopAllTimers
    | Store
)
