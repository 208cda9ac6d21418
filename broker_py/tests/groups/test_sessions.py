# SPDX-License-Identifier: Apache-2.0
"""Heartbeats, and what happens to members that send none."""

from __future__ import annotations

import pytest

from commitlog.wire.errors import ErrorCode
from tests.groups.harness import INITIAL_DELAY_MS, SESSION_MS, Harness
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode


@in_virtual_time
async def test_heartbeats_keep_a_member() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable()
    for _ in range(5):
        await harness.pass_ms(SESSION_MS - 1)
        assert harness.heartbeat(member, 1) is E.NONE
    assert harness.state() == "Stable"


@in_virtual_time
async def test_last_member_that_falls_silent_leaves_an_empty_group() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable()
    await harness.pass_ms(SESSION_MS - 1)
    assert harness.state() == "Stable"
    await harness.pass_ms(1)
    assert harness.state() == "Empty"
    assert harness.heartbeat(member, 1) is E.UNKNOWN_MEMBER_ID


@in_virtual_time
async def test_others_share_what_a_silent_member_had() -> None:
    harness = await Harness().started()
    leader, follower = await harness.stable(2)
    await harness.pass_ms(SESSION_MS // 2)
    harness.heartbeat(leader, 1)
    await harness.pass_ms(SESSION_MS // 2)
    assert harness.heartbeat(follower, 1) is E.UNKNOWN_MEMBER_ID
    assert harness.heartbeat(leader, 1) is E.REBALANCE_IN_PROGRESS
    assert harness.join(leader).response.generation_id == 2


@in_virtual_time
async def test_session_timeout_may_shrink_and_grow_with_a_join() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable(session_ms=30_000)
    rejoin = harness.join(member, session_ms=6_000)
    harness.sync(member, rejoin.response.generation_id, {})
    await harness.pass_ms(5_999)
    assert harness.state() == "Stable"
    await harness.pass_ms(1)
    assert harness.state() == "Empty"


@in_virtual_time
async def test_member_that_waits_in_a_rebalance_needs_no_heartbeat() -> None:
    harness = await Harness().started()
    leader, follower = await harness.stable(2, rebalance_ms=60_000)
    rejoin = harness.join(leader)
    for _ in range(5):  # the follower lives, but takes long to come
        await harness.pass_ms(SESSION_MS - 1)
        assert harness.heartbeat(follower, 1) is E.REBALANCE_IN_PROGRESS
    assert not rejoin.done
    assert harness.join(follower).error is E.NONE
    assert rejoin.error is E.NONE


@in_virtual_time
async def test_member_that_waits_for_the_assignment_needs_no_heartbeat() -> None:
    harness = await Harness().started()
    first, second = harness.join(version=3), harness.join(version=3)
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    leader, follower = first.response.member_id, second.response.member_id
    waiting = harness.sync(follower, 1)
    for _ in range(3):
        await harness.pass_ms(SESSION_MS - 1)
        assert harness.heartbeat(leader, 1) is E.NONE
    harness.sync(leader, 1, {})
    assert waiting.error is E.NONE
    await harness.pass_ms(SESSION_MS)
    assert harness.state() == "Empty", "both fell silent after the assignment"


@in_virtual_time
async def test_member_that_never_fetches_its_assignment_loses_its_session() -> None:
    harness = await Harness().started()
    harness.join(version=3)
    await harness.pass_ms(INITIAL_DELAY_MS)
    assert harness.state() == "CompletingRebalance"
    await harness.pass_ms(SESSION_MS)
    assert harness.state() == "Empty"


@in_virtual_time
async def test_commit_is_a_sign_of_life() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable()
    for _ in range(3):
        await harness.pass_ms(SESSION_MS - 1)
        assert harness.commit_error(member_id=member, generation=1) is E.NONE
    assert harness.state() == "Stable"


class TestErrors:
    @in_virtual_time
    async def test_group_that_does_not_exist(self) -> None:
        harness = await Harness().started()
        assert harness.heartbeat("who", 1) is E.UNKNOWN_MEMBER_ID

    @in_virtual_time
    async def test_empty_group_id(self) -> None:
        harness = await Harness().started()
        assert harness.heartbeat("who", 1, group="") is E.INVALID_GROUP_ID

    @pytest.mark.parametrize("generation", [0, 2, -1])
    @in_virtual_time
    async def test_other_generation(self, generation: int) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        assert harness.heartbeat(member, generation) is E.ILLEGAL_GENERATION

    @in_virtual_time
    async def test_unknown_member(self) -> None:
        harness = await Harness().started()
        await harness.stable()
        assert harness.heartbeat("who", 1) is E.UNKNOWN_MEMBER_ID

    @in_virtual_time
    async def test_member_of_an_empty_group(self) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        harness.leave(member)
        assert harness.heartbeat(member, 1) is E.UNKNOWN_MEMBER_ID

    @in_virtual_time
    async def test_while_the_assignment_is_awaited_all_is_well(self) -> None:
        harness = await Harness().started()
        join = harness.join(version=3)
        await harness.pass_ms(INITIAL_DELAY_MS)
        assert harness.heartbeat(join.response.member_id, 1) is E.NONE
