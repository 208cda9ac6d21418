# SPDX-License-Identifier: Apache-2.0
"""What each request is answered in each state, and what the log has afterwards."""

from __future__ import annotations

import asyncio

import pytest

from commitlog.transactions.coordinator import ProducerIdAndEpoch
from commitlog.transactions.metadata import MAX_EPOCH, TransactionState
from commitlog.wire.errors import ErrorCode
from tests.groups.harness import settle
from tests.groups.virtual_loop import in_virtual_time
from tests.transactions.harness import ID, TIMEOUT_MS, TP0, TP1, Harness

E = ErrorCode


async def in_state(state: str) -> tuple[Harness, tuple[int, int]]:
    """A producer's id in that state, stable but for the Prepare ones: there the markers do not arrive."""
    harness = await Harness().started()
    if state == "unknown":
        return harness, (1000, 0)
    if state == "Empty":
        return harness, harness.initialized()
    producer = harness.ongoing()
    if state != "Ongoing":
        if state.startswith("Prepare"):
            harness.leaders[1].unreachable = True
        assert harness.end(producer, commit=state.endswith("Commit")) is E.NONE
        await settle()
    assert harness.state() == state
    return harness, producer


# state: InitProducerId, AddPartitions, commit, abort, verify
MATRIX = {
    "unknown": (E.NONE, *[E.INVALID_PRODUCER_ID_MAPPING] * 4),
    "Empty": (E.NONE, E.NONE, E.INVALID_TXN_STATE, E.INVALID_TXN_STATE, E.TRANSACTION_ABORTABLE),
    "Ongoing": (E.CONCURRENT_TRANSACTIONS, E.NONE, E.NONE, E.NONE, E.NONE),
    "PrepareCommit": (E.CONCURRENT_TRANSACTIONS,) * 5,
    "PrepareAbort": (E.CONCURRENT_TRANSACTIONS,) * 5,
    "CompleteCommit": (E.NONE, E.NONE, E.NONE, E.INVALID_TXN_STATE, E.TRANSACTION_ABORTABLE),
    "CompleteAbort": (E.NONE, E.NONE, E.INVALID_TXN_STATE, E.NONE, E.TRANSACTION_ABORTABLE),
}


@pytest.mark.parametrize("state", MATRIX)
@pytest.mark.parametrize("request_", ["init", "add", "commit", "abort", "verify"])
@in_virtual_time
async def test_every_request_in_every_state(state: str, request_: str) -> None:
    harness, producer = await in_state(state)
    expected = dict(zip(["init", "add", "commit", "abort", "verify"], MATRIX[state], strict=True))[request_]
    match request_:
        case "init":
            assert harness.init().error is expected
        case "add":
            assert harness.add(producer) is expected
        case "commit":
            assert harness.end(producer) is expected
        case "abort":
            assert harness.end(producer, commit=False) is expected
        case "verify":
            assert harness.verify(producer) == {TP0: expected}


@pytest.mark.parametrize("request_", ["add", "end", "verify"])
@pytest.mark.parametrize(
    ("producer", "error"),
    [
        ((999, 0), E.INVALID_PRODUCER_ID_MAPPING),
        ((1000, 1), E.PRODUCER_FENCED),
        ((1000, -1), E.PRODUCER_FENCED),
    ],
)
@in_virtual_time
async def test_another_producer_or_epoch(request_: str, producer: tuple[int, int], error: ErrorCode) -> None:
    harness = await Harness().started()
    assert harness.ongoing() == (1000, 0)
    match request_:
        case "add":
            assert harness.add(producer) is error
        case "end":
            assert harness.end(producer) is error
        case "verify":
            assert harness.verify(producer) == {TP0: error}
    assert harness.state() == "Ongoing"


@in_virtual_time
async def test_the_empty_id_and_bad_timeouts() -> None:
    harness = await Harness().started()
    assert harness.init(name="").error is E.INVALID_REQUEST
    assert harness.add((1, 1), name="") is E.INVALID_REQUEST
    assert harness.end((1, 1), name="") is E.INVALID_REQUEST
    assert harness.verify((1, 1), name="") == {TP0: E.INVALID_REQUEST}
    for timeout_ms in (0, -1, 900_001):
        assert harness.init(timeout_ms=timeout_ms).error is E.INVALID_TRANSACTION_TIMEOUT
    assert harness.init(timeout_ms=900_000).error is E.NONE


@in_virtual_time
async def test_without_a_transactional_id_any_broker_answers() -> None:
    harness = Harness()
    assert harness.init(name=None) == ProducerIdAndEpoch(1000, 0)
    harness.no_producer_id = E.COORDINATOR_LOAD_IN_PROGRESS
    assert harness.init(name=None).error is E.COORDINATOR_LOAD_IN_PROGRESS


@in_virtual_time
async def test_no_producer_id_leaves_nothing_behind() -> None:
    harness = await Harness().started()
    harness.no_producer_id = E.COORDINATOR_LOAD_IN_PROGRESS
    assert harness.init().error is E.COORDINATOR_LOAD_IN_PROGRESS
    harness.no_producer_id = None
    assert harness.initialized() == (1000, 0)


# -- epochs


@in_virtual_time
async def test_every_init_raises_the_epoch() -> None:
    harness = await Harness().started()
    assert [harness.initialized() for _ in range(3)] == [(1000, 0), (1000, 1), (1000, 2)]
    assert harness.logged() == ["Empty"] * 3


@in_virtual_time
async def test_a_producer_that_names_its_epoch_keeps_it_only_while_it_is_the_latest() -> None:
    harness = await Harness().started()
    first = harness.initialized()
    assert harness.initialized(first) == (1000, 1)
    assert harness.initialized(first) == (1000, 1)  # the answer was lost: the same again
    assert harness.initialized() == (1000, 2)  # another producer
    assert harness.init(first).error is E.PRODUCER_FENCED
    assert harness.init((1000, 1)).error is E.PRODUCER_FENCED
    assert harness.init((7, 2)).error is E.PRODUCER_FENCED


@in_virtual_time
async def test_a_new_producer_id_when_the_epochs_are_used_up() -> None:
    harness = await Harness().started()
    harness.initialized()
    harness.metadata_of().producer_epoch = MAX_EPOCH - 1
    old = (1000, MAX_EPOCH - 1)
    assert harness.initialized(old) == (1001, 0)
    assert harness.initialized(old) == (1001, 0)  # the answer was lost
    harness.metadata_of().producer_epoch = MAX_EPOCH - 1
    assert harness.initialized() == (1002, 0)
    assert harness.init((1001, MAX_EPOCH - 1)).error is E.PRODUCER_FENCED


@in_virtual_time
async def test_init_during_a_transaction_aborts_it_under_the_next_epoch() -> None:
    harness = await Harness().started()
    zombie = harness.ongoing(TP0, TP1)
    assert harness.init().error is E.CONCURRENT_TRANSACTIONS
    assert harness.end(zombie) is E.PRODUCER_FENCED
    await settle()
    assert harness.state() == "CompleteAbort"
    assert harness.leaders[1].markers == [(1000, 1, False, 0, (TP0,))]
    assert harness.leaders[2].markers == [(1000, 1, False, 0, (TP1,))]
    assert harness.initialized() == (1000, 2)


@in_virtual_time
async def test_a_fence_that_cannot_be_written_takes_one_epoch_only() -> None:
    harness = await Harness().started()
    harness.ongoing()
    harness.replicas.error = E.NOT_ENOUGH_REPLICAS
    for _ in range(3):
        assert harness.init().error is E.COORDINATOR_NOT_AVAILABLE
        assert harness.metadata_of().producer_epoch == 1
    harness.replicas.error = E.NONE
    assert harness.init().error is E.CONCURRENT_TRANSACTIONS
    await settle()
    assert harness.initialized() == (1000, 2)


# -- what is pending


@in_virtual_time
async def test_while_a_step_is_being_written_no_other_begins() -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    harness.replicas.hold = True
    ending = harness.end(producer)
    assert not ending.done()
    assert harness.init().error is E.CONCURRENT_TRANSACTIONS
    assert harness.add(producer, TP1) is E.CONCURRENT_TRANSACTIONS
    assert harness.end(producer) is E.CONCURRENT_TRANSACTIONS
    assert harness.state() == "Ongoing"
    harness.replicas.hold = False
    await harness.replicas.release()
    assert ending.result() is E.NONE
    assert harness.state() == "CompleteCommit"


LOG_ERRORS = {
    E.NOT_ENOUGH_REPLICAS: E.COORDINATOR_NOT_AVAILABLE,
    E.NOT_ENOUGH_REPLICAS_AFTER_APPEND: E.COORDINATOR_NOT_AVAILABLE,
    E.UNKNOWN_TOPIC_OR_PARTITION: E.COORDINATOR_NOT_AVAILABLE,
    E.REQUEST_TIMED_OUT: E.COORDINATOR_NOT_AVAILABLE,
    E.NOT_LEADER_OR_FOLLOWER: E.NOT_COORDINATOR,
    E.KAFKA_STORAGE_ERROR: E.NOT_COORDINATOR,
    E.MESSAGE_TOO_LARGE: E.UNKNOWN_SERVER_ERROR,
    E.RECORD_LIST_TOO_LARGE: E.UNKNOWN_SERVER_ERROR,
    E.CORRUPT_MESSAGE: E.CORRUPT_MESSAGE,
}


@pytest.mark.parametrize(("error", "told"), LOG_ERRORS.items())
@in_virtual_time
async def test_errors_of_the_log(error: ErrorCode, told: ErrorCode) -> None:
    harness = await Harness().started()
    producer = harness.initialized()
    harness.replicas.error = error
    assert harness.init().error is told
    assert harness.add(producer) is told
    harness.replicas.error = E.NONE
    assert harness.state() == "Empty"
    assert harness.add(producer) is E.NONE  # nothing is pending
    harness.replicas.error = error
    assert harness.end(producer) is told
    assert harness.state() == "Ongoing"
    harness.replicas.error = E.NONE
    assert harness.end(producer) is E.NONE


@in_virtual_time
async def test_a_client_that_goes_away_does_not_stop_what_it_began() -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    harness.replicas.hold = True
    answer: asyncio.Future[ErrorCode] = harness.end(producer)
    answer.cancel()
    harness.replicas.hold = False
    await harness.replicas.release()
    assert harness.state() == "CompleteCommit"


@in_virtual_time
async def test_partitions_that_are_known_already_are_not_written_again() -> None:
    harness = await Harness().started()
    producer = harness.ongoing(TP0, TP1)
    before = harness.logged()
    assert harness.add(producer, TP1) is E.NONE
    assert harness.logged() == before
    assert harness.add(producer, TP1, ("__consumer_offsets", 0)) is E.NONE
    assert harness.metadata_of().partitions == {TP0, TP1, ("__consumer_offsets", 0)}


@in_virtual_time
async def test_the_log_tells_the_whole_story() -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    assert harness.end(producer) is E.NONE
    await settle()
    assert harness.add(producer) is E.NONE
    assert harness.end(producer, commit=False) is E.NONE
    await settle()
    assert harness.logged() == [
        "Empty",
        "Ongoing",
        "PrepareCommit",
        "CompleteCommit",
        "Ongoing",
        "PrepareAbort",
        "CompleteAbort",
    ]


# -- time


@in_virtual_time
async def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() -> None:
    harness = await Harness().started()
    producer = harness.ongoing()
    await harness.pass_ms(TIMEOUT_MS)
    assert harness.state() == "Ongoing"
    await harness.pass_ms(10_001)
    assert harness.state() == "CompleteAbort"
    assert harness.end(producer) is E.PRODUCER_FENCED
    assert harness.add(producer) is E.PRODUCER_FENCED
    assert harness.init(producer).error is E.PRODUCER_FENCED
    assert harness.initialized() == (1000, 2)


@in_virtual_time
async def test_time_counts_from_the_first_partition_on() -> None:
    harness = await Harness().started()
    producer = harness.initialized()
    await harness.pass_ms(5 * TIMEOUT_MS)
    assert harness.state() == "Empty"
    assert harness.add(producer) is E.NONE
    await harness.pass_ms(TIMEOUT_MS - 20_000)
    assert harness.add(producer, TP1) is E.NONE  # does not begin anew
    await harness.pass_ms(40_000)
    assert harness.state() == "CompleteAbort"


@in_virtual_time
async def test_unused_ids_are_forgotten() -> None:
    harness = await Harness(transactional_id_expiration_ms=7_200_000).started()
    harness.initialized(name="idle")
    busy = harness.initialized(name="busy")
    await harness.pass_ms(3_600_000)
    assert harness.add(busy, name="busy") is E.NONE
    assert harness.end(busy, name="busy") is E.NONE
    await harness.pass_ms(3_600_001)
    assert harness.coordinator.cache.find("idle")[1] is None
    assert harness.logged("idle") == ["Empty", None]
    assert harness.state("busy") == "CompleteCommit"


@in_virtual_time
async def test_an_id_is_not_forgotten_while_its_transaction_is_open() -> None:
    harness = await Harness(transactional_id_expiration_ms=1, transaction_max_timeout_ms=2**31 - 1).started()
    answer = harness.init(timeout_ms=2**31 - 1)
    assert harness.add((answer.producer_id, answer.epoch)) is E.NONE
    await harness.pass_ms(4_000_000)
    assert harness.state() == "Ongoing"


@in_virtual_time
async def test_an_expiration_that_cannot_be_written_leaves_the_id_usable() -> None:
    harness = await Harness(transactional_id_expiration_ms=1).started()
    harness.initialized()
    harness.replicas.error = E.NOT_ENOUGH_REPLICAS
    await harness.pass_ms(3_600_001)
    harness.replicas.error = E.NONE
    assert harness.metadata_of().pending is None
    assert harness.initialized() == (1000, 1)


@in_virtual_time
async def test_an_id_that_is_being_forgotten_begins_nothing() -> None:
    harness = await Harness(transactional_id_expiration_ms=1).started()
    producer = harness.initialized()
    harness.replicas.hold = True
    await harness.pass_ms(3_600_001)
    assert harness.metadata_of().pending is TransactionState.DEAD
    assert harness.add(producer) is E.CONCURRENT_TRANSACTIONS
    assert harness.init().error is E.CONCURRENT_TRANSACTIONS
    harness.replicas.hold = False
    await harness.replicas.release()
    assert harness.coordinator.cache.find(ID)[1] is None
