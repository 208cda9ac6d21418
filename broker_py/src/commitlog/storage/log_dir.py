# SPDX-License-Identifier: Apache-2.0
"""One entry of log.dirs: its lock, its identity, its clean-shutdown marker, its checkpoints.

`.lock` is there and locked as long as the broker lives. `.kafka_cleanshutdown` (JSON, only its existence
matters) is written when everything has been closed and taken away before loading begins, so that a crash
while loading counts as a crash. A directory whose disk fails goes offline and takes only its own partitions
with it (KIP-112).
"""

from __future__ import annotations

import json
import logging
import posixpath
import threading
from collections.abc import Mapping

from commitlog.storage.checkpoint import (
    RECOVERY_POINT,
    CheckpointError,
    checkpoint_path,
    read_offsets,
    write_offsets,
)
from commitlog.storage.disk import Disk, Lock
from commitlog.storage.meta_properties import (
    StorageError,
    check_meta_properties,
    write_meta_properties,
)

LOCK = ".lock"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
DELETE_SUFFIX = "-delete"
FUTURE_SUFFIX = "-future"
STRAY_SUFFIX = "-stray"
_MAX_NAME = 255

_log = logging.getLogger("commitlog.storage.log_dir")


class LogDir:
    """A log directory."""

    def __init__(self, disk: Disk, path: str) -> None:
        self.path = path
        self.online = True
        self.failure: OSError | None = None
        self.loaded = False
        self.clean = False
        self.recovery_points: Mapping[tuple[str, int], int] = {}  # as on disk
        # Checkpoints are captured on the loop and written by worker threads; the newest capture has to win.
        self._captures = 0
        self._written: dict[str, int] = {}
        self._write_lock = threading.Lock()
        self._disk = disk
        self._lock: Lock | None = None

    def __repr__(self) -> str:
        return f"LogDir({self.path}, {'online' if self.online else 'offline'})"

    # ---- identity

    def acquire(self) -> None:
        """Make and lock it. OSError when the disk fails; StorageError when another broker has it."""
        self._disk.mkdir(self.path)
        self._disk.listdir(self.path)
        lock = self._disk.lock(posixpath.join(self.path, LOCK))
        if lock is None:
            raise StorageError(
                f"Failed to acquire lock on file {LOCK} in {self.path}. A Kafka instance in another process "
                "or thread is using this directory."
            )
        self._lock = lock

    def release(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def identify(self, broker_id: int, cluster_id: str, now_ms: int) -> None:
        """Check meta.properties, or write it into a new directory. Raises StorageError."""
        if not check_meta_properties(self._disk, self.path, broker_id, cluster_id):
            write_meta_properties(self._disk, self.path, broker_id, cluster_id, now_ms)

    # ---- clean shutdown

    def take_clean_marker(self) -> None:
        """Was the last shutdown clean? The marker goes at once."""
        marker = posixpath.join(self.path, CLEAN_SHUTDOWN)
        self.clean = self._disk.exists(marker)
        if self.clean:
            self._disk.remove(marker)
            self._disk.fsync_dir(self.path)
            _log.info("Skipping recovery of logs from %s since clean shutdown file was found", self.path)

    def write_clean_marker(self) -> None:
        """Everything is closed."""
        text = json.dumps({"version": 0, "brokerEpoch": -1}, separators=(",", ":"))
        self._disk.write_atomic(posixpath.join(self.path, CLEAN_SHUTDOWN), text.encode())

    # ---- checkpoints

    def read_checkpoint(self, name: str) -> dict[tuple[str, int], int]:
        """An offset checkpoint; one that is damaged counts as empty, which is always safe, if slower."""
        try:
            offsets = read_offsets(self._disk, checkpoint_path(self.path, name))
            if name == RECOVERY_POINT:
                self.recovery_points = offsets
            return offsets
        except CheckpointError as reason:
            _log.warning("Error occurred while reading %s file of directory %s: %s", name, self.path, reason)
            return {}

    def capture(self) -> int:
        """A number for offsets that have been collected now, for write_checkpoint."""
        self._captures += 1
        return self._captures

    def write_checkpoint(self, name: str, offsets: Mapping[tuple[str, int], int], capture: int) -> None:
        """Replace an offset checkpoint, unless a later capture has been written; in any thread."""
        with self._write_lock:
            if self._written.get(name, 0) < capture:
                write_offsets(self._disk, checkpoint_path(self.path, name), offsets)
                self._written[name] = capture
                if name == RECOVERY_POINT:
                    self.recovery_points = offsets

    # ---- partition directories

    def partition_path(self, topic: str, partition: int) -> str:
        """Where a partition lives."""
        return posixpath.join(self.path, f"{topic}-{partition}")

    def partition_names(self) -> list[str]:
        """Names of the directories in it."""
        names = self._disk.listdir(self.path)
        return [name for name in names if self._disk.is_dir(posixpath.join(self.path, name))]


def delete_name(topic: str, partition: int, unique_id: str) -> str:
    """Name of a partition directory that is to be removed (LocalLog.logDeleteDirName)."""
    suffix = f".{unique_id}{DELETE_SUFFIX}"
    return f"{topic}-{partition}"[: _MAX_NAME - len(suffix)] + suffix


def future_name(topic: str, partition: int, unique_id: str) -> str:
    """Name of the directory that a replica is copied into (UnifiedLog.logFutureDirName)."""
    return f"{topic}-{partition}.{unique_id}{FUTURE_SUFFIX}"


def can_be_moved(topic: str, partition: int) -> bool:
    """Whether the name of the copy's directory is one that a file system takes."""
    return len(future_name(topic, partition, "0" * 32)) <= _MAX_NAME


def parse_future_name(log_dir: str, name: str) -> tuple[str, int]:
    """(topic, partition) of a `-future` directory's name. Raises StorageError."""
    return parse_partition_name(log_dir, name.removesuffix(FUTURE_SUFFIX).rpartition(".")[0] or name)


def parse_partition_name(log_dir: str, name: str) -> tuple[str, int]:
    """(topic, partition) of a partition directory's name. Raises StorageError."""
    topic, dash, partition = name.rpartition("-")
    if not dash or not topic or not (partition.isascii() and partition.isdigit()):
        raise StorageError(
            f"Found directory {posixpath.join(log_dir, name)}, '{name}' is not in the form of "
            "topic-partition or topic-partition.uniqueId-delete (if marked for deletion). Kafka's log "
            "directories (and children) should only contain Kafka topic data."
        )
    return topic, int(partition)
