# SPDX-License-Identifier: Apache-2.0
"""kafka-topics.sh --bootstrap-server: what TopicCommand.TopicService of Kafka 3.9 asks of the brokers."""

from __future__ import annotations

from collections.abc import Sequence

from commitlog.cli.cluster import ClientSettings, Cluster, parse_bootstrap_servers
from commitlog.cli.topics_errors import ToolError, no_such_topic
from commitlog.cli.topics_options import TopicCommand
from commitlog.cli.topics_output import COLLISION_WARNING, Partition, Topic, describe
from commitlog.coordination.documents import DocumentError, uuid_from_text, uuid_to_text
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.message import ZERO_UUID
from commitlog.wire.messages.create_partitions_request import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from commitlog.wire.messages.create_topics_request import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from commitlog.wire.messages.delete_topics_request import DeleteTopicsRequest, DeleteTopicState
from commitlog.wire.messages.describe_configs_request import DescribeConfigsRequest, DescribeConfigsResource
from commitlog.wire.messages.list_partition_reassignments_request import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from commitlog.wire.messages.metadata_response import MetadataResponse, MetadataResponseTopic

REQUEST_TIMEOUT_MS = 30_000
TOPIC_RESOURCE = 2
DEFAULT_CONFIG_SOURCE = 5
NOT_SET = -1

Moves = dict[tuple[str, int], tuple[Sequence[int], Sequence[int]]]


async def run_with_brokers(command: TopicCommand) -> None:
    """Do the command and print what Kafka prints."""
    settings = ClientSettings.load(command.options.value("command-config"))
    cluster = Cluster(parse_bootstrap_servers(command.bootstrap_server), settings)
    actions = {
        "create": create_topic,
        "list": list_topics,
        "describe": describe_topics,
        "alter": alter_topics,
        "delete": delete_topics,
    }
    try:
        await actions[command.action](cluster, command)
    finally:
        cluster.close()


def _check(code: int, message: str | None = None) -> None:
    if code != ErrorCode.NONE:
        raise KafkaError(ErrorCode.of(code), message)


async def create_topic(cluster: Cluster, command: TopicCommand) -> None:
    if "." in command.name or "_" in command.name:
        print(COLLISION_WARNING)
    assignment = command.replica_assignment()
    topic = CreatableTopic(
        name=command.name,
        num_partitions=command.partitions or NOT_SET,
        replication_factor=command.replication_factor or NOT_SET,
        configs=[CreatableTopicConfig(name=name, value=value) for name, value in command.configs().items()],
        assignments=[
            CreatableReplicaAssignment(partition_index=partition, broker_ids=replicas)
            for partition, replicas in enumerate(assignment or ())
        ],
    )
    request = CreateTopicsRequest(topics=[topic], timeout_ms=REQUEST_TIMEOUT_MS)
    response = await cluster.ask_controller(request, lambda answer: [one.error_code for one in answer.topics])
    result = response.topics[0]
    if result.error_code == ErrorCode.TOPIC_ALREADY_EXISTS and command.if_not_exists:
        return
    _check(result.error_code, result.error_message)
    print(f"Created topic {command.name}.")


async def _selected(cluster: Cluster, command: TopicCommand) -> tuple[MetadataResponse, list[str]]:
    """Metadata of all topics, and the names that the command is about, sorted."""
    metadata = await cluster.metadata(None)
    names = [
        topic.name
        for topic in metadata.topics
        if topic.name is not None and command.selects(topic.name, internal=topic.is_internal)
    ]
    return metadata, sorted(names)


async def _existing(cluster: Cluster, command: TopicCommand) -> tuple[MetadataResponse, list[str]]:
    metadata, names = await _selected(cluster, command)
    if not names and command.topic is not None and not command.if_exists:
        raise no_such_topic(command.topic)
    return metadata, names


async def list_topics(cluster: Cluster, command: TopicCommand) -> None:
    _, names = await _selected(cluster, command)
    print("\n".join(names))


async def alter_topics(cluster: Cluster, command: TopicCommand) -> None:
    metadata, names = await _existing(cluster, command)
    if not names:
        return
    existing = {topic.name: len(topic.partitions) for topic in metadata.topics}
    assignment = command.replica_assignment()
    topics = [
        CreatePartitionsTopic(
            name=name,
            count=command.partitions or NOT_SET,
            assignments=None
            if assignment is None
            else [
                CreatePartitionsAssignment(broker_ids=replicas) for replicas in assignment[existing[name] :]
            ],
        )
        for name in names
    ]
    request = CreatePartitionsRequest(topics=topics, timeout_ms=REQUEST_TIMEOUT_MS)
    response = await cluster.ask_controller(
        request, lambda answer: [one.error_code for one in answer.results]
    )
    for result in response.results:
        _check(result.error_code, result.error_message)


async def delete_topics(cluster: Cluster, command: TopicCommand) -> None:
    _, names = await _existing(cluster, command)
    if not names:
        return
    request = DeleteTopicsRequest(
        topic_names=names,
        topics=[DeleteTopicState(name=name) for name in names],
        timeout_ms=REQUEST_TIMEOUT_MS,
    )
    response = await cluster.ask_controller(
        request, lambda answer: [one.error_code for one in answer.responses]
    )
    for result in response.responses:
        _check(result.error_code, result.error_message)


async def describe_topics(cluster: Cluster, command: TopicCommand) -> None:
    metadata, topics = await _described(cluster, command)
    configs = await _configs(cluster, [topic.name or "" for topic in topics])
    moves = await _reassignments(cluster, topics)
    live = {broker.node_id for broker in metadata.brokers}
    for topic in topics:
        _check(topic.error_code)
        shown = _topic(topic, configs[topic.name or ""], moves)
        for line in describe(command, shown, live, with_zookeeper=False):
            print(line)


async def _described(
    cluster: Cluster, command: TopicCommand
) -> tuple[MetadataResponse, list[MetadataResponseTopic]]:
    text = command.options.value("topic-id")
    if text is None:
        metadata, names = await _existing(cluster, command)
        by_name = {topic.name: topic for topic in metadata.topics}
        return metadata, [by_name[name] for name in names]
    try:
        topic_id = uuid_from_text(text)
    except DocumentError as error:
        raise ToolError(f"TopicId '{text}' is no topic id: {error}") from None
    metadata = await cluster.metadata(None)
    found = [topic for topic in metadata.topics if topic.topic_id == topic_id]
    if not found and not command.if_exists:
        raise ToolError(f"TopicId '{text}' does not exist as expected")
    return metadata, found


async def _configs(cluster: Cluster, names: Sequence[str]) -> dict[str, tuple[dict[str, str], int]]:
    """Settings that are not defaults, and min.insync.replicas, by topic."""
    if not names:
        return {}
    resources = [
        DescribeConfigsResource(resource_type=TOPIC_RESOURCE, resource_name=name, configuration_keys=None)
        for name in names
    ]
    response = await cluster.ask(DescribeConfigsRequest(resources=resources))
    found: dict[str, tuple[dict[str, str], int]] = {}
    for result in response.results:
        _check(result.error_code, result.error_message)
        changed = {
            entry.name: entry.value or ""
            for entry in result.configs
            if not entry.is_default and entry.config_source != DEFAULT_CONFIG_SOURCE
        }
        values = {entry.name: entry.value for entry in result.configs}
        found[result.resource_name] = changed, int(values.get("min.insync.replicas") or 1)
    return found


async def _reassignments(cluster: Cluster, topics: Sequence[MetadataResponseTopic]) -> Moves:
    """Ongoing reassignments; none where the cluster cannot tell (TopicCommand.listAllReassignments)."""
    if not topics:
        return {}
    wanted = [
        ListPartitionReassignmentsTopics(
            name=topic.name or "",
            partition_indexes=[partition.partition_index for partition in topic.partitions],
        )
        for topic in topics
    ]
    request = ListPartitionReassignmentsRequest(topics=wanted, timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        response = await cluster.ask_controller(request, lambda answer: [answer.error_code])
        _check(response.error_code, response.error_message)
    except KafkaError as error:
        if error.code in (ErrorCode.UNSUPPORTED_VERSION, ErrorCode.CLUSTER_AUTHORIZATION_FAILED):
            return {}
        raise
    return {
        (topic.name, partition.partition_index): (partition.adding_replicas, partition.removing_replicas)
        for topic in response.topics
        for partition in topic.partitions
    }


def _topic(topic: MetadataResponseTopic, config: tuple[dict[str, str], int], moves: Moves) -> Topic:
    name = topic.name or ""
    partitions: list[Partition] = []
    for found in sorted(topic.partitions, key=lambda partition: partition.partition_index):
        adding, removing = moves.get((name, found.partition_index), ((), ()))
        leader = found.leader_id if found.leader_id >= 0 else None
        partitions.append(
            Partition(
                name, found.partition_index, leader, found.replica_nodes, found.isr_nodes, adding, removing
            )
        )
    topic_id = None if topic.topic_id == ZERO_UUID else uuid_to_text(topic.topic_id)
    return Topic(name, partitions, config[0], topic_id, config[1])
