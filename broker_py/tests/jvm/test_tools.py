# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka 3.9.1's command line tools say the same of a Python cluster as of a JVM cluster.

Every test runs its commands against both, and compares every character that the tools print, but for what
must differ: addresses, topic ids, times, and the names that tools make up.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka
import pytest

from tests import kafka_jars
from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import DEADLINE_S, wait_until
from tests.jvm.cluster import JVM, PYTHON, MixedCluster, mixed_cluster
from tests.jvm.tools import MAIN_CLASSES, KafkaTools
from tests.real_zookeeper import ZooKeeperProcess

client = CLIENTS["confluent-kafka"]()

REPOSITORY = Path(__file__).parents[3]

# What differs from run to run, whoever the broker is.
MADE_UP = [
    (r"127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+)*", "ADDRESS"),
    (r"TopicId: [\w-]{22}", "TopicId: ID"),
    (r"Cluster ID: [\w-]{22}", "Cluster ID: ID"),
    (r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+\]", "[TIME]"),
    (r"(?<!\d)\d{13}(\s*\t\d+)?(?!\d)", "TIME"),
    (r'"logDir":"[^"]*"', '"logDir":"DIR"'),
    (r"(console-consumer|adminclient)-\d+", r"\1-N"),
    (r"(?m)^\tat .*\n", ""),
    (r" {2,}", "  "),
]


def plain(text: str) -> str:
    for pattern, replacement in MADE_UP:
        text = re.sub(pattern, replacement, text)
    # The order of a hash map in the tool.
    text = re.sub(r"(?<=Configs: ).*", lambda found: ",".join(sorted(found[0].split(","))), text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def with_server(tool: str, cluster: MixedCluster, arguments: Sequence[str]) -> list[str]:
    server = ["--bootstrap-server", cluster.bootstrap]
    return [*arguments, *server] if tool == "kafka-cluster" else [*server, *arguments]


@dataclass
class Both:
    """The same commands for a Python cluster and for a JVM cluster."""

    tools: KafkaTools
    python: MixedCluster
    jvm: MixedCluster

    def run(self, tool: str, *arguments: str, stdin: str = "", status: int = 0, ordered: bool = True) -> str:
        """The tool's output and errors, which have to be the same, as its exit status has. ``ordered``: nor
        may the lines come in another order."""
        answers = []
        for cluster in (self.jvm, self.python):
            done = self.tools.run(tool, *with_server(tool, cluster, arguments), stdin=stdin, check=False)
            assert done.status == status, done
            answers.append(f"{plain(done.out)}\n--- stderr\n{plain(done.err)}")
        expected, found = answers
        if ordered:
            assert found == expected
        assert sorted(found.splitlines()) == sorted(expected.splitlines())
        return found

    def produce(self, topic: str, *values: str) -> None:
        for cluster in (self.jvm, self.python):
            client.produce(cluster.bootstrap, topic, values)

    def consume(self, topic: str, group: str, count: int) -> None:
        for cluster in (self.jvm, self.python):
            assert len(client.consume(cluster.bootstrap, topic, group, count)) == count

    def spend(self, topic: str) -> None:
        """One record in a transaction that is committed."""
        for cluster in (self.jvm, self.python):
            producer = confluent_kafka.Producer(
                {"bootstrap.servers": cluster.bootstrap, "transactional.id": "till", "log_level": 0}
            )
            producer.init_transactions(DEADLINE_S)
            producer.begin_transaction()
            producer.produce(topic, "one")
            producer.commit_transaction(DEADLINE_S)
            command = ["--bootstrap-server", cluster.bootstrap, "describe", "--transactional-id", "till"]
            wait_until(
                lambda command=command: "Complete" in self.tools.run("kafka-transactions", *command).out,
                "the commit to be complete",
            )

    def wait_led(self, topic: str, partitions: int) -> None:
        """A topic that grows is known to clients a moment later."""
        for cluster in (self.jvm, self.python):
            for partition in range(partitions):
                cluster.leader(topic, partition)


@pytest.fixture(scope="module")
def both(
    zookeeper: ZooKeeperProcess, tools: KafkaTools, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    def started(kind: str) -> AbstractContextManager[MixedCluster]:
        directory = tmp_path_factory.mktemp(kind)
        return mixed_cluster(directory, zookeeper, [kind, kind], transaction_state_log_num_partitions="1")

    with started(JVM) as jvm, started(PYTHON) as python:
        running = Both(tools, python, jvm)
        # Else chance would choose the coordinators, and who is given the first producer ids.
        for topic, replicas in (("__consumer_offsets", "0:1,1:0,0:1,1:0"), ("__transaction_state", "0:1")):
            compacted = ["--config", "cleanup.policy=compact"]
            running.run(
                "kafka-topics", "--create", "--topic", topic, "--replica-assignment", replicas, *compacted
            )
        running.run("kafka-topics", "--create", "--topic", "first", "--replica-assignment", "0:1")
        running.spend("first")
        yield running


def test_topics_are_created_described_grown_and_deleted(both: Both) -> None:
    topic = ["--topic", "life"]
    created = both.run(
        "kafka-topics", "--create", *topic, "--replica-assignment", "0:1,1:0",
        "--config", "retention.ms=100000", "--config", "segment.bytes=1000000",
    )  # fmt: skip
    assert created.startswith("Created topic life.")
    both.run("kafka-topics", "--create", *topic, status=1)
    both.run("kafka-topics", "--create", *topic, "--if-not-exists")
    both.run("kafka-topics", "--create", "--topic", "a b", status=1)
    both.run("kafka-topics", "--create", "--topic", "many", "--replication-factor", "3", status=1)
    both.run("kafka-topics", "--create", "--topic", "none", "--partitions", "0", status=1)
    both.run("kafka-topics", "--create", "--topic", "odd", "--config", "retention.ms=soon", status=1)
    both.run("kafka-topics", "--create", "--topic", "odd", "--config", "no.such=1", status=1)
    both.run("kafka-topics", "--list")
    both.run("kafka-topics", "--list", "--exclude-internal")
    described = both.run("kafka-topics", "--describe", *topic)
    assert "PartitionCount: 2\tReplicationFactor: 2\tConfigs: " in described
    both.run("kafka-topics", "--describe", "--topics-with-overrides", ordered=False)
    for which in ("under-replicated", "under-min-isr", "at-min-isr", "unavailable"):
        both.run("kafka-topics", "--describe", f"--{which}-partitions")
    both.run("kafka-topics", "--describe", "--topic", "absent", status=1)
    both.run("kafka-topics", "--alter", *topic, "--partitions", "3", "--replica-assignment", "0:1,1:0,1:0")
    both.run("kafka-topics", "--alter", *topic, "--partitions", "2", status=1)
    both.wait_led("life", 3)
    both.run("kafka-topics", "--delete", *topic)
    both.run("kafka-topics", "--delete", *topic, status=1)


def test_configurations_of_topics_and_brokers(both: Both) -> None:
    both.run("kafka-topics", "--create", "--topic", "set", "--replica-assignment", "0:1")
    topic = ["--entity-type", "topics", "--entity-name", "set"]
    limits = "max.message.bytes=2000000,cleanup.policy=[compact,delete]"
    both.run("kafka-configs", *topic, "--alter", "--add-config", limits)
    assert "cleanup.policy=compact,delete" in both.run("kafka-configs", *topic, "--describe")
    both.run("kafka-configs", *topic, "--describe", "--all")
    both.run("kafka-configs", *topic, "--alter", "--delete-config", "cleanup.policy")
    both.run("kafka-configs", *topic, "--alter", "--delete-config", "retention.ms", status=1)
    both.run("kafka-configs", *topic, "--alter", "--add-config", "no.such=1", status=1)
    both.run("kafka-configs", *topic, "--alter", "--add-config", "segment.bytes=1", status=1)
    both.run("kafka-configs", *topic, "--describe")

    broker = ["--entity-type", "brokers", "--entity-name", "0"]
    both.run("kafka-configs", *broker, "--describe")
    both.run("kafka-configs", *broker, "--alter", "--add-config", "log.cleaner.threads=2")
    assert "log.cleaner.threads=2" in both.run("kafka-configs", *broker, "--describe")
    both.run("kafka-configs", *broker, "--alter", "--add-config", "broker.rack=a", status=1)
    default = ["--entity-type", "brokers", "--entity-default"]
    both.run("kafka-configs", *default, "--alter", "--add-config", "max.connections=1000")
    both.run("kafka-configs", *default, "--describe")
    both.run("kafka-configs", *broker, "--describe")


def test_quotas_of_users_clients_and_addresses(both: Both) -> None:
    user = ["--entity-type", "users", "--entity-name", "a b"]
    client_id = ["--entity-type", "clients", "--entity-name", "app/1"]
    anybody, anything = (["--entity-type", kind, "--entity-default"] for kind in ("users", "clients"))
    entities = (user, client_id, [*user, *client_id], anybody, anything, [*anybody, *client_id])
    rates = {
        "producer_byte_rate": "1024",
        "consumer_byte_rate": "2048",
        "request_percentage": "50.5",
        "controller_mutation_rate": "7",
    }
    added = ",".join(f"{name}={value}" for name, value in rates.items())
    for entity in entities:
        both.run("kafka-configs", *entity, "--alter", "--add-config", added)
        assert "request_percentage=50.5" in both.run("kafka-configs", *entity, "--describe", ordered=False)
    for kind in ("users", "clients"):
        both.run("kafka-configs", "--entity-type", kind, "--describe", ordered=False)
    pairs = ["--entity-type", "users", "--entity-type", "clients"]
    both.run("kafka-configs", *pairs, "--describe", ordered=False)
    for ip in (["--entity-name", "10.0.0.1"], ["--entity-default"]):
        address = ["--entity-type", "ips", *ip]
        both.run("kafka-configs", *address, "--alter", "--add-config", "connection_creation_rate=5")
        assert "connection_creation_rate=5.0" in both.run("kafka-configs", *address, "--describe")
    both.run("kafka-configs", "--entity-type", "ips", "--describe", ordered=False)
    both.run("kafka-configs", *address, "--alter", "--add-config", "connection_creation_rate=-1", status=1)
    both.run("kafka-configs", *user, "--alter", "--add-config", "producer_byte_rate=1.5", status=1)
    both.run("kafka-configs", *user, "--alter", "--add-config", "no_such_rate=1", status=1)
    both.run("kafka-configs", *user, "--alter", "--delete-config", "no_such_rate", status=1)
    both.run("kafka-configs", *user, "--describe", ordered=False)
    for entity in entities:
        both.run("kafka-configs", *entity, "--alter", "--delete-config", ",".join(rates))
        both.run("kafka-configs", *entity, "--describe")
    both.run("kafka-configs", *address, "--alter", "--delete-config", "connection_creation_rate")
    for kind in ("users", "clients", "ips"):
        expected, found = (one.znodes.get_children(f"/config/{kind}") for one in (both.jvm, both.python))
        assert found == expected


def test_console_producer_and_consumer(both: Both) -> None:
    both.run("kafka-topics", "--create", "--topic", "console", "--replica-assignment", "0:1")
    topic = ["--topic", "console"]
    both.run("kafka-console-producer", *topic, stdin="one\ntwo\n")
    keyed = [
        "--property",
        "parse.key=true",
        "--property",
        "key.separator=:",
        "--property",
        "parse.headers=true",
    ]
    both.run("kafka-console-producer", *topic, *keyed, "--compression-codec", stdin="a:b\tkey:value\n")
    limits = ["--max-messages", "3", "--timeout-ms", "20000"]
    both.run("kafka-console-consumer", *topic, *limits, "--from-beginning")
    both.run("kafka-console-consumer", *topic, *limits, "--partition", "0", "--offset", "earliest")
    shown = [
        f"--property=print.{what}=true" for what in ("key", "offset", "partition", "headers", "timestamp")
    ]
    found = both.run(
        "kafka-console-consumer", *topic, *limits, "--from-beginning", "--group", "console", *shown
    )
    assert "CreateTime:TIME\tPartition:0\tOffset:2\ta:b\tkey\tvalue" in found


def test_consumer_groups(both: Both) -> None:
    both.run("kafka-topics", "--create", "--topic", "grouped", "--replica-assignment", "0:1")
    both.produce("grouped", *"abcdefgh")
    both.consume("grouped", "readers", 5)
    group = ["--group", "readers"]
    both.run("kafka-consumer-groups", "--describe", *group)
    both.run("kafka-consumer-groups", "--describe", *group, "--state")
    both.run("kafka-consumer-groups", "--describe", *group, "--members", "--verbose")
    both.run("kafka-consumer-groups", "--describe", "--group", "absent")
    both.run("kafka-consumer-groups", "--list", "--state", "Stable")
    assert "readers" in both.run("kafka-consumer-groups", "--list", "--state", "Empty", ordered=False)
    reset = ["--reset-offsets", *group, "--topic", "grouped"]
    for where in (["--to-earliest"], ["--shift-by", "3"], ["--to-datetime", "2020-01-01T00:00:00.000"]):
        both.run("kafka-consumer-groups", *reset, *where, "--execute")
    both.run("kafka-consumer-groups", *reset, "--to-latest", "--dry-run")
    both.run("kafka-consumer-groups", "--describe", *group)
    both.run("kafka-consumer-groups", "--delete-offsets", *group, "--topic", "grouped")
    both.run("kafka-consumer-groups", "--delete", *group)
    both.run("kafka-consumer-groups", "--delete", "--group", "absent")


def test_transactions(both: Both) -> None:
    both.run("kafka-topics", "--create", "--topic", "spent", "--replica-assignment", "0:1")
    both.spend("spent")
    listed = both.run("kafka-transactions", "list")
    assert "CompleteCommit" in listed
    both.run("kafka-transactions", "describe", "--transactional-id", "till")
    both.run("kafka-transactions", "describe", "--transactional-id", "absent", status=1)
    both.run("kafka-transactions", "describe-producers", "--topic", "spent", "--partition", "0")
    both.run("kafka-transactions", "find-hanging", "--broker-id", "0")
    both.run("kafka-console-consumer", "--topic", "spent", "--from-beginning", "--max-messages", "1")
    isolation = ["--isolation-level", "read_committed", "--timeout-ms", "20000"]
    both.run(
        "kafka-console-consumer", "--topic", "spent", "--from-beginning", "--max-messages", "1", *isolation
    )


def test_offsets_and_the_deletion_of_records(both: Both, tmp_path: Path) -> None:
    both.run("kafka-topics", "--create", "--topic", "offsets", "--replica-assignment", "0:1,1:0")
    lines = "".join(f"{number}\n" for number in range(50))
    both.run("kafka-console-producer", "--topic", "offsets", "--property", "parse.key=false", stdin=lines)
    both.run("kafka-get-offsets", "--topic", "offsets", "--time", "earliest")
    both.run("kafka-get-offsets", "--topic-partitions", "offsets:0-1", "--time", "-4")
    both.run("kafka-get-offsets", "--topic", "absent", status=1)
    plan = tmp_path / "records.json"
    partitions = [{"topic": "offsets", "partition": partition, "offset": 0} for partition in range(2)]
    plan.write_text(json.dumps({"version": 1, "partitions": partitions}))
    both.run("kafka-delete-records", "--offset-json-file", str(plan))
    plan.write_text(json.dumps({"version": 1, "partitions": [{**partitions[0], "offset": 1000}]}))
    both.run("kafka-delete-records", "--offset-json-file", str(plan))


def test_a_log_is_told_by_its_end_its_times_and_its_size(both: Both, tmp_path: Path) -> None:
    both.run("kafka-topics", "--create", "--topic", "told", "--replica-assignment", "0:1")
    for number in range(5):
        both.run("kafka-console-producer", "--topic", "told", stdin=f"{number}\n")
    for time in ("latest", "-1", "earliest", "max-timestamp", "earliest-local", "latest-tiered", "0"):
        both.run("kafka-get-offsets", "--topic", "told", "--time", time)
    both.run("kafka-log-dirs", "--describe", "--topic-list", "told")
    plan = tmp_path / "records.json"
    plan.write_text('{"version":1,"partitions":[{"topic":"told","partition":0,"offset":3}]}')
    both.run("kafka-delete-records", "--offset-json-file", str(plan))
    assert "told:0:3" in both.run("kafka-get-offsets", "--topic", "told", "--time", "earliest")
    both.run("kafka-console-consumer", "--topic", "told", "--from-beginning", "--max-messages", "2")


def test_reassignment_and_preferred_leaders(both: Both, tmp_path: Path) -> None:
    both.run("kafka-topics", "--create", "--topic", "moved", "--replica-assignment", "0:1,1:0")
    both.produce("moved", *"abc")
    plan = tmp_path / "plan.json"
    targets = [
        {"topic": "moved", "partition": 0, "replicas": [1, 0]},
        {"topic": "moved", "partition": 1, "replicas": [1]},
    ]
    plan.write_text(json.dumps({"version": 1, "partitions": targets}))
    moves = ["--reassignment-json-file", str(plan)]
    both.run("kafka-reassign-partitions", *moves, "--execute", "--throttle", "10000000")
    for cluster in (both.jvm, both.python):
        cluster.wait_isr("moved", {1}, 1)
    wait_until(lambda: completed(both, moves), "both moves to complete")
    both.run("kafka-reassign-partitions", *moves, "--verify")
    both.run("kafka-reassign-partitions", "--list")
    both.run("kafka-topics", "--describe", "--topic", "moved")
    elected = both.run(
        "kafka-leader-election", "--election-type", "preferred", "--topic", "moved", "--partition", "0"
    )
    assert "Successfully completed leader election (PREFERRED) for partitions moved-0" in elected
    both.run("kafka-leader-election", "--election-type", "preferred", "--topic", "moved", "--partition", "0")
    both.run("kafka-leader-election", "--election-type", "unclean", "--topic", "moved", "--partition", "1")
    both.run("kafka-leader-election", "--election-type", "unclean", "--all-topic-partitions")
    both.run("kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")
    both.run("kafka-topics", "--describe", "--topic", "moved")
    targets[0]["replicas"] = [7]
    plan.write_text(json.dumps({"version": 1, "partitions": targets}))
    both.run("kafka-reassign-partitions", *moves, "--execute", status=1)


def completed(both: Both, moves: list[str]) -> bool:
    for cluster in (both.jvm, both.python):
        command = ["--bootstrap-server", cluster.bootstrap, *moves, "--verify", "--preserve-throttles"]
        if "still in progress" in both.tools.run("kafka-reassign-partitions", *command).out:
            return False
    return True


def test_clusters_and_features(both: Both) -> None:
    assert "Cluster ID: ID" in both.run("kafka-cluster", "cluster-id")
    both.run("kafka-features", "describe")


def test_the_apis_listed_are_listed_as_by_kafka(both: Both) -> None:
    listed: dict[str, set[str]] = {}
    for cluster in (both.jvm, both.python):
        server = ["--bootstrap-server", cluster.brokers[0].address]
        lines = both.tools.run("kafka-broker-api-versions", *server).out.splitlines()
        listed[cluster.brokers[0].kind] = {line for line in lines if "usable" in line}
    assert listed[PYTHON] == listed[JVM]
    assert len(listed[PYTHON]) == 62


def test_all_settings_of_a_broker_are_told_with_kafkas_defaults(both: Both) -> None:
    told = []
    for cluster in (both.jvm, both.python):
        server = ["--bootstrap-server", cluster.bootstrap]
        entity = ["--entity-type", "brokers", "--entity-name", "0", "--describe", "--all"]
        lines = both.tools.run("kafka-configs", *server, *entity).out.splitlines()
        told.append({line.split("=")[0].strip(): line for line in map(plain, lines)})
    of_jvm, of_python = told
    differing = {name for name in of_jvm.keys() | of_python.keys() if of_jvm.get(name) != of_python.get(name)}
    assert differing == {"log.dirs", "zookeeper.connect"}
    assert len(of_jvm) > 250


def test_verifiable_and_performance_tools(both: Both) -> None:
    both.run("kafka-topics", "--create", "--topic", "verified", "--replica-assignment", "0:1")
    produced = produce_verifiably(both.python, "verified", 200)
    assert (produced["sent"], produced["acked"]) == (200, 200)
    reader = ["--topic", "verified", "--group-id", "verifiers", "--reset-policy", "earliest"]
    server = ["--bootstrap-server", both.python.bootstrap]
    consumed = both.tools.run("kafka-verifiable-consumer", *server, *reader, "--max-messages", "200").out
    events = [json.loads(line) for line in consumed.splitlines()]
    assert sum(event["count"] for event in events if event["name"] == "records_consumed") == 200
    assert all(event["success"] for event in events if event["name"] == "offsets_committed")

    performance = ["--num-records", "20000", "--record-size", "200", "--throughput", "-1"]
    properties = ["--producer-props", "acks=all", f"bootstrap.servers={both.python.bootstrap}"]
    both.tools.run("kafka-producer-perf-test", "--topic", "verified", *performance, *properties)
    read = both.tools.run("kafka-consumer-perf-test", *server, "--topic", "verified", "--messages", "20200")
    assert ", 20200, " in read.out
    both.run("kafka-topics", "--create", "--topic", "latency", "--replica-assignment", "0:1")
    measured = both.tools.run("kafka-e2e-latency", both.python.bootstrap, "latency", "20", "all", "100")
    assert "Avg latency" in measured.out


def produce_verifiably(cluster: MixedCluster, topic: str, count: int) -> dict[str, int]:
    """The summary of kafka-verifiable-producer.sh, which it prints when the JVM ends: it needs one of its
    own."""
    command = [*kafka_jars.java(128), MAIN_CLASSES["kafka-verifiable-producer"]]
    command += ["--bootstrap-server", cluster.bootstrap, "--topic", topic, "--acks", "-1"]
    command += ["--max-messages", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["name"] == "tool_data"
    return dict(summary)


def test_this_project_s_own_tools_say_the_same_of_a_jvm_cluster(both: Both) -> None:
    server = ["--bootstrap-server", both.jvm.bootstrap]
    created = own_tool(
        "kafka-topics", *server, "--create", "--topic", "own", "--replica-assignment", "0:1,1:0"
    )
    assert created == (0, "Created topic own.\n")
    for arguments in (
        ["--create", "--topic", "own", "--if-not-exists"],
        ["--list"],
        ["--describe", "--topic", "own"],
    ):
        status, out = own_tool("kafka-topics", *server, *arguments)
        kafkas = both.tools.run("kafka-topics", *server, *arguments)
        assert (status, plain(out)) == (kafkas.status, plain(kafkas.out))
    topic = ["--topic", "own", *server]
    own_tool("kafka-console-producer", *topic, stdin="by our own\n")
    both.tools.run("kafka-console-producer", *topic, stdin="by Kafka's\n")
    limits = [*topic, "--from-beginning", "--max-messages", "2"]
    for out in (
        own_tool("kafka-console-consumer", *limits)[1],
        both.tools.run("kafka-console-consumer", *limits).out,
    ):
        assert sorted(out.splitlines()) == ["by Kafka's", "by our own"]
    own_tool("kafka-topics", *server, "--delete", "--topic", "own")
    wait_until(lambda: both.jvm.znodes.exists("/brokers/topics/own") is None, "own to be deleted")


def own_tool(tool: str, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """Exit status and standard output of this project's command of that name."""
    module = tool.removeprefix("kafka-").replace("-", "_")
    command = [sys.executable, "-m", f"commitlog.cli.{module}", *arguments]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    return done.returncode, done.stdout


def test_the_collections_topic_module_keeps_topics_of_a_jvm_cluster(both: Both, tmp_path: Path) -> None:
    server = {"bootstrap_servers": [broker.address for broker in both.jvm.brokers]}
    topic = {**server, "name": "kept", "partitions": 2, "replication_factor": 2}
    grown = {**topic, "partitions": 3, "config": {"retention.ms": 60000}}
    absent = {**server, "name": "kept", "state": "absent"}
    tasks: list[dict[str, object]] = []
    for wanted in (topic, grown, absent):
        for changes in (True, False):
            tasks.append({"commitlog.kafka.topic": wanted, "register": "done"})
            tasks.append({"ansible.builtin.assert": {"that": f"done.changed == {changes}"}})
    playbook = tmp_path / "topics.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", str(playbook)]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
