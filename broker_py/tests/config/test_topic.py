# SPDX-License-Identifier: Apache-2.0
"""Topic settings: broker defaults, overrides, and refusals in LogConfig's words (compared with Kafka
3.9.1)."""

from __future__ import annotations

import logging

import pytest

from commitlog.config.broker import BrokerConfig, ConfigError
from commitlog.config.topic import TopicConfig, validate_topic_config


def broker(**settings: str) -> BrokerConfig:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return BrokerConfig.from_properties({"zookeeper.connect": "a:1", "listeners": "PLAINTEXT://h:1", **named})


def test_kafkas_defaults() -> None:
    topic = TopicConfig.build(broker(), {})
    assert (topic.segment_bytes, topic.segment_ms, topic.segment_jitter_ms) == (1073741824, 604800000, 0)
    assert (topic.retention_ms, topic.retention_bytes) == (604800000, -1)
    assert topic.cleanup_policy == {"delete"}
    assert (topic.delete, topic.compact) == (True, False)
    assert (topic.max_message_bytes, topic.min_insync_replicas) == (1048588, 1)
    assert topic.flush_ms == topic.flush_messages == (1 << 63) - 1
    assert topic.unclean_leader_election_enable is False
    assert topic.message_timestamp_type == "CreateTime"


def test_the_brokers_settings_are_the_topics_defaults() -> None:
    topic = TopicConfig.build(
        broker(
            log_retention_minutes="1",
            log_roll_hours="1",
            message_max_bytes="5",
            log_cleanup_policy="compact",
            min_insync_replicas="2",
            unclean_leader_election_enable="true",
            log_index_size_max_bytes="64",
            log_flush_interval_ms="3",
        ),
        {},
    )
    assert (topic.retention_ms, topic.segment_ms, topic.max_message_bytes) == (60_000, 3_600_000, 5)
    assert (topic.cleanup_policy, topic.min_insync_replicas) == ({"compact"}, 2)
    assert (topic.unclean_leader_election_enable, topic.segment_index_bytes, topic.flush_ms) == (True, 64, 3)


def test_overrides_win_and_follow_dynamic_changes_below_them() -> None:
    config = broker()
    config.update_dynamic({"log.retention.ms": "50", "log.segment.bytes": "200"}, {})
    topic = TopicConfig.build(config, {"retention.ms": "7", "cleanup.policy": "compact,delete"})
    assert (topic.retention_ms, topic.segment_bytes) == (7, 200)
    assert topic.compact
    assert topic.delete


def test_the_older_timestamp_limit_stands_in_for_the_newer_ones() -> None:
    topic = TopicConfig.build(
        broker(), {"message.timestamp.difference.max.ms": "5", "message.timestamp.after.max.ms": "9"}
    )
    assert (topic.message_timestamp_before_max_ms, topic.message_timestamp_after_max_ms) == (5, 9)


def test_a_bad_znode_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        topic = TopicConfig.build(broker(), {"nonsense": "1", "retention.ms": "x", "segment.bytes": "100"})
    assert (topic.retention_ms, topic.segment_bytes) == (604800000, 100)
    assert "Unknown topic config name: nonsense" in caplog.text
    assert "Invalid value x for configuration retention.ms: Not a number of type LONG" in caplog.text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"foo": "1"}, "Unknown topic config name: foo"),
        ({"segment.byte": "1"}, "Unknown topic config name: segment.byte, did you mean segment.bytes?"),
        ({"retention.ms": "x"}, "Invalid value x for configuration retention.ms: Not a number of type LONG"),
        (
            {"retention.ms": "-2"},
            "Invalid value -2 for configuration retention.ms: Value must be at least -1",
        ),
        (
            {"segment.bytes": "1"},
            "Invalid value 1 for configuration segment.bytes: Value must be at least 14",
        ),
        (
            {"cleanup.policy": "delete,x"},
            "Invalid value x for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            {"min.cleanable.dirty.ratio": "2"},
            "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        (
            {"unclean.leader.election.enable": "maybe"},
            "Invalid value maybe for configuration unclean.leader.election.enable: Expected value to be "
            "either true or false",
        ),
        (
            {"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"},
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
        ({"remote.storage.enable": "true"}, "Tiered Storage functionality is disabled in the broker."),
    ],
)
def test_refusals(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_topic_config(overrides, broker())
    assert str(caught.value).startswith(message)


def test_good_settings_pass() -> None:
    validate_topic_config(
        {
            "cleanup.policy": "compact,delete",
            "retention.ms": "-1",
            "leader.replication.throttled.replicas": "*",
            "message.timestamp.type": "LogAppendTime",
        },
        broker(),
    )
