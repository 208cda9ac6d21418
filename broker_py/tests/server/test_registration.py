# SPDX-License-Identifier: Apache-2.0
"""Registration, the broker epoch, and everything that can be in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from commitlog.coordination import paths
from commitlog.coordination.client import SessionState, ensure_path
from commitlog.coordination.documents import BrokerRegistration, Endpoint
from commitlog.coordination.memory import MemoryEnsemble
from commitlog.server.errors import StartupError
from commitlog.server.registration import BrokerRegistrar


def registration(broker_id: int = 1, port: int = 9092) -> BrokerRegistration:
    return BrokerRegistration(
        broker_id, (Endpoint("PLAINTEXT", "kafka1", port, "PLAINTEXT"),), timestamp_ms=1
    )


def in_ensemble(test: Callable[[MemoryEnsemble], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        ensemble = MemoryEnsemble()
        client = ensemble.client("setup")
        await client.start()
        await ensure_path(client, paths.BROKER_IDS)
        await test(ensemble)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_the_epoch_is_the_czxid_and_the_document_has_version_1() -> None:
    async def test(ensemble: MemoryEnsemble) -> None:
        client = ensemble.client("broker")
        await client.start()
        epoch = await BrokerRegistrar(client, 18_000).register(registration())
        data, stat = await client.get("/brokers/ids/1")
        assert data == registration().encode()
        assert (stat.czxid, stat.version, stat.ephemeral_owner) == (epoch, 1, client.session_id)

    in_ensemble(test)


def test_registering_twice_in_one_session_keeps_the_epoch() -> None:
    async def test(ensemble: MemoryEnsemble) -> None:
        client = ensemble.client("broker")
        await client.start()
        registrar = BrokerRegistrar(client, 18_000)
        assert await registrar.register(registration()) == await registrar.register(registration())

    in_ensemble(test)


def test_an_expired_session_s_registration_is_replaced_under_a_new_epoch() -> None:
    async def test(ensemble: MemoryEnsemble) -> None:
        client = ensemble.client("broker")
        await client.start()
        registrar = BrokerRegistrar(client, 18_000)
        first = await registrar.register(registration())
        expired = asyncio.Event()
        client.add_session_listener(lambda state: expired.set() if state is SessionState.EXPIRED else None)
        ensemble.expire(client.session_id)
        await expired.wait()
        await client.wait_connected()
        assert await registrar.register(registration()) > first

    in_ensemble(test)


def test_an_ephemeral_that_outlived_this_client_s_session_is_removed() -> None:
    """ZOOKEEPER-2985: the session is over, its znode is still there."""

    async def test(ensemble: MemoryEnsemble) -> None:
        before, client = ensemble.client("before"), ensemble.client("broker")
        await before.start()
        await client.start()
        left = await BrokerRegistrar(before, 18_000).register(registration())
        registrar = BrokerRegistrar(client, 18_000)
        registrar._last_session = before.session_id
        assert await asyncio.wait_for(registrar.register(registration()), 5) > left
        _, stat = await client.get("/brokers/ids/1")
        assert stat.ephemeral_owner == client.session_id

    in_ensemble(test)


def test_a_registration_left_by_a_crash_is_waited_for() -> None:
    async def test(ensemble: MemoryEnsemble) -> None:
        crashed, restarted = ensemble.client("before"), ensemble.client("after")
        await crashed.start()
        await restarted.start()
        await BrokerRegistrar(crashed, 18_000).register(registration())
        registering = asyncio.create_task(BrokerRegistrar(restarted, 18_000).register(registration()))
        await asyncio.sleep(0)
        await crashed.close()
        epoch = await registering
        _, stat = await restarted.get("/brokers/ids/1")
        assert stat.czxid == epoch
        assert stat.ephemeral_owner == restarted.session_id

    in_ensemble(test)


def test_an_id_in_use_is_an_error_in_the_end() -> None:
    async def test(ensemble: MemoryEnsemble) -> None:
        first, second = ensemble.client("first"), ensemble.client("second")
        await first.start()
        await second.start()
        await BrokerRegistrar(first, 18_000).register(registration())
        registrar = BrokerRegistrar(second, 18_000)
        registrar._patience = 0.01
        with pytest.raises(StartupError, match=r"/brokers/ids/1.*broker.id that is already in use"):
            await registrar.register(registration(port=9093))
        data, _ = await first.get("/brokers/ids/1")
        assert data == registration().encode()

    in_ensemble(test)


def test_an_address_in_use_is_an_error_at_once() -> None:
    async def test(ensemble: MemoryEnsemble) -> None:
        first, second = ensemble.client("first"), ensemble.client("second")
        await first.start()
        await second.start()
        await BrokerRegistrar(first, 18_000).register(registration(1))
        with pytest.raises(StartupError, match=r"kafka1:9092 .* already registered by broker 1"):
            await BrokerRegistrar(second, 18_000).register(registration(2))
        assert await second.exists("/brokers/ids/2") is None

    in_ensemble(test)
