# SPDX-License-Identifier: Apache-2.0
"""All replicas of this broker, and every request that reads or writes them (Kafka's ReplicaManager)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from commitlog.replication import delete_records, fetch, list_offsets, produce, state_change
from commitlog.replication.alter_log_dirs import ReplicaAlterLogDirs
from commitlog.replication.alter_partition import AlterPartitionManager
from commitlog.replication.connections import Connect, Connection
from commitlog.replication.delete_records import DelayedDeleteRecords, DeleteRecordsResult
from commitlog.replication.fetch import (
    DelayedFetch,
    FetchParams,
    FetchPartition,
    FetchResult,
    FollowerSession,
)
from commitlog.replication.fetcher_manager import FetcherManager
from commitlog.replication.inter_broker_version import InterBrokerVersion
from commitlog.replication.list_offsets import FoundOffset
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.replication.partition import Partition
from commitlog.replication.partition_host import PartitionHost
from commitlog.replication.produce import AppendResult, DelayedProduce
from commitlog.replication.purgatory import DelayedOperation, check_all, wake_fetches
from commitlog.replication.replication_quota import ReplicationQuotas
from commitlog.replication.traffic import Traffic
from commitlog.storage.log_dir import can_be_moved
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.update_metadata_response import UpdateMetadataResponse

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.storage.log import Origin
    from commitlog.storage.log_manager import LogManager
    from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrRequest
    from commitlog.wire.messages.leader_and_isr_response import LeaderAndIsrResponse
    from commitlog.wire.messages.stop_replica_request import StopReplicaRequest
    from commitlog.wire.messages.stop_replica_response import StopReplicaResponse
    from commitlog.wire.messages.update_metadata_request import UpdateMetadataRequest

__all__ = ["AppendResult", "Connect", "Connection", "LeadershipListener", "ReplicaManager"]

logger = logging.getLogger("commitlog.replication.replica_manager")

LeadershipListener = Callable[[Sequence[Partition], Sequence[Partition]], None]
"""Called on the loop as (became_leader, became_follower) after a LeaderAndIsr was applied. A partition that
StopReplica deleted from this broker, or whose log directory failed, is passed among the followers.
Partition.leader_epoch is already the new one."""

DeletionListener = Callable[[Sequence[tuple[str, int]]], None]
"""Called with the partitions that the controller declared deleted (UpdateMetadata with leader -2)."""


class ReplicaManager:
    """Owner of every Partition of this broker, of their waiting requests and of the fetchers."""

    def __init__(
        self,
        config: BrokerConfig,
        log_manager: LogManager,
        metadata: MetadataCache,
        *,
        connect: Connect,
        now_ms: Callable[[], int],
        rng: random.Random,
    ) -> None:
        self.config = config
        self.metadata = metadata
        self.broker_id = metadata.broker_id
        self.broker_epoch = -1
        """The czxid of this broker's registration; the server sets it after each registration."""
        self.controller_epoch = 0
        self.logs = log_manager
        self._rng = rng
        self._partitions: dict[tuple[str, int], Partition] = {}
        self.traffic_of_gone = Traffic()
        """Of partitions that are not here any more: the broker's totals never go back."""
        self._offline: set[tuple[str, int]] = set()
        self._leadership_listeners: list[LeadershipListener] = []
        self._deletion_listeners: list[DeletionListener] = []
        self._to_wake: dict[Partition, None] = {}
        self._isr_task: asyncio.Task[None] | None = None
        self._stopping = False
        self.isr_changes = AlterPartitionManager(
            broker_id=self.broker_id,
            broker_epoch=lambda: self.broker_epoch,
            metadata=metadata,
            listener_name=config.inter_broker_listener_name,
            version=self.inter_broker_version,
            connect=connect,
        )
        self.quotas = ReplicationQuotas(config, _loop_ms)
        self.alter_log_dirs = ReplicaAlterLogDirs(config, self.quotas.alter_log_dirs)
        self.fetchers = FetcherManager(
            config=config,
            broker_id=self.broker_id,
            broker_epoch=lambda: self.broker_epoch,
            version=self.inter_broker_version,
            connect=connect,
            on_high_watermark=self._follower_moved,
            quota=self.quotas.follower,
        )
        self._host = PartitionHost(
            self.broker_id,
            config,
            metadata,
            log_manager,
            self.isr_changes,
            now_ms,
            self._wake_fetches_soon,
            self.quotas,
        )

    def inter_broker_version(self) -> InterBrokerVersion:
        return InterBrokerVersion.of(self.config.inter_broker_protocol_version)

    # --- life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start ISR expiration and the AlterPartition manager."""
        self.isr_changes.start()
        self._isr_task = asyncio.get_running_loop().create_task(self._expire_isr(), name="isr-expiration")

    def prepare_to_stop(self) -> None:
        """The broker is about to ask for its controlled shutdown: what it hands over it does not follow.

        Else it would fetch for a moment, count as a live follower that is caught up, and leave the new leader
        waiting for it (KafkaServer.isShuttingDown in ReplicaManager.makeFollowers).
        """
        self._stopping = True

    async def stop(self) -> None:
        """Stop fetchers and background tasks, end every waiting request, checkpoint high watermarks."""
        self._stopping = True
        task, self._isr_task = self._isr_task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.fetchers.stop()
        await self.alter_log_dirs.stop()
        await self.isr_changes.stop()
        for partition in self._partitions.values():
            waiting = partition.waiting
            operation: DelayedOperation[object]
            for operation in [*waiting.produces, *waiting.deletes, *waiting.all_fetches()]:
                operation.force_complete()
        await self.logs.checkpoints.write_high_watermarks()

    async def _expire_isr(self) -> None:
        """Look for late followers every replica.lag.time.max.ms / 2: a follower is out after 1 to 1.5 times
        that."""
        while True:
            await asyncio.sleep(self.config.replica_lag_time_max_ms / 2000)
            for partition in list(self._partitions.values()):
                try:
                    partition.maybe_shrink_isr()
                except Exception:
                    logger.exception(
                        "Error while checking the ISR of %s-%d", partition.topic, partition.partition
                    )

    # --- finding partitions ---------------------------------------------------------------------------------

    def partition(self, topic: str, partition: int) -> Partition:
        """The partition that this broker leads or follows. KafkaError(NOT_LEADER_OR_FOLLOWER) when the
        metadata cache knows it elsewhere, UNKNOWN_TOPIC_OR_PARTITION when nobody does, KAFKA_STORAGE_ERROR
        when its directory failed."""
        found = self._partitions.get((topic, partition))
        if found is None:
            raise self._not_hosted(topic, partition)
        return found

    def _not_hosted(self, topic: str, partition: int) -> KafkaError:
        if (topic, partition) in self._offline:
            return KafkaError(
                ErrorCode.KAFKA_STORAGE_ERROR, f"Partition {topic}-{partition} is in an offline log directory"
            )
        if self.metadata.partition_state(topic, partition) is not None:
            return KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        return KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)

    def hosted_partition(self, topic: str, partition: int) -> Partition | None:
        return self._partitions.get((topic, partition))

    @property
    def offline_count(self) -> int:
        """Replicas of this broker in directories that failed."""
        return len(self._offline)

    @property
    def host(self) -> PartitionHost:
        """What all partitions share, the counters of ISR changes among it."""
        return self._host

    def partitions(self) -> Iterator[Partition]:
        return iter(self._partitions.values())

    def is_offline(self, key: tuple[str, int]) -> bool:
        return key in self._offline

    def current_leader(self, topic: str, partition: int) -> tuple[int, int]:
        """(leader, leader epoch) for a client that came to the wrong broker; (-1, -1) when unknown."""
        hosted = self._partitions.get((topic, partition))
        if hosted is not None:
            return (-1 if hosted.leader_id is None else hosted.leader_id), hosted.leader_epoch
        state = self.metadata.partition_state(topic, partition)
        return (-1, -1) if state is None else (state.leader, state.leader_epoch)

    # --- clients' requests ----------------------------------------------------------------------------------

    def append_records(
        self,
        *,
        acks: int,
        timeout_ms: int,
        entries: Sequence[produce.Entry],
        origin: Origin = "client",
        allow_internal: bool = False,
    ) -> list[AppendResult] | DelayedProduce:
        """Append one record set a partition; results in the entries' order. A plain list when nothing is to
        be waited for.

        The records must be writable: offsets and leader epoch are stamped into them. They are appended when
        this returns.
        """
        return produce.append_records(
            self.partition,
            acks=acks,
            timeout_ms=timeout_ms,
            entries=entries,
            origin=origin,
            allow_internal=allow_internal,
        )

    def fetch(
        self, params: FetchParams, requests: list[FetchPartition], session: FollowerSession | None = None
    ) -> list[FetchResult] | DelayedFetch:
        """Read for a consumer or a follower; results in the requests' order.

        With a session ``requests`` is what of it has moved. Those that have nothing to tell leave the list,
        and while the fetch waits, those that move join it.
        """
        return fetch.fetch(self.partition, params, requests, session)

    def delete_records(
        self, timeout_ms: int, entries: Sequence[tuple[str, int, int]]
    ) -> list[DeleteRecordsResult] | DelayedDeleteRecords:
        """(topic, partition, offset) each: delete what is below the offset, -1 for all below the high
        watermark."""
        return delete_records.delete_records(self.partition, timeout_ms, entries)

    def list_offset(
        self,
        topic: str,
        partition: int,
        timestamp: int,
        *,
        isolation_level: int | None = 0,
        current_leader_epoch: int = -1,
        require_leader: bool = True,
    ) -> FoundOffset:
        """The offset for a time; isolation_level None for a broker, that may see up to the log's end. Raises
        KafkaError."""
        return list_offsets.offset_for_timestamp(
            self.partition(topic, partition),
            timestamp,
            isolation_level=isolation_level,
            current_leader_epoch=current_leader_epoch,
            require_leader=require_leader,
        )

    def offset_for_leader_epoch(
        self, topic: str, partition: int, leader_epoch: int, *, current_leader_epoch: int = -1
    ) -> tuple[int, int]:
        """(epoch, end offset) of the largest epoch not above the one asked; (-1, -1) when there is none."""
        log = self.partition(topic, partition).log_for(current_leader_epoch, require_leader=True)
        return log.leader_epochs.end_offset_for(leader_epoch, log.log_end_offset)

    # --- the controller's requests --------------------------------------------------------------------------

    def become_leader_or_follower(self, request: LeaderAndIsrRequest, version: int) -> LeaderAndIsrResponse:
        return state_change.leader_and_isr(self, request, version)

    def stop_replicas(self, request: StopReplicaRequest) -> StopReplicaResponse:
        return state_change.stop_replica(self, request)

    def update_metadata(self, request: UpdateMetadataRequest) -> UpdateMetadataResponse:
        """Merge into the metadata cache; an old controller's news is refused."""
        if self.is_broker_epoch_stale(request.broker_epoch):
            return UpdateMetadataResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)
        if not self.accept_controller_epoch(request.controller_epoch):
            logger.warning(
                "Received UpdateMetadata request from an old controller %d with epoch %d. Latest known "
                "controller epoch is %d",
                request.controller_id,
                request.controller_epoch,
                self.controller_epoch,
            )
            return UpdateMetadataResponse(error_code=ErrorCode.STALE_CONTROLLER_EPOCH)
        alive_before = {broker.id for broker in self.metadata.alive_brokers()}
        deleted = self.metadata.update(request)
        if alive_before - {broker.id for broker in self.metadata.alive_brokers()}:
            # A follower outside of the ISR that was caught up held the high watermark back: it is gone.
            for partition in list(self._partitions.values()):
                if partition.is_leader and partition.waiting.produces:
                    partition.isr_changed()
        if deleted:
            for listener in self._deletion_listeners:
                listener(deleted)
        return UpdateMetadataResponse(error_code=ErrorCode.NONE)

    def is_broker_epoch_stale(self, broker_epoch: int) -> bool:
        """Is the request for an earlier life of this broker? A larger epoch is none: the controller may know
        it first."""
        return broker_epoch != -1 and broker_epoch < self.broker_epoch

    def accept_controller_epoch(self, controller_epoch: int) -> bool:
        """Remember the newest controller's epoch; False for an older one."""
        if controller_epoch < self.controller_epoch:
            return False
        self.controller_epoch = controller_epoch
        return True

    def add_leadership_listener(self, listener: LeadershipListener) -> None:
        self._leadership_listeners.append(listener)

    def add_deletion_listener(self, listener: DeletionListener) -> None:
        self._deletion_listeners.append(listener)

    def leadership_changed(self, leaders: Sequence[Partition], followers: Sequence[Partition]) -> None:
        for listener in self._leadership_listeners:
            listener(leaders, followers)

    def get_or_make(self, key: tuple[str, int]) -> Partition:
        partition = self._partitions.get(key)
        if partition is None:
            partition = self._partitions[key] = Partition(*key, self._host)
        return partition

    def forget_if_empty(self, partition: Partition) -> None:
        """A partition that was made for a state that was then refused."""
        if partition.log is None and partition.leader_id is None:
            self._partitions.pop((partition.topic, partition.partition), None)

    def follow(self, partitions: Sequence[Partition], topic_ids: Mapping[Partition, bytes]) -> None:
        """Begin to fetch from the leaders, unless this broker is about to stop."""
        if self._stopping:
            return
        for partition in partitions:
            leader_id = -1 if partition.leader_id is None else partition.leader_id
            endpoint = self.metadata.broker_endpoint(leader_id, self.config.inter_broker_listener_name)
            if endpoint is None:
                logger.error(
                    "Partition %s-%d cannot be fetched: leader %d has no listener %s",
                    partition.topic,
                    partition.partition,
                    leader_id,
                    self.config.inter_broker_listener_name,
                )
                continue
            self.fetchers.add(partition, topic_ids[partition], leader_id, endpoint)

    def stop_partitions(self, stopping: Mapping[tuple[str, int], bool]) -> dict[tuple[str, int], ErrorCode]:
        """Stop replicas; where the value is True delete them too. Answers the errors."""
        self.fetchers.remove(stopping)
        self.alter_log_dirs.remove(stopping)
        errors = {}
        deleted = []
        for key, delete in stopping.items():
            partition = self._partitions.get(key)
            if delete:
                if partition is not None:
                    del self._partitions[key]
                    self.traffic_of_gone.add(partition.traffic)
                    partition.clear()
                    deleted.append(partition)
                try:
                    self.logs.delete_log(*key)
                except KafkaError as error:
                    errors[key] = error.code
            if partition is not None:
                self.wake(partition)
        self.fetchers.stop_idle()
        if deleted:
            self.leadership_changed((), deleted)
        return errors

    # --- moving between log directories ---------------------------------------------------------------------

    def alter_replica_log_dirs(
        self, moves: Mapping[tuple[str, int], str]
    ) -> dict[tuple[str, int], ErrorCode]:
        """Begin to move replicas to other directories of this broker (KIP-113). Answers the errors.

        One that is not here yet will be made there, and is answered with REPLICA_NOT_AVAILABLE.
        """
        errors = {}
        for key, log_dir in moves.items():
            try:
                self._alter_log_dir(key, log_dir)
                errors[key] = ErrorCode.NONE
            except KafkaError as error:
                logger.warning("Unable to alter log dirs for %s-%d: %s", *key, error)
                errors[key] = error.code
                if error.code is ErrorCode.NOT_LEADER_OR_FOLLOWER:
                    errors[key] = ErrorCode.REPLICA_NOT_AVAILABLE
        return errors

    def _alter_log_dir(self, key: tuple[str, int], log_dir: str) -> None:
        logs = self.logs
        if not can_be_moved(*key):
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic name is too long.")
        if log_dir not in (*logs.online_log_dirs, *logs.offline_log_dirs):
            raise KafkaError(ErrorCode.LOG_DIR_NOT_FOUND, f"Log dir {log_dir} is not found in the config.")
        if not logs.is_log_dir_online(log_dir) or self.is_offline(key):
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"Log directory {log_dir} is offline")
        partition = self._partitions.get(key)
        if partition is not None and partition.future_log is not None:
            if partition.future_log.log_dir == log_dir:
                return
            self.alter_log_dirs.remove([key])
            partition.remove_future()
        logs.prefer_log_dir(*key, log_dir)
        if self.partition(*key).maybe_create_future(log_dir):
            self.alter_log_dirs.add(self.partition(*key))

    def resume_moves(self, partitions: Iterable[Partition]) -> None:
        """What was on its way before the broker restarted, or stopped as a replica, goes on."""
        for partition in partitions:
            key = partition.topic, partition.partition
            future = self.logs.get_future_log(*key)
            if partition.log is not None and future is not None and key not in self.alter_log_dirs:
                partition.future_log = future
                self.alter_log_dirs.add(partition)

    # --- failing log directories ----------------------------------------------------------------------------

    def mark_offline(self, partition: Partition) -> None:
        """The log cannot be used any more: answer KAFKA_STORAGE_ERROR until the broker restarts.

        No LeaderAndIsr is applied to the partition from now on: what coordinates by it must hear of it here.
        """
        key = partition.topic, partition.partition
        self.alter_log_dirs.remove([key])
        if self._partitions.pop(key, None) is not None:
            self.traffic_of_gone.add(partition.traffic)
        self._offline.add(key)
        partition.clear()
        self.wake(partition)
        self.leadership_changed((), (partition,))

    def handle_log_dir_failure(self, log_dir: str) -> None:
        """LogManager gave a directory up: take its partitions offline, and stop following with them."""
        lost = [p for p in self._partitions.values() if p.log is not None and p.log.log_dir == log_dir]
        self.fetchers.remove((partition.topic, partition.partition) for partition in lost)
        for partition in lost:
            self.mark_offline(partition)
        for partition in self._partitions.values():
            if partition.future_log is not None and partition.future_log.log_dir == log_dir:
                self.alter_log_dirs.remove([(partition.topic, partition.partition)])
                partition.future_log = None
        self.fetchers.stop_idle()
        logger.warning(
            "Broker %d stopped fetcher for partitions %s because they are in the failed log directory %s.",
            self.broker_id,
            ",".join(f"{partition.topic}-{partition.partition}" for partition in lost),
            log_dir,
        )

    def wake(self, partition: Partition) -> None:
        """Let every waiting request of a partition look again: its leader or its log changed."""
        check_all(partition.waiting.produces, partition)
        check_all(partition.waiting.deletes, partition)
        wake_fetches(partition)

    def _follower_moved(self, partition: Partition) -> None:
        if partition.waiting.fetches:
            self._wake_fetches_soon(partition)

    def _wake_fetches_soon(self, partition: Partition) -> None:
        """After this turn of the loop: a produce's answer goes out before the fetches that it satisfies are
        read."""
        if not self._to_wake:
            asyncio.get_running_loop().call_soon(self._wake_fetches)
        self._to_wake[partition] = None

    def _wake_fetches(self) -> None:
        to_wake, self._to_wake = self._to_wake, {}
        for partition in to_wake:
            wake_fetches(partition)


def _loop_ms() -> int:
    """A clock that does not go back, for what is measured over time."""
    return int(asyncio.get_running_loop().time() * 1000)
