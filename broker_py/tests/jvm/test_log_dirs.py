# SPDX-License-Identifier: Apache-2.0
"""Replicas move between the directories of a JVM and of a Python broker, with either's tool; and what one
broker has begun to move the other one finishes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import confluent_kafka
import pytest

from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import DEADLINE_S, wait_until
from tests.end_to_end.test_failover import create
from tests.jvm.cluster import JVM, PYTHON, EitherBroker, MixedCluster
from tests.jvm.tools import KafkaTools
from tests.real_zookeeper import ZooKeeperProcess

client = CLIENTS["confluent-kafka"]()

TOPIC = "moved"
VALUES = [f"{number} {'x' * 1_000}" for number in range(100)]
RATE = "replica.alter.log.dirs.io.max.bytes.per.second"
SETTINGS = {
    "replica.fetch.max.bytes": "10000",
    "log.segment.bytes": "30000",
    "log.initial.task.delay.ms": "500",
}


def directories(broker: EitherBroker) -> list[Path]:
    return [broker.log_dir, broker.home / "more"]


def homes(broker: EitherBroker) -> list[Path]:
    return [path for path in directories(broker) if (path / f"{TOPIC}-0").exists()]


@contextlib.contextmanager
def two_directories(
    directory: Path, zookeeper: ZooKeeperProcess, kinds: Sequence[str]
) -> Iterator[MixedCluster]:
    cluster = MixedCluster(directory, zookeeper, kinds, SETTINGS)
    for broker in cluster.brokers:
        broker.settings["log.dirs"] = ",".join(map(str, directories(broker)))
    try:
        cluster.start()
        yield cluster
    except BaseException:
        for broker in cluster.brokers:
            print(f"--- broker {broker.id} ({broker.kind}):\n{broker.output[-8000:]}", file=sys.stderr)
        raise
    finally:
        cluster.close()


def fill(cluster: MixedCluster) -> None:
    create(cluster, TOPIC, 1, len(cluster.brokers))
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "enable.idempotence": True,
            "batch.num.messages": 4,
            "log_level": 0,
        }
    )
    for value in VALUES:
        producer.produce(TOPIC, value)
    assert producer.flush(DEADLINE_S) == 0


def content(broker: EitherBroker) -> bytes:
    (home,) = homes(broker)
    return b"".join(path.read_bytes() for path in sorted((home / f"{TOPIC}-0").glob("*.log")))


def own_tool(*arguments: str) -> str:
    command = [sys.executable, "-m", "commitlog.cli.reassign_partitions", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done
    return done.stdout


def move(cluster: MixedCluster, plan: Path, target: int, *, tools: KafkaTools | None) -> list[str]:
    """Every replica into its broker's directory of that number; what the tool said, without paths."""
    partition = {
        "topic": TOPIC,
        "partition": 0,
        "replicas": [broker.id for broker in cluster.brokers],
        "log_dirs": [str(directories(broker)[target]) for broker in cluster.brokers],
    }
    plan.write_text(json.dumps({"version": 1, "partitions": [partition]}))
    command = ["--bootstrap-server", cluster.bootstrap, "--reassignment-json-file", str(plan)]

    def run(*arguments: str) -> str:
        if tools is None:
            return own_tool(*command, *arguments)
        return tools.run("kafka-reassign-partitions", *command, *arguments).out

    begun = run("--execute", "--replica-alter-log-dirs-throttle", "100")
    halfway = run("--verify", "--preserve-throttles")
    hurried = run("--execute", "--replica-alter-log-dirs-throttle", "1000000")
    for broker in cluster.brokers:
        wait_until(lambda b=broker: homes(b) == [directories(b)[target]], f"broker {broker.id} to move it")
    ended = run("--verify")
    said = [begun, halfway, hurried, ended]
    for broker in cluster.brokers:
        said = [text.replace(str(directories(broker)[target]), f"DIR{broker.id}") for text in said]
    return [text.split("\n\nSave this")[1] if "\n\nSave this" in text else text for text in said]


def test_both_brokers_move_replicas_for_both_tools(
    zookeeper: ZooKeeperProcess, tools: KafkaTools, tmp_path: Path
) -> None:
    with two_directories(tmp_path, zookeeper, (JVM, PYTHON)) as cluster:
        fill(cluster)
        first = 1 - directories(cluster.brokers[0]).index(homes(cluster.brokers[0])[0])
        wait_until(lambda: all(len(homes(broker)) == 1 for broker in cluster.brokers), "both replicas")
        kafkas = move(cluster, tmp_path / "plan.json", first, tools=tools)
        for broker in cluster.brokers:
            assert f"{TOPIC}-0-{broker.id} is still in progress" in kafkas[1]
            assert f"{TOPIC}-0-{broker.id} completed successfully" in kafkas[3]
        assert content(cluster.brokers[0]) == content(cluster.brokers[1])
        ours = move(cluster, tmp_path / "back.json", 1 - first, tools=None)
        assert ours == kafkas
        assert content(cluster.brokers[0]) == content(cluster.brokers[1])
        cluster.wait_isr(TOPIC, {0, 1})
        assert client.consume(cluster.bootstrap, TOPIC, "group", len(VALUES)) == VALUES


@pytest.mark.parametrize("crash", [False, True])
def test_one_broker_finishes_what_the_other_has_begun(
    zookeeper: ZooKeeperProcess, tools: KafkaTools, tmp_path: Path, crash: bool
) -> None:
    with two_directories(tmp_path, zookeeper, (PYTHON,)) as cluster:
        (broker,) = cluster.brokers
        fill(cluster)
        before = content(broker)
        for successor in (JVM, PYTHON):
            target = next(path for path in directories(broker) if path not in homes(broker))
            throttle(cluster, tools, f"{RATE}=100")
            begin(cluster, target, tmp_path / "plan.json")
            wait_until(lambda target=target: copied(target) > 5_000, "the first piece to be copied")
            (broker.kill if crash else broker.stop)()
            assert copied(target) < len(before)
            cluster.wait_session_ended(broker)
            broker.become(successor)
            broker.start()
            assert homes(broker) != [target]
            throttle(cluster, tools, None)
            wait_until(lambda target=target: homes(broker) == [target], f"{successor} to finish the move")
            assert content(broker) == before
            assert client.consume(cluster.bootstrap, TOPIC, successor, len(VALUES)) == VALUES


def throttle(cluster: MixedCluster, tools: KafkaTools, setting: str | None) -> None:
    change = ["--delete-config", RATE] if setting is None else ["--add-config", setting]
    entity = ["--bootstrap-server", cluster.bootstrap, "--entity-type", "brokers", "--entity-name", "0"]
    tools.run("kafka-configs", *entity, "--alter", *change)


def begin(cluster: MixedCluster, target: Path, plan: Path) -> None:
    partition = {"topic": TOPIC, "partition": 0, "replicas": [0], "log_dirs": [str(target)]}
    plan.write_text(json.dumps({"version": 1, "partitions": [partition]}))
    own_tool(
        "--bootstrap-server", cluster.bootstrap, "--reassignment-json-file", str(plan), "--execute",
    )  # fmt: skip


def copied(target: Path) -> int:
    return sum(path.stat().st_size for path in target.glob(f"{TOPIC}-0.*-future/*.log"))
