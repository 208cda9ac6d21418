# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference between a topic as it is and as it is wanted."""

from __future__ import annotations

import pytest

from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import (
    PartitionState,
    Setting,
    TopicConflict,
    TopicState,
    WantedTopic,
    describe,
    describe_after,
    describe_wanted,
    parse_assignment,
    plan_changes,
    same_value,
    setting_text,
)


def topic(partitions: int = 2, replicas: tuple[int, ...] = (0, 1), **overrides: str) -> TopicState:
    settings = {
        "retention.ms": Setting("604800000", "LONG", False),
        "cleanup.policy": Setting("delete", "LIST", False),
        "min.cleanable.dirty.ratio": Setting("0.5", "DOUBLE", False),
        "preallocate": Setting("false", "BOOLEAN", False),
        "compression.type": Setting("producer", "STRING", False),
    }
    for name, value in overrides.items():
        key = name.replace("_", ".")
        settings[key] = Setting(value, settings[key].type, True)
    states = [PartitionState(i, replicas[0], 0, list(replicas), list(replicas), []) for i in range(partitions)]
    return TopicState("test", "id", False, states, settings)


def test_nothing_said_changes_nothing() -> None:
    assert plan_changes(topic(retention_ms="5"), WantedTopic("test")).empty


def test_empty_config_leaves_overrides_alone() -> None:
    assert plan_changes(topic(retention_ms="5"), WantedTopic("test", config={})).empty


def test_settings_that_are_not_named_are_left_alone() -> None:
    plan = plan_changes(topic(retention_ms="5"), WantedTopic("test", config={"compression.type": "lz4"}))
    assert (plan.set_config, plan.reset_config) == ({"compression.type": "lz4"}, [])


def test_null_returns_a_setting_to_its_default_only_where_the_topic_sets_it() -> None:
    wanted = WantedTopic("test", config={"retention.ms": None, "cleanup.policy": None})
    plan = plan_changes(topic(retention_ms="5"), wanted)
    assert (plan.set_config, plan.reset_config) == ({}, ["retention.ms"])


def test_a_value_equal_to_the_cluster_default_is_still_set_on_the_topic() -> None:
    plan = plan_changes(topic(), WantedTopic("test", config={"retention.ms": "604800000"}))
    assert plan.set_config == {"retention.ms": "604800000"}


def test_unknown_settings_are_refused_by_name() -> None:
    with pytest.raises(TopicConflict, match=r"unknown topic setting retention\.sm"):
        plan_changes(topic(), WantedTopic("test", config={"retention.sm": "1"}))


def test_partitions_may_grow() -> None:
    assert plan_changes(topic(2), WantedTopic("test", partitions=5)).grow_to == 5


def test_partitions_may_not_shrink() -> None:
    with pytest.raises(TopicConflict, match="has 2 partitions and 1 are wanted"):
        plan_changes(topic(2), WantedTopic("test", partitions=1))


def test_another_replication_factor_is_planned() -> None:
    assert plan_changes(topic(2), WantedTopic("test", replication_factor=3)).replication_factor == 3
    assert plan_changes(topic(2), WantedTopic("test", replication_factor=2)).empty


def test_an_assignment_grows_the_topic_by_its_further_partitions() -> None:
    wanted = WantedTopic("test", replica_assignment={0: [0, 1], 1: [0, 1], 2: [1, 0]})
    plan = plan_changes(topic(2), wanted)
    assert (plan.grow_to, plan.new_assignments) == (3, [[1, 0]])


def test_an_assignment_moves_existing_partitions() -> None:
    plan = plan_changes(topic(2), WantedTopic("test", replica_assignment={0: [0, 1], 1: [2, 1]}))
    assert (plan.moves, plan.grow_to) == ({1: [2, 1]}, None)
    assert describe_after(topic(2), plan)["replica_assignment"] == {"0": [0, 1], "1": [2, 1]}


@pytest.mark.parametrize(
    ("kind", "have", "text", "same"),
    [
        ("LONG", "1000", " 1000", True),
        ("LONG", "1000", "1001", False),
        ("LONG", "1000", "many", False),
        ("DOUBLE", "0.5", "0.50", True),
        ("BOOLEAN", "true", "True", True),
        ("LIST", "compact,delete", "compact, delete", True),
        ("LIST", "compact,delete", "delete,compact", False),
        ("STRING", "0.5", "0.50", False),
        (None, "a", "a", True),
    ],
)
def test_values_are_compared_by_their_type(kind: str | None, have: str, text: str, same: bool) -> None:
    assert same_value(Setting(have, kind, True), text) is same


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (7, "7"), (0.5, "0.5"), (["compact", "delete"], "compact,delete"), (None, None)],
)
def test_values_of_a_playbook_become_kafkas_text(value: object, text: str | None) -> None:
    assert setting_text("x", value) == text


def test_a_mapping_is_no_value() -> None:
    with pytest.raises(TopicConflict, match=r"config\.x"):
        setting_text("x", {"a": 1})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"0": "broker"}, "expected a list of broker ids"),
        ({"zero": [1]}, "expected a list of broker ids"),
        ({"0": []}, "empty"),
        ({"0": [1, 1]}, "twice"),
        ({"1": [1]}, "without gaps"),
    ],
)
def test_bad_assignments_name_the_partition(raw: dict[str, object], message: str) -> None:
    with pytest.raises(TopicConflict, match=message):
        parse_assignment(raw)


def test_assignments_of_yaml_and_json_mean_the_same() -> None:
    assert parse_assignment({"0": ["1", 2]}) == parse_assignment({0: [1, 2]}) == {0: [1, 2]}


def test_what_is_predicted_is_what_is_described_afterwards() -> None:
    current = topic(2, retention_ms="5")
    wanted = WantedTopic("test", partitions=3, config={"retention.ms": None, "compression.type": "zstd"})
    after = describe_after(current, plan_changes(current, wanted))
    assert after["partitions"] == 3
    assert after["config"] == {"compression.type": "zstd"}
    assert after["replica_assignment"] == {"0": [0, 1], "1": [0, 1], "2": []}
    assert describe(current)["config"] == {"retention.ms": "5"}


def test_a_topic_to_be_made_is_predicted_from_its_assignment() -> None:
    wanted = WantedTopic("test", replica_assignment={0: [1, 2], 1: [2, 1]}, config={"a": "b", "c": None})
    assert describe_wanted(wanted) == {
        "name": "test",
        "partitions": 2,
        "replication_factor": 2,
        "replica_assignment": {"0": [1, 2], "1": [2, 1]},
        "config": {"a": "b"},
    }


def test_no_topic_is_described_as_nothing() -> None:
    assert describe(None) == {}
