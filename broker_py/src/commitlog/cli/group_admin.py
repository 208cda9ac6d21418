# SPDX-License-Identifier: Apache-2.0
"""What kafka-consumer-groups.sh asks about groups, as AdminClient does: of every broker, or of each group's
coordinator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from commitlog.cli.admin import Admin, Node, TopicPartition, by_topic, check
from commitlog.cli.java_order import strings_in_hash_order
from commitlog.cli.topics_errors import ToolError
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.frames import decode_record
from commitlog.wire.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from commitlog.wire.messages.consumer_protocol_assignment import ConsumerProtocolAssignment
from commitlog.wire.messages.delete_groups_request import DeleteGroupsRequest
from commitlog.wire.messages.describe_groups_request import DescribeGroupsRequest
from commitlog.wire.messages.describe_groups_response import DescribedGroupMember
from commitlog.wire.messages.list_groups_request import ListGroupsRequest
from commitlog.wire.messages.list_groups_response import ListedGroup
from commitlog.wire.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from commitlog.wire.messages.offset_delete_request import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from commitlog.wire.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestGroup

CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Member:
    """MemberDescription."""

    id: str
    instance_id: str
    client_id: str
    host: str
    partitions: Sequence[TopicPartition] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """ConsumerGroupDescription."""

    id: str
    state: str
    assignor: str
    coordinator: Node
    members: Sequence[Member] = field(default_factory=list)


async def list_groups(
    admin: Admin, states: Sequence[str] = (), types: Sequence[str] = ()
) -> list[ListedGroup]:
    """All groups of consumers on all brokers, in the order in which AdminClient hands them out."""
    admin.begin_call()
    found: dict[str, ListedGroup] = {}
    for node in await admin.nodes():
        while True:
            request = ListGroupsRequest(states_filter=list(states), types_filter=list(types))
            response = await admin.ask_node(node, request)
            if response.error_code not in (
                ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
                ErrorCode.COORDINATOR_NOT_AVAILABLE,
            ):
                break
            await admin.back_off("listConsumerGroups")
        check(response.error_code)
        for group in response.groups:
            if group.protocol_type in (CONSUMER, ""):
                found[group.group_id] = group
    return [found[name] for name in strings_in_hash_order(found)]


async def describe_group(admin: Admin, name: str) -> Group:
    """The group, first as one of the new consumer protocol (KIP-848), then as a classic one."""
    return await _describe_new(admin, name) or await _describe_classic(admin, name)


async def _describe_new(admin: Admin, name: str) -> Group | None:
    request = ConsumerGroupDescribeRequest(group_ids=[name])
    try:
        node, response = await admin.ask_coordinator(name, request, lambda found: found.groups[0].error_code)
    except KafkaError as error:
        if error.code == ErrorCode.UNSUPPORTED_VERSION:
            return None
        raise
    group = response.groups[0]
    if group.error_code in (ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.UNSUPPORTED_VERSION):
        return None
    check(group.error_code, group.error_message)
    members = [
        Member(
            one.member_id,
            one.instance_id or "",
            one.client_id,
            one.client_host,
            [
                TopicPartition(topic.topic_name, number)
                for topic in one.assignment.topic_partitions
                for number in topic.partitions
            ],
        )
        for one in group.members
    ]
    return Group(name, group.group_state, group.assignor_name, node, members)


async def _describe_classic(admin: Admin, name: str) -> Group:
    node, response = await admin.ask_coordinator(
        name, DescribeGroupsRequest(groups=[name]), lambda found: found.groups[0].error_code
    )
    group = response.groups[0]
    check(group.error_code)
    if group.protocol_type not in (CONSUMER, ""):
        raise ToolError(f"GroupId {name} is not a consumer group ({group.protocol_type}).")
    members = [
        Member(
            one.member_id,
            one.group_instance_id or "",
            one.client_id,
            one.client_host,
            _assigned(one),
        )
        for one in group.members
    ]
    return Group(name, group.group_state, group.protocol_data, node, members)


def _assigned(member: DescribedGroupMember) -> list[TopicPartition]:
    if not member.member_assignment:
        return []
    assignment = decode_record(
        ConsumerProtocolAssignment, bytes(member.member_assignment), newer_as_highest=True
    )
    return [
        TopicPartition(topic.topic, number)
        for topic in assignment.assigned_partitions
        for number in topic.partitions
    ]


async def committed_offsets(admin: Admin, name: str) -> dict[TopicPartition, int]:
    """All offsets that a group has committed."""
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=name, topics=None)])
    _, response = await admin.ask_coordinator(name, request, lambda found: found.groups[0].error_code)
    group = response.groups[0]
    check(group.error_code)
    return {
        TopicPartition(topic.name, one.partition_index): one.committed_offset
        for topic in group.topics
        for one in topic.partitions
        if one.error_code == ErrorCode.NONE and one.committed_offset >= 0
    }


async def commit_offsets(admin: Admin, name: str, offsets: Mapping[TopicPartition, int]) -> None:
    """alterConsumerGroupOffsets."""
    if not offsets:
        return
    request = OffsetCommitRequest(
        group_id=name,
        topics=[
            OffsetCommitRequestTopic(
                name=topic,
                partitions=[
                    OffsetCommitRequestPartition(
                        partition_index=number, committed_offset=offsets[TopicPartition(topic, number)]
                    )
                    for number in numbers
                ],
            )
            for topic, numbers in by_topic(offsets).items()
        ],
    )
    _, response = await admin.ask_coordinator(
        name,
        request,
        lambda found: max((one.error_code for topic in found.topics for one in topic.partitions), default=0),
    )
    failed = {
        TopicPartition(topic.name, one.partition_index): one.error_code
        for topic in response.topics
        for one in topic.partitions
        if one.error_code != ErrorCode.NONE
    }
    if failed:
        shown = ", ".join(map(str, failed))
        raise KafkaError(
            ErrorCode.of(next(iter(failed.values()))),
            f"Failed altering consumer group offsets for the following partitions: [{shown}]",
        )


async def delete_group(admin: Admin, name: str) -> None:
    _, response = await admin.ask_coordinator(
        name, DeleteGroupsRequest(groups_names=[name]), lambda found: found.results[0].error_code
    )
    check(response.results[0].error_code)


async def delete_offsets(
    admin: Admin, name: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, ErrorCode]:
    """What became of each partition's offset; KafkaError when the group's offsets cannot be deleted at
    all."""
    request = OffsetDeleteRequest(
        group_id=name,
        topics=[
            OffsetDeleteRequestTopic(
                name=topic,
                partitions=[OffsetDeleteRequestPartition(partition_index=number) for number in numbers],
            )
            for topic, numbers in by_topic(partitions).items()
        ],
    )
    _, response = await admin.ask_coordinator(name, request, lambda found: found.error_code)
    check(response.error_code)
    return {
        TopicPartition(topic.name, one.partition_index): ErrorCode.of(one.error_code)
        for topic in response.topics
        for one in topic.partitions
    }
