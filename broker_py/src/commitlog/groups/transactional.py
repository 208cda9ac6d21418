# SPDX-License-Identifier: Apache-2.0
"""Offsets that are committed within a producer's transaction (TxnOffsetCommit, KIP-98 and KIP-447).

Kafka's GroupCoordinator.handleTxnCommitOffsets and GroupMetadataManager.handleTxnCompletion. The offsets are
written at once, as a transactional batch, and wait for the marker: a commit makes them the group's, an
abort forgets them. Until then they make OffsetFetch with require_stable wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from commitlog.groups.cache import GroupCache
from commitlog.groups.commits import is_too_long
from commitlog.groups.group import Group
from commitlog.groups.log_writer import LogWriter
from commitlog.groups.offsets import CommittedOffset, TopicPartition
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.txn_offset_commit_request import TxnOffsetCommitRequest
from commitlog.wire.messages.txn_offset_commit_response import (
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig


class TransactionalOffsets:
    """Which groups have offsets in which producer's open transaction."""

    def __init__(
        self, config: BrokerConfig, cache: GroupCache, writer: LogWriter, now_ms: Callable[[], int]
    ) -> None:
        self._config = config
        self._cache = cache
        self._writer = writer
        self._now_ms = now_ms
        self._groups: dict[int, dict[Group, None]] = {}

    def loaded(self, group: Group, producer_ids: Collection[int]) -> None:
        """The log ended within transactions of these producers."""
        for producer_id in producer_ids:
            self._groups.setdefault(producer_id, {})[group] = None

    def commit(
        self, request: TxnOffsetCommitRequest
    ) -> TxnOffsetCommitResponse | asyncio.Future[TxnOffsetCommitResponse]:
        error = self._cache.error_for(request.group_id)
        if error is not ErrorCode.NONE:
            return txn_commit_response(request, error)
        group = self._cache.get_or_create(request.group_id)
        error = group.txn_commit_error(request.generation_id, request.member_id, request.group_instance_id)
        if error is not ErrorCode.NONE:
            return txn_commit_response(request, error)
        commits, refused = self._judge(request)
        if not commits:
            return txn_commit_response(request, ErrorCode.NONE, refused)
        answer: asyncio.Future[TxnOffsetCommitResponse] = asyncio.get_running_loop().create_future()
        producer_id = request.producer_id

        def written(error: ErrorCode, batch_offset: int) -> None:
            if error is ErrorCode.NONE:
                group.offsets.appended_transactional(producer_id, commits, batch_offset)
            else:
                group.offsets.failed_transactional(producer_id, commits)
            if not answer.done():
                answer.set_result(txn_commit_response(request, error, refused))

        group.offsets.prepare_transactional(producer_id, commits)
        self._groups.setdefault(producer_id, {})[group] = None
        self._writer.store_txn_offsets(
            group, commits, written, producer_id=producer_id, producer_epoch=request.producer_epoch
        )
        return answer.result() if answer.done() else answer

    def _judge(
        self, request: TxnOffsetCommitRequest
    ) -> tuple[dict[TopicPartition, CommittedOffset], dict[TopicPartition, ErrorCode]]:
        now_ms = self._now_ms()
        limit = self._config.offset_metadata_max_bytes
        commits: dict[TopicPartition, CommittedOffset] = {}
        refused: dict[TopicPartition, ErrorCode] = {}
        for topic in request.topics:
            for asked in topic.partitions:
                partition = (topic.name, asked.partition_index)
                if is_too_long(asked.committed_metadata, limit):
                    refused[partition] = ErrorCode.OFFSET_METADATA_TOO_LARGE
                    continue
                commits[partition] = CommittedOffset(
                    offset=asked.committed_offset,
                    leader_epoch=asked.committed_leader_epoch,
                    metadata=asked.committed_metadata or "",
                    commit_timestamp=now_ms,
                )
        return commits, refused

    def complete(self, producer_id: int, partitions: Iterable[int], *, committed: bool) -> None:
        """The producer's transaction has ended in these partitions of the offsets topic."""
        groups = self._groups.get(producer_id)
        if groups is None:
            return
        completed = set(partitions)
        for group in [each for each in groups if each.offsets_partition in completed]:
            del groups[group]
            group.offsets.complete_transaction(producer_id, committed=committed)
        if not groups:
            del self._groups[producer_id]

    def unloaded(self, group: Group) -> None:
        """Another broker coordinates the group now, and reads its open transactions from the log."""
        for producer_id in [one for one, groups in self._groups.items() if group in groups]:
            del self._groups[producer_id][group]
            if not self._groups[producer_id]:
                del self._groups[producer_id]


def txn_commit_response(
    request: TxnOffsetCommitRequest,
    error: ErrorCode,
    refused: Mapping[TopicPartition, ErrorCode] | None = None,
) -> TxnOffsetCommitResponse:
    """Every partition of the request with its own error, else with the error of the whole."""
    refused = refused or {}
    return TxnOffsetCommitResponse(
        topics=[
            TxnOffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    TxnOffsetCommitResponsePartition(
                        partition_index=partition.partition_index,
                        error_code=refused.get((topic.name, partition.partition_index), error),
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
