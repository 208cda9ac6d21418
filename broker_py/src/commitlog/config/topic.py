# SPDX-License-Identifier: Apache-2.0
"""A topic's configuration: the broker's defaults with the topic's overrides on top (Kafka's `LogConfig`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from commitlog.config.broker import BrokerConfig, nearest_names
from commitlog.config.definitions import InvalidValue, Value, topic_definitions, topic_synonyms
from commitlog.config.properties import ConfigError

log = logging.getLogger("commitlog.config.topic")

# Topic settings whose broker default is computed from several broker settings.
_COMPUTED = {
    "retention.ms": "log_retention_ms",
    "segment.ms": "log_roll_ms",
    "segment.jitter.ms": "log_roll_jitter_ms",
    "flush.ms": "log_flush_interval_ms",
}


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """The view that storage and replication take of a topic; build it anew when broker or topic settings
    change."""

    segment_bytes: int
    segment_ms: int
    segment_jitter_ms: int
    segment_index_bytes: int
    index_interval_bytes: int
    retention_ms: int
    retention_bytes: int
    max_message_bytes: int
    cleanup_policy: frozenset[str]
    message_timestamp_type: str
    message_timestamp_before_max_ms: int
    message_timestamp_after_max_ms: int
    compression_type: str
    compression_gzip_level: int
    compression_lz4_level: int
    compression_zstd_level: int
    flush_messages: int
    flush_ms: int
    file_delete_delay_ms: int
    delete_retention_ms: int
    min_cleanable_dirty_ratio: float
    min_compaction_lag_ms: int
    max_compaction_lag_ms: int
    min_insync_replicas: int
    unclean_leader_election_enable: bool
    preallocate: bool
    message_downconversion_enable: bool
    follower_replication_throttled_replicas: tuple[str, ...]
    leader_replication_throttled_replicas: tuple[str, ...]

    @classmethod
    def build(cls, broker: BrokerConfig, overrides: Mapping[str, str]) -> Self:
        """Overrides that are unknown or bad are logged and left out, so that a bad znode cannot stop a
        broker."""
        usable: dict[str, str] = {}
        for name, text in overrides.items():
            row = topic_definitions().get(name)
            try:
                if row is None:
                    raise ConfigError(f"Unknown topic config name: {name}")
                row.parse(text)
            except (ConfigError, InvalidValue) as error:
                log.warning("Topic config is ignored: %s", error)
            else:
                usable[name] = text
        return cls._of(topic_values(broker, usable))

    @classmethod
    def _of(cls, values: Mapping[str, Value]) -> Self:
        attributes: dict[str, Any] = {name.replace(".", "_"): value for name, value in values.items()}
        attributes["cleanup_policy"] = frozenset(attributes["cleanup_policy"])
        for side in ("follower", "leader"):
            name = f"{side}_replication_throttled_replicas"
            attributes[name] = tuple(attributes[name])
        _apply_difference_max(attributes, values)
        return cls(**{field.name: attributes[field.name] for field in fields(cls)})

    @property
    def compact(self) -> bool:
        return "compact" in self.cleanup_policy

    @property
    def delete(self) -> bool:
        return "delete" in self.cleanup_policy


_LONG_MAX = (1 << 63) - 1


def _apply_difference_max(attributes: dict[str, Any], values: Mapping[str, Value]) -> None:
    """message.timestamp.difference.max.ms stands in for both newer limits until one of them is set
    (KIP-937)."""
    difference = values["message.timestamp.difference.max.ms"]
    if difference == _LONG_MAX:
        return
    for side in ("before", "after"):
        name = f"message_timestamp_{side}_max_ms"
        if attributes[name] == _LONG_MAX:
            attributes[name] = difference


def topic_values(broker: BrokerConfig, overrides: Mapping[str, str]) -> dict[str, Value]:
    """Typed value of every topic setting; `overrides` must be valid (else InvalidValue)."""
    values: dict[str, Value] = {}
    for name, row in topic_definitions().items():
        if name in overrides:
            values[name] = row.parse(overrides[name])
        elif name in _COMPUTED:
            values[name] = getattr(broker, _COMPUTED[name])
        elif name in topic_synonyms():
            values[name] = broker.value(topic_synonyms()[name][0])
        else:
            values[name] = row.default
    return values


def validate_topic_config(overrides: Mapping[str, str], broker: BrokerConfig) -> None:
    """Raise ConfigError with Kafka's words (LogConfig.validate: "Unknown topic config name: x", "Invalid
    value ... for configuration ...")."""
    for name in overrides:
        if name not in topic_definitions():
            hint = nearest_names(name, topic_definitions())
            raise ConfigError(f"Unknown topic config name: {name}{hint}", name=name)
    try:
        values = topic_values(broker, overrides)
    except InvalidValue as error:
        raise ConfigError(str(error), name=error.name) from None
    low, high = values["min.compaction.lag.ms"], values["max.compaction.lag.ms"]
    if isinstance(low, int) and isinstance(high, int) and low > high:
        raise ConfigError(
            f"conflict topic config setting min.compaction.lag.ms ({low}) > max.compaction.lag.ms ({high})"
        )
    if values["remote.storage.enable"]:
        raise ConfigError(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote "
            "log storage."
        )
