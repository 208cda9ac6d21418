# SPDX-License-Identifier: Apache-2.0
"""The broker's configuration as listeners and log directories take it: a few values each, checked before."""

from __future__ import annotations

from commitlog.config.broker import BrokerConfig
from commitlog.config.checks import parse_connection_overrides
from commitlog.config.definitions import broker_definitions
from commitlog.metrics.rate import Windows
from commitlog.server.connection_quotas import ConnectionLimits
from commitlog.storage.log_manager_settings import LogManagerSettings


def connection_limits(config: BrokerConfig) -> ConnectionLimits:
    return ConnectionLimits(
        max_connections=config.max_connections,
        max_connections_per_ip=config.max_connections_per_ip,
        max_connections_per_ip_overrides=parse_connection_overrides(config.max_connections_per_ip_overrides),
        connections_max_idle_ms=config.connections_max_idle_ms,
        socket_request_max_bytes=config.socket_request_max_bytes,
        socket_send_buffer_bytes=_socket_buffer(config, "socket.send.buffer.bytes"),
        socket_receive_buffer_bytes=_socket_buffer(config, "socket.receive.buffer.bytes"),
        socket_listen_backlog_size=config.socket_listen_backlog_size,
        max_connection_creation_rate=config.max_connection_creation_rate,
        listener_max_connections=_by_listener(config, "max.connections"),
        listener_max_creation_rate=_by_listener(config, "max.connection.creation.rate"),
        queued_max_request_bytes=config.queued_max_request_bytes,
        quota_windows=client_quota_windows(config),
    )


def _by_listener(config: BrokerConfig, name: str) -> dict[str, int]:
    """The values of listener.name.<listener>.<name>; a listener without one has no limit of its own."""
    settings = config.properties_in_force()
    limits = {}
    for listener in config.listeners:
        text = settings.get(f"listener.name.{listener.name.lower()}.{name}")
        if text is not None:
            value = broker_definitions()[name].parse(text)
            assert isinstance(value, int)
            limits[listener.name] = value
    return limits


def client_quota_windows(config: BrokerConfig) -> Windows:
    return Windows(config.quota_window_num, config.quota_window_size_seconds * 1000)


def controller_quota_windows(config: BrokerConfig) -> Windows:
    return Windows(config.controller_quota_window_num, config.controller_quota_window_size_seconds * 1000)


def _socket_buffer(config: BrokerConfig, name: str) -> int:
    """The configured size; when it is not configured, the system's, which grows with the connection.

    Kafka's default of 100 KiB turns that off. Receiving batches of 1 MB through it took three times the CPU
    time.
    """
    if name not in config.properties_in_force():
        return -1
    value = config.value(name)
    assert isinstance(value, int)
    return value


def log_settings(config: BrokerConfig) -> LogManagerSettings:
    return LogManagerSettings(
        retention_check_interval_ms=config.log_retention_check_interval_ms,
        flush_scheduler_interval_ms=config.log_flush_scheduler_interval_ms,
        flush_offset_checkpoint_interval_ms=config.log_flush_offset_checkpoint_interval_ms,
        flush_start_offset_checkpoint_interval_ms=config.log_flush_start_offset_checkpoint_interval_ms,
        high_watermark_checkpoint_interval_ms=config.replica_high_watermark_checkpoint_interval_ms,
        num_recovery_threads_per_data_dir=config.num_recovery_threads_per_data_dir,
        producer_id_expiration_ms=config.producer_id_expiration_ms,
        producer_id_expiration_check_interval_ms=config.producer_id_expiration_check_interval_ms,
        cleaner_enable=config.log_cleaner_enable,
        cleaner_backoff_ms=config.log_cleaner_backoff_ms,
        cleaner_dedupe_buffer_size=config.log_cleaner_dedupe_buffer_size,
        initial_task_delay_ms=config.log_initial_task_delay_ms,
    )
