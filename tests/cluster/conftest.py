# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules against real clusters: of this broker, and of Apache Kafka where its jars are there (make jvm-libs)."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))
sys.path.insert(0, str(ROOT / "broker_py"))  # its tests have the harness that starts brokers
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from modules import Modules
from tests.jvm.cluster import JVM, PYTHON, MixedCluster

from tests import kafka_jars, real_zookeeper

SECURITY = {
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "super.users": "User:ANONYMOUS;User:alice",
    "delegation.token.secret.key": "not so secret",
}
PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret";'
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real_zookeeper.ZooKeeperProcess]:
    reason = real_zookeeper.missing()
    if reason is not None:
        pytest.skip(f"no real ZooKeeper here: {reason}")
    process = real_zookeeper.ZooKeeperProcess(tmp_path_factory.mktemp("ensemble"))
    try:
        yield process
    finally:
        process.stop()


def sasl_settings(port: int, sasl_port: int) -> dict[str, str]:
    """A second listener, on which alice logs in by PLAIN and everybody else by SCRAM."""
    prefix = "listener.name.sasl_plaintext"
    return {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl_port}",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        f"{prefix}.plain.sasl.jaas.config": PLAIN,
        f"{prefix}.scram-sha-256.sasl.jaas.config": SCRAM,
        f"{prefix}.scram-sha-512.sasl.jaas.config": SCRAM,
    }


@pytest.fixture(scope="module", params=[PYTHON, JVM])
def modules(
    request: pytest.FixtureRequest, zookeeper: real_zookeeper.ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Modules]:
    """The modules, connected to two brokers of either kind."""
    kind = request.param
    reason = kafka_jars.missing() if kind == JVM else None
    if reason is not None:
        pytest.skip(f"Apache Kafka is not asked: {reason}")
    secured = getattr(request.module, "SECURED", False)
    cluster = MixedCluster(tmp_path_factory.mktemp(kind), zookeeper, [kind] * (1 if secured else 2), {})
    sasl = ""
    if secured:
        sasl_port = real_zookeeper.free_port()
        sasl = f"127.0.0.1:{sasl_port}"
        cluster.brokers[0].settings.update({**SECURITY, **sasl_settings(cluster.brokers[0].port, sasl_port)})
    try:
        cluster.start()
        yield Modules(cluster.bootstrap.split(","), cluster.connect_string, sasl, kind)
    finally:
        cluster.close()
