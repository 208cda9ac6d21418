# SPDX-License-Identifier: Apache-2.0
"""AlterPartitionManager: one request in flight, batches, versions, retries, who gets which answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from commitlog.replication.alter_partition import AlterPartitionManager, LeaderAndIsr
from commitlog.replication.inter_broker_version import InterBrokerVersion
from commitlog.replication.metadata_cache import ZERO_UUID, Endpoint, MetadataCache
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.alter_partition_request import AlterPartitionRequest
from commitlog.wire.messages.alter_partition_response import AlterPartitionResponse, PartitionData, TopicData
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataRequest,
)
from tests.replication.virtual_time import run, until

ID = b"i" * 16
STATE = LeaderAndIsr(1, 5, (1, 2), 0, 9)


def answer(request: AlterPartitionRequest, code: ErrorCode = ErrorCode.NONE) -> AlterPartitionResponse:
    return AlterPartitionResponse(
        topics=[
            TopicData(
                topic_name=topic.topic_name,
                topic_id=topic.topic_id,
                partitions=[
                    PartitionData(
                        partition_index=p.partition_index,
                        error_code=code,
                        leader_id=1,
                        leader_epoch=p.leader_epoch,
                        isr=p.new_isr or [state.broker_id for state in p.new_isr_with_epochs],
                        partition_epoch=p.partition_epoch + 1,
                    )
                    for p in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


class Controller:
    """The other side: answers when told to, or fails."""

    def __init__(self, newest: int = 3) -> None:
        self.newest = newest
        self.requests: list[tuple[AlterPartitionRequest, int]] = []
        self.connects: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer: Callable[[AlterPartitionRequest], AlterPartitionResponse] = answer
        self.failures: list[Exception] = []
        self.closed = 0

    async def connect(self, broker_id: int, endpoint: Endpoint) -> Controller:
        self.connects.append(broker_id)
        return self

    async def negotiate(self) -> dict[int, tuple[int, int]]:
        return {56: (0, self.newest)}

    async def send(self, msg: Any, version: int | None = None) -> Any:
        assert version is not None
        self.requests.append((msg, version))
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return self.answer(msg)

    def close(self) -> None:
        self.closed += 1


def metadata(controller_id: int = 0) -> MetadataCache:
    cache = MetadataCache(1)
    set_controller(cache, controller_id)
    return cache


def set_controller(cache: MetadataCache, controller_id: int) -> None:
    brokers = [
        UpdateMetadataBroker(id=b, endpoints=[UpdateMetadataEndpoint(host="h", port=1, listener="PLAINTEXT")])
        for b in (0, 1, 2)
    ]
    cache.update(UpdateMetadataRequest(controller_id=controller_id, live_brokers=brokers))


def manager(
    controller: Controller, cache: MetadataCache | None = None, ibp: str = "3.9"
) -> AlterPartitionManager:
    return AlterPartitionManager(
        broker_id=1,
        broker_epoch=lambda: 77,
        metadata=cache or metadata(),
        listener_name="PLAINTEXT",
        version=lambda: InterBrokerVersion.of(ibp),
        connect=controller.connect,
    )


def scenario(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(main())


def test_the_answer_reaches_the_partition_and_the_request_says_who_asks() -> None:
    async def main() -> None:
        controller = Controller()
        isr_changes = manager(controller)
        isr_changes.start()
        assert await isr_changes.submit("t", 0, ID, STATE) == LeaderAndIsr(1, 5, (1, 2), 0, 10)
        request, version = controller.requests[0]
        assert (request.broker_id, request.broker_epoch, version) == (1, 77, 3)
        data = request.topics[0].partitions[0]
        assert [(s.broker_id, s.broker_epoch) for s in data.new_isr_with_epochs] == [(1, -1), (2, -1)]
        assert (request.topics[0].topic_id, request.topics[0].topic_name) == (ID, "")
        assert controller.connects == [0]
        await isr_changes.stop()

    scenario(main)


@pytest.mark.parametrize(
    ("newest", "topic_id", "ibp", "expected"),
    [(3, ID, "3.9", 3), (2, ID, "3.9", 2), (3, ZERO_UUID, "3.9", 1), (3, ID, "2.7", 1), (0, ID, "3.9", 0)],
)
def test_the_version_is_negotiated_and_below_2_without_topic_ids(
    newest: int, topic_id: bytes, ibp: str, expected: int
) -> None:
    async def main() -> None:
        controller = Controller(newest)
        isr_changes = manager(controller, ibp=ibp)
        isr_changes.start()
        await isr_changes.submit("t", 0, topic_id, STATE)
        request, version = controller.requests[0]
        assert version == expected
        data = request.topics[0].partitions[0]
        assert bool(data.new_isr) == (version < 3)
        assert request.topics[0].topic_name == ("t" if version < 2 else "")
        await isr_changes.stop()

    scenario(main)


def test_one_request_in_flight_and_the_rest_in_the_next() -> None:
    async def main() -> None:
        controller = Controller()
        controller.gate.clear()
        isr_changes = manager(controller)
        isr_changes.start()
        first = isr_changes.submit("t", 0, ID, STATE)
        await until(lambda: len(controller.requests) == 1)
        others = [isr_changes.submit("t", 1, ID, STATE), isr_changes.submit("u", 0, b"u" * 16, STATE)]
        await asyncio.sleep(1)
        assert len(controller.requests) == 1
        controller.gate.set()
        await asyncio.gather(first, *others)
        assert len(controller.requests) == 2
        topics = controller.requests[1][0].topics
        assert [(t.topic_id, [p.partition_index for p in t.partitions]) for t in topics] == [
            (ID, [1]),
            (b"u" * 16, [0]),
        ]
        await isr_changes.stop()

    scenario(main)


def test_a_second_change_of_a_pending_partition_is_not_attempted() -> None:
    async def main() -> None:
        controller = Controller()
        controller.gate.clear()
        isr_changes = manager(controller)
        isr_changes.start()
        first = isr_changes.submit("t", 0, ID, STATE)
        with pytest.raises(KafkaError) as refused:
            isr_changes.submit("t", 0, ID, STATE)
        assert refused.value.code is ErrorCode.OPERATION_NOT_ATTEMPTED
        controller.gate.set()
        await first
        await isr_changes.submit("t", 0, ID, STATE)
        await isr_changes.stop()

    scenario(main)


def test_partition_errors_reach_their_partition_only() -> None:
    async def main() -> None:
        controller = Controller()
        controller.answer = lambda request: answer(request, ErrorCode.FENCED_LEADER_EPOCH)
        isr_changes = manager(controller)
        isr_changes.start()
        with pytest.raises(KafkaError) as refused:
            await isr_changes.submit("t", 0, ID, STATE)
        assert refused.value.code is ErrorCode.FENCED_LEADER_EPOCH
        await isr_changes.stop()

    scenario(main)


def test_an_error_of_a_newer_controller_is_an_unknown_one() -> None:
    async def main() -> None:
        controller = Controller()

        def refuse(request: AlterPartitionRequest) -> AlterPartitionResponse:
            response = answer(request)
            response.topics[0].partitions[0].error_code = 9999
            return response

        controller.answer = refuse
        isr_changes = manager(controller)
        isr_changes.start()
        with pytest.raises(KafkaError) as refused:
            await isr_changes.submit("t", 0, ID, STATE)
        assert refused.value.code is ErrorCode.UNKNOWN_SERVER_ERROR
        assert len(controller.requests) == 1
        await isr_changes.stop()

    scenario(main)


def test_a_broken_connection_is_opened_again_and_the_request_repeated() -> None:
    async def main() -> None:
        controller = Controller()
        controller.failures = [ConnectionError("gone"), TimeoutError("late")]
        isr_changes = manager(controller)
        isr_changes.start()
        await isr_changes.submit("t", 0, ID, STATE)
        assert len(controller.requests) == 3
        assert controller.connects == [0, 0, 0]
        assert asyncio.get_running_loop().time() == pytest.approx(0.1)
        await isr_changes.stop()

    scenario(main)


@pytest.mark.parametrize("code", [ErrorCode.NOT_CONTROLLER, ErrorCode.STALE_BROKER_EPOCH])
def test_a_top_level_error_is_retried_with_whoever_is_controller_then(code: ErrorCode) -> None:
    async def main() -> None:
        controller = Controller()
        cache = metadata()
        isr_changes = manager(controller, cache)

        def refuse_once(request: AlterPartitionRequest) -> AlterPartitionResponse:
            set_controller(cache, 2)
            controller.answer = answer
            return AlterPartitionResponse(error_code=code)

        controller.answer = refuse_once
        isr_changes.start()
        assert (await isr_changes.submit("t", 0, ID, STATE)).partition_epoch == 10
        assert controller.connects == [0, 2]
        await isr_changes.stop()

    scenario(main)


def test_without_a_controller_it_waits_for_one() -> None:
    async def main() -> None:
        controller = Controller()
        cache = metadata(-1)
        isr_changes = manager(controller, cache)
        isr_changes.start()
        change = isr_changes.submit("t", 0, ID, STATE)
        await asyncio.sleep(3)
        assert not change.done()
        assert controller.connects == []
        set_controller(cache, 2)
        await change
        assert controller.connects == [2]
        await isr_changes.stop()

    scenario(main)


def test_stopping_cancels_what_is_pending() -> None:
    async def main() -> None:
        controller = Controller()
        controller.gate.clear()
        isr_changes = manager(controller)
        isr_changes.start()
        change = isr_changes.submit("t", 0, ID, STATE)
        await until(lambda: len(controller.requests) == 1)
        await isr_changes.stop()
        assert change.cancelled()
        assert controller.closed > 0

    scenario(main)
