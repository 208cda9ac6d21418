# SPDX-License-Identifier: Apache-2.0
"""Idempotence: duplicates, gaps, epochs, wrap-around, expiry, and the snapshot file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.records.control import end_transaction_marker
from commitlog.storage.log import Log
from commitlog.storage.producer_snapshot import (
    CorruptSnapshot,
    Snapshots,
    decode_snapshot,
    encode_snapshot,
)
from commitlog.storage.producer_state import BatchMetadata, ProducerEntry, ProducerStates
from commitlog.wire.errors import ErrorCode, KafkaError
from tests.storage.memory_disk import MemoryDisk
from tests.storage.settings import Settings
from tests.storage.world import NOW_MS, batch, open_log

DAY_MS = 86_400_000


def send(log: Log, sequence: int, count: int = 1, epoch: int = 0, **fields: bool) -> tuple[int, int, bool]:
    data = batch([b"v"] * count, producer_id=1, producer_epoch=epoch, base_sequence=sequence, **fields)
    info = log.append_as_leader(data, 0)
    return info.first_offset, info.last_offset, info.duplicate


def refused(log: Log, sequence: int, epoch: int = 0, **fields: bool) -> ErrorCode:
    with pytest.raises(KafkaError) as failure:
        send(log, sequence, epoch=epoch, **fields)
    return failure.value.code


def mark(log: Log, epoch: int = 0, coordinator_epoch: int = 0, committed: bool = True) -> None:
    marker = end_transaction_marker(
        timestamp=NOW_MS, producer_id=1, producer_epoch=epoch, committed=committed,
        coordinator_epoch=coordinator_epoch,
    )  # fmt: skip
    log.append_as_leader(marker, 0, origin="coordinator")


def test_the_last_five_batches_are_recognised() -> None:
    log = open_log(MemoryDisk())
    for i in range(7):
        assert send(log, 2 * i, 2) == (2 * i, 2 * i + 1, False)
    for i in range(2, 7):
        assert send(log, 2 * i, 2) == (2 * i, 2 * i + 1, True)
    assert log.log_end_offset == 14
    assert refused(log, 2) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(log, 12) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER  # same start, other length
    assert send(log, 14) == (14, 14, False)


@pytest.mark.parametrize("segment_bytes", [1 << 20, 300])
def test_the_last_five_batches_are_recognised_after_a_clean_stop(segment_bytes: int) -> None:
    """A snapshot, as Kafka writes it, holds the last one only: Kafka refuses the others, which ends a
    producer whose answers were lost with the connection."""
    disk, settings = MemoryDisk(), Settings(segment_bytes=segment_bytes)
    log = open_log(disk, settings)
    for i in range(7):
        send(log, 2 * i, 2)
        log.append_as_leader(batch([b"v"] * 2, producer_id=2, producer_epoch=0, base_sequence=2 * i), 0)
    log.close()
    log = open_log(disk, settings, clean=True)
    assert refused(log, 16) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    for i in range(2, 7):
        at = 4 * i
        assert send(log, 2 * i, 2) == (at, at + 1, True)
    assert refused(log, 2) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 14) == (28, 28, False)


def test_gaps_are_refused_and_change_nothing() -> None:
    log = open_log(MemoryDisk())
    send(log, 0)
    assert refused(log, 2) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.log_end_offset == 1
    assert send(log, 1)[2] is False


def test_an_unknown_producer_may_begin_anywhere() -> None:
    assert send(open_log(MemoryDisk()), 500) == (0, 0, False)


def test_sequences_wrap_after_the_largest_int() -> None:
    log = open_log(MemoryDisk())
    send(log, 2**31 - 2, 2)
    assert refused(log, 1) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 0) == (2, 2, False)
    assert send(log, 2**31 - 2, 2) == (0, 1, True)


def test_a_batch_may_wrap_inside() -> None:
    log = open_log(MemoryDisk())
    send(log, 2**31 - 2, 4)
    assert log.producer_states.entries[1].batches[-1].last_sequence == 1
    assert send(log, 2**31 - 2, 4)[2] is True
    assert send(log, 2) == (4, 4, False)


def test_epochs() -> None:
    log = open_log(MemoryDisk())
    send(log, 0, epoch=3)
    assert refused(log, 1, epoch=2) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert refused(log, 1, epoch=4) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 0, epoch=4) == (1, 1, False)
    assert refused(log, 1, epoch=3) == ErrorCode.INVALID_PRODUCER_EPOCH


def test_replicated_batches_are_not_judged() -> None:
    log = open_log(MemoryDisk())
    for offset, sequence in enumerate((0, 7, 3)):
        data = batch(base_offset=offset, producer_id=1, producer_epoch=0, base_sequence=sequence)
        log.append_as_follower(data)
    assert log.log_end_offset == 3


def test_transactional_and_plain_writes_do_not_mix() -> None:
    log = open_log(MemoryDisk())
    send(log, 0, is_transactional=True)
    assert refused(log, 1) == ErrorCode.INVALID_TXN_STATE
    mark(log)
    assert send(log, 1)[2] is False


def test_old_coordinators_are_fenced() -> None:
    log = open_log(MemoryDisk())
    send(log, 0, is_transactional=True)
    mark(log, coordinator_epoch=5)
    with pytest.raises(KafkaError) as failure:
        mark(log, coordinator_epoch=4)
    assert failure.value.code == ErrorCode.TRANSACTION_COORDINATOR_FENCED


def test_a_marker_raises_the_epoch_and_restarts_sequences() -> None:
    log = open_log(MemoryDisk())
    send(log, 0, is_transactional=True)
    mark(log, epoch=1, committed=False)
    assert refused(log, 1, epoch=0, is_transactional=True) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert refused(log, 5, epoch=1, is_transactional=True) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 0, epoch=1, is_transactional=True)[2] is False


def test_silent_producers_are_forgotten_but_not_in_a_transaction() -> None:
    log = open_log(MemoryDisk())
    send(log, 0)
    log.producer_states.remove_expired(NOW_MS + DAY_MS - 1)
    assert 1 in log.producer_states.entries
    log.producer_states.remove_expired(NOW_MS + DAY_MS)
    assert 1 not in log.producer_states.entries
    send(log, 7, is_transactional=True)
    log.producer_states.remove_expired(NOW_MS + 2 * DAY_MS)
    assert 1 in log.producer_states.entries


entries = st.builds(
    ProducerEntry,
    producer_id=st.integers(0, 2**60),
    producer_epoch=st.integers(-1, 2**15 - 1),
    coordinator_epoch=st.integers(-1, 2**31 - 1),
    last_timestamp=st.integers(-1, 2**60),
    txn_first_offset=st.none() | st.integers(0, 2**60),
)


@given(st.lists(entries, max_size=5))
def test_snapshots_round_trip(producers: list[ProducerEntry]) -> None:
    for entry in producers:
        entry.batches.append(BatchMetadata(9, 100, 3, entry.last_timestamp))
    assert decode_snapshot(encode_snapshot(producers)) == producers


def test_a_snapshot_is_kafkas_to_the_byte() -> None:
    entry = ProducerEntry(1, 2, 3, 4, 5)
    entry.batches.append(BatchMetadata(6, 7, 8, 4))
    data = encode_snapshot([entry])
    assert data[:2].hex() == "0001"
    assert data[6:].hex(" ") == (
        "00 00 00 01 00 00 00 00 00 00 00 01 00 02 00 00 00 06 00 00 00 00 00 00 00 07 00 00 00 08 "
        "00 00 00 00 00 00 00 04 00 00 00 03 00 00 00 00 00 00 00 05"
    )


def test_every_damaged_byte_of_a_snapshot_is_noticed() -> None:
    data = encode_snapshot([ProducerEntry(1, 2, 3, 4, 5)])
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        with pytest.raises(CorruptSnapshot):
            decode_snapshot(bytes(damaged))
        with pytest.raises(CorruptSnapshot):
            decode_snapshot(data[:position])


def test_stray_snapshots_go_but_the_newest_above_all_segments() -> None:
    disk = MemoryDisk()
    disk.mkdir("/d")
    snapshots = Snapshots(disk, "/d")
    for offset in (5, 10, 15, 20, 25, 30):
        snapshots.write(offset, [])
    snapshots.remove_strays([0, 10, 20])
    assert snapshots.offsets == [10, 20, 30]
    assert disk.listdir("/d") == [f"{offset:020d}.snapshot" for offset in (10, 20, 30)]
    snapshots.remove_strays([0, 10, 20, 40])
    assert snapshots.offsets == [10, 20]


def test_a_loaded_snapshot_leaves_out_what_has_expired() -> None:
    states = ProducerStates("t-0", DAY_MS)
    old, young = ProducerEntry(1, 0, -1, 0), ProducerEntry(2, 0, -1, NOW_MS)
    in_transaction = ProducerEntry(3, 0, -1, 0, txn_first_offset=4)
    states.load([old, young, in_transaction], 10, NOW_MS)
    assert sorted(states.entries) == [2, 3]
    assert states.first_unstable_offset == 4


def test_no_epoch_is_the_smallest() -> None:
    log = open_log(MemoryDisk())
    assert refused(log, 0, epoch=-2) is ErrorCode.INVALID_PRODUCER_EPOCH
