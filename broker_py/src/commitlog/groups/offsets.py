# SPDX-License-Identifier: Apache-2.0
"""The offsets that one group has committed, those still being written, and when they expire.

The offset half of Kafka's GroupMetadata; expiry follows KIP-211 (Kafka 2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

TopicPartition = tuple[str, int]

NO_EXPIRY = -1
"""The offset expires by the broker's offsets.retention.minutes, not at a time of its own."""

NOT_APPENDED = -1


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """OffsetAndMetadata: a position, and what the client noted with it."""

    offset: int
    leader_epoch: int
    metadata: str
    commit_timestamp: int
    expire_timestamp: int = NO_EXPIRY


@dataclass(frozen=True, slots=True)
class StoredOffset:
    """A committed offset and where in `__consumer_offsets` its batch begins: of two, the later one in the
    log wins. NOT_APPENDED while a transactional one is being written."""

    batch_offset: int
    committed: CommittedOffset


class GroupOffsets:
    """Committed offsets of one group by (topic, partition)."""

    def __init__(self) -> None:
        self._stored: dict[TopicPartition, StoredOffset] = {}
        self._pending: dict[TopicPartition, CommittedOffset] = {}
        self._transactional: dict[int, dict[TopicPartition, StoredOffset]] = {}

    def __len__(self) -> int:
        return len(self._stored)

    def __bool__(self) -> bool:
        """Is there anything that keeps an empty group alive?"""
        return bool(self._stored or self._pending or self._transactional)

    def load(
        self,
        stored: Mapping[TopicPartition, StoredOffset],
        transactional: Mapping[int, dict[TopicPartition, StoredOffset]],
    ) -> None:
        """What the log held: committed offsets, and those of transactions that were open at its end."""
        self._stored.update(stored)
        self._transactional.update(transactional)

    def partitions(self) -> list[TopicPartition]:
        return list(self._stored)

    def get(self, partition: TopicPartition) -> CommittedOffset | None:
        stored = self._stored.get(partition)
        return None if stored is None else stored.committed

    def is_unstable(self, partition: TopicPartition) -> bool:
        """Is a commit under way that may yet change the answer (KIP-447)?"""
        return partition in self._pending or any(partition in open_ for open_ in self._transactional.values())

    def prepare(self, commits: Mapping[TopicPartition, CommittedOffset]) -> None:
        self._pending.update(commits)

    def appended(self, commits: Mapping[TopicPartition, CommittedOffset], batch_offset: int) -> None:
        """The commits are in the log. One that was removed meanwhile (its topic was deleted) stays
        removed."""
        for partition, committed in commits.items():
            if partition not in self._pending:
                continue
            known = self._stored.get(partition)
            if known is None or known.batch_offset < batch_offset:
                self._stored[partition] = StoredOffset(batch_offset, committed)
            self._finish(partition, committed)

    def failed(self, commits: Mapping[TopicPartition, CommittedOffset]) -> None:
        for partition, committed in commits.items():
            self._finish(partition, committed)

    def _finish(self, partition: TopicPartition, committed: CommittedOffset) -> None:
        if self._pending.get(partition) == committed:
            del self._pending[partition]

    # -- offsets of open transactions: they count from the commit marker on (KIP-98)

    def prepare_transactional(
        self, producer_id: int, commits: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        open_ = self._transactional.setdefault(producer_id, {})
        for partition, committed in commits.items():
            open_[partition] = StoredOffset(NOT_APPENDED, committed)

    def appended_transactional(
        self, producer_id: int, commits: Mapping[TopicPartition, CommittedOffset], batch_offset: int
    ) -> None:
        """The commits are in the log. The transaction may have ended meanwhile: then they are void."""
        open_ = self._transactional.get(producer_id, {})
        for partition, committed in commits.items():
            if open_.get(partition) == StoredOffset(NOT_APPENDED, committed):
                open_[partition] = StoredOffset(batch_offset, committed)

    def failed_transactional(
        self, producer_id: int, commits: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        open_ = self._transactional.get(producer_id)
        if open_ is None:
            return
        for partition, committed in commits.items():
            if open_.get(partition) == StoredOffset(NOT_APPENDED, committed):
                del open_[partition]
        if not open_:
            del self._transactional[producer_id]

    def complete_transaction(self, producer_id: int, *, committed: bool) -> None:
        """The marker of the producer's transaction is in the log."""
        for partition, stored in self._transactional.pop(producer_id, {}).items():
            known = self._stored.get(partition)
            if (
                committed
                and stored.batch_offset != NOT_APPENDED
                and (known is None or known.batch_offset < stored.batch_offset)
            ):
                self._stored[partition] = stored

    def remove(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Drop offsets, pending ones too; answers those that were committed and need a tombstone."""
        removed: list[TopicPartition] = []
        for partition in partitions:
            self._pending.pop(partition, None)
            for open_ in self._transactional.values():
                open_.pop(partition, None)
            if self._stored.pop(partition, None) is not None:
                removed.append(partition)
        return removed

    def remove_expired(
        self,
        now_ms: int,
        retention_ms: int,
        base_ms: Callable[[CommittedOffset], int],
        subscribed: Collection[str] = (),
    ) -> list[TopicPartition]:
        """Drop what is older than the retention, counted from `base_ms`, in topics that nobody subscribes
        to."""

        def is_expired(committed: CommittedOffset) -> bool:
            if committed.expire_timestamp != NO_EXPIRY:
                return now_ms >= committed.expire_timestamp
            return now_ms - base_ms(committed) >= retention_ms

        expired = [
            partition
            for partition, stored in self._stored.items()
            if partition[0] not in subscribed
            and partition not in self._pending
            and is_expired(stored.committed)
        ]
        for partition in expired:
            del self._stored[partition]
        return expired
