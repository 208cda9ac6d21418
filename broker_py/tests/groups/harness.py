# SPDX-License-Identifier: Apache-2.0
"""A coordinator with a replica manager in memory, and short ways to say what members do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from commitlog.groups.coordinator import OFFSETS_TOPIC, GroupCoordinator
from commitlog.records.batch import Record, decode_records, iterate_headers, read_header, stamp
from commitlog.replication.replica_manager import AppendResult
from commitlog.storage.log import LogRead
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.frames import encode_record
from commitlog.wire.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from commitlog.wire.messages.join_group_response import JoinGroupResponse
from commitlog.wire.messages.leave_group_request import MemberIdentity
from commitlog.wire.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from commitlog.wire.messages.offset_commit_response import OffsetCommitResponse
from commitlog.wire.messages.sync_group_request import SyncGroupRequest, SyncGroupRequestAssignment
from commitlog.wire.messages.sync_group_response import SyncGroupResponse
from commitlog.wire.regions import FileRegion

GROUP = "group"
START_MS = 1_700_000_000_000
SESSION_MS = 10_000
REBALANCE_MS = 60_000
INITIAL_DELAY_MS = 3_000
LATEST_JOIN = 9


def make_config(**changes: object) -> Any:
    settings: dict[str, object] = {
        "broker_id": 1,
        "group_min_session_timeout_ms": 6_000,
        "group_max_session_timeout_ms": 1_800_000,
        "group_initial_rebalance_delay_ms": INITIAL_DELAY_MS,
        "group_max_size": 2**31 - 1,
        "offset_metadata_max_bytes": 4096,
        "offsets_load_buffer_size": 5 * 1024 * 1024,
        "offsets_topic_num_partitions": 50,
        "offsets_topic_segment_bytes": 100 * 1024 * 1024,
        "offsets_topic_compression_codec": 0,
        "offsets_retention_minutes": 7 * 24 * 60,
        "offsets_retention_check_interval_ms": 600_000,
        "offsets_commit_timeout_ms": 5_000,
        "offsets_commit_required_acks": -1,
    }
    return SimpleNamespace(**{**settings, **changes})


@dataclass
class MemoryLog:
    """One partition of the offsets topic: batches in a row. Also the ReadableFile of its own regions."""

    partition: int
    topic: str = OFFSETS_TOPIC
    data: bytearray = field(default_factory=bytearray)
    log_start_offset: int = 0
    log_end_offset: int = 0
    reads: int = 0

    def append(self, batch: bytearray) -> int:
        header = read_header(batch, 0)
        base_offset = self.log_end_offset
        stamp(batch, 0, base_offset, 0)
        self.data += batch
        self.log_end_offset = base_offset + header.last_offset_delta + 1
        return base_offset

    def read(self, offset: int, max_bytes: int, *, upper_offset: int, min_one: bool = True) -> LogRead:
        self.reads += 1
        begin = end = len(self.data)
        for position, header in iterate_headers(self.data):
            if header.next_offset <= offset or header.base_offset >= upper_offset:
                continue
            begin = min(begin, position)
            if position + header.size - begin > max_bytes and position > begin:
                break
            end = position + header.size
        return LogRead([FileRegion(self, begin, end - begin)], end - begin, offset)

    def pread(self, size: int, position: int) -> bytes:
        return bytes(self.data[position : position + size])

    def fileno(self) -> int:
        raise OSError("in memory")

    def records(self) -> list[Record]:
        return [
            record
            for position, header in iterate_headers(self.data)
            for record in decode_records(self.data, position, header)
        ]


class FakeReplicas:
    """Appends at once, or when the test says so; fails when the test says so."""

    def __init__(self) -> None:
        self.logs: dict[int, MemoryLog] = {}
        self.error = ErrorCode.NONE
        self.hold = False
        self.held: list[tuple[asyncio.Future[list[AppendResult]], int]] = []
        self.appends: list[dict[str, Any]] = []

    def log(self, partition: int) -> MemoryLog:
        return self.logs.setdefault(partition, MemoryLog(partition))

    def partition(self, topic: str, partition: int) -> Any:
        assert topic == OFFSETS_TOPIC
        if partition not in self.logs:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        return SimpleNamespace(topic=topic, partition=partition, log=self.logs[partition])

    def append_records(
        self, *, entries: Sequence[tuple[str, int, bytearray]], **how: Any
    ) -> list[AppendResult] | asyncio.Future[list[AppendResult]]:
        ((topic, partition, batch),) = entries
        assert topic == OFFSETS_TOPIC
        self.appends.append({**how, "partition": partition})
        if self.error is not ErrorCode.NONE:
            return [AppendResult(error=self.error)]
        base_offset = self.log(partition).append(batch)
        if not self.hold or how["acks"] == 0:
            return [AppendResult(base_offset=base_offset)]
        future: asyncio.Future[list[AppendResult]] = asyncio.get_running_loop().create_future()
        self.held.append((future, base_offset))
        return future

    async def release(self, error: ErrorCode = ErrorCode.NONE) -> None:
        """What was held is replicated now, or has failed."""
        held, self.held = self.held, []
        for future, base_offset in held:
            future.set_result([AppendResult(error=error, base_offset=base_offset)])
        await settle()


async def settle() -> None:
    """Let everything that is due happen, without time passing."""
    for _ in range(10):
        await asyncio.sleep(0)


def subscription(*topics: str) -> bytes:
    return encode_record(ConsumerProtocolSubscription(topics=list(topics)), 1)


@dataclass
class Answer:
    """A request that may still wait."""

    value: Any

    @property
    def done(self) -> bool:
        return not isinstance(self.value, asyncio.Future) or self.value.done()

    @property
    def response(self) -> Any:
        return self.value.result() if isinstance(self.value, asyncio.Future) else self.value

    @property
    def error(self) -> ErrorCode:
        return ErrorCode(self.response.error_code)


class Harness:
    """A coordinator that owns every partition of the offsets topic, unless told otherwise."""

    def __init__(self, *, replicas: FakeReplicas | None = None, seed: int = 7, **settings: object) -> None:
        self.config = make_config(**settings)
        self.replicas = FakeReplicas() if replicas is None else replicas
        self.wall_ms = START_MS
        self.loop = asyncio.get_running_loop()
        self._begin = self.loop.time()
        self.groups = GroupCoordinator(
            self.config, cast(Any, self.replicas), now_ms=self.now_ms, rng=random.Random(seed)
        )

    def now_ms(self) -> int:
        return self.wall_ms + round((self.loop.time() - self._begin) * 1000)

    async def started(self) -> Harness:
        self.groups.start()
        for partition in range(self.config.offsets_topic_num_partitions):
            self.replicas.log(partition)
            self.groups.on_election(partition, 0)
        for _ in range(1_000):
            if self.owns_all():
                return self
            await asyncio.sleep(0)
        raise AssertionError("the groups are never loaded")

    def owns_all(self) -> bool:
        return self.groups.list_groups(_list()).error_code == ErrorCode.NONE

    async def pass_ms(self, delay_ms: int) -> None:
        await asyncio.sleep(delay_ms / 1000)
        await settle()

    # -- what members do

    def join(
        self,
        member_id: str = "",
        *,
        group: str = GROUP,
        instance: str | None = None,
        protocols: Sequence[tuple[str, bytes]] = (("range", b"meta"),),
        protocol_type: str = "consumer",
        session_ms: int = SESSION_MS,
        rebalance_ms: int = REBALANCE_MS,
        version: int = LATEST_JOIN,
        client: str = "client",
    ) -> Answer:
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=rebalance_ms,
            member_id=member_id,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=data) for name, data in protocols],
        )
        answer = self.groups.join_group(request, version=version, client_id=client, client_host="/127.0.0.1")
        return Answer(answer)

    def sync(
        self,
        member_id: str,
        generation: int,
        assignment: dict[str, bytes] | None = None,
        *,
        group: str = GROUP,
        instance: str | None = None,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
    ) -> Answer:
        request = SyncGroupRequest(
            group_id=group,
            generation_id=generation,
            member_id=member_id,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocol_name=protocol_name,
            assignments=[
                SyncGroupRequestAssignment(member_id=each, assignment=data)
                for each, data in (assignment or {}).items()
            ],
        )
        return Answer(self.groups.sync_group(request))

    def heartbeat(
        self, member_id: str, generation: int, *, group: str = GROUP, instance: str | None = None
    ) -> ErrorCode:
        request = HeartbeatRequest(
            group_id=group, generation_id=generation, member_id=member_id, group_instance_id=instance
        )
        return ErrorCode(self.groups.heartbeat(request).error_code)

    def leave(
        self, *members: str | tuple[str, str | None], group: str = GROUP
    ) -> tuple[ErrorCode, list[ErrorCode]]:
        identities = [
            MemberIdentity(member_id=each)
            if isinstance(each, str)
            else MemberIdentity(member_id=each[0], group_instance_id=each[1])
            for each in members
        ]
        response = self.groups.leave_group(group, identities)
        return ErrorCode(response.error_code), [ErrorCode(each.error_code) for each in response.members]

    def commit(
        self,
        offsets: dict[tuple[str, int], int],
        *,
        group: str = GROUP,
        member_id: str = "",
        generation: int = -1,
        instance: str | None = None,
        metadata: str | None = "",
        retention_ms: int = -1,
    ) -> Answer:
        request = OffsetCommitRequest(
            group_id=group,
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            group_instance_id=instance,
            retention_time_ms=retention_ms,
            topics=[
                OffsetCommitRequestTopic(
                    name=topic,
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=index, committed_offset=offset, committed_metadata=metadata
                        )
                    ],
                )
                for (topic, index), offset in offsets.items()
            ],
        )
        return Answer(self.groups.commit_offsets(request))

    def commit_error(self, **how: Any) -> ErrorCode:
        """The one error of a commit of one partition."""
        answer = self.commit({("topic", 0): 1}, **how)
        assert answer.done
        return commit_error(answer.response)

    def fetch(
        self, *partitions: tuple[str, int], group: str = GROUP, require_stable: bool = False
    ) -> dict[tuple[str, int], int]:
        answer = self.groups.fetch_offsets(group, partitions or None, require_stable=require_stable)
        assert answer.error_code == ErrorCode.NONE
        return {
            (topic.name, partition.partition_index): partition.committed_offset
            for topic in answer.topics
            for partition in topic.partitions
        }

    def state(self, group: str = GROUP) -> str:
        return self.groups.describe_group(group).group_state

    async def stable(self, count: int = 1, *, group: str = GROUP, **how: Any) -> list[str]:
        """A stable group of so many dynamic members; their ids, the leader's first. Generation 1."""
        joins = [self.join(version=3, group=group, **how) for _ in range(count)]
        await self.pass_ms(INITIAL_DELAY_MS * (2 if count > 1 else 1))
        responses: list[JoinGroupResponse] = [join.response for join in joins]
        leader = responses[0].leader
        members = sorted((each.member_id for each in responses), key=lambda member: member != leader)
        syncs = [
            self.sync(
                member,
                1,
                {each: each.encode() for each in members} if member == leader else None,
                group=group,
            )
            for member in members
        ]
        assert [sync.error for sync in syncs] == [ErrorCode.NONE] * count
        assert self.state(group) == "Stable"
        return members

    async def stable_static(self, *instances: str, **how: Any) -> dict[str, str]:
        """A stable group of static members: instance to member id; the first leads. Generation 1."""
        joins = {instance: self.join(instance=instance, **how) for instance in instances}
        await self.pass_ms(INITIAL_DELAY_MS * (2 if len(instances) > 1 else 1))
        members = {instance: join.response.member_id for instance, join in joins.items()}
        assignment = {member: member.encode() for member in members.values()}
        for member in members.values():
            sync = self.sync(member, 1, assignment if member == next(iter(members.values())) else None)
        assert sync.error is ErrorCode.NONE
        assert self.state() == "Stable"
        return members


def commit_error(response: OffsetCommitResponse) -> ErrorCode:
    ((partition,),) = [topic.partitions for topic in response.topics]
    return ErrorCode(partition.error_code)


def assignment_of(answer: Answer) -> bytes:
    response: SyncGroupResponse = answer.response
    assert response.error_code == ErrorCode.NONE
    return response.assignment


def _list() -> Any:
    from commitlog.wire.messages.list_groups_request import ListGroupsRequest

    return ListGroupsRequest()
