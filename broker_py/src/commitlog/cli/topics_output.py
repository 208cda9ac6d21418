# SPDX-License-Identifier: Apache-2.0
"""Lines of kafka-topics.sh --describe: those of Kafka 3.9 with --bootstrap-server, those of 0.8 with
--zookeeper."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from commitlog.cli.topics_options import TopicCommand

COLLISION_WARNING = (
    "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could "
    "collide. To avoid issues it is best to use either, but not both."
)


@dataclass(frozen=True, slots=True)
class Partition:
    """What is known of a partition; leader None when it has none."""

    topic: str
    number: int
    leader: int | None
    replicas: Sequence[int]
    isr: Sequence[int]
    adding: Sequence[int] = ()
    removing: Sequence[int] = ()

    @property
    def replication_factor(self) -> int:
        """Without what a reassignment adds (TopicCommand.getReplicationFactor)."""
        return len(self.replicas) - len(self.adding)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic to print; `configs` are the settings that are not defaults."""

    name: str
    partitions: Sequence[Partition]
    configs: Mapping[str, str] = field(default_factory=dict)
    topic_id: str | None = None
    min_insync_replicas: int = 1
    marked_for_deletion: bool = False


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def is_shown(
    command: TopicCommand, partition: Partition, live_brokers: Collection[int], min_isr: int
) -> bool:
    """DescribeOptions.maybePrintPartitionDescription."""
    if command.describes_topics:
        return True
    in_sync = len(partition.isr)
    fits = {
        "under-replicated-partitions": in_sync < partition.replication_factor,
        "unavailable-partitions": partition.leader is None or partition.leader not in live_brokers,
        "under-min-isr-partitions": in_sync < min_isr,
        "at-min-isr-partitions": in_sync == min_isr,
    }
    return any(command.reports(what) and fit for what, fit in fits.items())


def describe(
    command: TopicCommand, topic: Topic, live_brokers: Collection[int], *, with_zookeeper: bool
) -> list[str]:
    """The lines for one topic."""
    lines: list[str] = []
    if command.describes_topics and (topic.configs or not command.reports("topics-with-overrides")):
        lines.append(_topic_line_0_8(topic) if with_zookeeper else _topic_line(topic))
    if command.describes_partitions:
        for partition in topic.partitions:
            if is_shown(command, partition, live_brokers, topic.min_insync_replicas):
                lines.append(_partition_line(topic, partition, with_elr=not with_zookeeper))
    return lines


def _configs(topic: Topic) -> str:
    return ",".join(f"{name}={value}" for name, value in topic.configs.items())


def _topic_line(topic: Topic) -> str:
    identity = f"\tTopicId: {topic.topic_id}" if topic.topic_id is not None else ""
    return (
        f"Topic: {topic.name}{identity}\tPartitionCount: {len(topic.partitions)}"
        f"\tReplicationFactor: {topic.partitions[0].replication_factor if topic.partitions else 0}"
        f"\tConfigs: {_configs(topic)}"
    )


def _topic_line_0_8(topic: Topic) -> str:
    marked = "\tMarkedForDeletion:true" if topic.marked_for_deletion else ""
    factor = topic.partitions[0].replication_factor if topic.partitions else 0
    return (
        f"Topic:{topic.name}\tPartitionCount:{len(topic.partitions)}\tReplicationFactor:{factor}"
        f"\tConfigs:{_configs(topic)}{marked}"
    )


def _partition_line(topic: Topic, partition: Partition, *, with_elr: bool) -> str:
    leader = "none" if partition.leader is None else str(partition.leader)
    line = (
        f"\tTopic: {topic.name}\tPartition: {partition.number}\tLeader: {leader}"
        f"\tReplicas: {_joined(partition.replicas)}\tIsr: {_joined(partition.isr)}"
    )
    if partition.adding or partition.removing:
        line += f"\tAdding Replicas: {_joined(partition.adding)}"
        line += f"\tRemoving Replicas: {_joined(partition.removing)}"
    if with_elr:
        # Eligible leader replicas (KIP-966) exist under KRaft only.
        return line + "\tElr: N/A\tLastKnownElr: N/A"
    return line + ("\tMarkedForDeletion: true" if topic.marked_for_deletion else "")
