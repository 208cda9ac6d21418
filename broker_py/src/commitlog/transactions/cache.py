# SPDX-License-Identifier: Apache-2.0
"""The transactional ids in memory, and for which partitions of `__transaction_state` this broker may speak.

The bookkeeping half of Kafka's TransactionStateManager. The coordinator epoch of a partition is the leader
epoch in which it was won: whatever was begun in an earlier one must not be finished in a later one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from commitlog.groups.partitioning import partition_for
from commitlog.transactions.metadata import TransactionMetadata
from commitlog.wire.errors import ErrorCode, KafkaError


@dataclass(slots=True)
class OwnedPartition:
    """One partition's transactional ids (TxnMetadataCacheEntry)."""

    coordinator_epoch: int
    transactions: dict[str, TransactionMetadata] = field(default_factory=dict)


class TransactionCache:
    """Transactions by transactional id, by partition."""

    def __init__(self, partition_count: int) -> None:
        self.partition_count = partition_count
        self._owned: dict[int, OwnedPartition] = {}
        self._loading: dict[int, int] = {}
        self._epochs: dict[int, int] = {}

    def partition_for(self, transactional_id: str) -> int:
        return partition_for(transactional_id, self.partition_count)

    def find(self, transactional_id: str) -> tuple[int, TransactionMetadata | None]:
        """The coordinator epoch, and what is known of the id. KafkaError when we may not answer for it."""
        partition = self.partition_for(transactional_id)
        if partition in self._loading:
            raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        owned = self._owned.get(partition)
        if owned is None:
            raise KafkaError(ErrorCode.NOT_COORDINATOR)
        return owned.coordinator_epoch, owned.transactions.get(transactional_id)

    def current(self, transactional_id: str, coordinator_epoch: int) -> TransactionMetadata | None:
        """The same, but None unless we still coordinate in that epoch."""
        try:
            epoch, metadata = self.find(transactional_id)
        except KafkaError:
            return None
        return metadata if epoch == coordinator_epoch else None

    def add(self, metadata: TransactionMetadata) -> None:
        self._owned[self.partition_for(metadata.transactional_id)].transactions[metadata.transactional_id] = (
            metadata
        )

    def owned(self) -> Iterator[tuple[int, OwnedPartition]]:
        """Partitions that are ours and loaded."""
        for partition, owned in list(self._owned.items()):
            if partition not in self._loading:
                yield partition, owned

    def __iter__(self) -> Iterator[TransactionMetadata]:
        for _, owned in self.owned():
            yield from list(owned.transactions.values())

    # -- partitions

    @property
    def is_loading(self) -> bool:
        return bool(self._loading)

    def begin_load(self, partition: int, coordinator_epoch: int) -> bool:
        """We were elected; False when that is old news."""
        if not self._is_current(partition, coordinator_epoch):
            return False
        self._loading[partition] = coordinator_epoch
        return True

    def is_wanted(self, partition: int, coordinator_epoch: int) -> bool:
        """Has nothing happened that makes this load pointless?"""
        return self._loading.get(partition) == coordinator_epoch

    def end_load(self, partition: int, loaded: dict[str, TransactionMetadata] | None) -> None:
        """What the log held; None when it cannot be read, and then we speak for nothing in it."""
        epoch = self._loading.pop(partition)
        if loaded is None:
            self._owned.pop(partition, None)
        else:
            self._owned[partition] = OwnedPartition(epoch, loaded)

    def resign(self, partition: int, coordinator_epoch: int | None) -> int | None:
        """We no longer lead the partition; answers how many ids went, None when that is old news."""
        if coordinator_epoch is not None and not self._is_current(partition, coordinator_epoch):
            return None
        self._loading.pop(partition, None)
        owned = self._owned.pop(partition, None)
        return 0 if owned is None else len(owned.transactions)

    def _is_current(self, partition: int, coordinator_epoch: int) -> bool:
        if coordinator_epoch < self._epochs.get(partition, coordinator_epoch):
            return False
        self._epochs[partition] = coordinator_epoch
        return True
