# SPDX-License-Identifier: Apache-2.0
"""The article's two last commands, as typed, and what a 0.8 consumer would leave in ZooKeeper."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.end_to_end.cluster import DEADLINE_S, Cluster, running_cluster
from tests.real_zookeeper import ZooKeeperProcess

_numbers = itertools.count()


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {"default.replication.factor": "2"}
    with running_cluster(tmp_path_factory.mktemp("console"), zookeeper, 2, settings) as running:
        yield running


@pytest.fixture
def topic() -> str:
    return f"console{next(_numbers)}"


def typed(tool: str, *arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", f"commitlog.cli.console_{tool}", *arguments]
    return subprocess.run(command, input=text, capture_output=True, timeout=DEADLINE_S, check=False)


def consumed(cluster: Cluster, topic: str, *arguments: str) -> bytes:
    found = typed("consumer", "--zookeeper", cluster.connect_string, "--topic", topic, *arguments)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_producer_by_a_broker_list_and_consumer_by_zookeeper(cluster: Cluster, topic: str) -> None:
    produced = typed(
        "producer", "--broker-list", cluster.brokers[0].address, "--topic", topic, text=b"This is a message\n"
    )
    assert (produced.returncode, produced.stdout, produced.stderr) == (0, b"", b"")
    read = consumed(cluster, topic, "--from-beginning", "--max-messages", "1")
    assert read == b"This is a message\n"
    assert cluster.znodes.get_children("/consumers") == [], "a group made up for this once leaves nothing"


def test_group_keeps_its_offsets_in_zookeeper(cluster: Cluster, topic: str) -> None:
    typed("producer", "--broker-list", cluster.bootstrap, "--topic", topic, text=b"1\n2\n3\n")
    group = f"group-{topic}"
    path = f"/consumers/{group}/offsets/{topic}/0"
    assert consumed(cluster, topic, "--group", group, "--from-beginning", "--max-messages", "2") == b"1\n2\n"
    assert cluster.znodes.get(path)[0] == b"2"
    assert consumed(cluster, topic, "--group", group, "--max-messages", "1") == b"3\n"
    assert cluster.znodes.get(path)[0] == b"3"
    again = consumed(cluster, topic, "--group", group, "--from-beginning", "--max-messages", "3")
    assert again == b"1\n2\n3\n", "--from-beginning forgets what the group had read"


def test_without_from_beginning_it_waits_for_what_is_new(cluster: Cluster, topic: str) -> None:
    typed("producer", "--broker-list", cluster.bootstrap, "--topic", topic, text=b"old\n")
    assert consumed(cluster, topic, "--timeout-ms", "1500") == b""


def test_topics_by_whitelist_and_blacklist(cluster: Cluster, topic: str) -> None:
    for suffix in "ab":
        name = f"{topic}-{suffix}"
        typed("producer", "--broker-list", cluster.bootstrap, "--topic", name, text=suffix.encode() + b"\n")
    zookeeper = ("--zookeeper", cluster.connect_string, "--from-beginning", "--max-messages")
    both = typed("consumer", *zookeeper, "2", "--whitelist", f"{topic}-a,{topic}-b")
    assert sorted(both.stdout.splitlines()) == [b"a", b"b"]
    one = typed("consumer", *zookeeper, "1", "--blacklist", f"(?!{topic}-).*,{topic}-a")
    assert one.stdout == b"b\n"


def test_zookeeper_without_brokers(cluster: Cluster) -> None:
    elsewhere = f"{cluster.zookeeper.connect_string}/nowhere"
    found = typed("consumer", "--zookeeper", elsewhere, "--topic", "t")
    assert found.returncode == 1
    assert found.stderr.decode() == f"no broker is registered in ZooKeeper at {elsewhere}\n"
