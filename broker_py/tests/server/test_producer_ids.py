# SPDX-License-Identifier: Apache-2.0
"""Producer ids come from blocks, never twice, and are asked for before they run out."""

from __future__ import annotations

import asyncio

import pytest

from commitlog.server.producer_ids import ProducerIdManager
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.allocate_producer_ids_request import AllocateProducerIdsRequest
from commitlog.wire.messages.allocate_producer_ids_response import AllocateProducerIdsResponse
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode


class Controller:
    """Answers with blocks, or with what the test says."""

    def __init__(self) -> None:
        self.next = 0
        self.requests: list[AllocateProducerIdsRequest] = []
        self.answers: list[AllocateProducerIdsResponse | Exception] = []

    async def allocate(self, request: AllocateProducerIdsRequest) -> AllocateProducerIdsResponse:
        self.requests.append(request)
        await asyncio.sleep(0.01)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        self.next += 1000
        return AllocateProducerIdsResponse(producer_id_start=self.next - 1000, producer_id_len=1000)


def make() -> tuple[ProducerIdManager, Controller]:
    controller = Controller()
    return ProducerIdManager(1, lambda: 77, controller.allocate), controller


def refused(ids: ProducerIdManager) -> bool:
    with pytest.raises(KafkaError) as caught:
        ids.next_id()
    return caught.value.code is E.COORDINATOR_LOAD_IN_PROGRESS


@in_virtual_time
async def test_first_caller_comes_again() -> None:
    ids, controller = make()
    assert refused(ids)
    assert refused(ids)
    await asyncio.sleep(1)
    assert [ids.next_id() for _ in range(3)] == [0, 1, 2]
    assert [(each.broker_id, each.broker_epoch) for each in controller.requests] == [(1, 77)]


@in_virtual_time
async def test_next_block_is_there_before_the_first_is_used_up() -> None:
    ids, controller = make()
    assert refused(ids)
    await asyncio.sleep(1)
    assert [ids.next_id() for _ in range(900)] == list(range(900))
    assert len(controller.requests) == 1
    ids.next_id()
    await asyncio.sleep(1)
    assert len(controller.requests) == 2
    assert [ids.next_id() for _ in range(200)] == list(range(901, 1101))


@in_virtual_time
async def test_without_a_next_block_the_caller_comes_again() -> None:
    ids, controller = make()
    assert refused(ids)
    await asyncio.sleep(1)
    for _ in range(1000):
        ids.next_id()
    assert refused(ids)
    await asyncio.sleep(1)
    assert ids.next_id() == 1000
    assert len(controller.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        AllocateProducerIdsResponse(error_code=E.STALE_BROKER_EPOCH),
        AllocateProducerIdsResponse(error_code=E.BROKER_ID_NOT_REGISTERED),
        AllocateProducerIdsResponse(error_code=E.NOT_CONTROLLER),
        AllocateProducerIdsResponse(producer_id_start=-5, producer_id_len=1000),
        AllocateProducerIdsResponse(producer_id_start=5, producer_id_len=0),
        AllocateProducerIdsResponse(producer_id_start=(1 << 63) - 10, producer_id_len=1000),
        ConnectionError("no controller is known"),
        TimeoutError(),
    ],
)
@in_virtual_time
async def test_failure_is_retried_after_a_pause(answer: AllocateProducerIdsResponse | Exception) -> None:
    ids, controller = make()
    controller.answers = [answer]
    assert refused(ids)
    await asyncio.sleep(0.02)
    assert refused(ids)
    assert len(controller.requests) == 1, "not within the backoff of 50 ms"
    await asyncio.sleep(0.06)
    assert refused(ids)
    await asyncio.sleep(0.02)
    assert ids.next_id() == 0


@in_virtual_time
async def test_block_that_would_repeat_ids_is_refused() -> None:
    ids, controller = make()
    assert refused(ids)
    await asyncio.sleep(1)
    controller.answers = [AllocateProducerIdsResponse(producer_id_start=0, producer_id_len=1000)]
    taken = [ids.next_id() for _ in range(1000)]
    await asyncio.sleep(1)
    assert refused(ids)
    await asyncio.sleep(1)
    taken.append(ids.next_id())
    assert len(set(taken)) == 1001


@in_virtual_time
async def test_stop_ends_the_request() -> None:
    ids, _ = make()
    assert refused(ids)
    await asyncio.sleep(0)
    await ids.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
