# SPDX-License-Identifier: Apache-2.0
"""kafka-topics.sh --bootstrap-server against brokers that answer as told; the printed lines are Kafka
3.9.1's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from commitlog.cli.cluster import ClientSettings, Cluster, parse_bootstrap_servers
from commitlog.cli.topics_bootstrap import run_with_brokers
from commitlog.cli.topics_errors import ToolError
from commitlog.coordination.documents import uuid_from_text
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.create_partitions_response import (
    CreatePartitionsResponse,
    CreatePartitionsTopicResult,
)
from commitlog.wire.messages.create_topics_response import CreatableTopicResult, CreateTopicsResponse
from commitlog.wire.messages.delete_topics_response import DeletableTopicResult, DeleteTopicsResponse
from commitlog.wire.messages.describe_configs_response import (
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
)
from commitlog.wire.messages.list_partition_reassignments_response import (
    ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)
from commitlog.wire.messages.metadata_response import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from tests.cli.command_lines import topic_command
from tests.cli.fake_broker import FakeBroker
from tests.real_zookeeper import free_port

TOPIC_ID = "YyGroaTEQj-FhfZ_nmmyuQ"


def partition(number: int, leader: int, replicas: list[int], isr: list[int]) -> MetadataResponsePartition:
    return MetadataResponsePartition(
        partition_index=number, leader_id=leader, replica_nodes=replicas, isr_nodes=isr
    )


class World:
    """A cluster of fakes: broker 0 is the controller unless told otherwise; every API answers success."""

    def __init__(self) -> None:
        self.topics = [
            MetadataResponseTopic(
                name="test",
                topic_id=uuid_from_text(TOPIC_ID),
                partitions=[partition(1, -1, [1, 0], [1]), partition(0, 0, [0, 1], [0, 1])],
            ),
            MetadataResponseTopic(name="alone", partitions=[partition(0, 0, [0], [0])]),
            MetadataResponseTopic(
                name="__consumer_offsets", is_internal=True, partitions=[partition(0, 0, [0], [0])]
            ),
        ]
        self.configs: dict[str, list[DescribeConfigsResourceResult]] = {}
        self.controller = 0
        self.result: tuple[int, str | None] = (0, None)
        self.moves: list[OngoingTopicReassignment] = []
        self.brokers: list[FakeBroker] = []

    def broker(self) -> FakeBroker:
        made = FakeBroker(
            {
                ApiKey.METADATA: self.metadata,
                ApiKey.CREATE_TOPICS: lambda request: CreateTopicsResponse(
                    topics=[
                        CreatableTopicResult(
                            name=request.topics[0].name,
                            error_code=self.result[0],
                            error_message=self.result[1],
                        )
                    ]
                ),
                ApiKey.DELETE_TOPICS: lambda request: DeleteTopicsResponse(
                    responses=[DeletableTopicResult(name=one.name) for one in request.topics]
                ),
                ApiKey.CREATE_PARTITIONS: lambda request: CreatePartitionsResponse(
                    results=[
                        CreatePartitionsTopicResult(
                            name=one.name, error_code=self.result[0], error_message=self.result[1]
                        )
                        for one in request.topics
                    ]
                ),
                ApiKey.DESCRIBE_CONFIGS: self.describe_configs,
                ApiKey.LIST_PARTITION_REASSIGNMENTS: lambda _: ListPartitionReassignmentsResponse(
                    topics=self.moves
                ),
            }
        )
        self.brokers.append(made)
        return made

    def metadata(self, _: Any) -> MetadataResponse:
        return MetadataResponse(
            brokers=[
                MetadataResponseBroker(node_id=number, host="127.0.0.1", port=broker.port)
                for number, broker in enumerate(self.brokers)
            ],
            controller_id=self.controller,
            topics=self.topics,
        )

    def describe_configs(self, request: Any) -> DescribeConfigsResponse:
        default = DescribeConfigsResourceResult(name="min.insync.replicas", value="1", config_source=5)
        return DescribeConfigsResponse(
            results=[
                DescribeConfigsResult(
                    resource_type=2,
                    resource_name=one.resource_name,
                    configs=[default, *self.configs.get(one.resource_name, ())],
                )
                for one in request.resources
            ]
        )

    def type(self, *lines: str) -> None:
        """Start two brokers and run the command lines against the second."""

        async def typed() -> None:
            self.broker()
            last = self.broker()
            for broker in self.brokers:
                await broker.start()
            for line in lines:
                await run_with_brokers(
                    topic_command(f"--bootstrap-server 127.0.0.1:{last.port} {line}".split())
                )
            for broker in self.brokers:
                await broker.stop()

        asyncio.run(typed())

    def asked(self, api_key: int) -> list[Any]:
        return [request for broker in self.brokers for request in broker.asked(api_key)]


@pytest.fixture
def world() -> World:
    return World()


def test_create(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.type("--create --topic new --partitions 2 --replication-factor 1 --config retention.ms=5")
    assert capsys.readouterr().out == "Created topic new.\n"
    (request,) = world.asked(ApiKey.CREATE_TOPICS)
    assert world.brokers[0].asked(ApiKey.CREATE_TOPICS) == [
        request
    ]  # the controller, not the bootstrap server
    (topic,) = request.topics
    assert (topic.name, topic.num_partitions, topic.replication_factor) == ("new", 2, 1)
    assert [(one.name, one.value) for one in topic.configs] == [("retention.ms", "5")]


def test_create_leaves_numbers_to_the_cluster_or_takes_an_assignment(world: World) -> None:
    world.type("--create --topic a", "--create --topic b --replica-assignment 0:1,1:0")
    plain, manual = (request.topics[0] for request in world.asked(ApiKey.CREATE_TOPICS))
    assert (plain.num_partitions, plain.replication_factor) == (-1, -1)
    assert (manual.num_partitions, manual.replication_factor) == (-1, -1)
    assert [(one.partition_index, one.broker_ids) for one in manual.assignments] == [(0, [0, 1]), (1, [1, 0])]


def test_create_what_exists(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.result = (ErrorCode.TOPIC_ALREADY_EXISTS, "Topic 'test' already exists.")
    world.type("--create --topic test --if-not-exists")
    assert capsys.readouterr().out == ""
    again = World()
    again.result = world.result
    with pytest.raises(KafkaError, match="Topic 'test' already exists"):
        again.type("--create --topic test")


def test_list(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.type("--list", "--list --exclude-internal", "--list --topic al.*")
    assert capsys.readouterr().out == "__consumer_offsets\nalone\ntest\nalone\ntest\nalone\n"


def test_describe(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.configs["test"] = [
        DescribeConfigsResourceResult(name="cleanup.policy", value="compact,delete", config_source=1),
        DescribeConfigsResourceResult(name="segment.bytes", value="100", config_source=4),
        DescribeConfigsResourceResult(name="retention.ms", value="604800000", config_source=5),
    ]
    world.type("--describe --topic test,alone")
    assert capsys.readouterr().out == (
        "Topic: alone\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: \n"
        "\tTopic: alone\tPartition: 0\tLeader: 0\tReplicas: 0\tIsr: 0\tElr: N/A\tLastKnownElr: N/A\n"
        f"Topic: test\tTopicId: {TOPIC_ID}\tPartitionCount: 2\tReplicationFactor: 2\t"
        "Configs: cleanup.policy=compact,delete,segment.bytes=100\n"
        "\tTopic: test\tPartition: 0\tLeader: 0\tReplicas: 0,1\tIsr: 0,1\tElr: N/A\tLastKnownElr: N/A\n"
        "\tTopic: test\tPartition: 1\tLeader: none\tReplicas: 1,0\tIsr: 1\tElr: N/A\tLastKnownElr: N/A\n"
    )


PARTITION_1 = (
    "\tTopic: test\tPartition: 1\tLeader: none\tReplicas: 1,0\tIsr: 1\tElr: N/A\tLastKnownElr: N/A\n"
)
ALONE = "\tTopic: alone\tPartition: 0\tLeader: 0\tReplicas: 0\tIsr: 0\tElr: N/A\tLastKnownElr: N/A\n"


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("--describe --under-replicated-partitions", PARTITION_1),
        ("--describe --unavailable-partitions", PARTITION_1),
        ("--describe --at-min-isr-partitions --exclude-internal", ALONE + PARTITION_1),
        ("--describe --under-min-isr-partitions", ""),
        ("--describe --topics-with-overrides", ""),
        (f"--describe --topic-id {TOPIC_ID} --under-replicated-partitions", PARTITION_1),
    ],
)
def test_describe_only_some(
    world: World, capsys: pytest.CaptureFixture[str], line: str, printed: str
) -> None:
    world.type(line)
    assert capsys.readouterr().out == printed


def test_a_reassignment_shows_and_does_not_count_as_missing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.topics = [MetadataResponseTopic(name="t", partitions=[partition(0, 0, [2, 0, 1], [0, 1])])]
    world.moves = [
        OngoingTopicReassignment(
            name="t",
            partitions=[
                OngoingPartitionReassignment(partition_index=0, adding_replicas=[2], removing_replicas=[1])
            ],
        )
    ]
    world.type("--describe", "--describe --under-replicated-partitions")
    assert capsys.readouterr().out == (
        "Topic: t\tPartitionCount: 1\tReplicationFactor: 2\tConfigs: \n"
        "\tTopic: t\tPartition: 0\tLeader: 0\tReplicas: 2,0,1\tIsr: 0,1\tAdding Replicas: 2\tRemoving "
        "Replicas: 1\tElr: N/A\tLastKnownElr: N/A\n"
    )


def test_describe_works_where_reassignments_cannot_be_asked_for(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = world.broker

    def lesser() -> FakeBroker:
        made = broker()
        del made.handlers[ApiKey.LIST_PARTITION_REASSIGNMENTS]
        return made

    world.broker = lesser  # type: ignore[method-assign]
    world.type("--describe --topic alone")
    assert capsys.readouterr().out.startswith("Topic: alone\t")


def test_alter_and_delete(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.type(
        "--alter --topic test --partitions 3 --replica-assignment 0:1,0:1,1:0", "--delete --topic te.*"
    )
    assert capsys.readouterr().out == ""
    (grown,) = world.asked(ApiKey.CREATE_PARTITIONS)[0].topics
    assert (grown.name, grown.count) == ("test", 3)
    assert [one.broker_ids for one in grown.assignments] == [[1, 0]]  # of the new partition only
    assert [one.name for one in world.asked(ApiKey.DELETE_TOPICS)[0].topics] == ["test"]


@pytest.mark.parametrize("action", ["--alter --partitions 3", "--delete", "--describe"])
def test_a_topic_that_does_not_exist(world: World, action: str) -> None:
    world.type(f"{action} --topic nope --if-exists")
    with pytest.raises(ToolError, match="Topic 'nope' does not exist as expected"):
        World().type(f"{action} --topic nope")


def test_a_refused_request_is_told_in_the_broker_s_words(world: World) -> None:
    world.result = (ErrorCode.INVALID_PARTITIONS, "Topic already has 3 partitions.")
    with pytest.raises(KafkaError, match="Topic already has 3 partitions"):
        world.type("--alter --topic test --partitions 3")


async def _with_cluster(
    servers: list[tuple[str, int]], settings: ClientSettings, use: Callable[[Cluster], Awaitable[Any]]
) -> Any:
    cluster = Cluster(servers, settings)
    try:
        return await use(cluster)
    finally:
        cluster.close()


def test_a_request_follows_the_controller(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Metadata was stale: the broker that it named is not the controller any more."""
    answers = iter([ErrorCode.NOT_CONTROLLER, ErrorCode.NONE])

    def create(request: Any) -> CreateTopicsResponse:
        code = next(answers)
        world.controller = 1
        return CreateTopicsResponse(
            topics=[CreatableTopicResult(name=request.topics[0].name, error_code=code)]
        )

    broker = world.broker

    def busy() -> FakeBroker:
        made = broker()
        made.handlers[ApiKey.CREATE_TOPICS] = create
        return made

    world.broker = busy  # type: ignore[method-assign]
    world.type("--create --topic new")
    assert [len(broker.asked(ApiKey.CREATE_TOPICS)) for broker in world.brokers] == [1, 1]
    assert capsys.readouterr().out == "Created topic new.\n"


def test_a_broker_that_comes_up_late_is_waited_for(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        late = world.broker()
        port = free_port()
        command = topic_command(f"--bootstrap-server 127.0.0.1:{port} --list --exclude-internal".split())
        listing = asyncio.create_task(run_with_brokers(command))
        while not (warned := capsys.readouterr().err):  # noqa: ASYNC110 - standard error tells nobody
            await asyncio.sleep(0.01)
        assert (
            warned
            == f"WARN Connection to 127.0.0.1:{port} could not be established. Node may not be available.\n"
        )
        await late.start(port)
        await listing
        await late.stop()

    asyncio.run(scenario())
    assert capsys.readouterr().out == "alone\ntest\n"


def test_a_cluster_that_does_not_come_up_is_given_up() -> None:
    settings = ClientSettings(default_api_timeout_ms=50, retry_backoff_ms=10)
    servers = [("127.0.0.1", free_port())]
    with pytest.raises(ToolError, match=r"Timed out waiting for a node assignment\. Call: metadata"):
        asyncio.run(_with_cluster(servers, settings, lambda cluster: cluster.metadata(None)))


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        ("cafka1.invalid:9092", "Couldn't resolve server cafka1.invalid:9092 from bootstrap.servers as DNS"),
        ("kafka1", "Invalid url in bootstrap.servers: kafka1"),
        ("kafka1:x", "Invalid url in bootstrap.servers: kafka1:x"),
        (",", "No resolvable bootstrap urls given in bootstrap.servers"),
    ],
)
def test_bad_bootstrap_servers(servers: str, message: str) -> None:
    with pytest.raises(ToolError) as caught:
        parse_bootstrap_servers(servers)
    assert str(caught.value).startswith(message)


def test_good_bootstrap_servers() -> None:
    assert parse_bootstrap_servers("127.0.0.1:1, PLAINTEXT://[::1]:2,cafka1.invalid:3") == [
        ("127.0.0.1", 1),
        ("::1", 2),
    ]


def test_command_config(tmp_path: Path) -> None:
    path = tmp_path / "admin.properties"
    path.write_text("client.id=me\nrequest.timeout.ms=5\n")
    settings = ClientSettings.load(str(path))
    assert (settings.client_id, settings.request_timeout_ms) == ("me", 5)
    assert settings.default_api_timeout_ms == 60_000
    path.write_text("security.protocol=TLS")
    with pytest.raises(ToolError, match=r"Invalid value TLS for configuration security\.protocol"):
        ClientSettings.load(str(path))
    path.write_text("request.timeout.ms=x")
    with pytest.raises(ToolError, match=r"Invalid value x for configuration request\.timeout\.ms"):
        ClientSettings.load(str(path))
