# SPDX-License-Identifier: Apache-2.0
"""Which transactions compaction is inside of as it reads along a log (CleanedTransactionMetadata).

Records of aborted transactions go; a marker goes only when nothing of its transaction is left.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from commitlog.records.control import parse_marker
from commitlog.records.header import BatchHeader, Record
from commitlog.storage.txn_index import AbortedTxn, TransactionIndex


class CleanedTransactions:
    """State while reading batches in offset order."""

    def __init__(self) -> None:
        self._committed: set[int] = set()
        self._aborted: dict[int, AbortedTxn] = {}
        self._seen: set[int] = set()  # producers of which a batch of the aborted transaction is still there
        self._coming: list[tuple[int, AbortedTxn]] = []
        self.cleaned_index: TransactionIndex | None = None

    def add(self, aborted: Iterable[AbortedTxn]) -> None:
        """Aborted transactions of the range that is read next."""
        for txn in aborted:
            heapq.heappush(self._coming, (txn.first_offset, txn))

    def _reach(self, offset: int) -> None:
        while self._coming and self._coming[0][0] <= offset:
            _, txn = heapq.heappop(self._coming)
            self._aborted.setdefault(txn.producer_id, txn)

    def saw_batch(self, header: BatchHeader) -> bool:
        """A data batch; is it of an aborted transaction?"""
        self._reach(header.last_offset)
        if not header.is_transactional:
            return False
        if header.producer_id in self._aborted:
            self._seen.add(header.producer_id)
            return True
        self._committed.add(header.producer_id)
        return False

    def saw_control(self, header: BatchHeader, marker: Record | None) -> bool:
        """A control batch; is nothing left of its transaction, so that it may go in its time?"""
        self._reach(header.last_offset)
        parsed = parse_marker(marker) if marker is not None else None
        if marker is not None and parsed is None:
            return False
        if parsed is None:
            return True
        producer_id = header.producer_id
        if parsed[0]:
            empty = producer_id not in self._committed
            self._committed.discard(producer_id)
            return empty
        txn = self._aborted.pop(producer_id, None)
        if txn is None or producer_id not in self._seen:
            return True
        self._seen.discard(producer_id)
        if self.cleaned_index is not None:
            self.cleaned_index.append(txn)
        return False
