# SPDX-License-Identifier: Apache-2.0
"""The three index files of a segment, to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.storage.checked_ranges import CheckedRanges
from commitlog.storage.file_cache import FileCache
from commitlog.storage.offset_index import OffsetIndex
from commitlog.storage.time_index import TimeIndex
from commitlog.storage.txn_index import AbortedTxn, TransactionIndex
from tests.storage.memory_disk import MemoryDisk

BASE = 1000


def offset_index(disk: MemoryDisk) -> OffsetIndex:
    index = OffsetIndex(FileCache(disk), "/x.index", BASE)
    index.create()
    return index


def test_offset_entries_are_kafkas_to_the_byte() -> None:
    disk = MemoryDisk()
    index = offset_index(disk)
    index.add(BASE + 5, 300)
    index.add(BASE + 2**31 - 1, 4096)
    assert disk.files["/x.index"].data == b""  # in memory until flushed
    index.flush()
    assert disk.files["/x.index"].data.hex(" ", 4) == "00000005 0000012c 7fffffff 00001000"


@pytest.mark.parametrize("sealed", [False, True])
def test_offset_lookup(sealed: bool) -> None:
    disk = MemoryDisk()
    index = offset_index(disk)
    for offset, position in ((10, 100), (20, 200), (30, 300)):
        index.add(BASE + offset, position)
    if sealed:
        index.seal()
        index = OffsetIndex(FileCache(disk), "/x.index", BASE)
    expected = {0: 0, 9: 0, 10: 100, 19: 100, 20: 200, 29: 200, 30: 300, 99: 300}
    assert {offset: index.lookup(BASE + offset) for offset in expected} == expected
    assert [index.floor_position(p) for p in (0, 99, 100, 250, 999)] == [0, 0, 100, 200, 300]
    assert [index.upper_bound_offset(p) for p in (0, 100, 101, 300, 301)] == [1010, 1010, 1020, 1030, None]
    assert index.last_offset == BASE + 30


def test_offsets_must_grow() -> None:
    index = offset_index(MemoryDisk())
    index.add(BASE + 1, 0)
    with pytest.raises(ValueError, match="Attempt to append offset 1001"):
        index.add(BASE + 1, 10)


@given(st.lists(st.integers(1, 50), max_size=20, unique=True), st.integers(0, 60), st.booleans())
def test_truncation_drops_entries_in_memory_and_on_disk(added: list[int], cut: int, flushed: bool) -> None:
    disk = MemoryDisk()
    index = offset_index(disk)
    for offset in sorted(added):
        index.add(BASE + offset, offset * 10)
    if flushed:
        index.flush()
    index.truncate_to(BASE + cut)
    kept = [offset for offset in sorted(added) if offset < cut]
    assert [entry[0] for entry in index] == kept
    index.add(BASE + 100, 5000)
    index.seal()
    reread = OffsetIndex(FileCache(disk), "/x.index", BASE)
    assert [entry[0] for entry in reread] == [*kept, 100]


def test_time_entries_are_kafkas_and_only_grow() -> None:
    disk = MemoryDisk()
    index = TimeIndex(FileCache(disk), "/x.timeindex", BASE)
    index.create()
    assert index.last_entry == (-1, BASE)
    for timestamp, offset in ((-1, 1), (500, 2), (400, 3), (500, 4), (501, 5)):
        index.maybe_add(timestamp, BASE + offset)
    index.seal()
    assert (
        disk.files["/x.timeindex"].data.hex(" ", 4) == "00000000 000001f4 00000002 00000000 000001f5 00000005"
    )
    assert [index.lookup(t) for t in (0, 500, 501, 999)] == [BASE, BASE + 2, BASE + 5, BASE + 5]
    index.truncate_to(BASE + 5)
    assert index.last_entry == (500, BASE + 2)


def test_aborted_transactions_are_kafkas_to_the_byte() -> None:
    disk = MemoryDisk()
    index = TransactionIndex(FileCache(disk), "/x.txnindex")
    assert index.entries() == []
    assert not disk.files  # no file before there is an entry
    index.append(AbortedTxn(0, 1, 2, 3, 4))
    assert disk.files["/x.txnindex"].data.hex() == "0000" + "".join(f"{n:016x}" for n in (1, 2, 3, 4))


def test_collecting_aborted_transactions_stops_where_nothing_more_can_come() -> None:
    index = TransactionIndex(FileCache(MemoryDisk()), "/x.txnindex")
    txns = [AbortedTxn(0, 1, 0, 10, 11), AbortedTxn(0, 2, 5, 15, 13), AbortedTxn(0, 3, 18, 35, 25)]
    for txn in txns:
        index.append(txn)
    assert index.collect(0, 100) == (txns, False)
    assert index.collect(0, 32) == (txns, False)
    assert index.collect(0, 35) == (txns, False)
    assert index.collect(10, 35) == (txns, False)
    assert index.collect(11, 35) == (txns[1:], False)
    assert index.collect(20, 41) == (txns[2:], False)
    assert index.collect(0, 5) == (txns[:1], True)
    assert index.collect(50, 60) == ([], False)


def test_truncating_aborted_transactions() -> None:
    disk = MemoryDisk()
    index = TransactionIndex(FileCache(disk), "/x.txnindex")
    for last in (10, 20, 30):
        index.append(AbortedTxn(0, 1, 0, last, last + 1))
    index.truncate_to(20)
    assert [entry.last_offset for entry in index.entries()] == [10]
    index.reset()
    assert index.entries() == []


def test_what_is_no_transaction_index_is_noticed() -> None:
    disk = MemoryDisk()
    index = TransactionIndex(FileCache(disk), "/x.txnindex")
    index.append(AbortedTxn(0, 1, 0, 10, 11))
    assert index.is_sane(5)
    assert not index.is_sane(11)
    disk.files["/x.txnindex"].data += b"\0"
    assert not index.is_sane(5)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=40), st.integers(0, 50))
def test_checked_ranges_never_claim_too_much(added: list[tuple[int, int]], probe: int) -> None:
    ranges, model = CheckedRanges(), set[int]()
    for start, size in added:
        ranges.add(start, start + size)
        model.update(range(start, start + size))
    begin = ranges.first_unchecked(probe, probe + 20)
    assert probe <= begin <= probe + 20
    assert set(range(probe, begin)) <= model
    if len(added) < 10:
        assert begin == next((p for p in range(probe, probe + 20) if p not in model), probe + 20)
