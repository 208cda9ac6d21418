# SPDX-License-Identifier: Apache-2.0
"""Markers reach every partition's leader, however long that takes; then the transaction is complete."""

from __future__ import annotations

import asyncio

import pytest

from commitlog.wire.errors import ErrorCode
from tests.groups.harness import settle
from tests.groups.virtual_loop import in_virtual_time
from tests.transactions.harness import TP0, TP1, Harness

E = ErrorCode
RETRIABLE = [
    E.UNKNOWN_TOPIC_OR_PARTITION,
    E.NOT_LEADER_OR_FOLLOWER,
    E.NOT_ENOUGH_REPLICAS,
    E.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    E.REQUEST_TIMED_OUT,
    E.KAFKA_STORAGE_ERROR,
]


@pytest.mark.parametrize("error", RETRIABLE)
@in_virtual_time
async def test_a_leader_that_cannot_take_it_now_is_asked_again(error: ErrorCode) -> None:
    harness = await Harness().started()
    producer = harness.ongoing(TP0, TP1)
    harness.leaders[1].errors = [error, error]
    assert harness.end(producer) is E.NONE
    await settle()
    assert harness.state() == "PrepareCommit"
    await harness.pass_ms(250)
    assert harness.state() == "CompleteCommit"
    assert len(harness.leaders[1].markers) == 3
    assert len(harness.leaders[2].markers) == 1


@pytest.mark.parametrize("error", [E.INVALID_PRODUCER_EPOCH, E.TRANSACTION_COORDINATOR_FENCED])
@in_virtual_time
async def test_a_partition_that_has_seen_a_later_epoch_ends_it(error: ErrorCode) -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    harness.leaders[1].errors = [error]
    assert harness.end(producer) is E.NONE
    await harness.pass_ms(10_000)
    assert harness.state() == "PrepareCommit"
    assert len(harness.leaders[1].markers) == 1


@in_virtual_time
async def test_a_partition_without_room_for_markers_is_left_out() -> None:
    harness = await Harness().started()
    harness.leaders[1].errors = [E.UNSUPPORTED_FOR_MESSAGE_FORMAT]
    assert harness.end(harness.ongoing()) is E.NONE
    await settle()
    assert harness.state() == "CompleteCommit"


@in_virtual_time
async def test_a_leader_that_is_away_gets_it_when_it_is_back() -> None:
    harness = await Harness().started()
    producer = harness.ongoing(TP0)
    harness.leaders[1].unreachable = True
    assert harness.end(producer) is E.NONE
    await harness.pass_ms(60_000)
    assert harness.state() == "PrepareCommit"
    harness.leaders[1].unreachable = False
    await harness.pass_ms(200)
    assert harness.state() == "CompleteCommit"


@in_virtual_time
async def test_a_new_leader_gets_what_the_old_one_did_not_take() -> None:
    harness = await Harness().started()
    producer = harness.ongoing(TP0)
    harness.tell_metadata({}, alive=(2,))  # the leader is dead, and none is elected yet
    assert harness.end(producer) is E.NONE
    await harness.pass_ms(1_000)
    assert harness.state() == "PrepareCommit"
    harness.tell_metadata({"topic": [2, 2]}, alive=(2,))
    await harness.pass_ms(200)
    assert harness.leaders[2].markers == [(1000, 0, True, 0, (TP0,))]
    assert harness.state() == "CompleteCommit"


@in_virtual_time
async def test_deleted_partitions_need_no_marker() -> None:
    harness = await Harness().started()
    producer = harness.ongoing(TP0, TP1)
    harness.tell_metadata({"topic": [-2, -2]})
    assert harness.end(producer, commit=False) is E.NONE
    assert harness.state() == "CompleteAbort"


@in_virtual_time
async def test_markers_that_gather_go_together() -> None:
    harness = await Harness().started()
    producers = [harness.ongoing(TP0, name=f"t{number}") for number in range(3)]
    gate = harness.leaders[1].gate = asyncio.Event()
    for number, producer in enumerate(producers):
        assert harness.end(producer, name=f"t{number}") is E.NONE
        await settle()
    gate.set()
    await settle()
    assert {marker[0] for marker in harness.leaders[1].markers} == {producer[0] for producer in producers}
    assert [harness.state(f"t{number}") for number in range(3)] == ["CompleteCommit"] * 3


@in_virtual_time
async def test_the_completion_is_written_however_often_the_log_refuses() -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    gate = harness.leaders[1].gate = asyncio.Event()
    assert harness.end(producer) is E.NONE
    harness.replicas.error = E.NOT_ENOUGH_REPLICAS
    gate.set()
    await harness.pass_ms(5_000)
    assert harness.state() == "PrepareCommit"
    assert harness.add(producer) is E.CONCURRENT_TRANSACTIONS
    harness.replicas.error = E.NONE
    await harness.pass_ms(200)
    assert harness.state() == "CompleteCommit"
    assert len(harness.leaders[1].markers) == 1


@in_virtual_time
async def test_whoever_resigns_stops_sending() -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    harness.leaders[1].unreachable = True
    assert harness.end(producer) is E.NONE
    await settle()
    harness.coordinator.on_resignation(harness.coordinator.partition_for("txn"), 1)
    harness.leaders[1].unreachable = False
    await harness.pass_ms(10_000)
    assert harness.leaders[1].markers == []
    assert harness.logged()[-1] == "PrepareCommit"


@in_virtual_time
async def test_an_answer_that_comes_after_the_resignation_changes_nothing() -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    metadata = harness.metadata_of()
    gate = harness.leaders[1].gate = asyncio.Event()
    assert harness.end(producer) is E.NONE
    await settle()
    harness.coordinator.on_resignation(harness.coordinator.partition_for("txn"), 1)
    gate.set()
    await harness.pass_ms(1_000)
    assert len(harness.leaders[1].markers) == 1
    assert metadata.partitions == {TP0}
    assert harness.logged()[-1] == "PrepareCommit"
