# SPDX-License-Identifier: Apache-2.0
"""LeaveGroup: by members, and by administrators on behalf of static ones."""

from __future__ import annotations

from commitlog.wire.errors import ErrorCode
from tests.groups.harness import INITIAL_DELAY_MS, Harness
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode


@in_virtual_time
async def test_last_member_leaves_an_empty_group_of_the_next_generation() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable()
    assert harness.leave(member) == (E.NONE, [E.NONE])
    assert harness.state() == "Empty"
    join = harness.join(version=3)
    await harness.pass_ms(INITIAL_DELAY_MS)
    assert join.response.generation_id == 3


@in_virtual_time
async def test_rest_of_the_group_rebalances_at_once() -> None:
    harness = await Harness().started()
    leader, follower = await harness.stable(2)
    harness.leave(leader)
    assert harness.heartbeat(follower, 1) is E.REBALANCE_IN_PROGRESS
    assert harness.join(follower).response.leader == follower


@in_virtual_time
async def test_rebalance_does_not_wait_for_who_left() -> None:
    harness = await Harness().started()
    leader, follower = await harness.stable(2)
    rejoin = harness.join(leader)
    assert not rejoin.done
    harness.leave(follower)
    assert rejoin.response.generation_id == 2


@in_virtual_time
async def test_waiting_join_of_who_leaves_is_answered() -> None:
    harness = await Harness().started()
    leader, _ = await harness.stable(2)
    rejoin = harness.join(leader)
    harness.leave(leader)
    assert rejoin.error is E.UNKNOWN_MEMBER_ID


@in_virtual_time
async def test_leaving_while_the_assignment_is_awaited_sends_the_others_back() -> None:
    harness = await Harness().started()
    first, second = harness.join(version=3), harness.join(version=3)
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    waiting = harness.sync(second.response.member_id, 1)
    harness.leave(first.response.member_id)
    assert waiting.error is E.REBALANCE_IN_PROGRESS


@in_virtual_time
async def test_pending_member_leaves() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable()
    pending = harness.join(version=4).response.member_id
    rejoin = harness.join(member)
    assert harness.leave(pending) == (E.NONE, [E.NONE])
    assert rejoin.error is E.NONE
    assert harness.leave(pending) == (E.NONE, [E.UNKNOWN_MEMBER_ID])


@in_virtual_time
async def test_static_members_leave_by_instance_by_id_or_both() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a", "b", "c")
    errors = harness.leave(("", "a"), (members["b"], None), (members["c"], "c"))
    assert errors == (E.NONE, [E.NONE] * 3)
    assert harness.state() == "Empty"


@in_virtual_time
async def test_each_member_has_its_own_error() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a", "b")
    errors = harness.leave(
        ("", "who"), ("", None), ("who", None), ("who", "a"), (members["a"], "who"), (members["b"], "b")
    )
    assert errors == (
        E.NONE,
        [
            E.UNKNOWN_MEMBER_ID,
            E.UNKNOWN_MEMBER_ID,
            E.UNKNOWN_MEMBER_ID,
            E.FENCED_INSTANCE_ID,
            E.UNKNOWN_MEMBER_ID,
            E.NONE,
        ],
    )


@in_virtual_time
async def test_group_that_does_not_exist() -> None:
    harness = await Harness().started()
    assert harness.leave("who", ("", "a")) == (E.NONE, [E.UNKNOWN_MEMBER_ID] * 2)


@in_virtual_time
async def test_empty_group_id() -> None:
    harness = await Harness().started()
    assert harness.leave("who", group="") == (E.INVALID_GROUP_ID, [])
