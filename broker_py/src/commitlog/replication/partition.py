# SPDX-License-Identifier: Apache-2.0
"""One replica of one topic partition: leader or follower, its ISR and its high watermark (Kafka's
cluster.Partition)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from commitlog.replication.alter_partition import RECOVERED, AlterPartitionManager, LeaderAndIsr
from commitlog.replication.isr import IsrState, RemoteReplica
from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.replication.purgatory import WatchList, check_all
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.config.topic import TopicConfig
    from commitlog.replication.metadata_cache import MetadataCache
    from commitlog.storage.log import AppendInfo, Log, Origin
    from commitlog.storage.log_manager import LogManager
    from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrPartitionState

logger = logging.getLogger("commitlog.replication.partition")
state_change_logger = logging.getLogger("commitlog.replication.state_change")

# The controller said, knowing the newest state, that it has not applied the change: the committed state still
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


@dataclass(slots=True)
class PartitionHost:
    """What a partition needs of the broker that hosts it."""

    broker_id: int
    config: BrokerConfig
    metadata: MetadataCache
    logs: LogManager
    isr_changes: AlterPartitionManager
    now_ms: Callable[[], int]
    wake_fetches: Callable[[Partition], None]
    """Look at the partition's waiting fetches after the current turn of the loop, when its answer is on its
    way."""


class Partition:
    """State of a partition that this broker hosts. Made and owned by the ReplicaManager."""

    __slots__ = (
        "_host",
        "_maximal_isr",
        "_name",
        "_state",
        "_topic_id",
        "adding_replicas",
        "assignment",
        "controller_epoch",
        "is_leader",
        "leader_epoch",
        "leader_epoch_start_offset",
        "leader_id",
        "log",
        "partition",
        "partition_epoch",
        "remote_replicas",
        "removing_replicas",
        "topic",
        "waiting",
    )

    def __init__(self, topic: str, partition: int, host: PartitionHost) -> None:
        self.topic = topic
        self.partition = partition
        self.log: Log | None = None
        self.is_leader = False
        self.leader_id: int | None = None
        self.leader_epoch = -1
        self.partition_epoch = -1
        self.controller_epoch = -1
        self.leader_epoch_start_offset: int | None = None
        self.assignment: tuple[int, ...] = ()
        self.adding_replicas: tuple[int, ...] = ()
        self.removing_replicas: tuple[int, ...] = ()
        self.remote_replicas: dict[int, RemoteReplica] = {}
        self.waiting = WatchList()
        self._host = host
        self._topic_id = ZERO_UUID
        self._state = IsrState(())
        self._maximal_isr: frozenset[int] = frozenset()
        self._name = f"[Partition {topic}-{partition} broker={host.broker_id}]"

    def __repr__(self) -> str:
        return (
            f"Partition({self.topic}-{self.partition} leader={self.leader_id} epoch={self.leader_epoch} "
            f"isr={self._state.committed} replicas={self.assignment})"
        )

    @property
    def topic_id(self) -> bytes:
        """The id that the log carries, ZERO_UUID when there is none yet."""
        if self._topic_id == ZERO_UUID:
            log = self.log or self._host.logs.get_log(self.topic, self.partition)
            if log is not None and log.topic_id is not None:
                self._topic_id = log.topic_id
        return self._topic_id

    @property
    def isr(self) -> tuple[int, ...]:
        """The committed ISR, as the controller last gave it; empty on a follower."""
        return self._state.committed

    @property
    def isr_state(self) -> IsrState:
        return self._state

    @property
    def maximal_isr(self) -> frozenset[int]:
        return self._maximal_isr

    @property
    def high_watermark(self) -> int:
        return self.log_or_raise().high_watermark

    @property
    def log_end_offset(self) -> int:
        return self.log_or_raise().log_end_offset

    @property
    def effective_min_isr(self) -> int:
        """min.insync.replicas, but never more than there are replicas (KIP-966's preparation in 3.9)."""
        config = cast("TopicConfig", self.log_or_raise().config)
        return min(config.min_insync_replicas, len(self.remote_replicas) + 1)

    def _set_state(self, state: IsrState) -> None:
        self._state = state
        self._maximal_isr = state.maximal

    # --- who leads ------------------------------------------------------------------------------------------

    def make_leader(self, state: LeaderAndIsrPartitionState, topic_id: bytes) -> bool:
        """Lead from now on; True when this replica did not lead before. False too when the state is outdated."""
        if state.partition_epoch < self.partition_epoch:
            state_change_logger.info(
                "%s Skipped the become-leader state change with partition epoch %d since the leader is "
                "already at a newer partition epoch %d",
                self._name,
                state.partition_epoch,
                self.partition_epoch,
            )
            return False
        is_new_leader = not self.is_leader
        is_new_epoch = state.leader_epoch > self.leader_epoch
        self.controller_epoch = state.controller_epoch
        self._assign(state)
        followers = [broker for broker in state.replicas if broker != self._host.broker_id]
        self.remote_replicas = {
            broker: self.remote_replicas.get(broker) or RemoteReplica(broker) for broker in followers
        }
        # A leader that the controller marked RECOVERING has nothing to recover from: it counts as RECOVERED
        # (KIP-704).
        self._set_state(IsrState(tuple(state.isr)))
        log = self.create_log(topic_id, is_new=state.is_new)
        now_ms = self._host.now_ms()
        if is_new_epoch:
            self._begin_epoch(log, state, is_new_leader, now_ms)
        self.partition_epoch = state.partition_epoch
        self.leader_id = self._host.broker_id
        self.is_leader = True
        if self.advance_high_watermark():
            self.high_watermark_moved()
        return is_new_leader

    def _begin_epoch(
        self, log: Log, state: LeaderAndIsrPartitionState, is_new_leader: bool, now_ms: int
    ) -> None:
        start_offset = log.log_end_offset
        state_change_logger.info(
            "%s Leader starts at leader epoch %d from offset %d with partition epoch %d, high watermark "
            "%d, ISR %s. Previous leader %s and previous leader epoch was %d.",
            self._name,
            state.leader_epoch,
            start_offset,
            state.partition_epoch,
            log.high_watermark,
            state.isr,
            self.leader_id,
            self.leader_epoch,
        )
        # Written before the first append of the epoch: a follower whose log has an epoch that this leader
        # never saw must get an answer that makes it truncate, even when elections follow each other without
        # an append between.
        log.assign_epoch_start(state.leader_epoch, start_offset)
        for replica in self.remote_replicas.values():
            replica.reset(
                now_ms=now_ms,
                leader_end_offset=start_offset,
                is_new_leader=is_new_leader,
                in_sync=replica.broker_id in state.isr,
            )
        self.leader_epoch = state.leader_epoch
        self.leader_epoch_start_offset = start_offset

    def make_follower(self, state: LeaderAndIsrPartitionState, topic_id: bytes) -> bool:
        """Follow from now on; True when the leader epoch is new, so that fetching must begin anew."""
        if state.partition_epoch < self.partition_epoch:
            state_change_logger.info(
                "%s Skipped the become-follower state change with partition epoch %d since the follower is "
                "already at a newer partition epoch %d",
                self._name,
                state.partition_epoch,
                self.partition_epoch,
            )
            return False
        is_new_epoch = state.leader_epoch > self.leader_epoch
        self.controller_epoch = state.controller_epoch
        self.is_leader = False
        self.leader_id = state.leader
        self.leader_epoch = state.leader_epoch
        self.leader_epoch_start_offset = None
        self.partition_epoch = state.partition_epoch
        self._assign(state)
        self.remote_replicas = {}
        self._set_state(IsrState(()))
        log = self.create_log(topic_id, is_new=state.is_new)
        if is_new_epoch:
            state_change_logger.info(
                "%s Follower starts at leader epoch %d from offset %d with partition epoch %d and high "
                "watermark %d. Current leader is %d.",
                self._name,
                state.leader_epoch,
                log.log_end_offset,
                state.partition_epoch,
                log.high_watermark,
                state.leader,
            )
        return is_new_epoch

    def _assign(self, state: LeaderAndIsrPartitionState) -> None:
        self.assignment = tuple(state.replicas)
        self.adding_replicas = tuple(state.adding_replicas)
        self.removing_replicas = tuple(state.removing_replicas)

    def create_log(self, topic_id: bytes, *, is_new: bool) -> Log:
        """The local log, made when missing. KAFKA_STORAGE_ERROR when its directory failed."""
        if self.log is None:
            self.log = self._host.logs.get_or_create_log(
                self.topic,
                self.partition,
                topic_id=None if topic_id == ZERO_UUID else topic_id,
                is_new=is_new,
            )
        if topic_id != ZERO_UUID and self.log.topic_id is None:
            self.log.assign_topic_id(topic_id)
        return self.log

    def assign_topic_id(self, topic_id: bytes) -> None:
        """The topic got an id without a new leader epoch (upgrade to IBP 2.8)."""
        self.log_or_raise().assign_topic_id(topic_id)
        self._topic_id = topic_id

    def clear(self) -> None:
        """The replica is gone from here: deleted, or its directory failed."""
        self.remote_replicas = {}
        self.assignment = self.adding_replicas = self.removing_replicas = ()
        self.log = None
        self._set_state(IsrState(()))
        self.is_leader = False
        self.leader_id = None
        self.leader_epoch_start_offset = None

    # --- reaching the log -----------------------------------------------------------------------------------

    def log_or_raise(self) -> Log:
        if self.log is None:
            raise KafkaError(
                ErrorCode.NOT_LEADER_OR_FOLLOWER,
                f"Log for partition {self.topic}-{self.partition} is not available",
            )
        return self.log

    def leader_log(self) -> Log:
        if not self.is_leader or self.log is None:
            raise KafkaError(
                ErrorCode.NOT_LEADER_OR_FOLLOWER,
                f"Leader not local for partition {self.topic}-{self.partition} on broker "
                f"{self._host.broker_id}",
            )
        return self.log

    def log_for(self, current_leader_epoch: int, *, require_leader: bool) -> Log:
        """The log for a request that names the leader epoch it believes in (-1: it names none)."""
        if current_leader_epoch >= 0 and current_leader_epoch != self.leader_epoch:
            if current_leader_epoch < self.leader_epoch:
                raise KafkaError(ErrorCode.FENCED_LEADER_EPOCH)
            raise KafkaError(ErrorCode.UNKNOWN_LEADER_EPOCH)
        if require_leader and not self.is_leader:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        return self.log_or_raise()

    def follower(self, replica_id: int, *, names_epoch: bool) -> RemoteReplica:
        """The assigned replica that fetches; an unassigned one is told to wait for news of its assignment."""
        replica = self.remote_replicas.get(replica_id)
        if replica is None:
            # With a matching epoch the pair (replica, epoch) is what is unknown; without one, either side may
            # be stale.
            raise KafkaError(
                ErrorCode.UNKNOWN_LEADER_EPOCH if names_epoch else ErrorCode.NOT_LEADER_OR_FOLLOWER,
                f"Replica {replica_id} is not recognized as a valid replica of "
                f"{self.topic}-{self.partition} in leader epoch {self.leader_epoch} with partition epoch "
                f"{self.partition_epoch}",
            )
        return replica

    # --- writing --------------------------------------------------------------------------------------------

    def append_as_leader(self, records: bytearray | memoryview, acks: int, origin: Origin) -> AppendInfo:
        """Append a client's or a coordinator's batches. No waiting request is looked at before this returns."""
        log = self.leader_log()
        if acks == -1 and len(self._state.committed) < self.effective_min_isr:
            raise KafkaError(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"The size of the current ISR {self._state.committed} is insufficient to satisfy the "
                f"min.isr requirement of {self.effective_min_isr} for partition "
                f"{self.topic}-{self.partition}",
            )
        info = log.append_as_leader(records, self.leader_epoch, origin=origin)
        moved = self.advance_high_watermark()
        if self.waiting.fetches:
            self._host.wake_fetches(self)
        if moved and self.waiting.produces:
            check_all(self.waiting.produces, self)
        return info

    def append_as_follower(self, records: bytes | bytearray | memoryview) -> AppendInfo:
        return self.log_or_raise().append_as_follower(records)

    def replicated(self, required_offset: int) -> ErrorCode | None:
        """Has every record below the offset been replicated? None while it has not; NONE or an error when it
        is settled."""
        if not self.is_leader or self.log is None:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        if self.log.high_watermark < required_offset:
            return None
        if len(self._maximal_isr) < self.effective_min_isr:
            # The ISR shrank below the minimum after the append: it is in the log, but not as safe as was
            # asked for.
            return ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
        return ErrorCode.NONE

    # --- the high watermark ---------------------------------------------------------------------------------

    def advance_high_watermark(self) -> bool:
        """Move it to the smallest log end of the maximal ISR, if that is further; True when it moved.

        Replicas that are caught up but not in the ISR yet count too: else a follower could run after the high
        watermark of a busy leader forever without reaching it. While the ISR is below min.insync.replicas it
        stands still.
        """
        log = self.log
        if log is None or len(self._state.committed) < self.effective_min_isr:
            return False
        end = candidate = log.log_end_offset
        if self.remote_replicas:
            host = self._host
            now_ms = host.now_ms()
            max_lag_ms = host.config.replica_lag_time_max_ms
            for replica in self.remote_replicas.values():
                if replica.log_end_offset < candidate and (
                    replica.broker_id in self._maximal_isr
                    or (
                        replica.is_caught_up(end, now_ms, max_lag_ms)
                        and host.metadata.is_alive(replica.broker_id)
                    )
                ):
                    candidate = replica.log_end_offset
        if candidate <= log.high_watermark:
            return False
        log.update_high_watermark(candidate)
        return True

    def high_watermark_moved(self) -> None:
        """Wake what waited for it."""
        if self.waiting.produces:
            check_all(self.waiting.produces, self)
        if self.waiting.deletes:
            check_all(self.waiting.deletes, self)
        if self.waiting.fetches:
            self._host.wake_fetches(self)

    def follower_fetched(
        self, replica: RemoteReplica, offset: int, log_start_offset: int, leader_end_offset: int
    ) -> None:
        """A follower has everything below the offset: its place, the ISR and the high watermark may follow."""
        deletes = self.waiting.deletes
        old_low_watermark = self.low_watermark() if deletes else -1
        previous_end = replica.log_end_offset
        replica.fetched(offset, log_start_offset, leader_end_offset, self._host.now_ms())
        self._maybe_expand_isr(replica)
        if previous_end != offset and self.advance_high_watermark():
            self.high_watermark_moved()
        elif deletes and self.low_watermark() > old_low_watermark:
            check_all(deletes, self)

    def low_watermark(self) -> int:
        """The smallest log start offset of all live replicas: below it DeleteRecords has deleted everywhere."""
        low = self.leader_log().log_start_offset
        for replica in self.remote_replicas.values():
            if replica.log_start_offset < low and self._host.metadata.is_alive(replica.broker_id):
                low = replica.log_start_offset
        return low

    def delete_records(self, offset: int) -> tuple[int, int]:
        """Raise the log start offset (-1: to the high watermark); answers (requested offset, low watermark)."""
        log = self.leader_log()
        if "delete" not in log.config.cleanup_policy:
            raise KafkaError(
                ErrorCode.POLICY_VIOLATION,
                f"Records of partition {self.topic}-{self.partition} can not be deleted due to the "
                "configured policy",
            )
        requested = log.high_watermark if offset == -1 else offset
        if requested < 0 or requested > log.high_watermark:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"The offset {requested} for partition {self.topic}-{self.partition} is not valid",
            )
        log.maybe_increment_log_start_offset(requested, "client delete records request")
        return requested, self.low_watermark()

    # --- the ISR --------------------------------------------------------------------------------------------

    def _maybe_expand_isr(self, replica: RemoteReplica) -> None:
        """Admit a follower that has reached the high watermark and this leader's epoch.

        Without the second condition it could, when elected, lack committed records between the new leader's
        high watermark and its log end at election.
        """
        state = self._state
        start_offset = self.leader_epoch_start_offset
        if (
            state.in_flight
            or replica.broker_id in state.committed
            or self.log is None
            or start_offset is None
            or replica.log_end_offset < max(self.log.high_watermark, start_offset)
            or not self._host.metadata.is_alive(replica.broker_id)
        ):
            return
        proposal = state.expand(replica.broker_id)
        logger.info(
            "%s Expanding ISR from %s to %s", self._name, _ids(state.committed), _ids(proposal.proposed or ())
        )
        self._propose(proposal)

    def maybe_shrink_isr(self) -> None:
        """Drop followers that have not been caught up for replica.lag.time.max.ms, whether stuck or slow."""
        state = self._state
        if not self.is_leader or state.in_flight or self.log is None:
            return
        now_ms = self._host.now_ms()
        max_lag_ms = self._host.config.replica_lag_time_max_ms
        end = self.log.log_end_offset
        late = []
        for broker in state.committed:
            replica = self.remote_replicas.get(broker)
            if broker != self._host.broker_id and (
                replica is None or not replica.is_caught_up(end, now_ms, max_lag_ms)
            ):
                late.append(broker)
        if not late:
            return
        proposal = state.shrink(frozenset(late))
        logger.info(
            "%s Shrinking ISR from %s to %s. Leader: (highWatermark: %d, endOffset: %d). Out of sync "
            "replicas: %s.",
            self._name,
            _ids(state.committed),
            _ids(proposal.proposed or ()),
            self.log.high_watermark,
            end,
            " ".join(self._describe_late(broker) for broker in late),
        )
        self._propose(proposal)

    def _describe_late(self, broker: int) -> str:
        replica = self.remote_replicas.get(broker)
        end = "unknown" if replica is None else replica.log_end_offset
        caught_up = "unknown" if replica is None else replica.last_caught_up_ms
        return f"(brokerId: {broker}, endOffset: {end}, lastCaughtUpTimeMs: {caught_up})"

    def _propose(self, proposal: IsrState) -> None:
        # The maximal ISR of a shrink is the old ISR: were the change refused, a high watermark that had
        # already moved on could not be taken back.
        self._set_state(proposal)
        self._submit(proposal)

    def _submit(self, proposal: IsrState) -> None:
        change = LeaderAndIsr(
            self._host.broker_id, self.leader_epoch, proposal.proposed or (), RECOVERED, self.partition_epoch
        )
        try:
            future = self._host.isr_changes.submit(self.topic, self.partition, self.topic_id, change)
        except KafkaError as error:
            self._isr_change_failed(proposal, error.code)
            return
        future.add_done_callback(partial(self._isr_answered, proposal))

    def _isr_answered(self, proposal: IsrState, future: asyncio.Future[LeaderAndIsr]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if self._state is not proposal:
            # A LeaderAndIsr came in between: what the controller made of the proposal is in it, or after it.
            logger.debug("%s Ignoring the answer to an outdated ISR update", self._name)
        elif isinstance(error, KafkaError):
            self._isr_change_failed(proposal, error.code)
        elif error is not None:
            self._isr_change_failed(proposal, ErrorCode.UNKNOWN_SERVER_ERROR)
        else:
            self._isr_changed(future.result())

    def _isr_changed(self, answer: LeaderAndIsr) -> None:
        if answer.leader_epoch != self.leader_epoch or answer.partition_epoch < self.partition_epoch:
            logger.debug("%s Ignoring new ISR %s since the local state is newer", self._name, answer)
            return
        self._set_state(IsrState(answer.isr))
        self.partition_epoch = answer.partition_epoch
        under = " (under-min-isr)" if len(answer.isr) < self.effective_min_isr else ""
        logger.info(
            "%s ISR updated to %s%s and version updated to %d",
            self._name,
            _ids(answer.isr),
            under,
            answer.partition_epoch,
        )
        if self.advance_high_watermark():
            self.high_watermark_moved()
        else:
            # A smaller ISR settles a produce that the high watermark had already passed.
            check_all(self.waiting.produces, self)

    def _isr_change_failed(self, proposal: IsrState, code: ErrorCode) -> None:
        if code in _NOT_APPLIED:
            self._set_state(proposal.revert())
            logger.info(
                "%s Failed to alter partition to ISR %s since the controller rejected the request with %s. "
                "Partition state has been reset to the latest committed state.",
                self._name,
                _ids(proposal.proposed or ()),
                code.name,
            )
        elif code in _AWAIT_METADATA:
            logger.debug(
                "%s Failed to alter partition to ISR %s: %s. Partition state may be out of sync, awaiting "
                "the latest metadata.",
                self._name,
                _ids(proposal.proposed or ()),
                code.name,
            )
        else:
            logger.warning(
                "%s Failed to update ISR to %s due to unexpected %s. Retrying.",
                self._name,
                _ids(proposal.proposed or ()),
                code.name,
            )
            self._submit(proposal)


def _ids(brokers: tuple[int, ...]) -> str:
    return ",".join(map(str, brokers))
