# SPDX-License-Identifier: Apache-2.0
"""Telling the leaders of a transaction's partitions how it ended (Kafka's TransactionMarkerChannelManager).

Once PrepareCommit or PrepareAbort is in the log the outcome is decided: markers are sent until every
partition has its own, however long a leader stays away, and only then is the transaction complete. What
ends that earlier: another broker coordinates now and does it, or a partition has seen a later epoch. Per
broker one request is in flight, with all markers that have gathered for it; this broker is reached in the
same way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from commitlog.transactions.cache import TransactionCache
from commitlog.transactions.log_writer import TransactionLog
from commitlog.transactions.metadata import TopicPartition, TransactionMetadata, Transition
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.write_txn_markers_request import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from commitlog.wire.messages.write_txn_markers_response import (
    WritableTxnMarkerResult,
    WriteTxnMarkersResponse,
)

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.metadata_cache import Endpoint, MetadataCache

logger = logging.getLogger("commitlog.transactions.markers")

RETRY_BACKOFF_MS = 100
PATIENCE_MS = 10_000
NO_BROKER = -1
"""Nobody is known to take the marker now."""

_RETRIABLE = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)
_FENCED = frozenset({ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.TRANSACTION_COORDINATOR_FENCED})
_HAS_NO_MARKERS = frozenset({ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, ErrorCode.UNSUPPORTED_VERSION})


class BrokerLink(Protocol):
    """What is needed of a connection to a broker; wire.client.BrokerConnection is one."""

    async def send(self, msg: Any, version: int | None = None) -> Any: ...

    def close(self) -> None: ...


Connect = Callable[[int, "Endpoint"], Awaitable[BrokerLink]]


@dataclass(frozen=True, slots=True, eq=False)
class PendingCompletion:
    """A transaction whose outcome is in the log and whose markers are not all written."""

    metadata: TransactionMetadata
    coordinator_epoch: int
    committed: bool
    transition: Transition
    patient_until: float
    """Until then a partition that nobody has told us of may be one that exists."""

    @property
    def transactional_id(self) -> str:
        return self.metadata.transactional_id


@dataclass(frozen=True, slots=True)
class Marker:
    """One transaction's partitions at one broker."""

    completion: PendingCompletion
    partitions: tuple[TopicPartition, ...]


class MarkerChannel:
    """Owner of every transaction that is being completed."""

    def __init__(
        self,
        config: BrokerConfig,
        cache: TransactionCache,
        log: TransactionLog,
        metadata: MetadataCache,
        connect: Connect,
        now_ms: Callable[[], int],
    ) -> None:
        self._config = config
        self._cache = cache
        self._log = log
        self._metadata = metadata
        self._connect = connect
        self._now_ms = now_ms
        self._pending: dict[str, PendingCompletion] = {}
        self._queues: dict[int, list[Marker]] = {}
        self._links: dict[int, tuple[Endpoint, BrokerLink]] = {}
        self._senders: dict[int, asyncio.Task[None]] = {}
        self._again: list[Marker] = []
        self._completions_again: list[PendingCompletion] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(
        self,
        metadata: TransactionMetadata,
        coordinator_epoch: int,
        *,
        committed: bool,
        is_loaded: bool = False,
    ) -> None:
        """Begin to complete a transaction in PrepareCommit or PrepareAbort.

        One that was loaded from the log may name partitions that the controller has not told us of yet: a
        broker that has just started is elected before it knows the cluster. To take them for deleted, as
        Kafka does at once, would leave their transaction open for good.
        """
        transition = metadata.finish(self._now_ms())
        patient_until = asyncio.get_running_loop().time()
        if is_loaded:
            patient_until += PATIENCE_MS / 1000
        completion = PendingCompletion(metadata, coordinator_epoch, committed, transition, patient_until)
        self._pending[completion.transactional_id] = completion
        self._route(completion, metadata.partitions)
        self._complete_if_done(completion)

    def forget_partition(self, partition: int) -> None:
        """We do not coordinate its transactions any more, or will find them in the log again."""
        for transactional_id in list(self._pending):
            if self._cache.partition_for(transactional_id) == partition:
                del self._pending[transactional_id]

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = list(self._senders.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for broker_id in list(self._links):
            self._close(broker_id)
        self._pending.clear()

    # -- where to

    def _route(self, completion: PendingCompletion, partitions: Iterable[TopicPartition]) -> None:
        by_broker: dict[int, list[TopicPartition]] = {}
        is_patient = asyncio.get_running_loop().time() < completion.patient_until
        for partition in sorted(partitions):
            state = self._metadata.partition_state(*partition)
            if state is None and is_patient:
                by_broker.setdefault(NO_BROKER, []).append(partition)
                continue
            if state is None:
                logger.info(
                    "Couldn't find leader endpoint for partition %s-%d while trying to send transaction "
                    "markers for %s, these partitions are likely deleted already and hence can be skipped",
                    *partition,
                    completion.transactional_id,
                )
                completion.metadata.remove_partition(partition)
                continue
            broker_id = NO_BROKER if self._endpoint(state.leader) is None else state.leader
            by_broker.setdefault(broker_id, []).append(partition)
        for broker_id, found in by_broker.items():
            marker = Marker(completion, tuple(found))
            if broker_id == NO_BROKER:
                self._try_again(marker)
            else:
                self._enqueue(broker_id, marker)

    def _endpoint(self, broker_id: int) -> Endpoint | None:
        return self._metadata.broker_endpoint(broker_id, self._config.inter_broker_listener_name)

    def _enqueue(self, broker_id: int, marker: Marker) -> None:
        self._queues.setdefault(broker_id, []).append(marker)
        if broker_id not in self._senders:
            task = asyncio.get_running_loop().create_task(
                self._send_all(broker_id), name=f"txn-markers-{broker_id}"
            )
            self._senders[broker_id] = task

    def _try_again(self, marker: Marker) -> None:
        self._again.append(marker)
        self._start_timer()

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RETRY_BACKOFF_MS / 1000, self._retry)

    def _retry(self) -> None:
        self._timer = None
        again, self._again = self._again, []
        for marker in again:
            if self._is_current(marker.completion):
                self._route(marker.completion, marker.partitions)
                self._complete_if_done(marker.completion)
        completions, self._completions_again = self._completions_again, []
        for completion in completions:
            self._write_completion(completion)

    def _is_current(self, completion: PendingCompletion) -> bool:
        """Is this still for us to do? Else whoever coordinates now does it."""
        return (
            self._pending.get(completion.transactional_id) is completion
            and self._cache.current(completion.transactional_id, completion.coordinator_epoch)
            is completion.metadata
        )

    # -- sending

    async def _send_all(self, broker_id: int) -> None:
        try:
            while markers := self._queues.pop(broker_id, None):
                markers = [marker for marker in markers if self._is_current(marker.completion)]
                if markers:
                    await self._send(broker_id, markers)
        except Exception:
            logger.exception("Sending transaction markers to broker %d failed", broker_id)
        finally:
            self._senders.pop(broker_id, None)

    async def _send(self, broker_id: int, markers: Sequence[Marker]) -> None:
        try:
            link = await self._link(broker_id)
            response = await link.send(_request(markers))
        except Exception as reason:  # whatever it is, a marker is not to be lost
            expected = isinstance(reason, OSError | TimeoutError | KafkaError)
            logger.log(
                logging.INFO if expected else logging.ERROR,
                "Transaction markers could not be sent to broker %d, retrying: %s",
                broker_id,
                reason,
                exc_info=None if expected else reason,
            )
            self._close(broker_id)
            for marker in markers:
                self._try_again(marker)
            return
        self._handle(broker_id, markers, response)

    async def _link(self, broker_id: int) -> BrokerLink:
        endpoint = self._endpoint(broker_id)
        if endpoint is None:
            raise ConnectionError("the broker is not alive")
        known = self._links.get(broker_id)
        if known is not None and known[0] == endpoint:
            return known[1]
        self._close(broker_id)
        link = await self._connect(broker_id, endpoint)
        self._links[broker_id] = endpoint, link
        return link

    def _close(self, broker_id: int) -> None:
        known = self._links.pop(broker_id, None)
        if known is not None:
            known[1].close()

    # -- answers

    def _handle(self, broker_id: int, markers: Sequence[Marker], response: WriteTxnMarkersResponse) -> None:
        errors: dict[int, dict[TopicPartition, int]] = {}
        for result in response.markers:
            errors.setdefault(result.producer_id, {}).update(_errors_of(result))
        for marker in markers:
            if self._is_current(marker.completion):
                answered = errors.get(marker.completion.metadata.producer_id, {})
                self._settle(broker_id, marker, answered)

    def _settle(self, broker_id: int, marker: Marker, errors: dict[TopicPartition, int]) -> None:
        completion = marker.completion
        again: list[TopicPartition] = []
        for partition in marker.partitions:
            # A partition that the answer leaves out is one that has no marker.
            error = ErrorCode.of(errors.get(partition, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
            if error in _FENCED:
                logger.info(
                    "Sending %s's transaction marker for partition %s-%d has permanently failed with error "
                    "%s with the current coordinator epoch %d; cancel sending any more transaction markers",
                    completion.transactional_id,
                    *partition,
                    error.name,
                    completion.coordinator_epoch,
                )
                del self._pending[completion.transactional_id]
                return
            if error is ErrorCode.NONE or error in _HAS_NO_MARKERS:
                completion.metadata.remove_partition(partition)
                continue
            if error not in _RETRIABLE:
                logger.error(
                    "Received error %s from broker %d for %s's transaction marker of %s-%d",
                    error.name,
                    broker_id,
                    completion.transactional_id,
                    *partition,
                )
            again.append(partition)
        if again:
            self._try_again(Marker(completion, tuple(again)))
        self._complete_if_done(completion)

    def _complete_if_done(self, completion: PendingCompletion) -> None:
        if not completion.metadata.partitions and self._is_current(completion):
            self._write_completion(completion)

    def _write_completion(self, completion: PendingCompletion) -> None:
        if not self._is_current(completion):
            return
        name = completion.transactional_id

        def written(error: ErrorCode) -> None:
            if error is ErrorCode.COORDINATOR_NOT_AVAILABLE:
                self._completions_again.append(completion)
                self._start_timer()
                return
            if self._pending.get(name) is completion:
                del self._pending[name]
            if error not in (
                ErrorCode.NONE,
                ErrorCode.NOT_COORDINATOR,
                ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
            ):
                logger.error("Completing the transaction of %s failed: %s", name, error.name)

        self._log.append(
            name,
            completion.coordinator_epoch,
            completion.transition,
            written,
            retry_on=ErrorCode.COORDINATOR_NOT_AVAILABLE,
        )


def _request(markers: Sequence[Marker]) -> WriteTxnMarkersRequest:
    request = WriteTxnMarkersRequest()
    for marker in markers:
        completion = marker.completion
        topics: dict[str, list[int]] = {}
        for topic, index in marker.partitions:
            topics.setdefault(topic, []).append(index)
        request.markers.append(
            WritableTxnMarker(
                producer_id=completion.metadata.producer_id,
                producer_epoch=completion.metadata.producer_epoch,
                transaction_result=completion.committed,
                topics=[
                    WritableTxnMarkerTopic(name=topic, partition_indexes=indexes)
                    for topic, indexes in topics.items()
                ],
                coordinator_epoch=completion.coordinator_epoch,
            )
        )
    return request


def _errors_of(result: WritableTxnMarkerResult) -> dict[TopicPartition, int]:
    return {
        (topic.name, partition.partition_index): partition.error_code
        for topic in result.topics
        for partition in topic.partitions
    }
