# SPDX-License-Identifier: Apache-2.0
"""The judges themselves: each sees the one thing wrong that it is there for, and lets what is right pass."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from commitlog.coordination import paths
from commitlog.coordination.client import Create, Delete, Op, SetData
from commitlog.coordination.documents import PartitionState, encode_controller_epoch
from commitlog.records.batch import build_batch
from commitlog.records.control import end_transaction_marker
from tests.simulation.checker import Checker, CommittedLog, Violation
from tests.simulation.groups import Commits, GroupRecord
from tests.simulation.transactions import Fate, Ledger, Transaction, check_transactions, visible
from tests.simulation.workload import History

KEY = ("orders", 0)


def batch(offset: int, *keys: bytes, epoch: int = 0, producer_id: int = -1) -> bytearray:
    """Keys at consecutive offsets; with a producer id they are part of a transaction."""
    in_transaction = producer_id >= 0
    return build_batch(
        [(0, key, b"", []) for key in keys],
        base_offset=offset,
        leader_epoch=epoch,
        producer_id=producer_id,
        producer_epoch=0 if in_transaction else -1,
        base_sequence=0 if in_transaction else -1,
        is_transactional=in_transaction,
    )


def marker(offset: int, producer_id: int, *, committed: bool) -> bytearray:
    made = end_transaction_marker(
        timestamp=0, producer_id=producer_id, producer_epoch=0, committed=committed, coordinator_epoch=0
    )
    made[:8] = offset.to_bytes(8, "big")
    return made


class TestWritesToZooKeeper:
    SESSION = 7

    def write(self, *ops: Op) -> Violation | None:
        cluster: Any = SimpleNamespace(ensemble=SimpleNamespace(observers=[]))
        checker = Checker(cluster, History("orders", 1))
        for op in (SetData(paths.CONTROLLER_EPOCH, encode_controller_epoch(1)), *ops):
            cluster.ensemble.observers[0](self.SESSION, [op], [None])
        return checker._violation

    def state(self, leader: int, leader_epoch: int, controller_epoch: int = 1) -> Create:
        state = PartitionState(leader, leader_epoch, (leader,), controller_epoch)
        return Create(paths.partition_state("orders", 0), state.encode())

    def test_leader_epochs_do_not_go_back(self) -> None:
        assert "follows" in str(self.write(self.state(1, 3), self.state(2, 0)))

    def test_a_topic_that_is_created_anew_has_a_history_of_its_own(self) -> None:
        """As when a CreateTopics waited in a broker for ZooKeeper until the topic was deleted."""
        assert self.write(self.state(1, 3), Delete(paths.topic("orders")), self.state(2, 0)) is None

    def test_only_who_was_elected_last_writes(self) -> None:
        assert "elected is (7, 1)" in str(self.write(self.state(1, 0, controller_epoch=0)))


class TestCommittedLog:
    def test_replicas_that_agree_may_be_at_different_places(self) -> None:
        log = CommittedLog()
        first, second = batch(0, b"a", b"b"), batch(2, b"c", epoch=1)
        log.compare(KEY, bytes(first), 0, "one")
        log.compare(KEY, bytes(first + second), 0, "two")
        log.compare(KEY, bytes(second), 2, "one")
        assert list(log.records()) == [(0, b"a"), (1, b"b"), (2, b"c")]

    @pytest.mark.parametrize(
        ("data", "offset", "words"),
        [
            (batch(0, b"x"), 0, "at offset 0"),
            (batch(0, b"a") + batch(1, b"b"), 1, "no batch begins at 1|follows"),
            (batch(0, b"a", b"b") + batch(3, b"c"), 0, "offset 3 follows 1"),
            (batch(0, b"a", b"b") + batch(2, b"c", epoch=2) + batch(3, b"d", epoch=1), 0, "epoch 1 after 2"),
        ],
    )
    def test_what_differs_is_told(self, data: bytearray, offset: int, words: str) -> None:
        log = CommittedLog()
        log.compare(KEY, bytes(batch(0, b"a", b"b")), 0, "one")
        with pytest.raises(Violation, match=words):
            log.compare(KEY, bytes(data), offset, "two")

    def test_where_leader_epochs_begin_is_known(self) -> None:
        log = CommittedLog()
        log.compare(KEY, bytes(batch(0, b"a") + batch(1, b"b", epoch=2) + batch(2, b"c", epoch=2)), 0, "one")
        assert log.epoch_starts == {0: 0, 2: 1}

    def test_only_what_is_committed_must_not_be_cut(self) -> None:
        log = CommittedLog()
        log.compare(KEY, bytes(batch(0, b"a") + batch(1, b"b")), 0, "one")
        assert log.has(bytes(batch(1, b"b")), 1)
        assert not log.has(bytes(batch(1, b"other")), 1)
        assert not log.has(bytes(batch(2, b"c")), 2)


class TestTransactions:
    LOG = (
        batch(0, b"a1", b"a2", producer_id=7)
        + batch(2, b"plain")
        + batch(3, b"b1", producer_id=8)
        + marker(4, 8, committed=False)
        + marker(5, 7, committed=True)
    )

    def test_committed_and_plain_records_are_visible(self) -> None:
        assert visible(self.LOG, "orders-0") == [(0, b"a1"), (1, b"a2"), (2, b"plain")]

    def test_a_transaction_without_an_end_is_told(self) -> None:
        with pytest.raises(Violation, match=r"orders-0: transactions of \[9\] have no end"):
            visible(self.LOG + batch(6, b"c", producer_id=9), "orders-0")

    @pytest.mark.parametrize(
        ("values", "fate", "right"),
        [
            ([b"a1", b"a2"], Fate.COMMITTED, True),
            ([b"a1", b"a2"], Fate.UNKNOWN, True),
            ([b"b1"], Fate.ABORTED, True),
            ([b"b1"], Fate.UNKNOWN, True),
            ([b"b1"], Fate.COMMITTED, False),
            ([b"a1", b"a2"], Fate.ABORTED, False),
            ([b"a1", b"a2", b"b1"], Fate.UNKNOWN, False),
            ([b"a2", b"a1"], Fate.COMMITTED, False),
        ],
    )
    def test_all_or_nothing(self, values: list[bytes], fate: Fate, right: bool) -> None:
        transactions = [Transaction({0: values}, fate)]
        shown = {0: visible(self.LOG, "orders-0")}
        if right:
            check_transactions(transactions, shown, [])
        else:
            with pytest.raises(Violation):
                check_transactions(transactions, shown, [])


class TestLedger:
    """Each transaction writes the value that is named after it; `seen` is what it read."""

    def ledger(self, **seen: list[bytes]) -> Ledger:
        ledger = Ledger()
        for name, values in seen.items():
            ledger.add(Transaction({0: [name.encode()]}, Fate.COMMITTED, asked_to_commit=True, seen=values))
        return ledger

    def test_reading_in_the_order_of_the_commits_is_no_cycle(self) -> None:
        self.ledger(a=[], b=[b"a"], c=[b"a", b"b"], d=[b"c", b"b", b"nobody's"]).check_cycles()

    @pytest.mark.parametrize("seen", [{"a": [b"b"], "b": [b"a"]}, {"a": [b"c"], "b": [b"a"], "c": [b"b"]}])
    def test_transactions_that_read_of_each_other_are_told(self, seen: dict[str, list[bytes]]) -> None:
        with pytest.raises(Violation, match="have read of each other"):
            self.ledger(**seen).check_cycles()

    def test_what_nobody_asked_to_commit_must_not_be_shown(self) -> None:
        ledger = Ledger()
        transaction = Transaction({0: [b"a"]})
        ledger.add(transaction)
        ledger.read(b"plain", "reader")
        with pytest.raises(Violation, match="before its producer has asked"):
            ledger.read(b"a", "reader")
        transaction.asked_to_commit = True
        ledger.read(b"a", "reader")


class TestGroups:
    def test_a_partition_has_one_owner_in_a_generation(self) -> None:
        record = GroupRecord()
        record.assigned(1, "a", [0, 1])
        record.assigned(2, "b", [0])
        assert not record.violations
        record.assigned(2, "a", [0, 1])
        assert record.violations == ["b and a both have partition 0 in generation 2"]

    def test_an_old_generation_cannot_commit(self) -> None:
        record = GroupRecord()
        record.assigned(4, "a", [0])
        record.committed(4, record.newest())
        assert not record.violations
        record.committed(3, record.newest())
        assert record.violations == ["a commit of generation 3 was accepted after generation 4"]

    def test_a_commit_is_told_unless_another_may_have_come_late(self) -> None:
        commits = Commits({0: 5}, {0: {4}})
        commits.check({0: 5})
        commits.check({0: 4})
        with pytest.raises(Violation, match="offset 5 of partition 0 was committed, but the group is told 3"):
            commits.check({0: 3})
