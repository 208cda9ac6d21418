# SPDX-License-Identifier: Apache-2.0
"""Requests over a real socket to handlers, and what becomes of those that cannot be answered."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from commitlog.apis import k00_produce
from commitlog.apis.registry import Api, served_apis
from commitlog.apis.services import RequestContext, Services
from commitlog.security.principal import ANONYMOUS
from commitlog.server.connection_quotas import ConnectionLimits, ConnectionQuotas
from commitlog.server.dispatch import Dispatcher
from commitlog.server.listener import SocketListener
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.frames import decode_response, encode_request
from commitlog.wire.messages.api_versions_request import ApiVersionsRequest
from commitlog.wire.messages.api_versions_response import ApiVersionsResponse
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.heartbeat_response import HeartbeatResponse
from commitlog.wire.messages.produce_request import ProduceRequest
from tests.apis.controller_services import no_quotas

Client = Callable[[int], Awaitable[None]]


def serve(client: Client, apis: dict[int, Api] | None = None) -> None:
    """Run ``client(port)`` against a listener with these APIs."""

    async def main() -> None:
        limits = ConnectionLimits(max_connections=10, max_connections_per_ip=10)
        quotas = ConnectionQuotas(limits, lambda: 0)
        dispatcher = Dispatcher(cast(Services, SimpleNamespace(quotas=no_quotas())), apis)
        listener = SocketListener("PLAINTEXT", "127.0.0.1", 0, dispatcher, quotas)
        await listener.bind()
        listener.start()
        try:
            await asyncio.wait_for(client(listener.port), 20)
        finally:
            await listener.stop()

    asyncio.run(main())


async def exchange(port: int, data: bytes) -> bytes:
    """Send bytes, then half-close: everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    size = await reader.read(4)
    if not size:
        writer.close()
        return b""
    answer = await reader.readexactly(*struct.unpack(">i", size))
    writer.close()
    return answer


def heartbeat_api(handle: Callable[..., Any]) -> dict[int, Api]:
    return {12: Api(ApiKey.HEARTBEAT, 0, 4, handle)}


def with_connection(apis: dict[int, Api], client: Callable[[BrokerConnection], Awaitable[None]]) -> None:
    async def run(port: int) -> None:
        connection = await BrokerConnection.open("127.0.0.1", port, "test")
        try:
            await client(connection)
        finally:
            connection.close()

    serve(run, apis)


@pytest.mark.parametrize("version", range(5))
def test_api_versions_lists_exactly_what_is_served(version: int) -> None:
    async def client(port: int) -> None:
        connection = await BrokerConnection.open("127.0.0.1", port, "test")
        request = ApiVersionsRequest(client_software_name="commitlog", client_software_version="0.1.0")
        response = await connection.send(request, version)
        assert response.error_code == ErrorCode.NONE
        listed = {one.api_key: (one.min_version, one.max_version) for one in response.api_keys}
        assert listed == {key: (api.min_version, api.max_version) for key, api in served_apis().items()}
        connection.close()

    serve(client)


KAFKA_3_9 = (
    "0:11 1:17 2:9 3:12 4:7 5:4 6:8 7:3 8:9 9:9 10:6 11:9 12:4 13:5 14:5 15:5 16:5 17:1 18:4 19:7 20:6 21:2 "
    "22:5 23:4 24:5 25:4 26:4 27:1 28:4 29:3 30:3 31:3 32:4 33:2 34:2 35:4 36:2 37:3 38:3 39:2 40:2 41:3 "
    "42:2 43:2 44:1 45:0 46:0 47:0 48:1 49:1 50:0 51:0 56:3 57:1 58:0 60:1 61:0 65:0 66:1 67:0 68:0 69:0"
)
"""Every key that Apache Kafka 3.9 lists in ZooKeeper mode, with its highest version; the lowest is 0."""


def test_what_is_served_is_what_kafka_serves() -> None:
    served = served_apis()
    assert " ".join(f"{key:d}:{served[key].max_version}" for key in sorted(served)) == KAFKA_3_9
    assert {api.min_version for api in served.values()} == {0}
    assert len(served) == 62


def test_an_unknown_api_versions_version_is_answered_in_version_0() -> None:
    async def client(port: int) -> None:
        # Header v2 with a body that only a future broker could read.
        body = struct.pack(">hhih", 18, 77, 4711, -1) + b"\x00\xff\xfe"
        answer = await exchange(port, struct.pack(">i", len(body)) + body)
        correlation_id, response = decode_response(18, 0, memoryview(answer))
        assert correlation_id == 4711
        assert isinstance(response, ApiVersionsResponse)
        assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
        assert any(one.api_key == 18 and one.max_version == 4 for one in response.api_keys)

    serve(client)


@pytest.mark.parametrize("name", ["", "-bad", "bad-", "with blank", "ümlaut"])
def test_client_software_names_are_checked(name: str) -> None:
    async def client(port: int) -> None:
        connection = await BrokerConnection.open("127.0.0.1", port, "test")
        request = ApiVersionsRequest(client_software_name=name, client_software_version="1.0")
        response = await connection.send(request, 3)
        assert response.error_code == ErrorCode.INVALID_REQUEST
        assert response.api_keys == []
        connection.close()

    serve(client)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode_request(HeartbeatRequest(), 4, 1, "x")[:-2] + b"\xff\xff", id="body"),
        pytest.param(struct.pack(">ihhih", 10, 12, 99, 1, -1), id="version"),
        pytest.param(struct.pack(">ihhih", 10, 999, 0, 1, -1), id="key"),
        pytest.param(struct.pack(">i", 3) + b"abc", id="header"),
        pytest.param(struct.pack(">i", 0), id="empty"),
    ],
)
def test_what_cannot_be_read_closes_its_connection(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    def handle(services: Services, context: RequestContext, request: Any) -> Any:
        return HeartbeatResponse()

    async def client(port: int) -> None:
        good = await BrokerConnection.open("127.0.0.1", port, "test")
        assert await exchange(port, data) == b""
        assert (await good.send(HeartbeatRequest(), 4)).error_code == 0
        good.close()

    serve(client, heartbeat_api(handle))
    assert [record.levelname for record in caplog.records if "Closing socket" in record.message] == ["ERROR"]


def test_the_handler_sees_who_asks() -> None:
    seen: list[RequestContext] = []

    def handle(services: Services, context: RequestContext, request: Any) -> Any:
        seen.append(context)
        return HeartbeatResponse()

    async def client(connection: BrokerConnection) -> None:
        await connection.send(HeartbeatRequest(), 3)

    with_connection(heartbeat_api(handle), client)
    (context,) = seen
    assert (context.client_id, context.client_host, context.api_version) == ("test", "127.0.0.1", 3)
    assert (context.listener_name, context.principal) == ("PLAINTEXT", ANONYMOUS)


@pytest.mark.parametrize("slow", [False, True])
def test_errors_of_the_whole_request_become_its_error_code(slow: bool) -> None:
    errors: list[Exception] = [KafkaError(ErrorCode.NOT_COORDINATOR, "elsewhere"), ZeroDivisionError()]

    def handle(services: Services, context: RequestContext, request: Any) -> Any:
        async def later() -> Any:
            await asyncio.sleep(0)
            raise errors.pop(0)

        if slow:
            return later()
        raise errors.pop(0)

    async def client(connection: BrokerConnection) -> None:
        assert (await connection.send(HeartbeatRequest(), 4)).error_code == ErrorCode.NOT_COORDINATOR
        assert (await connection.send(HeartbeatRequest(), 4)).error_code == ErrorCode.UNKNOWN_SERVER_ERROR

    with_connection(heartbeat_api(handle), client)


def test_an_answer_that_cannot_be_written_is_an_unknown_error() -> None:
    def handle(services: Services, context: RequestContext, request: Any) -> Any:
        return HeartbeatResponse(error_code=2**15)

    async def client(connection: BrokerConnection) -> None:
        assert (await connection.send(HeartbeatRequest(), 4)).error_code == ErrorCode.UNKNOWN_SERVER_ERROR

    with_connection(heartbeat_api(handle), client)


def test_an_api_without_a_place_for_the_error_closes_the_connection() -> None:
    def handle(services: Services, context: RequestContext, request: Any) -> Any:
        raise KafkaError(ErrorCode.INVALID_REQUEST)

    async def client(connection: BrokerConnection) -> None:
        with pytest.raises(ConnectionError):
            await connection.send(ProduceRequest(), 9)

    with_connection({0: Api(ApiKey.PRODUCE, 0, 11, handle)}, client)


def test_a_producer_that_expects_no_answer_gets_none_of_an_error_either() -> None:
    def handle(services: Services, context: RequestContext, request: Any) -> Any:
        raise RuntimeError("a bug")

    async def client(port: int) -> None:
        answers = [
            await exchange(port, encode_request(ProduceRequest(acks=acks), 9, 7, "c")) for acks in (0, 1)
        ]
        assert answers[0] == b""
        assert decode_response(0, 9, memoryview(answers[1]))[0] == 7

    serve(client, {0: Api(ApiKey.PRODUCE, 0, 11, handle, error_response=k00_produce.error_response)})


def test_requests_of_one_connection_are_answered_in_order(caplog: pytest.LogCaptureFixture) -> None:
    """Fast answers do not overtake a slow one, and the next request begins only after it."""
    running = 0

    def handle(services: Services, context: RequestContext, request: HeartbeatRequest) -> Any:
        nonlocal running
        assert running == 0
        if request.generation_id % 2:
            return HeartbeatResponse(throttle_time_ms=request.generation_id)

        async def later() -> Any:
            nonlocal running
            running += 1
            await asyncio.sleep(0.001)
            running -= 1
            return HeartbeatResponse(throttle_time_ms=request.generation_id)

        return later()

    async def client(connection: BrokerConnection) -> None:
        order: list[int] = []

        async def ask(number: int) -> None:
            response = await connection.send(HeartbeatRequest(generation_id=number), 4)
            order.append(response.throttle_time_ms)

        with caplog.at_level(logging.DEBUG, "commitlog.server.request"):
            await asyncio.gather(*(ask(number) for number in range(50)))
        assert order == list(range(50))

    with_connection(heartbeat_api(handle), client)
    assert sum("apiKey: HEARTBEAT, apiVersion: 4" in line for line in caplog.messages) == 50
