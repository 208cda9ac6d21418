# SPDX-License-Identifier: Apache-2.0
"""kafka-topics.sh's command line; the refusals are those of Kafka 3.9.1's TopicCommand to the same words."""

from __future__ import annotations

import pytest

from commitlog.cli.jopt import ArgumentError, help_text
from commitlog.cli.topics_options import options_with_names
from tests.cli.command_lines import topic_command

B = "--bootstrap-server h:1"
Z = "--zookeeper h:1"

REFUSED = [
    (f"{B} --create", 'Missing required argument "[topic]"'),
    (f"{B} --list --topic", "Option topic requires an argument"),
    ("--create --topic x", "--bootstrap-server must be specified"),
    (B, "Command must include exactly one action: --list, --describe, --create, --alter or --delete"),
    (
        f"{B} --list --describe",
        "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
    ),
    (
        f"{B} --create --topic x --partitions 1 --replica-assignment 0",
        'Option "[replica-assignment]" can\'t be used with option "[partitions]"',
    ),
    (f"{B} --frob", "frob is not a recognized option"),
    (
        f"{B} --list --under-replicated-partitions",
        'Option "[under-replicated-partitions]" can\'t be used with option "[list]"',
    ),
    (f"{B} --describe --if-not-exists", 'Option "[if-not-exists]" can\'t be used with option "[describe]"'),
    (f"{B} --alter --topic test", 'Missing required argument "[partitions]"'),
    (f"{B} --alter --partitions 3", 'Missing required argument "[topic]"'),
    (f"{B} --delete", 'Missing required argument "[topic]"'),
    (
        f"{B} --describe --topics-with-overrides --under-replicated-partitions",
        'Option "[under-replicated-partitions]" can\'t be used with option "[topics-with-overrides]"',
    ),
    (
        f"{B} --alter --topic test --config a=b",
        'Option combination "[[bootstrap-server], [config]]" can\'t be used with option "[alter]" (the '
        "kafka-configs CLI supports altering topic configs with a --bootstrap-server option)",
    ),
    (f"{B} --create --topic x --partitions 0", "The partitions must be greater than 0"),
    (f"{B} --create --topic x --partitions y", "Cannot parse argument 'y' of option partitions"),
    (
        f"{B} --create --topic x --replication-factor 0",
        "The replication factor must be between 1 and 32767 inclusive",
    ),
    (
        f"{B} --create --topic x --config retention.ms",
        'requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".',
    ),
    (
        f"{B} --create --topic x --replica-assignment 0,0:1",
        "Partition 1 has different replication factor: [0, 1]",
    ),
    (
        f"{B} --create --topic x --replica-assignment 0:0",
        "Partition replica lists may not contain duplicate entries: 0",
    ),
    (f"{B} --create --topic x --replica-assignment a", 'For input string: "a"'),
    # With --zookeeper as of Kafka 2.x.
    (f"{Z} --create --topic x --partitions 1", 'Missing required argument "[replication-factor]"'),
    (f"{Z} --create --topic x", 'Missing required argument "[partitions]"'),
    (f"{Z} {B} --list", "Only one of --bootstrap-server or --zookeeper must be specified"),
    (f"{Z} --describe --topic-id x", 'Option "[zookeeper]" can\'t be used with option "[topic-id]"'),
]


@pytest.mark.parametrize(("line", "message"), REFUSED, ids=[line for line, _ in REFUSED])
def test_refused_in_one_line(line: str, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        topic_command(line.split())
    assert str(caught.value) == message


def test_a_bad_pattern_is_refused() -> None:
    with pytest.raises(ArgumentError, match="is an invalid regex"):
        topic_command(["--bootstrap-server", "h:1", "--describe", "--topic", "("])


def test_the_article_s_commands_are_understood() -> None:
    line = "--create --zookeeper kafka1:2181 --replication-factor 2 --partitions 1 --topic test"
    create = topic_command(line.split(" "))
    assert (create.action, create.zookeeper, create.name) == ("create", "kafka1:2181", "test")
    assert (create.partitions, create.replication_factor) == (1, 2)
    assert topic_command(["--list", "--zookeeper", "kafka1:2181"]).action == "list"
    assert topic_command(["--describe", "--zookeeper", "kafka1:2181", "--topic", "test"]).topic == "test"


@pytest.mark.parametrize(
    ("pattern", "selected"),
    [
        ("test", ["test"]),
        ("te.*", ["te", "test"]),
        ("test,plain", ["plain", "test"]),
        ("'test'", ["test"]),
        ("t", []),
        (".*", ["__consumer_offsets", "plain", "te", "test"]),
    ],
)
def test_a_topic_is_a_whole_match_of_a_pattern(pattern: str, selected: list[str]) -> None:
    command = topic_command(["--bootstrap-server", "h:1", "--describe", "--topic", pattern])
    names = ["__consumer_offsets", "plain", "te", "test"]
    assert [name for name in names if command.selects(name, internal=name.startswith("__"))] == selected


def test_internal_topics_can_be_left_out() -> None:
    command = topic_command(["--bootstrap-server", "h:1", "--list", "--exclude-internal"])
    assert not command.selects("__consumer_offsets", internal=True)
    assert command.selects("test", internal=False)


def test_help_names_every_option_and_setting() -> None:
    text = help_text("", options_with_names())
    for word in ("--zookeeper", "--under-min-isr-partitions", "retention.ms", "--replica-assignment"):
        assert word in text
    assert all(len(line) <= 84 for line in text.splitlines())  # 80 but for tabs
