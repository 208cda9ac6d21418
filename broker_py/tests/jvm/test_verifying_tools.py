# SPDX-License-Identifier: Apache-2.0
"""The verifiable producer and consumer, end-to-end latency and replica verification: Apache Kafka's and this
project's print the same of one cluster of Python brokers.

Each run of Kafka's is a JVM of its own: these tools end it themselves, or are ended by a signal.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests import kafka_jars
from tests.end_to_end.cluster import DEADLINE_S
from tests.jvm.cluster import PYTHON, MixedCluster, mixed_cluster
from tests.jvm.test_own_tools import plain
from tests.jvm.tools import HERE, MAIN_CLASSES
from tests.real_zookeeper import ZooKeeperProcess

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}")
FIGURE = re.compile(r"(?<=[\t ])\d+(\.\d+)?(E-\d+)?\b(?! partition)")


@dataclass
class Ended:
    status: int
    out: str
    err: str


@dataclass
class Tools:
    """Both kinds, before the same cluster."""

    cluster: MixedCluster

    def commands(self, tool: str, line: str) -> list[list[str]]:
        words = [word.replace("{servers}", self.cluster.bootstrap) for word in line.split()]
        options = (f"-Dlog4j.configuration=file:{HERE / 'tools-log4j.properties'}",)
        java = [*kafka_jars.java(128, options=options), MAIN_CLASSES[f"kafka-{tool}"]]
        module = f"commitlog.cli.{tool.replace('-', '_')}"
        return [[*java, *words], [sys.executable, "-m", module, *words]]

    def run(self, tool: str, *lines: str) -> list[Ended]:
        """What Kafka's tool does with the first line, and ours with the last: what they write differs."""
        kafka, own = self.commands(tool, lines[0])[0], self.commands(tool, lines[-1])[1]
        found: list[Ended] = []
        for words in (kafka, own):
            done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
            found.append(Ended(done.returncode, done.stdout, done.stderr))
        return found


@pytest.fixture(scope="module")
def tools(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    directory = tmp_path_factory.mktemp("verifying")
    settings = {"num_partitions": "3", "default_replication_factor": "2"}
    with mixed_cluster(directory, zookeeper, [PYTHON, PYTHON], **settings) as cluster:
        yield Tools(cluster)


def events(text: str) -> list[dict[str, Any]]:
    """Without what is of the moment. After time and name, fields come in an order that Java does not promise,
    and that differs from run to run."""
    found = [json.loads(line) for line in text.splitlines()]
    for event in found:
        assert list(event)[:2] == ["timestamp", "name"]
        assert event.pop("timestamp") > 0
        event.pop("avg_throughput", None)
    return found


REFUSED = """
verifiable-producer
verifiable-producer --topic t
verifiable-producer --broker-list h:1
verifiable-producer --broker-list h:1 --bootstrap-server h:1 --topic t
verifiable-producer --broker-list h:1 --topic t --acks 5
verifiable-producer --broker-list h:1 --topic t --max-messages x
verifiable-consumer
verifiable-consumer --topic t --group-id g --absent 1
verifiable-consumer --topic t --broker-list h:1
e2e-latency
e2e-latency {servers} t 1 0 1
replica-verification
replica-verification --topics-include t
replica-verification --broker-list h
replica-verification --broker-list {servers} --topics-include t --topic-white-list u
replica-verification --broker-list {servers} --topics-include absent
"""


@pytest.mark.parametrize("line", REFUSED.strip().splitlines())
def test_what_is_refused(tools: Tools, line: str) -> None:
    tool, _, arguments = line.partition(" ")
    kafka, own = tools.run(tool, arguments)
    assert (own.status, plain(own.out)) == (kafka.status, plain(kafka.out))
    assert TIME.sub("TIME", plain(own.err)) == TIME.sub("TIME", plain(kafka.err))


@pytest.mark.parametrize("tool", ["verifiable-producer", "verifiable-consumer"])
def test_help(tools: Tools, tool: str) -> None:
    kafka, own = tools.run(tool, "--help")
    assert own.out == kafka.out


def in_order_of_values(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers come partition by partition."""
    return [found[0], *sorted(found[1:-2], key=lambda event: str(event["value"])), *found[-2:]]


@pytest.mark.parametrize("acks", ["0", "-1"])
def test_producer(tools: Tools, acks: str) -> None:
    line = (
        f"--bootstrap-server {{servers}} --max-messages 7 --repeating-keys 3 --value-prefix 5 --acks {acks}"
    )
    kafka, own = tools.run("verifiable-producer", f"{line} --topic sent{acks}", f"{line} --topic own{acks}")
    assert (own.status, own.err, kafka.status) == (0, "", 0)  # Kafka's warns of a topic that is being made
    told = events(kafka.out.replace(f"sent{acks}", f"own{acks}"))
    assert in_order_of_values(events(own.out)) == in_order_of_values(told)


def test_producer_of_what_cannot_be_sent(tools: Tools) -> None:
    kafka, own = tools.run("verifiable-producer", "--broker-list {servers} --max-messages 2 --topic a/b")
    assert (own.status, events(own.out)) == (kafka.status, events(kafka.out))


def per_partition(found: list[dict[str, Any]]) -> list[Any]:
    """What came, whatever came together."""
    names = [event["name"] for event in found]
    records = [sorted(map(str, event.items())) for event in found if event["name"] == "record_data"]
    counted: dict[tuple[str, int], tuple[int, int]] = {}
    committed: dict[tuple[str, int], int] = {}
    for event in found:
        for one in event.get("partitions", ()) if event["name"] == "records_consumed" else ():
            place = one["topic"], one["partition"]
            count, _ = counted.get(place, (0, 0))
            counted[place] = count + one["count"], one["maxOffset"]
        for one in event.get("offsets", ()):
            committed[one["topic"], one["partition"]] = one["offset"]
    shapes = {event["name"]: set(event) for event in found}
    return [names[:2], names[-2:], found[1], found[-2], sorted(records), counted, committed, shapes]


def test_consumer(tools: Tools) -> None:
    send = "--bootstrap-server {servers} --max-messages 9 --repeating-keys 5 --topic read"
    assert tools.run("verifiable-producer", send)[1].status == 0
    line = "--bootstrap-server {servers} --topic read --max-messages 18 --verbose --group-id"
    kafka, own = tools.run("verifiable-consumer", f"{line} theirs", f"{line} ours")
    assert (own.status, own.err) == (kafka.status, kafka.err) == (0, "")
    assert per_partition(events(own.out)) == per_partition(events(kafka.out))
    none = "--bootstrap-server {servers} --topic read --reset-policy none --group-id"
    kafka, own = tools.run("verifiable-consumer", f"{none} theirs2", f"{none} ours2")
    assert own.status == kafka.status
    assert events(own.out) == events(kafka.out)
    assert own.err.splitlines()[0][25:] == kafka.err.splitlines()[0][25:]


def test_latency(tools: Tools) -> None:
    kafka, own = tools.run("e2e-latency", "{servers} lat 3 all 10", "{servers} lat2 3 all 10")
    assert (own.status, own.err) == (kafka.status, kafka.err) == (0, "")
    assert FIGURE.sub("N", own.out) == FIGURE.sub("N", kafka.out.replace('"lat"', '"lat2"'))


def test_replicas(tools: Tools) -> None:
    send = "--bootstrap-server {servers} --max-messages 9 --repeating-keys 5 --topic alike"
    assert tools.run("verifiable-producer", send)[1].status == 0
    line = "--broker-list {servers} --topics-include alike --time -2 --report-interval-ms 200"
    told = []
    for words in tools.commands("replica-verification", line):
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline(), process.stdout.readline()]
            while "max lag is 0" not in lines[-1]:
                lines[-1] = process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=DEADLINE_S)
            told.append([TIME.sub("TIME", line) for line in [*lines, err]])
    assert told[0] == told[1]
