# SPDX-License-Identifier: Apache-2.0
"""Authentication as Apache Kafka's own clients, tools and brokers see it: SCRAM over TLS, delegation tokens,
and a cluster of both kinds whose brokers speak SASL_SSL to each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from commitlog.config.properties import dump
from commitlog.coordination.documents import ConfigEntity
from commitlog.security.scram import make_credential
from tests.end_to_end.cluster import wait_until
from tests.end_to_end.secure import SCRAM, jaas
from tests.jvm.cluster import JVM, PYTHON, MixedCluster
from tests.jvm.tools import KafkaTools
from tests.real_zookeeper import ZooKeeperProcess, free_port
from tests.security.certificates import LabCa

SECRETS = {"broker": "broker-secret", "alice": "alice-secret"}
MECHANISM = "SCRAM-SHA-512"


class SecureCluster(MixedCluster):
    """Both kinds, PLAINTEXT for the tests' own look and SASL_SSL for everybody else."""

    def __init__(self, directory: Path, zookeeper: ZooKeeperProcess) -> None:
        super().__init__(directory, zookeeper, [PYTHON, JVM], {})
        self.directory = directory
        self.ca = LabCa(directory)
        self.truststore = self.ca.pkcs12("trusted")
        self.secure_ports = {broker.id: free_port() for broker in self.brokers}
        for broker in self.brokers:
            identity = self.ca.issue(f"broker{broker.id}", "127.0.0.1")
            secure = f"SECURE://127.0.0.1:{self.secure_ports[broker.id]}"
            broker.settings.update(
                {
                    "listeners": f"PLAINTEXT://127.0.0.1:{broker.port},{secure}",
                    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL",
                    "inter.broker.listener.name": "SECURE",
                    "sasl.mechanism.inter.broker.protocol": MECHANISM,
                    "sasl.enabled.mechanisms": MECHANISM,
                    f"listener.name.secure.{MECHANISM.lower()}.sasl.jaas.config": jaas(
                        SCRAM, username="broker", password=SECRETS["broker"]
                    ),
                    "ssl.keystore.type": "PKCS12",
                    "ssl.keystore.location": str(identity.pkcs12("keys")),
                    "ssl.keystore.password": "keys",
                    "ssl.key.password": "keys",
                    "ssl.truststore.type": "PKCS12",
                    "ssl.truststore.location": str(self.truststore),
                    "ssl.truststore.password": "trusted",
                    "delegation.token.secret.key": "secret-of-tokens",
                }
            )

    def add_users(self) -> None:
        """Before the first broker starts, as `kafka-configs.sh --zookeeper` does it."""
        host, _, chroot = self.connect_string.partition("/")
        client = KazooClient(host)
        client.start()
        try:
            for user, secret in SECRETS.items():
                credential = make_credential(MECHANISM, secret, 8192).encode()
                data = ConfigEntity({MECHANISM: credential}).encode()
                client.create(f"/{chroot}/config/users/{user}", data, makepath=True)
        finally:
            client.stop()
            client.close()

    def bootstrap_of(self, kind: str) -> str:
        return f"127.0.0.1:{self.secure_ports[self.of_kind(kind).id]}"

    def client_properties(self, name: str, username: str, password: str, **options: str) -> Path:
        path = self.directory / f"{name}.properties"
        path.write_text(
            dump(
                {
                    "security.protocol": "SASL_SSL",
                    "sasl.mechanism": MECHANISM,
                    "sasl.jaas.config": jaas(SCRAM, username=username, password=password, **options),
                    "ssl.truststore.type": "PKCS12",
                    "ssl.truststore.location": str(self.truststore),
                    "ssl.truststore.password": "trusted",
                }
            )
        )
        return path


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    cluster = SecureCluster(tmp_path_factory.mktemp("secure"), zookeeper)
    try:
        cluster.add_users()
        cluster.start()
        yield cluster
    except BaseException:
        for broker in cluster.brokers:
            print(f"--- broker {broker.id} ({broker.kind}):\n{broker.output[-8000:]}")
        raise
    finally:
        cluster.close()


def test_brokers_of_both_kinds_replicate_over_sasl_ssl(cluster: SecureCluster, tools: KafkaTools) -> None:
    alice = str(cluster.client_properties("alice", "alice", SECRETS["alice"]))
    server = ["--bootstrap-server", cluster.bootstrap_of(PYTHON)]
    create = ["--create", "--topic", "replicated", "--replica-assignment", "0:1"]
    tools.run("kafka-topics", *server, "--command-config", alice, *create)
    lines = [f"line {number}" for number in range(20)]
    producer = ["--producer.config", alice, "--topic", "replicated"]
    tools.run("kafka-console-producer", *server, *producer, stdin="\n".join(lines) + "\n")
    cluster.wait_isr("replicated", {0, 1})
    cluster.same_logs("replicated", 1)
    consumer = ["--consumer.config", alice, "--topic", "replicated", "--from-beginning"]
    for kind in (PYTHON, JVM):
        server = ["--bootstrap-server", cluster.bootstrap_of(kind)]
        read = tools.run("kafka-console-consumer", *server, *consumer, "--max-messages", "20")
        assert sorted(read.out.splitlines()) == sorted(lines)
    for broker in cluster.brokers:
        assert "broker-secret" not in broker.output


def test_either_controller_reaches_the_other(cluster: SecureCluster, tools: KafkaTools) -> None:
    alice = str(cluster.client_properties("alice", "alice", SECRETS["alice"]))
    for kind, other in ((PYTHON, JVM), (JVM, PYTHON)):
        cluster.make_controller(cluster.of_kind(kind))
        server = ["--bootstrap-server", cluster.bootstrap_of(other), "--command-config", alice]
        topic = f"by-{kind}"
        tools.run("kafka-topics", *server, "--create", "--topic", topic, "--replica-assignment", "0:1,1:0")
        for partition in (0, 1):
            cluster.wait_isr(topic, {0, 1}, partition)


@pytest.mark.parametrize("kind", [PYTHON, JVM])
def test_a_wrong_password_is_told_in_the_same_words(
    cluster: SecureCluster, tools: KafkaTools, kind: str
) -> None:
    wrong = str(cluster.client_properties("wrong", "alice", "wrong"))
    server = ["--bootstrap-server", cluster.bootstrap_of(kind), "--command-config", wrong]
    done = tools.run("kafka-topics", *server, "--list", check=False)
    assert done.status != 0
    assert (
        "Authentication failed during authentication due to invalid credentials with SASL mechanism "
        f"{MECHANISM}" in done.out + done.err
    )


@pytest.mark.parametrize(("maker", "user"), [(PYTHON, JVM), (JVM, PYTHON)])
def test_a_token_of_one_kind_is_taken_by_the_other(
    cluster: SecureCluster, tools: KafkaTools, maker: str, user: str
) -> None:
    alice = str(cluster.client_properties("alice", "alice", SECRETS["alice"]))
    server = ["--bootstrap-server", cluster.bootstrap_of(maker), "--command-config", alice]
    made = tools.run("kafka-delegation-tokens", *server, "--create", "--max-life-time-period", "-1")
    found = re.search(r"^(\S{22})\s+(\S{80,})\s+User:alice", made.out, re.MULTILINE)
    assert found is not None, made.out
    token_id, secret = found.groups()
    document = cluster.document(f"/delegation_token/tokens/{token_id}")
    assert document["owner"] == document["tokenRequester"] == "User%3Aalice"
    assert document["version"] == 3
    by_token = str(cluster.client_properties(f"token-of-{maker}", token_id, secret, tokenauth="true"))
    other = ["--bootstrap-server", cluster.bootstrap_of(user)]
    wait_until(
        lambda: (
            tools.run("kafka-topics", *other, "--command-config", by_token, "--list", check=False).status == 0
        ),
        "the token to be known",
    )
    refused = tools.run(
        "kafka-delegation-tokens",
        *other,
        "--command-config",
        by_token,
        "--create",
        "--max-life-time-period",
        "-1",
        check=False,
    )
    assert "Delegation Token requests are not allowed" in refused.out + refused.err
    described = tools.run(
        "kafka-delegation-tokens",
        *other,
        "--command-config",
        alice,
        "--describe",
        "--owner-principal",
        "User:alice",
    )
    assert token_id in described.out
    renew = ["--renew", "--renew-time-period", "-1", "--hmac", secret]
    tools.run("kafka-delegation-tokens", *other, "--command-config", alice, *renew)
    expire = ["--expire", "--expiry-time-period", "-1", "--hmac", secret]
    tools.run("kafka-delegation-tokens", *other, "--command-config", alice, *expire)
    assert cluster.znodes.exists(f"/delegation_token/tokens/{token_id}") is None
