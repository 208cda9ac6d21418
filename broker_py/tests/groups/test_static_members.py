# SPDX-License-Identifier: Apache-2.0
"""Static membership (KIP-345, KIP-814): an instance that comes back takes its place without a rebalance."""

from __future__ import annotations

import pytest

from commitlog.wire.errors import ErrorCode
from tests.groups.harness import INITIAL_DELAY_MS, SESSION_MS, Harness, assignment_of
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode


@in_virtual_time
async def test_static_member_needs_no_id_first() -> None:
    harness = await Harness().started()
    join = harness.join(instance="a", version=9)
    await harness.pass_ms(INITIAL_DELAY_MS)
    assert join.error is E.NONE
    assert join.response.member_id.startswith("a-")
    assert join.response.members[0].group_instance_id == "a"


@in_virtual_time
async def test_returning_follower_keeps_its_assignment() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a", "b")
    back = harness.join(instance="b")
    assert back.error is E.NONE
    assert back.response.member_id not in members.values()
    assert (back.response.generation_id, back.response.leader) == (1, members["a"])
    assert harness.state() == "Stable"
    assert assignment_of(harness.sync(back.response.member_id, 1, instance="b")) == members["b"].encode()


@in_virtual_time
async def test_returning_leader_is_told_to_skip_the_assignment_from_version_9_on() -> None:
    harness = await Harness().started()
    await harness.stable_static("a", "b")
    back = harness.join(instance="a", version=9).response
    assert back.skip_assignment
    assert back.leader == back.member_id
    assert {each.group_instance_id for each in back.members} == {"a", "b"}


@in_virtual_time
async def test_returning_leader_does_not_learn_that_it_leads_before_version_9() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a", "b")
    back = harness.join(instance="a", version=8).response
    assert not back.skip_assignment
    assert back.leader == members["a"] != back.member_id
    assert back.members == []


@in_virtual_time
async def test_old_id_is_fenced_everywhere() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a")
    old = members["a"]
    harness.join(instance="a")
    assert harness.heartbeat(old, 1, instance="a") is E.FENCED_INSTANCE_ID
    assert harness.join(old, instance="a").error is E.FENCED_INSTANCE_ID
    assert harness.sync(old, 1, instance="a").error is E.FENCED_INSTANCE_ID
    assert harness.commit_error(member_id=old, generation=1, instance="a") is E.FENCED_INSTANCE_ID
    assert harness.leave((old, "a")) == (E.NONE, [E.FENCED_INSTANCE_ID])
    assert harness.heartbeat(old, 1) is E.UNKNOWN_MEMBER_ID


@in_virtual_time
async def test_unknown_instance_of_a_known_member() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a")
    assert harness.heartbeat(members["a"], 1, instance="who") is E.UNKNOWN_MEMBER_ID
    assert harness.join(members["a"], instance="who").error is E.UNKNOWN_MEMBER_ID


@in_virtual_time
async def test_request_that_waits_under_the_old_id_is_fenced() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a", "b")
    waiting = harness.join(members["a"], instance="a")
    assert not waiting.done
    back = harness.join(instance="a")
    assert waiting.error is E.FENCED_INSTANCE_ID
    harness.join(members["b"], instance="b")
    assert back.response.generation_id == 2


@in_virtual_time
async def test_new_id_is_written_before_it_is_answered() -> None:
    harness = await Harness().started()
    await harness.stable_static("a")
    harness.replicas.hold = True
    back = harness.join(instance="a")
    assert not back.done
    await harness.replicas.release()
    assert back.error is E.NONE


@in_virtual_time
async def test_if_the_new_id_cannot_be_written_the_old_one_stays() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a")
    harness.replicas.error = E.NOT_LEADER_OR_FOLLOWER
    back = harness.join(instance="a", protocols=[("range", b"new")], session_ms=6_000)
    assert back.error is E.NOT_COORDINATOR
    assert back.response.member_id == ""
    harness.replicas.error = E.NONE
    assert harness.heartbeat(members["a"], 1, instance="a") is E.NONE
    (described,) = harness.groups.describe_group("group").members
    assert (described.member_id, described.member_metadata) == (members["a"], b"meta")
    await harness.pass_ms(SESSION_MS - 1)
    assert harness.state() == "Stable", "with the old session timeout"


@in_virtual_time
async def test_failed_write_of_an_id_that_was_replaced_meanwhile_changes_nothing() -> None:
    harness = await Harness().started()
    await harness.stable_static("a")
    harness.replicas.hold = True
    first = harness.join(instance="a")
    second = harness.join(instance="a")
    assert first.error is E.FENCED_INSTANCE_ID
    later = harness.replicas.held.pop()
    await harness.replicas.release(E.REQUEST_TIMED_OUT)
    assert not second.done
    harness.replicas.held.append(later)
    await harness.replicas.release()
    assert second.error is E.NONE
    assert harness.heartbeat(second.response.member_id, 1, instance="a") is E.NONE


@in_virtual_time
async def test_change_of_the_selected_protocol_rebalances() -> None:
    harness = await Harness().started()
    await harness.stable_static("a", protocols=[("range", b""), ("sticky", b"")])
    back = harness.join(instance="a", protocols=[("sticky", b"")])
    assert back.error is E.NONE
    assert (back.response.generation_id, back.response.protocol_name) == (2, "sticky")


@in_virtual_time
async def test_return_while_the_assignment_is_awaited_starts_over() -> None:
    harness = await Harness().started()
    first, second = harness.join(instance="a"), harness.join(instance="b")
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    waiting = harness.sync(second.response.member_id, 1, instance="b")
    back = harness.join(instance="b")
    assert waiting.error is E.FENCED_INSTANCE_ID
    assert harness.state() == "PreparingRebalance"
    rejoin = harness.join(first.response.member_id, instance="a")
    assert rejoin.response.generation_id == back.response.generation_id == 2


@in_virtual_time
async def test_absence_shorter_than_the_session_is_not_noticed_and_longer_is() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a", "b")
    await harness.pass_ms(SESSION_MS - 1)
    harness.heartbeat(members["a"], 1, instance="a")
    assert harness.join(instance="b").error is E.NONE
    assert harness.state() == "Stable"
    await harness.pass_ms(SESSION_MS - 1)
    harness.heartbeat(members["a"], 1, instance="a")
    await harness.pass_ms(1)
    assert harness.state() == "PreparingRebalance", "b never came back"


@in_virtual_time
async def test_rebalance_goes_on_without_a_static_member_but_keeps_it() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a", "b", rebalance_ms=7_000, session_ms=20_000)
    rejoin = harness.join(
        members["b"], instance="b", rebalance_ms=7_000, session_ms=20_000, protocols=[("range", b"new")]
    )
    await harness.pass_ms(7_000)
    assert rejoin.response.generation_id == 2
    assert rejoin.response.leader == members["b"], "an absent leader cannot assign"
    assert {each.group_instance_id for each in rejoin.response.members} == {"a", "b"}


@in_virtual_time
async def test_group_of_absent_static_members_waits_until_their_sessions_expire() -> None:
    harness = await Harness().started()
    await harness.stable_static("a", "b", rebalance_ms=7_000, session_ms=20_000)
    harness.leave(("", "a"))
    await harness.pass_ms(7_000)
    assert harness.state() == "PreparingRebalance"
    await harness.pass_ms(13_000)
    assert harness.state() == "Empty"


@in_virtual_time
async def test_one_that_comes_late_does_not_wait_for_the_session_of_the_other() -> None:
    harness = await Harness().started()
    members = await harness.stable_static("a", "b", "c", rebalance_ms=7_000, session_ms=100_000)
    harness.leave(("", "c"))
    await harness.pass_ms(8_000)
    late = harness.join(members["a"], instance="a", rebalance_ms=7_000, session_ms=100_000)
    await harness.pass_ms(6_000)
    assert late.response.generation_id == 2


@pytest.mark.parametrize("version", [5, 9])
@in_virtual_time
async def test_pending_id_belongs_to_a_dynamic_member(version: int) -> None:
    harness = await Harness().started()
    pending = harness.join(version=version).response.member_id
    assert harness.join(pending, instance="a", version=version).error is E.UNKNOWN_SERVER_ERROR
