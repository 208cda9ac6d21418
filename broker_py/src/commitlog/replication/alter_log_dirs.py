# SPDX-License-Identifier: Apache-2.0
"""Moving replicas between the log directories of this broker (Kafka's ReplicaAlterLogDirsManager and
ReplicaAlterLogDirsThread, KIP-113).

The future log follows the current one as a replica follows its leader: it is cut to what both have in common,
gets the batches as they are, and takes the current log's place in the turn of the loop in which it has
everything. Each mover copies one partition at a time; reading goes to a worker thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commitlog.replication.fetcher_manager import fetcher_index
from commitlog.replication.truncation import truncation_offset
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.fetch_session_handler import TopicPartition
    from commitlog.replication.partition import Partition
    from commitlog.replication.replication_quota import ReplicationQuota
    from commitlog.storage.log import Log
    from commitlog.wire.regions import FileRegion

logger = logging.getLogger("commitlog.replication.alter_log_dirs")

_UNCUT = -1


@dataclass(slots=True, eq=False)
class _Move:
    """A partition on its way; truncations is that of the current log when both were last compared."""

    partition: Partition
    truncations: int = _UNCUT
    ready_at: float = 0.0


class ReplicaAlterLogDirs:
    """All moves of a broker, spread over num.replica.alter.log.dirs.threads movers."""

    def __init__(self, config: BrokerConfig, quota: ReplicationQuota) -> None:
        self._config = config
        self._quota = quota
        self._movers: dict[int, _Mover] = {}

    def __len__(self) -> int:
        return sum(len(mover.moves) for mover in self._movers.values())

    def __contains__(self, key: TopicPartition) -> bool:
        return any(key in mover.moves for mover in self._movers.values())

    @property
    def failed(self) -> int:
        """Moves that were given up."""
        return sum(mover.failed for mover in self._movers.values())

    def lags(self) -> Iterator[int]:
        """Records that each copy still lacks."""
        for mover in self._movers.values():
            for move in mover.moves.values():
                log, future = move.partition.log, move.partition.future_log
                if log is not None and future is not None:
                    yield max(0, log.log_end_offset - future.log_end_offset)

    def add(self, partition: Partition) -> None:
        """Begin to fill the partition's future log, from what it has in common with the current one."""
        threads = max(1, self._config.num_replica_alter_log_dirs_threads)
        index = fetcher_index(partition.topic, partition.partition, threads)
        mover = self._movers.get(index)
        if mover is None:
            mover = self._movers[index] = _Mover(index, self._config, self._quota)
        mover.add(partition)

    def remove(self, keys: Iterable[TopicPartition]) -> None:
        """Stop moving; the future logs stay as they are."""
        keys = list(keys)
        for mover in self._movers.values():
            for key in keys:
                mover.moves.pop(key, None)

    async def stop(self) -> None:
        tasks = [mover.stop() for mover in self._movers.values()]
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)


class _Mover:
    """One of Kafka's threads. Its task ends when there is nothing left to move."""

    def __init__(self, index: int, config: BrokerConfig, quota: ReplicationQuota) -> None:
        self.moves: dict[TopicPartition, _Move] = {}
        self.failed = 0
        self._config = config
        self._quota = quota
        self._name = f"[ReplicaAlterLogDirsThread-{index}]"
        self._task: asyncio.Task[None] | None = None

    def add(self, partition: Partition) -> None:
        self.moves[partition.topic, partition.partition] = _Move(partition)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    def stop(self) -> asyncio.Task[None] | None:
        self.moves.clear()
        if self._task is not None:
            self._task.cancel()
        return self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self.moves:
            now = loop.time()
            key = min((key for key, move in self.moves.items() if move.ready_at <= now), default=None)
            if key is None or self._quota.is_exceeded:
                await asyncio.sleep(self._config.replica_fetch_backoff_ms / 1000)
                continue
            move = self.moves[key]
            try:
                await self._advance(key, move)
            except KafkaError as error:
                self._went_wrong(key, move, error)
            except Exception:
                logger.exception("%s Unexpected error while moving %s-%d", self._name, *key)
                self._wait_with(move)

    def _went_wrong(self, key: TopicPartition, move: _Move, error: KafkaError) -> None:
        logger.error("%s Error while moving %s-%d: %s", self._name, *key, error)
        if error.code in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD):
            self._wait_with(move)
        elif self.moves.get(key) is move:
            del self.moves[key]
            self.failed += 1

    async def _advance(self, key: TopicPartition, move: _Move) -> None:
        """Copy the next piece; when nothing is left, put the future log in the current one's place."""
        partition = move.partition
        log, future = partition.log, partition.future_log
        if log is None or future is None:
            del self.moves[key]
            return
        if move.truncations != log.truncations:
            _truncate(log, future)
            move.truncations = log.truncations
        read = log.read(
            future.log_end_offset, self._config.replica_fetch_max_bytes, upper_offset=log.log_end_offset
        )
        if read.size:
            records = await asyncio.get_running_loop().run_in_executor(None, _read, read.regions)
            if self.moves.get(key) is not move or move.truncations != log.truncations:
                return
            partition.append_to_future(records)
            self._quota.record(len(records))
        future.update_high_watermark(log.high_watermark)
        start = min(log.log_start_offset, future.high_watermark)
        future.maybe_increment_log_start_offset(start, "leader offset increment")
        if partition.maybe_replace_current_with_future():
            del self.moves[key]
        elif not read.size:
            self._wait_with(move)  # what is missing cannot be read: not all the time, at least

    def _wait_with(self, move: _Move) -> None:
        backoff_s = self._config.replica_fetch_backoff_ms / 1000
        move.ready_at = asyncio.get_running_loop().time() + backoff_s


def _read(regions: Iterable[FileRegion]) -> bytes:
    return b"".join(region.read() for region in regions)


def _truncate(log: Log, future: Log) -> None:
    """Cut the future log to what it has in common with the current one."""
    complete = False
    while not complete:
        epoch = future.latest_epoch
        if epoch is None:
            # Records of the old formats have no epochs: what is known to be common is what was committed.
            offset, complete = min(future.high_watermark, log.log_end_offset), True
        else:
            answer = log.leader_epochs.end_offset_for(epoch, log.log_end_offset)
            offset, complete = truncation_offset(future, future.high_watermark, *answer)
        logger.info("Truncating future log of %s to %d (complete: %s)", log.name, offset, complete)
        future.truncate_to(offset)
    if future.log_end_offset > log.log_end_offset:
        future.truncate_to(log.log_end_offset)
    if future.log_end_offset < log.log_start_offset:
        future.truncate_fully_and_start_at(log.log_start_offset)
