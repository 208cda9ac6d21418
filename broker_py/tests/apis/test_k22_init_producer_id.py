# SPDX-License-Identifier: Apache-2.0
"""InitProducerId (22), at every version."""

from __future__ import annotations

import pytest

from commitlog.apis.k22_init_producer_id import API, error_response
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.init_producer_id_request import InitProducerIdRequest
from tests.apis.group_services import versions
from tests.apis.transaction_services import TransactionBroker
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode


def request(
    transactional_id: str | None = None, producer_id: int = -1, epoch: int = -1
) -> InitProducerIdRequest:
    return InitProducerIdRequest(
        transactional_id=transactional_id,
        transaction_timeout_ms=60_000,
        producer_id=producer_id,
        producer_epoch=epoch,
    )


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_idempotent_producers_get_ids_of_their_own(version: int) -> None:
    broker = TransactionBroker()
    answers = [await broker.ask(API, request(), version) for _ in range(2)]
    assert [(answer.error_code, answer.producer_id, answer.producer_epoch) for answer in answers] == [
        (E.NONE, 1000, 0),
        (E.NONE, 1001, 0),
    ]


@pytest.mark.parametrize("version", versions(API, 3))
@in_virtual_time
async def test_present_id_and_epoch_are_not_looked_at_without_transactions(version: int) -> None:
    answer = await TransactionBroker().ask(API, request(producer_id=7, epoch=3), version)
    assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (E.NONE, 1000, 0)


@pytest.mark.parametrize(("producer_id", "epoch"), [(7, -1), (-1, 3)])
@in_virtual_time
async def test_id_and_epoch_come_together(producer_id: int, epoch: int) -> None:
    answer = await TransactionBroker().ask(API, request(producer_id=producer_id, epoch=epoch), 3)
    assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (E.INVALID_REQUEST, -1, -1)


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_a_transactional_id_at_its_coordinator(version: int) -> None:
    broker = TransactionBroker()
    answer = await broker.ask(API, request("t"), version)
    assert (answer.error_code, answer.producer_id) == (E.NOT_COORDINATOR, -1)
    await broker.started()
    for epoch in range(2):
        answer = await broker.ask(API, request("t"), version)
        assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (E.NONE, 1000, epoch)


@pytest.mark.parametrize("version", versions(API, 3))
@in_virtual_time
async def test_fenced_producers_are_told_so_as_their_version_knows_it(version: int) -> None:
    broker = await TransactionBroker().started()
    answers = [await broker.ask(API, request("t"), version) for _ in range(2)]
    assert [answer.error_code for answer in answers] == [E.NONE] * 2
    answer = await broker.ask(API, request("t", answers[0].producer_id, 0), version)
    assert answer.error_code == (E.PRODUCER_FENCED if version >= 4 else E.INVALID_PRODUCER_EPOCH)
    answer = await broker.ask(API, request("t", answers[1].producer_id, 1), version)
    assert (answer.error_code, answer.producer_epoch) == (E.NONE, 2)


@in_virtual_time
async def test_empty_transactional_id() -> None:
    assert (await TransactionBroker().ask(API, request(""), 4)).error_code == E.INVALID_REQUEST


@in_virtual_time
async def test_no_block_yet() -> None:
    broker = TransactionBroker()
    broker.transactions.no_producer_id = E.COORDINATOR_LOAD_IN_PROGRESS
    answer = await broker.ask(API, request(), 4)
    assert (answer.error_code, answer.producer_id) == (E.COORDINATOR_LOAD_IN_PROGRESS, -1)


def test_error_of_the_whole_request() -> None:
    answer = error_response(request(), E.UNKNOWN_SERVER_ERROR, None)
    assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (E.UNKNOWN_SERVER_ERROR, -1, -1)
