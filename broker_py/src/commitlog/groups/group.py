# SPDX-License-Identifier: Apache-2.0
"""A group under the classic protocol: its state, what may be done in it, and what it wants done.

The rules are those of Kafka's GroupCoordinator and GroupMetadata::

    Empty ──a member joins──▶ PreparingRebalance ──all joined, or time is up──▶ CompletingRebalance
      ▲                          │    ▲    ▲                                        │        │
      └─────no member left───────┘    │    └───────a member joins or leaves─────────┘   leader's sync
                                      │                                                      ▼
                                      └──────a member joins anew, leaves or fails───────── Stable
    any of them ──unloaded, or empty and without offsets──▶ Dead

There is no I/O here and there are no timers: requests and expirations come in as calls (here, in
`joining.py`, `syncing.py`, `leaving.py` and `rebalance.py`), and what they want done is appended to
`effects`, which the caller carries out, in order, before the next call.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from commitlog.groups import effects as fx
from commitlog.groups.member import Member
from commitlog.groups.membership import Membership
from commitlog.groups.offsets import GroupOffsets, TopicPartition
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.join_group_response import JoinGroupResponse, JoinGroupResponseMember
from commitlog.wire.messages.sync_group_response import SyncGroupResponse

logger = logging.getLogger("commitlog.groups.group")

UNKNOWN_MEMBER_ID = ""
CONSUMER_PROTOCOL_TYPE = "consumer"


class GroupState(Enum):
    """Names as DescribeGroups and ListGroups show them."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


VALID_PREVIOUS_STATES = {
    GroupState.EMPTY: {GroupState.PREPARING_REBALANCE},
    GroupState.PREPARING_REBALANCE: {GroupState.STABLE, GroupState.COMPLETING_REBALANCE, GroupState.EMPTY},
    GroupState.COMPLETING_REBALANCE: {GroupState.PREPARING_REBALANCE},
    GroupState.STABLE: {GroupState.COMPLETING_REBALANCE},
    GroupState.DEAD: set(GroupState),
}


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """The settings of the broker that a group's rules depend on."""

    max_size: int
    initial_rebalance_delay_ms: int


def join_error(member_id: str, error: ErrorCode) -> JoinGroupResponse:
    return JoinGroupResponse(error_code=error, protocol_name=None, leader="", member_id=member_id)


def sync_error(error: ErrorCode) -> SyncGroupResponse:
    return SyncGroupResponse(error_code=error, assignment=b"")


class Group:
    """A group: its state, its generation, its members and its offsets."""

    def __init__(
        self, group_id: str, offsets_partition: int, limits: GroupLimits, now_ms: Callable[[], int]
    ) -> None:
        self.group_id = group_id
        self.offsets_partition = offsets_partition
        self.limits = limits
        self.state = GroupState.EMPTY
        self.state_timestamp_ms: int | None = now_ms()
        self.generation_id = 0
        self.protocol_name: str | None = None
        self.subscribed_topics: frozenset[str] | None = None
        """Topics of a consumer group's members as of this generation; None when they cannot be known."""
        self.members = Membership()
        self.offsets = GroupOffsets()
        self.effects: deque[fx.Effect] = deque()
        self.initial_join_ms: tuple[int, int] | None = None
        """While the first rebalance of an empty group is held back: (this delay, what may yet follow it)."""
        self.new_member_added = False
        """Somebody joined during that delay, which is a reason to wait for more."""
        self._now_ms = now_ms

    def __str__(self) -> str:
        return (
            f"GroupMetadata(groupId={self.group_id}, generation={self.generation_id}, "
            f"protocolType={self.members.protocol_type}, currentState={self.state.value}, "
            f"members={len(self.members)})"
        )

    # -- state

    @property
    def can_rebalance(self) -> bool:
        return self.state in VALID_PREVIOUS_STATES[GroupState.PREPARING_REBALANCE]

    def transition_to(self, state: GroupState) -> None:
        assert self.state in VALID_PREVIOUS_STATES[state], (
            f"{self.group_id}: {self.state.value} to {state.value}"
        )
        self.state = state
        self.state_timestamp_ms = self._now_ms()

    def die(self) -> None:
        self.transition_to(GroupState.DEAD)
        self.members.pending_sync.clear()
        self.effects.append(fx.StopAllTimers())

    def unload(self) -> None:
        """Another broker coordinates the group from now on: everybody who waits is sent there."""
        logger.info("Unloading group metadata for %s with generation %d", self.group_id, self.generation_id)
        for member in self.members:
            self.reply_join(member, join_error(member.member_id, ErrorCode.NOT_COORDINATOR))
            self.reply_sync(member, sync_error(ErrorCode.NOT_COORDINATOR))
        self.die()

    # -- checks

    def supports(self, protocol_type: str, names: tuple[str, ...]) -> bool:
        """May somebody who speaks these protocols join?"""
        if self.state is GroupState.EMPTY:
            return bool(protocol_type) and bool(names)
        return self.members.protocol_type == protocol_type and self.members.supports_any_of(names)

    def member_error(self, member_id: str, group_instance_id: str | None, operation: str) -> ErrorCode:
        """Is this a member, and is it still the one that its static instance name stands for?"""
        if group_instance_id is not None:
            current = self.members.static_member_id(group_instance_id)
            if current is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if current != member_id:
                logger.info(
                    "Request memberId=%s for static member with groupInstanceId=%s is fenced by current "
                    "memberId=%s during operation %s",
                    member_id,
                    group_instance_id,
                    current,
                    operation,
                )
                return ErrorCode.FENCED_INSTANCE_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def generation_error(
        self, generation_id: int, member_id: str, group_instance_id: str | None, operation: str
    ) -> ErrorCode:
        """Is this a member of the current generation?"""
        if self.state is GroupState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        error = self.member_error(member_id, group_instance_id, operation)
        if error is ErrorCode.NONE and generation_id != self.generation_id:
            return ErrorCode.ILLEGAL_GENERATION
        return error

    # -- requests that change no more than a timer

    def heartbeat(self, generation_id: int, member_id: str, group_instance_id: str | None) -> ErrorCode:
        error = self.generation_error(generation_id, member_id, group_instance_id, "heartbeat")
        if error is not ErrorCode.NONE:
            return error
        self.restart_session_timer(self.members[member_id])
        if self.state is GroupState.PREPARING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def commit_error(self, generation_id: int, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """May these offsets be committed? If so that was a sign of life of the member."""
        if self.state is GroupState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if generation_id < 0 and self.state is GroupState.EMPTY:
            return ErrorCode.NONE  # a consumer that assigns itself its partitions, or the admin client
        if generation_id < 0 and member_id == UNKNOWN_MEMBER_ID and group_instance_id is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        error = self.generation_error(generation_id, member_id, group_instance_id, "offset-commit")
        if error is not ErrorCode.NONE:
            return error
        if self.state is GroupState.COMPLETING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        self.restart_session_timer(self.members[member_id])
        return ErrorCode.NONE

    def txn_commit_error(
        self, generation_id: int, member_id: str, group_instance_id: str | None
    ) -> ErrorCode:
        """May these offsets be committed in a transaction? Producers before KIP-447 name no member."""
        if self.state is GroupState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        names_nobody = member_id == UNKNOWN_MEMBER_ID and group_instance_id is None
        if generation_id < 0 and (names_nobody or self.state is GroupState.EMPTY):
            return ErrorCode.NONE
        return self.generation_error(generation_id, member_id, group_instance_id, "txn-offset-commit")

    def remove_expired_offsets(self, retention_ms: int) -> list[TopicPartition]:
        """KIP-211: while a group has members their topics' offsets stay; afterwards all age from its
        emptiness."""
        now_ms = self._now_ms()
        if self.members.protocol_type is None:  # offsets are all that it uses of us: they age by themselves
            return self.offsets.remove_expired(now_ms, retention_ms, lambda offset: offset.commit_timestamp)
        if self.state is GroupState.EMPTY:
            since_ms = self.state_timestamp_ms
            return self.offsets.remove_expired(
                now_ms,
                retention_ms,
                lambda offset: offset.commit_timestamp if since_ms is None else since_ms,
            )
        if (
            self.state is GroupState.STABLE
            and self.members.protocol_type == CONSUMER_PROTOCOL_TYPE
            and self.subscribed_topics is not None
        ):
            return self.offsets.remove_expired(
                now_ms, retention_ms, lambda offset: offset.commit_timestamp, self.subscribed_topics
            )
        return []

    def is_subscribed_to(self, topic: str) -> bool:
        """When nobody can know what a group subscribes to, it may be this topic."""
        return self.subscribed_topics is None or topic in self.subscribed_topics

    # -- answers and timers of one member

    def restart_session_timer(self, member: Member) -> None:
        if member.needs_no_heartbeat:
            self.effects.append(fx.StopSessionTimer(member.member_id))
        else:
            self.effects.append(fx.StartSessionTimer(member.member_id, member.session_timeout_ms))

    def join_response(
        self, member_id: str, leader_id: str, *, with_members: bool = False
    ) -> JoinGroupResponse:
        """The current generation, with everybody's metadata for the leader, who assigns."""
        members: list[JoinGroupResponseMember] = []
        if with_members:
            assert self.protocol_name is not None
            members = [
                JoinGroupResponseMember(
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    metadata=member.metadata(self.protocol_name),
                )
                for member in self.members
            ]
        return JoinGroupResponse(
            generation_id=self.generation_id,
            protocol_type=self.members.protocol_type,
            protocol_name=self.protocol_name,
            leader=leader_id,
            member_id=member_id,
            members=members,
        )

    def generation_response(self, member: Member) -> JoinGroupResponse:
        """The current generation as this member, leader or not, is told of it."""
        leader_id = self.members.leader_id or ""
        return self.join_response(member.member_id, leader_id, with_members=member.member_id == leader_id)

    def sync_response(self, member: Member) -> SyncGroupResponse:
        return SyncGroupResponse(
            protocol_type=self.members.protocol_type,
            protocol_name=self.protocol_name,
            assignment=member.assignment,
        )

    def reply_join(self, member: Member, response: JoinGroupResponse) -> None:
        if member.awaiting_join is not None:
            self.effects.append(fx.Reply(member.awaiting_join, response))
            self.members.set_awaiting_join(member, None)

    def reply_sync(self, member: Member, response: SyncGroupResponse) -> bool:
        if member.awaiting_sync is None:
            return False
        self.effects.append(fx.Reply(member.awaiting_sync, response))
        member.awaiting_sync = None
        return True
