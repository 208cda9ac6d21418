# SPDX-License-Identifier: Apache-2.0
"""Asking the controller: who it is, when that changes, and what a controlled shutdown makes of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from commitlog.config.broker import BrokerConfig
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.server.controlled_shutdown import controlled_shutdown, request_version
from commitlog.server.controller_client import ControllerClient
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.controlled_shutdown_response import (
    ControlledShutdownResponse,
    RemainingPartition,
)
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataRequest,
)


class FakeConnection:
    def __init__(self, broker_id: int) -> None:
        self.broker_id = broker_id
        self.closed = False

    async def send(self, request: Any, version: int | None) -> Any:
        if self.closed:
            raise ConnectionError("closed")
        return self.broker_id, request, version

    def close(self) -> None:
        self.closed = True


class World:
    def __init__(self) -> None:
        self.cache = MetadataCache(1)
        self.opened: list[FakeConnection] = []
        self.client = ControllerClient(self.cache, "PLAINTEXT", cast(Any, self.connect))

    async def connect(self, broker_id: int, host: str, port: int) -> FakeConnection:
        assert (host, port) == (f"kafka{broker_id}", 9092)
        self.opened.append(FakeConnection(broker_id))
        return self.opened[-1]

    def controller_is(self, controller: int) -> None:
        brokers = [
            UpdateMetadataBroker(
                id=broker_id,
                endpoints=[UpdateMetadataEndpoint(port=9092, host=f"kafka{broker_id}", listener="PLAINTEXT")],
            )
            for broker_id in (1, 2)
        ]
        self.cache.update(UpdateMetadataRequest(controller_id=controller, live_brokers=brokers))


def test_one_connection_to_whoever_is_the_controller() -> None:
    async def main() -> None:
        world = World()
        with pytest.raises(ConnectionError, match="no controller is known"):
            await world.client.send("a")
        world.controller_is(2)
        both = await asyncio.gather(world.client.send("b", 3), world.client.send("c"))
        assert both == [(2, "b", 3), (2, "c", None)]
        assert len(world.opened) == 1
        world.controller_is(1)
        assert (await world.client.send("d"))[0] == 1
        assert [connection.closed for connection in world.opened] == [True, False]
        world.opened[-1].close()
        assert (await world.client.send("e"))[0] == 1
        world.controller_is(3)
        with pytest.raises(ConnectionError, match="no controller is known"):
            await world.client.send("f")

    asyncio.run(main())


def config(**settings: str) -> BrokerConfig:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    fast = {"controlled.shutdown.retry.backoff.ms": "1"}
    return BrokerConfig.from_properties({"broker.id": "1", "zookeeper.connect": "x:2181", **fast, **named})


def shut_down(settings: BrokerConfig, *answers: Any) -> tuple[bool, int]:
    """(whether it succeeded, how often the controller was asked)."""
    left = list(answers)

    async def send(request: Any, version: int | None = None) -> Any:
        assert (request.broker_id, request.broker_epoch, version) == (1, 77, 3)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = cast(ControllerClient, SimpleNamespace(send=send))
    done = asyncio.run(controlled_shutdown(settings, client, lambda: 77))
    return done, len(answers) - len(left)


FINE = ControlledShutdownResponse()
REMAINING = ControlledShutdownResponse(remaining_partitions=[RemainingPartition(topic_name="t")])
REFUSED = ControlledShutdownResponse(error_code=ErrorCode.NOT_CONTROLLER)


def test_a_controlled_shutdown_is_tried_again_until_nothing_remains() -> None:
    assert shut_down(config(), FINE) == (True, 1)
    assert shut_down(config(), REMAINING, FINE) == (True, 2)
    assert shut_down(config(), ConnectionError(), REFUSED, FINE) == (True, 3)
    assert shut_down(config(), TimeoutError(), REMAINING, REFUSED, FINE) == (False, 3)
    assert shut_down(config(controlled_shutdown_max_retries="1"), REMAINING, FINE) == (False, 1)


@pytest.mark.parametrize(("level", "version"), [("3.9", 3), ("2.4", 3), ("2.2", 2), ("2.0", 1)])
def test_the_request_s_version_follows_from_the_inter_broker_protocol(level: str, version: int) -> None:
    assert request_version(config(inter_broker_protocol_version=level)) == version
