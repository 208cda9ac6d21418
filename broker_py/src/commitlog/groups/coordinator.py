# SPDX-License-Identifier: Apache-2.0
"""The group coordinator: who is in which group, and which offsets a group has committed.

Behaviour is that of Kafka's classic GroupCoordinator with GroupMetadataManager. The rules of one group are in
`group.py` (no I/O, no clock); this module gives them timers, the offsets topic and the answers to requests. All
methods run on the broker's event loop; those that may have to wait return an `asyncio.Future`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.replica_manager import ReplicaManager
    from commitlog.wire.messages.delete_groups_response import DeleteGroupsResponse
    from commitlog.wire.messages.describe_groups_response import DescribedGroup
    from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
    from commitlog.wire.messages.heartbeat_response import HeartbeatResponse
    from commitlog.wire.messages.join_group_request import JoinGroupRequest
    from commitlog.wire.messages.join_group_response import JoinGroupResponse
    from commitlog.wire.messages.leave_group_request import MemberIdentity
    from commitlog.wire.messages.leave_group_response import LeaveGroupResponse
    from commitlog.wire.messages.list_groups_request import ListGroupsRequest
    from commitlog.wire.messages.list_groups_response import ListGroupsResponse
    from commitlog.wire.messages.offset_commit_request import OffsetCommitRequest
    from commitlog.wire.messages.offset_commit_response import OffsetCommitResponse
    from commitlog.wire.messages.offset_delete_request import OffsetDeleteRequest
    from commitlog.wire.messages.offset_delete_response import OffsetDeleteResponse
    from commitlog.wire.messages.offset_fetch_response import OffsetFetchResponseGroup
    from commitlog.wire.messages.sync_group_request import SyncGroupRequest
    from commitlog.wire.messages.sync_group_response import SyncGroupResponse

OFFSETS_TOPIC = "__consumer_offsets"


class GroupCoordinator:
    """Serves the groups whose partition of `__consumer_offsets` this broker leads."""

    def __init__(
        self,
        config: BrokerConfig,
        replicas: ReplicaManager,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
    ) -> None:
        raise NotImplementedError

    def start(self, partition_count: int | None = None) -> None:
        """Begin to answer. `partition_count` is that of an existing `__consumer_offsets`, None = as configured."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop answering (COORDINATOR_NOT_AVAILABLE), loading and expiring."""
        raise NotImplementedError

    def topic_configs(self) -> dict[str, str]:
        """The topic-level settings with which `__consumer_offsets` is created."""
        raise NotImplementedError

    def partition_for(self, group_id: str) -> int:
        """The partition of `__consumer_offsets` that holds the group; its leader is the coordinator."""
        raise NotImplementedError

    def on_election(self, partition: int, leader_epoch: int) -> None:
        """This broker leads the partition of `__consumer_offsets` now: load its groups in the background."""
        raise NotImplementedError

    def on_resignation(self, partition: int, leader_epoch: int | None) -> None:
        """This broker no longer leads (or has deleted) the partition: forget its groups at once."""
        raise NotImplementedError

    def on_partitions_deleted(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Remove the committed offsets of deleted (topic, partition)s, with tombstones."""
        raise NotImplementedError

    def join_group(
        self, request: JoinGroupRequest, *, version: int, client_id: str, client_host: str
    ) -> JoinGroupResponse | asyncio.Future[JoinGroupResponse]:
        raise NotImplementedError

    def sync_group(self, request: SyncGroupRequest) -> SyncGroupResponse | asyncio.Future[SyncGroupResponse]:
        raise NotImplementedError

    def heartbeat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        raise NotImplementedError

    def leave_group(self, group_id: str, members: Sequence[MemberIdentity]) -> LeaveGroupResponse:
        raise NotImplementedError

    def commit_offsets(
        self, request: OffsetCommitRequest
    ) -> OffsetCommitResponse | asyncio.Future[OffsetCommitResponse]:
        raise NotImplementedError

    def fetch_offsets(
        self, group_id: str, partitions: Sequence[tuple[str, int]] | None, *, require_stable: bool
    ) -> OffsetFetchResponseGroup:
        """`partitions` None = every offset that the group has."""
        raise NotImplementedError

    def list_groups(self, request: ListGroupsRequest) -> ListGroupsResponse:
        raise NotImplementedError

    def describe_group(self, group_id: str) -> DescribedGroup:
        raise NotImplementedError

    def delete_groups(self, group_ids: Sequence[str]) -> DeleteGroupsResponse:
        raise NotImplementedError

    def delete_offsets(self, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
        raise NotImplementedError
