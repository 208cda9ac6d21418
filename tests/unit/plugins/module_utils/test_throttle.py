# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is held back while brokers catch up, and what is left alone of throttles that are there."""

from __future__ import annotations

from ansible_collections.commitlog.kafka.plugins.module_utils._throttle import (
    FOLLOWER_RATE,
    FOLLOWER_REPLICAS,
    LEADER_RATE,
    LEADER_REPLICAS,
    added,
    catching_up,
    changes_between,
    rates,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import PartitionState, TopicState


def topic(name: str, *replicas: list[int]) -> TopicState:
    partitions = [PartitionState(index, brokers[0], 0, brokers, brokers[:1], []) for index, brokers in enumerate(replicas)]
    return TopicState(name, None, False, partitions, {})


def test_partitions_of_brokers_that_are_whole_are_not_named() -> None:
    found = catching_up([topic("a", [1, 2, 3], [1, 2]), topic("b", [1, 2])], {3})
    assert found == {("topic", "a"): {FOLLOWER_REPLICAS: "0:3", LEADER_REPLICAS: "0:1,0:2"}}


def test_one_that_nobody_else_has_is_copied_from_nobody() -> None:
    assert catching_up([topic("a", [3])], {3}) == {}


def test_throttles_that_are_there_are_kept() -> None:
    there = {("topic", "a"): {FOLLOWER_REPLICAS: "1:9,0:3"}, ("topic", "b"): {FOLLOWER_REPLICAS: "*"}}
    wanted = {("topic", "a"): {FOLLOWER_REPLICAS: "0:3,2:3"}, ("topic", "b"): {FOLLOWER_REPLICAS: "0:3"}}
    together = added(there, wanted)
    assert together["topic", "a"] == {FOLLOWER_REPLICAS: "1:9,0:3,2:3"}
    assert together["topic", "b"] == {FOLLOWER_REPLICAS: "*"}
    assert added(together, wanted) == together
    assert there["topic", "a"] == {FOLLOWER_REPLICAS: "1:9,0:3"}


def test_only_what_differs_is_changed() -> None:
    before = {("broker", "1"): {FOLLOWER_RATE: "5", LEADER_RATE: "5"}, ("topic", "a"): {FOLLOWER_REPLICAS: "0:3"}}
    after = added(before, rates([2, 1], 7))
    changes = [(change.kind, change.name, change.set_config, change.reset_config) for change in changes_between(before, after)]
    both = {FOLLOWER_RATE: "7", LEADER_RATE: "7"}
    assert changes == [("broker", "1", both, []), ("broker", "2", both, [])]
    assert changes_between(after, after) == []
    gone = [(change.kind, change.name, change.set_config, change.reset_config) for change in changes_between(before, {})]
    assert gone == [("broker", "1", {}, [FOLLOWER_RATE, LEADER_RATE]), ("topic", "a", {}, [FOLLOWER_REPLICAS])]
