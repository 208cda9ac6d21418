# SPDX-License-Identifier: Apache-2.0
"""The verifiable producer and consumer, end-to-end latency and replica verification in processes of their
own: every line they print. tests/jvm/test_verifying_tools.py asks Apache Kafka's for the same."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.end_to_end.cluster import DEADLINE_S, Cluster, running_cluster
from tests.real_zookeeper import ZooKeeperProcess

END = ("0", "verified-2", "4")
"""Of partitions with the same lag, the one that comes first in a HashMap."""
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {"default.replication.factor": "2", "num.partitions": "3"}
    with running_cluster(tmp_path_factory.mktemp("verifying"), zookeeper, 2, settings) as running:
        yield running


def command(tool: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", f"commitlog.cli.{tool}", *arguments]


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tool, arguments), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def events(text: str) -> list[dict[str, Any]]:
    """The events, their times checked and taken out."""
    found = [json.loads(line) for line in text.splitlines()]
    for event in found:
        assert list(event)[:2] == ["timestamp", "name"]
        assert event.pop("timestamp") > 1_600_000_000_000
    return found


def success(key: str, value: str, partition: int, offset: int) -> dict[str, Any]:
    where = {"topic": "verified", "partition": partition}
    return {"name": "producer_send_success", "key": key, "value": value, "offset": offset, **where}


@pytest.fixture(scope="module")
def produced(cluster: Cluster) -> list[dict[str, Any]]:
    line = "--max-messages 6 --repeating-keys 3 --value-prefix 7"
    done = run(
        "verifiable_producer", "--bootstrap-server", cluster.bootstrap, "--topic", "verified", *line.split()
    )
    assert (done.returncode, done.stderr) == (0, "")
    return events(done.stdout)


def test_each_record_that_was_sent_is_told(produced: list[dict[str, Any]]) -> None:
    """Keys are where the Java client's murmur2 puts them: 1 in partition 0, 0 and 2 in partition 2."""
    first, *sent, closed, summary = produced
    assert (first, closed) == ({"name": "startup_complete"}, {"name": "shutdown_complete"})
    assert sorted(sent, key=lambda event: str(event["value"])) == [
        success("0", "7.0", 2, 0),
        success("1", "7.1", 0, 0),
        success("2", "7.2", 2, 1),
        success("0", "7.3", 2, 2),
        success("1", "7.4", 0, 1),
        success("2", "7.5", 2, 3),
    ]
    throughput = summary.pop("avg_throughput")
    assert summary == {"name": "tool_data", "sent": 6, "acked": 6, "target_throughput": -1}
    assert throughput > 0


def test_what_cannot_be_sent_is_told(cluster: Cluster) -> None:
    done = run(
        "verifiable_producer", "--broker-list", cluster.bootstrap, "--topic", "a/b", "--max-messages", "1"
    )
    assert done.returncode == 0
    error, _, summary = events(done.stdout)[1:]
    assert error == {
        "name": "producer_send_error",
        "topic": "a/b",
        "key": None,
        "value": "0",
        "exception": "class org.apache.kafka.common.errors.InvalidTopicException",
        "message": "Invalid topics: [a/b]",
    }
    assert (summary["sent"], summary["acked"], summary["avg_throughput"]) == (1, 0, 0.0)


def partitions(*numbers: int) -> list[dict[str, Any]]:
    return [{"topic": "verified", "partition": number} for number in numbers]


def test_what_happens_to_a_member_is_told(cluster: Cluster, produced: list[dict[str, Any]]) -> None:
    line = "--topic verified --group-id verifiers --max-messages 5 --verbose"
    done = run("verifiable_consumer", "--bootstrap-server", cluster.bootstrap, *line.split())
    assert (done.returncode, done.stderr) == (0, "")
    found = events(done.stdout)
    assert found[:2] == [
        {"name": "startup_complete"},
        {"name": "partitions_assigned", "partitions": partitions(0, 1, 2)},
    ]
    assert found[-2:] == [
        {"name": "partitions_revoked", "partitions": partitions(0, 1, 2)},
        {"name": "shutdown_complete"},
    ]
    between = found[2:-2]
    records = [event for event in between if event["name"] == "record_data"]
    where = {"topic": "verified", "partition": 2}
    assert {"name": "record_data", "key": "0", "value": "7.0", **where, "offset": 0} in records
    consumed = [event for event in between if event["name"] == "records_consumed"]
    committed = [event for event in between if event["name"] == "offsets_committed"]
    assert len(records) == 5
    assert len(consumed) == len(committed)
    assert len(records) + 2 * len(consumed) == len(between)
    for one, commit in zip(consumed, committed, strict=True):
        told = one["partitions"]
        assert one["count"] >= sum(each["count"] for each in told)
        assert commit["success"] is True
        assert commit["offsets"] == [
            {"topic": "verified", "partition": each["partition"], "offset": each["maxOffset"] + 1}
            for each in told
        ]
        assert all(each["maxOffset"] - each["minOffset"] + 1 == each["count"] for each in told)


@pytest.mark.parametrize(
    ("topic", "options", "failure"),
    [
        (
            "verified",
            "--reset-policy none",
            "clients.consumer.NoOffsetForPartitionException: Undefined offset with ",
        ),
        (
            "verified",
            "--group-protocol consumer",
            "common.errors.UnsupportedVersionException: The version of API ",
        ),
        ("a/b", "", "common.errors.InvalidTopicException: Invalid topics: [a/b]"),
    ],
)
def test_a_consumer_that_cannot_go_on(
    cluster: Cluster, produced: list[dict[str, Any]], topic: str, options: str, failure: str
) -> None:
    line = f"--topic {topic} --group-id stuck {options}"
    done = run("verifiable_consumer", "--bootstrap-server", cluster.bootstrap, *line.split())
    assert done.returncode == 0, "as Kafka's tool ends"
    assert events(done.stdout)[-1] == {"name": "shutdown_complete"}
    logged, told = done.stderr.splitlines()
    assert logged.endswith(
        " ERROR Error during processing, terminating consumer process:  "
        "(org.apache.kafka.tools.VerifiableConsumer)"
    )
    assert told.startswith(f"org.apache.kafka.{failure}")


@pytest.mark.parametrize(
    ("tool", "line", "last", "number", "status"),
    [
        ("producer", "--topic verified-2 --throughput 0", "tool_data", signal.SIGTERM, 143),
        ("producer", "--topic verified-2 --throughput 0", "tool_data", signal.SIGINT, 130),
        ("consumer", "--topic verified --group-id g", "shutdown_complete", signal.SIGTERM, 143),
    ],
)
def test_signals_end_them_in_good_order(
    cluster: Cluster,
    produced: list[dict[str, Any]],
    tool: str,
    line: str,
    last: str,
    number: signal.Signals,
    status: int,
) -> None:
    words = ["--bootstrap-server", cluster.bootstrap, *line.split()]
    with subprocess.Popen(
        command(f"verifiable_{tool}", words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["name"] not in (
            "producer_send_success",
            "offsets_committed",
        ):
            pass
        process.send_signal(number)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (status, "")
    assert events(out)[-1]["name"] == last


def test_latency(cluster: Cluster) -> None:
    done = run("e2e_latency", cluster.bootstrap, "latency", "3", "all", "10")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r'Topic "latency" does not exist\. '
        r"Will create topic with 1 partition\(s\) and replication factor = 1\n"
        r"0\t[\d.E-]+\n"
        r"Avg latency: \d+\.\d{4} ms\n"
        r"Percentiles: 50th = \d+, 99th = \d+, 99\.9th = \d+\n",
        done.stdout,
    )
    refused = run("e2e_latency", cluster.bootstrap, "latency", "3", "0", "10")
    assert refused.returncode == 1
    assert refused.stderr == "Latency testing requires synchronous acknowledgement. Please use 1 or all\n"


def test_replicas(cluster: Cluster, produced: list[dict[str, Any]]) -> None:
    line = f"--broker-list {cluster.bootstrap} --topics-include verified --time -2"
    words = [*line.split(), "--report-interval-ms", "0", "--max-wait-ms", "50"]
    with subprocess.Popen(
        command("replica_verification", words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert re.fullmatch(rf"{TIME}: verification process is started\n", process.stdout.readline())
        report = re.compile(
            rf"{TIME}: max lag is (\d+) for partition (\S+) at offset (\d+) among 3 partitions\n"
        )
        while (found := report.fullmatch(process.stdout.readline())) and found.groups() != END:
            pass
        process.terminate()
        _, err = process.communicate(timeout=DEADLINE_S)
    assert found is not None
    assert err.count("\n") == 1
    assert "WARN This tool is deprecated and may be removed in a future major release." in err
