# SPDX-License-Identifier: Apache-2.0
"""Forgetting transactional ids that are not used any more (TransactionStateManager.
removeExpiredTransactionalIds): a tombstone each, and once the log has it the id is gone."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from commitlog.transactions.cache import OwnedPartition, TransactionCache
from commitlog.transactions.log_writer import TRANSACTIONS_TOPIC, TransactionLog
from commitlog.transactions.metadata import TransactionMetadata, TransactionState
from commitlog.transactions.records import transaction_key
from commitlog.wire.errors import ErrorCode

logger = logging.getLogger("commitlog.transactions.expiration")

TOMBSTONES_PER_BATCH = 1000
"""Keeps a batch below any sensible max.message.bytes."""


def expire_transactional_ids(
    cache: TransactionCache, log: TransactionLog, now_ms: int, *, expiration_ms: int, timeout_ms: int
) -> None:
    """One round over all partitions."""
    for partition, owned in cache.owned():
        expired = [each for each in owned.transactions.values() if each.is_expired(now_ms, expiration_ms)]
        for start in range(0, len(expired), TOMBSTONES_PER_BATCH):
            _expire(cache, log, partition, owned, expired[start : start + TOMBSTONES_PER_BATCH], timeout_ms)


def _expire(
    cache: TransactionCache,
    log: TransactionLog,
    partition: int,
    owned: OwnedPartition,
    expired: Sequence[TransactionMetadata],
    timeout_ms: int,
) -> None:
    for metadata in expired:
        metadata.die()  # from here on nobody begins anything with it

    def written(error: ErrorCode) -> None:
        if error is not ErrorCode.NONE:
            logger.warning(
                "Failed to remove expired transactional ids from %s-%d: %s",
                TRANSACTIONS_TOPIC,
                partition,
                error.name,
            )
        for metadata in expired:
            name = metadata.transactional_id
            if cache.current(name, owned.coordinator_epoch) is not metadata:
                continue
            if error is ErrorCode.NONE and metadata.pending is TransactionState.DEAD:
                del owned.transactions[name]
            else:
                metadata.pending = None

    log.write(
        partition,
        [(transaction_key(metadata.transactional_id), None) for metadata in expired],
        timeout_ms,
        written,
    )
