# SPDX-License-Identifier: Apache-2.0
"""Who is in a group: members, static instances, pending members, the leader, and the protocols all have in
common.

The part of Kafka's GroupMetadata that counts heads. It knows no states and no generations; those are
`group.py`'s.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator

from commitlog.groups.member import Member, Protocols

logger = logging.getLogger("commitlog.groups.membership")


class Membership:
    """The members of one group, in the order of joining."""

    def __init__(self) -> None:
        self.leader_id: str | None = None
        self.protocol_type: str | None = None
        self.pending: set[str] = set()
        """Ids given out with MEMBER_ID_REQUIRED that have not come back yet; a rebalance waits for them."""
        self.pending_sync: set[str] = set()
        """Members that were sent the new generation and have not sent their SyncGroup."""
        self._members: dict[str, Member] = {}
        self._static: dict[str, str] = {}
        self._supporters: Counter[str] = Counter()
        self._awaiting_join = 0

    def __contains__(self, member_id: str) -> bool:
        return member_id in self._members

    def __getitem__(self, member_id: str) -> Member:
        return self._members[member_id]

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members.values()))

    @property
    def awaiting_join_count(self) -> int:
        return self._awaiting_join

    @property
    def static_count(self) -> int:
        return len(self._static)

    @property
    def all_joined(self) -> bool:
        return len(self._members) == self._awaiting_join and not self.pending

    @property
    def rebalance_timeout_ms(self) -> int:
        """The slowest member decides how long a rebalance may take."""
        return max((member.rebalance_timeout_ms for member in self._members.values()), default=0)

    def static_member_id(self, group_instance_id: str) -> str | None:
        return self._static.get(group_instance_id)

    def add(self, member: Member, waiter: object | None) -> None:
        assert member.member_id not in self._members, member.member_id
        if member.group_instance_id is not None:
            assert member.group_instance_id not in self._static, member.group_instance_id
            self._static[member.group_instance_id] = member.member_id
        if self.leader_id is None:
            self.leader_id = member.member_id
        self._members[member.member_id] = member
        self._count(member.protocols, 1)
        self.pending.discard(member.member_id)
        self.set_awaiting_join(member, waiter)

    def remove(self, member_id: str) -> None:
        """Forget a member or a pending member; the oldest of the remaining ones leads if it was the
        leader."""
        self.pending.discard(member_id)
        self.pending_sync.discard(member_id)
        member = self._members.pop(member_id, None)
        if member is None:
            return
        self._count(member.protocols, -1)
        self.set_awaiting_join(member, None)
        if member.group_instance_id is not None:
            del self._static[member.group_instance_id]
        if self.leader_id == member_id:
            self.leader_id = next(iter(self._members), None)

    def update(self, member: Member, protocols: Protocols, rebalance_ms: int, session_ms: int) -> None:
        """A member joins again, perhaps with other protocols and timeouts."""
        self._count(member.protocols, -1)
        member.protocols = protocols
        self._count(protocols, 1)
        member.rebalance_timeout_ms = rebalance_ms
        member.session_timeout_ms = session_ms

    def _count(self, protocols: Protocols, change: int) -> None:
        """A member that names a protocol twice is still one supporter; names that nobody supports are
        forgotten, or clients that keep making up new ones would fill the memory."""
        for name in {name for name, _ in protocols}:
            self._supporters[name] += change
            if not self._supporters[name]:
                del self._supporters[name]

    def rename_static(self, member: Member, new_member_id: str) -> None:
        """A static instance came back under a new member id: it takes the old one's place, leadership
        included."""
        assert member.group_instance_id is not None
        old_member_id = member.member_id
        del self._members[old_member_id]
        member.member_id = new_member_id
        self._members[new_member_id] = member
        self._static[member.group_instance_id] = new_member_id
        if self.leader_id == old_member_id:
            self.leader_id = new_member_id

    def set_awaiting_join(self, member: Member, waiter: object | None) -> None:
        """Park (or clear) a member's JoinGroup, keeping the count of those that wait."""
        self._awaiting_join += (waiter is not None) - (member.awaiting_join is not None)
        member.awaiting_join = waiter

    def not_yet_rejoined(self) -> list[Member]:
        return [member for member in self._members.values() if member.awaiting_join is None]

    def elect_joined_leader(self) -> bool:
        """Make sure that the leader is a member that has joined this rebalance; False when nobody has."""
        if self.leader_id is None:
            return False
        leader = self._members[self.leader_id]
        if leader.awaiting_join is not None:
            return True
        joined = next((member for member in self._members.values() if member.awaiting_join is not None), None)
        text = (
            "Group leader [member.id: %s, group.instance.id: %s] failed to join before rebalance timeout, %s"
        )
        if joined is None:
            what = "and the group couldn't proceed to next generation because no member joined."
            logger.info(text, leader.member_id, leader.group_instance_id, what)
            return False
        logger.info(
            text, leader.member_id, leader.group_instance_id, f"while new leader {joined} was elected."
        )
        self.leader_id = joined.member_id
        return True

    def supports_any_of(self, names: Collection[str]) -> bool:
        """Is there one among the protocols that every member supports?"""
        return any(self._supporters[name] == len(self._members) for name in names)

    def select_protocol(self) -> str:
        """The common protocol with most votes; among equals the one voted for first."""
        count = len(self._members)
        candidates = {name for name, supporters in self._supporters.items() if supporters == count}
        votes = Counter(member.vote(candidates) for member in self._members.values())
        return votes.most_common(1)[0][0]
