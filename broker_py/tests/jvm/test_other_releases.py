# SPDX-License-Identifier: Apache-2.0
"""The command line tools of an older and of a newer release, Apache Kafka 2.1.1 and 4.4.0, say the same of a
cluster of this broker as of one of Apache Kafka 3.9.1, character by character.

Those of 2.1 ask ZooKeeper where they still did; those of 4.4 know neither ZooKeeper nor APIs of before 2.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests import kafka_jars
from tests.end_to_end.cluster import DEADLINE_S, wait_until
from tests.jvm.cluster import JVM, PYTHON, MixedCluster, mixed_cluster
from tests.jvm.test_tools import plain
from tests.jvm.tools import MAIN_CLASSES_2_1, MAIN_CLASSES_4, KafkaTools
from tests.real_zookeeper import ZooKeeperProcess

BY_ZOOKEEPER_IN_2_1 = ("kafka-topics", "kafka-reassign-partitions", "kafka-preferred-replica-election")
BY_BROKER_LIST_IN_2_1 = (
    "kafka-console-producer", "kafka-consumer-perf-test", "kafka-get-offsets", "kafka-verifiable-consumer",
    "kafka-verifiable-producer",
)  # fmt: skip

OF_ONE_JVM = re.compile(r"(?m)^.*Error registering AppInfo mbean.*\n.*InstanceAlreadyExistsException.*\n")
"""What 2.1 says when a second tool runs in the same JVM."""
MADE_UP = re.compile(r"perf-consumer-\d+")


class Both:
    """The same commands of one release for a cluster of two JVM brokers and one of two Python brokers."""

    def __init__(self, tools: KafkaTools, jvm: MixedCluster, python: MixedCluster) -> None:
        self.tools = tools
        self.clusters = (jvm, python)

    def server(self, tool: str, cluster: MixedCluster) -> list[str]:
        return ["--bootstrap-server", cluster.bootstrap]

    def run(self, tool: str, *arguments: str, stdin: str = "", status: int = 0, ordered: bool = True) -> str:
        """What the tool says, which has to be the same of both; ``ordered``: in the same order."""
        answers = []
        for cluster in self.clusters:
            done = self.tools.run(tool, *self.server(tool, cluster), *arguments, stdin=stdin, check=False)
            assert done.status == status, done
            said = f"{plain(done.out)}\n--- stderr\n{plain(OF_ONE_JVM.sub('', done.err))}"
            said = MADE_UP.sub("GROUP", said.replace(cluster.connect_string, "ZK"))
            for broker in cluster.brokers:
                said = said.replace(str(broker.log_dir), "DIR")
            answers.append(said if ordered else "\n".join(sorted(said.splitlines())))
        assert answers[1] == answers[0]
        return answers[0]

    def wait_isr(self, topic: str, isr: set[int], partition: int = 0) -> None:
        for cluster in self.clusters:
            cluster.wait_isr(topic, isr, partition)


class BothOf21(Both):
    def server(self, tool: str, cluster: MixedCluster) -> list[str]:
        if tool in BY_ZOOKEEPER_IN_2_1:
            return ["--zookeeper", cluster.connect_string]
        return ["--broker-list" if tool in BY_BROKER_LIST_IN_2_1 else "--bootstrap-server", cluster.bootstrap]


class BothOf4(Both):
    def server(self, tool: str, cluster: MixedCluster) -> list[str]:
        # Its sub-commands come first.
        return [] if tool in ("kafka-cluster", "kafka-features") else super().server(tool, cluster)


@pytest.fixture(scope="module")
def clusters(
    zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[MixedCluster, MixedCluster]]:
    with ExitStack() as stack:

        def started(kind: str) -> MixedCluster:
            directory = tmp_path_factory.mktemp(kind)
            settings = {"transaction_state_log_num_partitions": "1", "offsets_topic_num_partitions": "1"}
            return stack.enter_context(mixed_cluster(directory, zookeeper, [kind, kind], **settings))

        both = started(JVM), started(PYTHON)
        for cluster in both:
            # Else chance would choose the groups' coordinator.
            _make_offsets_topic(cluster)
        yield both


def _make_offsets_topic(cluster: MixedCluster) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 2})
    topic = NewTopic(
        "__consumer_offsets", 1, replica_assignment=[[0, 1]], config={"cleanup.policy": "compact"}
    )
    for created in admin.create_topics([topic]).values():
        created.result(DEADLINE_S)


@pytest.fixture(scope="module")
def of_2_1(clusters: tuple[MixedCluster, MixedCluster]) -> Iterator[BothOf21]:
    if reason := kafka_jars.missing(kafka_jars.LIBS_2_1, "kafka_2.12-2.1*.jar"):
        pytest.skip(f"the tools of Kafka 2.1 are not run: {reason}")
    tools = KafkaTools(kafka_jars.LIBS_2_1, MAIN_CLASSES_2_1)
    try:
        yield BothOf21(tools, *clusters)
    finally:
        tools.close()


@pytest.fixture(scope="module")
def of_4(clusters: tuple[MixedCluster, MixedCluster]) -> Iterator[BothOf4]:
    if reason := kafka_jars.missing(kafka_jars.LIBS_4, "kafka-tools-4*.jar"):
        pytest.skip(f"the tools of Kafka 4 are not run: {reason}")
    tools = KafkaTools(kafka_jars.LIBS_4, MAIN_CLASSES_4)
    try:
        yield BothOf4(tools, *clusters)
    finally:
        tools.close()


def plan(path: Path, *partitions: dict[str, object]) -> str:
    path.write_text(json.dumps({"version": 1, "partitions": partitions}))
    return str(path)


def settled(both: Both, topic: str, replicas: Sequence[int]) -> None:
    """A move is over when ZooKeeper says so."""
    for cluster in both.clusters:
        wait_until(
            lambda cluster=cluster: (
                cluster.document(f"/brokers/topics/{topic}")["partitions"]["0"] == list(replicas)
                and not cluster.document(f"/brokers/topics/{topic}").get("adding_replicas")
                and cluster.znodes.exists("/admin/reassign_partitions") is None
            ),
            f"{topic} to be on {replicas}",
        )


def test_topics_and_their_settings_by_2_1(of_2_1: BothOf21) -> None:
    topic = ["--topic", "old"]
    settings = ["--config", "retention.ms=100000"]
    of_2_1.run("kafka-topics", "--create", *topic, "--replica-assignment", "0:1,1:0", *settings)
    of_2_1.run("kafka-topics", "--create", *topic, "--partitions", "1", "--replication-factor", "1", status=1)
    of_2_1.run("kafka-topics", "--create", "--topic", "a b", "--replica-assignment", "0", status=1)
    of_2_1.wait_isr("old", {0, 1}, 1)
    assert "PartitionCount:2" in of_2_1.run("kafka-topics", "--describe", *topic)
    of_2_1.run("kafka-topics", "--describe", "--topics-with-overrides", *topic)
    of_2_1.run("kafka-topics", "--alter", *topic, "--partitions", "3", "--replica-assignment", "0:1,1:0,1:0")
    of_2_1.run("kafka-topics", "--alter", *topic, "--partitions", "2", status=1)
    of_2_1.wait_isr("old", {0, 1}, 2)
    assert "old" in of_2_1.run("kafka-topics", "--list", ordered=False)
    by_zookeeper = [["--zookeeper", cluster.connect_string] for cluster in of_2_1.clusters]
    entity = ["--entity-type", "topics", "--entity-name", "old"]
    for command in (["--alter", "--add-config", "max.message.bytes=300000"], ["--describe"]):
        said = [of_2_1.tools.run("kafka-configs", *where, *entity, *command).out for where in by_zookeeper]
        assert said[0] == said[1]
    for cluster in of_2_1.clusters:
        leader = cluster.leader("old")
        wait_until(
            lambda cluster=cluster: "300000" in _setting(of_2_1.tools, cluster, "max.message.bytes"),
            f"broker {leader.id} to know the setting",
        )
    of_2_1.run("kafka-topics", "--delete", *topic)
    for cluster in of_2_1.clusters:
        wait_until(lambda cluster=cluster: not cluster.znodes.exists("/brokers/topics/old"), "old to be gone")


def _setting(tools: KafkaTools, cluster: MixedCluster, name: str) -> str:
    server = ["--zookeeper", cluster.connect_string, "--describe", "--topic", "old"]
    described = tools.run("kafka-topics", *server).out
    return next((part for part in described.replace("\t", ",").split(",") if name in part), "")


def test_records_and_groups_by_2_1(of_2_1: BothOf21, tmp_path: Path) -> None:
    of_2_1.run("kafka-topics", "--create", "--topic", "read", "--replica-assignment", "0:1")
    of_2_1.wait_isr("read", {0, 1})
    topic = ["--topic", "read"]
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        of_2_1.run("kafka-console-producer", *topic, "--compression-codec", codec, stdin=f"{codec}\n")
    keyed = [
        "--property",
        "parse.key=true",
        "--property",
        "key.separator=:",
        "--request-required-acks",
        "all",
    ]
    of_2_1.run("kafka-console-producer", *topic, *keyed, stdin="key:value\n")
    limits = [
        "--max-messages",
        "6",
        "--timeout-ms",
        "20000",
        "--from-beginning",
        "--property",
        "print.key=true",
    ]
    said = of_2_1.run("kafka-console-consumer", *topic, *limits, "--group", "readers")
    assert "key\tvalue" in said
    committed = ["--isolation-level", "read_committed"]
    assert "zstd" in of_2_1.run("kafka-console-consumer", *topic, *limits, *committed)
    for time in ("-1", "-2"):
        of_2_1.run("kafka-get-offsets", *topic, "--time", time)
    group = ["--group", "readers"]
    of_2_1.run("kafka-consumer-groups", "--list", ordered=False)
    assert "readers" not in of_2_1.run("kafka-consumer-groups", "--describe", "--group", "absent")
    of_2_1.run("kafka-consumer-groups", "--describe", *group)
    of_2_1.run("kafka-consumer-groups", "--describe", *group, "--state")
    of_2_1.run("kafka-consumer-groups", "--describe", *group, "--members", "--verbose")
    to = ["--reset-offsets", *group, *topic, "--to-offset", "2", "--execute"]
    of_2_1.run("kafka-consumer-groups", *to)
    assert " 2 " in of_2_1.run("kafka-consumer-groups", "--describe", *group)
    of_2_1.run("kafka-consumer-groups", "--delete", *group)
    of_2_1.run("kafka-consumer-groups", "--delete", "--group", "absent")
    records = plan(tmp_path / "records.json", {"topic": "read", "partition": 0, "offset": 3})
    of_2_1.run("kafka-delete-records", "--offset-json-file", records)
    assert "read:0:3" in of_2_1.run("kafka-get-offsets", *topic, "--time", "-2")
    of_2_1.run("kafka-log-dirs", "--describe", "--topic-list", "read")
    of_2_1.run("kafka-configs", "--entity-type", "brokers", "--entity-name", "0", "--describe")


def test_moves_and_elections_by_2_1(of_2_1: BothOf21, tmp_path: Path) -> None:
    of_2_1.run("kafka-topics", "--create", "--topic", "move", "--replica-assignment", "0")
    of_2_1.wait_isr("move", {0})
    moves = [
        "--reassignment-json-file",
        plan(tmp_path / "plan.json", {"topic": "move", "partition": 0, "replicas": [1, 0]}),
    ]
    of_2_1.run("kafka-reassign-partitions", *moves, "--execute", "--throttle", "10000000")
    settled(of_2_1, "move", [1, 0])
    of_2_1.run("kafka-reassign-partitions", *moves, "--verify")
    of_2_1.wait_isr("move", {0, 1})
    chosen = tmp_path / "election.json"
    chosen.write_text(json.dumps({"partitions": [{"topic": "move", "partition": 0}]}))
    of_2_1.run("kafka-preferred-replica-election", "--path-to-json-file", str(chosen))
    for cluster in of_2_1.clusters:
        wait_until(lambda cluster=cluster: cluster.state("move")["leader"] == 1, "1 to lead move")


def test_measuring_and_asking_by_2_1(of_2_1: BothOf21) -> None:
    of_2_1.run("kafka-topics", "--create", "--topic", "fast", "--replica-assignment", "0:1")
    of_2_1.wait_isr("fast", {0, 1})
    performance = ["--num-records", "5000", "--record-size", "100", "--throughput", "-1"]
    for cluster in of_2_1.clusters:
        properties = ["--producer-props", "acks=all", f"bootstrap.servers={cluster.bootstrap}"]
        done = of_2_1.tools.run("kafka-producer-perf-test", "--topic", "fast", *performance, *properties)
        assert done.out.startswith("5000 records sent")
        server = ["--broker-list", cluster.bootstrap, "--topic", "fast"]
        read = of_2_1.tools.run("kafka-consumer-perf-test", *server, "--messages", "5000")
        assert ", 5000, " in read.out
        reader = [*server, "--group-id", "verifiers", "--reset-policy", "earliest", "--max-messages", "5000"]
        consumed = of_2_1.tools.run("kafka-verifiable-consumer", *reader).out
        events = [json.loads(line) for line in consumed.splitlines()]
        assert sum(event["count"] for event in events if event["name"] == "records_consumed") == 5000
    said = of_2_1.run("kafka-broker-api-versions", ordered=False)
    assert "Produce(0): 0 to 11 [usable: 7]" in said


def test_topics_and_settings_by_4(of_4: BothOf4) -> None:
    topic = ["--topic", "new"]
    settings = ["--config", "retention.ms=100000"]
    of_4.run("kafka-topics", "--create", *topic, "--replica-assignment", "0:1,1:0", *settings)
    of_4.run("kafka-topics", "--create", *topic, status=1)
    of_4.run("kafka-topics", "--create", "--topic", "many", "--replication-factor", "3", status=1)
    of_4.wait_isr("new", {0, 1}, 1)
    assert "PartitionCount: 2" in of_4.run("kafka-topics", "--describe", *topic)
    of_4.run("kafka-topics", "--alter", *topic, "--partitions", "3", "--replica-assignment", "0:1,1:0,1:0")
    of_4.run("kafka-topics", "--alter", *topic, "--partitions", "2", status=1)
    of_4.wait_isr("new", {0, 1}, 2)
    of_4.run("kafka-topics", "--list", ordered=False)
    entity = ["--entity-type", "topics", "--entity-name", "new"]
    of_4.run("kafka-configs", *entity, "--alter", "--add-config", "max.message.bytes=300000")
    assert "max.message.bytes=300000" in of_4.run("kafka-configs", *entity, "--describe", ordered=False)
    of_4.run("kafka-configs", *entity, "--alter", "--add-config", "no.such=1", status=1)
    broker = ["--entity-type", "brokers", "--entity-name", "0"]
    of_4.run("kafka-configs", *broker, "--alter", "--add-config", "log.cleaner.threads=2")
    of_4.run("kafka-configs", *broker, "--describe")
    of_4.run("kafka-topics", "--delete", *topic)
    for cluster in of_4.clusters:
        wait_until(lambda cluster=cluster: not cluster.znodes.exists("/brokers/topics/new"), "new to be gone")


def test_records_and_groups_by_4(of_4: BothOf4, tmp_path: Path) -> None:
    of_4.run("kafka-topics", "--create", "--topic", "read4", "--replica-assignment", "0:1")
    of_4.wait_isr("read4", {0, 1})
    topic = ["--topic", "read4"]
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        of_4.run("kafka-console-producer", *topic, "--compression-codec", codec, stdin=f"{codec}\n")
    keyed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"]
    of_4.run("kafka-console-producer", *topic, *keyed, stdin="key:value\n")
    shown = ["--formatter-property", "print.key=true"]
    limits = ["--max-messages", "6", "--timeout-ms", "20000", "--from-beginning", *shown]
    assert "key\tvalue" in of_4.run("kafka-console-consumer", *topic, *limits, "--group", "readers4")
    committed = ["--isolation-level", "read_committed"]
    assert "zstd" in of_4.run("kafka-console-consumer", *topic, *limits, *committed)
    for time in ("latest", "earliest", "max-timestamp"):
        of_4.run("kafka-get-offsets", *topic, "--time", time)
    group = ["--group", "readers4"]
    of_4.run("kafka-consumer-groups", "--list", ordered=False)
    of_4.run("kafka-groups", "--list", ordered=False)
    of_4.run("kafka-consumer-groups", "--describe", "--group", "absent")
    of_4.run("kafka-consumer-groups", "--describe", *group)
    of_4.run("kafka-consumer-groups", "--describe", *group, "--state")
    of_4.run("kafka-consumer-groups", "--describe", *group, "--members", "--verbose")
    of_4.run("kafka-consumer-groups", "--reset-offsets", *group, *topic, "--to-offset", "2", "--execute")
    assert " 2 " in of_4.run("kafka-consumer-groups", "--describe", *group)
    of_4.run("kafka-consumer-groups", "--delete-offsets", *group, *topic)
    of_4.run("kafka-consumer-groups", "--delete", *group)
    records = plan(tmp_path / "records.json", {"topic": "read4", "partition": 0, "offset": 3})
    of_4.run("kafka-delete-records", "--offset-json-file", records)
    assert "read4:0:3" in of_4.run("kafka-get-offsets", *topic, "--time", "earliest")
    of_4.run("kafka-log-dirs", "--describe", "--topic-list", "read4")


def test_moves_and_elections_by_4(of_4: BothOf4, tmp_path: Path) -> None:
    of_4.run("kafka-topics", "--create", "--topic", "move4", "--replica-assignment", "0")
    of_4.wait_isr("move4", {0})
    moves = [
        "--reassignment-json-file",
        plan(tmp_path / "plan.json", {"topic": "move4", "partition": 0, "replicas": [1, 0]}),
    ]
    of_4.run("kafka-reassign-partitions", *moves, "--execute", "--throttle", "10000000")
    settled(of_4, "move4", [1, 0])
    of_4.run("kafka-reassign-partitions", *moves, "--verify")
    of_4.run("kafka-reassign-partitions", "--list")
    of_4.wait_isr("move4", {0, 1})
    chosen = ["--topic", "move4", "--partition", "0"]
    of_4.run("kafka-leader-election", "--election-type", "preferred", *chosen)
    of_4.run("kafka-leader-election", "--election-type", "preferred", *chosen)
    of_4.run("kafka-topics", "--describe", "--topic", "move4")


def test_measuring_and_asking_by_4(of_4: BothOf4) -> None:
    of_4.run("kafka-topics", "--create", "--topic", "fast4", "--replica-assignment", "0:1")
    of_4.wait_isr("fast4", {0, 1})
    properties = ["--command-property", "acks=all"]
    performance = ["--num-records", "5000", "--record-size", "100", "--throughput", "-1", *properties]
    for cluster in of_4.clusters:
        server = ["--bootstrap-server", cluster.bootstrap, "--topic", "fast4"]
        done = of_4.tools.run("kafka-producer-perf-test", *server, *performance)
        assert done.out.startswith("5000 records sent")
        read = of_4.tools.run("kafka-consumer-perf-test", *server, "--num-records", "5000")
        assert ", 5000, " in read.out
    said = of_4.run("kafka-broker-api-versions", ordered=False)
    assert "Produce(0): 0 to 11" in said
    of_4.run("kafka-transactions", "list")
    of_4.run("kafka-acls", "--list", status=1)
    for tool, command in (("kafka-cluster", "cluster-id"), ("kafka-features", "describe")):
        said_of = []
        for cluster in of_4.clusters:
            server = ["--bootstrap-server", cluster.bootstrap]
            order = [*server, command] if tool == "kafka-features" else [command, *server]
            run = of_4.tools.run(tool, *order, check=False)
            said_of.append((run.status, plain(run.out), plain(run.err)))
        assert said_of[0] == said_of[1]
