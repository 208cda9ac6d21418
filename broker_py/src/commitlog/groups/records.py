# SPDX-License-Identifier: Apache-2.0
"""What the records of `__consumer_offsets` say: keys and values, in Kafka's formats.

Keys begin with an int16 that tells the kind: 0 and 1 an offset commit (group, topic, partition), 2 a
group's metadata; 3 and above belong to the consumer protocol of KIP-848, which the classic coordinator
leaves alone. Values begin with their own version: offsets are written as v3 (v1 when they bring an expiry
of their own), groups as v3, as Kafka does from inter.broker.protocol.version 2.3 on; every version is read.
No value is a tombstone.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from commitlog.groups.member import Member
from commitlog.groups.offsets import NO_EXPIRY, CommittedOffset, TopicPartition
from commitlog.wire.codec import MalformedMessage, reader
from commitlog.wire.frames import decode_record, encode_record, record_version
from commitlog.wire.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from commitlog.wire.messages.group_metadata_key import GroupMetadataKey
from commitlog.wire.messages.group_metadata_value import GroupMetadataValue, MemberMetadata
from commitlog.wire.messages.offset_commit_key import OffsetCommitKey
from commitlog.wire.messages.offset_commit_value import OffsetCommitValue

if TYPE_CHECKING:
    from commitlog.groups.group import Group

logger = logging.getLogger("commitlog.groups.records")

_VERSION = struct.Struct(">h")
_OFFSET_KEY_VERSION = 1
_GROUP_KEY_VERSION = 2
_OFFSET_VALUE_VERSION = 3
_OFFSET_VALUE_VERSION_WITH_EXPIRY = 1
_GROUP_VALUE_VERSION = 3


def offset_key(group_id: str, partition: TopicPartition) -> bytes:
    topic, index = partition
    return encode_record(OffsetCommitKey(group=group_id, topic=topic, partition=index), _OFFSET_KEY_VERSION)


def offset_value(committed: CommittedOffset) -> bytes:
    has_expiry = committed.expire_timestamp != NO_EXPIRY
    value = OffsetCommitValue(
        offset=committed.offset,
        leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
        commit_timestamp=committed.commit_timestamp,
        expire_timestamp=committed.expire_timestamp,
    )
    return encode_record(value, _OFFSET_VALUE_VERSION_WITH_EXPIRY if has_expiry else _OFFSET_VALUE_VERSION)


def group_key(group_id: str) -> bytes:
    return encode_record(GroupMetadataKey(group=group_id), _GROUP_KEY_VERSION)


def group_value(value: GroupMetadataValue) -> bytes:
    return encode_record(value, _GROUP_VALUE_VERSION)


def group_metadata_value(group: Group, assignment: Mapping[str, bytes]) -> GroupMetadataValue:
    """A snapshot of the group, with what each member has been assigned."""
    protocol = group.protocol_name
    members: list[MemberMetadata] = []
    for member in group.members:
        assert protocol is not None, "a group with members has selected a protocol"
        members.append(
            MemberMetadata(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout=member.rebalance_timeout_ms,
                session_timeout=member.session_timeout_ms,
                subscription=member.metadata(protocol),
                assignment=assignment[member.member_id],
            )
        )
    return GroupMetadataValue(
        protocol_type=group.members.protocol_type or "",
        generation=group.generation_id,
        protocol=protocol,
        leader=group.members.leader_id,
        current_state_timestamp=-1 if group.state_timestamp_ms is None else group.state_timestamp_ms,
        members=members,
    )


def members_of(value: GroupMetadataValue, *, version: int) -> list[Member]:
    """The members as they were written; v0 knew no rebalance timeout."""
    return [
        Member(
            member_id=member.member_id,
            group_instance_id=member.group_instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            rebalance_timeout_ms=member.session_timeout if version == 0 else member.rebalance_timeout,
            session_timeout_ms=member.session_timeout,
            protocols=((value.protocol or "", bytes(member.subscription)),),
            assignment=bytes(member.assignment),
        )
        for member in value.members
    ]


Key = OffsetCommitKey | GroupMetadataKey | int


def read_key(data: bytes) -> Key:
    """The key, or the version of a kind that is not ours. MalformedMessage for bytes that are no key."""
    version = record_version(data)
    if OffsetCommitKey.MIN_VERSION <= version <= OffsetCommitKey.MAX_VERSION:
        return decode_record(OffsetCommitKey, data)
    if version == _GROUP_KEY_VERSION:
        return decode_record(GroupMetadataKey, data)
    return version


def read_offset_value(data: bytes) -> CommittedOffset:
    value = decode_record(OffsetCommitValue, data)
    return CommittedOffset(
        offset=value.offset,
        leader_epoch=value.leader_epoch,
        metadata=value.metadata,
        commit_timestamp=value.commit_timestamp,
        expire_timestamp=value.expire_timestamp,
    )


def subscribed_topics(group_id: str, protocol: str, metadata: Iterable[bytes]) -> frozenset[str] | None:
    """The topics in members' consumer protocol metadata, read as v0, with which every version begins."""
    read = reader(ConsumerProtocolSubscription, 0)
    topics: set[str] = set()
    try:
        for data in metadata:
            record_version(data)
            topics.update(read(memoryview(data), _VERSION.size).topics)
    except MalformedMessage as reason:
        logger.warning(
            "Failed to parse Consumer Protocol consumer:%s of group %s. Consumer group coordinator is not "
            "aware of the subscribed topics: %s",
            protocol,
            group_id,
            reason,
        )
        return None
    return frozenset(topics)
