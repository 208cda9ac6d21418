# SPDX-License-Identifier: Apache-2.0
"""The group coordinator: who is in which group, and which offsets a group has committed.

Behaviour is that of Kafka's classic GroupCoordinator with GroupMetadataManager. The rules of one group are
in `group.py` and its neighbours (no I/O, no clock); this module gives them timers, the offsets topic and
the answers to requests. All methods run on the broker's event loop; those that may have to wait return an
`asyncio.Future`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from commitlog.groups import joining, leaving, rebalance, syncing
from commitlog.groups.admin import GROUPS_BETWEEN_YIELDS, GroupAdmin
from commitlog.groups.cache import GroupCache
from commitlog.groups.commits import OffsetStore
from commitlog.groups.group import Group, GroupLimits, GroupState, join_error, sync_error
from commitlog.groups.log_writer import OFFSETS_TOPIC, LogWriter
from commitlog.groups.records import members_of
from commitlog.groups.replay import Replay, replay_log
from commitlog.groups.runner import EffectRunner
from commitlog.groups.transactional import TransactionalOffsets
from commitlog.records.batch import CorruptBatch
from commitlog.wire.codec import MalformedMessage
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.delete_groups_response import DeleteGroupsResponse
from commitlog.wire.messages.describe_groups_response import DescribedGroup
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.heartbeat_response import HeartbeatResponse
from commitlog.wire.messages.join_group_request import JoinGroupRequest
from commitlog.wire.messages.join_group_response import JoinGroupResponse
from commitlog.wire.messages.leave_group_request import MemberIdentity
from commitlog.wire.messages.leave_group_response import LeaveGroupResponse, MemberResponse
from commitlog.wire.messages.list_groups_request import ListGroupsRequest
from commitlog.wire.messages.list_groups_response import ListGroupsResponse
from commitlog.wire.messages.offset_commit_request import OffsetCommitRequest
from commitlog.wire.messages.offset_commit_response import OffsetCommitResponse
from commitlog.wire.messages.offset_delete_request import OffsetDeleteRequest
from commitlog.wire.messages.offset_delete_response import OffsetDeleteResponse
from commitlog.wire.messages.offset_fetch_response import OffsetFetchResponseGroup
from commitlog.wire.messages.sync_group_request import SyncGroupRequest
from commitlog.wire.messages.sync_group_response import SyncGroupResponse
from commitlog.wire.messages.txn_offset_commit_request import TxnOffsetCommitRequest
from commitlog.wire.messages.txn_offset_commit_response import TxnOffsetCommitResponse

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.replica_manager import ReplicaManager

__all__ = ["OFFSETS_TOPIC", "GroupCoordinator"]

logger = logging.getLogger("commitlog.groups.coordinator")

STATIC_MEMBER_SKIPS_ASSIGNMENT_VERSION = 9
MEMBER_ID_REQUIRED_VERSION = 4


class GroupCoordinator:
    """Serves the groups whose partition of `__consumer_offsets` this broker leads."""

    def __init__(
        self,
        config: BrokerConfig,
        replicas: ReplicaManager,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
    ) -> None:
        self._config = config
        self._replicas = replicas
        self._rng = rng
        limits = GroupLimits(config.group_max_size, config.group_initial_rebalance_delay_ms)
        writer = LogWriter(config, replicas, now_ms)
        self._carry_out = EffectRunner(writer).carry_out
        self._cache = GroupCache(limits, config.offsets_topic_num_partitions, now_ms)
        self._admin = GroupAdmin(self._cache, writer, self._carry_out)
        self._offsets = OffsetStore(config, self._cache, writer, now_ms, self._carry_out)
        self._transactions = TransactionalOffsets(config, self._cache, writer, now_ms)
        self._tasks: set[asyncio.Task[None]] = set()
        self._load_turn: asyncio.Lock = asyncio.Lock()

    # -- the coordinator's own life

    def start(self, partition_count: int | None = None) -> None:
        """Begin to answer. `partition_count` is that of an existing `__consumer_offsets`, None = as
        configured."""
        logger.info("[GroupCoordinator %d]: Starting up.", self._config.broker_id)
        if partition_count is not None:
            self._cache.partition_count = partition_count
        self._cache.is_active = True
        self._spawn(self._expire_offsets(), "expire-offsets")
        logger.info("[GroupCoordinator %d]: Startup complete.", self._config.broker_id)

    async def stop(self) -> None:
        """Stop answering (COORDINATOR_NOT_AVAILABLE), loading and expiring."""
        self._cache.is_active = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for group in self._cache:
            if group.state is not GroupState.DEAD:
                self._unload(group)
        logger.info("[GroupCoordinator %d]: Shutdown complete.", self._config.broker_id)

    def topic_configs(self) -> dict[str, str]:
        """The topic-level settings with which `__consumer_offsets` is created."""
        return {
            "cleanup.policy": "compact",
            "segment.bytes": str(self._config.offsets_topic_segment_bytes),
            "compression.type": "producer",
        }

    def groups(self) -> Iterator[Group]:
        """The groups that this broker coordinates."""
        return iter(self._cache)

    def partition_for(self, group_id: str) -> int:
        """The partition of `__consumer_offsets` that holds the group; its leader is the coordinator."""
        return self._cache.partition_for(group_id)

    # -- leadership of the offsets topic

    def on_election(self, partition: int, leader_epoch: int) -> None:
        """This broker leads the partition of `__consumer_offsets` now: load its groups in the background."""
        logger.info("Elected as the group coordinator for partition %d in epoch %d", partition, leader_epoch)
        load = self._cache.begin_load(partition, leader_epoch)
        if load is not None:
            self._spawn(self._load(partition, leader_epoch, load), f"load-{OFFSETS_TOPIC}-{partition}")

    def on_resignation(self, partition: int, leader_epoch: int | None) -> None:
        """This broker no longer leads (or has deleted) the partition: forget its groups at once."""
        if not self._cache.resign(partition, leader_epoch):
            logger.info(
                "Not removing offsets and group metadata for %s-%d in epoch %s since it is older than "
                "our election",
                OFFSETS_TOPIC,
                partition,
                leader_epoch,
            )
            return
        groups = self._cache.of_partition(partition)
        for group in groups:
            self._unload(group)
        if groups:
            logger.info(
                "Finished unloading %s-%d for coordinator epoch %s. Removed %d cached groups.",
                OFFSETS_TOPIC,
                partition,
                leader_epoch,
                len(groups),
            )

    async def _load(self, partition: int, leader_epoch: int, load: int) -> None:
        def is_wanted() -> bool:
            return self._cache.is_wanted(partition, load)

        async with self._load_turn:  # one after the other, as Kafka's one scheduler thread
            if not is_wanted():
                return
            try:
                log = self._replicas.partition(OFFSETS_TOPIC, partition).log
                if log is None:
                    raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER, "found no log")
                replay = await replay_log(log, self._config.offsets_load_buffer_size, is_wanted)
            except (CorruptBatch, MalformedMessage, KafkaError, OSError) as reason:
                # Nothing of a log that cannot be read is served: an offset that is missing would send the
                # group's members back to the beginning.
                logger.error("Error loading offsets from %s-%d: %s", OFFSETS_TOPIC, partition, reason)
                if is_wanted():
                    self._cache.end_load(partition, owned=False)
                return
            if replay is None:
                return
            for count, group_id in enumerate(replay.group_ids()):
                if count % GROUPS_BETWEEN_YIELDS == 0:
                    await asyncio.sleep(0)
                if not is_wanted():
                    return
                if self._cache.partition_for(group_id) == partition:
                    self._add_loaded(group_id, replay)
            self._cache.end_load(partition, owned=True)
            logger.info(
                "Finished loading offsets and group metadata from %s-%d for epoch %d",
                OFFSETS_TOPIC,
                partition,
                leader_epoch,
            )

    def _add_loaded(self, group_id: str, replay: Replay) -> None:
        group = self._cache.new(group_id)
        if group_id in replay.groups:
            version, value = replay.groups[group_id]
            members = members_of(value, version=version)
            group.generation_id = value.generation
            group.protocol_name = value.protocol
            group.members.protocol_type = value.protocol_type or None
            if any(member.member_id == value.leader for member in members):
                group.members.leader_id = value.leader
            for member in members:
                group.members.add(member, None)
            group.state = GroupState.STABLE if members else GroupState.EMPTY
            timestamp = value.current_state_timestamp
            group.state_timestamp_ms = None if timestamp < 0 else timestamp
            rebalance.compute_subscribed_topics(group)
        transactional = replay.transactional_of(group_id)
        group.offsets.load(replay.offsets.get(group_id, {}), transactional)
        self._cache.add(group)
        self._transactions.loaded(group, transactional)
        rebalance.loaded(group)
        self._carry_out(group)

    def _unload(self, group: Group) -> None:
        group.unload()
        self._transactions.unloaded(group)
        self._carry_out(group)
        self._cache.discard(group)

    # -- membership

    def join_group(
        self, request: JoinGroupRequest, *, version: int, client_id: str, client_host: str
    ) -> JoinGroupResponse | asyncio.Future[JoinGroupResponse]:
        """Waits until the rebalance is complete."""
        error = self._cache.error_for(request.group_id)
        config = self._config
        if error is ErrorCode.NONE and not (
            config.group_min_session_timeout_ms
            <= request.session_timeout_ms
            <= config.group_max_session_timeout_ms
        ):
            error = ErrorCode.INVALID_SESSION_TIMEOUT
        if error is not ErrorCode.NONE:
            return join_error(request.member_id, error)
        group = self._cache.get(request.group_id)
        if group is None:
            if request.member_id:
                return join_error(request.member_id, ErrorCode.UNKNOWN_MEMBER_ID)
            group = self._cache.get_or_create(request.group_id)
        instance_id = request.group_instance_id
        waiter: asyncio.Future[JoinGroupResponse] = asyncio.get_running_loop().create_future()
        join = joining.Join(
            waiter=waiter,
            member_id=request.member_id,
            new_member_id=f"{client_id if instance_id is None else instance_id}-{self._new_uuid()}",
            group_instance_id=instance_id,
            client_id=client_id,
            client_host=client_host,
            rebalance_timeout_ms=(
                request.session_timeout_ms if version == 0 else request.rebalance_timeout_ms
            ),
            session_timeout_ms=request.session_timeout_ms,
            protocol_type=request.protocol_type,
            protocols=tuple((protocol.name, bytes(protocol.metadata)) for protocol in request.protocols),
            reason=request.reason or "not provided",
            requires_known_member_id=version >= MEMBER_ID_REQUIRED_VERSION and instance_id is None,
            can_skip_assignment=version >= STATIC_MEMBER_SKIPS_ASSIGNMENT_VERSION,
        )
        joining.join(group, join)
        self._carry_out(group)
        return waiter.result() if waiter.done() else waiter

    def sync_group(self, request: SyncGroupRequest) -> SyncGroupResponse | asyncio.Future[SyncGroupResponse]:
        """Waits for the leader's assignment and until it is written."""
        error = self._cache.error_for(request.group_id)
        if error is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            # The rebalance is lost with the old coordinator; this sends the member to JoinGroup, in old
            # clients too.
            error = ErrorCode.REBALANCE_IN_PROGRESS
        if error is not ErrorCode.NONE:
            return sync_error(error)
        group = self._cache.get(request.group_id)
        if group is None:
            return sync_error(ErrorCode.UNKNOWN_MEMBER_ID)
        waiter: asyncio.Future[SyncGroupResponse] = asyncio.get_running_loop().create_future()
        sync = syncing.Sync(
            waiter=waiter,
            generation_id=request.generation_id,
            member_id=request.member_id,
            group_instance_id=request.group_instance_id,
            protocol_type=request.protocol_type,
            protocol_name=request.protocol_name,
            assignment={each.member_id: bytes(each.assignment) for each in request.assignments},
        )
        syncing.sync(group, sync)
        self._carry_out(group)
        return waiter.result() if waiter.done() else waiter

    def heartbeat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        error = self._cache.error_for(request.group_id)
        if error is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            return HeartbeatResponse()  # we cannot know yet: the benefit of the doubt
        if error is not ErrorCode.NONE:
            return HeartbeatResponse(error_code=error)
        group = self._cache.get(request.group_id)
        if group is None:
            return HeartbeatResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID)
        error = group.heartbeat(request.generation_id, request.member_id, request.group_instance_id)
        self._carry_out(group)
        return HeartbeatResponse(error_code=error)

    def leave_group(self, group_id: str, members: Sequence[MemberIdentity]) -> LeaveGroupResponse:
        error = self._cache.error_for(group_id)
        if error is not ErrorCode.NONE:
            return LeaveGroupResponse(error_code=error)
        group = self._cache.get(group_id)
        if group is not None and group.state is GroupState.DEAD:
            return LeaveGroupResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
        response = LeaveGroupResponse()
        for member in members:
            error = ErrorCode.UNKNOWN_MEMBER_ID
            if group is not None:
                error = leaving.leave(group, member.member_id, member.group_instance_id, member.reason)
                self._carry_out(group)
            response.members.append(
                MemberResponse(
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    error_code=error,
                )
            )
        return response

    # -- offsets

    def commit_offsets(
        self, request: OffsetCommitRequest
    ) -> OffsetCommitResponse | asyncio.Future[OffsetCommitResponse]:
        """Waits until the offsets are written."""
        return self._offsets.commit(request)

    def error_for(self, group_id: str) -> ErrorCode:
        """Why no request about this group is taken here now: GroupCoordinator.validateGroupStatus."""
        return self._cache.error_for(group_id)

    def txn_commit_offsets(
        self, request: TxnOffsetCommitRequest
    ) -> TxnOffsetCommitResponse | asyncio.Future[TxnOffsetCommitResponse]:
        """Waits until the offsets are written; they count from the commit marker on."""
        return self._transactions.commit(request)

    def on_transaction_completed(
        self, producer_id: int, partitions: Iterable[int], *, committed: bool
    ) -> None:
        """The marker that ends the producer's transaction is in these partitions of `__consumer_offsets`."""
        self._transactions.complete(producer_id, partitions, committed=committed)

    def fetch_offsets(
        self, group_id: str, partitions: Sequence[tuple[str, int]] | None, *, require_stable: bool
    ) -> OffsetFetchResponseGroup:
        """`partitions` None = every offset that the group has."""
        return self._offsets.fetch(group_id, partitions, require_stable=require_stable)

    def delete_offsets(self, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
        return self._admin.delete_offsets(request)

    def on_partitions_deleted(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Remove the committed offsets of deleted (topic, partition)s, with tombstones."""
        self._admin.on_partitions_deleted(partitions)

    # -- administration

    def list_groups(self, request: ListGroupsRequest) -> ListGroupsResponse:
        return self._admin.list_groups(request)

    def describe_group(self, group_id: str) -> DescribedGroup:
        return self._admin.describe_group(group_id)

    def delete_groups(self, group_ids: Sequence[str]) -> DeleteGroupsResponse:
        return self._admin.delete_groups(group_ids)

    # -- background

    async def _expire_offsets(self) -> None:
        while True:
            await self._admin.expire_offsets(self._config.offsets_retention_minutes * 60_000)
            await asyncio.sleep(self._config.offsets_retention_check_interval_ms / 1000)

    def _new_uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._rng.getrandbits(128), version=4)

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error(
                "Task %s of the group coordinator failed", task.get_name(), exc_info=task.exception()
            )
