# SPDX-License-Identifier: Apache-2.0
"""ListGroups, DescribeGroups, DeleteGroups and OffsetDelete at the coordinator."""

from __future__ import annotations

import pytest

from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.list_groups_request import ListGroupsRequest
from commitlog.wire.messages.offset_delete_request import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tests.groups.harness import GROUP, INITIAL_DELAY_MS, Harness, subscription
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
TP = ("topic", 0)


def delete_request(*topics: str, group: str = GROUP) -> OffsetDeleteRequest:
    return OffsetDeleteRequest(
        group_id=group,
        topics=[
            OffsetDeleteRequestTopic(name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=0)])
            for topic in topics
        ],
    )


async def harness_with_groups() -> Harness:
    """One group in each state."""
    harness = await Harness().started()
    (member,) = await harness.stable(group="empty")
    harness.leave(member, group="empty")
    await harness.stable(group="preparing")
    harness.join(group="preparing", version=3)
    harness.join(group="completing", version=3)
    await harness.pass_ms(INITIAL_DELAY_MS)
    await harness.stable(group="stable")
    harness.commit({TP: 1}, group="offsets only")
    return harness


@pytest.mark.parametrize(
    ("states", "types", "expected"),
    [
        ([], [], {"empty", "preparing", "completing", "stable", "offsets only"}),
        (["Stable"], [], {"stable"}),
        (["stable", "EMPTY"], [], {"stable", "empty", "offsets only"}),
        (["PreparingRebalance", "CompletingRebalance"], ["Classic"], {"preparing", "completing"}),
        ([], ["consumer"], set()),
        ([], ["consumer", "classic"], {"empty", "preparing", "completing", "stable", "offsets only"}),
        (["nonsense"], [], set()),
        ([], ["nonsense"], set()),
    ],
)
@in_virtual_time
async def test_list_filters(states: list[str], types: list[str], expected: set[str]) -> None:
    harness = await harness_with_groups()
    response = harness.groups.list_groups(ListGroupsRequest(states_filter=states, types_filter=types))
    assert {group.group_id for group in response.groups} == expected


@in_virtual_time
async def test_list_tells_type_and_state() -> None:
    harness = await harness_with_groups()
    groups = {group.group_id: group for group in harness.groups.list_groups(ListGroupsRequest()).groups}
    assert groups["stable"].protocol_type == "consumer"
    assert groups["stable"].group_state == "Stable"
    assert groups["stable"].group_type == "classic"
    assert groups["offsets only"].protocol_type == ""


@in_virtual_time
async def test_describe_a_stable_group() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable(client="app")
    group = harness.groups.describe_group(GROUP)
    assert (group.error_code, group.group_state) == (E.NONE, "Stable")
    assert (group.protocol_type, group.protocol_data) == ("consumer", "range")
    (described,) = group.members
    assert (described.member_id, described.client_id) == (member, "app")
    assert described.client_host == "/127.0.0.1"
    assert (described.member_metadata, described.member_assignment) == (b"meta", member.encode())


@pytest.mark.parametrize(
    ("group", "state", "count"),
    [("preparing", "PreparingRebalance", 2), ("completing", "CompletingRebalance", 1), ("empty", "Empty", 0)],
)
@in_virtual_time
async def test_describe_shows_no_protocol_unless_stable(group: str, state: str, count: int) -> None:
    harness = await harness_with_groups()
    described = harness.groups.describe_group(group)
    assert (described.group_state, described.protocol_data) == (state, "")
    assert len(described.members) == count
    assert {member.member_metadata for member in described.members} <= {b""}


@in_virtual_time
async def test_describe_a_group_that_does_not_exist() -> None:
    harness = await Harness().started()
    group = harness.groups.describe_group("who")
    assert (group.error_code, group.group_state, group.protocol_type) == (E.NONE, "Dead", "")


@in_virtual_time
async def test_delete_takes_empty_groups_only_and_with_their_offsets() -> None:
    harness = await harness_with_groups()
    names = ["empty", "preparing", "completing", "stable", "offsets only", "who", "empty"]
    response = harness.groups.delete_groups(names)
    assert [(result.group_id, result.error_code) for result in response.results] == [
        ("empty", E.NONE),
        ("preparing", E.NON_EMPTY_GROUP),
        ("completing", E.NON_EMPTY_GROUP),
        ("stable", E.NON_EMPTY_GROUP),
        ("offsets only", E.NONE),
        ("who", E.GROUP_ID_NOT_FOUND),
    ]
    assert harness.state("empty") == harness.state("offsets only") == "Dead"
    assert harness.fetch(group="offsets only") == {}


@in_virtual_time
async def test_delete_writes_tombstones_of_the_group_and_its_offsets() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable()
    harness.commit({TP: 1}, member_id=member, generation=1)
    harness.leave(member)
    harness.groups.delete_groups([GROUP])
    records = harness.replicas.log(harness.groups.partition_for(GROUP)).records()
    assert [(record.key, record.value) for record in records[-2:]] == [
        (b"\0\1\0\5group\0\5topic\0\0\0\0", None),
        (b"\0\2\0\5group", None),
    ]
    assert harness.replicas.appends[-1]["acks"] == 0


@in_virtual_time
async def test_many_tombstones_are_written_in_pieces() -> None:
    harness = await Harness().started()
    harness.commit({("topic", index): 1 for index in range(2_500)})
    before = len(harness.replicas.appends)
    harness.groups.delete_groups([GROUP])
    assert len(harness.replicas.appends) - before == 3


@in_virtual_time
async def test_deleted_group_may_be_used_again_at_once() -> None:
    harness = await Harness().started()
    harness.commit({TP: 1})
    harness.groups.delete_groups([GROUP])
    assert harness.commit_error() is E.NONE
    assert harness.fetch() == {TP: 1}


class TestOffsetDelete:
    @in_virtual_time
    async def test_of_an_empty_group(self) -> None:
        harness = await Harness().started()
        harness.commit({TP: 1, ("other", 0): 2})
        response = harness.groups.delete_offsets(delete_request("topic", "never committed"))
        assert response.error_code == E.NONE
        assert {topic.name: topic.partitions[0].error_code for topic in response.topics} == {
            "topic": E.NONE,
            "never committed": E.NONE,
        }
        assert harness.fetch() == {("other", 0): 2}

    @in_virtual_time
    async def test_offsets_that_are_in_use_stay(self) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable(protocols=[("range", subscription("topic"))])
        harness.commit({TP: 1, ("other", 0): 2}, member_id=member, generation=1)
        response = harness.groups.delete_offsets(delete_request("topic", "other"))
        assert {topic.name: topic.partitions[0].error_code for topic in response.topics} == {
            "topic": E.GROUP_SUBSCRIBED_TO_TOPIC,
            "other": E.NONE,
        }
        assert harness.fetch() == {TP: 1}

    @in_virtual_time
    async def test_of_members_whose_subscription_cannot_be_read(self) -> None:
        harness = await Harness().started()
        await harness.stable(protocols=[("own", b"")])
        response = harness.groups.delete_offsets(delete_request("topic"))
        assert response.topics[0].partitions[0].error_code == E.GROUP_SUBSCRIBED_TO_TOPIC

    @in_virtual_time
    async def test_of_members_of_another_type(self) -> None:
        harness = await Harness().started()
        await harness.stable(protocol_type="connect")
        response = harness.groups.delete_offsets(delete_request("topic"))
        assert (response.error_code, response.topics) == (E.NON_EMPTY_GROUP, [])

    @pytest.mark.parametrize(("group", "error"), [("who", E.GROUP_ID_NOT_FOUND), ("", E.INVALID_GROUP_ID)])
    @in_virtual_time
    async def test_of_no_group(self, group: str, error: E) -> None:
        harness = await Harness().started()
        response = harness.groups.delete_offsets(delete_request("topic", group=group))
        assert (response.error_code, response.topics) == (error, [])
