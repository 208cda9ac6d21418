# SPDX-License-Identifier: Apache-2.0
"""A JVM broker and a Python broker as members of one cluster: each leads and each follows, each is the
controller of the other, and each goes and comes back under the other's eyes.

At 3.9 the brokers speak the newest versions between them; at 3.4 the ones that a cluster in the middle of an
upgrade speaks. COMMITLOG_JVM_IBP="2.7,3.0" asks for others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka
import pytest

from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import DEADLINE_S, wait_until
from tests.end_to_end.test_failover import numbered
from tests.jvm.cluster import JVM, PYTHON, EitherBroker, MixedCluster, mixed_cluster
from tests.jvm.tools import KafkaTools
from tests.real_zookeeper import ZooKeeperProcess

KINDS = [PYTHON, JVM]
PROTOCOL_VERSIONS = os.environ.get("COMMITLOG_JVM_IBP", "3.9,3.4").split(",")
client = CLIENTS["confluent-kafka"]()


@pytest.fixture(scope="module", params=PROTOCOL_VERSIONS)
def fellows(
    request: pytest.FixtureRequest, zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MixedCluster]:
    directory = tmp_path_factory.mktemp("fellows")
    with mixed_cluster(directory, zookeeper, KINDS, inter_broker_protocol_version=request.param) as running:
        yield running


@pytest.fixture(params=KINDS)
def one(request: pytest.FixtureRequest, fellows: MixedCluster) -> EitherBroker:
    """The broker that the test is about."""
    broker: EitherBroker = fellows.of_kind(request.param)
    return broker


def other_than(cluster: MixedCluster, broker: EitherBroker) -> EitherBroker:
    (other,) = (found for found in cluster.brokers if found is not broker)
    return other


def create(
    tools: KafkaTools, cluster: MixedCluster, topic: str, *assignment: tuple[EitherBroker, ...], **config: str
) -> None:
    """A topic with the given replicas, the preferred leader first, in sync."""
    replicas = ",".join(":".join(str(broker.id) for broker in brokers) for brokers in assignment)
    options = [f"--config={name.replace('_', '.')}={value}" for name, value in config.items()]
    command = ["--bootstrap-server", cluster.bootstrap, "--create", "--topic", topic, *options]
    tools.run("kafka-topics", *command, "--replica-assignment", replicas)
    for partition, brokers in enumerate(assignment):
        cluster.wait_isr(topic, {broker.id for broker in brokers}, partition)


def test_what_any_client_writes_both_hold_byte_for_byte(fellows: MixedCluster, tools: KafkaTools) -> None:
    python, jvm = fellows.brokers
    create(tools, fellows, "written", (python, jvm), (jvm, python))
    client.produce(fellows.bootstrap, "written", numbered(0, 500))
    lines = "".join(f"{number % 2}:console {number}\n" for number in range(100))
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        tools.run(
            "kafka-console-producer", "--bootstrap-server", fellows.bootstrap, "--topic", "written",
            "--property", "parse.key=true", "--property", "key.separator=:",
            "--compression-codec", codec, "--request-required-acks", "all", stdin=lines,
        )  # fmt: skip
    fellows.same_logs("written", 2)
    expected = sorted(numbered(0, 500) + [f"console {number}" for number in range(100)] * 5)
    for broker in fellows.brokers:
        assert sorted(client.consume(broker.address, "written", f"of {broker.kind}", 1_000)) == expected
    command = ["--bootstrap-server", fellows.bootstrap, "--topic", "written", "--from-beginning"]
    consumed = tools.run(
        "kafka-console-consumer", *command, "--group", "console", "--max-messages", "1000",
        "--timeout-ms", "20000",
    )  # fmt: skip
    assert sorted(consumed.out.splitlines()) == expected


def test_a_topic_lives_and_dies_under_either_controller(
    fellows: MixedCluster, tools: KafkaTools, one: EitherBroker
) -> None:
    topic = f"life-under-{one.kind}"
    bootstrap = ["--bootstrap-server", fellows.bootstrap]
    fellows.make_controller(one)
    tools.run(
        "kafka-topics", *bootstrap, "--create", "--topic", topic, "--partitions", "2",
        "--replication-factor", "2", "--config", "retention.ms=100000",
    )  # fmt: skip
    client.produce(fellows.bootstrap, topic, numbered(0, 100))
    tools.run("kafka-topics", *bootstrap, "--alter", "--topic", topic, "--partitions", "4")
    for partition in range(4):
        fellows.wait_isr(topic, {0, 1}, partition)
    client.produce(fellows.bootstrap, topic, numbered(100, 400))
    assert sorted(client.consume(fellows.bootstrap, topic, topic, 500)) == sorted(numbered(0, 500))
    entity = [*bootstrap, "--entity-type", "topics", "--entity-name", topic]
    tools.run("kafka-configs", *entity, "--alter", "--add-config", "max.message.bytes=1000")
    assert "max.message.bytes=1000" in tools.run("kafka-configs", *entity, "--describe").out
    for partition in range(4):
        wait_until(lambda partition=partition: refused(fellows, topic, partition), "the limit to be in force")
    tools.run("kafka-topics", *bootstrap, "--delete", "--topic", topic)
    wait_until(lambda: fellows.znodes.exists(f"/brokers/topics/{topic}") is None, f"{topic} to be deleted")
    wait_until(
        lambda: not [path for broker in fellows.brokers for path in broker.log_dir.glob(f"{topic}-?")],
        "its directories to be gone",
    )
    assert topic not in tools.run("kafka-topics", *bootstrap, "--list").out.split()


def refused(cluster: MixedCluster, topic: str, partition: int) -> bool:
    """Whether the partition's leader refuses 5000 bytes as too large."""
    producer = confluent_kafka.Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    errors: list[confluent_kafka.KafkaError] = []
    producer.produce(
        topic, b"x" * 5_000, partition=partition, on_delivery=lambda error, _: errors.append(error)
    )
    assert producer.flush(DEADLINE_S) == 0
    code = errors[0] and errors[0].code()
    return bool(code == confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE)


def test_a_partition_moves_to_the_controller_and_away_from_its_leader(
    fellows: MixedCluster, tools: KafkaTools, one: EitherBroker, tmp_path: Path
) -> None:
    """The leader asks the controller for a larger ISR, and the controller tells it to drop its replica."""
    other = other_than(fellows, one)
    topic = f"moved-from-{one.kind}"
    create(tools, fellows, topic, (one,))
    client.produce(fellows.bootstrap, topic, numbered(0, 300))
    fellows.make_controller(other)
    done = f"Reassignment of partition {topic}-0 is completed"
    for replicas in ([one.id, other.id], [other.id]):
        plan = tmp_path / "plan.json"
        partitions = [{"topic": topic, "partition": 0, "replicas": replicas}]
        plan.write_text(json.dumps({"version": 1, "partitions": partitions}))
        command = ["--bootstrap-server", fellows.bootstrap, "--reassignment-json-file", str(plan)]
        tools.run("kafka-reassign-partitions", *command, "--execute")
        wait_until(
            lambda command=command: (
                done in tools.run("kafka-reassign-partitions", *command, "--verify", check=False).out
            ),
            "the move to complete",
        )
        fellows.wait_isr(topic, set(replicas))
        fellows.same_logs(topic)
    assert fellows.leader(topic) is other
    wait_until(lambda: not (one.log_dir / f"{topic}-0").exists(), "the old replica to be dropped")
    assert client.consume(fellows.bootstrap, topic, topic, 300) == numbered(0, 300)


def test_a_leader_and_controller_is_killed_and_truncates_when_it_returns(
    fellows: MixedCluster, tools: KafkaTools, one: EitherBroker
) -> None:
    other = other_than(fellows, one)
    topic = f"killed-{one.kind}"
    create(tools, fellows, topic, (one, other))
    client.produce(fellows.bootstrap, topic, numbered(0, 200))
    fellows.make_controller(one)
    epoch = int(fellows.znodes.get("/controller_epoch")[0])

    other.pause()
    # The first may be the answer to the fetch that the paused follower has under way; it fetches no more.
    produce_to_the_leader_only(one.address, topic, "perhaps")
    produce_to_the_leader_only(one.address, topic, *(f"lost {number}" for number in range(150)))
    one.kill()
    other.resume()
    assert b"lost 149" in one.log_bytes(topic)

    assert fellows.wait_new_leader(topic, one) is other
    wait_until(lambda: fellows.controller() is other, "the survivor to be the controller")
    assert int(fellows.znodes.get("/controller_epoch")[0]) == epoch + 1
    fellows.wait_isr(topic, {other.id})
    client.produce(other.address, topic, numbered(200, 50))
    one.start()
    fellows.wait_isr(topic, {0, 1})
    client.produce(fellows.bootstrap, topic, numbered(250, 50))
    fellows.same_logs(topic)
    assert b"lost" not in one.log_bytes(topic)
    expected = numbered(0, 300)
    if b"perhaps" in other.log_bytes(topic):
        expected.insert(200, "perhaps")
    assert client.consume(fellows.bootstrap, topic, topic, len(expected)) == expected
    election = ["--bootstrap-server", fellows.bootstrap, "--election-type", "preferred"]
    tools.run("kafka-leader-election", *election, "--topic", topic, "--partition", "0")
    assert fellows.leader(topic) is one
    assert client.consume(fellows.bootstrap, topic, f"{topic} again", len(expected)) == expected


def produce_to_the_leader_only(bootstrap: str, topic: str, *values: str) -> None:
    """Acknowledged by the leader alone."""
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "acks": 1, "log_level": 0})
    for value in values:
        producer.produce(topic, value.encode())
    assert producer.flush(DEADLINE_S) == 0


def test_a_controlled_shutdown_hands_leadership_over(
    fellows: MixedCluster, tools: KafkaTools, one: EitherBroker
) -> None:
    """It asks the controller of the other kind, and finds its logs clean when it returns, and one deleted."""
    other = other_than(fellows, one)
    topic = f"stopped-{one.kind}"
    doomed = f"doomed-{one.kind}"
    create(tools, fellows, doomed, (one, other))
    create(tools, fellows, topic, (one, other), (other, one))
    client.produce(fellows.bootstrap, topic, numbered(0, 100))
    fellows.make_controller(other)
    before = fellows.state(topic)["leader_epoch"]

    assert one.stop() in (0, 143)
    assert "Controlled shutdown request returned successfully" in one.output
    assert "shut down completed" in one.output
    assert [fellows.state(topic, partition)["leader"] for partition in range(2)] == [other.id] * 2
    assert fellows.state(topic)["leader_epoch"] == before + 1
    client.produce(other.address, topic, numbered(100, 100))
    tools.run("kafka-topics", "--bootstrap-server", other.address, "--delete", "--topic", doomed)
    one.start()
    wait_until(lambda: fellows.znodes.exists(f"/brokers/topics/{doomed}") is None, "its topic to be deleted")
    wait_until(lambda: not list(one.log_dir.glob(f"{doomed}-?")), "its directory to be gone")
    for partition in range(2):
        fellows.wait_isr(topic, {0, 1}, partition)
    fellows.same_logs(topic, 2)
    assert sorted(client.consume(one.address, topic, topic, 200)) == sorted(numbered(0, 200))
