# SPDX-License-Identifier: Apache-2.0
"""Appending to leaders, and waiting for followers when acks=all (ReplicaManager.appendRecords,
DelayedProduce)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commitlog.replication.purgatory import DelayedOperation
from commitlog.storage.log import RecordValidationError
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition
    from commitlog.storage.log import Origin

logger = logging.getLogger("commitlog.replication.produce")

INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state"})
_VALID_ACKS = frozenset({-1, 0, 1})

# Errors that tell nothing about the log: the answer carries no log start offset.
_WITHOUT_LOG_START = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)

Entry = tuple[str, int, "bytearray | memoryview"]


@dataclass(slots=True)
class AppendResult:
    """What became of one partition's records."""

    error: ErrorCode = ErrorCode.NONE
    base_offset: int = -1
    last_offset: int = -1
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    error_message: str | None = None
    record_errors: Sequence[tuple[int, str | None]] = ()


class DelayedProduce(DelayedOperation[list[AppendResult]]):
    """Records that were appended and wait for the high watermark to pass them."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout_ms: int,
        results: list[AppendResult],
        pending: list[tuple[AppendResult, Partition]],
    ) -> None:
        super().__init__(loop, timeout_ms)
        self._results = results
        self._pending = pending
        self.watch(partition.waiting.produces for _, partition in pending)

    def check(self, partition: Partition) -> None:
        pending = []
        for result, waited in self._pending:
            error = waited.replicated(result.last_offset + 1)
            if error is None:
                pending.append((result, waited))
            elif error is not ErrorCode.NONE:
                result.error = error
        self._pending = pending
        if not pending:
            self._finish(self._results)

    def force_complete(self) -> None:
        # The records stay in the log: the client cannot know whether they will be committed.
        for result, _ in self._pending:
            result.error = ErrorCode.REQUEST_TIMED_OUT
        self._pending = []
        self._finish(self._results)


def append_records(
    find: Callable[[str, int], Partition],
    *,
    acks: int,
    timeout_ms: int,
    entries: Sequence[Entry],
    origin: Origin,
    allow_internal: bool,
) -> list[AppendResult] | DelayedProduce:
    """Append each entry; a DelayedProduce only when some followers do not have the records yet."""
    if acks not in _VALID_ACKS:
        return [AppendResult(ErrorCode.INVALID_REQUIRED_ACKS) for _ in entries]
    results = []
    pending = []
    for topic, index, records in entries:
        try:
            if not allow_internal and topic in INTERNAL_TOPICS:
                raise KafkaError(
                    ErrorCode.INVALID_TOPIC_EXCEPTION, f"Cannot append to internal topic {topic}"
                )
            partition = find(topic, index)
            traffic = partition.traffic
            traffic.produces += 1
            info = partition.append_as_leader(records, acks, origin)
        except KafkaError as error:
            results.append(_failed(find, topic, index, error))
            continue
        result = AppendResult(
            ErrorCode.NONE, info.first_offset, info.last_offset, info.log_append_time, info.log_start_offset
        )
        results.append(result)
        traffic.bytes_in += len(records)
        traffic.messages_in += info.last_offset - info.first_offset + 1
        if acks == -1 and partition.replicated(info.last_offset + 1) is None:
            pending.append((result, partition))
    if not pending:
        return results
    return DelayedProduce(asyncio.get_running_loop(), timeout_ms, results, pending)


def _failed(find: Callable[[str, int], Partition], topic: str, index: int, error: KafkaError) -> AppendResult:
    result = AppendResult(error.code)
    with contextlib.suppress(KafkaError):
        find(topic, index).traffic.failed_produces += 1
    if isinstance(error, RecordValidationError):
        # The only text that goes to the producer: it says which of its records were refused, and why.
        result.error_message = error.message
        result.record_errors = error.record_errors
    if error.code in _WITHOUT_LOG_START or error.code is ErrorCode.INVALID_TOPIC_EXCEPTION:
        return result
    logger.info("Error processing append operation on partition %s-%d: %s", topic, index, error)
    log = find(topic, index).log
    if log is not None:
        result.log_start_offset = log.log_start_offset
    return result
