# SPDX-License-Identifier: Apache-2.0
"""server.properties of any age to typed settings; refusals compared with those of Kafka 3.9.1's
KafkaConfig."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from commitlog.config.broker import BrokerConfig, ConfigError
from commitlog.config.settings import Listener

MINIMAL = {"zookeeper.connect": "kafka1:2181", "listeners": "PLAINTEXT://kafka1:9092"}


def config(**settings: str) -> BrokerConfig:
    """Settings with underscores for dots, on top of the least that a broker needs."""
    return BrokerConfig.from_properties(
        {**MINIMAL, **{name.replace("_", "."): value for name, value in settings.items()}}
    )


def of(text: str) -> BrokerConfig:
    """Settings as "a=b;c=d"; zookeeper.connect is added."""
    pairs = dict(pair.split("=", 1) for pair in text.split(";") if pair)
    return BrokerConfig.from_properties({"zookeeper.connect": "kafka1:2181", **pairs}, "server.properties")


def test_the_article_s_file() -> None:
    broker = of("broker.id=1;port=9092;host.name=kafka2;log.dirs=/tmp/kafka-logs;num.partitions=2")
    assert broker.broker_id == 1
    assert broker.listeners == [Listener("PLAINTEXT", "kafka2", 9092, "PLAINTEXT")]
    assert broker.advertised_listeners == broker.listeners
    assert broker.inter_broker_listener == broker.listeners[0]
    assert broker.zookeeper_connect == "kafka1:2181"
    assert broker.num_partitions == 2
    assert broker.log_dirs == ["/tmp/kafka-logs"]
    assert broker.warnings == [
        "server.properties: host.name and port are old names: read as listeners=PLAINTEXT://kafka2:9092"
    ]


@pytest.mark.parametrize(
    ("settings", "listening", "advertised"),
    [
        ("port=9099", ("", 9099), None),
        ("host.name=a", ("a", 9092), ("a", 9092)),
        ("host.name=a;advertised.host.name=b", ("a", 9092), ("b", 9092)),
        ("host.name=a;port=1;advertised.port=2", ("a", 1), ("a", 2)),
        ("advertised.host.name=b;advertised.port=2", ("", 9092), ("b", 2)),
        ("host.name=a;listeners=PLAINTEXT://c:3", ("c", 3), ("c", 3)),
        ("host.name=a;advertised.host.name=b;advertised.listeners=PLAINTEXT://d:4", ("a", 9092), ("d", 4)),
        ("host.name=::1", ("::1", 9092), ("::1", 9092)),
    ],
)
def test_addresses_of_0_8(
    settings: str, listening: tuple[str, int], advertised: tuple[str, int] | None
) -> None:
    broker = of(settings)
    assert (broker.listeners[0].host, broker.listeners[0].port) == listening
    if advertised is not None:
        assert (broker.advertised_listeners[0].host, broker.advertised_listeners[0].port) == advertised
    assert broker.warnings


def test_old_names_are_read_as_todays() -> None:
    broker = of("brokerid=3;log.delete.delay.ms=5;log.cleanup.interval.mins=2;replica.lag.max.messages=4000")
    assert broker.broker_id == 3
    assert broker.log_segment_delete_delay_ms == 5
    assert broker.log_retention_check_interval_ms == 120_000
    assert len(broker.warnings) == 4
    assert "replica.lag.max.messages was removed in Kafka 0.9" in broker.warnings[3]


def test_an_advertised_listener_without_a_host_has_this_machines_name() -> None:
    broker = of("listeners=PLAINTEXT://:9092")
    assert broker.listeners[0].host == ""
    assert broker.advertised_listeners[0].host != ""


def test_an_unknown_name_is_a_warning_with_the_nearest_known() -> None:
    warnings = config(num_partitons="3", log_retention_hour="2", quite_different_thing="x").warnings
    assert warnings == [
        "config/server.properties: unknown setting num.partitons, did you mean num.partitions?",
        "config/server.properties: unknown setting log.retention.hour, did you mean log.retention.hours?",
        "config/server.properties: unknown setting quite.different.thing is ignored",
    ]
    assert config(listener_name_internal_ssl_keystore_location="/x").warnings == []


@pytest.mark.parametrize(
    ("settings", "retention_ms"),
    [
        ("", 604_800_000),
        ("log.retention.hours=2", 7_200_000),
        ("log.retention.minutes=5;log.retention.hours=2", 300_000),
        ("log.retention.ms=7;log.retention.minutes=5;log.retention.hours=2", 7),
        ("log.retention.hours=-1", -1),
        ("log.retention.minutes=-5", -1),
    ],
)
def test_milliseconds_before_minutes_before_hours(settings: str, retention_ms: int) -> None:
    assert of(settings).log_retention_ms == retention_ms


def test_computed_settings() -> None:
    broker = of("log.roll.hours=1;log.roll.jitter.ms=5;log.flush.scheduler.interval.ms=9;log.dirs=/a, /b,")
    assert (broker.log_roll_ms, broker.log_roll_jitter_ms, broker.log_flush_interval_ms) == (3_600_000, 5, 9)
    assert broker.log_dirs == ["/a", "/b"]
    assert broker.num_replica_alter_log_dirs_threads == 2
    assert broker.zookeeper_connection_timeout_ms == 18_000
    assert of("zookeeper.session.timeout.ms=6000").zookeeper_connection_timeout_ms == 6000
    assert of("log.dir=/one").log_dirs == ["/one"]
    assert of("node.id=3").broker_id == of("broker.id=3").node_id == 3


def test_listeners_by_name() -> None:
    broker = of(
        "listeners=inside://10.0.0.1:9093,CLIENTS://0.0.0.0:9092;"
        "advertised.listeners=CLIENTS://kafka1:19092,INSIDE://10.0.0.1:9093;"
        "listener.security.protocol.map=INSIDE:PLAINTEXT,CLIENTS:PLAINTEXT;inter.broker.listener.name=INSIDE"
    )
    assert [listener.name for listener in broker.listeners] == ["INSIDE", "CLIENTS"]
    assert broker.inter_broker_listener == Listener("INSIDE", "10.0.0.1", 9093, "PLAINTEXT")
    assert broker.security_inter_broker_protocol == "PLAINTEXT"
    both = of("listeners=PLAINTEXT://127.0.0.1:9092,SSL://[::1]:9092")
    assert [listener.host for listener in both.listeners] == ["127.0.0.1", "::1"]


# What KafkaConfig of Kafka 3.9.1 says to the same settings (after "requirement failed: "), or how ours
# begins.
REFUSED = [
    ("broker.id=x", "Invalid value x for configuration broker.id: Not a number of type INT"),
    ("broker.id=-2", "broker.id=-2 must be greater than or equal to -1 and not greater than"),
    ("broker.id=1001", "broker.id=1001 must be greater than or equal to -1 and not greater than"),
    ("broker.id.generation.enable=false", "broker.id=-1 must be greater than or equal to 0"),
    ("node.id=3;broker.id=4", "You must set `node.id` to the same value as `broker.id`."),
    ("process.roles=broker", "process.roles is for KRaft; this broker runs in ZooKeeper mode"),
    ("zookeeper.connect=", "Invalid value  for configuration zookeeper.connect: must be host:port"),
    ("port=abc", "Invalid value abc for configuration port: Not a number of type INT"),
    ("log.retention.hours=0", "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
    ("log.roll.ms=0", "log.roll.ms must be greater than or equal to 1"),
    ("log.dirs=", "At least one log directory must be defined via log.dirs or log.dir."),
    ("listeners=", "There must be at least one broker advertised listener."),
    (
        "listeners=PLAINTEXT:9092",
        "Error creating broker listeners from 'PLAINTEXT:9092': Unable to parse PLAINTEXT:9092 to a broker "
        "endpoint",
    ),
    (
        "listeners=FOO://:9092",
        "Error creating broker listeners from 'FOO://:9092': No security protocol defined for listener FOO",
    ),
    (
        "listeners=PLAINTEXT://:70000",
        "Error creating broker listeners from 'PLAINTEXT://:70000': port 70000 must",
    ),
    (
        "listeners=PLAINTEXT://:9092,PLAINTEXT://:9093",
        "Each listener must have a different name, listeners: PLAINTEXT://:9092,PLAINTEXT://:9093",
    ),
    (
        "listeners=PLAINTEXT://:9092,SSL://:9092",
        "Each listener must have a different port, listeners: PLAINTEXT://:9092,SSL://:9092",
    ),
    (
        "listeners=PLAINTEXT://127.0.0.1:9092,SSL://h:9092",
        "Each listener must have a different port unless exactly one listener has an IPv4 address",
    ),
    (
        "listeners=PLAINTEXT://0.0.0.0:9092",
        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
    ),
    (
        "advertised.listeners=SSL://h:9092",
        "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid "
        "options based on currently configured listeners are SSL",
    ),
    (
        "advertised.listeners=PLAINTEXT://h:9092,SSL://h:9092",
        "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. "
        "Found PLAINTEXT,SSL. The valid options based on the current configuration are PLAINTEXT",
    ),
    (
        "inter.broker.listener.name=PLAINTEXT;security.inter.broker.protocol=PLAINTEXT",
        "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
    ),
    (
        "inter.broker.listener.name=BAR",
        "Listener with name BAR defined in inter.broker.listener.name not found in "
        "listener.security.protocol.map.",
    ),
    (
        "listener.security.protocol.map=PLAINTEXT:BAR",
        "Invalid security protocol `BAR` defined in listener.security.protocol.map",
    ),
    (
        "control.plane.listener.name=PLAINTEXT",
        "control.plane.listener.name, when defined, should have a different value from the inter broker "
        "listener",
    ),
    (
        "control.plane.listener.name=X",
        "Listener with X defined in control.plane.listener.name not found in listener.security.protocol.map.",
    ),
    (
        "replica.fetch.wait.max.ms=40000",
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent "
        "unnecessary socket timeouts",
    ),
    (
        "replica.lag.time.max.ms=100",
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent "
        "frequent changes in ISR",
    ),
    (
        "offsets.commit.required.acks=5",
        "offsets.commit.required.acks must be greater or equal to -1 and less or equal to "
        "offsets.topic.replication.factor",
    ),
    (
        "queued.max.request.bytes=5",
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    ),
    (
        "max.connections.per.ip=0",
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
    ),
    (
        "max.connections.per.ip.overrides=a b:5",
        "max.connections.per.ip.overrides contains invalid addresses : a b",
    ),
    (
        "connections.max.idle.ms=50",
        "connection.failed.authentication.delay.ms=100 should always be less than "
        "connections.max.idle.ms=50 to "
        "prevent failed authentication responses from timing out",
    ),
    (
        "log.cleaner.dedupe.buffer.size=100",
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    ),
    (
        "group.consumer.session.timeout.ms=1",
        "group.consumer.session.timeout.ms must be greater than or equals to "
        "group.consumer.min.session.timeout.ms",
    ),
    ("group.coordinator.rebalance.protocols=consumer", "Disabling the 'classic' protocol is not supported."),
    (
        "security.inter.broker.protocol=SSL",
        "inter.broker.listener.name must be a listener name defined in advertised.listeners.",
    ),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED, ids=[settings for settings, _ in REFUSED])
def test_refused_in_one_line_that_names_the_file(settings: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        of(settings)
    text = str(caught.value)
    assert text.startswith(f"server.properties: {message}")
    assert "\n" not in text


@pytest.mark.parametrize(
    "setting",
    [
        "authorizer.class.name=com.example.Authorizer",
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "create.topic.policy.class.name=com.example.Policy",
    ],
)
def test_a_guard_that_this_broker_has_not_is_no_silent_one(setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        of(setting)
    assert str(caught.value).startswith(f"server.properties: {setting} is not supported: ")


def test_the_authorizer_that_kafka_3_removed_names_its_heir() -> None:
    with pytest.raises(
        ConfigError, match=r"removed in Kafka 3\.0: set kafka\.security\.authorizer\.AclAuthorizer"
    ):
        of("authorizer.class.name=kafka.security.auth.SimpleAclAuthorizer")


def test_zookeeper_connect_is_required() -> None:
    with pytest.raises(ConfigError, match=r"Missing required configuration `zookeeper\.connect`"):
        BrokerConfig.from_properties({})


def test_a_refused_password_is_not_shown() -> None:
    broker = config(ssl_keystore_password="hunter2")
    assert "hunter2" not in repr(broker)


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "server.properties"
    path.write_text("broker.id=1\nzookeeper.connect=a:1/chroot\nlisteners=PLAINTEXT://h:1\n")
    broker = BrokerConfig.from_file(path, ["broker.id=2", "log.dirs=/x"])
    assert (broker.broker_id, broker.zookeeper_connect, broker.log_dirs) == (2, "a:1/chroot", ["/x"])
    with pytest.raises(ConfigError, match=str(path)):
        BrokerConfig.from_file(path, ["broker.id=abc"])


def test_inter_broker_protocol_versions_compare() -> None:
    broker = config(inter_broker_protocol_version="2.8")
    assert broker.ibp_at_least("2.8-IV0")
    assert broker.ibp_at_least("2.8-IV1")
    assert not broker.ibp_at_least("3.0-IV0")
    assert config().ibp_at_least("3.9-IV0")


def test_dynamic_settings_by_level() -> None:
    broker = config(log_retention_hours="2")
    changes: list[frozenset[str]] = []
    broker.add_listener(changes.append)
    assert broker.update_dynamic({"log.retention.ms": "5000", "num.io.threads": "4"}, {}) == {
        "log.retention.ms",
        "num.io.threads",
    }
    assert (broker.log_retention_ms, broker.num_io_threads) == (5000, 4)
    broker.update_dynamic({"log.retention.ms": "5000"}, {"log.retention.ms": "6000"})
    assert (broker.log_retention_ms, broker.num_io_threads) == (6000, 8)
    broker.update_dynamic({}, {})
    assert broker.log_retention_ms == 7_200_000
    assert changes[-1] == {"log.retention.ms"}
    assert broker.update_dynamic({}, {}) == frozenset()
    assert len(changes) == 3


def test_bad_dynamic_settings_are_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    broker = config()
    with caplog.at_level(logging.ERROR):
        broker.update_dynamic(
            {
                "broker.id": "9",
                "num.io.threads": "0",
                "ssl.keystore.location": "/x",
                "background.threads": "3",
            },
            {"log.segment.bytes": "many"},
        )
    assert (broker.broker_id, broker.num_io_threads, broker.background_threads) == (-1, 8, 3)
    assert broker.dynamic_cluster == {"background.threads": "3"}
    assert broker.dynamic_broker == {}
    assert len(caplog.records) == 4


def test_dynamic_settings_that_break_a_rule_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    broker = config()
    with caplog.at_level(logging.ERROR):
        assert broker.update_dynamic({"log.retention.ms": "0", "num.io.threads": "4"}, {}) == frozenset()
    assert (broker.log_retention_ms, broker.num_io_threads) == (604_800_000, 8)
    assert "log.retention.ms must be unlimited" in caplog.text


def test_a_generated_id_outlives_dynamic_changes() -> None:
    broker = config()
    broker.set_broker_id(1001)
    broker.update_dynamic({"num.io.threads": "4"}, {})
    assert (broker.broker_id, broker.node_id, broker.value("broker.id")) == (1001, 1001, 1001)
