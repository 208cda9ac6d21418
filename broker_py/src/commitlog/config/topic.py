# SPDX-License-Identifier: Apache-2.0
"""A topic's configuration: the broker's defaults with the topic's overrides on top (Kafka's `LogConfig`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from commitlog.config.broker import BrokerConfig


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """The view that storage and replication take of a topic; build it anew when broker or topic settings change."""

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
        """Overrides that are unknown or bad are logged and left out, so that a bad znode cannot stop a broker."""
        raise NotImplementedError


def validate_topic_config(overrides: Mapping[str, str], broker: BrokerConfig) -> None:
    """Raise ConfigError with Kafka's words ("Unknown topic config name: x", "Invalid value ... for configuration ...")."""
    raise NotImplementedError
