# SPDX-License-Identifier: Apache-2.0
"""Control records: the transaction markers that end a transaction in a partition (ControlRecordType, EndTransactionMarker)."""

from __future__ import annotations

from commitlog.records.batch import Record

ABORT = 0
COMMIT = 1


def end_transaction_marker(
    *, timestamp: int, producer_id: int, producer_epoch: int, committed: bool, coordinator_epoch: int
) -> bytearray:
    """A control batch with one marker, as WriteTxnMarkers appends it."""
    raise NotImplementedError


def parse_marker(record: Record) -> tuple[bool, int] | None:
    """(committed, coordinator epoch); None for a control record of another type."""
    raise NotImplementedError
