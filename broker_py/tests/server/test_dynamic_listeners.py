# SPDX-License-Identifier: Apache-2.0
"""Listeners and certificates that change while a broker runs, asked for as kafka-configs.sh does."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.api_versions_request import ApiVersionsRequest
from commitlog.wire.messages.incremental_alter_configs_request import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.real_zookeeper import free_port
from tests.security.certificates import Identity, LabCa
from tests.server.test_broker import World, ask, metadata, run, until

BROKER = 4


async def alter(
    broker: Any, changes: Mapping[str, str], *, name: str = "1", validate_only: bool = False
) -> Any:
    """The answer to `kafka-configs.sh --alter --add-config`."""
    configs = [AlterableConfig(name=key, value=value) for key, value in changes.items()]
    request = IncrementalAlterConfigsRequest(
        resources=[AlterConfigsResource(resource_type=BROKER, resource_name=name, configs=configs)],
        validate_only=validate_only,
    )
    return (await ask(broker, request, 1)).responses[0]


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def open_plain(port: int) -> BrokerConnection:
    return await BrokerConnection.open("127.0.0.1", port, "test")


def pem(identity: Identity, name: str) -> Path:
    path = identity.directory / name
    path.write_text(identity.key_text() + identity.chain_text())
    return path


def listener_names(broker: Any) -> list[str]:
    return [one.name for one in broker.listeners]


def test_a_listener_is_added_told_to_everybody_and_removed(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        broker = world.broker()
        await broker.start()
        assert await broker.wait_known(10_000)
        epoch, inside, outside = broker.epoch, broker.listeners[0].port, free_port()
        both = f"PLAINTEXT://127.0.0.1:{inside},OUTSIDE://127.0.0.1:{outside}"
        answer = await alter(
            broker,
            {
                "listeners": both,
                "advertised.listeners": both,
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OUTSIDE:PLAINTEXT",
            },
        )
        assert (answer.error_code, answer.error_message) == (ErrorCode.NONE, None)
        await until(lambda: listener_names(broker) == ["PLAINTEXT", "OUTSIDE"])

        client = await world.client()
        registered: dict[str, Any] = {}

        async def registration(count: int) -> None:
            while len(registered.get("endpoints", ())) != count:
                registered.clear()
                registered.update(json.loads((await client.get("/brokers/ids/1"))[0]))
                await asyncio.sleep(0.01)

        await registration(2)
        assert registered["endpoints"] == both.split(",")
        assert registered["listener_security_protocol_map"] == {
            "PLAINTEXT": "PLAINTEXT",
            "OUTSIDE": "PLAINTEXT",
        }
        assert (await client.get("/brokers/ids/1"))[1].czxid == epoch == broker.epoch
        await until(lambda: broker.services.metadata.broker_endpoint(1, "OUTSIDE"))
        connection = await open_plain(outside)
        assert (await connection.send(ApiVersionsRequest(), 0)).error_code == 0

        answer = await alter(
            broker,
            {
                "listeners": f"PLAINTEXT://127.0.0.1:{inside}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{inside}",
            },
        )
        assert answer.error_code == ErrorCode.NONE
        await until(lambda: listener_names(broker) == ["PLAINTEXT"])
        with pytest.raises((ConnectionError, EOFError, OSError)):
            await connection.send(ApiVersionsRequest(), 0)
        assert not await is_open(outside)
        await registration(1)
        assert (await metadata(broker)).brokers[0].port == inside
        assert not broker._connection_quotas.count("OUTSIDE")

    run(tmp_path, test)


def test_what_kafka_refuses_of_listeners_changes_nothing(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        port = free_port()
        inside, clients = f"PLAINTEXT://127.0.0.1:{free_port()}", f"CLIENTS://127.0.0.1:{port}"
        broker = world.broker(
            listeners=f"{inside},{clients}",
            listener_security_protocol_map="PLAINTEXT:PLAINTEXT,CLIENTS:PLAINTEXT,SSL:SSL",
        )
        await broker.start()
        assert await broker.wait_known(10_000)
        refusals = [
            ({"listeners": clients}, "inter.broker.listener.name must be a listener name defined in"),
            ({"listeners": f"{inside},X://127.0.0.1:1"}, "No security protocol defined for listener X"),
            ({"advertised.listeners": f"{inside},SSL://h:1"}, "must be equal to or a subset of the ones"),
            (
                {"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CLIENTS:SASL_PLAINTEXT"},
                "Security protocol cannot be updated for existing listener ListenerName(CLIENTS)",
            ),
            (
                {"listener.name.clients.sasl.enabled.mechanisms": "PLAIN"},
                "Configs cannot be updated dynamically for existing listener ListenerName(CLIENTS), restart "
                "broker or create a new listener for update",
            ),
            ({"listeners": f"{inside},{clients},SSL://127.0.0.1:0"}, "a listener with TLS needs a keystore"),
        ]
        for changes, text in refusals:
            answer = await alter(broker, changes)
            assert (ErrorCode(answer.error_code), text in answer.error_message) == (
                ErrorCode.INVALID_REQUEST,
                True,
            ), answer
        answer = await alter(broker, {"listeners": inside}, name="")
        assert answer.error_code == ErrorCode.INVALID_REQUEST
        assert "Cannot update these configs at default cluster level" in answer.error_message
        answer = await alter(broker, {"listeners": inside}, validate_only=True)
        assert answer.error_code == ErrorCode.NONE
        assert listener_names(broker) == ["PLAINTEXT", "CLIENTS"]
        assert await is_open(port)

    run(tmp_path, test)


def test_a_listener_whose_port_is_taken_is_told_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(world: World) -> None:
        broker = world.broker()
        await broker.start()
        assert await broker.wait_known(10_000)
        inside = f"PLAINTEXT://127.0.0.1:{broker.listeners[0].port}"
        occupant = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
        port = occupant.sockets[0].getsockname()[1]
        both = f"{inside},OTHER://127.0.0.1:{port}"
        protocols = "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT"
        await alter(broker, {"listeners": both, "listener.security.protocol.map": protocols})
        text = f"Listener OTHER on 127.0.0.1:{port} cannot be added: Address already in use"
        await until(lambda: text in caplog.text)
        assert [one.listener_name for one in broker._listeners.endpoints()] == ["PLAINTEXT"]
        # The next change of any kind tries again.
        occupant.close()
        await occupant.wait_closed()
        await alter(broker, {"log.cleaner.threads": "1"})
        await until(lambda: listener_names(broker) == ["PLAINTEXT", "OTHER"])

    run(tmp_path, test)


def test_a_tls_listener_that_was_added_while_running_is_one_after_a_restart(tmp_path: Path) -> None:
    """Whatever is bound has the security of its protocol, wherever the protocol is configured."""
    ca = LabCa(tmp_path)
    store = ca.issue("broker1").pem

    async def test(world: World) -> None:
        inside = f"PLAINTEXT://127.0.0.1:{free_port()}"
        outside = free_port()
        broker = world.broker(listeners=inside)
        await broker.start()
        assert await broker.wait_known(10_000)
        settings = {
            "listeners": f"{inside},SSL://127.0.0.1:{outside}",
            "listener.name.ssl.ssl.keystore.type": "PEM",
            "listener.name.ssl.ssl.keystore.location": str(store),
        }
        answer = await alter(broker, settings)
        assert answer.error_code == ErrorCode.NONE, answer.error_message
        await until(lambda: len(broker.listeners) == 2)
        context = ssl.create_default_context(cadata=ca.text)
        context.check_hostname = False
        for again in (False, True):
            if again:
                await broker.stop()
                broker = world.broker(listeners=inside)
                await broker.start()
            _, writer = await asyncio.open_connection("127.0.0.1", outside, ssl=context)
            writer.close()

    run(tmp_path, test)


def test_a_store_is_tried_before_it_is_accepted(tmp_path: Path) -> None:
    ca = LabCa(tmp_path)
    first = pem(ca.issue("broker1", "localhost", "kafka1"), "first.pem")
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    refused = {
        broken: "there is no PEM private key in it",
        tmp_path / "missing.pem": "cannot be read: No such file",
        ca.issue(
            "other"
        ).pem: "org.apache.kafka.common.config.ConfigException: Keystore DistinguishedName does "
        "not match:  existing={alias=kafka, DN=CN=broker1,O=Lab}, new={alias=kafka, DN=CN=other,O=Lab}",
        pem(ca.issue("broker1", "localhost"), "fewer.pem"): "Keystore SubjectAltNames do not match:",
    }
    wider = pem(ca.issue("broker1", "localhost", "kafka1", "kafka1.example"), "wider.pem")

    async def test(world: World) -> None:
        broker = world.broker(
            listeners=f"PLAINTEXT://127.0.0.1:{free_port()},SSL://127.0.0.1:{free_port()}",
            ssl_keystore_type="PEM",
            ssl_keystore_location=str(first),
        )
        await broker.start()
        assert await broker.wait_known(10_000)
        name = "listener.name.ssl.ssl.keystore.location"
        for path, text in refused.items():
            answer = await alter(broker, {name: str(path)})
            assert answer.error_code == ErrorCode.INVALID_REQUEST
            assert answer.error_message.startswith(
                "Validation of dynamic config update of SSL keystore/truststore failed: "
            )
            assert text in answer.error_message
        assert (await alter(broker, {name: str(wider)})).error_code == ErrorCode.NONE
        await until(lambda: name in broker.config.dynamic_broker)

    run(tmp_path, test)
