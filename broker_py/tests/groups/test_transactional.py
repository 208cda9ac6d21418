# SPDX-License-Identifier: Apache-2.0
"""Offsets committed in transactions: who may, when they count, what a successor finds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commitlog.records.batch import read_header
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.txn_offset_commit_request import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.groups.harness import GROUP, Harness, settle
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
TP = ("topic", 0)
PRODUCER = 77


def txn_commit(
    harness: Harness,
    offset: int = 5,
    *,
    producer_id: int = PRODUCER,
    member_id: str = "",
    generation: int = -1,
    instance: str | None = None,
    group: str = GROUP,
) -> Any:
    request = TxnOffsetCommitRequest(
        transactional_id="t",
        group_id=group,
        producer_id=producer_id,
        producer_epoch=3,
        generation_id=generation,
        member_id=member_id,
        group_instance_id=instance,
        topics=[
            TxnOffsetCommitRequestTopic(
                name="topic",
                partitions=[TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=offset)],
            )
        ],
    )
    return harness.groups.txn_commit_offsets(request)


def error_of(answer: Any) -> ErrorCode:
    return ErrorCode(answer.topics[0].partitions[0].error_code)


def complete(harness: Harness, *, committed: bool = True, producer_id: int = PRODUCER) -> None:
    partition = harness.groups.partition_for(GROUP)
    harness.groups.on_transaction_completed(producer_id, [partition], committed=committed)


@in_virtual_time
async def test_the_batch_is_transactional_and_has_no_sequence() -> None:
    harness = await Harness().started()
    assert error_of(txn_commit(harness)) is E.NONE
    header = read_header(harness.replicas.log(harness.groups.partition_for(GROUP)).data)
    assert header.is_transactional
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (PRODUCER, 3, -1)


@in_virtual_time
async def test_who_may_commit() -> None:
    harness = await Harness().started()
    assert error_of(txn_commit(harness, member_id="m", generation=1)) is E.UNKNOWN_MEMBER_ID
    (member,) = await harness.stable()
    assert error_of(txn_commit(harness)) is E.NONE  # before KIP-447 nobody says who they are
    assert error_of(txn_commit(harness, member_id=member, generation=1)) is E.NONE
    assert error_of(txn_commit(harness, member_id=member, generation=0)) is E.ILLEGAL_GENERATION
    assert error_of(txn_commit(harness, member_id="m", generation=1)) is E.UNKNOWN_MEMBER_ID
    assert error_of(txn_commit(harness, member_id=member, generation=1, instance="i")) is E.UNKNOWN_MEMBER_ID
    assert error_of(txn_commit(harness, group="")) is E.INVALID_GROUP_ID


@in_virtual_time
async def test_the_later_one_in_the_log_wins() -> None:
    harness = await Harness().started()
    txn_commit(harness, 5)
    harness.commit({TP: 8})
    complete(harness)
    assert harness.fetch(TP, require_stable=True) == {TP: 8}
    txn_commit(harness, 9)
    complete(harness)
    assert harness.fetch(TP, require_stable=True) == {TP: 9}


@in_virtual_time
async def test_each_producer_has_its_own_transaction() -> None:
    harness = await Harness().started()
    txn_commit(harness, 5)
    txn_commit(harness, 6, producer_id=78)
    complete(harness, committed=False)
    complete(harness, committed=False)
    answer = harness.groups.fetch_offsets(GROUP, [TP], require_stable=True)
    assert answer.topics[0].partitions[0].error_code == E.UNSTABLE_OFFSET_COMMIT
    complete(harness, producer_id=78)
    assert harness.fetch(TP, require_stable=True) == {TP: 6}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (E.NOT_ENOUGH_REPLICAS, E.COORDINATOR_NOT_AVAILABLE),
        (E.NOT_LEADER_OR_FOLLOWER, E.NOT_COORDINATOR),
        (E.INVALID_PRODUCER_EPOCH, E.INVALID_PRODUCER_EPOCH),
        (E.MESSAGE_TOO_LARGE, E.INVALID_COMMIT_OFFSET_SIZE),
    ],
)
@in_virtual_time
async def test_what_the_log_refuses_is_not_pending(error: ErrorCode, told: ErrorCode) -> None:
    harness = await Harness().started()
    harness.replicas.error = error
    assert error_of(txn_commit(harness)) is told
    harness.replicas.error = E.NONE
    assert harness.fetch(TP, require_stable=True) == {TP: -1}
    complete(harness)
    assert harness.fetch(TP, require_stable=True) == {TP: -1}


@in_virtual_time
async def test_what_is_still_being_written_is_unstable() -> None:
    harness = await Harness().started()
    harness.replicas.hold = True
    answer: asyncio.Future[Any] = txn_commit(harness)
    found = harness.groups.fetch_offsets(GROUP, [TP], require_stable=True)
    assert found.topics[0].partitions[0].error_code == E.UNSTABLE_OFFSET_COMMIT
    await harness.replicas.release()
    assert error_of(answer.result()) is E.NONE
    complete(harness)
    assert harness.fetch(TP, require_stable=True) == {TP: 5}


@pytest.mark.parametrize("committed", [True, False])
@in_virtual_time
async def test_a_successor_finds_the_open_transaction_in_the_log(committed: bool) -> None:
    harness = await Harness().started()
    txn_commit(harness)
    successor = await Harness(replicas=harness.replicas).started()
    await settle()
    found = successor.groups.fetch_offsets(GROUP, [TP], require_stable=True)
    assert found.topics[0].partitions[0].error_code == E.UNSTABLE_OFFSET_COMMIT
    complete(successor, committed=committed)
    assert successor.fetch(TP, require_stable=True) == {TP: 5 if committed else -1}


@in_virtual_time
async def test_whoever_resigned_holds_nothing() -> None:
    harness = await Harness().started()
    txn_commit(harness)
    partition = harness.groups.partition_for(GROUP)
    harness.groups.on_resignation(partition, 1)
    harness.replicas.logs.pop(partition)
    harness.replicas.log(partition)
    harness.groups.on_election(partition, 2)
    await settle()
    complete(harness)
    assert harness.fetch(TP, require_stable=True) == {TP: -1}
