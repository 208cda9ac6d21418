# SPDX-License-Identifier: Apache-2.0
"""Incremental fetch sessions on the server's side (KIP-227; Kafka's FetchSession.scala).

A session remembers what a fetcher asked and what it was told, so that a request names only what changed and a
response only what is new. The cache is bounded; when it is full, a session gives way when it has not been
used for two minutes, or when it is worth less than the new one: followers before consumers, many partitions
before few.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commitlog.replication.fetch import DelayedFetch, FetchPartition, FetchResult
from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.wire.errors import ErrorCode

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition

INVALID_SESSION_ID = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
_MAX_INT = 2**31 - 1
_SWEEP_MS = 500
"""How often all of a follower's partitions are looked at, whether they have moved or not."""

Key = tuple[bytes | str, int]
Answer = tuple[FetchPartition, FetchResult]
TopicName = Callable[[bytes], str | None]


def next_epoch(epoch: int) -> int:
    """The epoch that a session's next request must carry; it wraps around to 1, as 0 begins a new session."""
    if epoch < 0:
        return FINAL_EPOCH
    return 1 if epoch == _MAX_INT else epoch + 1


def _key(topic: str, topic_id: bytes, partition: int) -> Key:
    return (topic if topic_id == ZERO_UUID else topic_id), partition


class _CachedPartition:
    """One partition of a session: the last request for it, and what its fetcher has been told."""

    __slots__ = ("high_watermark", "log_start_offset", "request", "resting")

    def __init__(self, request: FetchPartition) -> None:
        self.request = request
        self.resting: Partition | None = None
        """Where this rests: there is nothing to tell until it moves."""
        self.high_watermark = -1
        self.log_start_offset = -1

    def note(self, result: FetchResult) -> bool:
        """Remember the answer; False when it tells nothing new and may be left out."""
        news = (
            result.size > 0
            or result.preferred_read_replica >= 0
            or result.diverging_epoch is not None
            or result.high_watermark != self.high_watermark
            or result.log_start_offset != self.log_start_offset
        )
        self.high_watermark = result.high_watermark
        self.log_start_offset = result.log_start_offset
        if result.error is not ErrorCode.NONE:
            # When the error goes away, the partition must be in the answer again.
            self.high_watermark = -1
            return True
        return news


class FetchSession:
    """What one fetcher asks, from request to request.

    Of a follower's session only those partitions are looked at that have moved since the follower was told
    everything of them, as a broker follows thousands and few of them are written to at any time. All are
    looked at every half second: then whatever moves a partition without a word is seen, too, and the leader
    knows that the follower keeps up with all of them. That is as late as a follower hears of such things that
    waits for records (replica.fetch.wait.max.ms).
    """

    __slots__ = (
        "_active",
        "_swept_ms",
        "created_ms",
        "epoch",
        "id",
        "last_used_ms",
        "parked",
        "partitions",
        "privileged",
        "uses_topic_ids",
    )

    def __init__(self, session_id: int, privileged: bool, uses_topic_ids: bool, now_ms: int) -> None:
        self.id = session_id
        self.privileged = privileged
        self.uses_topic_ids = uses_topic_ids
        self.created_ms = now_ms
        self.last_used_ms = now_ms
        self.epoch = next_epoch(INITIAL_EPOCH)
        # The order in which partitions are read: those that gave data go to the end, so that all get their
        # turn.
        self.partitions: dict[Key, _CachedPartition] = {}
        self._active: dict[Key, _CachedPartition] = {}
        self._swept_ms = now_ms
        self.parked: DelayedFetch | None = None

    @property
    def rank(self) -> tuple[bool, int, int]:
        """What a session is worth; the smallest is evicted first."""
        return self.privileged, len(self.partitions), self.id

    def update(self, requests: Iterable[FetchPartition], forgotten: Iterable[Key]) -> None:
        for request in requests:
            key = _key(request.topic, request.topic_id, request.partition)
            cached = self.partitions.get(key)
            if cached is None:
                self.partitions[key] = self._active[key] = _CachedPartition(request)
            else:
                cached.request = request
                if cached.resting is not None:
                    self._end_rest(key, cached)
        for key in forgotten:
            cached = self.partitions.get(key)
            if cached is not None:
                self._end_rest(key, cached)
                del self.partitions[key], self._active[key]

    def to_look_at(self, now_ms: int) -> list[FetchPartition]:
        """What of the session is to be read, in the order in which it is to be read."""
        if now_ms - self._swept_ms >= _SWEEP_MS:
            self._swept_ms = now_ms
            self.end_rests()
        return [cached.request for cached in self._active.values()]

    def to_end(self, key: Key) -> None:
        """It gave data: others come first the next time."""
        self.partitions[key] = self.partitions.pop(key)
        if key in self._active:
            self._active[key] = self._active.pop(key)

    # --- partitions that rest (fetch.FollowerSession) -------------------------------------------------------

    def told(self, request: FetchPartition) -> tuple[int, int]:
        cached = self.partitions.get(_key(request.topic, request.topic_id, request.partition))
        return (-1, -1) if cached is None else (cached.high_watermark, cached.log_start_offset)

    def rest(self, request: FetchPartition, partition: Partition) -> None:
        key = _key(request.topic, request.topic_id, request.partition)
        cached = self.partitions.get(key)
        if cached is not None:
            cached.resting = partition
            self._active.pop(key, None)
            partition.waiting.sleepers[self] = None

    def moved(self, partition: Partition) -> None:
        for key in ((partition.topic_id, partition.partition), (partition.topic, partition.partition)):
            cached = self.partitions.get(key)
            if cached is not None and cached.resting is partition:
                self._end_rest(key, cached)
                if self.parked is not None:
                    self.parked.join(cached.request, partition, cached.high_watermark)

    def end_rests(self) -> None:
        """Look at everything again; what ends a session calls it, so that nobody wakes the dead."""
        for key, cached in self.partitions.items():
            if cached.resting is not None:
                self._end_rest(key, cached)
        self._active = dict(self.partitions)

    def _end_rest(self, key: Key, cached: _CachedPartition) -> None:
        partition, cached.resting = cached.resting, None
        if partition is not None:
            partition.waiting.sleepers.pop(self, None)
        self._active[key] = cached


@dataclass(slots=True)
class Selected:
    """What goes into the response: the session part of it, and the partitions that are worth telling."""

    session_id: int
    answers: Sequence[Answer]
    error: ErrorCode = ErrorCode.NONE


class FetchContext:
    """One fetch request as its session sees it: this class itself is a fetch without a session."""

    error = ErrorCode.NONE
    follower_session: FetchSession | None = None
    """Where partitions may rest of which there is nothing to tell; it has more than `partitions` answers."""

    def __init__(self, requests: Sequence[FetchPartition]) -> None:
        self._requests = requests

    def partitions(self) -> Sequence[FetchPartition]:
        """Everything to be fetched."""
        return self._requests

    def select(self, answers: Sequence[Answer]) -> Selected:
        """Note what is answered, and leave out what the fetcher knows already."""
        return Selected(INVALID_SESSION_ID, answers)

    def throttled(self) -> Selected:
        """The answer that has nothing in it, since the fetcher is over its quota: nobody is told anything."""
        return Selected(INVALID_SESSION_ID, ())


class _ErrorContext(FetchContext):
    """The session named does not exist, or not at that epoch: nobody knows what was asked."""

    def __init__(self, error: ErrorCode) -> None:
        super().__init__(())
        self.error = error

    def select(self, answers: Sequence[Answer]) -> Selected:
        return self.throttled()

    def throttled(self) -> Selected:
        return Selected(INVALID_SESSION_ID, (), self.error)


class _FullContext(FetchContext):
    """A fetch that names everything and would like a session for the next ones."""

    def __init__(
        self,
        cache: FetchSessionCache,
        requests: Sequence[FetchPartition],
        *,
        privileged: bool,
        uses_topic_ids: bool,
    ) -> None:
        super().__init__(requests)
        self._cache = cache
        self._privileged = privileged
        self._uses_topic_ids = uses_topic_ids

    def select(self, answers: Sequence[Answer]) -> Selected:
        session = self._cache.create(
            len(answers), privileged=self._privileged, uses_topic_ids=self._uses_topic_ids
        )
        if session is None:
            return Selected(INVALID_SESSION_ID, answers)
        session.update((request for request, _ in answers), ())
        for request, result in answers:
            session.partitions[_key(request.topic, request.topic_id, request.partition)].note(result)
        return Selected(session.id, answers)


class _IncrementalContext(FetchContext):
    """A fetch within a session."""

    def __init__(
        self,
        session: FetchSession,
        request_epoch: int,
        requests: Sequence[FetchPartition],
        topic_name: TopicName,
        *,
        from_follower: bool,
    ) -> None:
        for request in requests:
            if not request.topic:
                # A topic id that was unknown when it was asked for first may have become known.
                request.topic = topic_name(request.topic_id) or ""
        super().__init__(requests)
        self._session = session
        self.follower_session = session if from_follower else None
        self._expected_epoch = next_epoch(request_epoch)

    def select(self, answers: Sequence[Answer]) -> Selected:
        session = self._session
        if session.epoch != self._expected_epoch:
            return self.throttled()
        selected = []
        for request, result in answers:
            key = _key(request.topic, request.topic_id, request.partition)
            cached = session.partitions.get(key)
            if cached is None:
                continue
            if cached.note(result):
                selected.append((request, result))
                if result.size > 0:
                    session.to_end(key)
        return Selected(session.id, selected)

    def throttled(self) -> Selected:
        session = self._session
        if session.epoch != self._expected_epoch:
            # Another request of the session came in between: a duplicate, or two fetchers that share a
            # session.
            return Selected(session.id, (), ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        return Selected(session.id, ())


class FetchSessionCache:
    """A bounded set of sessions (max.incremental.fetch.session.cache.slots) with KIP-227's eviction rules."""

    def __init__(
        self,
        max_entries: int,
        eviction_ms: int,
        now_ms: Callable[[], int],
        rng: random.Random,
    ) -> None:
        self._max_entries = max_entries
        self._eviction_ms = eviction_ms
        self._now_ms = now_ms
        self._rng = rng
        self._sessions: dict[int, FetchSession] = {}  # least recently used first

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session_id: int) -> FetchSession | None:
        return self._sessions.get(session_id)

    def context(
        self,
        *,
        version: int,
        session_id: int,
        epoch: int,
        requests: Sequence[FetchPartition],
        forgotten: Sequence[Key],
        from_follower: bool,
        topic_name: TopicName,
    ) -> FetchContext:
        """How to take a request (Kafka's FetchManager.newContext)."""
        if epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            # A full request ends the session that it names.
            self._end(session_id)
            if epoch == FINAL_EPOCH:
                return FetchContext(requests)
            return _FullContext(self, requests, privileged=from_follower, uses_topic_ids=version >= 13)
        session = self._sessions.get(session_id)
        if session is None:
            return _ErrorContext(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != epoch:
            return _ErrorContext(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != (version >= 13):
            return _ErrorContext(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        session.update(requests, forgotten)
        if not session.partitions:
            self._end(session_id)
            return FetchContext(requests)
        self._touch(session)
        session.epoch = next_epoch(session.epoch)
        is_follower = from_follower and session.privileged
        if is_follower:
            to_look_at = session.to_look_at(session.last_used_ms)
        else:
            to_look_at = [cached.request for cached in session.partitions.values()]
        return _IncrementalContext(session, epoch, to_look_at, topic_name, from_follower=is_follower)

    def _end(self, session_id: int) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.end_rests()

    def create(self, size: int, *, privileged: bool, uses_topic_ids: bool) -> FetchSession | None:
        """A new session, None when there is no room and nothing worth less than it."""
        now_ms = self._now_ms()
        if len(self._sessions) >= self._max_entries and not self._evict((privileged, size, 0), now_ms):
            return None
        session_id = self._rng.randrange(1, _MAX_INT)
        while session_id in self._sessions:
            session_id = self._rng.randrange(1, _MAX_INT)
        session = FetchSession(session_id, privileged, uses_topic_ids, now_ms)
        self._sessions[session_id] = session
        return session

    def _touch(self, session: FetchSession) -> None:
        session.last_used_ms = self._now_ms()
        self._sessions[session.id] = self._sessions.pop(session.id)

    def _evict(self, rank: tuple[bool, int, int], now_ms: int) -> bool:
        oldest = next(iter(self._sessions.values()), None)
        if oldest is None:
            return False
        if now_ms - oldest.last_used_ms > self._eviction_ms:
            self._end(oldest.id)
            return True
        # A young session is safe from its equals, so that they do not evict each other in turn.
        privileged = rank[0]
        candidates = [
            session
            for session in self._sessions.values()
            if session.last_used_ms - session.created_ms > self._eviction_ms
            or (privileged and not session.privileged)
        ]
        if not candidates:
            return False
        cheapest = min(candidates, key=lambda session: session.rank)
        if rank < cheapest.rank:
            return False
        self._end(cheapest.id)
        return True
