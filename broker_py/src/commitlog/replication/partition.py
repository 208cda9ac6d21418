# SPDX-License-Identifier: Apache-2.0
"""One replica of a partition: leader or follower, its log and its high watermark (cluster.Partition)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from commitlog.replication.isr import InSyncReplicas, RemoteReplica
from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.replication.purgatory import WatchList, check_all
from commitlog.replication.replication_quota import is_throttled
from commitlog.replication.traffic import Traffic
from commitlog.storage.log import UnexpectedAppendOffset
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.config.topic import TopicConfig
    from commitlog.replication.partition_host import PartitionHost
    from commitlog.storage.log import AppendInfo, Log, Origin
    from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrPartitionState

state_change_logger = logging.getLogger("commitlog.replication.state_change")


class Partition:
    """State of a partition that this broker hosts. Made and owned by the ReplicaManager."""

    __slots__ = (
        "_name",
        "_topic_id",
        "adding_replicas",
        "assignment",
        "controller_epoch",
        "future_log",
        "host",
        "in_sync",
        "is_leader",
        "leader_epoch",
        "leader_epoch_start_offset",
        "leader_id",
        "log",
        "partition",
        "partition_epoch",
        "removing_replicas",
        "topic",
        "traffic",
        "waiting",
    )

    def __init__(self, topic: str, partition: int, host: PartitionHost) -> None:
        self.topic = topic
        self.partition = partition
        self.log: Log | None = None
        self.future_log: Log | None = None
        """The copy in another log directory, while this replica moves there."""
        self.is_leader = False
        self.leader_id: int | None = None
        self.leader_epoch = -1
        self.partition_epoch = -1
        self.controller_epoch = -1
        self.leader_epoch_start_offset: int | None = None
        self.assignment: tuple[int, ...] = ()
        self.adding_replicas: tuple[int, ...] = ()
        self.removing_replicas: tuple[int, ...] = ()
        self.waiting = WatchList()
        self.traffic = Traffic()
        self.host = host
        self._topic_id = ZERO_UUID
        self._name = f"[Partition {topic}-{partition} broker={host.broker_id}]"
        self.in_sync = InSyncReplicas(self, host)

    def __repr__(self) -> str:
        return (
            f"Partition({self.topic}-{self.partition} leader={self.leader_id} epoch={self.leader_epoch} "
            f"isr={self.isr} replicas={self.assignment})"
        )

    @property
    def topic_id(self) -> bytes:
        """The id that the log carries, ZERO_UUID when there is none yet."""
        if self._topic_id == ZERO_UUID:
            log = self.log or self.host.logs.get_log(self.topic, self.partition)
            if log is not None and log.topic_id is not None:
                self._topic_id = log.topic_id
        return self._topic_id

    @property
    def isr(self) -> tuple[int, ...]:
        """The committed ISR, as the controller last gave it; empty on a follower."""
        return self.in_sync.state.committed

    @property
    def high_watermark(self) -> int:
        return self.log_or_raise().high_watermark

    @property
    def log_end_offset(self) -> int:
        return self.log_or_raise().log_end_offset

    @property
    def topic_config(self) -> TopicConfig:
        """The topic's settings; the log holds them, and gets new ones when they change."""
        return cast("TopicConfig", self.log_or_raise().config)

    @property
    def effective_min_isr(self) -> int:
        """min.insync.replicas, but never more than there are replicas."""
        return min(self.topic_config.min_insync_replicas, len(self.in_sync.replicas) + 1)

    def _is_under_min_isr(self, size: int) -> bool:
        # With every replica in it, as nearly always, the ISR cannot be too small: no need to look at the
        # settings.
        return size <= len(self.in_sync.replicas) and size < self.effective_min_isr

    def is_throttled_for(self, replica_id: int) -> bool:
        """Whether a follower gets nothing now: it is not in sync, leader.replication.throttled.replicas names
        this leader, and the quota is used up (ReplicaManager.shouldLeaderThrottle)."""
        quota = self.host.quotas.leader
        return (
            quota.limit is not None
            and replica_id not in self.isr
            and self.is_throttled_leader
            and quota.is_exceeded
        )

    @property
    def is_throttled_leader(self) -> bool:
        replicas = self.topic_config.leader_replication_throttled_replicas
        return is_throttled(replicas, self.partition, self.host.broker_id)

    @property
    def is_throttled_follower(self) -> bool:
        replicas = self.topic_config.follower_replication_throttled_replicas
        return is_throttled(replicas, self.partition, self.host.broker_id)

    # --- who leads ------------------------------------------------------------------------------------------

    def make_leader(self, state: LeaderAndIsrPartitionState, topic_id: bytes) -> bool:
        """Lead from now on; True when this replica did not lead before. False too when the state is old."""
        if self._is_outdated(state, "become-leader"):
            return False
        is_new_leader = not self.is_leader
        is_new_epoch = state.leader_epoch > self.leader_epoch
        self._assign(state)
        # A leader that the controller marked RECOVERING has nothing to recover from: it counts as RECOVERED
        # (KIP-704).
        self.in_sync.assign(state.replicas, state.isr)
        log = self.create_log(topic_id, is_new=state.is_new)
        if is_new_epoch:
            self._begin_epoch(log, state, is_new_leader)
        self.partition_epoch = state.partition_epoch
        self.leader_id = self.host.broker_id
        self.is_leader = True
        if self.advance_high_watermark():
            self._high_watermark_moved()
        return is_new_leader

    def _begin_epoch(self, log: Log, state: LeaderAndIsrPartitionState, is_new_leader: bool) -> None:
        start_offset = log.log_end_offset
        state_change_logger.info(
            "%s Leader starts at leader epoch %d from offset %d with partition epoch %d, high watermark %d, "
            "ISR %s. Previous leader %s and previous leader epoch was %d.",
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
        # an append.
        log.assign_epoch_start(state.leader_epoch, start_offset)
        now_ms = self.host.now_ms()
        for replica in self.in_sync.replicas.values():
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
        if self._is_outdated(state, "become-follower"):
            return False
        is_new_epoch = state.leader_epoch > self.leader_epoch
        previous = self.leader_id
        self.is_leader = False
        self.leader_id = state.leader
        self.leader_epoch = state.leader_epoch
        self.leader_epoch_start_offset = None
        self.partition_epoch = state.partition_epoch
        self._assign(state)
        self.in_sync.clear()
        log = self.create_log(topic_id, is_new=state.is_new)
        if is_new_epoch:
            state_change_logger.info(
                "%s Follower starts at leader epoch %d from offset %d with partition epoch %d and high "
                "watermark %d. Current leader is %d, previous leader %s.",
                self._name,
                state.leader_epoch,
                log.log_end_offset,
                state.partition_epoch,
                log.high_watermark,
                state.leader,
                previous,
            )
        return is_new_epoch

    def _is_outdated(self, state: LeaderAndIsrPartitionState, change: str) -> bool:
        # The partition epoch moves with every AlterPartition answer, that may overtake a LeaderAndIsr.
        if state.partition_epoch >= self.partition_epoch:
            return False
        state_change_logger.info(
            "%s Skipped the %s state change with partition epoch %d since it is already at a newer one, %d",
            self._name,
            change,
            state.partition_epoch,
            self.partition_epoch,
        )
        return True

    def _assign(self, state: LeaderAndIsrPartitionState) -> None:
        self.controller_epoch = state.controller_epoch
        self.assignment = tuple(state.replicas)
        self.adding_replicas = tuple(state.adding_replicas)
        self.removing_replicas = tuple(state.removing_replicas)

    def create_log(self, topic_id: bytes, *, is_new: bool) -> Log:
        """The local log, made when missing. KAFKA_STORAGE_ERROR when its directory failed."""
        if self.log is None:
            self.log = self.host.logs.get_or_create_log(
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
        self.assignment = self.adding_replicas = self.removing_replicas = ()
        self.log = self.future_log = None
        self.in_sync.clear()
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
                f"{self.host.broker_id}",
            )
        return self.log

    def log_for(self, current_leader_epoch: int, *, require_leader: bool) -> Log:
        """The log for a request that names the leader epoch it believes in (-1: it names none)."""
        if current_leader_epoch not in (-1, self.leader_epoch):
            fenced = current_leader_epoch < self.leader_epoch
            raise KafkaError(ErrorCode.FENCED_LEADER_EPOCH if fenced else ErrorCode.UNKNOWN_LEADER_EPOCH)
        if require_leader and not self.is_leader:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        return self.log_or_raise()

    def follower(self, replica_id: int, *, names_epoch: bool) -> RemoteReplica:
        """The assigned replica that fetches; an unassigned one is told to wait for news of its assignment."""
        replica = self.in_sync.replicas.get(replica_id)
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

    # --- moving to another log directory --------------------------------------------------------------------

    def maybe_create_future(self, log_dir: str) -> bool:
        """Make the copy that is to be filled; False when the replica is there, or on its way there."""
        log = self.log_or_raise()
        if log.log_dir == log_dir or self.future_log is not None:
            return False
        self.future_log = self.host.logs.create_future_log(self.topic, self.partition)
        return True

    def remove_future(self) -> None:
        """The move is cancelled."""
        self.future_log = None
        self.host.logs.delete_future_log(self.topic, self.partition)

    def maybe_replace_current_with_future(self) -> bool:
        """Let the copy take over when it has everything: in one turn of the loop, at one offset."""
        log, future = self.log, self.future_log
        if log is None or future is None or log.log_end_offset != future.log_end_offset:
            return False
        self.log = self.host.logs.replace_current_with_future(self.topic, self.partition)
        self.future_log = None
        return True

    # --- writing --------------------------------------------------------------------------------------------

    def append_as_leader(self, records: bytearray | memoryview, acks: int, origin: Origin) -> AppendInfo:
        """Append a client's or a coordinator's batches. Waiting fetches are looked at after this turn of the
        loop."""
        log = self.leader_log()
        if acks == -1 and self._is_under_min_isr(len(self.isr)):
            raise KafkaError(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"The size of the current ISR {self.isr} is insufficient to satisfy the min.isr requirement "
                f"of {self.effective_min_isr} for partition {self.topic}-{self.partition}",
            )
        info = log.append_as_leader(records, self.leader_epoch, origin=origin)
        moved = self.advance_high_watermark()
        if self.waiting.fetches or self.waiting.sleepers:
            self.host.wake_fetches(self)
        if moved and self.waiting.produces:
            check_all(self.waiting.produces, self)
        return info

    def append_as_follower(
        self, records: bytes | bytearray | memoryview, leader_epoch: int | None = None
    ) -> AppendInfo:
        """Append what the leader sent, as it is, but for batches of a later epoch than was asked in."""
        return _append_replicated(self.log_or_raise(), records, leader_epoch)

    def append_to_future(self, records: bytes) -> AppendInfo:
        """Append what the current log has to the one that is to replace it."""
        assert self.future_log is not None
        return _append_replicated(self.future_log, records, None)

    def replicated(self, required_offset: int) -> ErrorCode | None:
        """Is every record below the offset replicated? None: not yet. NONE or an error: it is settled."""
        if not self.is_leader or self.log is None:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        if self.log.high_watermark < required_offset:
            return None
        if self._is_under_min_isr(len(self.in_sync.maximal)):
            # The ISR shrank after the append: the records are in the log, but not as safe as was asked for.
            return ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
        return ErrorCode.NONE

    # --- the high watermark ---------------------------------------------------------------------------------

    def advance_high_watermark(self) -> bool:
        """Move it to where all that must have a record have it; True when it moved.

        While the ISR is below min.insync.replicas it stands still: what nobody else has must not be shown.
        """
        log = self.log
        if log is None or self._is_under_min_isr(len(self.isr)):
            return False
        offset = self.in_sync.smallest_end(log.log_end_offset)
        if offset <= log.high_watermark:
            return False
        log.update_high_watermark(offset)
        return True

    def _high_watermark_moved(self) -> None:
        if self.waiting.produces:
            check_all(self.waiting.produces, self)
        if self.waiting.deletes:
            check_all(self.waiting.deletes, self)
        if self.waiting.fetches or self.waiting.sleepers:
            self.host.wake_fetches(self)

    def isr_changed(self) -> None:
        """The controller confirmed a new ISR: without a late follower the high watermark may go on."""
        if self.advance_high_watermark():
            self._high_watermark_moved()

    def maybe_shrink_isr(self) -> None:
        log = self.log
        if self.is_leader and log is not None:
            self.in_sync.maybe_shrink(log.log_end_offset, log.high_watermark)

    def follower_fetched(
        self, replica: RemoteReplica, offset: int, log_start_offset: int, leader_end_offset: int
    ) -> None:
        """A follower has everything below the offset: the ISR and the high watermark may follow."""
        deletes = self.waiting.deletes
        old_low_watermark = self.low_watermark() if deletes else -1
        previous_end = replica.log_end_offset
        replica.fetched(offset, log_start_offset, leader_end_offset, self.host.now_ms())
        log, epoch_start = self.log, self.leader_epoch_start_offset
        if log is not None and epoch_start is not None:
            self.in_sync.maybe_expand(replica, epoch_start, log.high_watermark)
        if previous_end != offset and self.advance_high_watermark():
            self._high_watermark_moved()
        elif deletes and self.low_watermark() > old_low_watermark:
            check_all(deletes, self)

    def low_watermark(self) -> int:
        """The smallest log start offset of all live replicas: below it, records are gone everywhere."""
        low = self.leader_log().log_start_offset
        for replica in self.in_sync.replicas.values():
            if replica.log_start_offset < low and self.host.metadata.is_alive(replica.broker_id):
                low = replica.log_start_offset
        return low

    def delete_records(self, offset: int) -> tuple[int, int]:
        """Raise the log start offset (-1: to the high watermark); answers (offset, low watermark)."""
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


def _append_replicated(
    log: Log, records: bytes | bytearray | memoryview, leader_epoch: int | None
) -> AppendInfo:
    try:
        return log.append_as_follower(records, leader_epoch=leader_epoch)
    except UnexpectedAppendOffset as error:
        end = log.log_end_offset
        if not (log.log_start_offset == end and error.first_offset < end <= error.last_offset):
            raise
        # DeleteRecords put the leader's log start offset inside a batch: the first fetch of an empty log gets
        # the whole batch, and the log begins where the batch does.
        log.truncate_fully_and_start_at(error.first_offset)
        return log.append_as_follower(records, leader_epoch=leader_epoch)
