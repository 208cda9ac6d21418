# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of every plan, whatever the layout: found by hypothesis, not by examples."""

from __future__ import annotations

import collections

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.commitlog.kafka.plugins.module_utils._reassignment_plan import (
    Layout,
    PlanImpossible,
    Planner,
    differences,
    distribution,
    nested,
    rack_map,
    replicas_copied,
)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[int], dict[int, str | None], Layout]:
    brokers = list(range(draw(st.integers(1, 5))))
    racks = draw(st.sampled_from([None, 1, 2, 3]))
    layout: Layout = {}
    for topic in range(draw(st.integers(1, 3))):
        factor = draw(st.integers(1, len(brokers)))
        for index in range(draw(st.integers(1, 4))):
            layout[f"t{topic}", index] = draw(st.permutations(brokers))[:factor]
    return brokers, {broker: None if racks is None else f"r{broker % racks}" for broker in brokers}, layout


def loads(layout: Layout, brokers: list[int], topic: str | None = None) -> list[int]:
    count = collections.Counter(b for (name, _index), replicas in layout.items() if topic in (None, name) for b in replicas)
    return [count[broker] for broker in brokers]


def racks_of(replicas: list[int], racks: dict[int, str | None]) -> int:
    return len({racks[broker] for broker in replicas})


@given(clusters())
@settings(deadline=None, max_examples=60)
def test_a_spread_layout_is_left_alone(cluster: tuple[list[int], dict[int, str | None], Layout]) -> None:
    brokers, racks, layout = cluster
    once = Planner(layout, brokers, racks).spread()
    assert Planner(once, brokers, racks).spread() == once


@given(clusters())
@settings(deadline=None, max_examples=60)
def test_spreading_keeps_what_it_should_and_evens_out(cluster: tuple[list[int], dict[int, str | None], Layout]) -> None:
    brokers, racks, layout = cluster
    planned = Planner(layout, brokers, racks).spread()
    for partition, replicas in planned.items():
        assert len(set(replicas)) == len(replicas) == len(layout[partition])
        kinds = len(set(racks.values()))
        assert racks_of(replicas, racks) == min(len(replicas), kinds)
    if len(set(racks.values())) == 1:
        for topic in {name for name, _index in layout}:
            counts = loads(planned, brokers, topic)
            assert max(counts) - min(counts) <= 1
        assert max(loads(planned, brokers)) - min(loads(planned, brokers)) <= 1


@given(clusters())
@settings(deadline=None, max_examples=60)
def test_preferred_leaders_of_each_topic_are_even_where_the_replicas_allow_it(
    cluster: tuple[list[int], dict[int, str | None], Layout],
) -> None:
    brokers, _racks, layout = cluster
    full = {partition: [*replicas, *(b for b in brokers if b not in replicas)] for partition, replicas in layout.items()}
    planned = Planner(full, brokers).spread()
    for topic in {name for name, _index in layout}:
        count = collections.Counter(replicas[0] for (name, _index), replicas in planned.items() if name == topic)
        leads = [count[broker] for broker in brokers]
        assert max(leads) - min(leads) <= 1
    assert replicas_copied(full, planned) == 0


@given(clusters())
@settings(deadline=None, max_examples=60)
def test_new_brokers_are_the_only_ones_that_receive(cluster: tuple[list[int], dict[int, str | None], Layout]) -> None:
    brokers, _racks, layout = cluster
    balanced = Planner(layout, brokers).spread()
    new = [len(brokers), len(brokers) + 1]
    planned = Planner(balanced, [*brokers, *new]).spread()
    for partition, replicas in planned.items():
        assert set(replicas) - set(balanced[partition]) <= set(new)
    least = sum(loads(planned, new))
    assert replicas_copied(balanced, planned) == least


@given(clusters(), st.data())
@settings(deadline=None, max_examples=60)
def test_draining_moves_what_is_drained_and_nothing_else(
    cluster: tuple[list[int], dict[int, str | None], Layout], data: st.DataObject
) -> None:
    brokers, racks, layout = cluster
    drained = set(data.draw(st.lists(st.sampled_from(brokers), max_size=2, unique=True)))
    left = [broker for broker in brokers if broker not in drained]
    if max(len(replicas) for replicas in layout.values()) > len(left):
        with pytest.raises(PlanImpossible, match="may hold them"):
            Planner(layout, left, racks).drain()
        return
    planned = Planner(layout, left, racks).drain()
    assert not drained & {broker for replicas in planned.values() for broker in replicas}
    assert replicas_copied(layout, planned) == sum(len(drained & set(replicas)) for replicas in layout.values())
    for partition, replicas in planned.items():
        if not drained & set(layout[partition]):
            assert replicas == layout[partition]
        elif layout[partition][0] not in drained:
            assert replicas[0] == layout[partition][0]
    assert Planner(planned, left, racks).drain() == planned


@given(clusters(), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_another_replication_factor_keeps_the_leader_and_adds_or_drops_only(
    cluster: tuple[list[int], dict[int, str | None], Layout], factor: int
) -> None:
    brokers, racks, layout = cluster
    if factor > len(brokers):
        return
    planned = Planner(layout, brokers, racks).drain(factor)
    for partition, replicas in planned.items():
        have = layout[partition]
        assert replicas[0] == have[0]
        assert len(replicas) == factor
        assert set(replicas) <= set(have) or set(have) <= set(replicas)


def test_what_is_not_selected_stays_and_counts() -> None:
    layout = {("a", 0): [0], ("a", 1): [0], ("b", 0): [0]}
    planned = Planner(layout, [0, 1], selected=[("b", 0)]).spread()
    assert planned == {("b", 0): [1]}


def test_a_third_replica_goes_to_the_rack_that_has_none() -> None:
    racks = {0: "a", 1: "b", 2: "a", 3: "c"}
    assert Planner({("t", 0): [0, 1]}, racks, racks).drain(3) == {("t", 0): [0, 1, 3]}


def test_brokers_without_racks_among_others_are_named() -> None:
    with pytest.raises(PlanImpossible, match=r"brokers \[2\] have no broker.rack"):
        rack_map({1: "a", 2: None}, None)
    assert rack_map({1: "a", 2: None}, False) == {1: None, 2: None}
    with pytest.raises(PlanImpossible, match="no broker has"):
        rack_map({1: None}, True)


def test_a_plan_is_told_as_differences_and_counts() -> None:
    before = {("t", 0): [0, 1], ("t", 1): [1, 0]}
    moves = differences(before, {("t", 0): [0, 2], ("t", 1): [1, 0]})
    assert nested(moves) == {"t": {"0": [0, 2]}}
    assert replicas_copied(before, moves) == 1
    assert distribution(before, [0, 1, 2]) == {
        "0": {"replicas": 2, "leaders": 1},
        "1": {"replicas": 2, "leaders": 1},
        "2": {"replicas": 0, "leaders": 0},
    }
