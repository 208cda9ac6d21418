# SPDX-License-Identifier: Apache-2.0
"""Brokers and a ZooKeeper that wants TLS and a login; what brokers write there, and who may read it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoAuthError

from commitlog.coordination.kazoo_client import KazooCoordination
from commitlog.coordination.zookeeper_security import ZooKeeperSecurity
from commitlog.security.tls import client_context
from tests import real_zookeeper
from tests.end_to_end.cluster import BrokerProcess, wait_until
from tests.real_zookeeper import ZooKeeperProcess, free_port
from tests.security.certificates import LabCa

pytestmark = pytest.mark.zookeeper

DIGEST = "org.apache.zookeeper.server.auth.DigestLoginModule"


@dataclass
class SecureZooKeeper:
    process: ZooKeeperProcess
    tls_port: int
    ca: LabCa
    jaas: Path


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureZooKeeper]:
    reason = real_zookeeper.missing()
    if reason is not None:
        pytest.skip(f"no real ZooKeeper here: {reason}")
    directory = tmp_path_factory.mktemp("secure-ensemble")
    ca = LabCa(directory)
    jaas = directory / "server.jaas"
    jaas.write_text(f'Server {{ {DIGEST} required user_kafka="zk-secret"; }};\n')
    tls_port = free_port()
    settings = {
        "secureClientPort": str(tls_port),
        "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
        "ssl.keyStore.location": str(ca.issue("zookeeper", "127.0.0.1").pem),
        "ssl.trustStore.location": str(_pem(ca)),
        "authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
    }
    process = ZooKeeperProcess(
        directory, settings=settings, options=[f"-Djava.security.auth.login.config={jaas}"]
    )
    try:
        yield SecureZooKeeper(process, tls_port, ca, jaas)
    finally:
        process.stop()


def _pem(ca: LabCa) -> Path:
    path = ca.directory / "trusted.pem"
    path.write_text(ca.text)
    return path


def secured_broker(
    secure: SecureZooKeeper, directory: Path, monkeypatch: pytest.MonkeyPatch, *, password: str = "zk-secret"
) -> BrokerProcess:
    jaas = directory / "broker.jaas"
    jaas.write_text(f'Client {{ {DIGEST} required username="kafka" password="{password}"; }};\n')
    monkeypatch.setenv("KAFKA_OPTS", f"-Djava.security.auth.login.config={jaas}")
    identity = secure.ca.issue("broker")
    return BrokerProcess(
        directory,
        0,
        f"127.0.0.1:{secure.tls_port}/{directory.name}",
        {
            "zookeeper.set.acl": "true",
            "zookeeper.ssl.client.enable": "true",
            "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
            "zookeeper.ssl.keystore.location": str(identity.pkcs12("keys")),
            "zookeeper.ssl.keystore.password": "keys",
            "zookeeper.ssl.truststore.location": str(_pem(secure.ca)),
            "zookeeper.connection.timeout.ms": "4000",
        },
    )


def test_a_broker_behind_tls_and_a_login_keeps_its_znodes(
    secure: SecureZooKeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = secured_broker(secure, tmp_path, monkeypatch)
    stranger = KazooClient(f"{secure.process.connect_string}/{tmp_path.name}")
    try:
        broker.start()
        stranger.start()
        wait_until(lambda: stranger.exists("/controller"), "a controller")
        assert _acl(stranger, "/brokers/ids/0") == [("sasl", "kafka", 31), ("world", "anyone", 1)]
        assert _acl(stranger, "/config/topics") == [("sasl", "kafka", 31), ("world", "anyone", 1)]
        assert _acl(stranger, "/consumers") == [("world", "anyone", 31)]
        with pytest.raises(NoAuthError):
            stranger.get_children("/config/users")
        with pytest.raises(NoAuthError):
            stranger.set("/controller", b"mine")
        assert "zk-secret" not in broker.output
        assert broker.stop() == 0
    finally:
        broker.kill()
        with contextlib.suppress(Exception):
            stranger.stop()
            stranger.close()


def test_a_new_password_and_certificate_are_used_without_a_restart(
    secure: SecureZooKeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker's files come first, while ZooKeeper still has the old password; then ZooKeeper changes. The
    session lives all the while, by the password that each server knows."""
    broker = secured_broker(secure, tmp_path, monkeypatch)
    observer = KazooClient(f"{secure.process.connect_string}/{tmp_path.name}")
    server_jaas = secure.jaas.read_text()
    try:
        broker.start()
        observer.start()
        before = observer.get("/brokers/ids/0")[1].czxid
        jaas = tmp_path / "broker.jaas"
        jaas.write_text(jaas.read_text().replace("zk-secret", "changed"))
        secure.process.kill()
        secure.process.start()
        wait_until(lambda: answered(observer, broker), "the broker to be back, by the old password")
        secure.jaas.write_text(server_jaas.replace("zk-secret", "changed"))
        renewed = secure.ca.issue("broker-2")
        renewed.pkcs12("keys").replace(broker.settings["zookeeper.ssl.keystore.location"])
        secure.process.kill()
        secure.process.start()
        wait_until(lambda: answered(observer, broker), "the broker to be back, by the new password")
        assert observer.get("/brokers/ids/0")[1].czxid == before
        assert "changed" not in broker.output
        assert broker.stop() == 0
    finally:
        broker.kill()
        secure.process.kill()
        secure.jaas.write_text(server_jaas)
        secure.process.start()
        with contextlib.suppress(Exception):
            observer.stop()
            observer.close()


def answered(observer: KazooClient, broker: BrokerProcess) -> bool:
    """Whether the broker can write to ZooKeeper: a topic that it is asked to make is there."""
    name = f"made-{time.monotonic_ns()}"
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    made = admin.create_topics([NewTopic(name, 1, 1)], operation_timeout=5, request_timeout=5)
    with contextlib.suppress(KafkaException, KazooException):
        made[name].result(10)
        return observer.exists(f"/brokers/topics/{name}") is not None
    return False


def _acl(client: KazooClient, path: str) -> list[tuple[str, str, int]]:
    acls, _ = client.get_acls(path)
    return sorted((one.id.scheme, one.id.id, one.perms) for one in acls if one.id.scheme != "x509")


def test_znodes_of_a_time_without_security_are_taken_over(secure: SecureZooKeeper, tmp_path: Path) -> None:
    """What zookeeper-security-migration.sh does; a second time there is nothing to do."""
    stranger = KazooClient(f"{secure.process.connect_string}")
    stranger.start()
    root = f"/{tmp_path.name}"
    for path in ("/config/users/alice", "/brokers/topics/t"):
        stranger.create(root + path, b"{}", makepath=True)
    stores = {"ssl.truststore.location": str(_pem(secure.ca)), "ssl.truststore.type": "PEM", **_keys(secure)}
    context = client_context(stores.get, ["TLSv1.2"], [], check_host=True)
    security = ZooKeeperSecurity(context, "kafka", "zk-secret", set_acl=True)

    async def take_over() -> list[bool]:
        coordination = KazooCoordination(f"127.0.0.1:{secure.tls_port}{root}", security=security)
        await coordination.start()
        try:
            return [
                await coordination.take_over(path) for path in ("/config/users/alice", "/brokers/topics/t")
            ]
        finally:
            await coordination.close()

    try:
        assert asyncio.run(take_over()) == [True, True]
        assert asyncio.run(take_over()) == [False, False]
        assert _acl(stranger, f"{root}/brokers/topics/t") == [("sasl", "kafka", 31), ("world", "anyone", 1)]
        with pytest.raises(NoAuthError):
            stranger.get(f"{root}/config/users/alice")
    finally:
        stranger.stop()
        stranger.close()


def _keys(secure: SecureZooKeeper) -> dict[str, str]:
    return {"ssl.keystore.location": str(secure.ca.issue("tool").pem), "ssl.keystore.type": "PEM"}


def test_a_wrong_password_is_one_line(
    secure: SecureZooKeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = secured_broker(secure, tmp_path, monkeypatch, password="wrong")
    try:
        broker.launch()
        assert broker.wait_ended() == 1
    finally:
        broker.kill()
    assert "the login as kafka was refused" in broker.errors
    assert broker.errors.count("\n") == 1


def test_a_zookeeper_of_another_authority_is_refused(
    secure: SecureZooKeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = secured_broker(secure, tmp_path, monkeypatch)
    other = tmp_path / "other.pem"
    other.write_text(LabCa(tmp_path, "Another CA").text)
    broker.settings["zookeeper.ssl.truststore.location"] = str(other)
    try:
        broker.launch()
        assert broker.wait_ended() == 1
    finally:
        broker.kill()
    assert "certificate verify failed" in broker.errors


def test_acls_without_an_identity_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_OPTS", raising=False)
    broker = BrokerProcess(tmp_path, 0, "127.0.0.1:1", {"zookeeper.set.acl": "true"})
    broker.launch()
    assert broker.wait_ended() == 1
    assert "zookeeper.set.acl is true, but" in broker.errors
