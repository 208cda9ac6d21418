# SPDX-License-Identifier: Apache-2.0
"""The judge finds each anomaly that is planted in a history, and none in one that is right."""

from __future__ import annotations

from typing import Any

import pytest

from torture.checker import judge
from torture.history import Event


def event(what: str, who: str = "p", **details: Any) -> Event:
    return {"at": 0.0, "what": what, "who": who, **details}


def sent(value: str, partition: int = 0, transaction: str | None = None) -> Event:
    return event("sent", value.split("/")[0], partition=partition, value=value, transaction=transaction)


def acknowledged(value: str, offset: int, partition: int = 0) -> Event:
    return event("acknowledged", partition=partition, value=value, offset=offset)


def read(who: str, *records: tuple[int, str], partition: int = 0, isolation: str = "uncommitted", **more: Any) -> Event:
    return event("read", who, partition=partition, isolation=isolation, records=[list(one) for one in records], **more)


def final(*records: tuple[int, str], partition: int = 0, hidden: tuple[str, ...] = ()) -> list[Event]:
    """The log at the end, and what of it read_committed does not show."""
    return [
        event("final", partition=partition, isolation="uncommitted", records=[list(one) for one in records]),
        event(
            "final", partition=partition, isolation="committed", records=[list(one) for one in records if one[1] not in hidden]
        ),
    ]


def ended(transaction: str, fate: str) -> Event:
    return event("ended", transaction=transaction, fate=fate)


A, B, C = sent("p/0"), sent("p/1"), sent("p/2")
IN_T = [sent("t/0", transaction="T"), sent("t/1", transaction="T")]

RIGHT = [
    A,
    B,
    acknowledged("p/0", 0),
    event("failed", value="p/1"),
    read("c", (0, "p/0")),
    *IN_T,
    ended("T", "committed"),
    event("assigned", "g1", group="g", partitions=[0]),
    read("g1", (0, "p/0"), (2, "t/0"), isolation="committed", group="g"),
    event("kept", "g1", group="g", offsets={"0": 3}),
    event("assigned", "g2", group="g", partitions=[0]),
    read("g2", (3, "t/1"), isolation="committed", group="g"),
    *final((0, "p/0"), (2, "t/0"), (3, "t/1")),
    event("final_kept", "g", group="g", offsets={"0": 4}),
]

PLANTED = {
    "lost": [A, acknowledged("p/0", 0), *final()],
    "duplicate": [A, acknowledged("p/0", 0), *final((0, "p/0"), (1, "p/0"))],
    "inconsistent offset": [A, B, read("c", (0, "p/0")), *final((0, "p/1"), (1, "p/0"))],
    "reordered": [A, B, *final((0, "p/1"), (1, "p/0"))],
    "vanished": [A, read("c", (0, "p/0")), *final()],
    "phantom": final((0, "x/0")),
    "aborted read": [
        *IN_T,
        read("c", (0, "t/0"), isolation="committed"),
        ended("T", "aborted"),
        *final((0, "t/0"), hidden=("t/0",)),
    ],
    "torn transaction": [*IN_T, ended("T", "unknown"), *final((0, "t/0"), (1, "t/1"), hidden=("t/1",))],
    "not monotonic": [A, B, read("c", (0, "p/0"), (1, "p/1")), read("c", (1, "p/1")), *final((0, "p/0"), (1, "p/1"))],
    "skipped": [A, B, C, read("c", (0, "p/0"), (2, "p/2")), *final((0, "p/0"), (1, "p/1"), (2, "p/2"))],
    "unseen": [A, B, read("g1", (0, "p/0"), isolation="committed", group="g"), *final((0, "p/0"), (1, "p/1"))],
    "stuck": [event("stuck", text="12 records are not acknowledged")],
}


def kinds(events: list[Event]) -> set[str]:
    return set(judge(events).counts)


def test_nothing_is_found_where_all_is_right() -> None:
    verdict = judge(RIGHT)
    assert verdict.anomalies == []
    assert (verdict.acknowledged, verdict.committed, verdict.aborted, verdict.unknown) == (1, 1, 0, 0)


@pytest.mark.parametrize("kind", sorted(PLANTED))
def test_a_planted_anomaly_is_found_by_its_name(kind: str) -> None:
    assert kind in kinds(PLANTED[kind])


def test_what_a_producer_sends_again_under_another_epoch_is_counted_apart() -> None:
    """librdkafka has asked for it; the same producer under one epoch twice, or two producers, have not."""
    twice = [A, acknowledged("p/0", 1), *final((0, "p/0"), (1, "p/0"))]
    for writers, found in (([[7, 0], [7, 1]], set()), ([[7, 1], [7, 1]], {"duplicate"}), ([[7, 0], [8, 1]], {"duplicate"})):
        verdict = judge([*twice, event("writers", value="p/0", writers=writers)])
        assert set(verdict.counts) == found
        assert verdict.sent_anew == (not found)


def test_another_offset_than_was_promised() -> None:
    assert kinds([A, acknowledged("p/0", 7), *final((0, "p/0"))]) == {"inconsistent offset"}


def test_a_committed_transaction_is_lost_in_part() -> None:
    assert "lost" in kinds([*IN_T, ended("T", "committed"), *final((0, "t/0"), (1, "t/1"), hidden=("t/1",))])


@pytest.mark.parametrize(("never_sent", "found"), [(True, set()), (False, {"lost"})])
def test_what_the_client_threw_away_was_not_lost_and_what_only_failed_was(never_sent: bool, found: set[str]) -> None:
    failed = event("failed", value="t/1", never_sent=never_sent)
    assert kinds([*IN_T, failed, ended("T", "committed"), *final((0, "t/0"))]) == found


def test_an_unknown_transaction_may_be_there_or_not() -> None:
    assert kinds([*IN_T, ended("T", "unknown"), *final((0, "t/0"), (1, "t/1"))]) == set()
    assert kinds([*IN_T, ended("T", "unknown"), *final((0, "t/0"), (1, "t/1"), hidden=("t/0", "t/1"))]) == set()


def test_a_consumer_that_is_placed_anew_may_go_back_but_not_before_what_was_committed() -> None:
    log = final((0, "p/0"), (1, "p/1"))
    again = [event("assigned", "g1", group="g", partitions=[0]), read("g1", (0, "p/0"), isolation="committed", group="g")]
    first = [A, B, read("g1", (0, "p/0"), (1, "p/1"), isolation="committed", group="g")]
    assert kinds([*first, *again, *log]) == set()
    assert kinds([*first, event("kept", "g1", group="g", offsets={"0": 1}), *again, *log]) == {"forgotten offset"}


def test_a_group_has_less_at_the_end_than_it_committed() -> None:
    kept = event("kept", "g1", group="g", offsets={"0": 5})
    assert kinds([kept, event("final_kept", "g", group="g", offsets={"0": 4})]) == {"forgotten offset"}


def test_a_copier_copies_each_committed_record_once() -> None:
    source = [A, B, *final((0, "p/0"), (1, "p/1"))]
    one = sent("x/0<p/0", 8, "X1")
    again = sent("x/1<p/0", 8, "X2")
    other = sent("x/2<p/1", 8, "X2")
    assert kinds([*source, one, other, *final((0, "x/0<p/0"), (1, "x/2<p/1"), partition=8)]) == set()
    twice = final((0, "x/0<p/0"), (1, "x/1<p/0"), (2, "x/2<p/1"), partition=8)
    assert kinds([*source, one, again, other, *twice]) == {"duplicate"}
    assert kinds([*source, one, *final((0, "x/0<p/0"), partition=8)]) == {"lost"}


def test_a_circle_of_transactions_is_found() -> None:
    first, second = sent("t/0", 0, "T1"), sent("u/0", 1, "T2")
    reads = [
        read("t", (0, "u/0"), partition=1, isolation="committed", transaction="T1"),
        read("u", (0, "t/0"), isolation="committed", transaction="T2"),
    ]
    log = [ended("T1", "committed"), ended("T2", "committed"), *final((0, "t/0")), *final((0, "u/0"), partition=1)]
    assert kinds([first, second, *reads, *log]) == {"transaction cycle"}
    assert kinds([first, second, *reads[:1], *log]) == set()
