# SPDX-License-Identifier: Apache-2.0
"""The parts that tools share: Java's orders, times and line breaks, plans, credentials, patterns."""

from __future__ import annotations

import confluent_kafka
import pytest

from commitlog.cli import producer_perf_test, producer_performance
from commitlog.cli.argparse4j import Parser, whole_number
from commitlog.cli.configs_options import OPTIONS as CONFIG_OPTIONS
from commitlog.cli.configs_options import ConfigCommand
from commitlog.cli.consumer_groups_options import SCENARIOS, set_of
from commitlog.cli.consumer_perf_test import format_time
from commitlog.cli.java_order import partitions_in_hash_order, string_hash, strings_in_hash_order
from commitlog.cli.java_time import datetime_to_ms, duration_to_ms
from commitlog.cli.jopt import ArgumentError, parse
from commitlog.cli.jopt_help import break_line
from commitlog.cli.producer_performance import Stats
from commitlog.cli.reassign_plan import format_plan, moves, parse_plan, reassigning_brokers, throttled
from commitlog.cli.scram import Password
from commitlog.cli.topic_filter import TopicFilter
from commitlog.cli.topics_errors import ToolError
from commitlog.cli.transactions import make_parser


def test_hash_order_is_javas() -> None:
    """Orders as a JVM prints them."""
    assert string_hash("kafka") == 101807910
    assert strings_in_hash_order(["version", "brokers"]) == ["brokers", "version"]
    wide = [("wide", number) for number in range(5)]
    assert partitions_in_hash_order(reversed(wide)) == wide
    assert " ".join(set_of(SCENARIOS)) == (
        "[to-offset] [to-current] [to-datetime] [from-file] [by-duration] [to-earliest] [to-latest] "
        "[shift-by]"
    )


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00.000", 0),
        ("1970-01-01T00:00:01.5", 1005),
        ("1970-01-01T01:00:00.000+01:00", 0),
        ("1970-01-01T00:00:00.000-02", 7_200_000),
    ],
)
def test_datetimes(text: str, ms: int) -> None:
    assert datetime_to_ms(text) == ms


@pytest.mark.parametrize("text", ["2020-01-01", "2020-13-01T00:00:00.000", "2020-01-01Tnoon"])
def test_datetimes_that_are_none(text: str) -> None:
    with pytest.raises(ToolError, match=r"java\.text\.ParseException"):
        datetime_to_ms(text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("P1D", 86_400_000), ("PT1H30M", 5_400_000), ("PT1.5S", 1500), ("-PT1S", -1000), ("PT0S", 0)],
)
def test_durations(text: str, ms: int) -> None:
    assert duration_to_ms(text) == ms


@pytest.mark.parametrize("text", ["P", "PT", "1D", ""])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ToolError, match="Text cannot be parsed to a Duration"):
        duration_to_ms(text)


def test_lines_break_where_java_breaks_them() -> None:
    text = "a server(s) foo/bar --add-config 'k1=[v1,v2],k2' host1:9092,host2 (e.g.) topic5:-3 -1 1-2"
    assert "|".join(piece.rstrip() for piece in break_line(text)) == (
        "a|server|(s)|foo/bar|--|add-|config|'k1=|[v1,|v2],|k2'|host1:|9092,|host2|(e.|g.)|topic5:-3|-1|1-|2"
    )


def test_plans_and_what_they_throttle() -> None:
    text = '{"version":1,"partitions":[{"topic":"a","partition":0,"replicas":[1,2],"log_dirs":["any","/d"]}]}'
    plan = parse_plan(text)
    plan.check()
    ((partition, _),) = plan.partitions
    assert [str(replica) for replica in plan.directories] == ["a-0-2"]
    moving = moves({}, plan.targets, {partition: [0, 1]})
    assert throttled(moving, leaders=True) == {"a": "0:0,0:1"}
    assert throttled(moving, leaders=False) == {"a": "0:2"}
    assert reassigning_brokers(moving) == [0, 1, 2]
    assert format_plan({partition: [0, 1]}) == (
        '{"version":1,"partitions":[{"topic":"a","partition":0,"replicas":[0,1],"log_dirs":["any","any"]}]}'
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nothing", "The input string is not a valid JSON"),
        ('{"version":2}', "Not supported version field value 2"),
        ('{"partitions":[{"topic":"a"}]}', "No such field exists: `partition`"),
        ('{"partitions":[{"topic":1,"partition":0}]}', "Expected `String` value, received 1"),
        ('{"partitions":[]}', "Partition reassignment list cannot be empty"),
        (
            '{"partitions":[{"topic":"a","partition":0,"replicas":[1,1]}]}',
            "Partition replica lists may not contain duplicate entries: a-0 contains multiple entries for 1",
        ),
    ],
)
def test_plans_that_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ToolError) as caught:
        parse_plan(text).check()
    assert str(caught.value) == complaint


def test_a_scram_credential_is_that_of_rfc_7677() -> None:
    made = Password.parse("SCRAM-SHA-256", "iterations=4096,password=pencil")
    credential = made.credential(bytes.fromhex("5b6d99689d123585a8f6d16a3c9a4d3a"))
    fields = dict(part.split("=", 1) for part in credential.split(","))
    assert list(fields) == ["salt", "stored_key", "server_key", "iterations"]
    assert (fields["salt"], fields["iterations"]) == ("W22ZaJ0SNYWo9tFqPJpNOg==", "4096")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x=y", "Invalid credential property SCRAM_SHA_256=x=y"),
        (
            "iterations=1,password=y",
            "Iterations 1 is less than the minimum 4096 required for SCRAM-SHA-256",
        ),
    ],
)
def test_credentials_that_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Password.parse("SCRAM-SHA-256", text)
    assert str(caught.value) == complaint


def command(line: str) -> ConfigCommand:
    return ConfigCommand(parse(line.split(), CONFIG_OPTIONS))


def test_configurations_in_brackets_and_entities_in_order() -> None:
    server = "--bootstrap-server h:1 --alter"
    one = command(f"{server} --topic t --add-config a=1,b=[x,y],c=")
    assert one.added() == {"a": "1", "b": "x,y", "c": ""}
    two = command(
        f"{server} --entity-type clients --entity-default --entity-type users --entity-name u "
        "--delete-config a,b"
    )
    assert (two.types, two.names, two.deleted()) == (["clients", "users"], ["", "u"], ["a", "b"])


def test_topics_by_expression() -> None:
    assert TopicFilter('"a.*, b"').allows("abc")
    assert not TopicFilter("a").allows("ab")
    assert not TopicFilter(".*").allows("__consumer_offsets", exclude_internal=True)
    with pytest.raises(ToolError, match="is an invalid regex"):
        TopicFilter("(")


def test_columns_are_justified_as_argparse4j_does() -> None:
    parser = Parser(prog="tool")
    text = "property file containing configs to be passed to admin client"
    parser.add_argument("--command-config", metavar="FILE", type=whole_number("Integer"), help=text)
    assert parser.format_help().splitlines()[-2:] == [
        "  --command-config FILE  property file containing configs  to  be passed to",
        "                         admin client",
    ]


def test_the_help_of_transactions_is_kafkas() -> None:
    assert make_parser().format_help().splitlines()[:5] == [
        "usage: kafka-transactions.sh [-h] [-v] [--command-config FILE]",
        "                             --bootstrap-server host:port COMMAND ...",
        "",
        "This tool is used to analyze  the  transactional  state of producers in the",
        "cluster. It can be used to detect and recover from hanging transactions.",
    ]


def test_figures_of_producing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0, 0, 6000, 6000, 10_000])
    stats = Stats(4, now=lambda: next(clock))
    for latency, at_ms in ((10, 100), (20, 200), (30, 6000)):
        stats.record(latency, 1024 * 1024, at_ms)
    stats.print_total()
    assert capsys.readouterr().out == (
        "3 records sent, 0.5 records/sec (0.50 MB/sec), 20.0 ms avg latency, 30.0 ms max latency.\n"
        "3 records sent, 0.300000 records/sec (0.30 MB/sec), 20.00 ms avg latency, 30.00 ms max latency, "
        "20 ms 50th, 30 ms 95th, 30 ms 99th, 30 ms 99.9th.\n"
    )


def test_dates_as_java_formats_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(time, "localtime", time.gmtime)
    assert format_time("yyyy-MM-dd HH:mm:ss:SSS", 86_400_007) == "1970-01-02 00:00:00:007"


def test_what_cannot_be_sent_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refusing:
        def produce(self, *_: object, **__: object) -> None:
            raise confluent_kafka.KafkaException(confluent_kafka.KafkaError(29))

        def poll(self, _: float) -> None: ...

        def flush(self) -> None: ...

    monkeypatch.setattr(producer_performance, "make_producer", lambda _: Refusing())
    words = "--topic t --num-records 3 --throughput -1 --record-size 1 --producer-props bootstrap.servers=h:1"
    assert producer_perf_test.main(words.split()) == 0
    told = capsys.readouterr()
    assert told.err.count("Topic authorization failed") == 1
    assert told.out.startswith("0 records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg latency, ")
