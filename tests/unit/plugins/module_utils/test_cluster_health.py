# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's health in one word, and who may be stopped."""

from __future__ import annotations

import re

import pytest

from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import (
    BrokerState,
    ClusterState,
    findings,
    if_stopped,
    judge,
    missing_brokers,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._election_plan import leaders_of, plan_election
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import PartitionState, Setting, TopicState


def topic(leader: int, replicas: list[int], isr: list[int], min_isr: int = 1, name: str = "t") -> TopicState:
    settings = {"min.insync.replicas": Setting(str(min_isr), "INT", False)}
    return TopicState(name, None, False, [PartitionState(0, leader, 0, replicas, isr, [])], settings)


def cluster(*topics: TopicState, alive: tuple[int, ...] = (0, 1, 2), controller: int = 0) -> ClusterState:
    return ClusterState("id", controller, [BrokerState(b, "h", 9092, None) for b in alive], list(topics))


@pytest.mark.parametrize(
    ("state", "word", "reason"),
    [
        (cluster(topic(0, [0, 1], [0, 1], 2)), "healthy", ""),
        (cluster(topic(0, [0], [0], 2)), "healthy", ""),
        (cluster(topic(0, [0, 1], [0])), "degraded", "1 partition with replicas that are not in sync: t-0"),
        (cluster(topic(0, [0, 1], [0], 2)), "critical", "fewer in-sync replicas than min.insync.replicas: t-0"),
        (cluster(topic(-1, [0, 1], [0])), "critical", "1 partition without a leader: t-0"),
        (cluster(controller=-1), "critical", "no broker is the controller"),
        (cluster(controller=7), "critical", "the controller 7 is not alive"),
        (cluster(topic(0, [0, 3], [0])), "degraded", r"brokers \[3\] hold replicas and are not alive"),
    ],
)
def test_health_is_one_word_with_its_reason(state: ClusterState, word: str, reason: str) -> None:
    found, reasons = judge(state, None)
    assert found == word
    if reason:
        assert any(re.search(reason, text) for text in reasons), reasons
    else:
        assert reasons == []


def test_a_broker_that_is_expected_and_absent_is_named() -> None:
    assert judge(cluster(), [0, 5]) == ("degraded", ["brokers [5] are expected and are not alive"])


def test_many_partitions_are_counted_and_a_few_named() -> None:
    state = cluster(*[topic(-1, [0], [], name=f"t{i}") for i in range(7)])
    assert judge(state, None)[1][0].endswith("t0-0, t1-0, t2-0, t3-0, t4-0 and 2 more")


def test_who_may_be_stopped() -> None:
    state = cluster(topic(0, [0, 1], [0, 1], 2, "tight"), topic(1, [1, 2], [1], 1, "last"), topic(2, [2], [2], 1, "single"))
    assert if_stopped(state, 0) == {
        "can_stop": False,
        "offline_if_stopped": [],
        "under_min_isr_if_stopped": ["tight-0"],
        "single_replica": [],
    }
    assert if_stopped(state, 1)["offline_if_stopped"] == ["last-0"]
    assert if_stopped(state, 2) == {
        "can_stop": True,
        "offline_if_stopped": [],
        "under_min_isr_if_stopped": [],
        "single_replica": ["single-0"],
    }


def test_what_is_only_just_enough_is_said_while_a_replica_is_missing() -> None:
    state = cluster(topic(0, [0, 1, 2], [0, 1], 2, "a"), topic(0, [0, 1], [0, 1], 2, "b"))
    assert findings(state)["at_min_isr"] == ["a-0"]
    assert missing_brokers(cluster(topic(0, [0, 9], [0]))) == [9]


def test_only_partitions_that_need_it_take_part_in_an_election() -> None:
    topics = [topic(1, [0, 1], [0, 1], name="a"), topic(0, [0, 1], [0, 1], name="b"), topic(1, [0, 1], [1], name="c")]
    topics.append(topic(1, [9, 1], [1], name="d"))
    plan = plan_election("preferred", topics, {0, 1})
    assert plan.wanted == {("a", 0): 0}
    assert [entry["reason"] for entry in plan.skipped] == [
        "its preferred leader, broker 0, is not in sync",
        "its preferred leader, broker 9, is not alive",
    ]
    assert leaders_of(topics, plan.wanted) == {"a": {"0": 1}}


def test_an_unclean_election_takes_the_first_that_lives_for_partitions_without_a_leader() -> None:
    topics = [topic(-1, [9, 1, 0], [9], name="a"), topic(-1, [9], [9], name="b"), topic(0, [0], [0], name="c")]
    plan = plan_election("unclean", topics, {0, 1})
    assert plan.wanted == {("a", 0): 1}
    assert plan.skipped == [{"topic": "b", "partition": 0, "reason": "none of its replicas [9] is alive"}]
