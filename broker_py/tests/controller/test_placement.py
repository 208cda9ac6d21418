# SPDX-License-Identifier: Apache-2.0
"""Replica placement against the examples of Kafka's AdminUtils, and its promises as properties."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.controller.placement import assign_replicas, rack_alternated_brokers
from commitlog.wire.errors import ErrorCode, KafkaError

RACKS: dict[int, str | None] = {0: "rack1", 1: "rack3", 2: "rack3", 3: "rack2", 4: "rack2", 5: "rack1"}


def place(brokers: dict[int, str | None], partitions: int, factor: int, **fixed: int) -> dict[int, list[int]]:
    return assign_replicas(brokers, partitions, factor, rng=random.Random(0), **fixed)


def test_the_documented_example_without_racks() -> None:
    brokers: dict[int, str | None] = dict.fromkeys(range(5))
    assert place(brokers, 10, 3, fixed_start_index=0) == {
        0: [0, 1, 2],
        1: [1, 2, 3],
        2: [2, 3, 4],
        3: [3, 4, 0],
        4: [4, 0, 1],
        5: [0, 2, 3],
        6: [1, 3, 4],
        7: [2, 4, 0],
        8: [3, 0, 1],
        9: [4, 1, 2],
    }


def test_two_brokers_swap_leader_and_follower() -> None:
    assert place({1: None, 2: None}, 2, 2, fixed_start_index=0) == {0: [1, 2], 1: [2, 1]}


def test_a_single_broker() -> None:
    assert place({7: None}, 3, 1) == {0: [7], 1: [7], 2: [7]}


def test_brokers_are_ordered_by_alternating_racks() -> None:
    racks = {broker: rack for broker, rack in RACKS.items() if rack is not None}
    assert rack_alternated_brokers(racks) == [0, 3, 1, 5, 4, 2]


def test_every_partition_spans_the_racks() -> None:
    for replicas in place(RACKS, 12, 3).values():
        assert len({RACKS[one] for one in replicas}) == 3


def test_leaders_and_replicas_are_even_over_racks() -> None:
    assignment = place(RACKS, 6, 3, fixed_start_index=2, start_partition=0)
    assert set(Counter(replicas[0] for replicas in assignment.values()).values()) == {1}
    assert set(Counter(one for replicas in assignment.values() for one in replicas).values()) == {3}


def test_added_partitions_continue_where_the_topic_ended() -> None:
    brokers: dict[int, str | None] = dict.fromkeys(range(5))
    whole = place(brokers, 10, 3, fixed_start_index=0)
    first = place(brokers, 5, 3, fixed_start_index=0)
    assert first == {one: whole[one] for one in range(5)}
    rest = place(brokers, 5, 3, fixed_start_index=0, start_partition=5)
    assert rest == {one: whole[one] for one in range(5, 10)}


@given(
    st.integers(1, 12), st.integers(1, 40), st.data(), st.sampled_from([None, 1, 2, 3]), st.integers(0, 2**32)
)
def test_replicas_are_distinct_and_leaders_even(
    brokers: int, partitions: int, data: st.DataObject, racks: int | None, seed: int
) -> None:
    factor = data.draw(st.integers(1, brokers))
    ids: dict[int, str | None] = {
        one: None if racks is None else f"r{one % racks}" for one in range(100, 100 + brokers)
    }
    assignment = assign_replicas(ids, partitions, factor, rng=random.Random(seed))
    assert sorted(assignment) == list(range(partitions))
    for replicas in assignment.values():
        assert len(replicas) == len(set(replicas)) == factor
        assert ids.keys() >= set(replicas)
        if racks is not None:
            assert len({ids[one] for one in replicas}) == min(factor, len(set(ids.values())))
    leaders = Counter(replicas[0] for replicas in assignment.values())
    assert max(leaders.values()) - min(leaders[one] for one in ids) <= 1


@pytest.mark.parametrize(
    ("brokers", "partitions", "factor", "code", "message"),
    [
        (2, 0, 1, ErrorCode.INVALID_PARTITIONS, "Number of partitions must be larger than 0."),
        (2, 2**31 - 1, 1, ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request."),
        (2, 1, 0, ErrorCode.INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0."),
        (
            2,
            1,
            3,
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor: 3 larger than available brokers: 2.",
        ),
    ],
)
def test_refusals(brokers: int, partitions: int, factor: int, code: ErrorCode, message: str) -> None:
    with pytest.raises(KafkaError) as refused:
        place(dict.fromkeys(range(brokers)), partitions, factor)
    assert (refused.value.code, refused.value.message) == (code, message)


def test_racks_for_some_brokers_only_are_refused() -> None:
    with pytest.raises(KafkaError, match="Not all brokers have rack information"):
        place({1: "a", 2: None}, 1, 1)
