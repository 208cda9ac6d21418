# SPDX-License-Identifier: Apache-2.0
"""All logs of a broker over all its log.dirs (Kafka's LogManager): load, create, delete, checkpoint, retention."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from commitlog.storage.disk import Disk
from commitlog.storage.log import Log
from commitlog.storage.log_config import LogConfig


class StorageError(Exception):
    """The data directory cannot be used: one line that names the file and why. Fatal at start."""


@dataclass(slots=True)
class LogManagerSettings:
    """The broker-level settings that log directories need, by their Kafka names."""

    retention_check_interval_ms: int = 300_000
    flush_scheduler_interval_ms: int = 2**63 - 1
    flush_offset_checkpoint_interval_ms: int = 60_000
    flush_start_offset_checkpoint_interval_ms: int = 60_000
    high_watermark_checkpoint_interval_ms: int = 5_000
    num_recovery_threads_per_data_dir: int = 1
    producer_id_expiration_ms: int = 86_400_000
    producer_id_expiration_check_interval_ms: int = 600_000
    cleaner_enable: bool = True
    initial_task_delay_ms: int = 30_000


class LogManager:
    """Owns every Log. Everything that blocks is sent to the loop's executor from here."""

    def __init__(
        self,
        disk: Disk,
        log_dirs: list[str],
        *,
        broker_id: int,
        cluster_id: str,
        topic_config: Callable[[str], LogConfig],
        settings: LogManagerSettings,
        now_ms: Callable[[], int],
        rng: random.Random,
        on_log_dir_failure: Callable[[str], None] = lambda log_dir: None,
    ) -> None:
        raise NotImplementedError

    @property
    def online_log_dirs(self) -> list[str]:
        """Directories in use."""
        raise NotImplementedError

    @property
    def offline_log_dirs(self) -> list[str]:
        """Directories that failed; their partitions are offline, the others go on."""
        raise NotImplementedError

    async def load(self) -> None:
        """Lock every directory, check meta.properties, load and recover all logs. Raises StorageError."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin retention, flushing, checkpoints, delayed file removal, producer id expiry, cleaning."""
        raise NotImplementedError

    async def shutdown(self, *, clean: bool = True) -> None:
        """Stop; when clean: flush and close every log, write checkpoints and the clean-shutdown marker."""
        raise NotImplementedError

    def get_log(self, topic: str, partition: int) -> Log | None:
        """The log, None when there is none here or its directory is offline."""
        raise NotImplementedError

    def get_or_create_log(
        self, topic: str, partition: int, *, topic_id: bytes | None = None, is_new: bool = False
    ) -> Log:
        """The log, made in the directory with the fewest when missing. KAFKA_STORAGE_ERROR when a directory
        is offline and is_new is False (the log may be in there)."""
        raise NotImplementedError

    def delete_log(self, topic: str, partition: int) -> bool:
        """Rename the directory to `-delete` now; its files go after file.delete.delay.ms. False when unknown."""
        raise NotImplementedError

    def all_logs(self) -> Iterable[Log]:
        """Every online log."""
        raise NotImplementedError

    def is_log_dir_online(self, log_dir: str) -> bool:
        """Is this directory in use?"""
        raise NotImplementedError

    def update_topic_config(self, topic: str) -> None:
        """The topic's configuration changed: ask topic_config again for its logs."""
        raise NotImplementedError

    async def checkpoint_recovery_points(self) -> None:
        """Write recovery-point-offset-checkpoint of every directory."""
        raise NotImplementedError

    async def checkpoint_log_start_offsets(self) -> None:
        """Write log-start-offset-checkpoint of every directory."""
        raise NotImplementedError

    async def checkpoint_high_watermarks(self) -> None:
        """Write replication-offset-checkpoint of every directory (every hosted partition)."""
        raise NotImplementedError
