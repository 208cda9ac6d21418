# SPDX-License-Identifier: Apache-2.0
"""Rules that hold between settings (KafkaConfig.validateValues, for ZooKeeper mode), in the order and words
of Kafka."""

from __future__ import annotations

import re
from collections.abc import Sequence

from commitlog.config.metadata_version import rank
from commitlog.config.properties import ConfigError
from commitlog.config.settings import BrokerSettings, Listener

MEBIBYTE = 1024 * 1024

# Settings that guard something, or that hand work to a Java class. A broker that started without heeding them
# would be open where its owner believes it closed, so it does not start.
_UNSERVED = {
    "zookeeper.metadata.migration.enable": "this broker cannot take part in a migration to KRaft",
    "remote.log.storage.system.enable": "this broker has no tiered storage",
    "create.topic.policy.class.name": "this broker runs no Java classes",
    "alter.config.policy.class.name": "this broker runs no Java classes",
    "client.quota.callback.class": "this broker runs no Java classes",
}

ACL_AUTHORIZER = "kafka.security.authorizer.AclAuthorizer"
_REMOVED_AUTHORIZER = "kafka.security.auth.SimpleAclAuthorizer"


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def check_broker(config: BrokerSettings) -> None:
    """Raise ConfigError for the first rule that is broken."""
    _check_identity(config)
    _check_logs(config)
    _check_replication(config)
    _check_listeners(config)
    _check_connections(config)
    _check_groups(config)
    _check_authorizer(config)
    _check_served(config)


def _check_served(config: BrokerSettings) -> None:
    for name, reason in _UNSERVED.items():
        value = getattr(config, name.replace(".", "_"))
        _require(
            not value, f"{name}={str(value).lower() if value is True else value} is not supported: {reason}"
        )


def _check_authorizer(config: BrokerSettings) -> None:
    name = config.authorizer_class_name
    _require(
        name != _REMOVED_AUTHORIZER,
        f"authorizer.class.name={name} was removed in Kafka 3.0: set {ACL_AUTHORIZER}, which reads the same "
        "ACLs",
    )
    _require(
        name in ("", ACL_AUTHORIZER),
        f"authorizer.class.name={name} is not supported: this broker runs no Java classes, set "
        f"{ACL_AUTHORIZER}",
    )


def _check_identity(config: BrokerSettings) -> None:
    _require(
        not config.process_roles,
        "process.roles is for KRaft; this broker runs in ZooKeeper mode: remove process.roles, set "
        "zookeeper.connect",
    )
    _require(
        config.zookeeper_connect is not None,
        "Missing required configuration `zookeeper.connect` which has no default value.",
    )
    _require(
        bool(re.fullmatch(r"[^,/\s]+(,\s*[^,/\s]+)*(/\S*)?", config.zookeeper_connect or "")),
        f"Invalid value {config.zookeeper_connect} for configuration zookeeper.connect: "
        "must be host:port[,host:port...][/chroot]",
    )
    _require(config.node_id == config.broker_id, "You must set `node.id` to the same value as `broker.id`.")
    if config.broker_id_generation_enable:
        _require(
            -1 <= config.broker_id <= config.reserved_broker_max_id,
            f"broker.id={config.broker_id} must be greater than or equal to -1 and not greater than "
            f"reserved.broker.max.id={config.reserved_broker_max_id}",
        )
    else:
        _require(config.broker_id >= 0, f"broker.id={config.broker_id} must be greater than or equal to 0")


def _check_logs(config: BrokerSettings) -> None:
    _require(config.log_roll_ms >= 1, "log.roll.ms must be greater than or equal to 1")
    _require(config.log_roll_jitter_ms >= 0, "log.roll.jitter.ms must be greater than or equal to 0")
    _require(
        config.log_retention_ms >= 1 or config.log_retention_ms == -1,
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    )
    _require(bool(config.log_dirs), "At least one log directory must be defined via log.dirs or log.dir.")
    _require(
        config.log_cleaner_threads == 0
        or config.log_cleaner_dedupe_buffer_size // config.log_cleaner_threads > MEBIBYTE,
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    )


def _check_replication(config: BrokerSettings) -> None:
    _require(
        config.replica_fetch_wait_max_ms <= config.replica_socket_timeout_ms,
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent "
        "unnecessary socket timeouts",
    )
    _require(
        config.replica_fetch_wait_max_ms <= config.replica_lag_time_max_ms,
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent "
        "frequent changes in ISR",
    )
    _require(
        -1 <= config.offsets_commit_required_acks <= config.offsets_topic_replication_factor,
        "offsets.commit.required.acks must be greater or equal to -1 and less or equal to "
        "offsets.topic.replication.factor",
    )
    _require(
        rank(config.inter_broker_protocol_version) >= rank("0.11.0"),
        f"inter.broker.protocol.version={config.inter_broker_protocol_version} must be 0.11.0 or higher, "
        "because log.message.format.version is 3.0 (record batches of magic 2)",
    )


def _names(listeners: Sequence[Listener]) -> str:
    return ",".join(listener.name for listener in listeners)


def _check_listeners(config: BrokerSettings) -> None:
    advertised = {listener.name for listener in config.advertised_listeners}
    listening = {listener.name for listener in config.listeners}
    _require(bool(advertised), "There must be at least one broker advertised listener.")
    _require(
        config.inter_broker_listener_name in advertised,
        "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid "
        f"options based on currently configured listeners are {_names(config.advertised_listeners)}",
    )
    _require(
        advertised <= listening,
        "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. "
        f"Found {_names(config.advertised_listeners)}. The valid options based on the current configuration "
        f"are {_names(config.listeners)}",
    )
    _require(
        all(listener.host != "0.0.0.0" for listener in config.advertised_listeners),
        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
    )
    if config.control_plane_listener_name is not None:
        _check_control_plane(config, config.control_plane_listener_name.upper(), advertised)


def _check_control_plane(config: BrokerSettings, control: str, advertised: set[str]) -> None:
    _require(
        control in config.listener_security_protocol_map,
        f"Listener with {control} defined in control.plane.listener.name not found in "
        "listener.security.protocol.map.",
    )
    _require(
        control != config.inter_broker_listener_name,
        "control.plane.listener.name, when defined, should have a different value from the inter broker "
        f"listener name. Currently they both have the value {control}",
    )
    _require(
        control in advertised,
        "control.plane.listener.name must be a listener name defined in advertised.listeners. The valid "
        f"options based on currently configured listeners are {_names(config.advertised_listeners)}",
    )


def parse_connection_overrides(text: str) -> dict[str, int]:
    """max.connections.per.ip.overrides: host or address to its limit."""
    found: dict[str, int] = {}
    for item in (part.strip() for part in text.split(",")):
        if not item:
            continue
        host, separator, limit = item.rpartition(":")
        _require(
            bool(separator) and limit.strip().isdigit(),
            f"Error parsing configuration property 'max.connections.per.ip.overrides': {item} must be "
            "host:limit",
        )
        _require(
            bool(re.fullmatch(r"[0-9a-zA-Z\-%._:]+", host.strip())),
            f"max.connections.per.ip.overrides contains invalid addresses : {host.strip()}",
        )
        found[host.strip()] = int(limit)
    return found


def _check_connections(config: BrokerSettings) -> None:
    _require(
        config.queued_max_request_bytes <= 0
        or config.queued_max_request_bytes >= config.socket_request_max_bytes,
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    )
    overrides = parse_connection_overrides(config.max_connections_per_ip_overrides)
    _require(
        config.max_connections_per_ip > 0 or bool(overrides),
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
    )
    delay, idle = config.connection_failed_authentication_delay_ms, config.connections_max_idle_ms
    _require(
        idle < 0 or delay < idle,
        f"connection.failed.authentication.delay.ms={delay} should always be less than "
        f"connections.max.idle.ms={idle} to prevent failed authentication responses from timing out",
    )


def _check_groups(config: BrokerSettings) -> None:
    _require(
        "classic" in config.group_coordinator_rebalance_protocols,
        "Disabling the 'classic' protocol is not supported.",
    )
    for what in ("session.timeout", "heartbeat.interval"):
        attribute = what.replace(".", "_")
        low = getattr(config, f"group_consumer_min_{attribute}_ms")
        high = getattr(config, f"group_consumer_max_{attribute}_ms")
        value = getattr(config, f"group_consumer_{attribute}_ms")
        prefix = "group.consumer."
        _require(
            high >= low,
            f"{prefix}max.{what}.ms must be greater than or equals to {prefix}min.{what}.ms",
        )
        _require(value >= low, f"{prefix}{what}.ms must be greater than or equals to {prefix}min.{what}.ms")
        _require(value <= high, f"{prefix}{what}.ms must be less than or equals to {prefix}max.{what}.ms")
