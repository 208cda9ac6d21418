# SPDX-License-Identifier: Apache-2.0
"""Every tool, asked nothing, for help, for its version, for what it does not know: what it says, on which
stream, and its exit status are those of Apache Kafka 3.9.1's tool of that name. So are the refusals of the
tools that the other tests here only see succeed.
"""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from tests.cli.test_terminal import COMMANDS, main_of
from tests.jvm.test_own_tools import plain
from tests.jvm.tools import MAIN_CLASSES, KafkaTools

LINES = (
    "",
    "--help",
    "--version",
    "--absent",
    "--help --absent",
    "--version --absent",
    "absent",
    "--help --version",
)
TOOLS = sorted(name.removesuffix(".sh") for name in COMMANDS if name.removesuffix(".sh") in MAIN_CLASSES)
REFUSED = """
kafka-topics --list
kafka-topics --topic
kafka-topics {server}
kafka-topics {server} --list --create
kafka-topics {server} --create
kafka-topics {server} --alter --topic t
kafka-topics {server} --alter --topic t --config a=b
kafka-topics {server} --alter --topic t --delete-config a
kafka-topics {server} --create --topic t --partitions 0
kafka-topics {server} --create --topic t --replication-factor 99999
kafka-topics {server} --create --topic t --replica-assignment 0:0
kafka-topics {server} --create --topic t --replica-assignment 0:1,0
kafka-topics {server} --create --topic t --replica-assignment 0:x
kafka-topics {server} --create --topic t --replica-assignment 0:1 --partitions 2
kafka-topics {server} --create --topic t --if-exists
kafka-topics {server} --create --topic t --exclude-internal
kafka-topics {server} --list --if-not-exists
kafka-topics {server} --list --partitions 2
kafka-console-consumer {server}
kafka-console-consumer --topic t
kafka-console-consumer --topic
kafka-console-consumer {server} --topic t --include u
kafka-console-consumer {server} --topic t --offset 5
kafka-console-consumer {server} --include t --partition 0
kafka-console-consumer {server} --topic t --partition 0 --from-beginning --offset 3
kafka-console-consumer {server} --topic t --partition 0 --offset soon
kafka-console-consumer {server} --topic t --partition 0 --offset -3
kafka-console-consumer {server} --topic t --partition 0 --group g
kafka-console-consumer {server} --topic t --partition x
kafka-console-consumer {server} --topic t --group g --consumer-property group.id=h
kafka-console-producer {server}
kafka-console-producer --topic t
kafka-console-producer --topic
kafka-console-producer --bootstrap-server h --topic t
kafka-console-producer {server} --topic t --timeout x
"""
OWN_WORDS = {
    "kafka-acls": ("--operation",),  # in the order of a Java set
    "kafka-console-consumer": ("--property",),
    "kafka-get-offsets": ("--topic-partitions",),  # a regular expression that Java breaks elsewhere
}
"""Options whose text is not Kafka's to the letter."""
JOPT = re.compile(r"(?m)^joptsimple\.\w+: ")
VERSION = re.compile(r"(?m)^3\.9\.\d( \(.+\))?$")
CHANCE = re.compile(r"(?<=perf-consumer-)\d+")
LOG = re.compile(
    r"(?m)^\[TIME\] (?:WARN|ERROR) (?:\[AdminClient|\w+\.).*\n?"
    r"|^ \(org\.apache\.kafka\.tools\.TopicCommand\)\n?"
)
"""What Kafka's tool logs beside what it says: this project's has said it."""


def test_no_tool_is_left_out() -> None:
    alone = {name.removesuffix(".sh") for name in COMMANDS} - set(TOOLS)
    assert alone == {
        "kafka-server-start",
        "kafka-server-stop",
        "zookeeper-server-start",
        "zookeeper-server-stop",
    }


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("tool", TOOLS)
def test_it_ends_as_kafkas_does(tools: KafkaTools, tool: str, line: str) -> None:
    ours, theirs = ends(tools, tool, line.split())
    assert ours == theirs


@pytest.mark.parametrize("line", REFUSED.strip().splitlines())
def test_what_is_refused(tools: KafkaTools, line: str) -> None:
    """Whatever the table below it says of options, which the test of --help compares."""
    tool, *words = line.replace("{server}", "--bootstrap-server 127.0.0.1:1").split()
    ours, theirs = ends(tools, tool, words)
    assert ours == theirs


Ends = tuple[int, str, list[str], dict[str, str]]
"""Status, output, and of the errors what stands before the table of options, and its rows."""


def ends(tools: KafkaTools, tool: str, words: list[str]) -> tuple[Ends, Ends]:
    kafka = tools.run(tool, *words, check=False)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main_of(COMMANDS[f"{tool}.sh"])(words)
    said, rows = _parts(tool, err.getvalue())
    kafka_said, kafka_rows = _parts(tool, kafka.err)
    # What this project's tools know beside Kafka's options are those of 0.8.
    known = {option: text for option, text in rows.items() if option in kafka_rows} if kafka_rows else rows
    return (
        (status, _plain(out.getvalue()), said, known),
        (kafka.status, _plain(kafka.out), kafka_said, kafka_rows),
    )


def _parts(tool: str, errors: str) -> tuple[list[str], dict[str, str]]:
    said: list[str] = []
    rows: dict[str, str] = {}
    option = ""
    for line in _plain(errors).splitlines():
        found = re.match(r"(?:\* )?(--[a-z][\w.-]*)", line)
        option = found[1] if found else option
        if option:
            rows[option] = rows.get(option, "") + line + "\n"
        elif not said or said[-1] != line:  # a message that is printed once more with its stack trace
            said.append(line)
    return said, {option: text for option, text in rows.items() if option not in OWN_WORDS.get(tool, ())}


def _plain(text: str) -> str:
    return VERSION.sub("VERSION", CHANCE.sub("N", LOG.sub("", plain(JOPT.sub("", text)))))
