# SPDX-License-Identifier: Apache-2.0
"""Transaction markers."""

from __future__ import annotations

import pytest

from commitlog.records.batch import CorruptBatch, Record, decode_records, read_header
from commitlog.records.control import end_transaction_marker, parse_marker


@pytest.mark.parametrize("committed", [True, False])
def test_markers_are_read_back(committed: bool) -> None:
    data = end_transaction_marker(
        timestamp=5, producer_id=9, producer_epoch=2, committed=committed, coordinator_epoch=44
    )
    header = read_header(data)
    assert header.is_control
    assert header.is_transactional
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (9, 2, -1)
    (record,) = decode_records(data, 0, header)
    assert record.key == (b"\0\0\0\1" if committed else b"\0\0\0\0")
    assert record.value == b"\0\0\0\0\0\x2c"
    assert parse_marker(record) == (committed, 44)


def test_other_control_records_are_no_markers() -> None:
    assert parse_marker(Record(0, 0, b"\0\0\0\2", b"anything")) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, b""), (b"\0", b""), (b"\0\0\0\1", None), (b"\0\0\0\1", b"\0\0"), (b"\xff\xff\0\1", b"\0" * 6)],
)
def test_damaged_markers_are_refused(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(CorruptBatch):
        parse_marker(Record(0, 0, key, value))
