# SPDX-License-Identifier: Apache-2.0
"""Tools against a broker that answers as told: output, status, and one line for what goes wrong. They print
what those of Apache Kafka 3.9.1 print; tests/jvm/test_own_tools.py asks its tools."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.message import Response
from commitlog.wire.messages.delete_records_response import (
    DeleteRecordsPartitionResult,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from commitlog.wire.messages.describe_groups_response import DescribedGroup, DescribeGroupsResponse
from commitlog.wire.messages.elect_leaders_response import (
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from commitlog.wire.messages.find_coordinator_response import Coordinator, FindCoordinatorResponse
from commitlog.wire.messages.list_groups_response import ListedGroup, ListGroupsResponse
from commitlog.wire.messages.list_offsets_response import (
    ListOffsetsPartitionResponse,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from commitlog.wire.messages.metadata_response import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from commitlog.wire.messages.offset_commit_response import OffsetCommitResponse
from commitlog.wire.messages.offset_fetch_response import (
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)
from tests.cli.fake_broker import FakeBroker
from tests.real_zookeeper import free_port

HEAD = ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST"]


class World:
    """One broker in a thread of its own; `handlers` may be changed by a test."""

    def __init__(self) -> None:
        self.handlers: dict[int, Callable[[Any], Response]] = {
            ApiKey.METADATA: lambda _: self.metadata(),
            ApiKey.FIND_COORDINATOR: self.find_coordinator,
            ApiKey.LIST_OFFSETS: list_offsets,
        }
        self.broker = FakeBroker(self.handlers)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.broker.start(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.broker.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def metadata(self) -> MetadataResponse:
        partitions = [MetadataResponsePartition(partition_index=number, leader_id=0) for number in range(2)]
        return MetadataResponse(
            brokers=[MetadataResponseBroker(node_id=0, host="127.0.0.1", port=self.broker.port)],
            controller_id=0,
            topics=[MetadataResponseTopic(name="t", partitions=partitions)],
        )

    def find_coordinator(self, request: Any) -> FindCoordinatorResponse:
        found = [Coordinator(key, 0, "127.0.0.1", self.broker.port) for key in request.coordinator_keys]
        return FindCoordinatorResponse(coordinators=found)

    def run(self, tool: str, line: str) -> int:
        module = importlib.import_module(f"commitlog.cli.{tool}")
        status: int = module.main(["--bootstrap-server", f"127.0.0.1:{self.broker.port}", *line.split()])
        return status


def list_offsets(request: Any) -> ListOffsetsResponse:
    """Logs of 10 records that begin at 2; no record is later than timestamp 1000."""

    def offset(timestamp: int) -> int:
        return {-1: 10, -2: 2}.get(timestamp, -1 if timestamp > 1000 else 5)

    def answer(one: Any) -> ListOffsetsPartitionResponse:
        return ListOffsetsPartitionResponse(one.partition_index, offset=offset(one.timestamp))

    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(topic.name, [answer(one) for one in topic.partitions])
            for topic in request.topics
        ]
    )


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def with_group(world: World) -> World:
    """The group `g`, empty, with an offset in t-1."""
    partition = OffsetFetchResponsePartitions(partition_index=1, committed_offset=4)
    topics = [OffsetFetchResponseTopics(name="t", partitions=[partition])]

    def describe(request: Any) -> DescribeGroupsResponse:
        states = {name: "Empty" if name == "g" else "Dead" for name in request.groups}
        groups = [DescribedGroup(0, name, state, "consumer") for name, state in states.items()]
        return DescribeGroupsResponse(groups=groups)

    groups = [
        ListedGroup("g", "consumer", "Empty", "classic"),
        ListedGroup("c", "connect", "Stable", "classic"),
    ]
    world.handlers |= {
        ApiKey.LIST_GROUPS: lambda _: ListGroupsResponse(groups=groups),
        ApiKey.DESCRIBE_GROUPS: describe,
        ApiKey.OFFSET_FETCH: lambda request: OffsetFetchResponse(
            groups=[OffsetFetchResponseGroup(group_id=request.groups[0].group_id, topics=topics)]
        ),
        ApiKey.OFFSET_COMMIT: lambda _: OffsetCommitResponse(),
    }
    return world


def test_groups_are_listed_and_described(with_group: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert with_group.run("consumer_groups", "--list") == 0
    assert capsys.readouterr().out == "g\n"
    assert with_group.run("consumer_groups", "--list --state --type") == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["g", "Classic", "Empty"]
    assert with_group.run("consumer_groups", "--describe --group g") == 0
    told = capsys.readouterr()
    assert told.err == "\nConsumer group 'g' has no active members.\n"
    assert [line.split() for line in told.out.splitlines()[1:]] == [
        [*HEAD, "CLIENT-ID"],
        ["g", "t", "1", "4", "10", "6", "-", "-", "-"],
    ]
    assert with_group.run("consumer_groups", "--describe --group absent") == 0
    assert capsys.readouterr().out == "\nError: Consumer group 'absent' does not exist.\n"


@pytest.mark.parametrize(
    ("scenario", "offsets"),
    [
        ("--topic t --to-earliest", {0: 2, 1: 2}),
        ("--topic t:1 --to-latest", {1: 10}),
        ("--topic t --to-offset 100", {0: 10, 1: 10}),
        ("--all-topics --shift-by -3", {1: 2}),
        ("--topic t --to-current", {0: 10, 1: 4}),
        ("--topic t:0 --to-datetime 1970-01-01T00:00:00.500", {0: 5}),
        ("--topic t:0 --by-duration PT1S", {0: 10}),
    ],
)
def test_offsets_are_reset(with_group: World, scenario: str, offsets: dict[int, int]) -> None:
    assert with_group.run("consumer_groups", f"--reset-offsets --group g {scenario} --dry-run") == 0
    assert with_group.broker.asked(ApiKey.OFFSET_COMMIT) == []
    assert with_group.run("consumer_groups", f"--reset-offsets --group g {scenario} --execute") == 0
    (commit,) = with_group.broker.asked(ApiKey.OFFSET_COMMIT)
    assert {one.partition_index: one.committed_offset for one in commit.topics[0].partitions} == offsets


def test_a_plan_is_exported_and_read_back(
    with_group: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    reset = "--reset-offsets --group g --dry-run --export"
    assert with_group.run("consumer_groups", f"{reset} --topic t --to-latest") == 0
    plan = tmp_path / "plan.csv"
    plan.write_text(capsys.readouterr().out)
    assert plan.read_text() == "t,1,10\nt,0,10\n\n"
    assert with_group.run("consumer_groups", f"{reset} --from-file {plan}") == 0
    assert capsys.readouterr().out == plan.read_text()
    plan.write_text("t,zero,10\n")
    assert with_group.run("consumer_groups", f"{reset} --from-file {plan}") == 0  # as Kafka's tool ends
    complaint = f"{plan}: the line t,zero,10 is not of the form topic,partition,offset"
    assert complaint in capsys.readouterr().out


def test_offsets_of_partitions(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.run("get_offsets", "--topic t") == 0
    assert capsys.readouterr().out == "t:0:10\nt:1:10\n"
    assert world.run("get_offsets", "--topic-partitions t:1- --time earliest") == 0
    assert capsys.readouterr().out == "t:1:2\n"
    assert world.run("get_offsets", "--topic absent") == 1
    complaint = "Error occurred: Could not match any topic-partitions with the specified filters\n"
    assert capsys.readouterr().err == complaint


def test_records_are_deleted(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out_of_range = int(ErrorCode.OFFSET_OUT_OF_RANGE)
    results = [DeleteRecordsPartitionResult(0, 5), DeleteRecordsPartitionResult(1, -1, out_of_range)]
    topic = DeleteRecordsTopicResult(name="t", partitions=results)
    world.handlers[ApiKey.DELETE_RECORDS] = lambda _: DeleteRecordsResponse(topics=[topic])
    plan = tmp_path / "plan.json"
    one, other = '{"topic":"t","partition":0,"offset":5}', '{"topic":"t","partition":1,"offset":99}'
    plan.write_text(f'{{"partitions":[{one},{other}]}}')
    assert world.run("delete_records", f"--offset-json-file {plan}") == 0
    assert capsys.readouterr().out.splitlines() == [
        "Executing records delete operation",
        "Records delete operation completed:",
        "partition: t-1\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException: "
        "The requested offset is not within the range of offsets maintained by the server.",
        "partition: t-0\tlow_watermark: 5",
    ]


def test_leaders_are_elected(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    codes = (ErrorCode.NONE, ErrorCode.ELECTION_NOT_NEEDED, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)
    results = [PartitionResult(number, int(code), "why") for number, code in enumerate(codes)]
    elected = ElectLeadersResponse(
        replica_election_results=[ReplicaElectionResult(topic="t", partition_result=results)]
    )
    world.handlers[ApiKey.ELECT_LEADERS] = lambda _: elected
    assert world.run("leader_election", "--election-type preferred --all-topic-partitions") == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "Successfully completed leader election (PREFERRED) for partitions t-0",
        "Valid replica already elected for partitions t-1",
        "Error completing leader election (PREFERRED) for partition: t-2: "
        "org.apache.kafka.common.errors.PreferredLeaderNotAvailableException: why",
    ]
    assert told.err == "1 replica(s) could not be elected\n"


def test_versions_of_apis(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.run("broker_api_versions", "") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"127.0.0.1:{world.broker.port} (id: 0 rack: null) -> ("
    assert "\tListOffsets(2): 0 to 9 [usable: 9]," in lines
    assert "\tProduce(0): UNSUPPORTED," in lines
    assert "\tDescribeQuorum(55): UNSUPPORTED," in lines


LIGHT = "acls broker_api_versions configs consumer_groups delete_records dump_log get_offsets leader_election"
LIGHT += " log_dirs reassign_partitions transactions producer_perf_test consumer_perf_test"


def test_tools_load_nothing_before_it_is_needed() -> None:
    """One process for all of them: what any had loaded would be there."""
    program = (
        "import importlib, sys\n"
        f"for tool in {LIGHT.split()}:\n"
        "    importlib.import_module(f'commitlog.cli.{tool}').main(['--version'])\n"
        "heavy = {'asyncio', 'kazoo', 'ssl', 'commitlog.wire.codec', 'commitlog.controller'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("tool", "line", "status"),
    [
        ("consumer_groups", "--list --timeout 300", 0),
        ("configs", "--describe --entity-type topics --command-config {}", 1),
        ("get_offsets", "--command-config {}", 1),
        ("log_dirs", "--describe --command-config {}", 1),
        ("reassign_partitions", "--list --command-config {}", 1),
    ],
)
def test_nobody_answers(
    tool: str, line: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = tmp_path / "quick.properties"
    quick.write_text("default.api.timeout.ms=300\n")
    main = importlib.import_module(f"commitlog.cli.{tool}").main
    assert main(["--bootstrap-server", f"127.0.0.1:{free_port()}", *line.format(quick).split()]) == status
    told = capsys.readouterr()
    assert "Timed out waiting for a node assignment. Call: metadata" in told.out + told.err
    assert "Traceback" not in told.out + told.err
