# SPDX-License-Identifier: Apache-2.0
"""Elections and resignations: groups are loaded from the log, served, and handed over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commitlog.groups.offsets import CommittedOffset
from commitlog.groups.records import offset_key, offset_value
from commitlog.records.batch import build_batch
from commitlog.records.control import end_transaction_marker
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.list_groups_request import ListGroupsRequest
from tests.groups.harness import (
    GROUP,
    INITIAL_DELAY_MS,
    SESSION_MS,
    START_MS,
    FakeReplicas,
    Harness,
    assignment_of,
    commit_error,
    settle,
)
from tests.groups.test_admin import delete_request
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
TP = ("topic", 0)


def every_error(harness: Harness) -> dict[str, Any]:
    """What each request is answered at this moment."""
    return {
        "join": harness.join().error,
        "sync": harness.sync("m", 1).error,
        "heartbeat": harness.heartbeat("m", 1),
        "leave": harness.leave("m"),
        "commit": harness.commit_error(),
        "fetch": ErrorCode(harness.groups.fetch_offsets(GROUP, [TP], require_stable=False).error_code),
        "describe": ErrorCode(harness.groups.describe_group(GROUP).error_code),
        "delete": ErrorCode(harness.groups.delete_groups([GROUP]).results[0].error_code),
        "delete offsets": ErrorCode(harness.groups.delete_offsets(delete_request("topic")).error_code),
        "list": ErrorCode(harness.groups.list_groups(ListGroupsRequest()).error_code),
    }


@in_virtual_time
async def test_before_the_start_nothing_is_available() -> None:
    harness = Harness()
    errors = every_error(harness)
    assert errors.pop("leave") == (E.COORDINATOR_NOT_AVAILABLE, [])
    assert set(errors.values()) == {E.COORDINATOR_NOT_AVAILABLE}


@in_virtual_time
async def test_groups_of_partitions_that_others_lead() -> None:
    harness = Harness()
    harness.groups.start()
    errors = every_error(harness)
    assert errors.pop("leave") == (E.NOT_COORDINATOR, [])
    assert errors.pop("list") is E.NONE
    assert set(errors.values()) == {E.NOT_COORDINATOR}


@in_virtual_time
async def test_while_the_groups_are_loaded() -> None:
    harness = Harness()
    harness.groups.start()
    partition = harness.groups.partition_for(GROUP)
    harness.replicas.log(partition)
    harness.groups.on_election(partition, 0)
    errors = every_error(harness)
    assert errors.pop("leave") == (E.COORDINATOR_LOAD_IN_PROGRESS, [])
    assert errors.pop("heartbeat") is E.NONE, "we cannot know yet"
    assert errors.pop("sync") is E.REBALANCE_IN_PROGRESS, "which sends the member to JoinGroup"
    assert set(errors.values()) == {E.COORDINATOR_LOAD_IN_PROGRESS}
    await settle()
    assert harness.commit_error() is E.NONE


@in_virtual_time
async def test_stable_group_survives_its_coordinator() -> None:
    before = await Harness().started()
    leader, follower = await before.stable(2)
    before.commit({TP: 7}, member_id=leader, generation=1)
    after = await Harness(replicas=before.replicas).started()
    assert after.state() == "Stable"
    assert after.fetch() == {TP: 7}
    assert after.heartbeat(follower, 1) is E.NONE
    assert assignment_of(after.sync(leader, 1)) == leader.encode()
    described = after.groups.describe_group(GROUP)
    assert described == before.groups.describe_group(GROUP)


@in_virtual_time
async def test_loaded_members_have_a_session_to_be_heard_of() -> None:
    before = await Harness().started()
    leader, follower = await before.stable(2)
    after = await Harness(replicas=before.replicas).started()
    await after.pass_ms(SESSION_MS - 1)
    assert after.heartbeat(leader, 1) is E.NONE
    await after.pass_ms(1)
    assert after.heartbeat(follower, 1) is E.UNKNOWN_MEMBER_ID


@in_virtual_time
async def test_loaded_static_members_keep_their_places() -> None:
    before = await Harness().started()
    members = await before.stable_static("a", "b")
    after = await Harness(replicas=before.replicas).started()
    back = after.join(instance="b")
    assert (back.error, back.response.leader) == (E.NONE, members["a"])


@in_virtual_time
async def test_empty_generation_and_offsets_are_loaded() -> None:
    before = await Harness().started()
    (member,) = await before.stable()
    before.commit({TP: 7}, member_id=member, generation=1)
    before.leave(member)
    after = await Harness(replicas=before.replicas).started()
    assert (after.state(), after.fetch()) == ("Empty", {TP: 7})
    join = after.join(version=3)
    await after.pass_ms(INITIAL_DELAY_MS)
    assert join.response.generation_id == 3


@in_virtual_time
async def test_offset_takes_its_expiry_and_time_of_commit_along() -> None:
    before = await Harness().started()
    before.commit({TP: 7}, retention_ms=50_000)
    await before.pass_ms(40_000)
    after = await Harness(replicas=before.replicas, offsets_retention_check_interval_ms=1_000).started()
    after.wall_ms = START_MS + 40_000
    await after.pass_ms(9_000)
    assert after.fetch() == {TP: 7}
    await after.pass_ms(3_000)
    assert after.fetch() == {}


@in_virtual_time
async def test_deleted_groups_and_offsets_are_not_loaded() -> None:
    before = await Harness().started()
    (member,) = await before.stable(group="gone")
    before.leave(member, group="gone")
    before.groups.delete_groups(["gone"])
    before.commit({TP: 1, ("other", 0): 2})
    before.groups.delete_offsets(delete_request("topic"))
    after = await Harness(replicas=before.replicas).started()
    assert after.state("gone") == "Dead"
    assert after.fetch() == {("other", 0): 2}


@in_virtual_time
async def test_only_the_groups_of_the_partition_are_loaded() -> None:
    before = await Harness().started()
    groups = [f"group-{i}" for i in range(20)]
    for group in groups:
        before.commit({TP: 1}, group=group)
    after = Harness(replicas=before.replicas)
    after.groups.start()
    partition = after.groups.partition_for(groups[0])
    after.groups.on_election(partition, 0)
    await settle()
    listed = {group.group_id for group in after.groups.list_groups(ListGroupsRequest()).groups}
    assert listed == {group for group in groups if after.groups.partition_for(group) == partition}


@in_virtual_time
async def test_large_log_is_read_in_pieces_and_others_get_their_turn() -> None:
    before = await Harness().started()
    for i in range(300):
        before.commit({("topic", index): i for index in range(20)})
    partition = before.groups.partition_for(GROUP)
    log = before.replicas.log(partition)
    log.reads = 0
    after = Harness(replicas=before.replicas, offsets_load_buffer_size=len(log.data) // 10)
    after.groups.start()
    after.groups.on_election(partition, 0)
    turns = 0
    for _ in range(1_000):
        if after.owns_all():
            break
        await asyncio.sleep(0)
        turns += 1
    assert 10 <= log.reads <= 13
    assert turns > 10
    assert after.fetch() == {("topic", index): 299 for index in range(20)}


@in_virtual_time
async def test_what_is_appended_during_the_load_is_loaded_too() -> None:
    before = await Harness().started()
    for i in range(60):
        before.commit({("topic", index): i for index in range(20)})
    partition = before.groups.partition_for(GROUP)
    log = before.replicas.log(partition)
    after = Harness(replicas=before.replicas, offsets_load_buffer_size=4_000)
    after.groups.start()
    after.groups.on_election(partition, 0)
    await asyncio.sleep(0)
    assert not after.owns_all()
    assert log.reads > 0
    for i in range(1_000, 1_060):  # more than one piece
        before.commit({("topic", index): i for index in range(20)})
    for _ in range(10):
        await settle()
    assert set(after.fetch().values()) == {1_059}


@in_virtual_time
async def test_log_that_is_corrupt_is_not_served(caplog: pytest.LogCaptureFixture) -> None:
    before = await Harness().started()
    before.commit({TP: 1}, metadata="a note")
    partition = before.groups.partition_for(GROUP)
    data = before.replicas.log(partition).data
    data[data.index(b"a note")] ^= 1
    after = Harness(replicas=before.replicas)
    after.groups.start()
    after.groups.on_election(partition, 0)
    await settle()
    assert after.commit_error() is E.NOT_COORDINATOR
    assert f"Error loading offsets from __consumer_offsets-{partition}" in caplog.text


@in_virtual_time
async def test_records_of_newer_kinds_are_passed_over() -> None:
    replicas = FakeReplicas()
    harness = Harness(replicas=replicas)
    log = replicas.log(harness.groups.partition_for(GROUP))
    log.append(build_batch([(0, b"\0\3\0\5group", b"\0\0\0\0\0\1\0", ())]))
    log.append(
        build_batch([(0, offset_key(GROUP, TP), offset_value(CommittedOffset(4, -1, "", START_MS)), ())])
    )
    await harness.started()
    assert harness.fetch() == {TP: 4}


class TestTransactions:
    """Batches that a JVM broker's transactional producers have left in the log."""

    @staticmethod
    def commit_batch(offset: int, producer_id: int = 9) -> bytearray:
        value = offset_value(CommittedOffset(offset, -1, "", START_MS))
        return build_batch(
            [(0, offset_key(GROUP, TP), value, ())],
            producer_id=producer_id,
            producer_epoch=0,
            base_sequence=0,
            is_transactional=True,
        )

    @staticmethod
    def marker(*, committed: bool, producer_id: int = 9) -> bytearray:
        return end_transaction_marker(
            timestamp=0, producer_id=producer_id, producer_epoch=0, committed=committed, coordinator_epoch=0
        )

    async def load(self, *batches: bytearray) -> Harness:
        harness = Harness()
        log = harness.replicas.log(harness.groups.partition_for(GROUP))
        for batch in batches:
            log.append(batch)
        return await harness.started()

    @in_virtual_time
    async def test_committed_offset_counts(self) -> None:
        harness = await self.load(self.commit_batch(5), self.marker(committed=True))
        assert harness.fetch(TP, require_stable=True) == {TP: 5}

    @in_virtual_time
    async def test_aborted_offset_does_not(self) -> None:
        harness = await self.load(self.commit_batch(5), self.marker(committed=False))
        assert harness.fetch(TP, require_stable=True) == {TP: -1}

    @in_virtual_time
    async def test_offset_of_an_open_transaction_is_unstable(self) -> None:
        harness = await self.load(self.commit_batch(5), self.marker(committed=True, producer_id=8))
        assert harness.fetch(TP) == {TP: -1}
        response = harness.groups.fetch_offsets(GROUP, [TP], require_stable=True)
        assert response.topics[0].partitions[0].error_code == E.UNSTABLE_OFFSET_COMMIT

    @in_virtual_time
    async def test_plain_commit_after_it_wins(self) -> None:
        plain = build_batch(
            [(0, offset_key(GROUP, TP), offset_value(CommittedOffset(6, -1, "", START_MS)), ())]
        )
        harness = await self.load(self.commit_batch(5), plain, self.marker(committed=True))
        assert harness.fetch() == {TP: 6}


class TestResignation:
    @in_virtual_time
    async def test_everybody_who_waits_is_sent_to_the_new_coordinator(self) -> None:
        harness = await Harness().started()
        first, second = harness.join(version=3, group="a"), harness.join(version=3, group="a")
        await harness.pass_ms(2 * INITIAL_DELAY_MS)
        syncing = harness.sync(second.response.member_id, 1, group="a")
        joining = harness.join(version=3, group="b")
        harness.replicas.hold = True
        committing = harness.commit({TP: 1}, group="c")
        for group in "abc":
            harness.groups.on_resignation(harness.groups.partition_for(group), 1)
        assert (syncing.error, joining.error) == (E.NOT_COORDINATOR, E.NOT_COORDINATOR)
        await harness.replicas.release(E.NOT_LEADER_OR_FOLLOWER)
        assert commit_error(committing.response) is E.NOT_COORDINATOR
        assert first.error is E.NONE

    @in_virtual_time
    async def test_other_partitions_stay(self) -> None:
        harness = await Harness().started()
        harness.commit({TP: 1}, group="a")
        harness.groups.on_resignation(harness.groups.partition_for("b"), 1)
        assert harness.fetch(group="a") == {TP: 1}
        assert harness.commit_error(group="b") is E.NOT_COORDINATOR

    @in_virtual_time
    async def test_timers_end_with_the_group(self) -> None:
        harness = await Harness().started()
        await harness.stable()
        partition = harness.groups.partition_for(GROUP)
        before = harness.replicas.log(partition).log_end_offset
        harness.groups.on_resignation(partition, 1)
        await harness.pass_ms(10 * SESSION_MS)
        assert harness.replicas.log(partition).log_end_offset == before

    @in_virtual_time
    async def test_group_is_loaded_afresh_when_we_lead_again(self) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        partition = harness.groups.partition_for(GROUP)
        harness.groups.on_resignation(partition, 1)
        harness.groups.on_election(partition, 2)
        await settle()
        assert harness.heartbeat(member, 1) is E.NONE

    @in_virtual_time
    async def test_resignation_during_the_load_ends_it(self) -> None:
        before = await Harness().started()
        before.commit({TP: 1})
        partition = before.groups.partition_for(GROUP)
        after = Harness(replicas=before.replicas)
        after.groups.start()
        after.groups.on_election(partition, 3)
        await asyncio.sleep(0)
        after.groups.on_resignation(partition, 4)
        await settle()
        assert after.commit_error() is E.NOT_COORDINATOR

    @in_virtual_time
    async def test_resignation_while_many_groups_come_to_life(self) -> None:
        before = await Harness(offsets_topic_num_partitions=1).started()
        for i in range(1_000):
            before.commit({TP: 1}, group=f"group-{i}")
        after = Harness(replicas=before.replicas, offsets_topic_num_partitions=1)
        after.groups.start()
        after.groups.on_election(0, 3)
        for _ in range(100):
            await asyncio.sleep(0)
            listed = after.groups.list_groups(ListGroupsRequest())
            if listed.groups:
                break
        assert listed.error_code == E.COORDINATOR_LOAD_IN_PROGRESS
        assert 0 < len(listed.groups) < 1_000
        after.groups.on_resignation(0, 4)
        await settle()
        assert after.groups.list_groups(ListGroupsRequest()).groups == []
        after.groups.on_election(0, 5)
        for _ in range(10):
            await settle()
        assert len(after.groups.list_groups(ListGroupsRequest()).groups) == 1_000

    @in_virtual_time
    async def test_election_right_after_a_resignation_during_the_load(self) -> None:
        before = await Harness().started()
        before.commit({TP: 1})
        partition = before.groups.partition_for(GROUP)
        after = Harness(replicas=before.replicas)
        after.groups.start()
        after.groups.on_election(partition, 3)
        await asyncio.sleep(0)
        after.groups.on_resignation(partition, 4)
        after.groups.on_election(partition, 5)
        await settle()
        assert after.fetch() == {TP: 1}

    @in_virtual_time
    async def test_next_epoch_of_our_own_leadership_does_not_stop_the_load(self) -> None:
        before = await Harness().started()
        before.commit({TP: 1})
        partition = before.groups.partition_for(GROUP)
        after = Harness(replicas=before.replicas)
        after.groups.start()
        after.groups.on_election(partition, 3)
        after.groups.on_election(partition, 4)
        await settle()
        assert after.fetch() == {TP: 1}
        after.groups.on_election(partition, 5)
        assert after.fetch() == {TP: 1}, "what is owned is not loaded again"

    @in_virtual_time
    async def test_old_news_are_ignored(self) -> None:
        harness = await Harness().started()
        partition = harness.groups.partition_for(GROUP)
        harness.groups.on_resignation(partition, 5)
        harness.groups.on_election(partition, 4)
        await settle()
        assert harness.commit_error() is E.NOT_COORDINATOR
        harness.groups.on_election(partition, 6)
        await settle()
        harness.groups.on_resignation(partition, 5)
        assert harness.commit_error() is E.NONE

    @in_virtual_time
    async def test_deletion_of_the_replica_needs_no_epoch(self) -> None:
        harness = await Harness().started()
        harness.groups.on_resignation(harness.groups.partition_for(GROUP), None)
        assert harness.commit_error() is E.NOT_COORDINATOR


@in_virtual_time
async def test_stop_answers_who_waits_and_ends_everything() -> None:
    harness = await Harness().started()
    join = harness.join(version=3)
    await harness.groups.stop()
    assert join.error is E.NOT_COORDINATOR
    assert harness.commit_error() is E.COORDINATOR_NOT_AVAILABLE
    assert asyncio.all_tasks() == {asyncio.current_task()}
