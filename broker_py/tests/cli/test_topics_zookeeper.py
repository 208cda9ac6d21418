# SPDX-License-Identifier: Apache-2.0
"""kafka-topics.sh --zookeeper: znodes as a 3.9 broker wants them, words as Kafka 0.8 had them."""

from __future__ import annotations

import asyncio
import json

import pytest

from commitlog.cli.topics_errors import ToolError
from commitlog.cli.topics_zookeeper import TopicZnodes, run_with_zookeeper
from commitlog.coordination import paths
from commitlog.coordination.client import CoordinationTimeout
from commitlog.coordination.documents import (
    BrokerRegistration,
    ControllerDocument,
    Endpoint,
    PartitionState,
    TopicAssignment,
)
from commitlog.coordination.memory import MemoryEnsemble
from commitlog.wire.errors import KafkaError
from tests.cli.command_lines import topic_command


class Cluster:
    """Two brokers' znodes in memory, and the tool beside them."""

    def __init__(self) -> None:
        self.ensemble = MemoryEnsemble()

    def run(self, *lines: str) -> None:
        """Type the command lines, one after the other."""

        async def typed() -> None:
            client = self.ensemble.client()
            await client.start()
            for line in lines:
                command = topic_command(f"--zookeeper kafka1:2181 {line}".split())
                await TopicZnodes(command, client, "kafka1:2181").run()

        asyncio.run(typed())

    def write(self, *znodes: tuple[str, bytes]) -> None:
        async def written() -> None:
            client = self.ensemble.client()
            await client.start()
            for path, data in znodes:
                await client.create(path, data, make_parents=True)

        asyncio.run(written())

    def read(self, path: str) -> bytes:
        return self.ensemble.tree.get(path)[0]


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    brokers = [
        (paths.broker_id(number), BrokerRegistration(number, (endpoint,)).encode())
        for number, endpoint in enumerate(
            Endpoint("PLAINTEXT", f"kafka{number + 1}", 9092, "PLAINTEXT") for number in range(2)
        )
    ]
    controller = (paths.CONTROLLER, ControllerDocument(0, 1).encode())
    made.write(*((path, b"") for path in paths.PERSISTENT_PATHS), *brokers, controller)
    return made


def led(topic: str, partition: int, leader: int, *isr: int) -> tuple[str, bytes]:
    state = PartitionState(leader, 0, isr, 1)
    return paths.partition_state(topic, partition), state.encode()


def test_create_writes_what_a_broker_of_today_wants(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.run("--create --topic test --partitions 1 --replication-factor 2 --config retention.ms=5")
    assert capsys.readouterr().out == 'Created topic "test".\n'
    document = json.loads(cluster.read("/brokers/topics/test"))
    assert document["version"] == 3
    assert len(document["topic_id"]) == 22
    assert sorted(document["partitions"]["0"]) == [0, 1]
    assert cluster.read("/config/topics/test") == b'{"version":1,"config":{"retention.ms":"5"}}'


def test_create_by_hand_and_once(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.run("--create --topic t --replica-assignment 0:1,1:0")
    assert TopicAssignment.decode("t", cluster.read("/brokers/topics/t")).partitions == {0: [0, 1], 1: [1, 0]}
    cluster.run("--create --topic t --partitions 1 --replication-factor 1 --if-not-exists")
    with pytest.raises(KafkaError, match="Topic 't' already exists"):
        cluster.run("--create --topic t --partitions 1 --replication-factor 1")
    capsys.readouterr()
    cluster.run("--create --topic a.b_c --partitions 1 --replication-factor 1")
    assert capsys.readouterr().out.startswith("WARNING: Due to limitations in metric names")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "--create --topic t --partitions 1 --replication-factor 3",
            "Replication factor: 3 larger than available",
        ),
        (
            "--create --topic b/d --partitions 1 --replication-factor 1",
            "Topic name is invalid: 'b/d' contains",
        ),
        (
            "--create --topic t --partitions 1 --replication-factor 1 --config foo=1",
            "Unknown topic config name: foo",
        ),
        ("--describe --topic nope", "Topic 'nope' does not exist as expected"),
        ("--delete --topic nope", "Topic 'nope' does not exist as expected"),
        ("--alter --topic nope --partitions 2", "Topic 'nope' does not exist as expected"),
    ],
)
def test_what_cannot_be_done_changes_nothing(cluster: Cluster, line: str, message: str) -> None:
    before = cluster.ensemble.tree.paths()
    with pytest.raises((KafkaError, ToolError)) as caught:
        cluster.run(line)
    assert str(caught.value).find(message) >= 0
    assert cluster.ensemble.tree.paths() == before


def test_describe_prints_as_0_8_did(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.write(
        ("/brokers/topics/test", TopicAssignment({0: [0, 1], 1: [1, 0]}).encode()),
        ("/config/topics/test", b'{"version":1,"config":{"retention.ms":"5"}}'),
        led("test", 0, 0, 0, 1),
        led("test", 1, -1, 1),
        # As kafka-topics.sh of 0.8.1 makes it: version 1, no id, and no leader yet.
        ("/brokers/topics/young", b'{"version":1,"partitions":{"0":[1]}}'),
    )
    cluster.run("--describe")
    assert capsys.readouterr().out == (
        "Topic:test\tPartitionCount:2\tReplicationFactor:2\tConfigs:retention.ms=5\n"
        "\tTopic: test\tPartition: 0\tLeader: 0\tReplicas: 0,1\tIsr: 0,1\n"
        "\tTopic: test\tPartition: 1\tLeader: none\tReplicas: 1,0\tIsr: 1\n"
        "Topic:young\tPartitionCount:1\tReplicationFactor:1\tConfigs:\n"
        "\tTopic: young\tPartition: 0\tLeader: none\tReplicas: 1\tIsr: \n"
    )
    cluster.run("--describe --under-replicated-partitions --topic test")
    assert capsys.readouterr().out == "\tTopic: test\tPartition: 1\tLeader: none\tReplicas: 1,0\tIsr: 1\n"
    cluster.run("--describe --unavailable-partitions --topic test")
    assert capsys.readouterr().out == "\tTopic: test\tPartition: 1\tLeader: none\tReplicas: 1,0\tIsr: 1\n"
    cluster.run("--describe --topics-with-overrides")
    assert capsys.readouterr().out == (
        "Topic:test\tPartitionCount:2\tReplicationFactor:2\tConfigs:retention.ms=5\n"
    )


def test_delete_asks_the_controller(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.write(("/brokers/topics/test", TopicAssignment({0: [0]}).encode()))
    cluster.run("--delete --topic test", "--list", "--delete --topic test")
    assert capsys.readouterr().out == (
        "Topic test is marked for deletion.\n"
        "Note: This will have no impact if delete.topic.enable is not set to true.\n"
        "test - marked for deletion\n"
        "Topic test is already marked for deletion.\n"
    )
    assert cluster.ensemble.tree.stat("/admin/delete_topics/test") is not None


def test_internal_topics_are_kept(cluster: Cluster) -> None:
    cluster.write(("/brokers/topics/__consumer_offsets", TopicAssignment({0: [0]}).encode()))
    with pytest.raises(
        ToolError, match="is a kafka internal topic and is not allowed to be marked for deletion"
    ):
        cluster.run("--delete --topic __consumer_offsets")


def test_alter_grows_and_configures(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.write(
        ("/brokers/topics/test", TopicAssignment({0: [0, 1]}).encode()),
        ("/config/topics/test", b'{"version":1,"config":{"retention.ms":"5"}}'),
    )
    cluster.run("--alter --topic test --partitions 3 --config segment.bytes=100 --delete-config retention.ms")
    assert capsys.readouterr().out == (
        'Updated config for topic "test".\n'
        "WARNING: If partitions are increased for a topic that has a key, the partition logic or ordering "
        "of the messages will be affected\n"
        "Adding partitions succeeded!\n"
    )
    assert cluster.read("/config/topics/test") == b'{"version":1,"config":{"segment.bytes":"100"}}'
    grown = TopicAssignment.decode("test", cluster.read("/brokers/topics/test")).partitions
    assert list(grown) == [0, 1, 2]
    assert grown[0] == [0, 1]
    with pytest.raises(ToolError, match="Unknown topic config name: nonsense"):
        cluster.run("--alter --topic test --delete-config nonsense")


def test_alter_with_an_assignment_leaves_the_old_partitions_alone(cluster: Cluster) -> None:
    cluster.write(("/brokers/topics/test", TopicAssignment({0: [0, 1]}).encode()))
    cluster.run("--alter --topic test --partitions 2 --replica-assignment 1:0,1:0")
    grown = TopicAssignment.decode("test", cluster.read("/brokers/topics/test")).partitions
    assert grown == {0: [0, 1], 1: [1, 0]}


def test_an_ensemble_without_kafka_is_said_to_be_one() -> None:
    with pytest.raises(ToolError, match="no Kafka cluster keeps its znodes there"):
        Cluster().run("--list")


def test_an_unknown_host_is_said_at_once() -> None:
    command = topic_command(["--zookeeper", "cafka1.invalid:2181", "--list"])
    with pytest.raises(CoordinationTimeout, match=r"unknown host cafka1\.invalid"):
        asyncio.run(run_with_zookeeper(command, "cafka1.invalid:2181"))
