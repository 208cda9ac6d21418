# SPDX-License-Identifier: Apache-2.0
"""The transaction coordinator: who may produce under a transactional id, and how its transactions end.

Behaviour is that of Kafka 3.9's TransactionCoordinator in ZooKeeper mode (KIP-98, KIP-360, and the server
part 1 of KIP-890). The rules of one transactional id are in `metadata.py`; this module applies them to
requests, writes what follows to `__transaction_state` and hands what is decided to the marker channel.
Methods that may have to wait return an `asyncio.Future`; what a request has begun goes on when its client
has gone away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from commitlog.groups.log_reader import read_log
from commitlog.records.batch import CorruptBatch
from commitlog.transactions.cache import TransactionCache
from commitlog.transactions.expiration import expire_transactional_ids
from commitlog.transactions.log_writer import TRANSACTIONS_TOPIC, Done, TransactionLog
from commitlog.transactions.markers import Connect, MarkerChannel
from commitlog.transactions.metadata import (
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    IllegalTransition,
    TopicPartition,
    TransactionMetadata,
    TransactionState,
    Transition,
    is_epoch_exhausted,
)
from commitlog.transactions.replay import TransactionReplay
from commitlog.wire.codec import MalformedMessage
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.metadata_cache import MetadataCache
    from commitlog.replication.replica_manager import ReplicaManager

__all__ = ["TRANSACTIONS_TOPIC", "ProducerIdAndEpoch", "TransactionCoordinator"]

logger = logging.getLogger("commitlog.transactions.coordinator")

_State = TransactionState
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProducerIdAndEpoch:
    """What InitProducerId answers; without an error a producer may go on with it."""

    producer_id: int = NO_PRODUCER_ID
    epoch: int = NO_PRODUCER_EPOCH
    error: ErrorCode = ErrorCode.NONE


class TransactionCoordinator:
    """Serves the transactional ids whose partition of `__transaction_state` this broker leads."""

    def __init__(
        self,
        config: BrokerConfig,
        replicas: ReplicaManager,
        metadata: MetadataCache,
        *,
        next_producer_id: Callable[[], int],
        connect: Connect,
        now_ms: Callable[[], int],
    ) -> None:
        """`next_producer_id` raises KafkaError when there is none at the moment."""
        self._config = config
        self._replicas = replicas
        self._next_producer_id = next_producer_id
        self._now_ms = now_ms
        self.is_active = False
        self.cache = TransactionCache(config.transaction_state_log_num_partitions)
        self._log = TransactionLog(replicas, self.cache, now_ms)
        self._markers = MarkerChannel(config, self.cache, self._log, metadata, connect, now_ms)
        self._tasks: set[asyncio.Task[None]] = set()
        self._load_turn = asyncio.Lock()

    # -- the coordinator's own life

    def start(self, partition_count: int | None = None) -> None:
        """Begin to answer. `partition_count` is that of an existing `__transaction_state`, None = as
        configured."""
        logger.info("[TransactionCoordinator id=%d] Starting up.", self._config.broker_id)
        if partition_count is not None:
            self.cache.partition_count = partition_count
        self.is_active = True
        self._spawn(self._abort_timed_out_forever(), "transaction-abort")
        self._spawn(self._expire_forever(), "transactionalId-expiration")
        logger.info("[TransactionCoordinator id=%d] Startup complete.", self._config.broker_id)

    async def stop(self) -> None:
        self.is_active = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._markers.stop()
        logger.info("[TransactionCoordinator id=%d] Shutdown complete.", self._config.broker_id)

    def partition_for(self, transactional_id: str) -> int:
        """The partition of `__transaction_state` that holds the id; its leader is the coordinator."""
        return self.cache.partition_for(transactional_id)

    # -- leadership of the transaction topic

    def on_election(self, partition: int, coordinator_epoch: int) -> None:
        """This broker leads the partition now: load its transactions in the background, and complete those
        whose outcome is decided."""
        logger.info(
            "Elected as the txn coordinator for partition %d at epoch %d", partition, coordinator_epoch
        )
        if self.cache.begin_load(partition, coordinator_epoch):
            self._markers.forget_partition(partition)
            self._spawn(self._load(partition, coordinator_epoch), f"load-{TRANSACTIONS_TOPIC}-{partition}")

    def on_resignation(self, partition: int, coordinator_epoch: int | None) -> None:
        """This broker no longer leads (or has deleted) the partition: forget its transactions at once."""
        removed = self.cache.resign(partition, coordinator_epoch)
        if removed is None:
            return
        self._markers.forget_partition(partition)
        if removed:
            logger.info(
                "Unloaded %d transaction metadata for %s-%d in epoch %s",
                removed,
                TRANSACTIONS_TOPIC,
                partition,
                coordinator_epoch,
            )

    async def _load(self, partition: int, coordinator_epoch: int) -> None:
        def is_wanted() -> bool:
            return self.cache.is_wanted(partition, coordinator_epoch)

        async with self._load_turn:  # one after the other, as Kafka's one scheduler thread
            if not is_wanted():
                return
            replay = TransactionReplay(f"{TRANSACTIONS_TOPIC}-{partition}")
            try:
                log = self._replicas.partition(TRANSACTIONS_TOPIC, partition).log
                if log is None:
                    raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER, "found no log")
                buffer_size = self._config.transaction_state_log_load_buffer_size
                if not await read_log(log, buffer_size, is_wanted, replay.apply):
                    return
            except (CorruptBatch, MalformedMessage, KafkaError, OSError) as reason:
                # Nothing of a log that cannot be read is served: an id that is missing would be given away
                # anew, and its zombies would not be fenced.
                logger.error("Error loading transactions from transaction log %s: %s", replay.name, reason)
                if is_wanted():
                    self.cache.end_load(partition, None)
                return
            if not is_wanted():
                return
            self.cache.end_load(partition, replay.transactions)
            logger.info(
                "Finished loading %d transaction metadata from %s for epoch %d",
                len(replay.transactions),
                replay.name,
                coordinator_epoch,
            )
            for metadata in replay.transactions.values():
                if metadata.state in (_State.PREPARE_COMMIT, _State.PREPARE_ABORT):
                    committed = metadata.state is _State.PREPARE_COMMIT
                    self._markers.add(metadata, coordinator_epoch, committed=committed, is_loaded=True)

    # -- InitProducerId

    def init_producer_id(
        self, transactional_id: str | None, timeout_ms: int, expected: ProducerIdAndEpoch | None
    ) -> ProducerIdAndEpoch | asyncio.Future[ProducerIdAndEpoch]:
        """A producer begins, or begins anew: whoever used the id before is fenced, its transaction aborted.

        `expected` is what the producer believes to be its id and epoch (KIP-360).
        """
        if transactional_id is None:
            try:
                return ProducerIdAndEpoch(self._next_producer_id(), 0)
            except KafkaError as reason:
                return ProducerIdAndEpoch(error=reason.code)
        if not transactional_id:
            return ProducerIdAndEpoch(error=ErrorCode.INVALID_REQUEST)
        if not 0 < timeout_ms <= self._config.transaction_max_timeout_ms:
            return ProducerIdAndEpoch(error=ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        try:
            coordinator_epoch, metadata = self.cache.find(transactional_id)
            if metadata is None:
                metadata = self._new(transactional_id, timeout_ms)
            transition = self._prepare_init(metadata, timeout_ms, expected)
        except KafkaError as reason:
            return ProducerIdAndEpoch(error=reason.code)
        answer: asyncio.Future[ProducerIdAndEpoch] = asyncio.get_running_loop().create_future()
        if transition.state is _State.PREPARE_EPOCH_FENCE:

            def aborted(error: ErrorCode) -> None:
                # Not the client's last try: once the abort is complete the epoch is raised a second time.
                retry = ErrorCode.CONCURRENT_TRANSACTIONS if error is ErrorCode.NONE else error
                _answer(answer, ProducerIdAndEpoch(error=retry))

            self._end(
                transactional_id,
                transition.producer_id,
                transition.producer_epoch,
                commit=False,
                is_from_client=False,
                done=aborted,
            )
        else:
            self._write_init(transactional_id, coordinator_epoch, transition, answer)
        return answer.result() if answer.done() else answer

    def _new(self, transactional_id: str, timeout_ms: int) -> TransactionMetadata:
        metadata = TransactionMetadata(
            transactional_id=transactional_id,
            producer_id=self._next_producer_id(),
            producer_epoch=NO_PRODUCER_EPOCH,
            timeout_ms=timeout_ms,
            state=_State.EMPTY,
            last_update_ms=self._now_ms(),
        )
        self.cache.add(metadata)
        return metadata

    def _prepare_init(
        self, metadata: TransactionMetadata, timeout_ms: int, expected: ProducerIdAndEpoch | None
    ) -> Transition:
        if metadata.pending is not None:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        if expected is not None and not _is_valid_producer(metadata, expected):
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        if metadata.state in (_State.PREPARE_COMMIT, _State.PREPARE_ABORT):
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        if metadata.state is _State.ONGOING:
            return metadata.fence_producer_epoch()
        if metadata.is_epoch_exhausted and (expected is None or expected.epoch == metadata.producer_epoch):
            return metadata.rotate_producer_id(
                self._next_producer_id(), timeout_ms, self._now_ms(), record_last_epoch=expected is not None
            )
        expected_epoch = None if expected is None else expected.epoch
        if metadata.is_epoch_exhausted:
            logger.error(
                "Cannot allocate any more producer epochs for producerId %d (%s), which was asked for with "
                "epoch %s",
                metadata.producer_id,
                metadata.transactional_id,
                expected_epoch,
            )
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        transition = metadata.increment_epoch(timeout_ms, expected_epoch, self._now_ms())
        if isinstance(transition, ErrorCode):
            raise KafkaError(transition)
        return transition

    def _write_init(
        self,
        transactional_id: str,
        coordinator_epoch: int,
        transition: Transition,
        answer: asyncio.Future[ProducerIdAndEpoch],
    ) -> None:
        def written(error: ErrorCode) -> None:
            if error is not ErrorCode.NONE:
                logger.info(
                    "Returning %s error code to client for %s's InitProducerId request",
                    error.name,
                    transactional_id,
                )
                _answer(answer, ProducerIdAndEpoch(error=error))
                return
            logger.info(
                "Initialized transactionalId %s with producerId %d and producer epoch %d on partition %s-%d",
                transactional_id,
                transition.producer_id,
                transition.producer_epoch,
                TRANSACTIONS_TOPIC,
                self.partition_for(transactional_id),
            )
            _answer(answer, ProducerIdAndEpoch(transition.producer_id, transition.producer_epoch))

        self._log.append(transactional_id, coordinator_epoch, transition, written)

    # -- partitions of a transaction

    def add_partitions(
        self, transactional_id: str, producer_id: int, epoch: int, partitions: Collection[TopicPartition]
    ) -> ErrorCode | asyncio.Future[ErrorCode]:
        """The producer is about to write to these; the first ones begin the transaction."""
        if not transactional_id:
            return ErrorCode.INVALID_REQUEST
        try:
            coordinator_epoch, metadata = self._producer(transactional_id, producer_id, epoch)
        except KafkaError as reason:
            return reason.code
        if metadata.pending is not None or metadata.state in (_State.PREPARE_COMMIT, _State.PREPARE_ABORT):
            return ErrorCode.CONCURRENT_TRANSACTIONS
        added = frozenset(partitions)
        if metadata.state is _State.ONGOING and added <= metadata.partitions:
            return ErrorCode.NONE
        transition = metadata.add_partitions(added, self._now_ms())
        answer: asyncio.Future[ErrorCode] = asyncio.get_running_loop().create_future()
        self._log.append(
            transactional_id, coordinator_epoch, transition, lambda error: _answer(answer, error)
        )
        return answer.result() if answer.done() else answer

    def verify_partitions(
        self, transactional_id: str, producer_id: int, epoch: int, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, ErrorCode]:
        """Are these in the ongoing transaction? Asked by leaders before they append to one (KIP-890)."""
        if not transactional_id:
            return dict.fromkeys(partitions, ErrorCode.INVALID_REQUEST)
        try:
            _, metadata = self._producer(transactional_id, producer_id, epoch)
        except KafkaError as reason:
            return dict.fromkeys(partitions, reason.code)
        if metadata.state in (_State.PREPARE_COMMIT, _State.PREPARE_ABORT):
            return dict.fromkeys(partitions, ErrorCode.CONCURRENT_TRANSACTIONS)
        return {
            partition: ErrorCode.NONE if partition in metadata.partitions else ErrorCode.TRANSACTION_ABORTABLE
            for partition in partitions
        }

    def _producer(
        self, transactional_id: str, producer_id: int, epoch: int
    ) -> tuple[int, TransactionMetadata]:
        coordinator_epoch, metadata = self.cache.find(transactional_id)
        if metadata is None or metadata.producer_id != producer_id:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        if metadata.producer_epoch != epoch:
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        return coordinator_epoch, metadata

    # -- the end of a transaction

    def end_transaction(
        self, transactional_id: str, producer_id: int, epoch: int, *, commit: bool
    ) -> ErrorCode | asyncio.Future[ErrorCode]:
        """Answered once the outcome is in the log; markers are written afterwards."""
        answer: asyncio.Future[ErrorCode] = asyncio.get_running_loop().create_future()
        self._end(
            transactional_id,
            producer_id,
            epoch,
            commit=commit,
            is_from_client=True,
            done=lambda error: _answer(answer, error),
        )
        return answer.result() if answer.done() else answer

    def _end(
        self,
        transactional_id: str,
        producer_id: int,
        epoch: int,
        *,
        commit: bool,
        is_from_client: bool,
        done: Done,
    ) -> None:
        if not transactional_id:
            done(ErrorCode.INVALID_REQUEST)
            return
        try:
            coordinator_epoch, metadata = self.cache.find(transactional_id)
            if metadata is None or metadata.producer_id != producer_id:
                raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
            # A client does not raise its own epoch; a fence of ours does.
            if epoch < metadata.producer_epoch or (is_from_client and epoch != metadata.producer_epoch):
                raise KafkaError(ErrorCode.PRODUCER_FENCED)
            if metadata.pending not in (None, _State.PREPARE_EPOCH_FENCE):
                raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
            error = _end_error(metadata, commit)
        except KafkaError as reason:
            error = reason.code
        if error is not None:
            done(error)
            return
        assert metadata is not None
        is_epoch_fence = not commit and metadata.pending is _State.PREPARE_EPOCH_FENCE
        if is_epoch_fence:
            # The reserved epoch becomes that of the abort.
            metadata.pending = None
            metadata.producer_epoch = epoch
            metadata.last_producer_epoch = NO_PRODUCER_EPOCH
        state = _State.PREPARE_COMMIT if commit else _State.PREPARE_ABORT
        transition = metadata.abort_or_commit(state, self._now_ms())

        def written(error: ErrorCode) -> None:
            if error is ErrorCode.NONE:
                done(ErrorCode.NONE)
                self._markers.add(metadata, coordinator_epoch, committed=commit)
                return
            if is_epoch_fence and self.cache.current(transactional_id, coordinator_epoch) is metadata:
                metadata.has_failed_epoch_fence = True
                logger.warning(
                    "The coordinator failed to write an epoch fence transition for producer %s to the "
                    "transaction log with error %s. The epoch was increased to %d but not returned to the "
                    "client",
                    transactional_id,
                    error.name,
                    epoch,
                )
            done(error)

        self._log.append(transactional_id, coordinator_epoch, transition, written)

    # -- background

    def abort_timed_out(self) -> None:
        """One round over the ongoing transactions."""
        now_ms = self._now_ms()
        for metadata in self.cache:
            if metadata.is_timed_out(now_ms):
                try:
                    self._abort_timed_out(metadata)
                except IllegalTransition:
                    logger.exception(
                        "Cannot abort the timed out transaction of %s", metadata.transactional_id
                    )

    def _abort_timed_out(self, metadata: TransactionMetadata) -> None:
        fence = metadata.fence_producer_epoch()
        name = metadata.transactional_id

        def aborted(error: ErrorCode) -> None:
            if error is ErrorCode.NONE:
                logger.info(
                    "Completed rollback of ongoing transaction for transactionalId %s due to timeout", name
                )
            elif error is not ErrorCode.CONCURRENT_TRANSACTIONS:
                logger.warning(
                    "Rollback of ongoing transaction for transactionalId %s failed: %s", name, error.name
                )

        self._end(
            name, fence.producer_id, fence.producer_epoch, commit=False, is_from_client=False, done=aborted
        )

    async def _abort_timed_out_forever(self) -> None:
        while True:
            await asyncio.sleep(
                self._config.transaction_abort_timed_out_transaction_cleanup_interval_ms / 1000
            )
            self._round(self.abort_timed_out)

    async def _expire_forever(self) -> None:
        while True:
            await asyncio.sleep(
                self._config.transaction_remove_expired_transaction_cleanup_interval_ms / 1000
            )
            self._round(self.expire)

    def expire(self) -> None:
        """Forget the ids that nobody has used for transactional.id.expiration.ms."""
        expire_transactional_ids(
            self.cache,
            self._log,
            self._now_ms(),
            expiration_ms=self._config.transactional_id_expiration_ms,
            timeout_ms=self._config.request_timeout_ms,
        )

    def _round(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.exception("A background round of the transaction coordinator failed")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error(
                "Task %s of the transaction coordinator failed", task.get_name(), exc_info=task.exception()
            )


def _answer(waiter: asyncio.Future[T], value: T) -> None:
    if not waiter.done():  # the client may have gone away
        waiter.set_result(value)


def _is_valid_producer(metadata: TransactionMetadata, expected: ProducerIdAndEpoch) -> bool:
    """Is it the current producer? Or a new one has just been made; or it asks again after an answer that was
    lost when the id was replaced."""
    return (
        metadata.producer_epoch == NO_PRODUCER_EPOCH
        or expected.producer_id == metadata.producer_id
        or (expected.producer_id == metadata.last_producer_id and is_epoch_exhausted(expected.epoch))
    )


def _end_error(metadata: TransactionMetadata, commit: bool) -> ErrorCode | None:
    """None when the transaction can be ended in this way now. To repeat what has been done is no error."""
    if metadata.state is _State.ONGOING:
        return None
    done, under_way = _State.COMPLETE_ABORT, _State.PREPARE_ABORT
    if commit:
        done, under_way = _State.COMPLETE_COMMIT, _State.PREPARE_COMMIT
    if metadata.state is done:
        return ErrorCode.NONE
    if metadata.state is under_way:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    logger.debug(
        "TransactionalId: %s's state is %s, but received transaction marker result to send: %s",
        metadata.transactional_id,
        metadata.state.label,
        "COMMIT" if commit else "ABORT",
    )
    return ErrorCode.INVALID_TXN_STATE
