# SPDX-License-Identifier: Apache-2.0
"""Looking at groups and cleaning them up: list, describe, delete, expire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from commitlog.groups.cache import GroupCache
from commitlog.groups.group import CONSUMER_PROTOCOL_TYPE, Group, GroupState
from commitlog.groups.log_writer import LogWriter
from commitlog.groups.offsets import TopicPartition
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.delete_groups_response import DeletableGroupResult, DeleteGroupsResponse
from commitlog.wire.messages.describe_groups_response import DescribedGroup, DescribedGroupMember
from commitlog.wire.messages.list_groups_request import ListGroupsRequest
from commitlog.wire.messages.list_groups_response import ListedGroup, ListGroupsResponse
from commitlog.wire.messages.offset_delete_request import OffsetDeleteRequest
from commitlog.wire.messages.offset_delete_response import (
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)

logger = logging.getLogger("commitlog.groups.admin")

CLASSIC_GROUP_TYPE = "classic"
GROUPS_BETWEEN_YIELDS = 100


class GroupAdmin:
    """The administrative half of the coordinator."""

    def __init__(self, cache: GroupCache, writer: LogWriter, carry_out: Callable[[Group], None]) -> None:
        self._cache = cache
        self._writer = writer
        self._carry_out = carry_out

    def list_groups(self, request: ListGroupsRequest) -> ListGroupsResponse:
        """Groups in these states and of these types; no filter, or an empty one, lets all pass."""
        if not self._cache.is_active:
            return ListGroupsResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
        error = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS if self._cache.is_loading else ErrorCode.NONE
        states = {state.lower() for state in request.states_filter}
        types = {group_type.lower() for group_type in request.types_filter}
        if types and CLASSIC_GROUP_TYPE not in types:
            return ListGroupsResponse(error_code=error)
        groups = [
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.members.protocol_type or "",
                group_state=group.state.value,
                group_type=CLASSIC_GROUP_TYPE,
            )
            for group in self._cache
            if not states or group.state.value.lower() in states
        ]
        return ListGroupsResponse(error_code=error, groups=groups)

    def describe_group(self, group_id: str) -> DescribedGroup:
        """A group that does not exist is described as dead, without an error."""
        error = self._cache.error_for(group_id, allow_empty_id=True)
        if error is not ErrorCode.NONE:
            return DescribedGroup(error_code=error, group_id=group_id)
        group = self._cache.get(group_id)
        if group is None:
            return DescribedGroup(group_id=group_id, group_state=GroupState.DEAD.value)
        protocol = group.protocol_name if group.state is GroupState.STABLE else None
        return DescribedGroup(
            group_id=group_id,
            group_state=group.state.value,
            protocol_type=group.members.protocol_type or "",
            protocol_data=protocol or "",
            members=[
                DescribedGroupMember(
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    member_metadata=b"" if protocol is None else member.metadata(protocol),
                    member_assignment=b"" if protocol is None else member.assignment,
                )
                for member in group.members
            ],
        )

    def delete_groups(self, group_ids: Sequence[str]) -> DeleteGroupsResponse:
        results: list[DeletableGroupResult] = []
        for group_id in dict.fromkeys(group_ids):
            group, error = self._find(group_id, allow_empty_id=True)
            if group is not None and group.state is not GroupState.EMPTY:
                error = ErrorCode.NON_EMPTY_GROUP
            elif group is not None:
                removed = group.offsets.remove(group.offsets.partitions())
                group.die()
                self._bury(group, removed)
                logger.info(
                    "The following groups were deleted: %s. A total of %d offsets were removed.",
                    group_id,
                    len(removed),
                )
            results.append(DeletableGroupResult(group_id=group_id, error_code=error))
        return DeleteGroupsResponse(results=results)

    def delete_offsets(self, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
        """Offsets of topics that an active member subscribes to are in use and stay."""
        group, error = self._find(request.group_id)
        if group is None:
            return OffsetDeleteResponse(error_code=error)
        is_empty = group.state is GroupState.EMPTY
        if not is_empty and group.members.protocol_type != CONSUMER_PROTOCOL_TYPE:
            return OffsetDeleteResponse(error_code=ErrorCode.NON_EMPTY_GROUP)
        response = OffsetDeleteResponse()
        eligible: list[TopicPartition] = []
        for topic in request.topics:
            in_use = not is_empty and group.is_subscribed_to(topic.name)
            error = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if in_use else ErrorCode.NONE
            indexes = [partition.partition_index for partition in topic.partitions]
            if not in_use:
                eligible += [(topic.name, index) for index in indexes]
            response.topics.append(
                OffsetDeleteResponseTopic(
                    name=topic.name,
                    partitions=[
                        OffsetDeleteResponsePartition(partition_index=index, error_code=error)
                        for index in indexes
                    ],
                )
            )
        if eligible:
            removed = self._clean(group, group.offsets.remove(eligible))
            logger.info(
                "The following offsets of the group %s were deleted: %s. A total of %d offsets were removed.",
                group.group_id,
                eligible,
                removed,
            )
        return response

    def on_partitions_deleted(self, partitions: Iterable[TopicPartition]) -> None:
        gone = list(partitions)
        removed = sum(self._clean(group, group.offsets.remove(gone)) for group in self._cache)
        logger.info("Removed %d offsets associated with deleted partitions: %s.", removed, gone)

    async def expire_offsets(self, retention_ms: int) -> None:
        """One round over all groups, in small steps."""
        removed = 0
        for count, group in enumerate(self._cache):
            if count % GROUPS_BETWEEN_YIELDS == GROUPS_BETWEEN_YIELDS - 1:
                await asyncio.sleep(0)
            if self._cache.get(group.group_id) is group and group.state is not GroupState.DEAD:
                removed += self._clean(group, group.remove_expired_offsets(retention_ms))
        if removed:
            logger.info("Removed %d expired offsets.", removed)

    def _find(self, group_id: str, *, allow_empty_id: bool = False) -> tuple[Group | None, ErrorCode]:
        error = self._cache.error_for(group_id, allow_empty_id=allow_empty_id)
        if error is not ErrorCode.NONE:
            return None, error
        group = self._cache.get(group_id)
        if group is None or group.state is GroupState.DEAD:
            return None, ErrorCode.GROUP_ID_NOT_FOUND
        return group, ErrorCode.NONE

    def _clean(self, group: Group, removed: Sequence[TopicPartition]) -> int:
        """Write tombstones for what was removed; a group that is empty and holds nothing any more ends with
        it."""
        if group.state is GroupState.EMPTY and not group.offsets:
            logger.info("Group %s transitioned to Dead in generation %d", group.group_id, group.generation_id)
            group.die()
            self._bury(group, removed)
        elif removed:
            self._writer.erase(group, removed, erase_group=False)
        return len(removed)

    def _bury(self, group: Group, removed: Sequence[TopicPartition]) -> None:
        # A group of generation 0 never had members and was never written.
        self._carry_out(group)
        self._cache.discard(group)
        self._writer.erase(group, removed, erase_group=group.generation_id > 0)
