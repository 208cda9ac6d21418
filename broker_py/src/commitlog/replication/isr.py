# SPDX-License-Identifier: Apache-2.0
"""The leader's view of its followers, and the ISR that follows from it (cluster.Replica, PartitionState).

While an AlterPartition is on its way there are two sets: the committed ISR, and the maximal ISR that the high
watermark must honour. An expansion counts at once (asking more of the high watermark is always safe), a
shrink only when the controller has confirmed it (KIP-497).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from commitlog.replication.alter_partition import RECOVERED, LeaderAndIsr
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition
    from commitlog.replication.partition_host import PartitionHost

logger = logging.getLogger("commitlog.replication.partition")

UNKNOWN_OFFSET = -1

# The controller said, knowing the newest state, that it has not applied the change: what was committed still
# holds.
_NOT_APPLIED = frozenset({ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.INELIGIBLE_REPLICA})
# The controller knows something newer (or older) than this leader: only the next LeaderAndIsr can tell what.
_AWAIT_METADATA = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.INVALID_UPDATE_VERSION,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.NEW_LEADER_ELECTED,
    }
)


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

    def __str__(self) -> str:
        return (
            f"(brokerId: {self.broker_id}, endOffset: {self.log_end_offset}, "
            f"lastCaughtUpTimeMs: {self.last_caught_up_ms})"
        )


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


class InSyncReplicas:
    """A partition's followers and its ISR; empty on a follower."""

    __slots__ = ("_host", "_name", "_partition", "maximal", "replicas", "state")

    def __init__(self, partition: Partition, host: PartitionHost) -> None:
        self._partition = partition
        self._host = host
        self._name = f"[Partition {partition.topic}-{partition.partition} broker={host.broker_id}]"
        self.replicas: dict[int, RemoteReplica] = {}
        self.clear()

    def clear(self) -> None:
        self.replicas = {}
        self._set(IsrState(()))

    def assign(self, replicas: Sequence[int], isr: Sequence[int]) -> None:
        """What the controller said. A follower that stays assigned keeps what is known of it."""
        known = self.replicas
        self.replicas = {
            broker: known.get(broker) or RemoteReplica(broker)
            for broker in replicas
            if broker != self._host.broker_id
        }
        self._set(IsrState(tuple(isr)))

    def _set(self, state: IsrState) -> None:
        self.state = state
        self.maximal = state.maximal

    def smallest_end(self, leader_end_offset: int) -> int:
        """The smallest log end of the maximal ISR, and of those that are about to join it.

        Replicas that are caught up but not in the ISR yet count too: else a follower could run after the high
        watermark of a busy leader forever without reaching it.
        """
        smallest = leader_end_offset
        if not self.replicas:
            return smallest
        host = self._host
        now_ms = host.now_ms()
        max_lag_ms = host.config.replica_lag_time_max_ms
        for replica in self.replicas.values():
            if replica.log_end_offset < smallest and (
                replica.broker_id in self.maximal
                or (
                    replica.is_caught_up(leader_end_offset, now_ms, max_lag_ms)
                    and host.metadata.is_alive(replica.broker_id)
                )
            ):
                smallest = replica.log_end_offset
        return smallest

    def maybe_expand(self, replica: RemoteReplica, leader_epoch_start: int, high_watermark: int) -> None:
        """Admit a follower that has reached the high watermark and this leader's epoch.

        Without the second condition it could, when elected, lack committed records between the new leader's
        high watermark and its log end at election.
        """
        state = self.state
        if (
            state.in_flight
            or replica.broker_id in state.committed
            or replica.log_end_offset < high_watermark
            or replica.log_end_offset < leader_epoch_start
            or not self._host.metadata.is_alive(replica.broker_id)
        ):
            return
        wanted = (*state.committed, replica.broker_id)
        logger.info("%s Expanding ISR from %s to %s", self._name, _ids(state.committed), _ids(wanted))
        self._propose(wanted)

    def maybe_shrink(self, leader_end_offset: int, high_watermark: int) -> None:
        """Drop followers that have not been caught up for replica.lag.time.max.ms, stuck or slow."""
        state = self.state
        if state.in_flight:
            return
        now_ms = self._host.now_ms()
        max_lag_ms = self._host.config.replica_lag_time_max_ms
        late = [
            broker
            for broker in state.committed
            if broker != self._host.broker_id
            and not (
                broker in self.replicas
                and self.replicas[broker].is_caught_up(leader_end_offset, now_ms, max_lag_ms)
            )
        ]
        if not late:
            return
        wanted = tuple(broker for broker in state.committed if broker not in late)
        logger.info(
            "%s Shrinking ISR from %s to %s. Leader: (highWatermark: %d, endOffset: %d). Out of sync "
            "replicas: %s.",
            self._name,
            _ids(state.committed),
            _ids(wanted),
            high_watermark,
            leader_end_offset,
            " ".join(str(self.replicas.get(broker, RemoteReplica(broker))) for broker in late),
        )
        self._propose(wanted)

    # --- the controller's word ------------------------------------------------------------------------------

    def _propose(self, wanted: tuple[int, ...]) -> None:
        # The maximal ISR of a shrink is the old ISR: were the change refused, a high watermark that had
        # already moved on could not be taken back.
        proposal = IsrState(self.state.committed, wanted)
        self._set(proposal)
        self._submit(proposal)

    def _submit(self, proposal: IsrState) -> None:
        partition = self._partition
        change = LeaderAndIsr(
            self._host.broker_id,
            partition.leader_epoch,
            proposal.proposed or (),
            RECOVERED,
            partition.partition_epoch,
        )
        try:
            future = self._host.isr_changes.submit(
                partition.topic, partition.partition, partition.topic_id, change
            )
        except KafkaError as error:
            self._failed(proposal, error.code)
            return
        future.add_done_callback(partial(self._answered, proposal))

    def _answered(self, proposal: IsrState, future: asyncio.Future[LeaderAndIsr]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if self.state is not proposal:
            # A LeaderAndIsr came in between: what the controller made of the proposal is in it, or after it.
            logger.debug("%s Ignoring the answer to an outdated ISR update", self._name)
        elif error is None:
            self._changed(future.result())
        else:
            self._failed(
                proposal, error.code if isinstance(error, KafkaError) else ErrorCode.UNKNOWN_SERVER_ERROR
            )

    def _changed(self, answer: LeaderAndIsr) -> None:
        partition = self._partition
        if (
            answer.leader_epoch != partition.leader_epoch
            or answer.partition_epoch < partition.partition_epoch
        ):
            logger.debug("%s Ignoring new ISR %s since the local state is newer", self._name, answer)
            return
        if len(answer.isr) < len(self.state.committed):
            self._host.isr_shrinks += 1
        else:
            self._host.isr_expands += 1
        self._set(IsrState(answer.isr))
        partition.partition_epoch = answer.partition_epoch
        under = " (under-min-isr)" if len(answer.isr) < partition.effective_min_isr else ""
        logger.info(
            "%s ISR updated to %s%s and version updated to %d",
            self._name,
            _ids(answer.isr),
            under,
            answer.partition_epoch,
        )
        partition.isr_changed()

    def _failed(self, proposal: IsrState, code: ErrorCode) -> None:
        wanted = _ids(proposal.proposed or ())
        self._host.failed_isr_updates += 1
        if code in _NOT_APPLIED:
            self._set(IsrState(proposal.committed))
            logger.info(
                "%s Failed to alter partition to ISR %s since the controller rejected the request with %s. "
                "Partition state has been reset to the latest committed state.",
                self._name,
                wanted,
                code.name,
            )
        elif code in _AWAIT_METADATA:
            logger.debug(
                "%s Failed to alter partition to ISR %s: %s. Awaiting the latest metadata.",
                self._name,
                wanted,
                code.name,
            )
        else:
            logger.warning(
                "%s Failed to update ISR to %s due to unexpected %s. Retrying.", self._name, wanted, code.name
            )
            self._submit(proposal)


def _ids(brokers: Sequence[int]) -> str:
    return ",".join(map(str, brokers))
