# SPDX-License-Identifier: Apache-2.0
"""The groups in memory, and for which partitions of `__consumer_offsets` this broker may speak.

The bookkeeping half of Kafka's GroupMetadataManager: owned and loading partitions, the leader epoch in
which each was won or lost, and the checks that come before any group is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from commitlog.groups.group import Group, GroupLimits
from commitlog.groups.partitioning import partition_for
from commitlog.wire.errors import ErrorCode


class GroupCache:
    """Groups by id, and the partitions they may come from."""

    def __init__(self, limits: GroupLimits, partition_count: int, now_ms: Callable[[], int]) -> None:
        self.is_active = False
        self.partition_count = partition_count
        self._limits = limits
        self._now_ms = now_ms
        self._groups: dict[str, Group] = {}
        self._owned: set[int] = set()
        self._loading: dict[int, int] = {}
        self._loads_begun = 0
        self._epochs: dict[int, int] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(tuple(self._groups.values()))

    # -- groups

    def partition_for(self, group_id: str) -> int:
        return partition_for(group_id, self.partition_count)

    def get(self, group_id: str) -> Group | None:
        return self._groups.get(group_id)

    def get_or_create(self, group_id: str) -> Group:
        group = self._groups.get(group_id)
        if group is None:
            group = self.new(group_id)
            self._groups[group_id] = group
        return group

    def new(self, group_id: str) -> Group:
        """A group that is not in the cache yet."""
        return Group(group_id, self.partition_for(group_id), self._limits, self._now_ms)

    def add(self, group: Group) -> None:
        assert group.group_id not in self._groups, group.group_id
        self._groups[group.group_id] = group

    def discard(self, group: Group) -> None:
        if self._groups.get(group.group_id) is group:
            del self._groups[group.group_id]

    def of_partition(self, partition: int) -> list[Group]:
        return [group for group in self if group.offsets_partition == partition]

    def error_for(self, group_id: str | None, *, allow_empty_id: bool = False) -> ErrorCode:
        """Is this a group that we may answer for, now? The empty id is one for offsets, not for members."""
        if group_id is None or not (group_id or allow_empty_id):
            return ErrorCode.INVALID_GROUP_ID
        if not self.is_active:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        partition = self.partition_for(group_id)
        if partition in self._loading:
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        if partition not in self._owned:
            return ErrorCode.NOT_COORDINATOR
        return ErrorCode.NONE

    # -- partitions

    @property
    def is_loading(self) -> bool:
        return bool(self._loading)

    def begin_load(self, partition: int, leader_epoch: int) -> int | None:
        """We were elected: a number for the load; None when that is old news or the partition is ours
        already."""
        if not self._is_current(partition, leader_epoch):
            return None
        if partition in self._owned or partition in self._loading:
            return None
        self._loads_begun += 1
        self._loading[partition] = self._loads_begun
        return self._loads_begun

    def is_wanted(self, partition: int, load: int) -> bool:
        """Has nothing happened that makes this load pointless?"""
        return self._loading.get(partition) == load

    def end_load(self, partition: int, *, owned: bool) -> None:
        del self._loading[partition]
        if owned:
            self._owned.add(partition)

    def resign(self, partition: int, leader_epoch: int | None) -> bool:
        """We no longer lead the partition; False when that is older than our election."""
        if leader_epoch is not None and not self._is_current(partition, leader_epoch):
            return False
        self._owned.discard(partition)
        self._loading.pop(partition, None)
        return True

    def _is_current(self, partition: int, leader_epoch: int) -> bool:
        if leader_epoch < self._epochs.get(partition, leader_epoch):
            return False
        self._epochs[partition] = leader_epoch
        return True
