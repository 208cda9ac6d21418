# SPDX-License-Identifier: Apache-2.0
"""Reading a partition of `__transaction_state` from its first record to its last
(TransactionStateManager.loadTransactionMetadata): of several records with a key the last one counts, a
record without a value takes it away."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from commitlog.records.batch import BatchHeader, CorruptBatch, Record
from commitlog.transactions.metadata import TransactionMetadata
from commitlog.transactions.records import read_key, read_value

logger = logging.getLogger("commitlog.transactions.replay")


class TransactionReplay:
    """What has been read so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.transactions: dict[str, TransactionMetadata] = {}

    def apply(self, header: BatchHeader, records: Sequence[Record]) -> None:
        """One batch, in the order of the log."""
        if header.is_control:
            return
        for record in records:
            if record.key is None:
                raise CorruptBatch(f"Record at offset {record.offset} of {self.name} has no key")
            key = read_key(record.key)
            if isinstance(key, int):
                logger.warning(
                    "Unknown message key with version %d while loading transaction state from %s. "
                    "Ignoring it. It could be a left over from an aborted upgrade.",
                    key,
                    self.name,
                )
            elif record.value is None:
                self.transactions.pop(key, None)
            else:
                self.transactions[key] = read_value(key, record.value)
