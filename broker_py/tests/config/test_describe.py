# SPDX-License-Identifier: Apache-2.0
"""Descriptions and dynamic settings, against what a Kafka 3.9.1 broker answered to the same configuration."""

from __future__ import annotations

import pytest

from commitlog.config.broker import BrokerConfig, ConfigError
from commitlog.config.definitions import Type
from commitlog.config.describe import (
    ConfigEntry,
    ConfigSource,
    Synonym,
    describe_broker,
    describe_cluster_default,
    describe_topic,
)
from commitlog.config.dynamic import is_dynamic, update_mode, validate_dynamic

DEFAULT, STATIC = ConfigSource.DEFAULT_CONFIG, ConfigSource.STATIC_BROKER_CONFIG
CLUSTER, OWN = ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, ConfigSource.DYNAMIC_BROKER_CONFIG
TOPIC = ConfigSource.TOPIC_CONFIG


@pytest.fixture
def broker() -> BrokerConfig:
    return BrokerConfig.from_properties(
        {
            "broker.id": "0",
            "listeners": "PLAINTEXT://127.0.0.1:29192",
            "zookeeper.connect": "127.0.0.1:2181/k",
            "log.retention.hours": "24",
            "log.segment.bytes": "100",
            "ssl.keystore.password": "hunter2",
            "my.plugin.secret": "hunter3",
        }
    )


def named(entries: list[ConfigEntry]) -> dict[str, ConfigEntry]:
    return {entry.name: entry for entry in entries}


def test_a_topic_without_overrides(broker: BrokerConfig) -> None:
    entries = named(describe_topic(broker, {}))
    assert len(entries) == 36
    message = entries["max.message.bytes"]
    assert (message.value, message.source, message.type) == ("1048588", DEFAULT, Type.INT.value)
    assert message.synonyms == (Synonym("message.max.bytes", "1048588", DEFAULT),)
    assert not message.read_only
    segment = entries["segment.bytes"]
    assert (segment.value, segment.source) == ("100", STATIC)
    # Kafka shows no synonyms for a time that stands under another unit.
    retention = entries["retention.ms"]
    assert (retention.value, retention.source, retention.synonyms) == ("86400000", DEFAULT, ())


def test_a_topic_with_overrides(broker: BrokerConfig) -> None:
    broker.update_dynamic({"log.segment.bytes": "200"}, {"log.segment.bytes": "300"})
    entries = named(describe_topic(broker, {"segment.bytes": "400", "odd": "1"}))
    assert entries["segment.bytes"].source is TOPIC
    assert entries["segment.bytes"].synonyms == (
        Synonym("segment.bytes", "400", TOPIC),
        Synonym("log.segment.bytes", "300", OWN),
        Synonym("log.segment.bytes", "200", CLUSTER),
        Synonym("log.segment.bytes", "100", STATIC),
        Synonym("log.segment.bytes", "1073741824", DEFAULT),
    )
    assert entries["odd"].source is TOPIC


def test_a_broker(broker: BrokerConfig) -> None:
    broker.update_dynamic({"num.io.threads": "4"}, {})
    entries = named(describe_broker(broker))
    assert entries["broker.id"].value == entries["node.id"].value == "0"
    assert entries["node.id"].source is STATIC
    assert entries["broker.id"].read_only
    assert (entries["num.io.threads"].value, entries["num.io.threads"].source) == ("4", CLUSTER)
    assert not entries["num.io.threads"].read_only
    assert (entries["log.retention.ms"].value, entries["log.retention.ms"].synonyms) == (None, ())
    assert entries["log.retention.hours"].synonyms == (
        Synonym("log.retention.hours", "24", STATIC),
        Synonym("log.retention.hours", "168", DEFAULT),
    )
    assert "log.initial.task.delay.ms" not in entries  # internal


def test_secrets_are_never_told(broker: BrokerConfig) -> None:
    entries = named(describe_broker(broker))
    for name in ("ssl.keystore.password", "my.plugin.secret"):
        assert entries[name].sensitive
        assert entries[name].value is None
        assert all(synonym.value is None for synonym in entries[name].synonyms)
    assert "hunter" not in repr(entries)


def test_the_cluster_default_has_only_what_was_set(broker: BrokerConfig) -> None:
    broker.update_dynamic({"num.io.threads": "4"}, {"num.io.threads": "5"})
    (entry,) = describe_cluster_default(broker)
    assert (entry.name, entry.value, entry.source) == ("num.io.threads", "4", CLUSTER)
    assert entry.synonyms == (Synonym("num.io.threads", "4", CLUSTER),)


def test_update_modes_as_in_kafka() -> None:
    assert update_mode("log.retention.ms") == "cluster-wide"
    assert update_mode("log.retention.hours") == "read-only"
    assert update_mode("advertised.listeners") == "per-broker"
    assert update_mode("no.such.setting") == "read-only"
    assert is_dynamic("leader.replication.throttled.rate")
    assert not is_dynamic("broker.id")


@pytest.mark.parametrize(
    ("changes", "per_broker", "message"),
    [
        ({"broker.id": "1", "zookeeper.connect": "x"}, True, "Cannot update these configs dynamically: "),
        (
            {"ssl.keystore.location": "/x"},
            False,
            "Cannot update these configs at default cluster level, broker id ",
        ),
        (
            {"num.io.threads": "0"},
            False,
            "Invalid value 0 for configuration num.io.threads: Value must be at",
        ),
        ({"log.retention.ms": "0"}, False, "log.retention.ms must be unlimited (-1)"),
        ({"leader.replication.throttled.rate": "x"}, True, "Invalid value x for configuration leader."),
        (
            {"leader.replication.throttled.rate": "1"},
            False,
            "Cannot update these configs at default cluster level",
        ),
    ],
)
def test_dynamic_changes_refused(
    broker: BrokerConfig, changes: dict[str, str], per_broker: bool, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_dynamic(changes, broker, per_broker=per_broker)
    assert str(caught.value).startswith(message)


def test_dynamic_changes_checked_but_not_made(broker: BrokerConfig) -> None:
    validate_dynamic({"num.io.threads": "4", "log.retention.ms": "5"}, broker, per_broker=False)
    validate_dynamic({"leader.replication.throttled.rate": "1024"}, broker, per_broker=True)
    assert (broker.num_io_threads, broker.log_retention_ms) == (8, 86_400_000)


def test_settings_of_a_listener_are_what_they_stand_before() -> None:
    broker = BrokerConfig.from_properties(
        {
            "broker.id": "0",
            "zookeeper.connect": "z",
            "listeners": "SASL_PLAINTEXT://:1",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": "org.x.PlainLoginModule required;",
            "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "PLAIN",
            "inter.broker.listener.name": "SASL_PLAINTEXT",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
        }
    )
    entries = named(describe_broker(broker))
    secret = entries["listener.name.sasl_plaintext.plain.sasl.jaas.config"]
    assert (secret.value, secret.sensitive, secret.type) == (None, True, Type.PASSWORD.value)
    shown = entries["listener.name.sasl_plaintext.sasl.enabled.mechanisms"]
    assert (shown.value, shown.sensitive, shown.type) == ("PLAIN", False, Type.LIST.value)
    assert (shown.source, shown.read_only) == (STATIC, True)
