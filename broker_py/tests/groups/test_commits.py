# SPDX-License-Identifier: Apache-2.0
"""OffsetCommit and OffsetFetch: what may be committed, when it counts, and what an error of the log means."""

from __future__ import annotations

import pytest

from commitlog.groups.commits import is_too_long
from commitlog.groups.records import read_offset_value
from commitlog.wire.errors import ErrorCode
from tests.groups.harness import GROUP, INITIAL_DELAY_MS, START_MS, Harness, commit_error
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
TP = ("topic", 0)


@in_virtual_time
async def test_consumer_without_a_group_commits_and_fetches() -> None:
    harness = await Harness().started()
    assert harness.commit_error() is E.NONE
    assert harness.fetch(TP, ("topic", 1), ("other", 0)) == {TP: 1, ("topic", 1): -1, ("other", 0): -1}
    assert harness.fetch() == {TP: 1}
    assert harness.state() == "Empty"


@in_virtual_time
async def test_offsets_of_a_group_that_does_not_exist() -> None:
    harness = await Harness().started()
    assert harness.fetch(TP) == {TP: -1}
    assert harness.fetch() == {}
    assert harness.state() == "Dead", "asking creates nothing"


@in_virtual_time
async def test_what_is_written() -> None:
    harness = await Harness().started()
    harness.commit({TP: 5, ("topic", 1): 6}, metadata=None)
    records = harness.replicas.log(harness.groups.partition_for(GROUP)).records()
    assert [record.key for record in records] == [
        b"\0\1\0\5group\0\5topic\0\0\0\0",
        b"\0\1\0\5group\0\5topic\0\0\0\1",
    ]
    assert [record.timestamp for record in records] == [harness.now_ms()] * 2
    values = [read_offset_value(record.value or b"") for record in records]
    assert [(value.offset, value.metadata, value.leader_epoch) for value in values] == [
        (5, "", -1),
        (6, "", -1),
    ]
    assert harness.replicas.appends[-1]["acks"] == -1


@in_virtual_time
async def test_retention_of_the_request_becomes_an_expiry() -> None:
    harness = await Harness().started()
    harness.commit({TP: 5}, retention_ms=1_000)
    (record,) = harness.replicas.log(harness.groups.partition_for(GROUP)).records()
    assert (record.value or b"")[:2] == b"\0\1"
    assert read_offset_value(record.value or b"").expire_timestamp == START_MS + 1_000


@in_virtual_time
async def test_a_retention_beyond_all_time_is_for_ever() -> None:
    harness = await Harness().started()
    answer = harness.commit({TP: 5}, retention_ms=2**63 - 1)
    assert commit_error(answer.response) is E.NONE
    (record,) = harness.replicas.log(harness.groups.partition_for(GROUP)).records()
    assert read_offset_value(record.value or b"").expire_timestamp == 2**63 - 1


@in_virtual_time
async def test_offset_counts_only_when_it_is_written() -> None:
    harness = await Harness().started()
    harness.commit({TP: 1})
    harness.replicas.hold = True
    answer = harness.commit({TP: 2})
    assert not answer.done
    assert harness.fetch(TP) == {TP: 1}
    await harness.replicas.release()
    assert commit_error(answer.response) is E.NONE
    assert harness.fetch(TP) == {TP: 2}


@in_virtual_time
async def test_require_stable_tells_of_a_commit_under_way() -> None:
    harness = await Harness().started()
    harness.replicas.hold = True
    harness.commit({TP: 2})
    response = harness.groups.fetch_offsets(GROUP, [TP, ("topic", 1)], require_stable=True)
    errors = [partition.error_code for partition in response.topics[0].partitions]
    assert errors == [E.UNSTABLE_OFFSET_COMMIT, E.NONE]
    await harness.replicas.release()
    assert harness.fetch(TP, require_stable=True) == {TP: 2}


@in_virtual_time
async def test_of_two_commits_under_way_the_later_in_the_log_wins() -> None:
    harness = await Harness().started()
    harness.replicas.hold = True
    harness.commit({TP: 1})
    harness.commit({TP: 2})
    harness.replicas.held.reverse()
    await harness.replicas.release()
    assert harness.fetch(TP, require_stable=True) == {TP: 2}


@in_virtual_time
async def test_so_it_is_while_a_third_is_under_way() -> None:
    harness = await Harness().started()
    harness.replicas.hold = True
    for offset in (1, 2, 3):
        harness.commit({TP: offset})
    third = harness.replicas.held.pop()
    harness.replicas.held.reverse()
    await harness.replicas.release()
    assert harness.fetch(TP) == {TP: 2}
    harness.replicas.held.append(third)
    await harness.replicas.release()
    assert harness.fetch(TP) == {TP: 3}


@in_virtual_time
async def test_failed_commit_leaves_the_old_offset() -> None:
    harness = await Harness().started()
    harness.commit({TP: 1})
    harness.replicas.hold = True
    answer = harness.commit({TP: 2})
    await harness.replicas.release(E.REQUEST_TIMED_OUT)
    assert commit_error(answer.response) is E.REQUEST_TIMED_OUT
    assert harness.fetch(TP, require_stable=True) == {TP: 1}


@pytest.mark.parametrize(
    ("log_error", "told"),
    [
        (E.UNKNOWN_TOPIC_OR_PARTITION, E.COORDINATOR_NOT_AVAILABLE),
        (E.NOT_ENOUGH_REPLICAS, E.COORDINATOR_NOT_AVAILABLE),
        (E.NOT_ENOUGH_REPLICAS_AFTER_APPEND, E.COORDINATOR_NOT_AVAILABLE),
        (E.NOT_LEADER_OR_FOLLOWER, E.NOT_COORDINATOR),
        (E.KAFKA_STORAGE_ERROR, E.NOT_COORDINATOR),
        (E.MESSAGE_TOO_LARGE, E.INVALID_COMMIT_OFFSET_SIZE),
        (E.RECORD_LIST_TOO_LARGE, E.INVALID_COMMIT_OFFSET_SIZE),
        (E.INVALID_FETCH_SIZE, E.INVALID_COMMIT_OFFSET_SIZE),
        (E.REQUEST_TIMED_OUT, E.REQUEST_TIMED_OUT),
        (E.CORRUPT_MESSAGE, E.CORRUPT_MESSAGE),
    ],
)
@in_virtual_time
async def test_errors_of_the_log(log_error: E, told: E) -> None:
    harness = await Harness().started()
    harness.replicas.error = log_error
    assert harness.commit_error() is told
    assert harness.fetch(TP, require_stable=True) == {TP: -1}


@in_virtual_time
async def test_cancelled_append_is_told_as_a_lost_coordinator() -> None:
    harness = await Harness().started()
    harness.replicas.hold = True
    answer = harness.commit({TP: 2})
    harness.replicas.held[0][0].cancel()
    await harness.pass_ms(0)
    assert commit_error(answer.response) is E.NOT_COORDINATOR


class TestMetadataSize:
    @in_virtual_time
    async def test_only_the_partition_with_the_long_note_is_refused(self) -> None:
        harness = await Harness(offset_metadata_max_bytes=10).started()
        assert harness.commit_error(metadata="x" * 10) is E.NONE
        assert harness.commit_error(metadata="x" * 11) is E.OFFSET_METADATA_TOO_LARGE
        assert harness.fetch(TP) == {TP: 1}

    @in_virtual_time
    async def test_nothing_is_written_when_all_are_refused(self) -> None:
        harness = await Harness(offset_metadata_max_bytes=10).started()
        harness.commit_error(metadata="x" * 11)
        assert harness.replicas.appends == []

    @pytest.mark.parametrize(
        ("text", "limit", "expected"),
        [
            (None, 0, False),
            ("é" * 10, 10, False),
            ("\U0001f600" * 5, 10, False),
            ("\U0001f600" * 6, 11, True),
        ],
    )
    def test_size_is_that_of_a_java_string(self, text: str | None, limit: int, expected: bool) -> None:
        assert is_too_long(text, limit) is expected


class TestWhoMayCommit:
    @in_virtual_time
    async def test_member_of_this_generation(self) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        assert harness.commit_error(member_id=member, generation=1) is E.NONE

    @pytest.mark.parametrize("generation", [0, 2])
    @in_virtual_time
    async def test_other_generation(self, generation: int) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        assert harness.commit_error(member_id=member, generation=generation) is E.ILLEGAL_GENERATION

    @in_virtual_time
    async def test_member_without_a_generation(self) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        assert harness.commit_error(member_id=member) is E.ILLEGAL_GENERATION

    @in_virtual_time
    async def test_unknown_member(self) -> None:
        harness = await Harness().started()
        await harness.stable()
        assert harness.commit_error(member_id="who", generation=1) is E.UNKNOWN_MEMBER_ID

    @in_virtual_time
    async def test_nobody_from_outside_while_there_are_members(self) -> None:
        harness = await Harness().started()
        await harness.stable()
        assert harness.commit_error() is E.UNKNOWN_MEMBER_ID

    @in_virtual_time
    async def test_anybody_from_outside_when_there_are_none(self) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        harness.leave(member)
        assert harness.commit_error() is E.NONE

    @in_virtual_time
    async def test_former_member_of_an_empty_group(self) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        harness.leave(member)
        assert harness.commit_error(member_id=member, generation=1) is E.UNKNOWN_MEMBER_ID

    @in_virtual_time
    async def test_generation_of_a_group_that_does_not_exist(self) -> None:
        harness = await Harness().started()
        assert harness.commit_error(member_id="m", generation=1) is E.ILLEGAL_GENERATION

    @in_virtual_time
    async def test_member_during_a_rebalance(self) -> None:
        harness = await Harness().started()
        (member,) = await harness.stable()
        harness.join(version=3)
        assert harness.commit_error(member_id=member, generation=1) is E.NONE

    @in_virtual_time
    async def test_nobody_between_generations(self) -> None:
        harness = await Harness().started()
        join = harness.join(version=3)
        await harness.pass_ms(INITIAL_DELAY_MS)
        member = join.response.member_id
        assert harness.commit_error(member_id=member, generation=1) is E.REBALANCE_IN_PROGRESS

    @in_virtual_time
    async def test_unknown_instance(self) -> None:
        harness = await Harness().started()
        members = await harness.stable_static("a")
        error = harness.commit_error(member_id=members["a"], generation=1, instance="b")
        assert error is E.UNKNOWN_MEMBER_ID

    @in_virtual_time
    async def test_empty_group_id_has_offsets_but_no_members(self) -> None:
        harness = await Harness().started()
        assert harness.commit_error(group="") is E.NONE
        assert harness.fetch(TP, group="") == {TP: 1}
