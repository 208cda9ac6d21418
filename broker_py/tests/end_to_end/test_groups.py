# SPDX-License-Identifier: Apache-2.0
"""Consumer groups of real clients while their coordinator dies, returns and hands over."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import confluent_kafka
import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.end_to_end.cluster import DEADLINE_S, BrokerProcess, Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess

PARTITIONS = 4
_numbers = itertools.count()


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("groups"), zookeeper, 2) as running:
        yield running


class Group:
    """A topic that is written and a group that reads it."""

    def __init__(self, cluster: Cluster) -> None:
        self.name = f"group{next(_numbers)}"
        self.admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        self.cluster = cluster
        self.written = 0
        topic = NewTopic(self.name, num_partitions=PARTITIONS, replication_factor=2)
        self.admin.create_topics([topic])[self.name].result(DEADLINE_S)

    def write(self, count: int) -> None:
        producer = Producer({"bootstrap.servers": self.cluster.bootstrap, "linger.ms": 0})
        for _ in range(count):
            producer.produce(self.name, str(self.written).encode(), partition=self.written % PARTITIONS)
            self.written += 1
        assert producer.flush(DEADLINE_S) == 0

    def member(self, **settings: str | int) -> Consumer:
        consumer = Consumer(
            {
                "bootstrap.servers": self.cluster.bootstrap,
                "group.id": self.name,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": "false",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 500,
                **settings,
            }
        )
        consumer.subscribe([self.name])
        return consumer

    def coordinator(self) -> BrokerProcess:
        described = self.admin.describe_consumer_groups([self.name])[self.name].result(DEADLINE_S)
        broker: BrokerProcess = self.cluster.brokers[described.coordinator.id]
        return broker

    def state(self) -> str:
        described = self.admin.describe_consumer_groups([self.name])[self.name].result(DEADLINE_S)
        return str(described.state.name)

    def committed(self) -> int:
        """The sum of the group's offsets."""
        asked = ConsumerGroupTopicPartitions(
            self.name, [TopicPartition(self.name, index) for index in range(PARTITIONS)]
        )
        found = self.admin.list_consumer_group_offsets([asked])[self.name].result(DEADLINE_S)
        return sum(max(0, partition.offset) for partition in found.topic_partitions)


def read(members: list[Consumer], values: set[int], count: int) -> None:
    """Poll all members in turn until so many values have been seen."""

    def enough() -> bool:
        for member in members:
            message = member.poll(0.05)
            if message is not None and message.error() is None:
                values.add(int(message.value() or b""))
        return len(values) >= count

    wait_until(enough, f"{count} values, {len(values)} were there at first")


def commit(members: list[Consumer]) -> None:
    for member in members:
        positions = [each for each in member.position(member.assignment()) if each.offset >= 0]
        if positions:
            member.commit(offsets=positions, asynchronous=False)


def test_group_goes_on_when_its_coordinator_is_killed(cluster: Cluster) -> None:
    group = Group(cluster)
    members = [group.member(), group.member()]
    try:
        wait_until(
            lambda: all(member.assignment() for member in members) or read_one(members), "both to share"
        )
        group.write(40)
        values: set[int] = set()
        read(members, values, 40)
        wait_until(lambda: committed_all(group, members, 40), "the offsets to be committed")
        coordinator = group.coordinator()
        coordinator.kill()
        group.write(40)
        read(members, values, 80)
        assert values == set(range(80))
        wait_until(lambda: committed_all(group, members, 80), "the commit at the new coordinator")
        assert group.coordinator() is not coordinator
        coordinator.start()
        group.write(20)
        read(members, values, 100)
    finally:
        for member in members:
            member.close()
    wait_until(lambda: group.state() == "EMPTY", "the group to be empty")
    assert group.committed() == 80


def read_one(members: list[Consumer]) -> bool:
    """A rebalance needs to be polled for; nothing is expected."""
    for member in members:
        member.poll(0.05)
    return False


def committed_all(group: Group, members: list[Consumer], count: int) -> bool:
    """Commits may meet a coordinator that is just being replaced; the client is told so."""
    try:
        commit(members)
    except confluent_kafka.KafkaException:
        read_one(members)
    return group.committed() == count


def static(instance: str) -> dict[str, str | int]:
    return {"group.instance.id": instance, "session.timeout.ms": 30_000}


def test_static_member_comes_back_to_its_partitions_without_a_rebalance(cluster: Cluster) -> None:
    group = Group(cluster)
    group.write(4)
    members = {name: group.member(**static(name)) for name in "ab"}
    everybody = list(members.values())
    wait_until(lambda: all(each.assignment() for each in everybody) or read_one(everybody), "both to share")
    before = {name: sorted(each.partition for each in members[name].assignment()) for name in "ab"}
    members["b"].close()  # a static member does not leave
    members["b"] = group.member(**static("b"))
    everybody = list(members.values())
    wait_until(lambda: bool(members["b"].assignment()) or read_one(everybody), "b to be back")
    after = {name: sorted(each.partition for each in members[name].assignment()) for name in "ab"}
    assert after == before
    for each in everybody:
        each.close()


def test_offsets_survive_a_restart_of_everything(cluster: Cluster) -> None:
    group = Group(cluster)
    group.write(8)
    member = group.member()
    values: set[int] = set()
    read([member], values, 8)
    commit([member])
    member.close()
    for broker in cluster.brokers:
        broker.kill()
    for broker in cluster.brokers:
        broker.launch()
    for broker in cluster.brokers:
        broker.wait_started()
    group.write(4)
    again = group.member()
    read([again], values, 12)
    assert values == set(range(12))
    again.close()
