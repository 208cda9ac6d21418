# SPDX-License-Identifier: Apache-2.0
"""JoinGroup (11), Heartbeat (12), LeaveGroup (13), SyncGroup (14), DescribeGroups (15), ListGroups (16) and
DeleteGroups (42), at every version."""

from __future__ import annotations

import asyncio

import pytest

from commitlog.apis import (
    k11_join_group,
    k12_heartbeat,
    k13_leave_group,
    k14_sync_group,
    k15_describe_groups,
    k16_list_groups,
    k42_delete_groups,
)
from commitlog.apis.registry import Api, served_apis
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.delete_groups_request import DeleteGroupsRequest
from commitlog.wire.messages.describe_groups_request import DescribeGroupsRequest
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from commitlog.wire.messages.join_group_response import JoinGroupResponse
from commitlog.wire.messages.leave_group_request import LeaveGroupRequest, MemberIdentity
from commitlog.wire.messages.list_groups_request import ListGroupsRequest
from commitlog.wire.messages.sync_group_request import SyncGroupRequest, SyncGroupRequestAssignment
from tests.apis.group_services import Broker, versions
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
JOIN, HEARTBEAT, LEAVE = k11_join_group.API, k12_heartbeat.API, k13_leave_group.API
SYNC, DESCRIBE, LIST, DELETE = (
    k14_sync_group.API,
    k15_describe_groups.API,
    k16_list_groups.API,
    k42_delete_groups.API,
)
GROUP = "group"


def join_request(
    member_id: str = "", *, session_ms: int = 10_000, instance: str | None = None
) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=GROUP,
        session_timeout_ms=session_ms,
        rebalance_timeout_ms=60_000,
        member_id=member_id,
        group_instance_id=instance,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"meta")],
    )


async def joined(broker: Broker, version: int) -> JoinGroupResponse:
    """A member's way into the group, with the second try that version 4 asks for."""
    response: JoinGroupResponse = await broker.ask(JOIN, join_request(), version)
    if version >= 4:
        assert response.error_code == E.MEMBER_ID_REQUIRED
        response = await broker.ask(JOIN, join_request(response.member_id), version)
    return response


async def stable(broker: Broker, version: int = 3) -> str:
    member_id = (await joined(broker, version)).member_id
    await broker.ask(SYNC, sync_request(member_id), 3)
    return member_id


def sync_request(member_id: str, version: int = 0) -> SyncGroupRequest:
    return SyncGroupRequest(
        group_id=GROUP,
        generation_id=1,
        member_id=member_id,
        protocol_type="consumer" if version >= 5 else None,
        protocol_name="range" if version >= 5 else None,
        assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=b"mine")],
    )


@pytest.mark.parametrize("version", versions(JOIN))
@in_virtual_time
async def test_join(version: int) -> None:
    broker = await Broker().started()
    response = await joined(broker, version)
    assert response.error_code == E.NONE
    assert (response.generation_id, response.protocol_name) == (1, "range")
    assert response.protocol_type == ("consumer" if version >= 7 else None)
    assert response.leader == response.member_id
    assert [(each.member_id, bytes(each.metadata)) for each in response.members] == [
        (response.member_id, b"meta")
    ]


@pytest.mark.parametrize("version", versions(JOIN))
@in_virtual_time
async def test_join_without_a_protocol_is_empty_in_old_versions_and_null_in_new_ones(version: int) -> None:
    broker = await Broker().started()
    response = await broker.ask(JOIN, join_request(session_ms=1), version)
    assert response.error_code == E.INVALID_SESSION_TIMEOUT
    assert response.protocol_name == ("" if version < 7 else None)
    assert (response.generation_id, response.leader, response.members) == (-1, "", [])


@in_virtual_time
async def test_join_remembers_who_it_was_from_beyond_the_receive_buffer() -> None:
    broker = await Broker().started()
    await stable(broker)
    (member,) = (await broker.ask(DESCRIBE, DescribeGroupsRequest(groups=[GROUP]), 5)).groups[0].members
    assert (member.client_id, member.client_host) == ("client", "/127.0.0.1")
    assert isinstance(broker.harness.groups.describe_group(GROUP).members[0].member_metadata, bytes)


@pytest.mark.parametrize("version", versions(SYNC))
@in_virtual_time
async def test_sync(version: int) -> None:
    broker = await Broker().started()
    member_id = (await joined(broker, 3)).member_id
    response = await broker.ask(SYNC, sync_request(member_id, version), version)
    assert (response.error_code, bytes(response.assignment)) == (E.NONE, b"mine")
    if version >= 5:
        assert (response.protocol_type, response.protocol_name) == ("consumer", "range")


@in_virtual_time
async def test_sync_must_name_the_protocol_from_version_5_on() -> None:
    broker = await Broker().started()
    member_id = await stable(broker)
    response = await broker.ask(SYNC, sync_request(member_id), 5)
    assert response.error_code == E.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("version", versions(HEARTBEAT))
@in_virtual_time
async def test_heartbeat(version: int) -> None:
    broker = await Broker().started()
    member_id = await stable(broker)
    for generation, error in ((1, E.NONE), (2, E.ILLEGAL_GENERATION)):
        request = HeartbeatRequest(group_id=GROUP, generation_id=generation, member_id=member_id)
        assert (await broker.ask(HEARTBEAT, request, version)).error_code == error


@pytest.mark.parametrize("version", versions(LEAVE))
@in_virtual_time
async def test_leave(version: int) -> None:
    broker = await Broker().started()
    member_id = await stable(broker)
    for error in (E.NONE, E.UNKNOWN_MEMBER_ID):
        if version < 3:
            request = LeaveGroupRequest(group_id=GROUP, member_id=member_id)
            assert (await broker.ask(LEAVE, request, version)).error_code == error
        else:
            request = LeaveGroupRequest(group_id=GROUP, members=[MemberIdentity(member_id=member_id)])
            response = await broker.ask(LEAVE, request, version)
            assert (response.error_code, [each.error_code for each in response.members]) == (E.NONE, [error])


@pytest.mark.parametrize("version", versions(LEAVE))
@in_virtual_time
async def test_leave_of_a_group_that_is_elsewhere(version: int) -> None:
    broker = await Broker().started()
    broker.harness.groups.on_resignation(broker.harness.groups.partition_for(GROUP), None)
    request = LeaveGroupRequest(group_id=GROUP)
    if version < 3:
        request.member_id = "m"
    else:
        request.members = [MemberIdentity(member_id="m")]
    response = await broker.ask(LEAVE, request, version)
    assert (response.error_code, response.members) == (E.NOT_COORDINATOR, [])


@pytest.mark.parametrize("version", versions(DESCRIBE))
@in_virtual_time
async def test_describe(version: int) -> None:
    broker = await Broker().started()
    member_id = await stable(broker)
    response = await broker.ask(DESCRIBE, DescribeGroupsRequest(groups=[GROUP, "none"]), version)
    group, none = response.groups
    assert (group.group_state, group.protocol_type, group.protocol_data) == ("Stable", "consumer", "range")
    assert [(each.member_id, bytes(each.member_assignment)) for each in group.members] == [
        (member_id, b"mine")
    ]
    assert (none.error_code, none.group_state) == (E.NONE, "Dead")
    assert group.authorized_operations == -(2**31)


@pytest.mark.parametrize("version", versions(DESCRIBE, 3))
@in_virtual_time
async def test_describe_authorized_operations(version: int) -> None:
    broker = await Broker().started()
    request = DescribeGroupsRequest(groups=["none"], include_authorized_operations=True)
    (group,) = (await broker.ask(DESCRIBE, request, version)).groups
    assert group.authorized_operations == 328  # READ, DELETE, DESCRIBE, as Kafka 3.9 without an authorizer


@pytest.mark.parametrize("version", versions(LIST))
@in_virtual_time
async def test_list(version: int) -> None:
    broker = await Broker().started()
    await stable(broker)
    (group,) = (await broker.ask(LIST, ListGroupsRequest(), version)).groups
    assert (group.group_id, group.protocol_type) == (GROUP, "consumer")
    assert group.group_state == ("Stable" if version >= 4 else "")
    assert group.group_type == ("classic" if version >= 5 else "")


@pytest.mark.parametrize("version", versions(DELETE))
@in_virtual_time
async def test_delete(version: int) -> None:
    broker = await Broker().started()
    member_id = await stable(broker)
    for error in (E.NON_EMPTY_GROUP, E.NONE, E.GROUP_ID_NOT_FOUND):
        response = await broker.ask(DELETE, DeleteGroupsRequest(groups_names=[GROUP]), version)
        assert [(each.group_id, each.error_code) for each in response.results] == [(GROUP, error)]
        broker.harness.leave(member_id)


@pytest.mark.parametrize(
    ("api", "request_"),
    [
        (JOIN, join_request()),
        (DESCRIBE, DescribeGroupsRequest(groups=[GROUP])),
        (DELETE, DeleteGroupsRequest(groups_names=[GROUP])),
    ],
)
@in_virtual_time
async def test_errors_of_the_whole_request_fit_every_version(api: Api, request_: object) -> None:
    broker = Broker()
    assert api.error_response is not None
    answer = api.error_response(request_, E.UNKNOWN_SERVER_ERROR, None)
    failing = Api(api.key, api.min_version, api.max_version, lambda *_: answer)
    for version in versions(api):
        assert "error_code=-1" in str(await broker.ask(failing, request_, version))


def test_all_group_apis_are_served_at_the_versions_of_kafka_3_9() -> None:
    served = served_apis()
    assert {
        key: (served[key].min_version, served[key].max_version) for key in (8, 9, 10, 11, 12, 13, 14, 15, 16)
    } == {
        8: (0, 9),
        9: (0, 9),
        10: (0, 6),
        11: (0, 9),
        12: (0, 4),
        13: (0, 5),
        14: (0, 5),
        15: (0, 5),
        16: (0, 5),
    }
    assert {key: (served[key].min_version, served[key].max_version) for key in (22, 42, 47)} == {
        22: (0, 5),
        42: (0, 2),
        47: (0, 0),
    }


@in_virtual_time
async def test_join_is_answered_at_once_or_with_an_awaitable_of_the_right_shape() -> None:
    broker = await Broker().started()
    first = asyncio.ensure_future(broker.ask(JOIN, join_request(), 3))
    await asyncio.sleep(1)
    assert not first.done()
    assert (await first).error_code == E.NONE
