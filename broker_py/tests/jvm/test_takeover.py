# SPDX-License-Identifier: Apache-2.0
"""A JVM broker takes over a Python broker's log.dirs and server.properties, and the other way round: after a
clean stop without recovering anything, after kill -9 with a recovery, and broker by broker while clients go
on.
"""

from __future__ import annotations

import hashlib
import json
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
from tests.real_zookeeper import ZooKeeperProcess

client = CLIENTS["confluent-kafka"]()

SEGMENTS = {
    "log.segment.bytes": "15000",
    "log.index.interval.bytes": "500",
    "log.retention.ms": "-1",
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

    def led(self) -> bool:
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0})
        partitions = admin.list_topics(self.topic, DEADLINE_S).topics[self.topic].partitions
        return 0 in partitions and partitions[0].leader >= 0

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
            wait_until(lambda: cluster.znodes.exists("/brokers/ids/0") is None, "the old session to end")
            broker.start()
            wait_until(story.led, "the broker to lead")
            assert recovered(broker) is (end is not stop)
            story.check()
            story.write(100)
            story.read_some(100)
            story.check()


def test_a_cluster_is_replaced_broker_by_broker_while_clients_go_on(
    zookeeper: ZooKeeperProcess, tmp_path: Path
) -> None:
    with mixed_cluster(tmp_path, zookeeper, [PYTHON, PYTHON], log_retention_ms="-1") as cluster:
        create(cluster, "test", 1, 2)
        story = Story(cluster, "test")
        for kind in (JVM, PYTHON):
            for broker in cluster.brokers:
                story.write(200)
                story.read_some(100)
                stop(broker)
                broker.become(kind)
                story.write(200)
                story.read_some(150)
                broker.start()
                cluster.wait_isr("test", {0, 1})
                assert recovered(broker) is False
            story.check()
        cluster.same_logs("test")
