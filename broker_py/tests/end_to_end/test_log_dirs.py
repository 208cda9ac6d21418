# SPDX-License-Identifier: Apache-2.0
"""kafka-reassign-partitions between brokers and between their directories, no faster than its throttle says,
and a directory that fails."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka
import pytest

from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import DEADLINE_S, BrokerProcess, Cluster, wait_until
from tests.end_to_end.test_failover import create
from tests.real_zookeeper import ZooKeeperProcess

client = CLIENTS["confluent-kafka"]()

# A replica's first fetch is free, so it must be small.
SETTINGS = {
    "replica.fetch.max.bytes": "10000",
    "replica.fetch.backoff.ms": "100",
    "replication.quota.window.num": "2",
    "alter.log.dirs.replication.quota.window.num": "2",
    "log.initial.task.delay.ms": "500",
}
VALUES = [f"{number} {'x' * 1_000}" for number in range(120)]
RATE = 30_000
LEAST_S = (120 * 1_000 - 20_000) / RATE - 1


def directories(broker: BrokerProcess) -> list[Path]:
    return [broker.log_dir, broker.home / "more"]


@contextlib.contextmanager
def started(cluster: Cluster) -> Iterator[Cluster]:
    """Every broker has two directories."""
    for broker in cluster.brokers:
        broker.settings["log.dirs"] = ",".join(map(str, directories(broker)))
    try:
        cluster.start()
        yield cluster
    except BaseException:
        for broker in cluster.brokers:
            print(f"--- broker {broker.id}:\n{broker.output[-6000:]}")
        raise
    finally:
        cluster.close()


def replica(broker: BrokerProcess, topic: str) -> list[Path]:
    """The directories of the broker that hold the topic's partition 0, whole."""
    return [path for path in directories(broker) if (path / f"{topic}-0").exists()]


def reassign(cluster: Cluster, plan: Path, *options: str) -> str:
    command = [sys.executable, "-m", "commitlog.cli.reassign_partitions", "--bootstrap-server"]
    command += [cluster.bootstrap, "--reassignment-json-file", str(plan), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done
    return done.stdout


def write_plan(path: Path, topic: str, brokers: list[BrokerProcess], log_dirs: list[str]) -> Path:
    partition = {
        "topic": topic,
        "partition": 0,
        "replicas": [broker.id for broker in brokers],
        "log_dirs": log_dirs,
    }
    path.write_text(json.dumps({"version": 1, "partitions": [partition]}))
    return path


def produce_in_small_batches(cluster: Cluster, topic: str) -> None:
    """A batch that is larger than a fetch would come through whole."""
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "batch.num.messages": 4,
            "enable.idempotence": True,  # in order, also when the leader is new
            "log_level": 0,
        }
    )
    for value in VALUES:
        producer.produce(topic, value)
    assert producer.flush(DEADLINE_S) == 0


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with started(Cluster(tmp_path_factory.mktemp("dirs"), zookeeper, 2, SETTINGS)) as running:
        yield running


def test_moves_take_as_long_as_their_throttles_say(cluster: Cluster, tmp_path: Path) -> None:
    create(cluster, "moved", 1, 1)
    source = cluster.leader("moved")
    (target,) = cluster.others(source)
    produce_in_small_batches(cluster, "moved")
    wanted = directories(target)[1]
    plan = write_plan(tmp_path / "plan.json", "moved", [target], [str(wanted)])
    before = time.monotonic()
    reassign(cluster, plan, "--execute", "--throttle", str(RATE))
    cluster.wait_isr("moved", {target.id})
    assert time.monotonic() - before >= LEAST_S
    assert replica(target, "moved") == [wanted]
    wait_until(lambda: "is completed" in reassign(cluster, plan, "--verify"), "the move to be over")

    plan = write_plan(tmp_path / "back.json", "moved", [target], [str(directories(target)[0])])
    before = time.monotonic()
    reassign(cluster, plan, "--execute", "--replica-alter-log-dirs-throttle", str(RATE))
    assert "is still in progress" in reassign(cluster, plan, "--verify", "--preserve-throttles")
    assert list(directories(target)[0].glob("moved-0.*-future"))
    wait_until(lambda: replica(target, "moved") == [directories(target)[0]], "the move between directories")
    assert time.monotonic() - before >= LEAST_S
    assert "completed successfully" in reassign(cluster, plan, "--verify")
    assert client.consume(cluster.bootstrap, "moved", "group", len(VALUES)) == VALUES


def test_a_directory_that_cannot_be_used_at_start_takes_only_its_partitions(
    cluster: Cluster, tmp_path: Path
) -> None:
    create(cluster, "kept", 4, 2)
    broker = cluster.brokers[0]
    homes = {n: next(p for p in directories(broker) if (p / f"kept-{n}").exists()) for n in range(4)}
    assert set(homes.values()) == set(directories(broker))  # spread over both
    client.produce(cluster.bootstrap, "kept", VALUES[:20])
    bad = directories(broker)[1]
    assert broker.stop() == 0
    bad.rename(bad.with_name("away"))
    bad.write_text("no directory")
    broker.start()
    for number, home in homes.items():
        cluster.wait_isr("kept", {0, 1} if home != bad else {1}, number)
    assert sorted(client.consume(cluster.bootstrap, "kept", "kept", 20)) == sorted(VALUES[:20])
    create(cluster, "new", 1, 2)
    cluster.wait_isr("new", {0, 1})
    broker.stop()
    bad.unlink()
    bad.with_name("away").rename(bad)
    broker.start()
    for number in homes:
        cluster.wait_isr("kept", {0, 1}, number)
