# SPDX-License-Identifier: Apache-2.0
"""DeleteRecords: raise the leader's log start offset and wait until every live replica followed
(DelayedDeleteRecords)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commitlog.replication.produce import INTERNAL_TOPICS
from commitlog.replication.purgatory import DelayedOperation
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition


@dataclass(slots=True)
class DeleteRecordsResult:
    """What became of one partition; low_watermark is -1 with an error."""

    error: ErrorCode = ErrorCode.NONE
    low_watermark: int = -1


class DelayedDeleteRecords(DelayedOperation[list[DeleteRecordsResult]]):
    """Waits for the low watermark of each partition to reach what was asked for."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout_ms: int,
        results: list[DeleteRecordsResult],
        pending: list[tuple[DeleteRecordsResult, Partition, int]],
    ) -> None:
        super().__init__(loop, timeout_ms)
        self._results = results
        self._pending = pending
        self.watch(partition.waiting.deletes for _, partition, _ in pending)

    def check(self, partition: Partition) -> None:
        pending = []
        for result, waited, offset in self._pending:
            try:
                result.low_watermark = waited.low_watermark()
            except KafkaError as error:
                result.error, result.low_watermark = error.code, -1
                continue
            if result.low_watermark < offset:
                pending.append((result, waited, offset))
        self._pending = pending
        if not pending:
            self._finish(self._results)

    def force_complete(self) -> None:
        for result, _, _ in self._pending:
            result.error = ErrorCode.REQUEST_TIMED_OUT
        self._pending = []
        self._finish(self._results)


def delete_records(
    find: Callable[[str, int], Partition], timeout_ms: int, entries: Sequence[tuple[str, int, int]]
) -> list[DeleteRecordsResult] | DelayedDeleteRecords:
    """(topic, partition, offset) each; offset -1 means up to the high watermark."""
    results = []
    pending = []
    for topic, index, offset in entries:
        result = DeleteRecordsResult()
        results.append(result)
        try:
            if topic in INTERNAL_TOPICS:
                raise KafkaError(
                    ErrorCode.INVALID_TOPIC_EXCEPTION, f"Cannot delete records of internal topic {topic}"
                )
            partition = find(topic, index)
            requested, result.low_watermark = partition.delete_records(offset)
        except KafkaError as error:
            result.error = error.code
            continue
        if result.low_watermark < requested:
            pending.append((result, partition, requested))
    if not pending:
        return results
    return DelayedDeleteRecords(asyncio.get_running_loop(), timeout_ms, results, pending)
