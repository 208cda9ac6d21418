# SPDX-License-Identifier: Apache-2.0
"""Writing to `__consumer_offsets`, and what an error of the log means to a client of the coordinator.

Kafka's GroupMetadataManager.storeGroup, storeOffsets and the tombstones of cleanupGroupMetadata.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from commitlog.groups.group import Group
from commitlog.groups.offsets import CommittedOffset, TopicPartition
from commitlog.groups.records import group_key, group_value, offset_key, offset_value
from commitlog.records.batch import build_batch
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.group_metadata_value import GroupMetadataValue

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.replica_manager import AppendResult, ReplicaManager

logger = logging.getLogger("commitlog.groups.log_writer")

OFFSETS_TOPIC = "__consumer_offsets"
TOMBSTONES_PER_BATCH = 1000
"""Keeps a batch below any sensible max.message.bytes, however many offsets a group has."""

_UNAVAILABLE = dict.fromkeys(
    (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ),
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
) | dict.fromkeys(
    (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.KAFKA_STORAGE_ERROR), ErrorCode.NOT_COORDINATOR
)
_TOO_LARGE = (
    ErrorCode.MESSAGE_TOO_LARGE,
    ErrorCode.RECORD_LIST_TOO_LARGE,
    ErrorCode.INVALID_FETCH_SIZE,
)
_GROUP_ERRORS = {
    **_UNAVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.REBALANCE_IN_PROGRESS,
    **dict.fromkeys(_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
}
_COMMIT_ERRORS = {**_UNAVAILABLE, **dict.fromkeys(_TOO_LARGE, ErrorCode.INVALID_COMMIT_OFFSET_SIZE)}

Done = Callable[[ErrorCode, int], None]
"""Called with the error as a client is told of it, and the offset at which the batch was written."""


class LogWriter:
    """Appends the coordinator's records through the replica manager."""

    def __init__(self, config: BrokerConfig, replicas: ReplicaManager, now_ms: Callable[[], int]) -> None:
        self._config = config
        self._replicas = replicas
        self._now_ms = now_ms

    def store_group(self, group: Group, value: GroupMetadataValue, done: Done) -> None:
        def mapped(error: ErrorCode, offset: int) -> None:
            if error is not ErrorCode.NONE:
                logger.debug(
                    "Metadata from group %s with generation %d failed when appending to log due to %s",
                    group.group_id,
                    value.generation,
                    error.name,
                )
            done(_GROUP_ERRORS.get(error, error), offset)

        self._append(group, [(group_key(group.group_id), group_value(value))], mapped)

    def store_offsets(
        self, group: Group, commits: Mapping[TopicPartition, CommittedOffset], done: Done
    ) -> None:
        def mapped(error: ErrorCode, offset: int) -> None:
            if error is not ErrorCode.NONE:
                logger.debug(
                    "Offset commit from group %s with generation %d failed when appending to log due to %s",
                    group.group_id,
                    group.generation_id,
                    error.name,
                )
            done(_COMMIT_ERRORS.get(error, error), offset)

        records = [
            (offset_key(group.group_id, partition), offset_value(committed))
            for partition, committed in commits.items()
        ]
        self._append(group, records, mapped)

    def store_txn_offsets(
        self,
        group: Group,
        commits: Mapping[TopicPartition, CommittedOffset],
        done: Done,
        *,
        producer_id: int,
        producer_epoch: int,
    ) -> None:
        """The same in a transaction: a transactional batch without sequence numbers."""

        def mapped(error: ErrorCode, offset: int) -> None:
            if error is not ErrorCode.NONE:
                logger.debug(
                    "Transactional offset commit of producer %d for group %s failed when appending to log "
                    "due to %s",
                    producer_id,
                    group.group_id,
                    error.name,
                )
            done(_COMMIT_ERRORS.get(error, error), offset)

        records = [
            (offset_key(group.group_id, partition), offset_value(committed))
            for partition, committed in commits.items()
        ]
        self._append(group, records, mapped, producer=(producer_id, producer_epoch))

    def erase(self, group: Group, partitions: Sequence[TopicPartition], *, erase_group: bool) -> None:
        """Tombstones; nobody waits for them: one that is lost is written again when the group is cleaned up
        next."""
        keys = [offset_key(group.group_id, partition) for partition in partitions]
        if erase_group:
            keys.append(group_key(group.group_id))

        def log_failure(error: ErrorCode, _: int) -> None:
            if error is not ErrorCode.NONE:
                logger.error(
                    "Failed to append tombstones to %s-%d for expired/deleted offsets and/or metadata "
                    "for group %s: %s",
                    OFFSETS_TOPIC,
                    group.offsets_partition,
                    group.group_id,
                    error.name,
                )

        for start in range(0, len(keys), TOMBSTONES_PER_BATCH):
            batch: list[tuple[bytes, bytes | None]] = [
                (key, None) for key in keys[start : start + TOMBSTONES_PER_BATCH]
            ]
            self._append(group, batch, log_failure, acks=0)

    def _append(
        self,
        group: Group,
        records: Sequence[tuple[bytes, bytes | None]],
        done: Done,
        *,
        acks: int | None = None,
        producer: tuple[int, int] | None = None,
    ) -> None:
        timestamp = self._now_ms()
        config = self._config
        batch = build_batch(
            [(timestamp, key, value, ()) for key, value in records],
            codec=config.offsets_topic_compression_codec,
            producer_id=-1 if producer is None else producer[0],
            producer_epoch=-1 if producer is None else producer[1],
            is_transactional=producer is not None,
        )
        outcome = self._replicas.append_records(
            acks=config.offsets_commit_required_acks if acks is None else acks,
            timeout_ms=config.offsets_commit_timeout_ms,
            entries=[(OFFSETS_TOPIC, group.offsets_partition, batch)],
            origin="coordinator",
            allow_internal=True,
        )
        if isinstance(outcome, list):
            done(outcome[0].error, outcome[0].base_offset)
        else:
            outcome.add_done_callback(lambda future: done(*_result_of(future)))


def _result_of(future: asyncio.Future[list[AppendResult]]) -> tuple[ErrorCode, int]:
    if future.cancelled():
        return ErrorCode.NOT_LEADER_OR_FOLLOWER, -1  # the replica manager is shutting down
    reason = future.exception()
    if reason is not None:
        logger.error("Appending to %s failed", OFFSETS_TOPIC, exc_info=reason)
        return ErrorCode.UNKNOWN_SERVER_ERROR, -1
    result = future.result()[0]
    return result.error, result.base_offset
