# SPDX-License-Identifier: Apache-2.0
"""Authentication and encryption by real clients against real brokers: who gets in, who does not, and what
either is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.end_to_end.cluster import BrokerProcess, Cluster, wait_until
from tests.end_to_end.secure import PASSWORD, USER, SecureListeners, unsecured_token
from tests.real_zookeeper import ZooKeeperProcess
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
