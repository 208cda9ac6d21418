# SPDX-License-Identifier: Apache-2.0
"""Where each partition of a fetcher stands (Kafka's PartitionStates and PartitionFetchState)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commitlog.replication.fetch import UNKNOWN

if TYPE_CHECKING:
    from commitlog.replication.fetch_session_handler import TopicPartition
    from commitlog.replication.partition import Partition


@dataclass(slots=True)
class FetchState:
    """One partition that is being copied, in one leader epoch."""

    partition: Partition
    topic_id: bytes
    leader_epoch: int
    fetch_offset: int
    last_fetched_epoch: int
    truncating: bool
    ready_at: float = 0.0
    """Loop time before which the partition is left alone, after an error."""
    refusals: int = 0
    """How often in a row its leader did not know yet, or not any more, that it leads in this epoch."""
    lag: int | None = None
    """Records behind the leader's high watermark, as of its last answer; None before one."""

    @property
    def is_in_sync(self) -> bool:
        """PartitionFetchState.isReplicaInSync: such a one is not throttled."""
        return self.lag is not None and self.lag <= 0

    @staticmethod
    def begin(partition: Partition, topic_id: bytes, *, truncation_on_fetch: bool) -> FetchState:
        """Where to begin: at the log's end, when the leader can say in the fetch where the logs part.

        Without leader epochs all that is known to be common is what was committed, so the log is cut first.
        """
        log = partition.log_or_raise()
        epoch = log.leader_epochs.latest_epoch
        if truncation_on_fetch and epoch is not None:
            return FetchState(partition, topic_id, partition.leader_epoch, log.log_end_offset, epoch, False)
        return FetchState(partition, topic_id, partition.leader_epoch, log.high_watermark, UNKNOWN, True)

    def restart(self, offset: int, *, truncation_on_fetch: bool) -> None:
        """The log was cut: go on from there, with the epoch that is the last one now."""
        epoch = self.partition.log_or_raise().leader_epochs.latest_epoch
        self.fetch_offset = offset
        self.last_fetched_epoch = epoch if truncation_on_fetch and epoch is not None else UNKNOWN


class FetchStates:
    """The partitions of one fetcher, in the order in which they are asked for.

    Most rounds change nothing but the offsets of the few partitions that had records: while that is so, the
    states are settled, and nobody needs to look at all of them.
    """

    def __init__(self) -> None:
        self._states: dict[TopicPartition, FetchState] = {}
        self._changed = asyncio.Event()
        self._advanced: dict[TopicPartition, None] = {}
        self.settled = False
        """All are being fetched, and none but those `take_advanced` answers has changed since `settle`."""
        self.next_ready_at = math.inf
        """Loop time at which the first of those that were delayed then may be asked for again."""

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter(self._states)

    def get(self, key: TopicPartition) -> FetchState | None:
        return self._states.get(key)

    def put(self, key: TopicPartition, state: FetchState) -> None:
        self._states[key] = state
        self.unsettle()
        self._changed.set()

    def remove(self, keys: Iterable[TopicPartition]) -> None:
        for key in keys:
            if self._states.pop(key, None) is not None:
                self.unsettle()
        self._changed.set()

    def clear(self) -> None:
        self._states.clear()
        self.unsettle()

    def advanced(self, key: TopicPartition) -> None:
        """What is asked of the partition is no more what was asked the last time."""
        self._advanced[key] = None

    def take_advanced(self) -> dict[TopicPartition, FetchState]:
        advanced, self._advanced = self._advanced, {}
        return {key: self._states[key] for key in advanced}

    def unsettle(self) -> None:
        self.settled = False

    def settle(self) -> None:
        """All that may be fetched now was asked for."""
        self._advanced.clear()
        now = asyncio.get_running_loop().time()
        delayed = [state.ready_at for state in self._states.values() if state.ready_at > now]
        self.next_ready_at = min(delayed, default=math.inf)
        self.settled = not delayed and not any(state.truncating for state in self._states.values())

    def to_end(self, key: TopicPartition) -> None:
        """Those that had data go to the end of the line, so that all get their turn."""
        self._states[key] = self._states.pop(key)

    def delay(self, keys: Iterable[TopicPartition], backoff_ms: int) -> None:
        """Leave partitions alone for a while; they go to the end of the line too."""
        ready_at = asyncio.get_running_loop().time() + backoff_ms / 1000
        for key in list(keys):
            state = self._states.pop(key, None)
            if state is not None:
                self.unsettle()
                state.ready_at = ready_at
                self._states[key] = state

    def ready(self, *, truncating: bool) -> dict[TopicPartition, FetchState]:
        """Those that may be worked on now."""
        now = asyncio.get_running_loop().time()
        return {
            key: state
            for key, state in self._states.items()
            if state.truncating is truncating and state.ready_at <= now
        }

    async def wait(self) -> None:
        """Until a partition comes or goes, or the first that was delayed is ready."""
        self._changed.clear()
        timer = None
        if self._states:
            earliest = min(state.ready_at for state in self._states.values())
            timer = asyncio.get_running_loop().call_at(earliest, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()
