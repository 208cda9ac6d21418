# SPDX-License-Identifier: Apache-2.0
"""Keys and values of `__consumer_offsets`, byte for byte as Apache Kafka 3.9.1's GroupMetadataManager
writes them (inter.broker.protocol.version 3.9)."""

from __future__ import annotations

import pytest

from commitlog.groups.group import Group, GroupLimits, GroupState
from commitlog.groups.member import Member
from commitlog.groups.offsets import CommittedOffset
from commitlog.groups.records import (
    group_key,
    group_metadata_value,
    group_value,
    members_of,
    offset_key,
    offset_value,
    read_key,
    read_offset_value,
    subscribed_topics,
)
from commitlog.wire.codec import MalformedMessage
from commitlog.wire.frames import decode_record, encode_record
from commitlog.wire.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from commitlog.wire.messages.group_metadata_key import GroupMetadataKey
from commitlog.wire.messages.group_metadata_value import GroupMetadataValue, MemberMetadata
from commitlog.wire.messages.offset_commit_key import OffsetCommitKey

OFFSET_KEY = "000100076772c3bc707065000a746573742d746f70696300000007"
GROUP_KEY = "000200076772c3bc707065"
GROUP_VALUE = (
    "00030008636f6e73756d657200000001000572616e676500036d2d310000018bcfe5687b0000000200036d2d310004696e737400"
    "06636c69656e74000a2f3132372e302e302e310000ea60000027100000000300010200000002050600036d2d32ffff0007636c69"
    "656e743200092f31302e302e302e32000493e00000afc80000000300010200000000"
)
EMPTY_GROUP_VALUE = "0003000000000001ffffffff0000018bcfe5687b00000000"
OFFSETS = [
    (
        CommittedOffset(123456789012, 5, "näh", 1700000000123),
        "00030000001cbe991a140000000500046ec3a4680000018bcfe5687b",
    ),
    (CommittedOffset(0, -1, "", 1), "00030000000000000000ffffffff00000000000000000001"),
    (
        CommittedOffset(42, -1, "", 1700000000123, 1700000009999),
        "0001000000000000002a00000000018bcfe5687b0000018bcfe58f0f",
    ),
]


def test_keys() -> None:
    assert offset_key("grüppe", ("test-topic", 7)).hex() == OFFSET_KEY
    assert group_key("grüppe").hex() == GROUP_KEY


@pytest.mark.parametrize(("committed", "expected"), OFFSETS)
def test_offset_values_both_ways(committed: CommittedOffset, expected: str) -> None:
    assert offset_value(committed).hex() == expected
    assert read_offset_value(bytes.fromhex(expected)) == committed


def make_group() -> Group:
    group = Group("grüppe", 0, GroupLimits(100, 0), lambda: 1700000000123)
    group.generation_id = 1
    return group


def make_member(
    member_id: str, instance: str | None, client: str, host: str, rebalance: int, session: int
) -> Member:
    protocols = (("range", b"\0\1\2"), ("roundrobin", b"\x09"))
    return Member(member_id, instance, client, host, rebalance, session, protocols)


def test_group_value() -> None:
    group = make_group()
    group.members.protocol_type = "consumer"
    group.members.add(make_member("m-1", "inst", "client", "/127.0.0.1", 60000, 10000), None)
    group.members.add(make_member("m-2", None, "client2", "/10.0.0.2", 300000, 45000), None)
    group.protocol_name = "range"
    group.state = GroupState.COMPLETING_REBALANCE
    value = group_metadata_value(group, {"m-1": b"\5\6", "m-2": b""})
    assert group_value(value).hex() == GROUP_VALUE
    assert decode_record(GroupMetadataValue, bytes.fromhex(GROUP_VALUE)) == value


def test_value_of_an_empty_group() -> None:
    assert group_value(group_metadata_value(make_group(), {})).hex() == EMPTY_GROUP_VALUE


def test_members_are_read_back() -> None:
    first, second = members_of(decode_record(GroupMetadataValue, bytes.fromhex(GROUP_VALUE)), version=3)
    assert (first.member_id, first.group_instance_id, first.client_host) == ("m-1", "inst", "/127.0.0.1")
    assert (first.rebalance_timeout_ms, first.session_timeout_ms) == (60000, 10000)
    assert (first.protocols, first.assignment) == ((("range", b"\0\1\2"),), b"\5\6")
    assert (second.group_instance_id, second.assignment) == (None, b"")


def test_members_of_version_0_rebalance_in_their_session_timeout() -> None:
    value = GroupMetadataValue(
        protocol="range", members=[MemberMetadata(member_id="m", session_timeout=9000)]
    )
    (member,) = members_of(decode_record(GroupMetadataValue, encode_record(value, 0)), version=0)
    assert member.rebalance_timeout_ms == 9000


@pytest.mark.parametrize("version", range(5))
def test_every_version_of_a_group_value_is_read(version: int) -> None:
    value = GroupMetadataValue(protocol_type="consumer", generation=4, protocol="range", leader="m")
    assert decode_record(GroupMetadataValue, encode_record(value, version)) == value


def test_kinds_of_keys() -> None:
    assert read_key(bytes.fromhex(OFFSET_KEY)) == OffsetCommitKey(
        group="grüppe", topic="test-topic", partition=7
    )
    assert read_key(bytes.fromhex("0000" + OFFSET_KEY[4:])) == OffsetCommitKey("grüppe", "test-topic", 7)
    assert read_key(bytes.fromhex(GROUP_KEY)) == GroupMetadataKey(group="grüppe")
    assert read_key(b"\0\3\0\1g") == 3  # KIP-848: not ours


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\1", bytes.fromhex(OFFSET_KEY)[:-1]])
def test_a_broken_key_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_key(data)


@pytest.mark.parametrize("version", range(4))
def test_subscribed_topics_of_every_version(version: int) -> None:
    def subscription(*topics: str) -> bytes:
        return encode_record(ConsumerProtocolSubscription(topics=list(topics), user_data=b"u"), version)

    topics = subscribed_topics("g", "range", [subscription("a", "b"), subscription("b", "c")])
    assert topics == frozenset("abc")


def test_subscription_that_is_not_kafkas_own_is_unknown() -> None:
    assert subscribed_topics("g", "sticky", [b"\0\0\0\0\0\5"]) is None
    assert subscribed_topics("g", "sticky", [b""]) is None
