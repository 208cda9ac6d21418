# SPDX-License-Identifier: Apache-2.0
"""The tables of settings: complete, typed, and refusing with ConfigDef's words."""

from __future__ import annotations

import re

import pytest

from commitlog.config.definitions import (
    InvalidValue,
    Type,
    broker_definitions,
    broker_synonyms,
    format_double,
    topic_definitions,
    topic_synonyms,
)
from commitlog.config.settings import BrokerSettings

# Counted in Apache Kafka 3.9.1: KafkaConfig.configDef() and LogConfig.
BROKER_SETTINGS, INTERNAL_SETTINGS, TOPIC_SETTINGS = 328, 14, 36


def test_every_setting_of_kafka_is_there() -> None:
    rows = broker_definitions()
    assert len(rows) == BROKER_SETTINGS
    assert sum(row.internal for row in rows.values()) == INTERNAL_SETTINGS
    assert len(topic_definitions()) == TOPIC_SETTINGS
    for row in (*rows.values(), *topic_definitions().values()):
        assert row.doc.endswith("."), row.name
        assert row.importance in ("HIGH", "MEDIUM", "LOW"), row.name
        assert row.update in ("read-only", "cluster-wide", "per-broker"), row.name


def test_every_default_is_within_its_limits() -> None:
    for row in (*broker_definitions().values(), *topic_definitions().values()):
        if row.check is not None and row.default is not None:
            row.check(row.name, row.default)


def test_every_setting_has_a_typed_attribute() -> None:
    annotated = set(BrokerSettings.__annotations__)
    computed = {"listener_security_protocol_map"}
    assert {row.attribute for row in broker_definitions().values()} == annotated | computed


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("broker.id", -1),
        ("num.partitions", 1),
        ("log.segment.bytes", 1073741824),
        ("message.max.bytes", 1048588),
        ("log.retention.hours", 168),
        ("log.retention.ms", None),
        ("zookeeper.session.timeout.ms", 18000),
        ("zookeeper.connect", None),
        ("auto.create.topics.enable", True),
        ("log.cleaner.min.cleanable.ratio", 0.5),
        ("log.cleanup.policy", ["delete"]),
        ("metric.reporters", []),
        ("inter.broker.protocol.version", "3.9-IV0"),
        ("offsets.topic.replication.factor", 3),
    ],
)
def test_defaults(name: str, default: object) -> None:
    assert broker_definitions()[name].default == default


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("num.partitions", "0", "Value must be at least 1"),
        ("num.partitions", "99999999999", "Not a number of type INT"),
        ("num.partitions", "1.5", "Not a number of type INT"),
        ("num.partitions", "", "Not a number of type INT"),
        ("num.partitions", "1_000", "Not a number of type INT"),
        ("offsets.topic.replication.factor", "40000", "Not a number of type SHORT"),
        ("auto.create.topics.enable", "yes", "Expected value to be either true or false"),
        ("compression.type", "foo", "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"),
        ("log.cleanup.policy", "foo", "String must be one of: compact, delete"),
        ("inter.broker.protocol.version", "9.9", "Version 9.9 is not a valid version"),
        ("compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"),
        ("log.cleaner.min.cleanable.ratio", "1.5", "Value must be no more than 1"),
        ("log.cleaner.min.cleanable.ratio", "x", "Not a number of type DOUBLE"),
        ("log.local.retention.ms", "-3", "Value must be at least -2"),
        ("ssl.client.auth", "foo", "String must be one of: required, requested, none"),
    ],
)
def test_refusals_in_kafkas_words(name: str, text: str, message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        broker_definitions()[name].parse(text)
    assert str(caught.value) == f"Invalid value {text} for configuration {name}: {message}"


def test_values_are_trimmed_and_lists_split() -> None:
    assert broker_definitions()["num.partitions"].parse(" +7 ") == 7
    assert broker_definitions()["log.cleanup.policy"].parse(" compact , delete ") == ["compact", "delete"]
    assert broker_definitions()["log.preallocate"].parse("TRUE") is True
    assert broker_definitions()["log.cleanup.policy"].parse("") == []


def test_throttled_replicas() -> None:
    row = topic_definitions()["leader.replication.throttled.replicas"]
    assert row.parse("*") == ["*"]
    assert row.parse("0:1,1:2") == ["0:1", "1:2"]
    with pytest.raises(InvalidValue, match=r"Invalid value \[\*, 0:1\] for configuration leader\."):
        row.parse("*,0:1")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (1.0, "1.0"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (1e-5, "1.0E-5"),
        (12345678.0, "1.2345678E7"),
        (0.0, "0.0"),
    ],
)
def test_doubles_print_as_in_java(value: float, text: str) -> None:
    assert format_double(value) == text


def test_topic_settings_stand_on_broker_settings() -> None:
    synonyms = topic_synonyms()
    assert synonyms["retention.ms"] == ("log.retention.ms", "log.retention.minutes", "log.retention.hours")
    assert synonyms["max.message.bytes"] == ("message.max.bytes",)
    assert synonyms["min.insync.replicas"] == ("min.insync.replicas",)
    assert "leader.replication.throttled.replicas" not in synonyms
    assert broker_synonyms("log.roll.hours") == ("log.roll.ms", "log.roll.hours")
    assert broker_synonyms("num.partitions") == ("num.partitions",)
    for topic_name, broker_names in synonyms.items():
        theirs, ours = topic_definitions()[topic_name].type, broker_definitions()[broker_names[0]].type
        assert theirs is ours or {theirs, ours} <= {Type.INT, Type.LONG}


@pytest.mark.parametrize("text", ["x\0 \n", " x ", "\u00a05"])
def test_a_bad_number_is_shown_as_it_was_given(text: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(f"Invalid value {text} for")):
        broker_definitions()["log.cleaner.threads"].parse(text)


def test_what_java_trims() -> None:
    assert broker_definitions()["log.cleaner.threads"].parse("\0 5\r\n") == 5
