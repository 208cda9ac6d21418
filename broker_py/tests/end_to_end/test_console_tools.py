# SPDX-License-Identifier: Apache-2.0
"""The console tools in processes of their own: the article's two last commands as typed, Kafka's messages,
and what a 0.8 consumer would leave in ZooKeeper."""

from __future__ import annotations

import itertools
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from tests.end_to_end.cluster import DEADLINE_S, Cluster, running_cluster
from tests.real_zookeeper import ZooKeeperProcess

TIMESTAMPED = re.compile(r"^\[[-0-9]+ [:,0-9]+\] ")

_numbers = itertools.count()


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {"default.replication.factor": "2", "num.partitions": "1"}
    with running_cluster(tmp_path_factory.mktemp("console"), zookeeper, 2, settings) as running:
        yield running


@pytest.fixture
def topic() -> str:
    return f"console{next(_numbers)}"


class Tools:
    """Types command lines; the broker is filled in. What only has to be there is written by a library."""

    def __init__(self, address: str) -> None:
        self.address = address

    def write(self, topic: str, *values: bytes) -> None:
        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 0})
        for value in values:
            producer.produce(topic, value)
        assert producer.flush(DEADLINE_S) == 0

    def command(self, tool: str, line: str) -> list[str]:
        module = f"commitlog.cli.console_{tool}"
        return [sys.executable, "-m", module, "--bootstrap-server", self.address, *line.split()]

    def run(self, tool: str, line: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(tool, line), input=text, capture_output=True, timeout=DEADLINE_S, check=False
        )

    def produce(self, line: str, text: bytes) -> subprocess.CompletedProcess[bytes]:
        return self.run("producer", f"--timeout 1 {line}", text)

    def consume(self, line: str) -> subprocess.CompletedProcess[bytes]:
        return self.run("consumer", line)


@pytest.fixture
def tools(cluster: Cluster) -> Tools:
    return Tools(cluster.bootstrap)


def test_what_is_typed_is_read(tools: Tools) -> None:
    produced = tools.produce("--topic plain", b"one\ntwo\r\nthree")
    assert (produced.returncode, produced.stdout, produced.stderr) == (0, b"", b"")
    consumed = tools.consume("--topic plain --from-beginning --max-messages 3")
    assert consumed.returncode == 0
    assert sorted(consumed.stdout.splitlines()) == [b"one", b"three", b"two"]
    assert consumed.stderr == b"Processed a total of 3 messages\n"


@pytest.mark.parametrize("options", ["--sync", "--compression-codec --request-required-acks 1"])
def test_ways_to_send(tools: Tools, options: str) -> None:
    topic = f"ways{len(options)}"
    assert tools.produce(f"--topic {topic} {options}", b"a\n").returncode == 0
    consumed = tools.consume(f"--topic {topic} --from-beginning --max-messages 1")
    assert consumed.stdout == b"a\n"


def test_keys_headers_and_nulls(tools: Tools) -> None:
    line = "--topic full --property parse.key=true --property parse.headers=true --property null.marker=NULL"
    assert tools.produce(line, b"h:1,i:NULL\tk\tv\n").returncode == 0
    show = " ".join(f"--property print.{what}=true" for what in ("key", "headers", "partition", "offset"))
    consumed = tools.consume(f"--topic full --from-beginning --max-messages 1 {show}")
    assert re.fullmatch(rb"Partition:\d\tOffset:0\th:1,i:null\tk\tv\n", consumed.stdout)


def test_group_goes_on_where_it_was(tools: Tools) -> None:
    tools.write("grouped", b"one", b"two", b"three")
    read = [
        tools.consume(
            f"--topic grouped --from-beginning --group g --max-messages {count}"
        ).stdout.splitlines()
        for count in (2, 1)
    ]
    assert sorted(read[0] + read[1]) == [b"one", b"three", b"two"]


def test_one_partition_from_an_offset(tools: Tools) -> None:
    tools.write("keyed", b"a", b"b", b"c")
    consumed = tools.consume("--topic keyed --partition 0 --offset 1 --max-messages 2")
    assert consumed.stdout == b"b\nc\n"


def test_topics_by_a_pattern(tools: Tools) -> None:
    tools.write("pattern-a", b"a")
    tools.write("pattern-b", b"b")
    tools.write("pattern-bb", b"bb")
    consumed = tools.consume(r"--include pattern-\w --from-beginning --max-messages 2")
    assert sorted(consumed.stdout.splitlines()) == [b"a", b"b"]


def test_silence_ends_it_when_asked(tools: Tools) -> None:
    tools.write("silent", b"one")
    consumed = tools.consume("--topic silent --partition 0 --timeout-ms 500")
    assert consumed.returncode == 0
    lines = consumed.stderr.decode().splitlines()
    assert TIMESTAMPED.sub("", lines[0]) == (
        "ERROR Error processing message, terminating consumer process:  "
        "(org.apache.kafka.tools.consumer.ConsoleConsumer)"
    )
    assert lines[1:] == [
        "org.apache.kafka.common.errors.TimeoutException",
        "Processed a total of 0 messages",
    ]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_in_good_order(tools: Tools, number: signal.Signals, status: int) -> None:
    topic = f"signals{status}"
    tools.write(topic, b"one")
    command = tools.command("consumer", f"--topic {topic} --from-beginning")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == status
    assert errors == b"Processed a total of 1 messages\n"


def test_reader_of_the_output_that_goes_away(tools: Tools) -> None:
    tools.write("pipe", *[b"y"] * 2001)
    command = tools.command("consumer", "--topic pipe --from-beginning --max-messages 2001")
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
    os.close(writing)
    assert process.returncode == 0
    assert process.stderr.splitlines()[0] == b"Unable to write to standard out, closing consumer."


def test_record_that_is_too_large_is_told(tools: Tools) -> None:
    produced = tools.produce("--topic large", b"x" * 2_000_000 + b"\nsmall\n")
    assert produced.returncode == 1
    first = TIMESTAMPED.sub("", produced.stderr.decode().splitlines()[0])
    assert first.startswith(
        "ERROR Error when sending message to topic large with key: null, value: 2000000 bytes with error:"
    )
    assert tools.consume("--topic large --from-beginning --max-messages 1").stdout == b"small\n"


def test_broker_that_does_not_answer() -> None:
    produced = Tools("127.0.0.1:1").produce("--topic t --max-block-ms 300", b"a\n")
    assert produced.returncode == 1
    assert b"Topic t not present in metadata after 300 ms." in produced.stderr
    assert produced.stderr.count(b"Connection refused") == 1, "said once"


def test_line_that_does_not_fit(tools: Tools) -> None:
    produced = tools.produce("--topic odd --property parse.key=true", b"k\tv\nodd\n")
    assert produced.returncode == 1
    assert produced.stderr == b"No key separator found on line number 2: 'odd'\n"
    assert tools.consume("--topic odd --from-beginning --max-messages 1").stdout == b"v\n"


def test_setting_that_nobody_knows_is_warned_of(tools: Tools) -> None:
    produced = tools.produce("--topic known --producer-property foo.bar=1", b"a\n")
    assert produced.returncode == 0
    assert b"WARN The configuration 'foo.bar' was supplied but isn't a known config." in produced.stderr


def test_prompt_on_a_terminal(tools: Tools) -> None:
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        tools.command("producer", "--topic typed --timeout 1"), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    while not seen.endswith(b">"):
        seen += os.read(terminal, 100)
    os.write(terminal, b"hello\n")
    while seen.count(b">") < 2:
        seen += os.read(terminal, 100)
    os.write(terminal, b"\x04")  # end of input
    assert process.wait(DEADLINE_S) == 0
    os.close(terminal)
    assert tools.consume("--topic typed --from-beginning --max-messages 1").stdout == b"hello\n"


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
    Tools(cluster.bootstrap).write(topic, b"1", b"2", b"3")
    group = f"group-{topic}"
    path = f"/consumers/{group}/offsets/{topic}/0"
    assert consumed(cluster, topic, "--group", group, "--from-beginning", "--max-messages", "2") == b"1\n2\n"
    assert cluster.znodes.get(path)[0] == b"2"
    assert consumed(cluster, topic, "--group", group, "--max-messages", "1") == b"3\n"
    assert cluster.znodes.get(path)[0] == b"3"
    again = consumed(cluster, topic, "--group", group, "--from-beginning", "--max-messages", "3")
    assert again == b"1\n2\n3\n", "--from-beginning forgets what the group had read"


def test_without_from_beginning_it_waits_for_what_is_new(cluster: Cluster, topic: str) -> None:
    Tools(cluster.bootstrap).write(topic, b"old")
    assert consumed(cluster, topic, "--timeout-ms", "500") == b""


def test_topics_by_whitelist_and_blacklist(cluster: Cluster, topic: str) -> None:
    for suffix in "ab":
        Tools(cluster.bootstrap).write(f"{topic}-{suffix}", suffix.encode())
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
