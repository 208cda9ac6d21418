# SPDX-License-Identifier: Apache-2.0
"""The broker-level settings that log directories need, by their Kafka names."""

from __future__ import annotations

from dataclasses import dataclass

from commitlog.storage.background import NEVER_MS


@dataclass(slots=True)
class LogManagerSettings:
    """Kafka's defaults, where nothing else is said."""

    retention_check_interval_ms: int = 300_000
    flush_scheduler_interval_ms: int = NEVER_MS
    flush_offset_checkpoint_interval_ms: int = 60_000
    flush_start_offset_checkpoint_interval_ms: int = 60_000
    high_watermark_checkpoint_interval_ms: int = 5_000
    num_recovery_threads_per_data_dir: int = 1
    producer_id_expiration_ms: int = 86_400_000
    producer_id_expiration_check_interval_ms: int = 600_000
    cleaner_enable: bool = True
    cleaner_backoff_ms: int = 15_000
    cleaner_dedupe_buffer_size: int = 128 * 1024 * 1024
    initial_task_delay_ms: int = 30_000
