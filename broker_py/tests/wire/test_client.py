# SPDX-License-Identifier: Apache-2.0
"""The connection to a broker, against a server that answers as the test says, on loopback."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from commitlog.wire.client import BrokerConnection
from commitlog.wire.codec import EncodeError
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.frames import decode_request, decode_request_header, encode_response
from commitlog.wire.message import Request
from commitlog.wire.messages.api_versions_request import ApiVersionsRequest
from commitlog.wire.messages.api_versions_response import ApiVersion, ApiVersionsResponse
from commitlog.wire.messages.fetch_request import FetchRequest
from commitlog.wire.messages.fetch_response import FetchableTopicResponse, FetchResponse, PartitionData
from commitlog.wire.messages.find_coordinator_request import FindCoordinatorRequest
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.heartbeat_response import HeartbeatResponse


class FakeBroker:
    """Takes requests down, and answers with what `answer` gives: bytes at once, None never."""

    def __init__(self) -> None:
        self.answer: Callable[[int, int, Request[Any]], bytes | None] = lambda *_: None
        self.seen: list[tuple[int, Request[Any]]] = []
        self.arrived = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while True:
            try:
                frame = memoryview(
                    await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
                )
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            header = decode_request_header(frame)
            request = decode_request(header, frame)
            self.seen.append((header.api_version, request))
            self.arrived.set()
            answer = self.answer(header.correlation_id, header.api_version, request)
            if answer is not None:
                writer.write(answer)


@asynccontextmanager
async def broker() -> AsyncIterator[FakeBroker]:
    fake = FakeBroker()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        for writer in fake.writers:
            writer.close()


async def connect(fake: FakeBroker, **options: Any) -> BrokerConnection:
    return await BrokerConnection.open("127.0.0.1", fake.port, "tester", **options)


def whole(response: Any, version: int, correlation_id: int) -> bytes:
    return b"".join(
        part for part in encode_response(response, version, correlation_id) if isinstance(part, bytes)
    )


def heartbeats(correlation_id: int, version: int, request: Request[Any]) -> bytes:
    if isinstance(request, ApiVersionsRequest):
        listed = ApiVersionsResponse(
            api_keys=[ApiVersion(18, 0, 3), ApiVersion(12, 0, 2), ApiVersion(0, 0, 11)]
        )
        if version > 3:
            listed.error_code = ErrorCode.UNSUPPORTED_VERSION
            return whole(listed, 0, correlation_id)
        return whole(listed, version, correlation_id)
    assert isinstance(request, HeartbeatRequest)
    return whole(HeartbeatResponse(throttle_time_ms=request.generation_id), version, correlation_id)


async def test_versions_are_asked_for_once_and_the_highest_common_one_is_used() -> None:
    async with broker() as fake:
        fake.answer = heartbeats
        connection = await connect(fake)
        sent = (connection.send(HeartbeatRequest(generation_id=number)) for number in range(3))
        assert [r.throttle_time_ms for r in await asyncio.gather(*sent)] == [0, 1, 2]
        asked = [(version, type(request)) for version, request in fake.seen]
        assert asked == [(4, ApiVersionsRequest), (3, ApiVersionsRequest), *[(2, HeartbeatRequest)] * 3]
        assert connection.api_versions == {18: (0, 3), 12: (0, 2), 0: (0, 11)}
        with pytest.raises(KafkaError) as caught:
            await connection.send(FindCoordinatorRequest())
        assert caught.value.code is ErrorCode.UNSUPPORTED_VERSION
        assert not connection.closed
        connection.close()


async def test_answers_find_their_request_in_any_order() -> None:
    async with broker() as fake:
        held: list[bytes] = []

        def hold(correlation_id: int, version: int, request: Request[Any]) -> bytes | None:
            held.append(heartbeats(correlation_id, version, request))
            return b"".join(reversed(held)) if len(held) == 3 else None

        fake.answer = hold
        connection = await connect(fake)
        sent = (connection.send(HeartbeatRequest(generation_id=number), 1) for number in range(3))
        assert [r.throttle_time_ms for r in await asyncio.gather(*sent)] == [0, 1, 2]
        connection.close()


@pytest.mark.parametrize("size", [1, 65_000, 65_530, 65_536, 200_000])
async def test_a_response_larger_than_the_scratch_buffer_between_small_ones(size: int) -> None:
    async with broker() as fake:

        def answer(correlation_id: int, version: int, request: Request[Any]) -> bytes:
            if isinstance(request, HeartbeatRequest):
                return heartbeats(correlation_id, version, request)
            records = (b"%07d." % size * (size // 8 + 1))[:size]
            partitions = [PartitionData(records=records)]
            response = FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=partitions)])
            return whole(response, version, correlation_id)

        fake.answer = answer
        connection = await connect(fake)
        sent: list[Any] = []
        for number in range(3):
            sent += [
                connection.send(HeartbeatRequest(generation_id=number), 1),
                connection.send(FetchRequest(), 4),
            ]
        answers = await asyncio.gather(*sent)
        assert [found.throttle_time_ms for found in answers[::2]] == [0, 1, 2]
        for found in answers[1::2]:
            records = found.responses[0].partitions[0].records
            assert bytes(records) == (b"%07d." % size * (size // 8 + 1))[:size]
        connection.close()


async def test_records_stay_what_they_are_while_somebody_holds_them() -> None:
    """The buffer of a large response is used again, but for the next response only when it is free."""
    async with broker() as fake:
        fills = iter(range(100))

        def answer(correlation_id: int, version: int, request: Request[Any]) -> bytes:
            records = bytes([next(fills)]) * 300_000
            partitions = [PartitionData(records=records)]
            response = FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=partitions)])
            return whole(response, version, correlation_id)

        fake.answer = answer
        connection = await connect(fake)

        async def records() -> memoryview:
            found = (await connection.send(FetchRequest(), 4)).responses[0].partitions[0].records
            assert isinstance(found, memoryview)
            return found

        held = [await records() for _ in range(3)]
        assert [set(one) for one in held] == [{0}, {1}, {2}]
        await records()
        assert [set(one) for one in held] == [{0}, {1}, {2}]
        del held
        buffers = {id((await records()).obj) for _ in range(3)}
        assert len(buffers) == 1
        connection.close()


async def test_bytes_that_come_one_by_one() -> None:
    async with broker() as fake:
        connection = await connect(fake)
        answer = asyncio.ensure_future(connection.send(HeartbeatRequest(generation_id=5), 1))
        await fake.arrived.wait()
        for byte in heartbeats(0, 1, HeartbeatRequest(generation_id=5)):
            fake.writers[0].write(bytes([byte]))
            await fake.writers[0].drain()
            await asyncio.sleep(0)
        assert (await answer).throttle_time_ms == 5
        connection.close()


async def test_no_answer_in_time_fails_all_and_closes() -> None:
    async with broker() as fake:
        connection = await connect(fake, request_timeout_ms=60_000)
        slow = asyncio.ensure_future(connection.send(HeartbeatRequest(), 1))
        with pytest.raises(TimeoutError, match=r"HeartbeatRequest to 127.0.0.1:.* within 20 ms"):
            await connection.send(HeartbeatRequest(), 1, timeout_ms=20)
        with pytest.raises(TimeoutError):
            await slow
        assert connection.closed
        with pytest.raises(ConnectionError):
            await connection.send(HeartbeatRequest(), 1)


async def test_the_broker_hangs_up() -> None:
    async with broker() as fake:
        connection = await connect(fake)
        waiting = asyncio.ensure_future(connection.send(HeartbeatRequest(), 1))
        await fake.arrived.wait()
        fake.writers[0].close()
        with pytest.raises(ConnectionError):
            await waiting
        assert connection.closed


async def test_close_fails_what_is_in_flight() -> None:
    async with broker() as fake:
        connection = await connect(fake)
        waiting = asyncio.ensure_future(connection.send(HeartbeatRequest(), 1))
        await fake.arrived.wait()
        connection.close()
        connection.close()
        with pytest.raises(ConnectionError):
            await waiting


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"\x7f\xff\xff\xff", "2147483647 bytes"),
        (b"\xff\xff\xff\xff", "-1 bytes"),
        (b"\0\0\0\x03abc", "3 bytes"),
        (b"\0\0\0\x04\0\0\0\x63", "correlation id 99"),
        (b"\0\0\0\x05\0\0\0\0\0", "HeartbeatResponse v1"),
    ],
)
async def test_an_answer_that_cannot_be_read_closes_the_connection(answer: bytes, complaint: str) -> None:
    async with broker() as fake:
        fake.answer = lambda *_: answer
        connection = await connect(fake, max_response_bytes=1000)
        with pytest.raises(ConnectionError, match=complaint):
            await connection.send(HeartbeatRequest(), 1)
        assert connection.closed


async def test_a_request_that_cannot_be_written_harms_nobody() -> None:
    async with broker() as fake:
        fake.answer = heartbeats
        connection = await connect(fake)
        with pytest.raises(EncodeError):
            await connection.send(HeartbeatRequest(generation_id=2**40), 1)
        assert (await connection.send(HeartbeatRequest(generation_id=1), 1)).throttle_time_ms == 1
        connection.close()


async def test_a_cancelled_request_leaves_the_others_alone() -> None:
    async with broker() as fake:
        connection = await connect(fake)
        first = asyncio.ensure_future(connection.send(HeartbeatRequest(generation_id=1), 1))
        await fake.arrived.wait()
        first.cancel()
        fake.answer = lambda c, v, r: heartbeats(0, v, r) + heartbeats(c, v, r)
        assert (await connection.send(HeartbeatRequest(generation_id=2), 1)).throttle_time_ms == 2
        connection.close()


async def test_nobody_listens() -> None:
    async with broker() as fake:
        pass
    with pytest.raises(ConnectionError):
        await connect(fake)


def test_a_negotiation_whose_caller_went_away_fails_quietly() -> None:
    complaints: list[str] = []

    async def main() -> None:
        handler = lambda _, context: complaints.append(context["message"])  # noqa: E731
        asyncio.get_running_loop().set_exception_handler(handler)
        async with broker() as fake:
            connection = await connect(fake)
            caller = asyncio.ensure_future(connection.negotiate())
            await fake.arrived.wait()
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
            connection.close()
            del connection, caller
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    assert "Task exception was never retrieved" not in complaints
