# SPDX-License-Identifier: Apache-2.0
"""A JVM broker takes over a Python broker's log.dirs and server.properties, and the other way round: after a
clean stop without recovering anything, after kill -9 with a recovery, and broker by broker while clients go
on.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import DEADLINE_S, wait_until
from tests.end_to_end.test_failover import create
from tests.jvm.cluster import JVM, PYTHON, EitherBroker, MixedCluster, mixed_cluster
from tests.jvm.tools import KafkaTools
from tests.real_zookeeper import ZooKeeperProcess

client = CLIENTS["confluent-kafka"]()

SEGMENTS = {
    "log.segment.bytes": "15000",
    "log.index.interval.bytes": "500",
    "log.retention.ms": "-1",
    "log.initial.task.delay.ms": "200",
    "log.flush.start.offset.checkpoint.interval.ms": "200",
    "offsets.topic.num.partitions": "1",
}


def value(number: int) -> str:
    """No two alike, and not to be compressed away."""
    return f"record {number} {hashlib.sha256(str(number).encode()).hexdigest()}"


class Story:
    """What has been written to a topic, by one idempotent producer that outlives the brokers, and how far a
    group has read it. A broker that lost or doubled anything on the way is found out by `check`."""

    def __init__(self, cluster: MixedCluster, topic: str) -> None:
        self.cluster = cluster
        self.topic = topic
        self.written = 0
        self.read = 0
        self.deleted = 0
        self.times: dict[int, int] = {}
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "enable.idempotence": True,
                "compression.type": "lz4",
                "batch.num.messages": 20,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def write(self, count: int) -> None:
        """Records of 80 bytes in many small batches, a millisecond apart, all acknowledged."""
        errors: list[object] = []

        def delivered(error: object, message: confluent_kafka.Message) -> None:
            if error is None:
                self.times[message.offset()] = message.timestamp()[1]
            else:
                errors.append(error)

        start = max([int(time.time() * 1000), *(moment + 1 for moment in self.times.values())])
        for number in range(self.written, self.written + count):
            self._producer.produce(
                self.topic, value(number), str(number), timestamp=start + number, on_delivery=delivered
            )
        assert self._producer.flush(DEADLINE_S) == 0
        assert not errors
        self.written += count

    def read_some(self, count: int) -> None:
        """The group goes on where it stands."""
        expected = [value(number) for number in range(self.read, self.read + count)]
        assert client.consume(self.cluster.bootstrap, self.topic, "readers", count) == expected
        self.read += count

    def check(self) -> None:
        """Everything is there, once and in order, and is found by time; the group's offset is kept."""
        reader = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.cluster.bootstrap,
                "group.id": "checker",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        try:
            partition = TopicPartition(self.topic, 0)
            assert reader.get_watermark_offsets(partition, DEADLINE_S) == (self.deleted, self.written)
            for offset in range(self.deleted, self.written, 97):
                asked = TopicPartition(self.topic, 0, self.times[offset])
                (found,) = reader.offsets_for_times([asked], DEADLINE_S)
                assert found.offset == offset
            reader.assign([TopicPartition(self.topic, 0, self.deleted)])
            values: list[str] = []
            while len(values) < self.written - self.deleted:
                missing = self.written - self.deleted - len(values)
                messages = reader.consume(min(missing, 500), DEADLINE_S)
                assert messages
                values += [message.value().decode() for message in messages]
            assert values == [value(number) for number in range(self.deleted, self.written)]
        finally:
            reader.close()
        assert self.committed() == self.read

    def committed(self) -> int:
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0})
        asked = ConsumerGroupTopicPartitions("readers", [TopicPartition(self.topic, 0)])
        (answer,) = admin.list_consumer_group_offsets([asked])["readers"].result(DEADLINE_S).topic_partitions
        return int(answer.offset)

    def delete_up_to(self, offset: int) -> None:
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0})
        partition = TopicPartition(self.topic, 0, offset)
        admin.delete_records([partition])[partition].result(DEADLINE_S)
        self.deleted = offset

    def start_checkpointed(self, broker: EitherBroker) -> bool:
        lines = (broker.log_dir / "log-start-offset-checkpoint").read_text().splitlines()
        return f"{self.topic} 0 {self.deleted}" in lines


def led(cluster: MixedCluster, topic: str) -> bool:
    """Whether clients are told of the leader of the topic's partition."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    partitions = admin.list_topics(topic, DEADLINE_S).topics[topic].partitions
    return 0 in partitions and partitions[0].leader >= 0


def recovered(broker: EitherBroker) -> bool:
    """Whether this run of the broker began with a recovery of unflushed segments, in Kafka's words."""
    clean = "Skipping recovery of" in broker.output
    unclean = "no clean shutdown file was found" in broker.output
    assert clean is not unclean
    return unclean


def stop(broker: EitherBroker) -> None:
    assert broker.stop() in (0, 143)
    marker = json.loads((broker.log_dir / ".kafka_cleanshutdown").read_text())
    assert marker["version"] == 0


@pytest.mark.parametrize("end", [stop, EitherBroker.kill], ids=["stopped", "killed"])
def test_either_goes_on_with_what_the_other_left(
    zookeeper: ZooKeeperProcess, tmp_path: Path, end: Callable[[EitherBroker], None]
) -> None:
    settings = {name.replace(".", "_"): value for name, value in SEGMENTS.items()}
    with mixed_cluster(tmp_path, zookeeper, [PYTHON], **settings) as cluster:
        (broker,) = cluster.brokers
        create(cluster, "test", 1, 1)
        story = Story(cluster, "test")
        for kind in (JVM, PYTHON):
            story.write(1_000)
            story.read_some(300)
            story.delete_up_to(story.deleted + 77)
            wait_until(lambda: story.start_checkpointed(broker), "the new start to be checkpointed")
            assert len(list((broker.log_dir / "test-0").glob("*.log"))) > 3
            end(broker)
            broker.become(kind)
            cluster.wait_session_ended(broker)
            broker.start()
            wait_until(lambda: led(cluster, "test"), "the broker to lead")
            assert recovered(broker) is (end is not stop)
            story.check()
            story.write(100)
            story.read_some(100)
            story.check()


class Follower:
    """A consumer of a group that stays while brokers come and go; what it was given, in order."""

    def __init__(self, cluster: MixedCluster, topic: str) -> None:
        self.values: list[str] = []
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "group.id": "followers",
                "auto.offset.reset": "earliest",
                "auto.commit.interval.ms": 200,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        self._consumer.subscribe([topic])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._ended.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.values.append(message.value().decode())

    def close(self) -> None:
        self._ended.set()
        self._thread.join(DEADLINE_S)
        self._consumer.close()


def test_a_cluster_is_replaced_broker_by_broker_while_clients_go_on(
    zookeeper: ZooKeeperProcess, tmp_path: Path
) -> None:
    with mixed_cluster(tmp_path, zookeeper, [PYTHON, PYTHON]) as cluster:
        create(cluster, "test", 1, 2)
        story = Story(cluster, "test")
        follower = Follower(cluster, "test")
        for kind in (JVM, PYTHON):
            for broker in cluster.brokers:
                story.write(200)
                story.read_some(100)
                stop(broker)
                broker.become(kind)
                story.write(200)
                story.read_some(150)
                broker.start()
                for partition in range(4):
                    cluster.wait_isr("__consumer_offsets", {0, 1}, partition)
                cluster.wait_isr("test", {0, 1})
                assert recovered(broker) is False
            story.check()
        cluster.same_logs("test")
        wait_until(lambda: len(follower.values) >= story.written, "the follower to have read everything")
        follower.close()
        assert follower.values == [value(number) for number in range(story.written)]


def test_compaction_goes_on_where_the_other_was(zookeeper: ZooKeeperProcess, tmp_path: Path) -> None:
    settings = {"log_cleaner_backoff_ms": "200", "log_segment_delete_delay_ms": "100"}
    with mixed_cluster(tmp_path, zookeeper, [PYTHON], **settings) as cluster:
        (broker,) = cluster.brokers
        create(
            cluster, "table", 1, 1,
            cleanup_policy="compact", segment_bytes="20000", min_cleanable_dirty_ratio="0.01",
        )  # fmt: skip
        table: dict[str, str] = {}
        for round_, kind in enumerate((JVM, PYTHON)):
            size = write_table(cluster, table, start=round_ * 2_000)
            wait_until(
                lambda size=size: len(broker.log_bytes("table")) < size // 3, "the log to be compacted"
            )
            assert read_table(cluster) == table
            cleaned = int((broker.log_dir / "cleaner-offset-checkpoint").read_text().split()[-1])
            assert cleaned > round_ * 2_000
            stop(broker)
            broker.become(kind)
            broker.start()
            wait_until(lambda: led(cluster, "table"), "the broker to lead")
            assert recovered(broker) is False
            assert read_table(cluster) == table


def write_table(cluster: MixedCluster, table: dict[str, str], start: int) -> int:
    """Two thousand values of twenty keys, a key deleted; the bytes written."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": cluster.bootstrap, "batch.num.messages": 50, "log_level": 0}
    )
    size = 0
    for number in range(start, start + 2_000):
        key = f"key {number % 20}"
        table[key] = value(number)
        size += len(table[key])
        producer.produce("table", table[key], key)
    del table[key]
    producer.produce("table", None, key)
    assert producer.flush(DEADLINE_S) == 0
    return size


def read_table(cluster: MixedCluster) -> dict[str, str]:
    """The last value of every key."""
    reader = confluent_kafka.Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": "table",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    reader.assign([TopicPartition("table", 0, 0)])
    table: dict[str, str] = {}
    try:
        while True:
            message = reader.poll(DEADLINE_S)
            assert message is not None
            if message.error() is not None:
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
                return table
            key = message.key().decode()
            if message.value() is None:
                table.pop(key, None)
            else:
                table[key] = message.value().decode()
    finally:
        reader.close()


def test_transactions_written_to_a_jvm_leader_are_read_from_a_python_leader(
    zookeeper: ZooKeeperProcess, tools: KafkaTools, tmp_path: Path
) -> None:
    """The coordinator is the JVM broker all the time: committed, aborted and open transactions."""
    settings = {"transaction_state_log_num_partitions": "1", "offsets_topic_num_partitions": "1"}
    with mixed_cluster(tmp_path, zookeeper, [JVM, PYTHON], **settings) as cluster:
        jvm, python = cluster.brokers
        for topic, replicas in (("__transaction_state", "0"), ("test", "0:1")):
            command = ["--bootstrap-server", jvm.address, "--create", "--topic", topic]
            tools.run("kafka-topics", *command, "--replica-assignment", replicas)
        cluster.wait_isr("test", {0, 1})
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": cluster.bootstrap, "transactional.id": "one", "log_level": 0}
        )
        producer.init_transactions(DEADLINE_S)
        for number, end in enumerate((producer.commit_transaction, producer.abort_transaction)):
            producer.begin_transaction()
            for value_ in range(10):
                producer.produce("test", f"transaction {number}, value {value_}")
            assert producer.flush(DEADLINE_S) == 0
            end(DEADLINE_S)
        producer.begin_transaction()
        producer.produce("test", "open")
        assert producer.flush(DEADLINE_S) == 0
        cluster.same_logs("test")
        committed = [f"transaction 0, value {value_}" for value_ in range(10)]
        assert read_committed(jvm, "test") == (committed, 22)

        stop(jvm)
        wait_until(lambda: cluster.leader("test") is python, "the Python broker to lead")
        assert read_committed(python, "test") == (committed, 22)
        jvm.start()
        cluster.wait_isr("test", {0, 1})
        election = ["--bootstrap-server", jvm.address, "--election-type", "preferred"]
        tools.run("kafka-leader-election", *election, "--topic", "test", "--partition", "0")
        producer.commit_transaction(DEADLINE_S)
        wait_until(
            lambda: read_committed(jvm, "test") == ([*committed, "open"], 24), "the commit to be marked"
        )
        cluster.same_logs("test")


def read_committed(broker: EitherBroker, topic: str, partition: int = 0) -> tuple[list[str], int]:
    """What a consumer of committed records is given, and where it ends: at the last stable offset."""
    reader = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "log_level": 0,
        }
    )
    reader.assign([TopicPartition(topic, partition, 0)])
    values: list[str] = []
    try:
        while True:
            message = reader.poll(DEADLINE_S)
            assert message is not None
            if message.error() is None:
                values.append(message.value().decode())
                continue
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
            return values, reader.get_watermark_offsets(TopicPartition(topic, partition), DEADLINE_S)[1]
    finally:
        reader.close()
