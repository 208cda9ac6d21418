# SPDX-License-Identifier: Apache-2.0
"""Brokers go and come back under load, and clients notice nothing but a pause (how long it is, `availability`
measures)."""

from __future__ import annotations

import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from tests.end_to_end import availability
from tests.end_to_end.availability import PARTITIONS, SETTINGS, TOPIC, Writer
from tests.end_to_end.cluster import DEADLINE_S, Cluster, running_cluster
from tests.real_zookeeper import ZooKeeperProcess


def read(cluster: Cluster, partition: int) -> list[str]:
    consumer = Consumer(
        {"bootstrap.servers": cluster.bootstrap, "group.id": "check", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(TOPIC, partition, 0)])
    values: list[str] = []
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        messages = consumer.consume(1_000, 1)
        values += [(one.value() or b"").decode() for one in messages if one.error() is None]
        if any(one.error() is not None for one in messages):
            break
    consumer.close()
    return values


def test_a_rolling_restart_under_load_is_no_error_to_anyone(
    zookeeper: ZooKeeperProcess, tmp_path: Path
) -> None:
    with running_cluster(tmp_path, zookeeper, 3, SETTINGS) as cluster:
        availability.make_topic(cluster)
        with Writer(cluster.bootstrap) as writer:
            everything = list(range(PARTITIONS))
            writer.wait_writing(everything)
            controller = cluster.controller()
            for broker in [*cluster.others(controller), controller]:
                assert broker.stop() == 0
                writer.wait_writing(everything)
                broker.start()
                availability.wait_whole(cluster)
                writer.wait_writing(everything)
            writer.stop()
            assert writer.errors == []
            for partition in everything:
                assert read(cluster, partition) == writer.values[partition]


def test_a_killed_broker_that_is_started_again_does_not_wait_for_its_old_session(
    zookeeper: ZooKeeperProcess, tmp_path: Path
) -> None:
    with running_cluster(tmp_path, zookeeper, 3, SETTINGS) as cluster:
        availability.make_topic(cluster)
        with Writer(cluster.bootstrap) as writer:
            everything = list(range(PARTITIONS))
            writer.wait_writing(everything)
            # It has /controller too, which goes with the same session.
            victim = cluster.controller()
            epoch = cluster.document(f"/brokers/topics/{TOPIC}/partitions/0/state")["controller_epoch"]
            victim.kill()
            victim.start()
            writer.wait_writing(everything)
            assert "The ZooKeeper session of the process before this one is over" in victim.output
            availability.wait_whole(cluster)
            assert int(cluster.znodes.get("/controller_epoch")[0]) > epoch
            writer.stop()
            assert writer.errors == []
            for partition in everything:
                assert read(cluster, partition) == writer.values[partition]
