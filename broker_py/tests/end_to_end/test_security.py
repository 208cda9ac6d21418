# SPDX-License-Identifier: Apache-2.0
"""Authentication and encryption by real clients against real brokers: who gets in, who does not, and what
either is told."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import confluent_kafka
import kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from kafka.net.sasl.oauth import AbstractTokenProvider as KafkaPythonTokenProvider

from commitlog.config.properties import dump
from tests.end_to_end.cluster import BrokerProcess, Cluster, wait_until
from tests.end_to_end.secure import PASSWORD, PLAIN, SCRAM, USER, SecureListeners, jaas, unsecured_token
from tests.real_zookeeper import ZooKeeperProcess, free_port
from tests.security.certificates import LabCa

pytestmark = pytest.mark.zookeeper

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


@dataclass
class World:
    cluster: Cluster
    listeners: SecureListeners

    @property
    def broker(self) -> BrokerProcess:
        return self.cluster.brokers[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, zookeeper: ZooKeeperProcess) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("secure")
    listeners = SecureListeners(LabCa(directory), directory)
    cluster = Cluster(directory, zookeeper, 1)
    broker = cluster.brokers[0]
    broker.settings.update(listeners.settings(broker.port))
    with contextlib.closing(cluster):
        cluster.start()
        found = World(cluster, listeners)
        add_user(found, USER, PASSWORD)
        yield found


def add_user(world: World, user: str, password: str) -> None:
    admin = AdminClient({"bootstrap.servers": world.broker.address})
    changes = [
        UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, 4096), password.encode(), salt=None)
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
    ]
    for future in admin.alter_user_scram_credentials(changes).values():
        future.result(30)
    wait_until(
        lambda: f"Processing override for entityPath: users/{user}" in world.broker.output,
        "the broker to know the user",
    )


def librdkafka(
    world: World, listener: str, mechanism: str | None = None, *, user: str = USER, password: str = PASSWORD
) -> dict[str, Any]:
    """Settings of confluent-kafka."""
    found: dict[str, Any] = {
        "bootstrap.servers": world.listeners.address(listener),
        "security.protocol": listener,
        "ssl.ca.location": str(world.listeners.ca.file),
        "log_level": 0,
    }
    if mechanism == "OAUTHBEARER":
        found["sasl.mechanism"] = mechanism
        token = unsecured_token(user)
        found["oauth_cb"] = lambda config: (token, 2_000_000_000.0, user, {})
    elif mechanism is not None:
        found.update({"sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password})
    return found


def round_trip(settings: dict[str, Any], topic: str) -> None:
    """Produce and consume one record."""
    errors: list[object] = []
    producer = confluent_kafka.Producer(settings)
    producer.produce(topic, b"x" * 100_000, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert errors == [None]
    consumer = confluent_kafka.Consumer(
        {**settings, "group.id": f"of-{topic}", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    try:
        record = wait_until(lambda: consumer.poll(0.5), "a record")
        assert record.error() is None
        assert record.value() == b"x" * 100_000
    finally:
        consumer.close()


def refusal(settings: dict[str, Any]) -> str:
    """What librdkafka is told."""
    errors: list[str] = []
    client = confluent_kafka.Producer({**settings, "error_cb": lambda error: errors.append(str(error))})
    wait_until(lambda: client.poll(0.1) or errors, "an error")
    return errors[0]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("listener", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_librdkafka(world: World, listener: str, mechanism: str) -> None:
    round_trip(librdkafka(world, listener, mechanism), f"librdkafka-{listener}-{mechanism}")


def test_client_certificate(world: World) -> None:
    identity = world.listeners.ca.issue("client")
    settings = {
        **librdkafka(world, "SSL"),
        "ssl.certificate.location": str(identity.chain_file),
        "ssl.key.location": str(identity.key_file),
    }
    round_trip(settings, "mtls")


class _Token(AbstractTokenProvider):
    async def token(self) -> str:
        return unsecured_token(USER)


class _KafkaPythonToken(KafkaPythonTokenProvider):
    def token(self) -> str:
        return unsecured_token(USER)


def kafka_python(world: World, mechanism: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "bootstrap_servers": world.listeners.address("SASL_SSL"),
        "security_protocol": "SASL_SSL",
        "ssl_cafile": str(world.listeners.ca.file),
        "sasl_mechanism": mechanism,
    }
    if mechanism == "OAUTHBEARER":
        return {**found, "sasl_oauth_token_provider": _KafkaPythonToken()}
    return {**found, "sasl_plain_username": USER, "sasl_plain_password": PASSWORD}


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_kafka_python(world: World, mechanism: str) -> None:
    topic = f"kafka-python-{mechanism}"
    producer = kafka.KafkaProducer(**kafka_python(world, mechanism))
    producer.send(topic, b"v").get(timeout=30)
    producer.close()
    consumer = kafka.KafkaConsumer(
        topic, auto_offset_reset="earliest", group_id=topic, **kafka_python(world, mechanism)
    )
    assert next(iter(consumer)).value == b"v"
    consumer.close()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_aiokafka(world: World, mechanism: str) -> None:
    async def test() -> None:
        context = ssl.create_default_context(cafile=str(world.listeners.ca.file))
        settings: dict[str, Any] = {
            "bootstrap_servers": world.listeners.address("SASL_SSL"),
            "security_protocol": "SASL_SSL",
            "ssl_context": context,
            "sasl_mechanism": mechanism,
        }
        if mechanism == "OAUTHBEARER":
            settings["sasl_oauth_token_provider"] = _Token()
        else:
            settings.update(sasl_plain_username=USER, sasl_plain_password=PASSWORD)
        topic = f"aiokafka-{mechanism}"
        async with AIOKafkaProducer(**settings) as producer:
            await producer.send_and_wait(topic, b"v")
        async with AIOKafkaConsumer(
            topic, auto_offset_reset="earliest", group_id=topic, **settings
        ) as consumer:
            assert (await consumer.getone()).value == b"v"

    asyncio.run(test())


# Who does not get in


@pytest.mark.parametrize(
    ("mechanism", "text"),
    [
        ("PLAIN", "Authentication failed: Invalid username or password"),
        (
            "SCRAM-SHA-256",
            "Authentication failed during authentication due to invalid credentials with SASL mechanism "
            "SCRAM-SHA-256",
        ),
        (
            "SCRAM-SHA-512",
            "Authentication failed during authentication due to invalid credentials with SASL mechanism "
            "SCRAM-SHA-512",
        ),
    ],
)
@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD)])
def test_wrong_credentials(world: World, mechanism: str, text: str, user: str, password: str) -> None:
    said = refusal(librdkafka(world, "SASL_SSL", mechanism, user=user, password=password))
    assert text in said
    line = wait_until(lambda: last_line(world, "Failed authentication with /127.0.0.1"), "a line in the log")
    assert text in line
    assert password not in world.broker.output


def last_line(world: World, text: str) -> str | None:
    found = [line for line in world.broker.output.splitlines() if text in line]
    return found[-1] if found else None


def test_an_expired_token(world: World) -> None:
    token = unsecured_token(USER, lifetime_s=-10)
    settings = librdkafka(world, "SASL_PLAINTEXT", "OAUTHBEARER")
    settings["oauth_cb"] = lambda config: (token, 2_000_000_000.0, USER, {})
    assert "invalid_token" in refusal(settings)
    wait_until(lambda: last_line(world, "Token refused: the token has expired"), "a line in the log")
    assert token not in world.broker.output


def test_an_unknown_mechanism(world: World) -> None:
    settings = librdkafka(world, "SASL_PLAINTEXT", "SCRAM-SHA-256")
    settings["sasl.mechanism"] = "GSSAPI"
    settings["sasl.kerberos.kinit.cmd"] = "true"
    with contextlib.suppress(confluent_kafka.KafkaException):  # a librdkafka without Kerberos says no itself
        assert "Unsupported" in refusal(settings)


def test_the_wrong_authority(world: World, tmp_path: Path) -> None:
    settings = librdkafka(world, "SASL_SSL", "PLAIN")
    settings["ssl.ca.location"] = str(LabCa(tmp_path, "Another CA").file)
    assert "certificate verify failed" in refusal(settings)


@pytest.mark.parametrize("kind", ["none", "other", "expired"])
def test_a_client_certificate_that_is_refused(world: World, tmp_path: Path, kind: str) -> None:
    settings = librdkafka(world, "SSL")
    if kind != "none":
        ca = LabCa(tmp_path, "Another CA") if kind == "other" else world.listeners.ca
        identity = ca.issue("intruder", expired=kind == "expired")
        settings["ssl.certificate.location"] = str(identity.chain_file)
        settings["ssl.key.location"] = str(identity.key_file)
    reason = {
        "none": "peer did not return a certificate",
        "other": "certificate verify failed: ",
        "expired": "certificate verify failed: certificate has expired",
    }
    refusal(settings)
    wait_until(lambda: last_line(world, f"SSL handshake failed: {reason[kind]}"), "a line in the log")


def test_a_user_who_was_removed_does_not_come_back(world: World) -> None:
    add_user(world, "bob", "secret-of-bob")
    settings = librdkafka(world, "SASL_PLAINTEXT", "SCRAM-SHA-256", user="bob", password="secret-of-bob")
    round_trip(settings, "of-bob")
    admin = AdminClient({"bootstrap.servers": world.broker.address})
    described = admin.describe_user_scram_credentials(["bob"])["bob"].result(30)
    assert [(info.mechanism, info.iterations) for info in described.scram_credential_infos] == [
        (ScramMechanism.SCRAM_SHA_256, 4096),
        (ScramMechanism.SCRAM_SHA_512, 4096),
    ]
    change = UserScramCredentialDeletion("bob", ScramMechanism.SCRAM_SHA_256)
    before = world.broker.output.count("entityPath: users/bob")
    admin.alter_user_scram_credentials([change])["bob"].result(30)
    wait_until(lambda: world.broker.output.count("entityPath: users/bob") > before, "the change to arrive")
    assert "invalid credentials" in refusal(settings)


def test_command_line_tools_take_kafkas_client_properties(world: World, tmp_path: Path) -> None:
    client = tmp_path / "client.properties"
    store = world.listeners.ca.pkcs12("changeit")
    client.write_text(
        dump(
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.jaas.config": jaas(SCRAM, username=USER, password=PASSWORD),
                "ssl.truststore.location": str(store),
                "ssl.truststore.password": "changeit",
                "ssl.truststore.type": "PKCS12",
            }
        )
    )
    server = ["--bootstrap-server", world.listeners.address("SASL_SSL")]
    run("topics", *server, "--command-config", str(client), "--create", "--topic", "typed")
    assert "typed" in run("topics", *server, "--command-config", str(client), "--list")
    run("console_producer", *server, "--producer.config", str(client), "--topic", "typed", stdin="hello\n")
    arguments = [
        "--consumer.config",
        str(client),
        "--topic",
        "typed",
        "--from-beginning",
        "--max-messages",
        "1",
    ]
    assert run("console_consumer", *server, *arguments) == "hello\n"
    client.write_text(client.read_text().replace("SHA-512", "SHA-256").replace("username", "user"))
    wrong = failing("topics", *server, "--command-config", str(client), "--list")
    assert f"{client}: sasl.jaas.config" in wrong
    assert "needs the option username" in wrong


def _tool(name: str, arguments: tuple[str, ...], stdin: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"commitlog.cli.{name}", *arguments]
    return subprocess.run(command, check=False, input=stdin, capture_output=True, text=True, timeout=60)


def run(name: str, *arguments: str, stdin: str = "") -> str:
    done = _tool(name, arguments, stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def failing(name: str, *arguments: str) -> str:
    done = _tool(name, arguments, "")
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_certificates_change_without_a_restart(world: World) -> None:
    """The file behind ssl.keystore.location is another one now; any change of the broker's settings tells."""
    serial = served_serial(world)
    world.listeners.server = world.listeners.ca.issue("broker", "127.0.0.1", "localhost")
    location = str(world.listeners.server.pem)
    admin = AdminClient({"bootstrap.servers": world.broker.address})
    resource = ConfigResource(ConfigResource.Type.BROKER, "0")
    resource.set_config("ssl.keystore.location", location)
    for future in admin.alter_configs([resource]).values():
        future.result(30)
    wait_until(lambda: served_serial(world) != serial, "the new certificate")


def served_serial(world: World) -> int:
    host, port = world.listeners.address("SASL_SSL").split(":")
    text = ssl.get_server_certificate((host, int(port)))
    return x509.load_pem_x509_certificate(text.encode()).serial_number


def test_brokers_among_themselves(tmp_path: Path, zookeeper: ZooKeeperProcess) -> None:
    """Replication, the controller's channel and forwarding over SASL_SSL, sessions renewed meanwhile."""
    ca = LabCa(tmp_path)
    cluster = Cluster(tmp_path, zookeeper, 2)
    for broker in cluster.brokers:
        internal = free_port()
        identity = ca.issue(f"broker{broker.id}", "127.0.0.1")
        broker.settings.update(
            {
                "listeners": f"PLAINTEXT://127.0.0.1:{broker.port},INTERNAL://127.0.0.1:{internal}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INTERNAL:SASL_SSL",
                "inter.broker.listener.name": "INTERNAL",
                "sasl.mechanism.inter.broker.protocol": "PLAIN",
                "listener.name.internal.sasl.enabled.mechanisms": "PLAIN",
                "listener.name.internal.plain.sasl.jaas.config": jaas(
                    PLAIN, username="broker", password="inter-secret", user_broker="inter-secret"
                ),
                "listener.name.internal.connections.max.reauth.ms": "3000",
                "ssl.keystore.type": "PKCS12",
                "ssl.keystore.location": str(identity.pkcs12("storepass")),
                "ssl.keystore.password": "storepass",
                "ssl.truststore.type": "PEM",
                "ssl.truststore.certificates": ca.text,
            }
        )
    with contextlib.closing(cluster):
        cluster.start()
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        admin.create_topics([NewTopic("replicated", 2, 2)])["replicated"].result(30)
        round_trip({"bootstrap.servers": cluster.bootstrap, "log_level": 0}, "replicated")
        time.sleep(4)  # a session of 3 s has to be renewed by then
        round_trip({"bootstrap.servers": cluster.bootstrap, "log_level": 0}, "replicated-later")
        for partition in (0, 1):
            cluster.wait_isr("replicated", {0, 1}, partition)
        for broker in cluster.brokers:
            assert "Failed" not in broker.output
            assert "has expired and was not renewed" not in broker.output
            assert "inter-secret" not in broker.output
