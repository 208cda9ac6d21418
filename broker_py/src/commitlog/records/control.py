# SPDX-License-Identifier: Apache-2.0
"""Control records: markers that end a transaction in a partition (ControlRecordType, EndTransactionMarker).

key = int16 version 0, int16 type (0 abort, 1 commit); value = int16 version 0, int32 coordinator epoch.
"""

from __future__ import annotations

from struct import Struct

from commitlog.records.batch import CorruptBatch, Record, build_batch

ABORT = 0
COMMIT = 1

_KEY = Struct(">hh")
_VALUE = Struct(">hi")


def end_transaction_marker(
    *, timestamp: int, producer_id: int, producer_epoch: int, committed: bool, coordinator_epoch: int
) -> bytearray:
    """A control batch with one marker, as WriteTxnMarkers appends it."""
    key = _KEY.pack(0, COMMIT if committed else ABORT)
    return build_batch(
        [(timestamp, key, _VALUE.pack(0, coordinator_epoch), ())],
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
    )


def parse_marker(record: Record) -> tuple[bool, int] | None:
    """(committed, coordinator epoch); None for a control record of another type (leader change, snapshot)."""
    if record.key is None or len(record.key) < _KEY.size:
        raise CorruptBatch("Invalid end transaction marker: its key is too short")
    version, kind = _KEY.unpack_from(record.key)
    if version < 0:
        raise CorruptBatch(f"Invalid version found for control record: {version}")
    if kind not in (ABORT, COMMIT):
        return None
    if record.value is None or len(record.value) < _VALUE.size:
        raise CorruptBatch("Invalid end transaction marker: its value is too short")
    return kind == COMMIT, _VALUE.unpack_from(record.value)[1]
