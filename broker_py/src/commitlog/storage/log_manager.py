# SPDX-License-Identifier: Apache-2.0
"""All logs of a broker over all its log.dirs (Kafka's LogManager): load, create, delete, move, lose.

Lives on the broker's loop; loading, fsync, removal and checkpoint writes go to the loop's executor. A
directory whose disk fails goes offline with its partitions, the others go on (KIP-112).

A replica that moves to another directory has two logs for a while: the current one, and the future one in a
`-future` directory, which takes its place when it has everything (KIP-113).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import posixpath
import random
from collections.abc import Callable, Iterable

from commitlog.storage.background import Background
from commitlog.storage.checkpoint import (
    CLEANER_OFFSET,
    HIGH_WATERMARK,
    LOG_START_OFFSET,
    RECOVERY_POINT,
)
from commitlog.storage.disk import Disk
from commitlog.storage.file_cache import FileCache
from commitlog.storage.housekeeping import Housekeeping
from commitlog.storage.late_writer import LateWriter
from commitlog.storage.log import Log, LogHooks
from commitlog.storage.log_base import LogBase
from commitlog.storage.log_checkpoints import LogCheckpoints
from commitlog.storage.log_cleaner import LogCleaner
from commitlog.storage.log_config import LogConfig
from commitlog.storage.log_dir import (
    DELETE_SUFFIX,
    FUTURE_SUFFIX,
    STRAY_SUFFIX,
    LogDir,
    delete_name,
    future_name,
    parse_future_name,
    parse_partition_name,
)
from commitlog.storage.log_loader import LogLoader
from commitlog.storage.log_manager_settings import LogManagerSettings
from commitlog.storage.meta_properties import StorageError
from commitlog.storage.segment import DELETED
from commitlog.wire.errors import ErrorCode, KafkaError

__all__ = ["LogManager", "StorageError"]

_log = logging.getLogger("commitlog.storage.log_manager")


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
        self._disk = disk
        self._dirs = {path: LogDir(disk, path) for path in log_dirs}
        self._broker_id = broker_id
        self._cluster_id = cluster_id
        self._topic_config = topic_config
        self._settings = settings
        self._now_ms = now_ms
        self._rng = rng
        self._on_log_dir_failure = on_log_dir_failure
        self._files = FileCache(disk)
        self._logs: dict[tuple[str, int], Log] = {}
        self._futures: dict[tuple[str, int], Log] = {}
        self._preferred: dict[tuple[str, int], str] = {}
        self._background = Background()
        self.checkpoints = LogCheckpoints(
            self._dirs.values(), self._logs_in, self._fail_dir, self._background
        )
        self._cleaner = LogCleaner(
            self._cleanable_logs,
            self._files,
            dedupe_buffer_size=settings.cleaner_dedupe_buffer_size,
            now_ms=now_ms,
        )
        self.housekeeping = Housekeeping(
            disk, self._every_log, self._fail_dir, self._background,
            self.checkpoints, self._cleaner, settings, now_ms,
        )  # fmt: skip
        self._late_writer = LateWriter(self._background, self._fail_dir)
        self._hooks = LogHooks(
            self.housekeeping.delete_files_later,
            self.housekeeping.flush_later,
            self._truncated,
            self._late_writer.add,
            self._fail_dir,
        )
        self._locked = False
        self._loop: asyncio.AbstractEventLoop | None = None

    # ---- what there is

    @property
    def online_log_dirs(self) -> list[str]:
        """Directories in use."""
        return [d.path for d in self._dirs.values() if d.online]

    @property
    def offline_log_dirs(self) -> list[str]:
        """Directories that failed; their partitions are offline, the others go on."""
        return [d.path for d in self._dirs.values() if not d.online]

    def is_log_dir_online(self, log_dir: str) -> bool:
        """Is this directory in use?"""
        return log_dir in self._dirs and self._dirs[log_dir].online

    def get_log(self, topic: str, partition: int) -> Log | None:
        """The log, None when there is none here or its directory is offline."""
        return self._logs.get((topic, partition))

    def all_logs(self) -> Iterable[Log]:
        """Every online log that is in use; those that are being copied to come in future_logs."""
        return list(self._logs.values())

    def get_future_log(self, topic: str, partition: int) -> Log | None:
        """The copy of a replica that moves to another directory."""
        return self._futures.get((topic, partition))

    def future_logs(self) -> Iterable[Log]:
        """Every online copy that is being made."""
        return list(self._futures.values())

    def _every_log(self) -> list[Log]:
        return [*self._logs.values(), *self._futures.values()]

    def _cleanable_logs(self) -> list[Log]:
        """A log that is being copied rests: what is clean must be the same in both."""
        return [log for key, log in self._logs.items() if key not in self._futures]

    def _logs_in(self, log_dir: str) -> list[Log]:
        """Current and future ones; no directory has both of one partition."""
        return [log for log in self._every_log() if log.log_dir == log_dir]

    # ---- start

    def lock(self) -> None:
        """Lock every directory and check meta.properties: then nobody else has them. Raises StorageError."""
        self._locked = True
        for log_dir in self._dirs.values():
            self._open_dir(log_dir)
        if not self.online_log_dirs:
            raise StorageError(f"None of the log.dirs can be used: {self._failures()}")

    async def load(self) -> None:
        """Load and recover all logs, after locking what was not locked yet. Raises StorageError."""
        self._loop = asyncio.get_running_loop()
        if not self._locked:
            self.lock()
        await asyncio.gather(*(self._load_dir(d) for d in self._dirs.values() if d.online))
        if not self.online_log_dirs:
            raise StorageError(f"All of the log.dirs have failed while loading: {self._failures()}")

    def _failures(self) -> str:
        """Every failed directory with its reason."""
        return "; ".join(f"{log_dir.path}: {log_dir.failure}" for log_dir in self._dirs.values())

    def _open_dir(self, log_dir: LogDir) -> None:
        try:
            log_dir.acquire()
            log_dir.identify(self._broker_id, self._cluster_id, self._now_ms())
        except OSError as error:
            log_dir.online = False
            log_dir.failure = error
            _log.error("Failed to create or validate data directory %s: %s", log_dir.path, error)

    async def _load_dir(self, log_dir: LogDir) -> None:
        loop = asyncio.get_running_loop()
        try:
            log_dir.take_clean_marker()
            recovery_points = log_dir.read_checkpoint(RECOVERY_POINT)
            start_offsets = log_dir.read_checkpoint(LOG_START_OFFSET)
            high_watermarks = log_dir.read_checkpoint(HIGH_WATERMARK)
            cleaned = log_dir.read_checkpoint(CLEANER_OFFSET)
            names = self._partition_names(log_dir)
            if not log_dir.clean and names:
                _log.info("Recovering logs from %s since no clean shutdown file was found", log_dir.path)
            gate = asyncio.Semaphore(max(1, self._settings.num_recovery_threads_per_data_dir))

            async def load_one(name: str) -> Log:
                key = _key_of(log_dir.path, name)
                async with gate:
                    return await loop.run_in_executor(
                        None,
                        self._load_log,
                        log_dir,
                        name,
                        key,
                        start_offsets.get(key, 0),
                        recovery_points.get(key, 0),
                        log_dir.clean,
                    )

            for log in await asyncio.gather(*map(load_one, names)):
                key = log.topic, log.partition
                known = self._futures if log.directory.endswith(FUTURE_SUFFIX) else self._logs
                if key in known:
                    raise StorageError(
                        f"Duplicate log directories for {log.name} are found in both "
                        f"{known[key].directory} and {log.directory}. It is likely because log directory "
                        "failure happened while broker was replacing current replica with future replica. "
                        "Recover broker from this failure by manually deleting one of the two directories "
                        "for this partition. It is recommended to delete the partition in the log directory "
                        "that is known to have failed recently."
                    )
                log.update_high_watermark(high_watermarks.get(key, 0))
                log.cleaned_to = cleaned.get(key, 0)
                known[key] = log
                if log.has_late_files:
                    self._late_writer.add(log)
            log_dir.loaded = True
        except OSError as error:
            _log.error("There was an error loading logs in directory %s: %s", log_dir.path, error)
            self._fail_dir(log_dir.path, error)

    def _partition_names(self, log_dir: LogDir) -> list[str]:
        names = []
        for name in log_dir.partition_names():
            if name.endswith(DELETE_SUFFIX):
                self.housekeeping.remove_tree_later(posixpath.join(log_dir.path, name), 0)
            elif name.endswith(STRAY_SUFFIX):
                _log.warning("Leaving directory %s alone", posixpath.join(log_dir.path, name))
            else:
                _key_of(log_dir.path, name)
                names.append(name)
        return names

    def _load_log(
        self,
        log_dir: LogDir,
        name: str,
        key: tuple[str, int],
        start_offset: int,
        recovery_point: int,
        clean: bool,
    ) -> Log:
        """In a worker thread while loading."""
        topic, partition = key
        directory = posixpath.join(log_dir.path, name)
        config = self._topic_config(topic)
        loader = LogLoader(
            files=self._files,
            directory=directory,
            name=f"partition={topic}-{partition}, dir={log_dir.path}",
            config=config,
            log_start_offset=start_offset,
            recovery_point=recovery_point,
            clean=clean,
            producer_expiration_ms=self._settings.producer_id_expiration_ms,
            now_ms=self._now_ms,
        )
        return Log(
            files=self._files,
            directory=directory,
            log_dir=log_dir.path,
            topic=topic,
            partition=partition,
            config=config,
            loaded=loader.load(),
            hooks=self._hooks,
            now_ms=self._now_ms,
            rng=self._rng,
        )

    # ---- create and delete

    def get_or_create_log(
        self, topic: str, partition: int, *, topic_id: bytes | None = None, is_new: bool = False
    ) -> Log:
        """The log, made when missing: where prefer_log_dir said, else in the directory with the fewest.

        KAFKA_STORAGE_ERROR when a directory is offline and is_new is False: the log may be in there.
        """
        log = self._logs.get((topic, partition))
        if log is None:
            log = self._create_log(topic, partition, is_new)
            self._logs[topic, partition] = log
        if topic_id is not None:
            log.assign_topic_id(topic_id)
        return log

    def _create_log(self, topic: str, partition: int, is_new: bool, *, is_future: bool = False) -> Log:
        if self.offline_log_dirs and not is_new:
            raise KafkaError(
                ErrorCode.KAFKA_STORAGE_ERROR,
                f"Can not create log for {topic}-{partition} because log directories "
                f"{', '.join(self.offline_log_dirs)} are offline",
            )
        preferred = self._preferred.get((topic, partition))
        candidates = [d for d in self._dirs.values() if d.online and preferred in (None, d.path)]
        if not candidates:
            raise KafkaError(
                ErrorCode.KAFKA_STORAGE_ERROR,
                "No log directory is online" if preferred is None else f"Log dir {preferred} is offline",
            )
        log_dir = candidates[0]
        if len(candidates) > 1:  # counting takes longer the more there are
            log_dir = min(candidates, key=lambda d: len(self._logs_in(d.path)))
        name = future_name(topic, partition, self._unique_id()) if is_future else f"{topic}-{partition}"
        try:
            log = self._load_log(log_dir, name, (topic, partition), 0, 0, True)
        except OSError as error:
            self._fail_dir(log_dir.path, error)
            raise KafkaError(
                ErrorCode.KAFKA_STORAGE_ERROR,
                f"Error while creating log for {topic}-{partition} in dir {log_dir.path}: {error}",
            ) from error
        self._preferred.pop((topic, partition), None)
        _log.info("Created log for partition %s-%d in %s", topic, partition, log.directory)
        return log

    def delete_log(self, topic: str, partition: int) -> bool:
        """Rename the directory to `-delete`; its files go after file.delete.delay.ms. False when unknown.

        A copy that is being made of it goes with it.
        """
        self.delete_future_log(topic, partition)
        log = self._logs.pop((topic, partition), None)
        if log is None:
            return False
        self._retire(log)
        return True

    def _unique_id(self) -> str:
        return f"{self._rng.getrandbits(128):032x}"

    def _retire(self, log: Log) -> None:
        topic, partition = log.topic, log.partition
        log.release()
        target = posixpath.join(log.log_dir, delete_name(topic, partition, self._unique_id()))
        try:
            self._disk.rename(log.directory, target)
        except OSError as error:
            self._fail_dir(log.log_dir, error)
            raise KafkaError(
                ErrorCode.KAFKA_STORAGE_ERROR,
                f"Error while renaming dir for {topic}-{partition} in log dir {log.log_dir}: {error}",
            ) from error
        _log.info("Log for partition %s is renamed to %s and is scheduled for deletion", log.name, target)
        self.housekeeping.remove_tree_later(target, log.config.file_delete_delay_ms)
        self.checkpoints.write_soon()

    # ---- moving between directories

    def prefer_log_dir(self, topic: str, partition: int, log_dir: str) -> None:
        """Where the next log of this partition is to be made (LogManager.maybeUpdatePreferredLogDir)."""
        key = topic, partition
        if all(
            log is None or log.log_dir != log_dir for log in (self._logs.get(key), self._futures.get(key))
        ):
            self._preferred[key] = log_dir

    def create_future_log(self, topic: str, partition: int) -> Log:
        """A copy to be filled, in the preferred directory, which is not the one that the log is in."""
        current = self._logs[topic, partition]
        assert self._preferred.get((topic, partition)) not in (None, current.log_dir)
        log = self._create_log(topic, partition, is_new=False, is_future=True)
        log.cleaned_to = current.cleaned_to
        self._futures[topic, partition] = log
        if current.topic_id is not None:
            log.assign_topic_id(current.topic_id)
        return log

    def delete_future_log(self, topic: str, partition: int) -> bool:
        """The move is cancelled: the copy goes as a deleted log does. False when there is none."""
        log = self._futures.pop((topic, partition), None)
        if log is None:
            return False
        self._retire(log)
        return True

    def replace_current_with_future(self, topic: str, partition: int) -> Log:
        """The copy has everything: it takes the log's name, and the log goes.

        In Kafka's order: a crash between the two renames leaves two whole logs, never none.
        """
        key = topic, partition
        source, log = self._logs[key], self._futures[key]
        log.rename_dir(self._dirs[log.log_dir].partition_path(topic, partition))
        log.update_high_watermark(source.high_watermark)
        log.cleaned_to = min(log.cleaned_to, source.cleaned_to)
        del self._futures[key]
        self._logs[key] = log
        _log.info("Successfully renamed the future log of %s to %s", log.name, log.directory)
        try:
            names = self._disk.listdir(log.directory)
        except OSError as error:
            self._fail_dir(log.log_dir, error)
        else:
            gone = [posixpath.join(log.directory, name) for name in names if name.endswith(DELETED)]
            self.housekeeping.delete_files_later(gone, log.config.file_delete_delay_ms)
        with contextlib.suppress(KafkaError):  # the old directory has failed: it is left behind
            self._retire(source)
        return log

    def update_topic_config(self, topic: str) -> None:
        """The topic's configuration changed: ask topic_config again for its logs."""
        config = self._topic_config(topic)
        for log in self._every_log():
            if log.topic == topic:
                log.config = config

    # ---- failure

    def _fail_dir(self, path: str, error: OSError) -> None:
        """Take a directory offline; its partitions go with it."""
        log_dir = self._dirs[path]
        if not log_dir.online:
            return
        log_dir.online = False
        log_dir.failure = error
        lost = self._logs_in(path)
        for log in lost:
            table = self._futures if self._futures.get((log.topic, log.partition)) is log else self._logs
            del table[log.topic, log.partition]
            log.release()
        _log.error(
            "Stopping serving logs in dir %s because of %s; offline partitions: %s",
            path, error, ", ".join(log.name for log in lost) or "none",
        )  # fmt: skip
        if self._loop is not None:
            self._loop.call_soon(self._on_log_dir_failure, path)

    def _truncated(self, log: LogBase) -> None:
        self.checkpoints.lower_recovery_point(log, self._dirs[log.log_dir])

    def start(self) -> None:
        """Begin what is done at intervals."""
        self.housekeeping.start()

    # ---- stop

    async def shutdown(self, *, clean: bool = True) -> None:
        """Stop; when clean: flush and close every log, write checkpoints and the clean-shutdown marker."""
        self._cleaner.stop()
        await self._background.stop()
        loop = asyncio.get_running_loop()
        for log_dir in self._dirs.values():
            if clean and log_dir.online and log_dir.loaded:
                await loop.run_in_executor(None, self._close_dir, log_dir)
            log_dir.release()
        for log in self._every_log():
            log.release()

    def _close_dir(self, log_dir: LogDir) -> None:
        """In a worker thread, when nothing else uses the logs any more."""
        try:
            for log in self._logs_in(log_dir.path):
                log.close()
            self.checkpoints.write_last(log_dir)
            log_dir.write_clean_marker()
        except (OSError, KafkaError) as error:
            _log.error("Not writing the clean shutdown marker of %s: %s", log_dir.path, error)


def _key_of(log_dir: str, name: str) -> tuple[str, int]:
    """(topic, partition) of a log's directory, be it current or future. Raises StorageError."""
    if name.endswith(FUTURE_SUFFIX):
        return parse_future_name(log_dir, name)
    return parse_partition_name(log_dir, name)
