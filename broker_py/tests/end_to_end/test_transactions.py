# SPDX-License-Identifier: Apache-2.0
"""Exactly-once with real clients on real processes: commits, aborts, fencing, and coordinators that die."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import kafka
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from commitlog.groups.partitioning import partition_for
from tests.end_to_end.cluster import DEADLINE_S, BrokerProcess, Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess

STATE_PARTITIONS = 4
_numbers = itertools.count()


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {
        "transaction.state.log.num.partitions": str(STATE_PARTITIONS),
        "transaction.state.log.replication.factor": "2",
        "transaction.state.log.min.isr": "1",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
    }
    with running_cluster(tmp_path_factory.mktemp("transactions"), zookeeper, 2, settings) as running:
        yield running


class Scene:
    """A topic, and transactional ids of its own."""

    def __init__(self, cluster: Cluster, partitions: int = 2) -> None:
        self.cluster = cluster
        self.name = f"txn{next(_numbers)}"
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        topic = NewTopic(self.name, num_partitions=partitions, replication_factor=2)
        admin.create_topics([topic])[self.name].result(DEADLINE_S)

    def producer(self, **settings: object) -> Producer:
        config: dict[str, object] = {
            "bootstrap.servers": self.cluster.bootstrap,
            "transactional.id": self.name,
            "linger.ms": 0,
            "log_level": 0,
            **settings,
        }
        made = Producer(config)
        made.init_transactions(DEADLINE_S)
        return made

    def values(self, isolation: str = "read_committed") -> set[str]:
        """Everything in the topic up to where a consumer of that isolation may read."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.cluster.bootstrap,
                "group.id": "reader",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        found: set[str] = set()
        try:
            for index in range(2):
                partition = TopicPartition(self.name, index, 0)
                with contextlib.suppress(KafkaException):
                    _, high = consumer.get_watermark_offsets(partition, timeout=10)
                    found |= self._read(consumer, partition, high)
        finally:
            consumer.close()
        return found

    def _read(self, consumer: Consumer, partition: TopicPartition, high: int) -> set[str]:
        consumer.assign([partition])
        found: set[str] = set()
        quiet = 0
        while quiet < 5:
            message = consumer.poll(0.2)
            if message is None:
                quiet += 1
                where = consumer.position([partition])[0].offset
                if where >= high:
                    break
            elif message.error() is None:
                found.add(message.value().decode())
        return found

    def coordinator(self) -> BrokerProcess:
        partition = partition_for(self.name, STATE_PARTITIONS)
        return self.cluster.leader("__transaction_state", partition)


def send(producer: Producer, scene: Scene, *values: str) -> None:
    for number, value in enumerate(values):
        producer.produce(scene.name, value.encode(), partition=number % 2)
    producer.flush(DEADLINE_S)


def test_what_is_committed_is_seen_and_what_is_aborted_is_not(cluster: Cluster) -> None:
    scene = Scene(cluster)
    producer = scene.producer()
    producer.begin_transaction()
    send(producer, scene, "a", "b")
    producer.commit_transaction(DEADLINE_S)
    producer.begin_transaction()
    send(producer, scene, "lost", "lost too")
    producer.abort_transaction(DEADLINE_S)
    producer.begin_transaction()
    send(producer, scene, "c", "d")
    producer.commit_transaction(DEADLINE_S)
    wait_until(lambda: scene.values() == {"a", "b", "c", "d"}, "the committed values")
    assert scene.values("read_uncommitted") == {"a", "b", "c", "d", "lost", "lost too"}


def test_a_second_producer_fences_the_first(cluster: Cluster) -> None:
    scene = Scene(cluster)
    zombie = scene.producer()
    zombie.begin_transaction()
    send(zombie, scene, "zombie")
    successor = scene.producer()  # aborts what the zombie has begun
    with pytest.raises(KafkaException) as refused:
        zombie.commit_transaction(DEADLINE_S)
    error = refused.value.args[0]
    assert error.fatal()
    assert error.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    successor.begin_transaction()
    send(successor, scene, "successor")
    successor.commit_transaction(DEADLINE_S)
    wait_until(lambda: scene.values() == {"successor"}, "only the successor's value")


def test_kafka_python_commits_and_aborts(cluster: Cluster) -> None:
    scene = Scene(cluster)
    bootstrap = cluster.bootstrap.split(",")
    producer = kafka.KafkaProducer(bootstrap_servers=bootstrap, transactional_id=scene.name, acks="all")
    producer.init_transactions()
    for value, end in (
        (b"a", producer.commit_transaction),
        (b"lost", producer.abort_transaction),
        (b"b", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.send(scene.name, value, partition=0).get(timeout=DEADLINE_S)
        end()
    producer.close()
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    partition = kafka.TopicPartition(scene.name, 0)
    consumer.assign([partition])
    found: list[bytes] = []

    def polled() -> bool:
        for records in consumer.poll(timeout_ms=200).values():
            found.extend(record.value for record in records)
        return len(found) >= 2

    wait_until(polled, "the committed values")
    assert found == [b"a", b"b"]
    consumer.close()


def test_offsets_move_with_the_transaction_or_not_at_all(cluster: Cluster) -> None:
    """Consume, transform, produce."""
    source, sink = Scene(cluster), Scene(cluster)
    first = source.producer()
    first.begin_transaction()
    send(first, source, "1", "2")
    first.commit_transaction(DEADLINE_S)
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": sink.name,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.subscribe([source.name])
    read: list[str] = []

    def polled() -> bool:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            read.append(message.value().decode())
        return len(read) == 2

    wait_until(polled, "the source to be read")
    where = consumer.position(consumer.assignment())
    producer = sink.producer()

    def committed() -> list[int]:
        partitions = [TopicPartition(source.name, index) for index in range(2)]
        return [one.offset for one in consumer.committed(partitions, timeout=DEADLINE_S)]

    producer.begin_transaction()
    send(producer, sink, *(f"{value} lost" for value in read))
    producer.send_offsets_to_transaction(where, consumer.consumer_group_metadata(), DEADLINE_S)
    producer.abort_transaction(DEADLINE_S)
    wait_until(lambda: committed() == [-1001, -1001], "nothing to be committed")
    producer.begin_transaction()
    send(producer, sink, *(f"{value}!" for value in sorted(read)))
    producer.send_offsets_to_transaction(where, consumer.consumer_group_metadata(), DEADLINE_S)
    producer.commit_transaction(DEADLINE_S)
    wait_until(
        lambda: committed() == [one.offset for one in sorted(where, key=lambda one: one.partition)], "both"
    )
    wait_until(lambda: sink.values() == {"1!", "2!"}, "the transformed values")
    consumer.close()


def test_a_transaction_that_nobody_ends_is_aborted(cluster: Cluster) -> None:
    scene = Scene(cluster)
    slow = scene.producer(**{"transaction.timeout.ms": 1000})
    slow.begin_transaction()
    send(slow, scene, "late")
    other = scene.producer(**{"transactional.id": f"{scene.name}-other"})
    other.begin_transaction()
    send(other, scene, "other")
    other.commit_transaction(DEADLINE_S)
    # Behind the open transaction: not to be seen before that is aborted.
    wait_until(lambda: scene.values() == {"other"}, "the abort")
    with pytest.raises(KafkaException):
        slow.commit_transaction(DEADLINE_S)


@pytest.mark.parametrize("commit", [True, False], ids=["commit", "abort"])
def test_the_coordinator_is_killed_in_the_middle(cluster: Cluster, commit: bool) -> None:
    scene = Scene(cluster)
    producer = scene.producer()
    producer.begin_transaction()
    send(producer, scene, "before", "before too")
    killed = scene.coordinator()
    killed.kill()
    try:
        send(producer, scene, "after", "after too")
        if commit:
            producer.commit_transaction(DEADLINE_S)
        else:
            producer.abort_transaction(DEADLINE_S)
        wait_until(lambda: scene.coordinator() is not killed, "a new coordinator")
        producer.begin_transaction()
        send(producer, scene, "next")
        producer.commit_transaction(DEADLINE_S)
    finally:
        killed.start()
    expected = {"before", "before too", "after", "after too", "next"} if commit else {"next"}
    wait_until(lambda: scene.values() == expected, f"{expected}")


def test_an_open_transaction_survives_a_restart_of_everything(cluster: Cluster) -> None:
    scene = Scene(cluster)
    producer = scene.producer()
    producer.begin_transaction()
    send(producer, scene, "a", "b")
    for broker in cluster.brokers:
        broker.kill()
    for broker in cluster.brokers:
        broker.launch()
    for broker in cluster.brokers:
        broker.wait_started()
    send(producer, scene, "c", "d")
    producer.commit_transaction(DEADLINE_S)
    wait_until(lambda: scene.values() == {"a", "b", "c", "d"}, "all of it")
