# SPDX-License-Identifier: Apache-2.0
"""Reading for consumers and followers, and waiting for more (ReplicaManager.fetchMessages, DelayedFetch).

A follower reads to the log's end, and by asking for an offset tells that it has everything below it. A
consumer reads to the high watermark, or with read_committed to the last stable offset.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.replication.preferred_replica import preferred_read_replica
from commitlog.replication.purgatory import DelayedOperation
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition
    from commitlog.storage.log import AbortedTransaction, Log
    from commitlog.wire.regions import FileRegion

CONSUMER_REPLICA_ID = -1
DEBUGGING_REPLICA_ID = -2
UNKNOWN = -1

_HIGH_WATERMARK_LINGER_S = 0.005
"""How long a follower that waits for records may not know a newer high watermark. Not zero: on a busy
partition the next records carry it along, and a response of its own for each would double the number of
fetches."""


class FetchIsolation(IntEnum):
    """How far a reader may read (Kafka's FetchIsolation)."""

    LOG_END = 0
    HIGH_WATERMARK = 1
    TXN_COMMITTED = 2

    @staticmethod
    def of(replica_id: int, isolation_level: int) -> FetchIsolation:
        if replica_id != CONSUMER_REPLICA_ID:
            return FetchIsolation.LOG_END
        return FetchIsolation.TXN_COMMITTED if isolation_level == 1 else FetchIsolation.HIGH_WATERMARK


@dataclass(slots=True, frozen=True)
class FetchParams:
    """What holds for all partitions of a fetch."""

    version: int
    replica_id: int
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation: FetchIsolation
    rack: str = ""

    @property
    def is_from_follower(self) -> bool:
        return self.replica_id >= 0

    @property
    def leader_only(self) -> bool:
        """Followers read from the leader alone; so do consumers too old to name a rack (KIP-392)."""
        return self.is_from_follower or (self.replica_id == CONSUMER_REPLICA_ID and self.version < 11)

    @property
    def hard_max_bytes(self) -> bool:
        """Before Fetch 3 a limit is a limit, even where not one batch fits (KIP-74)."""
        return self.version <= 2


@dataclass(slots=True)
class FetchPartition:
    """What is asked of one partition. Epochs are -1 where the request names none."""

    topic: str
    partition: int
    topic_id: bytes
    fetch_offset: int
    max_bytes: int
    log_start_offset: int = UNKNOWN
    current_leader_epoch: int = UNKNOWN
    last_fetched_epoch: int = UNKNOWN


@dataclass(slots=True)
class FetchResult:
    """What is answered for one partition."""

    error: ErrorCode = ErrorCode.NONE
    high_watermark: int = UNKNOWN
    last_stable_offset: int = UNKNOWN
    log_start_offset: int = UNKNOWN
    records: list[FileRegion] = field(default_factory=list)
    size: int = 0
    aborted_transactions: list[AbortedTransaction] | None = None
    diverging_epoch: tuple[int, int] | None = None
    preferred_read_replica: int = UNKNOWN

    @property
    def is_final(self) -> bool:
        """Whether there is something to tell that no waiting makes better."""
        return (
            self.error is not ErrorCode.NONE
            or self.diverging_epoch is not None
            or self.preferred_read_replica >= 0
        )


class FollowerSession(Protocol):
    """What a fetch needs of the session of a follower (fetch_session.FetchSession)."""

    parked: DelayedFetch | None
    """The session's fetch that waits."""

    def told(self, request: FetchPartition) -> tuple[int, int]:
        """(high watermark, log start offset) that the follower knows."""

    def rest(self, request: FetchPartition, partition: Partition) -> None:
        """There is nothing to tell of the partition: do not ask for it again until it moves."""


Find = Callable[[str, int], "Partition"]


def fetch(
    find: Find, params: FetchParams, requests: list[FetchPartition], session: FollowerSession | None
) -> list[FetchResult] | DelayedFetch:
    """Read now; a DelayedFetch when there is less than min_bytes and the fetcher is willing to wait."""
    results = read_all(find, params, requests, note_follower=True)
    if session is not None:
        _let_rest(find, params.replica_id, session, requests, results)
    size = 0
    for result in results:
        if result.is_final:
            return results
        size += result.size
    if params.max_wait_ms <= 0 or not (requests or session) or size >= params.min_bytes:
        return results
    return DelayedFetch(asyncio.get_running_loop(), find, params, requests, results, session)


def _let_rest(
    find: Find,
    replica_id: int,
    session: FollowerSession,
    requests: list[FetchPartition],
    results: list[FetchResult],
) -> None:
    """Take out the partitions of which the follower has and knows everything, as it does of most.

    A follower that is not in the ISR is looked at with each of its fetches, as each may let it in.
    """
    for index in range(len(requests) - 1, -1, -1):
        request, result = requests[index], results[index]
        if result.size or result.is_final:
            continue
        partition = find(request.topic, request.partition)
        log = partition.log
        if (
            log is not None
            and request.fetch_offset == log.log_end_offset
            and session.told(request) == (log.high_watermark, log.log_start_offset)
            and replica_id in partition.isr
        ):
            session.rest(request, partition)
            del requests[index], results[index]


def read_all(
    find: Find, params: FetchParams, requests: Sequence[FetchPartition], *, note_follower: bool
) -> list[FetchResult]:
    """Read each partition in the order asked. The first one with data may exceed every limit by its first
    batch."""
    results = []
    budget = params.max_bytes
    min_one = not params.hard_max_bytes
    for request in requests:
        try:
            result = _read(find, params, request, min(request.max_bytes, budget), min_one, note_follower)
        except KafkaError as error:
            result = FetchResult(error.code)
            with contextlib.suppress(KafkaError):
                find(request.topic, request.partition).traffic.failed_fetches += 1
        if result.size:
            min_one = False
            budget = max(0, budget - result.size)
        results.append(result)
    return results


def _read(
    find: Find,
    params: FetchParams,
    request: FetchPartition,
    max_bytes: int,
    min_one: bool,
    note_follower: bool,
) -> FetchResult:
    partition = find(request.topic, request.partition)
    partition.traffic.fetches += 1
    topic_id = partition.topic_id
    if request.topic_id != topic_id and request.topic_id != ZERO_UUID and topic_id != ZERO_UUID:
        raise KafkaError(ErrorCode.INCONSISTENT_TOPIC_ID)
    log = partition.log_for(max(request.current_leader_epoch, -1), require_leader=params.leader_only)
    replica = None
    if params.is_from_follower:
        replica = partition.follower(params.replica_id, names_epoch=request.current_leader_epoch >= 0)
    elif params.rack and partition.is_leader and params.version >= 11:
        preferred = preferred_read_replica(partition, params.rack, request.fetch_offset)
        if preferred is not None:
            return FetchResult(
                ErrorCode.NONE,
                log.high_watermark,
                log.last_stable_offset,
                log.log_start_offset,
                preferred_read_replica=preferred,
            )
    # The ends as they were before the read: what is appended after this fetch must not make the fetcher look
    # late.
    end_offset = log.log_end_offset
    result = FetchResult(ErrorCode.NONE, log.high_watermark, log.last_stable_offset, log.log_start_offset)
    if request.last_fetched_epoch >= 0:
        result.diverging_epoch = diverging_epoch(log, request.fetch_offset, request.last_fetched_epoch)
        if result.diverging_epoch is not None:
            return result
    read = log.read(
        request.fetch_offset,
        max_bytes,
        upper_offset=_upper_offset(log, params.isolation),
        min_one=min_one,
        read_committed=params.isolation is FetchIsolation.TXN_COMMITTED,
    )
    if replica is not None and partition.is_throttled_for(params.replica_id):
        pass  # it learns what it otherwise learns, without records
    elif not read.first_entry_incomplete or params.hard_max_bytes:
        result.records = read.regions
        result.size = read.size
    result.aborted_transactions = read.aborted_transactions
    if replica is not None and note_follower:
        partition.follower_fetched(replica, request.fetch_offset, request.log_start_offset, end_offset)
    return result


def diverging_epoch(log: Log, fetch_offset: int, last_fetched_epoch: int) -> tuple[int, int] | None:
    """Where the fetcher's log parts from this one, None when it is a prefix of it (KIP-595).

    The fetcher's last batch at fetch_offset - 1 has last_fetched_epoch. If this log's records of that epoch
    end before fetch_offset, or it has no such epoch, the fetcher has records that this log never had.
    """
    epoch, end_offset = log.leader_epochs.end_offset_for(last_fetched_epoch, log.log_end_offset)
    if epoch < 0 or end_offset < 0:
        raise KafkaError(
            ErrorCode.OFFSET_OUT_OF_RANGE,
            f"Could not determine the end offset of the last fetched epoch {last_fetched_epoch} from the "
            "request",
        )
    if fetch_offset < log.log_start_offset:
        raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
    if epoch < last_fetched_epoch or end_offset < fetch_offset:
        return epoch, end_offset
    return None


def _upper_offset(log: Log, isolation: FetchIsolation) -> int:
    if isolation is FetchIsolation.LOG_END:
        return log.log_end_offset
    if isolation is FetchIsolation.HIGH_WATERMARK:
        return log.high_watermark
    return log.last_stable_offset


class DelayedFetch(DelayedOperation[list[FetchResult]]):
    """A fetch that waits for min_bytes. When it ends it reads anew, since what it saw may be gone."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        find: Find,
        params: FetchParams,
        requests: list[FetchPartition],
        results: Sequence[FetchResult],
        session: FollowerSession | None,
    ) -> None:
        super().__init__(loop, params.max_wait_ms)
        self._find = find
        self._params = params
        self._requests = requests
        self._session = session
        # Two entries of one partition in a request: the first stands for both.
        self._parked: dict[Partition, tuple[FetchPartition, int]] = {}
        for request, result in zip(requests, results, strict=True):
            known = result.high_watermark if session is None else session.told(request)[0]
            self._parked.setdefault(find(request.topic, request.partition), (request, known))
        self._lingering = False
        if session is not None:
            session.parked = self
        self.watch(partition.waiting.fetches for partition in self._parked)
        if params.is_from_follower:
            # This very fetch may have moved the high watermark, after it was read for the answer.
            for partition in self._parked:
                self._linger_for_high_watermark(partition)

    def join(self, request: FetchPartition, partition: Partition, known_high_watermark: int) -> None:
        """A partition of the session that rested has moved: look at it too."""
        if not self.done() and partition not in self._parked:
            self._requests.append(request)
            self._parked[partition] = request, known_high_watermark
            self.watch((partition.waiting.fetches,))

    def check(self, partition: Partition) -> None:
        parked = self._parked.get(partition)
        if parked is None or self.done():
            return
        request, _ = parked
        try:
            log = partition.log_for(request.current_leader_epoch, require_leader=self._params.leader_only)
        except KafkaError:
            self.force_complete()
            return
        upper = _upper_offset(log, self._params.isolation)
        if self._params.is_from_follower and partition.is_throttled_for(self._params.replica_id):
            return
        if request.fetch_offset > upper or (
            request.fetch_offset < upper and (self._params.min_bytes <= 1 or self._has_min_bytes())
        ):
            self.force_complete()
        elif self._params.is_from_follower:
            self._linger_for_high_watermark(partition)

    def force_complete(self) -> None:
        self._finish(read_all(self._find, self._params, self._requests, note_follower=False))

    def _leave(self) -> None:
        super()._leave()
        if self._session is not None and self._session.parked is self:
            self._session.parked = None

    def _has_min_bytes(self) -> bool:
        size = 0
        for result in read_all(self._find, self._params, self._requests, note_follower=False):
            if result.is_final:
                return True
            size += result.size
        return size >= self._params.min_bytes

    def _linger_for_high_watermark(self, partition: Partition) -> None:
        """A follower learns a newer high watermark soon, even when there are no records to go with it."""
        log = partition.log
        if log is None or self._lingering or self._timer is None:
            return
        if log.high_watermark > self._parked[partition][1]:
            self._lingering = True
            loop = self.get_loop()
            deadline = min(self._timer.when(), loop.time() + _HIGH_WATERMARK_LINGER_S)
            self._timer.cancel()
            self._timer = loop.call_at(deadline, self._expire)
