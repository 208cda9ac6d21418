# SPDX-License-Identifier: Apache-2.0
"""Consumer groups in a simulated cluster: members that share partitions, and who commits without a group.

What a group promises: in one generation nobody shares a partition with another; who has heard of a newer
generation knows that older ones cannot commit any more; a commit that was acknowledged is what the next
member starts from.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.frames import decode_record, encode_record
from commitlog.wire.messages import consumer_protocol_assignment as assignment_messages
from commitlog.wire.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from commitlog.wire.messages.find_coordinator_request import FindCoordinatorRequest
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from commitlog.wire.messages.join_group_response import JoinGroupResponse
from commitlog.wire.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from commitlog.wire.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestTopic
from commitlog.wire.messages.sync_group_request import SyncGroupRequest, SyncGroupRequestAssignment
from tests.simulation.checker import Violation
from tests.simulation.workload import KNOWN_LATER, Client

PROTOCOL_TYPE = "consumer"
PROTOCOL = "range"
SESSION_TIMEOUT_MS = 6_000
REBALANCE_TIMEOUT_MS = 4_000
JOIN_TIMEOUT_MS = 8_000
HEARTBEAT_S = 0.7


class Coordinator:
    """The way to a group's coordinator, and what can be asked of it."""

    def __init__(self, client: Client, group: str, partitions: int) -> None:
        self.client = client
        self.group = group
        self.partitions = partitions
        self._address: tuple[str, int] | None = None

    def forget(self) -> None:
        self._address = None

    async def connect(self) -> BrokerConnection:
        if self._address is None:
            connection = await self.client.to_any()
            response = await connection.send(FindCoordinatorRequest(key=self.group), 3)
            if response.error_code:
                raise KafkaError(ErrorCode.of(response.error_code))
            self._address = (response.host, response.port)
        return await self.client.connect(self._address)

    async def commit(
        self, partition: int, offset: int, generation: int = -1, member_id: str = ""
    ) -> ErrorCode:
        part = OffsetCommitRequestPartition(partition_index=partition, committed_offset=offset)
        request = OffsetCommitRequest(
            group_id=self.group,
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            topics=[OffsetCommitRequestTopic(name=self.client.topic, partitions=[part])],
        )
        response = await (await self.connect()).send(request)
        return ErrorCode.of(response.topics[0].partitions[0].error_code)

    async def fetch_offsets(self) -> dict[int, int]:
        """What the group has committed; KafkaError or OSError when the coordinator cannot say."""
        topic = OffsetFetchRequestTopic(
            name=self.client.topic, partition_indexes=list(range(self.partitions))
        )
        response = await (await self.connect()).send(
            OffsetFetchRequest(group_id=self.group, topics=[topic]), 5
        )
        if response.error_code:
            self.forget()
            raise KafkaError(ErrorCode.of(response.error_code))
        return {one.partition_index: one.committed_offset for t in response.topics for one in t.partitions}


async def commit_first(coordinator: Coordinator) -> None:
    """Give a group an offset before it has members: else it would end with its last one, and its generations
    would begin anew when a topic is deleted."""
    while True:
        try:
            if await coordinator.commit(0, 0) is ErrorCode.NONE:
                return
        except KNOWN_LATER:
            pass
        coordinator.forget()
        await coordinator.client.pause()


@dataclass(slots=True)
class Commits:
    """What was committed, as far as those know who did it."""

    acknowledged: dict[int, int] = field(default_factory=dict)
    unsettled: dict[int, set[int]] = field(default_factory=dict)
    """Commits whose fate is not known: any of them may still arrive late and count."""

    def check(self, told: dict[int, int]) -> None:
        for partition, offset in self.acknowledged.items():
            if told.get(partition) not in {offset, *self.unsettled.get(partition, ())}:
                raise Violation(
                    f"offset {offset} of partition {partition} was committed, but the group is told "
                    f"{told.get(partition)}"
                )


class Committer:
    """Commits growing offsets for a group without members, as a consumer with assigned partitions does."""

    def __init__(self, coordinator: Coordinator) -> None:
        self.stopping = False
        self.commits = Commits()
        self.coordinator = coordinator

    async def run(self) -> None:
        offset = 0
        while not self.stopping:
            await self.coordinator.client.pause(0.3)
            offset += 1
            partition = offset % self.coordinator.partitions
            try:
                error = await self.coordinator.commit(partition, offset)
            except KNOWN_LATER:
                error = ErrorCode.COORDINATOR_NOT_AVAILABLE
            if error is ErrorCode.NONE:
                self.commits.acknowledged[partition] = offset
            else:
                self.commits.unsettled.setdefault(partition, set()).add(offset)
                self.coordinator.forget()
                await self.coordinator.client.pause()


@dataclass(slots=True)
class GroupRecord:
    """What all members of a group were told, to be compared."""

    owners: dict[tuple[int, int], str] = field(default_factory=dict)
    """Who was given a partition in a generation."""
    settled: dict[int, set[str]] = field(default_factory=dict)
    """Who has got an assignment in a generation."""
    violations: list[str] = field(default_factory=list)

    def assigned(self, generation: int, member_id: str, partitions: list[int]) -> None:
        for partition in partitions:
            owner = self.owners.setdefault((generation, partition), member_id)
            if owner != member_id:
                self.violations.append(
                    f"{owner} and {member_id} both have partition {partition} in generation {generation}"
                )
        self.settled.setdefault(generation, set()).add(member_id)

    def newest(self) -> int:
        return max(self.settled, default=-1)

    def committed(self, generation: int, newest_before: int) -> None:
        """A commit was acknowledged; newest_before had been given out when it was sent."""
        if generation < newest_before:
            self.violations.append(
                f"a commit of generation {generation} was accepted after generation {newest_before}"
            )


class Member:
    """One member of a group: joins, takes its partitions, heartbeats, commits, and joins again when told."""

    def __init__(self, coordinator: Coordinator, record: GroupRecord) -> None:
        self.stopping = False
        self.generation = -1
        self.assigned: list[int] = []
        self._member_id = ""
        self.coordinator = coordinator
        self._record = record

    async def run(self) -> None:
        while not self.stopping:
            try:
                if self.generation < 0:
                    await self._join()
                else:
                    await self._stay()
            except KNOWN_LATER:
                # The coordinator may be another one; the membership goes on until somebody says otherwise.
                self.coordinator.forget()
                await self.coordinator.client.pause()

    async def _join(self) -> None:
        subscription = encode_record(ConsumerProtocolSubscription(topics=[self.coordinator.client.topic]), 1)
        request = JoinGroupRequest(
            group_id=self.coordinator.group,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            member_id=self._member_id,
            protocol_type=PROTOCOL_TYPE,
            protocols=[JoinGroupRequestProtocol(name=PROTOCOL, metadata=subscription)],
        )
        connection = await self.coordinator.connect()
        joined = await connection.send(request, timeout_ms=JOIN_TIMEOUT_MS)
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self._member_id = joined.member_id
            return
        if joined.error_code:
            await self._refused(joined.error_code)
            return
        self._member_id = joined.member_id
        await self._sync(connection, joined)

    async def _sync(self, connection: BrokerConnection, joined: JoinGroupResponse) -> None:
        request = SyncGroupRequest(
            group_id=self.coordinator.group,
            generation_id=joined.generation_id,
            member_id=self._member_id,
            protocol_type=PROTOCOL_TYPE,
            protocol_name=PROTOCOL,
        )
        if joined.leader == self._member_id:
            request.assignments = self._share_out(sorted(one.member_id for one in joined.members))
        synced = await connection.send(request, timeout_ms=JOIN_TIMEOUT_MS)
        if synced.error_code:
            await self._refused(synced.error_code)
            return
        assignment = decode_record(assignment_messages.ConsumerProtocolAssignment, synced.assignment)
        self.assigned = [index for topic in assignment.assigned_partitions for index in topic.partitions]
        self.generation = joined.generation_id
        self._record.assigned(self.generation, self._member_id, self.assigned)

    def _share_out(self, members: list[str]) -> list[SyncGroupRequestAssignment]:
        topic = self.coordinator.client.topic
        shares = []
        for index, member_id in enumerate(members):
            partitions = list(range(index, self.coordinator.partitions, len(members)))
            share = assignment_messages.ConsumerProtocolAssignment(
                assigned_partitions=[assignment_messages.TopicPartition(topic=topic, partitions=partitions)]
            )
            shares.append(SyncGroupRequestAssignment(member_id=member_id, assignment=encode_record(share, 1)))
        return shares

    async def _stay(self) -> None:
        await asyncio.sleep(HEARTBEAT_S)
        connection = await self.coordinator.connect()
        heartbeat = HeartbeatRequest(
            group_id=self.coordinator.group, generation_id=self.generation, member_id=self._member_id
        )
        answer = await connection.send(heartbeat)
        if answer.error_code:
            await self._refused(answer.error_code)
            return
        for partition in self.assigned:
            generation, newest = self.generation, self._record.newest()
            error = await self.coordinator.commit(partition, generation, generation, self._member_id)
            if error is ErrorCode.NONE:
                self._record.committed(generation, newest)
            else:
                await self._refused(error)
                return

    async def _refused(self, error_code: int) -> None:
        """What a consumer does about each error (ConsumerCoordinator, AbstractCoordinator)."""
        if error_code in (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE):
            self.coordinator.forget()
        elif error_code == ErrorCode.UNKNOWN_MEMBER_ID:
            self._member_id, self.generation, self.assigned = "", -1, []
        elif error_code in (ErrorCode.ILLEGAL_GENERATION, ErrorCode.REBALANCE_IN_PROGRESS):
            self.generation, self.assigned = -1, []
        await self.coordinator.client.pause()
