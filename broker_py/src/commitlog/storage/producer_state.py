# SPDX-License-Identifier: Apache-2.0
"""What a partition knows of its producers (KIP-98: ProducerStateManager, ProducerAppendInfo).

Idempotence: the last five batches of every producer id, so that a retried batch is recognised and a gap is
refused. Transactions: which are open, which ended above the high watermark, hence the last stable offset.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from commitlog.records.control import parse_marker
from commitlog.records.header import MAX_SEQUENCE, BatchHeader, Record
from commitlog.wire.errors import ErrorCode, KafkaError

BATCHES_TO_RETAIN = 5

_log = logging.getLogger("commitlog.storage.producer_state")


class BatchMetadata(NamedTuple):
    """One remembered batch."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int

    @property
    def first_offset(self) -> int:
        """Offset of its first record."""
        return self.last_offset - self.offset_delta

    @property
    def first_sequence(self) -> int:
        """Sequence number of its first record, which wraps as the last one does."""
        return (self.last_sequence - self.offset_delta) & MAX_SEQUENCE


class CompletedTxn(NamedTuple):
    """A transaction that a marker has just ended."""

    producer_id: int
    first_offset: int
    last_offset: int
    aborted: bool


@dataclass(slots=True)
class ProducerEntry:
    """One producer id (ProducerStateEntry)."""

    producer_id: int
    producer_epoch: int = -1
    coordinator_epoch: int = -1
    last_timestamp: int = -1
    txn_first_offset: int | None = None
    batches: deque[BatchMetadata] = field(default_factory=lambda: deque(maxlen=BATCHES_TO_RETAIN))
    is_from_snapshot: bool = False
    """Then older batches than the last may be in the log without being remembered."""

    def find_duplicate(self, header: BatchHeader) -> BatchMetadata | None:
        """The remembered batch with the same epoch and sequence range."""
        if header.producer_epoch != self.producer_epoch:
            return None
        last = header.last_sequence
        for batch in self.batches:
            if batch.last_sequence == last and batch.first_sequence == header.base_sequence:
                return batch
        return None


class ProducerStates:
    """All producers of one partition."""

    def __init__(self, partition_name: str, expiration_ms: int) -> None:
        self._name = partition_name
        self._expiration_ms = expiration_ms
        self.entries: dict[int, ProducerEntry] = {}
        self._ongoing: dict[int, int] = {}  # first offset to producer id, in growing order
        self._unreplicated: dict[int, int] = {}  # first to last offset of ended ones above the high watermark
        self._verifying: dict[int, tuple[int, object]] = {}  # producer id to epoch and guard
        self._stale_verifications: dict[int, tuple[int, object]] = {}
        self.map_end_offset = 0
        self.first_unstable_offset: int | None = None

    @property
    def is_empty(self) -> bool:
        """No producer is known."""
        return not self.entries and not self._unreplicated

    # ---- checks before an append

    def find_duplicate(self, header: BatchHeader) -> BatchMetadata | None:
        """Was this batch appended before?"""
        entry = self.entries.get(header.producer_id)
        return entry.find_duplicate(header) if entry else None

    def forgotten_before(self, header: BatchHeader) -> int | None:
        """The offset before which this batch may be in the log, unremembered: it is not the producer's next,
        and a snapshot has kept no more than the producer's last."""
        entry = self.entries.get(header.producer_id)
        if entry is None or not entry.is_from_snapshot or entry.producer_epoch != header.producer_epoch:
            return None
        if not entry.batches or header.base_sequence == (entry.batches[-1].last_sequence + 1) & MAX_SEQUENCE:
            return None
        return entry.batches[0].first_offset

    def remember(self, producer_id: int, older: Sequence[BatchHeader]) -> None:
        """These batches were found in the log, all that matter before the first one that is remembered."""
        entry = self.entries[producer_id]
        entry.is_from_snapshot = False
        known = [*map(_remembered, older), *entry.batches]
        entry.batches.clear()
        entry.batches.extend(known)

    def check(self, header: BatchHeader, offset: int, *, from_client: bool) -> None:
        """May this data batch be appended at offset? Raises KafkaError."""
        entry = self.entries.get(header.producer_id)
        self._check_epoch(header, entry, offset)
        if entry is None:
            return
        if from_client:
            self._check_sequence(entry, header, offset)
        if entry.txn_first_offset is not None and not header.is_transactional:
            raise KafkaError(
                ErrorCode.INVALID_TXN_STATE,
                f"Expected transactional write from producer {header.producer_id} at offset {offset} "
                f"in partition {self._name}",
            )

    def _check_sequence(self, entry: ProducerEntry, header: BatchHeader, offset: int) -> None:
        sequence = header.base_sequence
        if header.producer_epoch != entry.producer_epoch:
            if sequence != 0 and entry.producer_epoch != -1:
                raise KafkaError(
                    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                    f"Invalid sequence number for new epoch of producer {header.producer_id} at offset "
                    f"{offset} in partition {self._name}: {header.producer_epoch} (request epoch), "
                    f"{sequence} (seq. number), {entry.producer_epoch} (current producer epoch)",
                )
            return
        last = entry.batches[-1].last_sequence if entry.batches else -1
        # After a marker alone nothing is known of sequences: only 0 begins (NO_SEQUENCE + 1).
        if sequence != ((last + 1) & MAX_SEQUENCE):
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Out of order sequence number for producer {header.producer_id} at offset {offset} in "
                f"partition {self._name}: {sequence} (incoming seq. number), {last} (current "
                "end sequence number)",
            )

    def check_marker(self, header: BatchHeader, marker: Record, offset: int) -> None:
        """May this end transaction marker be appended? Raises KafkaError."""
        parsed = parse_marker(marker)
        entry = self.entries.get(header.producer_id)
        if parsed is None:
            return
        self._check_epoch(header, entry, offset)
        if entry is None:
            return
        if entry.coordinator_epoch > parsed[1]:
            raise KafkaError(
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                f"Invalid coordinator epoch for producerId {header.producer_id} at offset {offset} in "
                f"partition {self._name}: {parsed[1]} (zombie), {entry.coordinator_epoch} (current)",
            )

    def _check_epoch(self, header: BatchHeader, entry: ProducerEntry | None, offset: int) -> None:
        last = -1 if entry is None else entry.producer_epoch
        if header.producer_epoch < last:
            raise KafkaError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch of producer {header.producer_id} at offset {offset} in {self._name} is "
                f"{header.producer_epoch}, which is smaller than the last seen epoch {last}",
            )

    # ---- transactions that the coordinator is asked about before they begin here (KIP-890)

    def begin_verification(self, producer_id: int, producer_epoch: int) -> object | None:
        """A guard for the producer's next transaction; None when that is open here already."""
        if self._has_open_transaction(producer_id):
            return None
        known = self._verifying.get(producer_id)
        if known is not None and known[0] == producer_epoch:
            return known[1]
        guard = object()
        self._verifying[producer_id] = producer_epoch, guard
        return guard

    def is_verified(self, producer_id: int, producer_epoch: int, guard: object) -> bool:
        """Has no marker come since the guard was given out? Or else the transaction has begun meanwhile."""
        return self._verifying.get(producer_id) == (producer_epoch, guard) or self._has_open_transaction(
            producer_id
        )

    def _has_open_transaction(self, producer_id: int) -> bool:
        """UnifiedLog.hasOngoingTransaction, which looks at no epoch in 3.9."""
        entry = self.entries.get(producer_id)
        return entry is not None and entry.txn_first_offset is not None

    # ---- after an append, and when a log is scanned

    def add_batch(self, header: BatchHeader) -> None:
        """A data batch is in the log."""
        entry = self._entry_of(header.producer_id, header.producer_epoch)
        entry.batches.append(_remembered(header))
        entry.last_timestamp = header.max_timestamp
        if header.is_transactional and entry.txn_first_offset is None:
            self._verifying.pop(header.producer_id, None)
            entry.txn_first_offset = header.base_offset
            self._ongoing[header.base_offset] = header.producer_id
            self._update_first_unstable()

    def add_marker(self, header: BatchHeader, marker: Record) -> CompletedTxn | None:
        """An end transaction marker is in the log: the transaction that it ended, unless that was empty."""
        parsed = parse_marker(marker)
        if parsed is None:
            return None
        committed, coordinator_epoch = parsed
        self._verifying.pop(header.producer_id, None)
        entry = self._entry_of(header.producer_id, header.producer_epoch)
        entry.coordinator_epoch = coordinator_epoch
        entry.last_timestamp = marker.timestamp
        first_offset, entry.txn_first_offset = entry.txn_first_offset, None
        if first_offset is None:
            return None
        return CompletedTxn(header.producer_id, first_offset, header.base_offset, not committed)

    def _entry_of(self, producer_id: int, producer_epoch: int) -> ProducerEntry:
        entry = self.entries.get(producer_id)
        if entry is None:
            entry = self.entries[producer_id] = ProducerEntry(producer_id, producer_epoch)
        elif entry.producer_epoch != producer_epoch:
            entry.producer_epoch = producer_epoch
            entry.batches.clear()
            entry.is_from_snapshot = False
        return entry

    def last_stable_offset_after(self, completed: CompletedTxn) -> int:
        """The last stable offset once this transaction is complete, as its txn index entry records it."""
        others = (first for first, pid in self._ongoing.items() if pid != completed.producer_id)
        return next(others, completed.last_offset + 1)

    def complete(self, completed: CompletedTxn) -> None:
        """The transaction stays unstable until the high watermark passes its marker."""
        self._ongoing.pop(completed.first_offset, None)
        self._unreplicated[completed.first_offset] = completed.last_offset
        self._update_first_unstable()

    def on_high_watermark(self, high_watermark: int) -> None:
        """Forget ended transactions whose markers are replicated."""
        if self._unreplicated:
            self._drop_unreplicated_below(high_watermark)

    def on_log_start_offset(self, log_start_offset: int) -> None:
        """The log's beginning went."""
        self._drop_unreplicated_below(log_start_offset)
        self.map_end_offset = max(self.map_end_offset, log_start_offset)

    def _drop_unreplicated_below(self, offset: int) -> None:
        self._unreplicated = {f: last for f, last in self._unreplicated.items() if last >= offset}
        self._update_first_unstable()

    def _update_first_unstable(self) -> None:
        candidates = list(self._unreplicated)
        candidates += list(self._ongoing)[:1]
        self.first_unstable_offset = min(candidates, default=None)

    # ---- life

    def is_expired(self, entry: ProducerEntry, now_ms: int) -> bool:
        """Has it been silent for producer.id.expiration.ms, outside a transaction?"""
        return entry.txn_first_offset is None and now_ms - entry.last_timestamp >= self._expiration_ms

    def remove_expired(self, now_ms: int) -> None:
        """Forget silent producers."""
        expired = [pid for pid, entry in self.entries.items() if self.is_expired(entry, now_ms)]
        for producer_id in expired:
            del self.entries[producer_id]
        # Guards of producers that never wrote go when they are here for a second round.
        for producer_id, guard in self._stale_verifications.items():
            if self._verifying.get(producer_id) == guard:
                del self._verifying[producer_id]
        self._stale_verifications = dict(self._verifying)

    def clear(self, offset: int) -> None:
        """Forget everything; the state is that of offset."""
        self.entries.clear()
        self._ongoing.clear()
        self._unreplicated.clear()
        self._verifying.clear()
        self.first_unstable_offset = None
        self.map_end_offset = offset

    def load(self, entries: list[ProducerEntry], offset: int, now_ms: int) -> None:
        """Take the state of a snapshot, but for what has expired since."""
        self.clear(offset)
        for entry in entries:
            if not self.is_expired(entry, now_ms):
                entry.is_from_snapshot = True
                self.entries[entry.producer_id] = entry
        open_txns = (e for e in self.entries.values() if e.txn_first_offset is not None)
        self._ongoing = {
            e.txn_first_offset: e.producer_id
            for e in sorted(open_txns, key=lambda e: e.txn_first_offset or 0)
            if e.txn_first_offset is not None
        }
        self._update_first_unstable()


def _remembered(header: BatchHeader) -> BatchMetadata:
    return BatchMetadata(
        header.last_sequence, header.last_offset, header.last_offset_delta, header.max_timestamp
    )
