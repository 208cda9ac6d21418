# SPDX-License-Identifier: Apache-2.0
"""Keys and values of `__transaction_state`, byte for byte as Kafka's TransactionLog writes them."""

from __future__ import annotations

import pytest

from commitlog.transactions.metadata import TransactionMetadata, TransactionState
from commitlog.transactions.records import read_key, read_value, transaction_key, transaction_value
from commitlog.wire.codec import MalformedMessage


def metadata(state: TransactionState = TransactionState.EMPTY) -> TransactionMetadata:
    return TransactionMetadata("id", 7, 2, 60_000, state, start_ms=-1, last_update_ms=5)


def test_key() -> None:
    assert transaction_key("id") == bytes.fromhex("0000 0002 6964")
    assert read_key(transaction_key("id")) == "id"
    assert read_key(b"\x00\x05anything") == 5
    with pytest.raises(MalformedMessage):
        read_key(b"\x00")


def test_value_of_an_empty_one_has_no_partitions() -> None:
    transition = metadata().increment_epoch(60_000, None, 9)
    assert not isinstance(transition, int)
    assert transaction_value(transition) == bytes.fromhex(
        "0000"  # version
        "0000000000000007 0003 0000ea60 00"  # producer id, epoch, timeout, Empty
        "ffffffff"  # null
        "0000000000000009 ffffffffffffffff"
    )


def test_value_of_an_ongoing_one() -> None:
    transition = metadata().add_partitions(frozenset({("b", 1), ("a", 2), ("a", 0)}), 9)
    data = transaction_value(transition)
    assert data == bytes.fromhex(
        "0000 0000000000000007 0002 0000ea60 01"
        "00000002"
        "0001 61 00000002 00000000 00000002"
        "0001 62 00000001 00000001"
        "0000000000000009 0000000000000009"
    )
    read = read_value("id", data)
    assert read.state is TransactionState.ONGOING
    assert read.partitions == {("a", 0), ("a", 2), ("b", 1)}
    assert (read.producer_id, read.producer_epoch, read.timeout_ms) == (7, 2, 60_000)
    assert (read.start_ms, read.last_update_ms, read.pending) == (9, 9, None)


def test_labels_are_kafkas() -> None:
    assert [state.label for state in TransactionState] == [
        "Empty",
        "Ongoing",
        "PrepareCommit",
        "PrepareAbort",
        "CompleteCommit",
        "CompleteAbort",
        "Dead",
        "PrepareEpochFence",
    ]
