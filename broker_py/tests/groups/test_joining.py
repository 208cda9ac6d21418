# SPDX-License-Identifier: Apache-2.0
"""JoinGroup: who is let in, what he is told, and when."""

from __future__ import annotations

import pytest

from commitlog.wire.errors import ErrorCode
from tests.groups.harness import INITIAL_DELAY_MS, Harness
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode


@in_virtual_time
async def test_first_member_leads_generation_1_after_the_initial_delay() -> None:
    harness = await Harness().started()
    join = harness.join(version=3)
    await harness.pass_ms(INITIAL_DELAY_MS - 1)
    assert not join.done
    assert harness.state() == "PreparingRebalance"
    await harness.pass_ms(1)
    response = join.response
    assert response.error_code == E.NONE
    assert response.generation_id == 1
    assert (response.protocol_type, response.protocol_name) == ("consumer", "range")
    assert response.leader == response.member_id
    assert response.member_id.startswith("client-")
    assert [(each.member_id, each.metadata) for each in response.members] == [(response.member_id, b"meta")]
    assert harness.state() == "CompletingRebalance"


@in_virtual_time
async def test_only_the_leader_is_told_of_the_members() -> None:
    harness = await Harness().started()
    first, second = harness.join(version=3), harness.join(version=3)
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    leader, follower = first.response, second.response
    assert {each.member_id for each in leader.members} == {leader.member_id, follower.member_id}
    assert follower.members == []
    assert follower.leader == leader.leader == leader.member_id


@in_virtual_time
async def test_initial_delay_is_prolonged_while_members_keep_coming() -> None:
    harness = await Harness().started()
    joins = [harness.join(version=3)]
    for _ in range(3):  # one newcomer in each delay
        await harness.pass_ms(INITIAL_DELAY_MS - 100)
        joins.append(harness.join(version=3))
        await harness.pass_ms(100)
    assert not any(join.done for join in joins)
    await harness.pass_ms(INITIAL_DELAY_MS)
    assert [join.error for join in joins] == [E.NONE] * 4
    assert {join.response.generation_id for join in joins} == {1}


@in_virtual_time
async def test_initial_delay_ends_with_the_rebalance_timeout() -> None:
    harness = await Harness().started()
    joins = [harness.join(version=3, rebalance_ms=10_000)]
    elapsed = 0
    while not joins[0].done:
        await harness.pass_ms(500)
        elapsed += 500
        if not joins[0].done:
            joins.append(harness.join(version=3, rebalance_ms=10_000))
    assert elapsed == 10_000


@in_virtual_time
async def test_without_initial_delay_the_group_starts_at_once() -> None:
    harness = await Harness(group_initial_rebalance_delay_ms=0).started()
    join = harness.join(version=3)
    await harness.pass_ms(0)
    assert join.error is E.NONE


@in_virtual_time
async def test_member_id_is_given_out_first_from_version_4_on() -> None:
    harness = await Harness().started()
    refused = harness.join(version=4)
    assert refused.error is E.MEMBER_ID_REQUIRED
    assert refused.response.generation_id == -1
    member_id = refused.response.member_id
    assert member_id.startswith("client-")
    assert harness.state() == "Empty"
    join = harness.join(member_id, version=4)
    await harness.pass_ms(INITIAL_DELAY_MS)
    assert join.error is E.NONE
    assert join.response.member_id == member_id


@in_virtual_time
async def test_member_ids_differ() -> None:
    harness = await Harness().started()
    assert len({harness.join(version=4).response.member_id for _ in range(20)}) == 20


@in_virtual_time
async def test_rebalance_waits_for_a_pending_member() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable()
    pending = harness.join(version=4).response.member_id
    rejoin = harness.join(member)
    assert not rejoin.done
    newcomer = harness.join(pending)
    await harness.pass_ms(0)
    assert (rejoin.error, newcomer.error) == (E.NONE, E.NONE)
    assert {rejoin.response.generation_id, newcomer.response.generation_id} == {2}


@in_virtual_time
async def test_pending_member_that_never_comes_is_forgotten_after_its_session_timeout() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable()
    pending = harness.join(version=4, session_ms=6_000).response.member_id
    rejoin = harness.join(member)
    await harness.pass_ms(5_999)
    assert not rejoin.done
    await harness.pass_ms(1)
    assert rejoin.error is E.NONE
    assert harness.join(pending).error is E.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("session_ms", [0, 5_999, 1_800_001])
@in_virtual_time
async def test_session_timeout_must_be_within_the_brokers_limits(session_ms: int) -> None:
    harness = await Harness().started()
    join = harness.join(session_ms=session_ms)
    assert join.error is E.INVALID_SESSION_TIMEOUT
    assert harness.state() == "Dead"


@in_virtual_time
async def test_empty_group_id_is_invalid() -> None:
    harness = await Harness().started()
    assert harness.join(group="").error is E.INVALID_GROUP_ID


@in_virtual_time
async def test_unknown_member_id_of_a_group_that_does_not_exist() -> None:
    harness = await Harness().started()
    assert harness.join("who").error is E.UNKNOWN_MEMBER_ID
    assert harness.state() == "Dead"


@in_virtual_time
async def test_unknown_member_id_of_a_group_that_exists() -> None:
    harness = await Harness().started()
    await harness.stable()
    assert harness.join("who").error is E.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize(("protocol_type", "names"), [("", ["range"]), ("consumer", [])])
@in_virtual_time
async def test_first_member_must_bring_a_protocol(protocol_type: str, names: list[str]) -> None:
    harness = await Harness().started()
    join = harness.join(protocol_type=protocol_type, protocols=[(name, b"") for name in names])
    assert join.error is E.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize(
    ("protocol_type", "names"), [("connect", ["range"]), ("consumer", ["sticky"]), ("consumer", [])]
)
@in_virtual_time
async def test_next_member_must_share_type_and_one_protocol(protocol_type: str, names: list[str]) -> None:
    harness = await Harness().started()
    await harness.stable()
    join = harness.join(protocol_type=protocol_type, protocols=[(name, b"") for name in names])
    assert join.error is E.INCONSISTENT_GROUP_PROTOCOL
    assert harness.state() == "Stable"


@in_virtual_time
async def test_protocol_that_everybody_supports_and_most_prefer_is_selected() -> None:
    harness = await Harness().started()
    preferences = [["a", "c", "b"], ["c", "b"], ["c", "b", "a"], ["b", "c"]]
    joins = [
        harness.join(version=3, protocols=[(name, name.encode()) for name in names]) for names in preferences
    ]
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    assert {join.response.protocol_name for join in joins} == {
        "c"
    }  # a lacks support, c has three votes of four
    assert {each.metadata for each in joins[0].response.members} == {b"c"}


@in_virtual_time
async def test_follower_that_joins_again_with_nothing_new_disturbs_nobody() -> None:
    harness = await Harness().started()
    leader, follower = await harness.stable(2)
    join = harness.join(follower)
    assert join.error is E.NONE
    assert (join.response.generation_id, join.response.leader) == (1, leader)
    assert join.response.members == []
    assert harness.state() == "Stable"


@in_virtual_time
async def test_follower_with_new_metadata_starts_a_rebalance() -> None:
    harness = await Harness().started()
    leader, follower = await harness.stable(2)
    join = harness.join(follower, protocols=[("range", b"other")])
    assert not join.done
    assert harness.heartbeat(leader, 1) is E.REBALANCE_IN_PROGRESS
    rejoin = harness.join(leader)
    assert rejoin.response.generation_id == join.response.generation_id == 2


@in_virtual_time
async def test_leader_that_joins_again_starts_a_rebalance() -> None:
    harness = await Harness().started()
    leader, follower = await harness.stable(2)
    join = harness.join(leader)
    assert not join.done
    assert harness.join(follower).response.generation_id == 2
    assert join.response.leader == leader


@in_virtual_time
async def test_member_that_lost_the_answer_is_told_the_generation_again() -> None:
    harness = await Harness().started()
    first, second = harness.join(version=3), harness.join(version=3)
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    again = harness.join(first.response.member_id)
    assert again.response == first.response
    assert harness.join(second.response.member_id).response == second.response
    assert harness.state() == "CompletingRebalance"


@in_virtual_time
async def test_new_metadata_while_the_assignment_is_awaited_starts_over() -> None:
    harness = await Harness().started()
    first, second = harness.join(version=3), harness.join(version=3)
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    sync = harness.sync(second.response.member_id, 1)
    harness.join(first.response.member_id, protocols=[("range", b"other")])
    assert sync.error is E.REBALANCE_IN_PROGRESS
    assert harness.state() == "PreparingRebalance"


@in_virtual_time
async def test_member_that_does_not_rejoin_in_time_is_removed() -> None:
    harness = await Harness().started()
    leader, follower = await harness.stable(2, rebalance_ms=9_000)
    newcomer = harness.join(version=3, rebalance_ms=9_000)
    rejoin = harness.join(follower, rebalance_ms=9_000)
    for _ in range(9):
        assert not rejoin.done
        assert harness.heartbeat(leader, 1) is E.REBALANCE_IN_PROGRESS
        await harness.pass_ms(1_000)
    assert rejoin.response.generation_id == 2
    assert rejoin.response.leader == follower, "one of those that joined leads now"
    assert newcomer.error is E.NONE
    assert harness.heartbeat(leader, 1) is E.UNKNOWN_MEMBER_ID


@in_virtual_time
async def test_slowest_member_decides_how_long_a_rebalance_takes() -> None:
    harness = await Harness().started()
    slow = harness.join(version=3, rebalance_ms=50_000, session_ms=60_000)
    await harness.pass_ms(INITIAL_DELAY_MS)
    harness.sync(slow.response.member_id, 1, {})
    newcomer = harness.join(version=3, rebalance_ms=1_000)
    await harness.pass_ms(49_999)
    assert not newcomer.done
    await harness.pass_ms(1)
    assert newcomer.error is E.NONE


@in_virtual_time
async def test_version_0_rebalances_in_its_session_timeout() -> None:
    harness = await Harness().started()
    first = harness.join(version=0, session_ms=7_000, rebalance_ms=-1)
    await harness.pass_ms(INITIAL_DELAY_MS)
    harness.sync(first.response.member_id, 1, {})
    newcomer = harness.join(version=0, session_ms=7_000, rebalance_ms=-1)
    await harness.pass_ms(3_000)
    harness.heartbeat(first.response.member_id, 1)
    await harness.pass_ms(3_999)
    assert not newcomer.done
    await harness.pass_ms(1)
    assert newcomer.response.generation_id == 2


@in_virtual_time
async def test_first_join_waits_five_minutes_at_most() -> None:
    harness = await Harness().started()
    (member,) = await harness.stable(rebalance_ms=600_000, session_ms=1_800_000)
    newcomer = harness.join(version=3)
    await harness.pass_ms(5 * 60_000 - 1)
    assert not newcomer.done
    await harness.pass_ms(1)
    assert newcomer.error is E.UNKNOWN_MEMBER_ID
    assert newcomer.response.member_id == ""
    assert member


class TestMaxSize:
    @in_virtual_time
    async def test_full_group_takes_nobody(self) -> None:
        harness = await Harness(group_max_size=2).started()
        await harness.stable(2)
        join = harness.join(version=3)
        assert join.error is E.GROUP_MAX_SIZE_REACHED
        assert join.response.member_id == ""
        assert harness.state() == "Stable"

    @in_virtual_time
    async def test_members_may_always_join_again(self) -> None:
        harness = await Harness(group_max_size=2).started()
        leader, follower = await harness.stable(2)
        joins = [harness.join(leader), harness.join(follower)]
        assert [join.error for join in joins] == [E.NONE, E.NONE]

    @in_virtual_time
    async def test_during_a_rebalance_the_last_to_join_is_turned_away(self) -> None:
        harness = await Harness(group_max_size=1).started()
        first = harness.join(version=3)
        assert harness.join(version=3).error is E.GROUP_MAX_SIZE_REACHED
        await harness.pass_ms(INITIAL_DELAY_MS)
        assert first.error is E.NONE

    @in_virtual_time
    async def test_loaded_group_that_is_too_large_shrinks(self) -> None:
        before = await Harness().started()
        members = await before.stable(3)
        after = await Harness(replicas=before.replicas, group_max_size=2).started()
        assert after.state() == "PreparingRebalance"
        joins = [after.join(member) for member in members]
        assert [join.error for join in joins] == [E.NONE, E.NONE, E.GROUP_MAX_SIZE_REACHED]


@in_virtual_time
async def test_client_that_hung_up_does_not_stop_the_group() -> None:
    harness = await Harness().started()
    first, second = harness.join(version=3), harness.join(version=3)
    second.value.cancel()
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    assert first.error is E.NONE


@in_virtual_time
async def test_groups_do_not_disturb_each_other() -> None:
    harness = await Harness().started()
    await harness.stable(2, group="one")
    (other,) = await harness.stable(group="two")
    harness.join(version=3, group="one")
    assert harness.heartbeat(other, 1, group="two") is E.NONE
