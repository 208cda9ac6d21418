# SPDX-License-Identifier: Apache-2.0
"""The command lines of the console tools: Kafka's words in, the clients' settings out, Kafka's complaints."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from commitlog.cli import console_consumer, console_producer, console_producer_options
from commitlog.cli.console_consumer_options import (
    EARLIEST,
    FOREVER,
    LATEST,
    ConsumerCommand,
    Topics,
)
from commitlog.cli.jopt import ArgumentError
from commitlog.cli.librdkafka import translate
from commitlog.cli.topics_errors import ToolError
from tests.cli.command_lines import consumer_command, producer_command

BROKER = "127.0.0.1:9092"


def producer(line: str) -> console_producer_options.ProducerCommand:
    return producer_command(line.split())


def consumer(line: str) -> ConsumerCommand:
    return consumer_command(line.split())


class TestProducer:
    def test_defaults_are_kafkas(self) -> None:
        command = producer(f"--broker-list {BROKER} --topic t")
        assert (command.topic, command.sync, command.max_block_ms) == ("t", False, 60_000)
        assert command.settings == {
            "bootstrap.servers": BROKER,
            "client.id": "console-producer",
            "compression.type": "none",
            "linger.ms": "1000",
            "acks": "-1",
            "request.timeout.ms": "1500",
            "retries": "3",
            "retry.backoff.ms": "100",
            "send.buffer.bytes": "102400",
            "buffer.memory": "33554432",
            "batch.size": "16384",
            "metadata.max.age.ms": "300000",
            "max.block.ms": "60000",
            "enable.idempotence": "true",
        }

    def test_options_become_settings(self) -> None:
        command = producer(
            f"--bootstrap-server {BROKER} --broker-list other:1 --topic t --sync --timeout 5 --batch-size 6 "
            "--request-required-acks 1 --max-block-ms 7 --max-partition-memory-bytes 8 "
            "--message-send-max-retries 0"
        )
        assert command.sync
        assert command.max_block_ms == 7
        settings = command.settings
        assert (settings["linger.ms"], settings["acks"], settings["batch.size"]) == ("5", "1", "8")
        assert (settings["bootstrap.servers"], settings["retries"]) == (BROKER, "0")
        assert "enable.idempotence" not in settings

    @pytest.mark.parametrize("name", ["max.block.ms", "retries"])
    def test_a_setting_that_is_no_number(self, name: str) -> None:
        with pytest.raises(ArgumentError, match=f"Invalid value soon for configuration {name}: Not a number"):
            producer(f"--broker-list {BROKER} --topic t --producer-property {name}=soon")

    @pytest.mark.parametrize(
        ("option", "codec"),
        [
            ("--compression-codec", "gzip"),
            ("--compression-codec zstd", "zstd"),
            ("--compression-codec=lz4", "lz4"),
            ("", "none"),
            ("--compression-codec --sync", "gzip"),
        ],
    )
    def test_compression_codec_may_stand_alone(self, option: str, codec: str) -> None:
        assert producer(f"--broker-list {BROKER} --topic t {option}").settings["compression.type"] == codec

    def test_properties_come_from_files_and_options(self, tmp_path: Path) -> None:
        config = tmp_path / "producer.properties"
        config.write_text("linger.ms=7\nacks=0\nclient.id=mine\n")
        reader = tmp_path / "reader.properties"
        reader.write_text("parse.key=true\nkey.separator=|\n")
        command = producer(
            f"--broker-list {BROKER} --topic t --producer.config {config} --producer-property acks=all "
            f"--reader-config {reader} --property key.separator=, --timeout 9"
        )
        assert command.settings["acks"] == "all"
        assert command.settings["linger.ms"] == "9"
        assert command.settings["client.id"] == "mine"
        assert command.reader == {"parse.key": "true", "key.separator": ","}

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("--topic t", "Missing required option(s) [bootstrap-server]"),
            (f"--broker-list {BROKER}", 'Missing required argument "[topic]"'),
            (f"--broker-list {BROKER} --topic", "Option topic requires an argument"),
            ("--broker-list 127.0.0.1 --topic t", "Please provide valid host:port"),
            (
                "--broker-list no.such.host.invalid:1 --topic t",
                "Couldn't resolve server no.such.host.invalid:1",
            ),
            (
                f"--broker-list {BROKER} --topic t --compression-codec foo",
                "Invalid value foo for configuration",
            ),
            (f"--broker-list {BROKER} --topic t --line-reader com.X", "Java classes cannot be loaded here"),
            (f"--broker-list {BROKER} --topic t --nonsense", "nonsense is not a recognized option"),
            (f"--broker-list {BROKER} --topic t --property x", "Invalid command line properties: x"),
            (
                f"--broker-list {BROKER} --topic t --timeout soon",
                "Cannot parse argument 'soon' of option timeout",
            ),
        ],
    )
    def test_complaints(self, line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert console_producer.main(line.split()) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert message in captured.err.splitlines()[0]


class TestConsumer:
    def test_defaults_are_kafkas(self) -> None:
        command = consumer(f"--bootstrap-server {BROKER} --topic t")
        assert command.topics == Topics(name="t")
        assert (command.max_messages, command.timeout_ms, command.offset) == (FOREVER, FOREVER, LATEST)
        assert command.group == f"console-consumer-{random.Random(1).randrange(100_000)}"
        assert command.settings == {
            "bootstrap.servers": BROKER,
            "group.id": command.group,
            "client.id": "console-consumer",
            "auto.offset.reset": "latest",
            "isolation.level": "read_uncommitted",
            "enable.auto.commit": "false",
            "allow.auto.create.topics": "true",
        }

    def test_named_group_commits(self) -> None:
        command = consumer(f"--bootstrap-server {BROKER} --topic t --group g --from-beginning")
        assert (command.group, command.has_own_group) == ("g", True)
        assert command.settings["auto.offset.reset"] == "earliest"
        assert "enable.auto.commit" not in command.settings

    def test_group_may_be_named_by_a_property(self) -> None:
        command = consumer(f"--bootstrap-server {BROKER} --topic t --consumer-property group.id=g --group g")
        assert (command.group, command.has_own_group) == ("g", True)

    @pytest.mark.parametrize(
        ("option", "offset"),
        [
            ("--offset 5", 5),
            ("--offset Earliest", EARLIEST),
            ("--offset latest", LATEST),
            ("--from-beginning", EARLIEST),
            ("", LATEST),
        ],
    )
    def test_where_a_partition_begins(self, option: str, offset: int) -> None:
        command = consumer(f"--bootstrap-server {BROKER} --topic t --partition 2 {option}")
        assert (command.partition, command.offset) == (2, offset)

    def test_zookeeper_as_of_0_8(self) -> None:
        command = consumer(
            "--zookeeper kafka1:2181/x --topic t --from-beginning --fetch-size 9 --consumer-timeout-ms 8"
        )
        assert (command.zookeeper, command.from_beginning, command.has_own_group) == (
            "kafka1:2181/x",
            True,
            False,
        )
        assert command.timeout_ms == 8
        assert command.settings["max.partition.fetch.bytes"] == "9"
        assert command.settings["enable.auto.commit"] == "false"
        assert "bootstrap.servers" not in command.settings

    @pytest.mark.parametrize(
        ("line", "matching", "other"),
        [
            ("--bootstrap-server 127.0.0.1:1 --include te.t", "test", "tests"),
            ("--bootstrap-server 127.0.0.1:1 --whitelist a|b", "b", "ab"),
            ("--zookeeper z:1 --whitelist a,b", "b", "c"),
            ("--zookeeper z:1 --blacklist a.*", "b", "ab"),
            ("--zookeeper z:1 --topic a.b", "a.b", "a_b"),
        ],
    )
    def test_which_topics(self, line: str, matching: str, other: str) -> None:
        topics = consumer(line).topics
        assert topics.matches(matching)
        assert not topics.matches(other)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("--topic t", 'Missing required argument "[bootstrap-server]"'),
            (f"--bootstrap-server {BROKER}", "Exactly one of --include/--topic is required."),
            (f"--bootstrap-server {BROKER} --topic", "Option topic requires an argument"),
            ("--zookeeper kafka1:2181 --from-beginning --topic", "Option topic requires an argument"),
            ("--zookeeper no.such.host.invalid:2181 --topic t", "unknown host no.such.host.invalid"),
            (
                "--bootstrap-server no.such.host.invalid:1 --topic t",
                "Couldn't resolve server no.such.host.invalid:1",
            ),
            (
                f"--bootstrap-server {BROKER} --topic t --include x",
                "Exactly one of --include/--topic is required.",
            ),
            (
                f"--bootstrap-server {BROKER} --include x --partition 1",
                "The topic is required when partition is",
            ),
            (
                f"--bootstrap-server {BROKER} --topic t --offset 1",
                "The partition is required when offset is specified",
            ),
            (
                f"--bootstrap-server {BROKER} --topic t --partition 1 --offset 1 --from-beginning",
                "Options from-beginning and offset cannot be specified together.",
            ),
            (
                f"--bootstrap-server {BROKER} --topic t --partition 1 --offset soon",
                "The provided offset value 'soon' is incorrect.",
            ),
            (
                f"--bootstrap-server {BROKER} --topic t --partition 1 --group g",
                "Options group and partition cannot be specified together.",
            ),
            (
                f"--bootstrap-server {BROKER} --topic t --group g --consumer-property group.id=h",
                "Detected group ids: 'g', 'h'",
            ),
            (
                f"--bootstrap-server {BROKER} --topic t --from-beginning --consumer-property "
                f"auto.offset.reset=latest",
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset=latest'",
            ),
            (f"--bootstrap-server {BROKER} --zookeeper z:1 --topic t", "Only one of --bootstrap-server and"),
            (f"--bootstrap-server {BROKER} --topic t --fetch-size 1", "understood with --zookeeper only"),
            ("--zookeeper z:1 --topic t --partition 1", "understood with --bootstrap-server only"),
            (
                f"--bootstrap-server {BROKER} --topic t --isolation-level x",
                "Invalid value x for configuration isolation",
            ),
            (
                f"--bootstrap-server {BROKER} --topic t --formatter com.X",
                "Java classes cannot be loaded here",
            ),
            (f"--bootstrap-server {BROKER} --include (", "is an invalid regex"),
        ],
    )
    def test_complaints(self, line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert console_consumer.main(line.split()) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert message in captured.err.splitlines()[0]

    def test_with_zookeeper_a_slip_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        slip = "Option topic requires an argument"
        assert console_consumer.main(["--zookeeper", "k:1", "--from-beginning", "--topic"]) == 1
        assert capsys.readouterr().err.splitlines() == [slip]
        assert console_consumer.main(["--bootstrap-server", "k:1", "--from-beginning", "--topic"]) == 1
        assert capsys.readouterr().err.splitlines()[:2] == [slip, f"{'Option':40} Description"]

    def test_wrong_words_are_argument_errors(self) -> None:
        with pytest.raises(ArgumentError):
            consumer("--topic t")
        with pytest.raises(ToolError):
            consumer(f"--bootstrap-server {BROKER} --topic t --formatter com.X")


@pytest.mark.parametrize("main", [console_producer.main, console_consumer.main])
def test_help_and_version(main: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(main)
    assert main(["--help"]) == 1
    assert "--bootstrap-server <String: server to" in capsys.readouterr().err
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("3.9")
    assert main([]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(("This tool helps to read data", "Missing required option"))


@pytest.mark.parametrize(
    ("java", "librdkafka"),
    [
        ({"buffer.memory": "33554432"}, {"queue.buffering.max.kbytes": "32768"}),
        ({"max.request.size": "5"}, {"message.max.bytes": "5"}),
        ({"fetch.max.wait.ms": "5"}, {"fetch.wait.max.ms": "5"}),
        ({"auto.offset.reset": "none"}, {"auto.offset.reset": "error"}),
        ({"auto.offset.reset": "earliest"}, {"auto.offset.reset": "earliest"}),
        (
            {
                "partition.assignment.strategy": "org.apache.kafka.clients.consumer.RangeAssignor,"
                "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
            },
            {"partition.assignment.strategy": "range,cooperative-sticky"},
        ),
        (
            {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required "
                'username="u" password="p\\"";',
            },
            {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "u",
                "sasl.password": 'p"',
            },
        ),
        ({"max.poll.records": "5", "key.serializer": "x", "max.block.ms": "5"}, {}),
        ({"acks": "all"}, {"acks": "all"}),
    ],
)
def test_java_settings_in_librdkafkas_words(java: dict[str, str], librdkafka: dict[str, str]) -> None:
    assert translate(java) == librdkafka
