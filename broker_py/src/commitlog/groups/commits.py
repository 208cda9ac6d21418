# SPDX-License-Identifier: Apache-2.0
"""OffsetCommit and OffsetFetch against the groups in memory and the log behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from commitlog.groups.cache import GroupCache
from commitlog.groups.group import Group, GroupState
from commitlog.groups.log_writer import LogWriter
from commitlog.groups.offsets import NO_EXPIRY, CommittedOffset, TopicPartition
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.offset_commit_request import OffsetCommitRequest, OffsetCommitRequestPartition
from commitlog.wire.messages.offset_commit_response import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from commitlog.wire.messages.offset_fetch_response import (
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig

NO_OFFSET = -1
DEFAULT_RETENTION_MS = -1
DEFAULT_TIMESTAMP = -1
MAX_TIMESTAMP_MS = 2**63 - 1
"""A retention that goes beyond it is for ever."""

Errors = Mapping[TopicPartition, ErrorCode]


class OffsetStore:
    """The offsets of every group that this broker coordinates."""

    def __init__(
        self,
        config: BrokerConfig,
        cache: GroupCache,
        writer: LogWriter,
        now_ms: Callable[[], int],
        carry_out: Callable[[Group], None],
    ) -> None:
        self._config = config
        self._cache = cache
        self._writer = writer
        self._now_ms = now_ms
        self._carry_out = carry_out

    def commit(
        self, request: OffsetCommitRequest
    ) -> OffsetCommitResponse | asyncio.Future[OffsetCommitResponse]:
        """Write the offsets, then remember them: never the other way round."""
        group, error = self._group_for(request)
        if group is None:
            return _commit_response(request, error, {})
        commits, refused = self._judge(request)
        if not commits:
            return _commit_response(request, ErrorCode.NONE, refused)
        answer: asyncio.Future[OffsetCommitResponse] = asyncio.get_running_loop().create_future()

        def written(error: ErrorCode, batch_offset: int) -> None:
            if error is ErrorCode.NONE:
                group.offsets.appended(commits, batch_offset)
            else:
                group.offsets.failed(commits)
            if not answer.done():
                answer.set_result(_commit_response(request, error, refused))

        group.offsets.prepare(commits)
        self._writer.store_offsets(group, commits, written)
        return answer.result() if answer.done() else answer

    def _group_for(self, request: OffsetCommitRequest) -> tuple[Group | None, ErrorCode]:
        error = self._cache.error_for(request.group_id, allow_empty_id=True)
        if error is not ErrorCode.NONE:
            return None, error
        group = self._cache.get(request.group_id)
        generation_id = request.generation_id_or_member_epoch
        if group is None:
            if generation_id >= 0:
                return None, ErrorCode.ILLEGAL_GENERATION
            # A consumer that uses us for its offsets only.
            group = self._cache.get_or_create(request.group_id)
        error = group.commit_error(generation_id, request.member_id, request.group_instance_id)
        self._carry_out(group)
        return (group, error) if error is ErrorCode.NONE else (None, error)

    def _judge(
        self, request: OffsetCommitRequest
    ) -> tuple[dict[TopicPartition, CommittedOffset], dict[TopicPartition, ErrorCode]]:
        """What to write, and what not: the client's note has a size limit."""
        now_ms = self._now_ms()
        limit = self._config.offset_metadata_max_bytes
        expire_timestamp = NO_EXPIRY
        if request.retention_time_ms != DEFAULT_RETENTION_MS:
            expire_timestamp = min(now_ms + request.retention_time_ms, MAX_TIMESTAMP_MS)
        commits: dict[TopicPartition, CommittedOffset] = {}
        refused: dict[TopicPartition, ErrorCode] = {}
        for topic in request.topics:
            for asked in topic.partitions:
                partition = (topic.name, asked.partition_index)
                if is_too_long(asked.committed_metadata, limit):
                    refused[partition] = ErrorCode.OFFSET_METADATA_TOO_LARGE
                else:
                    commits[partition] = _committed(asked, now_ms, expire_timestamp)
        return commits, refused

    def fetch(
        self, group_id: str, partitions: Sequence[TopicPartition] | None, *, require_stable: bool
    ) -> OffsetFetchResponseGroup:
        """What the group has committed; -1 for a partition of which it has not."""
        error = self._cache.error_for(group_id, allow_empty_id=True)
        if error is not ErrorCode.NONE:
            return OffsetFetchResponseGroup(group_id=group_id, error_code=error)
        group = self._cache.get(group_id)
        if group is not None and group.state is GroupState.DEAD:
            group = None
        if partitions is None:
            partitions = [] if group is None else group.offsets.partitions()
        topics: dict[str, OffsetFetchResponseTopics] = {}
        for topic, index in partitions:
            if topic not in topics:
                topics[topic] = OffsetFetchResponseTopics(name=topic)
            topics[topic].partitions.append(_fetched(group, topic, index, require_stable=require_stable))
        return OffsetFetchResponseGroup(group_id=group_id, topics=list(topics.values()))


def is_too_long(metadata: str | None, limit: int) -> bool:
    """offset.metadata.max.bytes is compared, in spite of its name, with the length of a Java string."""
    if metadata is None or 2 * len(metadata) <= limit:
        return False
    return len(metadata.encode("utf-16-le")) // 2 > limit


def _committed(asked: OffsetCommitRequestPartition, now_ms: int, expire_timestamp: int) -> CommittedOffset:
    timestamp = asked.commit_timestamp
    return CommittedOffset(
        offset=asked.committed_offset,
        leader_epoch=asked.committed_leader_epoch,
        metadata=asked.committed_metadata or "",
        commit_timestamp=now_ms if timestamp == DEFAULT_TIMESTAMP else timestamp,
        expire_timestamp=expire_timestamp,
    )


def _fetched(
    group: Group | None, topic: str, index: int, *, require_stable: bool
) -> OffsetFetchResponsePartitions:
    response = OffsetFetchResponsePartitions(partition_index=index, committed_offset=NO_OFFSET, metadata="")
    if group is None:
        return response
    if require_stable and group.offsets.is_unstable((topic, index)):
        response.error_code = ErrorCode.UNSTABLE_OFFSET_COMMIT
        return response
    committed = group.offsets.get((topic, index))
    if committed is not None:
        response.committed_offset = committed.offset
        response.committed_leader_epoch = committed.leader_epoch
        response.metadata = committed.metadata
    return response


def _commit_response(request: OffsetCommitRequest, error: ErrorCode, refused: Errors) -> OffsetCommitResponse:
    """Every partition of the request with its own error, else with the error of the whole."""
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetCommitResponsePartition(
                        partition_index=partition.partition_index,
                        error_code=refused.get((topic.name, partition.partition_index), error),
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
