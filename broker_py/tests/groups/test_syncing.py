# SPDX-License-Identifier: Apache-2.0
"""SyncGroup: the leader's assignment reaches everybody, once it is written, or nobody."""

from __future__ import annotations

import pytest

from commitlog.wire.errors import ErrorCode
from commitlog.wire.frames import decode_record
from commitlog.wire.messages.group_metadata_value import GroupMetadataValue
from tests.groups.harness import GROUP, INITIAL_DELAY_MS, REBALANCE_MS, Harness, assignment_of
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode


async def two_joined(harness: Harness) -> tuple[str, str]:
    """A group whose members wait for their assignment; the leader first."""
    first, second = harness.join(version=3), harness.join(version=3)
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    return first.response.member_id, second.response.member_id


@in_virtual_time
async def test_everybody_gets_his_share_when_the_leader_has_brought_it() -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    waiting = harness.sync(follower, 1)
    assert not waiting.done
    synced = harness.sync(leader, 1, {leader: b"L", follower: b"F"})
    assert (assignment_of(synced), assignment_of(waiting)) == (b"L", b"F")
    assert (synced.response.protocol_type, synced.response.protocol_name) == ("consumer", "range")
    assert harness.state() == "Stable"


@in_virtual_time
async def test_late_follower_gets_his_share_at_once() -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    harness.sync(leader, 1, {leader: b"L", follower: b"F"})
    assert assignment_of(harness.sync(follower, 1)) == b"F"


@in_virtual_time
async def test_member_that_the_leader_forgot_has_nothing() -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    harness.sync(leader, 1, {leader: b"L"})
    assert assignment_of(harness.sync(follower, 1)) == b""


@in_virtual_time
async def test_assignment_of_a_follower_is_ignored() -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    waiting = harness.sync(follower, 1, {leader: b"bad", follower: b"bad"})
    assert not waiting.done
    harness.sync(leader, 1, {follower: b"good"})
    assert assignment_of(waiting) == b"good"


@in_virtual_time
async def test_nobody_is_answered_before_the_assignment_is_replicated() -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    harness.replicas.hold = True
    syncs = [harness.sync(follower, 1), harness.sync(leader, 1, {leader: b"L", follower: b"F"})]
    await harness.pass_ms(10)
    assert not any(sync.done for sync in syncs)
    assert harness.state() == "CompletingRebalance"
    await harness.replicas.release()
    assert [assignment_of(sync) for sync in syncs] == [b"F", b"L"]
    assert harness.state() == "Stable"


@in_virtual_time
async def test_what_is_written() -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    harness.sync(leader, 1, {leader: b"L", follower: b"F"})
    partition = harness.groups.partition_for(GROUP)
    (record,) = harness.replicas.log(partition).records()
    assert record.key == b"\0\2\0\5group"
    assert record.value is not None
    value = decode_record(GroupMetadataValue, record.value)
    assert (value.protocol_type, value.generation, value.protocol, value.leader) == (
        "consumer",
        1,
        "range",
        leader,
    )
    assert {each.member_id: bytes(each.assignment) for each in value.members} == {
        leader: b"L",
        follower: b"F",
    }
    assert harness.replicas.appends[-1] == {
        "acks": -1,
        "timeout_ms": 5_000,
        "origin": "coordinator",
        "allow_internal": True,
        "partition": partition,
    }


# What the log says, and what the members are told.
STORE_ERRORS = [
    (E.UNKNOWN_TOPIC_OR_PARTITION, E.COORDINATOR_NOT_AVAILABLE),
    (E.NOT_ENOUGH_REPLICAS, E.COORDINATOR_NOT_AVAILABLE),
    (E.NOT_ENOUGH_REPLICAS_AFTER_APPEND, E.COORDINATOR_NOT_AVAILABLE),
    (E.NOT_LEADER_OR_FOLLOWER, E.NOT_COORDINATOR),
    (E.KAFKA_STORAGE_ERROR, E.NOT_COORDINATOR),
    (E.REQUEST_TIMED_OUT, E.REBALANCE_IN_PROGRESS),
    (E.MESSAGE_TOO_LARGE, E.UNKNOWN_SERVER_ERROR),
    (E.RECORD_LIST_TOO_LARGE, E.UNKNOWN_SERVER_ERROR),
    (E.INVALID_FETCH_SIZE, E.UNKNOWN_SERVER_ERROR),
    (E.CORRUPT_MESSAGE, E.CORRUPT_MESSAGE),
]


@pytest.mark.parametrize(("log_error", "told"), STORE_ERRORS)
@in_virtual_time
async def test_failed_write_is_told_to_all_and_the_group_starts_over(log_error: E, told: E) -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    waiting = harness.sync(follower, 1)
    harness.replicas.error = log_error
    synced = harness.sync(leader, 1, {leader: b"L", follower: b"F"})
    assert (waiting.error, synced.error) == (told, told)
    assert (waiting.response.assignment, waiting.response.protocol_name) == (b"", None)
    assert harness.state() == "PreparingRebalance"


@in_virtual_time
async def test_write_of_a_generation_that_is_over_changes_nothing() -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    harness.replicas.hold = True
    synced = harness.sync(leader, 1, {leader: b"L", follower: b"F"})
    harness.join(version=3)
    assert synced.error is E.REBALANCE_IN_PROGRESS
    await harness.replicas.release()
    assert harness.state() == "PreparingRebalance"


@in_virtual_time
async def test_write_of_the_last_generation_does_not_make_the_next_one_stable() -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    harness.replicas.hold = True
    harness.sync(leader, 1, {leader: b"old"})
    harness.leave(follower)
    assert harness.join(leader).response.generation_id == 2
    waiting = harness.sync(leader, 2, {leader: b"new"})
    harness.replicas.held.pop()
    await harness.replicas.release()
    assert not waiting.done
    assert harness.state() == "CompletingRebalance"


class TestErrors:
    @in_virtual_time
    async def test_group_that_does_not_exist(self) -> None:
        harness = await Harness().started()
        assert harness.sync("who", 1).error is E.UNKNOWN_MEMBER_ID

    @in_virtual_time
    async def test_empty_group_id(self) -> None:
        harness = await Harness().started()
        assert harness.sync("who", 1, group="").error is E.INVALID_GROUP_ID

    @in_virtual_time
    async def test_unknown_member(self) -> None:
        harness = await Harness().started()
        await harness.stable()
        assert harness.sync("who", 1).error is E.UNKNOWN_MEMBER_ID

    @pytest.mark.parametrize("generation", [0, 2, -1])
    @in_virtual_time
    async def test_other_generation(self, generation: int) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        assert harness.sync(member, generation).error is E.ILLEGAL_GENERATION

    @in_virtual_time
    async def test_rebalance_in_progress(self) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        harness.join(version=3)
        assert harness.sync(member, 1).error is E.REBALANCE_IN_PROGRESS

    @pytest.mark.parametrize(
        ("protocol_type", "protocol_name", "error"),
        [
            ("consumer", "range", E.NONE),
            (None, None, E.NONE),
            ("connect", "range", E.INCONSISTENT_GROUP_PROTOCOL),
            ("consumer", "sticky", E.INCONSISTENT_GROUP_PROTOCOL),
        ],
    )
    @in_virtual_time
    async def test_protocol_must_be_the_groups(
        self, protocol_type: str | None, protocol_name: str | None, error: E
    ) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        answer = harness.sync(member, 1, protocol_type=protocol_type, protocol_name=protocol_name)
        assert answer.error is error


@in_virtual_time
async def test_members_that_never_sync_are_removed() -> None:
    harness = await Harness().started()
    first, second = harness.join(version=3), harness.join(version=3)
    await harness.pass_ms(2 * INITIAL_DELAY_MS)
    leader, follower = first.response.member_id, second.response.member_id
    harness.sync(leader, 1, {})
    for _ in range(REBALANCE_MS // 5_000):
        assert harness.heartbeat(leader, 1) is E.NONE
        assert harness.heartbeat(follower, 1) is E.NONE  # alive, but it does not do its part
        await harness.pass_ms(5_000)
    assert harness.heartbeat(follower, 1) is E.UNKNOWN_MEMBER_ID
    assert harness.heartbeat(leader, 1) is E.REBALANCE_IN_PROGRESS


@in_virtual_time
async def test_group_whose_leader_never_syncs_starts_over_without_it() -> None:
    harness = await Harness().started()
    leader, follower = await two_joined(harness)
    waiting = harness.sync(follower, 1)
    for _ in range(REBALANCE_MS // 5_000):
        assert not waiting.done
        harness.heartbeat(leader, 1)
        await harness.pass_ms(5_000)
    assert waiting.error is E.REBALANCE_IN_PROGRESS
    assert harness.join(follower).response.leader == follower
