# SPDX-License-Identifier: Apache-2.0
"""This project's tools print what Apache Kafka's print: every command is run with both, against one cluster
of Apache Kafka, and every character of the output is compared, but for times and for Java's stack traces."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka
import pytest

from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import DEADLINE_S, wait_until
from tests.jvm.cluster import JVM, MixedCluster, mixed_cluster
from tests.jvm.tools import MAIN_CLASSES, KafkaTools
from tests.real_zookeeper import ZooKeeperProcess

client = CLIENTS["confluent-kafka"]()

JAVA_TRACE = re.compile(
    r"(?m)^\s*at .*\n|^Caused by.*\n|^\s*Suppressed: .*\n|^\t\.\.\..*\n"
    r"|^(?:java|org|com|joptsimple|scala|kafka)\.[\w.$]+(?:Exception|Error)(?:: .*)?\n"
)
TIMES = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+\]|TransactionDurationMs.*\n.*")
CLIENT_LOG = re.compile(r"(?m)^\[TIME\] ERROR \[AdminClient .*\n")


def plain(text: str) -> str:
    text = TIMES.sub("[TIME]", JAVA_TRACE.sub("", text))
    text = CLIENT_LOG.sub("", text)
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


def own(tool: str, arguments: Sequence[str]) -> tuple[int, str, str]:
    """Status, output and errors of this project's command."""
    module = importlib.import_module(f"commitlog.cli.{tool.removeprefix('kafka-').replace('-', '_')}")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = module.main(list(arguments))
    return status, out.getvalue(), err.getvalue()


@dataclass
class Pair:
    """Kafka's tools and ours before the same cluster."""

    tools: KafkaTools
    cluster: MixedCluster

    def words(self, line: str) -> list[str]:
        server = ["--bootstrap-server", self.cluster.bootstrap]
        words = [word.replace("{zk}", self.cluster.connect_string) for word in line.split()]
        return [word for one in words for word in (server if one == "{server}" else [one])]

    def same(self, line: str, *, errors: bool = True) -> str:
        """Both say the same and end alike."""
        tool, *arguments = self.words(line)
        kafka = self.tools.run(tool, *arguments, check=False)
        status, out, err = own(tool, arguments)
        assert plain(out) == plain(kafka.out), line
        if errors:
            assert plain(err) == plain(kafka.err), line
        assert kafka.status == status, line
        return out

    def both(self, line: str, check: Callable[[str], None]) -> None:
        """What differs in its figures is judged by itself."""
        tool, *arguments = self.words(line)
        check(self.tools.run(tool, *arguments).out)
        status, out, _ = own(tool, arguments)
        assert status == 0
        check(out)


@pytest.fixture(scope="module")
def pair(
    zookeeper: ZooKeeperProcess, tools: KafkaTools, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    MAIN_CLASSES.setdefault("kafka-acls", "kafka.admin.AclCommand")
    MAIN_CLASSES.setdefault("kafka-dump-log", "kafka.tools.DumpLogSegments")
    MAIN_CLASSES.setdefault("kafka-delegation-tokens", "org.apache.kafka.tools.DelegationTokenCommand")
    settings = {
        "authorizer_class_name": "kafka.security.authorizer.AclAuthorizer",
        "allow_everyone_if_no_acl_found": "true",
        "super_users": "User:ANONYMOUS",
        "transaction_state_log_num_partitions": "1",
    }
    directory = tmp_path_factory.mktemp("own")
    with mixed_cluster(directory, zookeeper, [JVM, JVM], **settings) as cluster:
        made = Pair(tools, cluster)
        for topic, replicas in (("wide", "0:1,1:0,0:1,1:0,0:1"), ("moved", "0:1"), ("spent", "0:1")):
            create = ["--create", "--topic", topic, "--replica-assignment", replicas]
            tools.run("kafka-topics", "--bootstrap-server", cluster.bootstrap, *create)
        client.produce(cluster.bootstrap, "wide", [str(number) for number in range(40)])
        assert len(client.consume(cluster.bootstrap, "wide", "readers", 20)) == 20
        yield made


TOOLS = """
kafka-acls kafka-broker-api-versions kafka-configs kafka-consumer-groups kafka-delete-records kafka-dump-log
kafka-get-offsets kafka-leader-election kafka-log-dirs kafka-reassign-partitions kafka-transactions
"""

REFUSED = """
kafka-delegation-tokens --create --renew
kafka-delegation-tokens --describe
kafka-features {server} upgrade
kafka-features {server} upgrade --feature a=1
kafka-consumer-groups --list
kafka-consumer-groups {server} --list --describe
kafka-consumer-groups {server} --describe
kafka-consumer-groups {server} --delete-offsets --group readers
kafka-consumer-groups {server} --reset-offsets --group readers --to-earliest --to-latest
kafka-consumer-groups {server} --reset-offsets --group readers --topic wide --dry-run
kafka-consumer-groups {server} --list --state frozen
kafka-configs {server} --describe
kafka-configs --describe --entity-type users
kafka-configs {server} --describe --entity-type frogs
kafka-configs --zookeeper {zk} --describe --entity-type topics
kafka-configs {server} --alter --topic wide --add-config a
kafka-configs {server} --describe --entity-type users --entity-type topics
kafka-delete-records {server}
kafka-reassign-partitions --list
kafka-reassign-partitions {server} --list --throttle 5
kafka-leader-election {server} --election-type preferred --topic wide
kafka-transactions {server} list --duration-filter x
kafka-transactions {server} find-hanging
"""

GROUPS = """
--list
--list --state
--list --state empty,stable --type
--describe --group readers
--describe --all-groups --members --verbose
--describe --group readers --state
--describe --group absent
"""

RESETS = """
--all-topics --to-earliest
--topic wide:0,1 --to-latest
--topic wide:0,x --to-latest
--topic wide --shift-by -2 --export
--topic wide:0 --to-current
--topic wide --to-datetime 2020-01-01T00:00:00.000
--topic wide --to-datetime 2050-01-01T00:00:00.000
--topic wide --by-duration P1D
"""

CONFIGS = """
--alter --topic wide --add-config retention.ms=5000000,cleanup.policy=[compact,delete]
--describe --topic wide
--describe --topic wide --all
--describe --entity-type topics
--alter --topic wide --add-config retention.ms=soon
--alter --topic wide --delete-config segment.ms
--alter --broker 0 --add-config log.cleaner.threads=2
--describe --entity-type brokers
--alter --broker-defaults --add-config max.connections=1000
--alter --broker-logger 0 --add-config absent=DEBUG
--alter --user alice --add-config producer_byte_rate=1024,consumer_byte_rate=20000000
--alter --user alice --client app --add-config request_percentage=3
--alter --user-defaults --add-config request_percentage=200
--alter --ip 127.0.0.9 --add-config connection_creation_rate=5
--alter --user alice --add-config SCRAM-SHA-256=[iterations=8192,password=y]
--alter --user alice --add-config SCRAM-SHA-256=[iterations=1,password=y]
--alter --client app --delete-config absent
--describe --entity-type users
--describe --entity-type users --entity-type clients
--describe --entity-type ips
--describe --user alice
"""

CONFIGS_IN_ZOOKEEPER = """
--describe --entity-type users --entity-type clients
--alter --entity-type brokers --entity-name 0 --add-config log.cleaner.threads=3
--alter --entity-type users --entity-name carol --add-config producer_byte_rate=1
--alter --entity-type users --entity-name carol --delete-config SCRAM-SHA-512
"""

ACLS = """
--add --allow-principal User:alice --topic secret --operation Read
--add --allow-principal User:alice --topic pre --resource-pattern-type prefixed --operation Write
--add --deny-principal User:bob --group g
--add --allow-principal alice --topic t
--list --topic secret
--list --topic pretty --resource-pattern-type match
--list --principal User:bob --group g
--remove --topic secret --allow-principal User:alice --operation Read --force
--list --topic secret
"""

ACLS_IN_ZOOKEEPER = """
--add --allow-principal User:carol --cluster --operation Create
--list --cluster
--remove --cluster --force
--list --cluster
"""

OFFSETS = """
--topic wide
--topic wide --time earliest
--topic-partitions wide:1-3,moved --exclude-internal-topics
--topic wide --partitions 0,x
--topic absent
--topic wide --time -3
--topic wide --time soon
"""

TRANSACTIONS = """
list
describe --transactional-id till
describe --transactional-id absent
describe-producers --topic spent --partition 0
find-hanging --broker-id 0
abort --topic spent --partition 0 --start-offset 5
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def test_help_and_what_is_refused(pair: Pair) -> None:
    for tool in TOOLS.split():
        # The order of the operations in the text of kafka-acls and one regular expression are Java's own.
        pair.same(tool, errors=tool not in ("kafka-acls", "kafka-get-offsets"))
    for line in lines(REFUSED):
        pair.same(line)


def test_groups(pair: Pair, tmp_path: Path) -> None:
    for line in lines(GROUPS):
        pair.same(f"kafka-consumer-groups {{server}} {line}")
    reset = "kafka-consumer-groups {server} --reset-offsets --group readers --dry-run"
    for line in lines(RESETS):
        pair.same(f"{reset} {line}")
    plan = tmp_path / "plan.csv"
    plan.write_text("wide,0,2\nwide,1,3\n")
    pair.same(f"{reset} --from-file {plan}")
    pair.same(f"{reset} --topic absent --to-earliest")  # ends with 0 though the whole command has failed
    pair.same("kafka-consumer-groups {server} --delete-offsets --group readers --topic absent")
    pair.same("kafka-consumer-groups {server} --delete --group absent")


def test_configurations(pair: Pair) -> None:
    for line in lines(CONFIGS):
        pair.same(f"kafka-configs {{server}} {line}")
    for line in lines(CONFIGS_IN_ZOOKEEPER):
        pair.same(f"kafka-configs --zookeeper {{zk}} {line}")


def test_acls(pair: Pair) -> None:
    for line in lines(ACLS):
        pair.same(f"kafka-acls {{server}} {line}")
    for line in lines(ACLS_IN_ZOOKEEPER):
        pair.same(f"kafka-acls --authorizer-properties zookeeper.connect={{zk}} {line}")


def test_partitions(pair: Pair, tmp_path: Path) -> None:
    for line in lines(OFFSETS):
        pair.same(f"kafka-get-offsets {{server}} {line}")
    records = tmp_path / "records.json"
    for document in (
        {"version": 1, "partitions": [{"topic": "wide", "partition": 3, "offset": 1000}]},
        {"version": 1, "partitions": [{"topic": "wide", "partition": "x", "offset": 1}]},
        {"version": 2},
    ):
        records.write_text(json.dumps(document))
        pair.same(f"kafka-delete-records {{server}} --offset-json-file {records}")
    for line in ("", "--topic-list wide --broker-list 1", "--broker-list 1,7"):
        pair.same(f"kafka-log-dirs {{server}} --describe {line}")
    for line in ("--topic wide --partition 0", "--all-topic-partitions", "--topic wide --partition 77"):
        pair.same(f"kafka-leader-election {{server}} --election-type preferred {line}")


def test_reassignment(pair: Pair, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"

    def write(partition: dict[str, object]) -> None:
        plan.write_text(json.dumps({"version": 1, "partitions": [partition]}))

    with_plan = f"--reassignment-json-file {plan}"
    execute = f"kafka-reassign-partitions {{server}} --execute {with_plan}"
    write({"topic": "moved", "partition": 0, "replicas": [0, 1]})
    pair.same(f"{execute} --throttle 100000 --replica-alter-log-dirs-throttle 100000")
    pair.same(f"kafka-reassign-partitions {{server}} --verify {with_plan}")
    pair.same(f"kafka-reassign-partitions {{server}} --cancel {with_plan}")
    pair.same("kafka-reassign-partitions {server} --list")
    moved = {"topic": "moved", "partition": 0}
    for changed in (
        {"replicas": [1, 7]},
        {"partition": 5, "replicas": [1]},
        {"replicas": [1, 1]},
        {"replicas": []},
        {"replicas": [0], "log_dirs": ["any", "x"]},
        {"topic": "absent", "replicas": [0]},
    ):
        write({**moved, **changed})
        pair.same(execute)


def test_transactions_and_what_is_on_disk(pair: Pair) -> None:
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": pair.cluster.bootstrap, "transactional.id": "till", "log_level": 0}
    )
    producer.init_transactions(DEADLINE_S)
    producer.begin_transaction()
    producer.produce("spent", "one", "key", headers=[("h", b"1")])
    producer.flush(DEADLINE_S)
    producer.abort_transaction(DEADLINE_S)
    describe = pair.words("kafka-transactions {server} describe --transactional-id till")
    wait_until(lambda: "Complete" in own(describe[0], describe[1:])[1], "the abort to be complete")
    for line in lines(TRANSACTIONS):
        pair.same(f"kafka-transactions {{server}} {line}")
    logs = next(pair.cluster.brokers[0].home.rglob("spent-0"))
    name = "0" * 20
    log = f"kafka-dump-log --files {logs}/{name}.log"
    for option in ("", "--deep-iteration", "--print-data-log", "--print-data-log --skip-record-metadata"):
        pair.same(f"{log} {option}")
    for suffix in ("index", "timeindex", "txnindex"):
        pair.same(f"kafka-dump-log --files {logs}/{name}.{suffix},{logs}/partition.metadata")
    state = f"{logs.parent}/__transaction_state-0/{name}.log"
    pair.same(f"kafka-dump-log --files {state} --transaction-log-decoder")
    for partition in sorted(logs.parent.glob("__consumer_offsets-*")):
        pair.same(f"kafka-dump-log --files {partition}/{name}.log --offsets-decoder")


PRODUCED = re.compile(
    r"500 records sent, [\d.]+ records/sec \([\d.]+ MB/sec\), [\d.]+ ms avg latency, [\d.]+ ms max latency, "
    r"\d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99\.9th\.\n"
)
DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}"
CONSUMED = re.compile(
    r"start\.time, end\.time, data\.consumed\.in\.MB, MB\.sec, data\.consumed\.in\.nMsg, nMsg\.sec, "
    r"rebalance\.time\.ms, fetch\.time\.ms, fetch\.MB\.sec, fetch\.nMsg\.sec\n"
    rf"{DATE}, {DATE}, 0\.0477, [\d.]+, 500, [\d.]+, \d+, -?\d+, \S+, \S+\n"
)


def test_figures_of_performance_have_kafkas_form(pair: Pair) -> None:
    def fits(form: re.Pattern[str]) -> Callable[[str], None]:
        def check(out: str) -> None:
            assert form.search(out), out

        return check

    records = "--num-records 500 --throughput -1 --record-size 100 --producer-props bootstrap.servers="
    pair.both(f"kafka-producer-perf-test --topic moved {records}{pair.cluster.bootstrap}", fits(PRODUCED))
    pair.both("kafka-consumer-perf-test {server} --topic moved --messages 500", fits(CONSUMED))
