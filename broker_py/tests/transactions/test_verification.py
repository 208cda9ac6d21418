# SPDX-License-Identifier: Apache-2.0
"""Who is asked whether a partition is in a transaction, and what the answer means to the client (KIP-890)."""

from __future__ import annotations

from typing import Any, cast

import pytest

from commitlog.storage.producer_state import ProducerStates
from commitlog.transactions.verification import TransactionVerifier, Verification
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.add_partitions_to_txn_request import AddPartitionsToTxnRequest
from commitlog.wire.messages.add_partitions_to_txn_response import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
)
from tests.groups.virtual_loop import in_virtual_time
from tests.transactions.harness import ID, PARTITIONS, TP0, TP1, Harness

E = ErrorCode
PRODUCER = (1000, 0)


class Fellow:
    """Broker 2, the coordinator."""

    def __init__(self, answer: ErrorCode | Exception | AddPartitionsToTxnResponse) -> None:
        self.answer = answer
        self.asked: list[AddPartitionsToTxnRequest] = []
        self.connects = 0

    async def connect(self, broker_id: int, endpoint: object) -> Any:
        assert broker_id == 2
        self.connects += 1
        return self

    async def send(self, request: AddPartitionsToTxnRequest, version: int | None = None) -> Any:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, AddPartitionsToTxnResponse):
            return self.answer
        result = AddPartitionsToTxnPartitionResult(partition_index=0, partition_error_code=self.answer)
        topic = AddPartitionsToTxnTopicResult(name="topic", results_by_partition=[result])
        transaction = AddPartitionsToTxnResult(transactional_id=ID, topic_results=[topic])
        return AddPartitionsToTxnResponse(results_by_transaction=[transaction])

    def close(self) -> None:
        pass


async def harness_led_by(leader: int, fellow: Fellow | None = None) -> tuple[Harness, TransactionVerifier]:
    harness = await Harness().started()
    harness.tell_metadata({"__transaction_state": [leader] * PARTITIONS})
    connect = cast(Any, None if fellow is None else fellow.connect)
    return harness, TransactionVerifier(harness.config, harness.coordinator, harness.metadata, connect)


async def verify(verifier: TransactionVerifier, *, knows_abortable: bool = True) -> ErrorCode:
    return (await verifier.verify(ID, *PRODUCER, [TP0], knows_abortable=knows_abortable))[TP0]


@in_virtual_time
async def test_a_coordinator_here_is_asked_directly() -> None:
    harness, verifier = await harness_led_by(1)
    assert await verify(verifier) is E.INVALID_PRODUCER_ID_MAPPING
    assert harness.ongoing(TP1) == PRODUCER
    assert await verify(verifier) is E.TRANSACTION_ABORTABLE
    assert await verify(verifier, knows_abortable=False) is E.INVALID_TXN_STATE
    assert harness.add(PRODUCER, TP0) is E.NONE
    assert await verify(verifier) is E.NONE


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (E.NONE, E.NONE),
        (E.TRANSACTION_ABORTABLE, E.TRANSACTION_ABORTABLE),
        (E.PRODUCER_FENCED, E.INVALID_PRODUCER_EPOCH),
        (E.CONCURRENT_TRANSACTIONS, E.CONCURRENT_TRANSACTIONS),
        (ConnectionError("gone"), E.NETWORK_EXCEPTION),
        (TimeoutError("late"), E.NETWORK_EXCEPTION),
        (KafkaError(E.UNSUPPORTED_VERSION), E.NONE),
        (AddPartitionsToTxnResponse(error_code=E.CLUSTER_AUTHORIZATION_FAILED), E.INVALID_TXN_STATE),
        (AddPartitionsToTxnResponse(error_code=E.UNKNOWN_SERVER_ERROR), E.UNKNOWN_SERVER_ERROR),
        (AddPartitionsToTxnResponse(), E.UNKNOWN_SERVER_ERROR),
    ],
)
@in_virtual_time
async def test_a_coordinator_elsewhere(answer: Any, error: ErrorCode) -> None:
    fellow = Fellow(answer)
    _, verifier = await harness_led_by(2, fellow)
    assert await verify(verifier) is error
    ((transaction,),) = [request.transactions for request in fellow.asked]
    assert transaction.verify_only
    assert (transaction.transactional_id, transaction.producer_id, transaction.producer_epoch) == (
        ID,
        *PRODUCER,
    )
    assert [(topic.name, topic.partitions) for topic in transaction.topics] == [("topic", [0])]


@in_virtual_time
async def test_one_connection_until_it_breaks() -> None:
    fellow = Fellow(E.NONE)
    _, verifier = await harness_led_by(2, fellow)
    assert [await verify(verifier) for _ in range(3)] == [E.NONE] * 3
    assert fellow.connects == 1
    fellow.answer = ConnectionError("gone")
    assert await verify(verifier) is E.NETWORK_EXCEPTION
    fellow.answer = E.NONE
    assert await verify(verifier) is E.NONE
    assert fellow.connects == 2


@in_virtual_time
async def test_no_coordinator() -> None:
    harness, verifier = await harness_led_by(2)
    harness.tell_metadata({}, alive=(1,))
    assert await verify(verifier) is E.COORDINATOR_NOT_AVAILABLE
    harness.tell_metadata({"__transaction_state": [-2] * PARTITIONS})
    assert await verify(verifier) is E.COORDINATOR_NOT_AVAILABLE


def test_a_guard_of_a_producer_that_never_writes_goes() -> None:
    states = ProducerStates("t-0", 1_000)
    verification = Verification.begin(TP0, states, *PRODUCER)
    assert verification is not None
    states.remove_expired(0)
    assert verification.still_holds()
    states.remove_expired(0)
    assert not verification.still_holds()
