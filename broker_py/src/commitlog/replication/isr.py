# SPDX-License-Identifier: Apache-2.0
"""The leader's view of its followers, and the ISR that follows from it (Kafka's cluster.Replica and
PartitionState).

While an AlterPartition is on its way there are two sets: the committed ISR, and the maximal ISR that the high
watermark must honour. An expansion counts at once (asking more of the high watermark is always safe), a
shrink only when the controller has confirmed it (KIP-497).
"""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_OFFSET = -1


class RemoteReplica:
    """How far a follower is, as its fetches tell (Kafka's Replica and ReplicaState)."""

    __slots__ = (
        "broker_id",
        "last_caught_up_ms",
        "last_fetch_leader_end_offset",
        "last_fetch_ms",
        "log_end_offset",
        "log_start_offset",
    )

    def __init__(self, broker_id: int) -> None:
        self.broker_id = broker_id
        self.log_end_offset = UNKNOWN_OFFSET
        self.log_start_offset = UNKNOWN_OFFSET
        self.last_fetch_leader_end_offset = 0
        self.last_fetch_ms = 0
        self.last_caught_up_ms = 0

    def fetched(self, offset: int, log_start_offset: int, leader_end_offset: int, now_ms: int) -> None:
        """Note a fetch at ``offset``, that is: the follower has everything below it.

        lastCaughtUp is the largest time at which the follower had all that the leader had: now, if it is at
        the leader's end; else the time of the previous fetch, if it has reached what was the leader's end
        then.
        """
        if offset >= leader_end_offset:
            self.last_caught_up_ms = max(self.last_caught_up_ms, now_ms)
        elif offset >= self.last_fetch_leader_end_offset:
            self.last_caught_up_ms = max(self.last_caught_up_ms, self.last_fetch_ms)
        self.log_start_offset = log_start_offset
        self.log_end_offset = offset
        self.last_fetch_leader_end_offset = max(leader_end_offset, self.last_fetch_leader_end_offset)
        self.last_fetch_ms = now_ms

    def reset(self, *, now_ms: int, leader_end_offset: int, is_new_leader: bool, in_sync: bool) -> None:
        """A new leader epoch began. A follower out of the ISR must not hold the high watermark back."""
        self.last_caught_up_ms = now_ms if in_sync else 0
        if is_new_leader:
            self.log_start_offset = UNKNOWN_OFFSET
            self.log_end_offset = UNKNOWN_OFFSET
            self.last_fetch_leader_end_offset = UNKNOWN_OFFSET
            self.last_fetch_ms = 0
        else:
            self.last_fetch_leader_end_offset = leader_end_offset
            self.last_fetch_ms = now_ms if in_sync else 0

    def is_caught_up(self, leader_end_offset: int, now_ms: int, max_lag_ms: int) -> bool:
        return self.log_end_offset == leader_end_offset or now_ms - self.last_caught_up_ms <= max_lag_ms


@dataclass(slots=True, frozen=True)
class IsrState:
    """The committed ISR and, while the controller has not answered, the proposed change of it."""

    committed: tuple[int, ...]
    proposed: tuple[int, ...] | None = None

    @property
    def in_flight(self) -> bool:
        return self.proposed is not None

    @property
    def maximal(self) -> frozenset[int]:
        """Who must have a record before it counts as committed."""
        return frozenset(self.committed) | frozenset(self.proposed or ())

    def expand(self, broker_id: int) -> IsrState:
        return IsrState(self.committed, (*self.committed, broker_id))

    def shrink(self, broker_ids: frozenset[int]) -> IsrState:
        return IsrState(self.committed, tuple(b for b in self.committed if b not in broker_ids))

    def revert(self) -> IsrState:
        """What was committed last, after the controller has said that the proposal was not applied."""
        return IsrState(self.committed)
