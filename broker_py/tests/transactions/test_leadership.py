# SPDX-License-Identifier: Apache-2.0
"""Elections and resignations: transactions are loaded from the log, finished, and handed over."""

from __future__ import annotations

import pytest

from commitlog.records.batch import build_batch
from commitlog.wire.errors import ErrorCode
from tests.groups.harness import settle
from tests.groups.virtual_loop import in_virtual_time
from tests.transactions.harness import ID, TP0, TP1, Harness

E = ErrorCode


def every_error(harness: Harness) -> set[ErrorCode]:
    return {harness.init().error, harness.add((1, 1)), harness.end((1, 1)), harness.verify((1, 1))[TP0]}


@in_virtual_time
async def test_ids_of_partitions_that_others_lead() -> None:
    harness = Harness()
    harness.coordinator.start()
    assert every_error(harness) == {E.NOT_COORDINATOR}


@in_virtual_time
async def test_while_the_transactions_are_loaded() -> None:
    harness = Harness()
    harness.coordinator.start()
    partition = harness.coordinator.partition_for(ID)
    harness.replicas.log(partition)
    harness.coordinator.on_election(partition, 3)
    assert every_error(harness) == {E.COORDINATOR_LOAD_IN_PROGRESS}
    await harness.loaded()
    assert harness.initialized() == (1000, 0)


async def successor_of(harness: Harness, epoch: int) -> Harness:
    successor = Harness(replicas=harness.replicas)
    await harness.coordinator.stop()
    successor.producer_ids = iter(range(5000, 6000))
    return await successor.started(epoch)


@in_virtual_time
async def test_a_successor_goes_on_with_an_open_transaction() -> None:
    harness = await Harness().started()
    producer = harness.ongoing(TP0, TP1)
    successor = await successor_of(harness, 7)
    assert successor.metadata_of().partitions == {TP0, TP1}
    assert successor.end(producer) is E.NONE
    await settle()
    assert successor.leaders[1].markers == [(1000, 0, True, 7, (TP0,))]
    assert successor.state() == "CompleteCommit"


@pytest.mark.parametrize("commit", [True, False])
@in_virtual_time
async def test_a_successor_finishes_what_was_decided(commit: bool) -> None:
    harness = await Harness().started()
    producer = harness.ongoing(TP0)
    harness.leaders[1].unreachable = True
    assert harness.end(producer, commit=commit) is E.NONE
    await settle()
    successor = await successor_of(harness, 1)
    await settle()
    assert successor.leaders[1].markers == [(1000, 0, commit, 1, (TP0,))]
    assert successor.logged()[-1] == ("CompleteCommit" if commit else "CompleteAbort")


@in_virtual_time
async def test_a_successor_aborts_what_takes_too_long() -> None:
    harness = await Harness().started()
    harness.ongoing(TP0)
    successor = await successor_of(harness, 1)
    await successor.pass_ms(80_000)
    assert successor.state() == "CompleteAbort"
    assert successor.initialized() == (1000, 2)


@in_virtual_time
async def test_expired_ids_stay_forgotten() -> None:
    harness = await Harness(transactional_id_expiration_ms=1).started()
    harness.initialized()
    await harness.pass_ms(3_600_001)
    successor = await successor_of(harness, 1)
    assert successor.initialized() == (5000, 0)


@in_virtual_time
async def test_what_was_being_written_when_we_resigned_is_the_successors() -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    harness.replicas.hold = True
    answer = harness.end(producer)
    harness.coordinator.on_resignation(harness.coordinator.partition_for(ID), 1)
    harness.replicas.hold = False
    await harness.replicas.release()
    assert answer.result() is E.NOT_COORDINATOR
    assert harness.leaders[1].markers == []


@in_virtual_time
async def test_a_step_of_an_earlier_term_is_not_taken_in_a_later_one() -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    partition = harness.coordinator.partition_for(ID)
    harness.replicas.hold = True
    answer = harness.end(producer)
    harness.coordinator.on_resignation(partition, 1)
    harness.coordinator.on_election(partition, 2)
    await harness.loaded()
    harness.replicas.hold = False
    await harness.replicas.release()
    assert answer.result() is E.NOT_COORDINATOR
    await settle()
    # Loaded from the log it was decided, and this term's markers say so.
    assert [marker[3] for marker in harness.leaders[1].markers] == [2]
    assert harness.state() == "CompleteCommit"


@in_virtual_time
async def test_old_news_change_nothing() -> None:
    harness = await Harness().started(epoch=5)
    harness.ongoing()
    partition = harness.coordinator.partition_for(ID)
    harness.coordinator.on_resignation(partition, 4)
    harness.coordinator.on_election(partition, 4)
    assert harness.state() == "Ongoing"


@pytest.mark.parametrize("value", [b"\x00\x00short", b"\x00\x00" + b"\x00" * 14 + b"\x09" + b"\x00" * 20])
@in_virtual_time
async def test_a_log_that_cannot_be_read_is_not_served(value: bytes) -> None:
    harness = Harness()
    partition = harness.coordinator.partition_for(ID)
    harness.replicas.log(partition).append(build_batch([(0, b"\x00\x00\x00\x03txn", value, ())]))
    harness.coordinator.start()
    harness.coordinator.on_election(partition, 0)
    await harness.loaded()
    assert every_error(harness) == {E.NOT_COORDINATOR}


@in_virtual_time
async def test_keys_of_a_later_version_are_left_alone() -> None:
    harness = Harness()
    partition = harness.coordinator.partition_for(ID)
    harness.replicas.log(partition).append(build_batch([(0, b"\x00\x09later", b"x", ())]))
    await harness.started()
    assert harness.initialized() == (1000, 0)


@in_virtual_time
async def test_a_successor_waits_to_be_told_of_the_partitions() -> None:
    harness = await Harness().started()
    producer = harness.ongoing(TP0)
    harness.leaders[1].unreachable = True
    assert harness.end(producer) is E.NONE
    successor = Harness(replicas=harness.replicas)
    await harness.coordinator.stop()
    successor.tell_metadata({"topic": [-2, -2]})
    await successor.started(1)
    await successor.pass_ms(5_000)
    assert successor.state() == "PrepareCommit"
    successor.tell_metadata({"topic": [2, 2]})
    await successor.pass_ms(200)
    assert successor.leaders[2].markers == [(1000, 0, True, 1, (TP0,))]
    assert successor.state() == "CompleteCommit"


@in_virtual_time
async def test_a_successor_gives_partitions_that_are_gone_up_in_the_end() -> None:
    harness = await Harness().started()
    producer = harness.ongoing(TP0)
    harness.leaders[1].unreachable = True
    assert harness.end(producer) is E.NONE
    successor = Harness(replicas=harness.replicas)
    await harness.coordinator.stop()
    successor.tell_metadata({"topic": [-2, -2]})
    await successor.started(1)
    await successor.pass_ms(11_000)
    assert successor.state() == "CompleteCommit"
