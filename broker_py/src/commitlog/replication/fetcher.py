# SPDX-License-Identifier: Apache-2.0
"""Copying from leaders (Kafka's AbstractFetcherThread and ReplicaFetcherThread).

One Fetcher has the partitions that this broker follows from one leader: it truncates each to what it has in
common with the leader, then fetches and appends for as long as the leader epoch lasts. Where the logs part is
found by leader epochs: from Fetch 12 on the leader says so in the fetch itself, before that
OffsetForLeaderEpoch asks (KIP-101, KIP-279, KIP-595).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from commitlog.replication.fetch import FetchPartition
from commitlog.replication.fetch_session_handler import FetchPlan, TopicPartition
from commitlog.replication.fetch_states import FetchState, FetchStates
from commitlog.replication.leader_endpoint import EpochQuery, LeaderEndpoint
from commitlog.replication.truncation import truncation_offset
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.partition import Partition
    from commitlog.replication.replication_quota import ReplicationQuota
    from commitlog.wire.messages.fetch_response import PartitionData

logger = logging.getLogger("commitlog.replication.fetcher")

_SWEEP_S = 0.5
"""How often all partitions are looked at, whether they have changed or not."""

# The leader does not know yet what this follower knows, or the other way round; metadata will settle it.
_TRANSIENT = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.INCONSISTENT_TOPIC_ID,
    }
)

FIRST_REFUSAL_MS = 10
"""How soon the leader is asked again then; twice as long each time, up to replica.fetch.backoff.ms. What
makes it the leader is on its way as ours was, and writes with acks=all wait for this follower. Kafka's
waits the whole second."""


class Fetcher:
    """The follower side of all partitions that one fetcher copies from one broker."""

    def __init__(
        self,
        name: str,
        leader: LeaderEndpoint,
        config: BrokerConfig,
        on_high_watermark: Callable[[Partition], None],
        quota: ReplicationQuota,
        client_id: str = "",
    ) -> None:
        self.leader = leader
        self.client_id = client_id
        self._name = name
        self._config = config
        self._on_high_watermark = on_high_watermark
        self._quota = quota
        self._states = FetchStates()
        self._swept_at = 0.0
        self.bytes_fetched = 0
        self.requests_sent = 0
        self.failed = 0
        """Partitions that only a new leader epoch can help."""
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._states)

    def lags(self) -> Iterator[tuple[TopicPartition, int]]:
        """How many records each partition was behind its leader's high watermark in its last answer."""
        for key in self._states:
            state = self._states.get(key)
            if state is not None and state.lag is not None:
                yield key, state.lag

    # --- which partitions -----------------------------------------------------------------------------------

    def add(self, partition: Partition, topic_id: bytes) -> None:
        """Begin to copy a partition in its present leader epoch."""
        key = partition.topic, partition.partition
        known = self._states.get(key)
        if known is not None and known.leader_epoch == partition.leader_epoch:
            return
        by_fetch = self.leader.version.truncation_on_fetch
        self._states.put(key, FetchState.begin(partition, topic_id, truncation_on_fetch=by_fetch))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    def remove(self, keys: Iterable[TopicPartition]) -> None:
        """Stop copying: whatever a response in flight still brings for them is dropped."""
        self._states.remove(keys)

    def update_topic_id(self, key: TopicPartition, topic_id: bytes) -> None:
        state = self._states.get(key)
        if state is not None:
            state.topic_id = topic_id
            self._states.unsettle()

    def stop(self) -> asyncio.Task[None] | None:
        """Stop at once; the task is answered so that it can be awaited."""
        task, self._task = self._task, None
        self._states.clear()
        if task is not None:
            task.cancel()
        self.leader.close()
        return task

    # --- the loop -------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._truncate()
                await self._fetch()
            except Exception:
                logger.exception(
                    "%s Unexpected error, all partitions wait for %d ms", self._name, self._backoff_ms
                )
                self._delay(self._states)
                await asyncio.sleep(self._backoff_ms / 1000)

    @property
    def _backoff_ms(self) -> int:
        return self._config.replica_fetch_backoff_ms

    def _delay(self, keys: Iterable[TopicPartition]) -> None:
        self._states.delay(keys, self._backoff_ms)

    def _delay_refused(self, key: TopicPartition, state: FetchState) -> None:
        self._states.delay([key], min(self._backoff_ms, FIRST_REFUSAL_MS << min(state.refusals, 16)))
        state.refusals += 1

    def _fail(self, key: TopicPartition) -> None:
        """Nothing but a new leader epoch can help this partition."""
        self._states.remove([key])
        self.failed += 1
        logger.warning("%s Partition %s-%d marked as failed", self._name, *key)

    # --- truncating before the first fetch ------------------------------------------------------------------

    async def _truncate(self) -> None:
        if self._states.settled:
            return
        version = self.leader.version
        queries = []
        for key, state in self._states.ready(truncating=True).items():
            log = state.partition.log
            if log is None:
                self._fail(key)
                continue
            epoch = log.leader_epochs.latest_epoch
            if epoch is None or not version.offset_for_leader_epoch_supported:
                logger.info(
                    "%s Truncating partition %s-%d to local high watermark %d",
                    self._name,
                    *key,
                    state.fetch_offset,
                )
                self._truncate_to(key, state, state.fetch_offset, complete=True)
            else:
                queries.append(EpochQuery(*key, state.leader_epoch, epoch))
        if not queries:
            return
        asked = {(query.topic, query.partition): query.current_leader_epoch for query in queries}
        try:
            answers = list(await self.leader.epoch_end_offsets(queries))
        except (OSError, KafkaError) as error:
            logger.warning("%s Error when sending leader epoch request: %s", self._name, error)
            self._delay(asked)
            return
        for key, answer in answers:
            current = self._states.get(key)
            if current is None or asked.get(key) != current.leader_epoch:
                continue
            error_code = ErrorCode.of(answer.error_code)
            if error_code is ErrorCode.NONE:
                self._truncate_to_epoch_end(key, current, answer.leader_epoch, answer.end_offset)
            elif error_code is ErrorCode.FENCED_LEADER_EPOCH:
                self._fenced(key, asked[key])
            else:
                logger.info(
                    "%s Retrying leaderEpoch request for partition %s-%d as the leader reported an error: %s",
                    self._name,
                    *key,
                    error_code.name,
                )
                self._delay([key])

    def _truncate_to_epoch_end(
        self, key: TopicPartition, state: FetchState, leader_epoch: int, leader_end_offset: int
    ) -> None:
        log = state.partition.log_or_raise()
        offset, complete = truncation_offset(log, state.fetch_offset, leader_epoch, leader_end_offset)
        logger.info(
            "%s Truncating partition %s-%d to offset %d (complete: %s) due to leader epoch %d and end "
            "offset %d",
            self._name,
            *key,
            offset,
            complete,
            leader_epoch,
            leader_end_offset,
        )
        self._truncate_to(key, state, offset, complete)

    def _truncate_to(self, key: TopicPartition, state: FetchState, offset: int, complete: bool) -> None:
        log = state.partition.log_or_raise()
        if offset < log.high_watermark:
            logger.warning(
                "%s Truncating %s-%d to offset %d below high watermark %d",
                self._name,
                *key,
                offset,
                log.high_watermark,
            )
        try:
            log.truncate_to(offset)
        except KafkaError as error:
            logger.error("%s Failed to truncate %s-%d at offset %d: %s", self._name, *key, offset, error)
            self._fail(key)
            return
        by_fetch = self.leader.version.truncation_on_fetch
        self._states.unsettle()
        state.restart(offset, truncation_on_fetch=by_fetch)
        state.truncating = not (by_fetch or complete)
        self._on_high_watermark(state.partition)

    # --- fetching -------------------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        plan = self._plan()
        if not plan.session and not plan.to_forget:
            await self._states.wait()
            return
        try:
            self.requests_sent += 1
            answers = await self.leader.fetch(plan, self._max_wait_ms())
        except (OSError, KafkaError) as error:
            logger.warning(
                "%s Error in response for fetch request (sessionId=%d, epoch=%d): %s",
                self._name,
                plan.session_id,
                plan.epoch,
                error,
            )
            self._delay(self._states)
            return
        for key, data in answers:
            state = self._states.get(key)
            request = plan.session.get(key)
            if (
                state is not None
                and request is not None
                and not state.truncating
                and request.current_leader_epoch == state.leader_epoch
                and request.fetch_offset == state.fetch_offset
            ):
                await self._process(key, state, request, data)

    def _max_wait_ms(self) -> int:
        """How long the leader may wait for records: until a partition is to be asked for again."""
        left_s = self._states.next_ready_at - asyncio.get_running_loop().time()
        longest_ms = self._config.replica_fetch_wait_max_ms
        return max(0, min(longest_ms, math.ceil(left_s * 1000))) if left_s < longest_ms / 1000 else longest_ms

    def _plan(self) -> FetchPlan:
        """The next request. All partitions are looked at only when something else than a fetch has changed
        one, and now and then: what retention has done to the logs here is told to the leader, too."""
        now = asyncio.get_running_loop().time()
        if self._states.settled and now < self._swept_at + _SWEEP_S and self._quota.limit is None:
            advanced = {
                key: self._request(key, state, state.partition.log.log_start_offset)
                for key, state in self._states.take_advanced().items()
                if state.partition.log is not None
            }
            plan = self.leader.plan_advanced(advanced)
            if plan is not None:
                return plan
        self._swept_at = now
        plan = self.leader.plan(self._wanted())
        self._states.settle()
        return plan

    def _request(self, key: TopicPartition, state: FetchState, log_start_offset: int) -> FetchPartition:
        return FetchPartition(
            *key,
            state.topic_id,
            state.fetch_offset,
            self._config.replica_fetch_max_bytes,
            log_start_offset,
            state.leader_epoch,
            state.last_fetched_epoch,
        )

    def _wanted(self) -> Mapping[TopicPartition, FetchPartition]:
        exceeded = self._quota.is_exceeded
        wanted = {}
        held_back = []
        for key, state in self._states.ready(truncating=False).items():
            log = state.partition.log
            if log is None:
                # Its directory failed, or it was deleted: nobody wants this copy any more.
                self._fail(key)
                continue
            if exceeded and not state.is_in_sync and state.partition.is_throttled_follower:
                held_back.append(key)
                continue
            wanted[key] = self._request(key, state, log.log_start_offset)
        self._delay(held_back)
        return wanted

    async def _process(
        self, key: TopicPartition, state: FetchState, request: FetchPartition, data: PartitionData
    ) -> None:
        error = ErrorCode.of(data.error_code)
        if error is ErrorCode.NONE:
            state.refusals = 0
            if data.diverging_epoch.epoch >= 0 and self.leader.version.truncation_on_fetch:
                self._truncate_to_epoch_end(
                    key, state, data.diverging_epoch.epoch, data.diverging_epoch.end_offset
                )
            else:
                self._append(key, state, data)
        elif error is ErrorCode.OFFSET_OUT_OF_RANGE:
            await self._out_of_range(key, state)
        elif error is ErrorCode.FENCED_LEADER_EPOCH:
            self._fenced(key, request.current_leader_epoch)
        else:
            logger.log(
                logging.DEBUG if error in _TRANSIENT else logging.ERROR,
                "%s Error for partition %s-%d at offset %d: %s",
                self._name,
                *key,
                state.fetch_offset,
                error.name,
            )
            if error in _TRANSIENT:
                self._delay_refused(key, state)
            else:
                self._delay([key])

    def _append(self, key: TopicPartition, state: FetchState, data: PartitionData) -> None:
        partition = state.partition
        log = partition.log
        if log is None or state.fetch_offset != log.log_end_offset:
            logger.error(
                "%s Offset mismatch for partition %s-%d: fetched offset = %d, log end offset = %s",
                self._name,
                *key,
                state.fetch_offset,
                None if log is None else log.log_end_offset,
            )
            self._fail(key)
            return
        # A response that was decoded holds its records as one view of the receive buffer.
        records = cast("bytes | memoryview", data.records)
        try:
            if records:
                info = partition.append_as_follower(records, state.leader_epoch)
                partition.traffic.replication_bytes_in += len(records)
                self.bytes_fetched += len(records)
                if self._quota.limit is not None and partition.is_throttled_follower:
                    self._quota.record(len(records))
                if info.records_bytes > 0:
                    state.fetch_offset = info.last_offset + 1
                    if info.leader_epoch >= 0 and self.leader.version.truncation_on_fetch:
                        state.last_fetched_epoch = info.leader_epoch
                    self._states.to_end(key)
                    self._states.advanced(key)
            state.lag = max(0, data.high_watermark - state.fetch_offset)
            old_high_watermark = log.high_watermark
            if log.update_high_watermark(data.high_watermark) != old_high_watermark:
                self._on_high_watermark(partition)
            if data.log_start_offset > log.log_start_offset:
                log.maybe_increment_log_start_offset(
                    min(data.log_start_offset, log.high_watermark), "leader offset increment"
                )
                self._states.advanced(key)
        except KafkaError as error:
            self._append_failed(key, state, error)

    def _append_failed(self, key: TopicPartition, state: FetchState, error: KafkaError) -> None:
        logger.error(
            "%s Error while appending for partition %s-%d at offset %d: %s",
            self._name,
            *key,
            state.fetch_offset,
            error,
        )
        if error.code in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD):
            # Broken on the way, or a leader that will be found out: ask again later.
            self._delay([key])
        else:
            self._fail(key)

    def _fenced(self, key: TopicPartition, asked_epoch: int) -> None:
        state = self._states.get(key)
        if state is None:
            return
        if asked_epoch == state.leader_epoch:
            logger.info(
                "%s Partition %s-%d has an older epoch (%d) than the current leader. Will await the new "
                "LeaderAndIsr state before resuming fetching.",
                self._name,
                *key,
                state.leader_epoch,
            )
            self._fail(key)
        else:
            self._delay([key])

    async def _out_of_range(self, key: TopicPartition, state: FetchState) -> None:
        """The leader's log does not reach our end, or begins after it.

        If the leader ends before us (an unclean election), cut to its end. If it begins after us (we were
        away for longer than its retention), nothing here can be joined to what it has: start anew where it
        starts.
        """
        topic, index = key
        try:
            leader_end = await self.leader.latest_offset(topic, index, state.leader_epoch)
            leader_start = 0
            log = state.partition.log_or_raise()
            if leader_end >= log.log_end_offset:
                leader_start = await self.leader.earliest_offset(topic, index, state.leader_epoch)
        except KafkaError as error:
            if error.code is ErrorCode.FENCED_LEADER_EPOCH:
                self._fenced(key, state.leader_epoch)
            else:
                logger.info("%s Could not fetch offset for %s-%d due to error: %s", self._name, *key, error)
                self._delay([key])
            return
        except OSError as error:
            logger.warning("%s Error getting offset for partition %s-%d: %s", self._name, *key, error)
            self._delay([key])
            return
        if self._states.get(key) is not state:
            return
        log = state.partition.log_or_raise()
        end = log.log_end_offset
        by_fetch = self.leader.version.truncation_on_fetch
        if leader_end < end:
            logger.warning(
                "%s Reset fetch offset for partition %s-%d from %d to current leader's latest offset %d",
                self._name,
                *key,
                end,
                leader_end,
            )
            self._truncate_to(key, state, leader_end, complete=True)
        elif leader_start > end:
            logger.warning(
                "%s Truncate fully and reset fetch offset for partition %s-%d from %d to the current "
                "leader's start offset %d",
                self._name,
                *key,
                end,
                leader_start,
            )
            log.truncate_fully_and_start_at(leader_start)
            self._states.unsettle()
            state.restart(leader_start, truncation_on_fetch=by_fetch)
        else:
            self._states.unsettle()
            state.restart(end, truncation_on_fetch=by_fetch)
