# SPDX-License-Identifier: Apache-2.0
"""The promise of replication: what was acknowledged outlives its leader, and the dead one comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaProducer
from kafka.errors import NotEnoughReplicasError

from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import DEADLINE_S, Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess

client = CLIENTS["confluent-kafka"]()


def create(cluster: Cluster, topic: str, partitions: int, replicas: int, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    settings = {name.replace("_", "."): value for name, value in config.items()}
    topics = [NewTopic(topic, partitions, replicas, config=settings)]
    admin.create_topics(topics, operation_timeout=DEADLINE_S)[topic].result(DEADLINE_S)


def numbered(start: int, count: int) -> list[str]:
    return [f"record {number}" for number in range(start, start + count)]


def test_the_leader_is_killed_and_comes_back(zookeeper: ZooKeeperProcess, tmp_path: Path) -> None:
    with running_cluster(tmp_path, zookeeper, 2) as cluster:
        create(cluster, "test", 1, 2)
        client.produce(cluster.bootstrap, "test", numbered(0, 1_000))
        assert client.consume(cluster.bootstrap, "test", "group", 1_000) == numbered(0, 1_000)
        leader = cluster.leader("test")
        (survivor,) = cluster.others(leader)
        before = cluster.state("test")

        leader.kill()
        assert cluster.wait_new_leader("test", leader) is survivor
        state = cluster.state("test")
        assert state["isr"] == [survivor.id]
        assert state["leader_epoch"] > before["leader_epoch"]
        client.produce(survivor.address, "test", numbered(1_000, 500))
        assert client.consume(survivor.address, "test", "group", 500) == numbered(1_000, 500)

        leader.start()
        cluster.wait_isr("test", {0, 1})
        client.produce(cluster.bootstrap, "test", numbered(1_500, 10))
        assert client.consume(leader.address, "test", "group", 10) == numbered(1_500, 10)
        everything = client.consume(leader.address, "test", "new group", 1_510)
        assert everything == numbered(0, 1_510)
        wait_until(
            lambda: leader.log_bytes("test") == survivor.log_bytes("test") != b"",
            "both logs to hold the same bytes",
        )


def test_a_controlled_shutdown_moves_leadership_before_the_broker_goes(
    zookeeper: ZooKeeperProcess, tmp_path: Path
) -> None:
    with running_cluster(tmp_path, zookeeper, 2) as cluster:
        create(cluster, "test", 4, 2)
        client.produce(cluster.bootstrap, "test", numbered(0, 100))
        leader = cluster.leader("test", 0)
        (other,) = cluster.others(leader)
        assert leader.stop() == 0
        assert "Controlled shutdown request returned successfully" in leader.output
        assert "shut down completed" in leader.output
        assert {cluster.state("test", partition)["leader"] for partition in range(4)} == {other.id}
        assert cluster.znodes.exists(f"/brokers/ids/{leader.id}") is None
        marker = json.loads((leader.log_dir / ".kafka_cleanshutdown").read_text())
        assert marker["version"] == 0
        client.produce(other.address, "test", numbered(100, 100))
        leader.start()
        for partition in range(4):
            cluster.wait_isr("test", {0, 1}, partition)
        assert sorted(client.consume(leader.address, "test", "group", 200)) == sorted(numbered(0, 200))


def test_three_brokers_lose_their_controller(zookeeper: ZooKeeperProcess, tmp_path: Path) -> None:
    with running_cluster(tmp_path, zookeeper, 3) as cluster:
        create(cluster, "test", 3, 3, min_insync_replicas="2")
        client.produce(cluster.bootstrap, "test", numbered(0, 300))
        controller = cluster.controller()
        epoch = int(cluster.znodes.get("/controller_epoch")[0])
        controller.kill()
        wait_until(lambda: cluster.controller() is not controller, "another controller")
        assert int(cluster.znodes.get("/controller_epoch")[0]) == epoch + 1
        alive = {broker.id for broker in cluster.others(controller)}
        for partition in range(3):
            cluster.wait_isr("test", alive, partition)
        bootstrap = ",".join(broker.address for broker in cluster.others(controller))
        client.produce(bootstrap, "test", numbered(300, 300))
        create(cluster, "after", 1, 2)
        controller.start()
        for partition in range(3):
            cluster.wait_isr("test", {0, 1, 2}, partition)
        assert sorted(client.consume(cluster.bootstrap, "test", "group", 600)) == sorted(numbered(0, 600))


def test_too_few_in_sync_replicas_refuse_acks_all(zookeeper: ZooKeeperProcess, tmp_path: Path) -> None:
    with running_cluster(tmp_path, zookeeper, 2) as cluster:
        create(cluster, "test", 1, 2, min_insync_replicas="2")
        client.produce(cluster.bootstrap, "test", ["both"])
        follower = next(iter(cluster.others(cluster.leader("test"))))
        follower.kill()
        leader = cluster.leader("test")
        cluster.wait_isr("test", {leader.id})
        producer = KafkaProducer(bootstrap_servers=leader.address, acks="all", retries=0)
        with pytest.raises(NotEnoughReplicasError):
            producer.send("test", b"one alone").get(timeout=DEADLINE_S)
        producer.close()
        follower.start()
        cluster.wait_isr("test", {0, 1})
        client.produce(cluster.bootstrap, "test", ["both again"])


def test_a_paused_broker_loses_its_session_and_registers_again(
    zookeeper: ZooKeeperProcess, tmp_path: Path
) -> None:
    with running_cluster(tmp_path, zookeeper, 2) as cluster:
        create(cluster, "test", 1, 2)
        client.produce(cluster.bootstrap, "test", numbered(0, 10))
        paused = cluster.leader("test")
        (other,) = cluster.others(paused)
        _, stat = cluster.znodes.get(f"/brokers/ids/{paused.id}")
        paused.pause()
        assert cluster.wait_new_leader("test", paused) is other
        client.produce(other.address, "test", numbered(10, 10))
        paused.resume()
        cluster.wait_isr("test", {0, 1})
        _, again = cluster.znodes.get(f"/brokers/ids/{paused.id}")
        assert again.czxid > stat.czxid
        client.produce(cluster.bootstrap, "test", numbered(20, 10))
        assert client.consume(paused.address, "test", "group", 30) == numbered(0, 30)


def test_both_brokers_stop_and_start(zookeeper: ZooKeeperProcess, tmp_path: Path) -> None:
    with running_cluster(tmp_path, zookeeper, 2) as cluster:
        create(cluster, "test", 1, 2)
        client.produce(cluster.bootstrap, "test", numbered(0, 100))
        client.consume(cluster.bootstrap, "test", "group", 60)
        assert [broker.stop() for broker in cluster.brokers] == [0, 0]
        for broker in cluster.brokers:
            broker.launch()
        for broker in cluster.brokers:
            broker.wait_started()
        cluster.wait_isr("test", {0, 1})
        assert client.consume(cluster.bootstrap, "test", "other group", 100) == numbered(0, 100)
