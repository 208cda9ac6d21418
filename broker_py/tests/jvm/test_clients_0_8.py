# SPDX-License-Identifier: Apache-2.0
"""The commands of Apache Kafka 0.8.1.1 against this broker, run by 0.8.1.1's own code: its topic tool and its
consumer work by ZooKeeper's znodes, its producer and the fetches by version 0 of the protocol.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests import kafka_jars
from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import DEADLINE_S, Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess

MISSING = kafka_jars.missing(kafka_jars.LIBS_0_8, "kafka_2.10-0.8*.jar")
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"Kafka 0.8.1.1 is not asked: {MISSING}")


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("clients_0_8"), zookeeper, 2) as running:
        yield running


def run(main: str, *arguments: str, stdin: str = "") -> str:
    """What a tool of 0.8.1.1 writes to standard output."""
    command = [*kafka_jars.java(128, libs=kafka_jars.LIBS_0_8), main, *arguments]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def topics(cluster: Cluster, *arguments: str) -> str:
    return run("kafka.admin.TopicCommand", "--zookeeper", cluster.connect_string, *arguments)


def consume(cluster: Cluster, topic: str, count: int, *arguments: str) -> list[str]:
    command = ["--zookeeper", cluster.connect_string, "--topic", topic, "--from-beginning"]
    command += ["--max-messages", str(count), *arguments]
    return run("kafka.consumer.ConsoleConsumer", *command).splitlines()


def test_a_topic_is_made_written_and_read(cluster: Cluster) -> None:
    created = topics(cluster, "--create", "--topic", "test", "--partitions", "1", "--replication-factor", "2")
    assert created == 'Created topic "test".\n'
    cluster.wait_isr("test", {0, 1})
    assert topics(cluster, "--list").split() == ["test"]
    leader = cluster.leader("test")
    described = topics(cluster, "--describe", "--topic", "test").splitlines()
    assert described[0] == "Topic:test\tPartitionCount:1\tReplicationFactor:2\tConfigs:"
    assert f"Partition: 0\tLeader: {leader.id}\t" in described[1]

    producer = ["--broker-list", cluster.bootstrap, "--topic", "test"]
    run("kafka.producer.ConsoleProducer", *producer, stdin="This is a message\nThis is another message\n")
    compressed = [*producer, "--compress", "--sync", "--request-required-acks", "-1"]
    run("kafka.producer.ConsoleProducer", *compressed, stdin="squeezed one\nsqueezed two\n")

    expected = ["This is a message", "This is another message", "squeezed one", "squeezed two"]
    assert consume(cluster, "test", 4, "--group", "readers") == expected
    wait_until(
        lambda: cluster.znodes.get("/consumers/readers/offsets/test/0")[0] == b"4",
        "the group's offset to be in ZooKeeper",
    )
    assert CLIENTS["confluent-kafka"]().consume(cluster.bootstrap, "test", "today", 4) == expected


@pytest.mark.parametrize("name", ["confluent-kafka", "kafka-python"])
def test_it_reads_what_todays_clients_write(cluster: Cluster, name: str) -> None:
    topic = f"from-{name}"
    topics(cluster, "--create", "--topic", topic, "--partitions", "2", "--replication-factor", "2")
    values = [f"value {number}" for number in range(100)]
    CLIENTS[name]().produce(cluster.bootstrap, topic, values)
    assert sorted(consume(cluster, topic, 100)) == sorted(values)


def test_a_topic_grows_and_its_offsets_are_told(cluster: Cluster) -> None:
    topics(cluster, "--create", "--topic", "growing", "--partitions", "1", "--replication-factor", "2")
    CLIENTS["confluent-kafka"]().produce(cluster.bootstrap, "growing", ["one", "two", "three"])
    assert "Adding partitions succeeded!" in topics(
        cluster, "--alter", "--topic", "growing", "--partitions", "3"
    )
    for partition in range(3):
        wait_until(
            lambda partition=partition: set(cluster.state("growing", partition)["isr"]) == {0, 1},
            "the new partitions to be in sync",
        )
    asked = ["--broker-list", cluster.bootstrap, "--topic", "growing", "--time", "-1"]
    offsets = run("kafka.tools.GetOffsetShell", *asked).split()
    assert sorted(offsets) == ["growing:0:3", "growing:1:0", "growing:2:0"]
