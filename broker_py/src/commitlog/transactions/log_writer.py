# SPDX-License-Identifier: Apache-2.0
"""Writing to `__transaction_state`, and what an error of the log means to a client of the coordinator.

Kafka's TransactionStateManager.appendTransactionToLog. A step is true once all in-sync replicas have it;
until then it is pending. When we are no longer the coordinator by then, the step is for the next one to
find in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from commitlog.records.batch import build_batch
from commitlog.transactions.cache import TransactionCache
from commitlog.transactions.metadata import Transition
from commitlog.transactions.records import transaction_key, transaction_value
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.replication.replica_manager import AppendResult, ReplicaManager

logger = logging.getLogger("commitlog.transactions.log_writer")

TRANSACTIONS_TOPIC = "__transaction_state"
ALL_REPLICAS = -1

_ERRORS = {
    **dict.fromkeys(
        (
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode.NOT_ENOUGH_REPLICAS,
            ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            ErrorCode.REQUEST_TIMED_OUT,
        ),
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ),
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
}

Done = Callable[[ErrorCode], None]


class TransactionLog:
    """Appends the coordinator's records through the replica manager."""

    def __init__(self, replicas: ReplicaManager, cache: TransactionCache, now_ms: Callable[[], int]) -> None:
        self._replicas = replicas
        self._cache = cache
        self._now_ms = now_ms

    def append(
        self,
        transactional_id: str,
        coordinator_epoch: int,
        transition: Transition,
        done: Done,
        *,
        retry_on: ErrorCode | None = None,
    ) -> None:
        """Write the pending step and make it true. After a failure nothing is pending any more, unless the
        caller will try again after that error."""
        try:
            epoch, metadata = self._cache.find(transactional_id)
        except KafkaError as reason:
            done(reason.code)
            return
        if metadata is None or epoch != coordinator_epoch:
            done(ErrorCode.NOT_COORDINATOR)
            return

        def appended(error: ErrorCode) -> None:
            error = _ERRORS.get(error, error)
            current = self._cache.current(transactional_id, coordinator_epoch)
            if error is not ErrorCode.NONE:
                logger.info(
                    "Appending %s's new state %s to the transaction log failed: %s",
                    transactional_id,
                    transition.state.label,
                    error.name,
                )
                if current is metadata and error is not retry_on:
                    metadata.pending = None
            elif current is metadata:
                metadata.complete(transition)
            else:
                error = self._why_gone(transactional_id)
            done(error)

        record = transaction_key(transactional_id), transaction_value(transition)
        self.write(self._cache.partition_for(transactional_id), [record], transition.timeout_ms, appended)

    def _why_gone(self, transactional_id: str) -> ErrorCode:
        try:
            self._cache.find(transactional_id)
        except KafkaError as reason:
            return reason.code
        return ErrorCode.NOT_COORDINATOR

    def write(
        self, partition: int, records: Sequence[tuple[bytes, bytes | None]], timeout_ms: int, done: Done
    ) -> None:
        """Append one batch; `done` is told the log's own error."""
        timestamp = self._now_ms()
        outcome = self._replicas.append_records(
            acks=ALL_REPLICAS,
            timeout_ms=timeout_ms,
            entries=[
                (
                    TRANSACTIONS_TOPIC,
                    partition,
                    build_batch([(timestamp, key, value, ()) for key, value in records]),
                )
            ],
            origin="coordinator",
            allow_internal=True,
        )
        if isinstance(outcome, list):
            done(outcome[0].error)
        else:
            outcome.add_done_callback(lambda future: done(_result_of(future)))


def _result_of(future: asyncio.Future[list[AppendResult]]) -> ErrorCode:
    if future.cancelled():
        return ErrorCode.NOT_LEADER_OR_FOLLOWER  # the replica manager is shutting down
    reason = future.exception()
    if reason is not None:
        logger.error("Appending to %s failed", TRANSACTIONS_TOPIC, exc_info=reason)
        return ErrorCode.UNKNOWN_SERVER_ERROR
    return future.result()[0].error
