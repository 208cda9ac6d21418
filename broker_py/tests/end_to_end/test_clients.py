# SPDX-License-Identifier: Apache-2.0
"""Every client writes through one broker and reads through the other, as a group, with its defaults."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)
from kafka import KafkaAdminClient

from tests.end_to_end.clients import CLIENTS, Client
from tests.end_to_end.cluster import DEADLINE_S, Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess

_numbers = itertools.count()
SET = AlterConfigOpType.SET


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {"num.partitions": "2", "default.replication.factor": "2"}
    with running_cluster(tmp_path_factory.mktemp("clients"), zookeeper, 2, settings) as running:
        yield running


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    if request.param == "kcat" and shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")
    return CLIENTS[request.param]()


@pytest.fixture
def topic() -> str:
    return f"topic{next(_numbers)}"


def test_a_group_reads_from_one_broker_what_was_written_through_the_other(
    cluster: Cluster, client: Client, topic: str
) -> None:
    first, second = cluster.brokers
    values = [f"value {number}" for number in range(500)]
    client.produce(first.address, topic, values)
    assert sorted(client.consume(second.address, topic, "readers", 500)) == sorted(values)
    client.produce(second.address, topic, ["one more"])
    assert client.consume(first.address, topic, "readers", 1) == ["one more"]


def test_what_one_client_writes_every_other_reads(cluster: Cluster, client: Client, topic: str) -> None:
    client.produce(cluster.bootstrap, topic, ["for all"])
    for name, make in CLIENTS.items():
        if name != "kcat" or shutil.which("kcat"):
            assert make().consume(cluster.bootstrap, topic, f"group of {name}", 1) == ["for all"]


def test_topics_are_created_grown_configured_and_deleted(cluster: Cluster, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})

    def names() -> set[str]:
        return set(admin.list_topics(timeout=DEADLINE_S).topics)

    admin.create_topics([NewTopic(topic, 3, 2, config={"retention.ms": "60000"})])[topic].result(DEADLINE_S)
    assert len(admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions) == 3
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(DEADLINE_S)
    wait_until(
        lambda: len(admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions) == 5,
        "five partitions",
    )
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    resource.add_incremental_config(ConfigEntry("max.message.bytes", "2000000", incremental_operation=SET))
    next(iter(admin.incremental_alter_configs([resource]).values())).result(DEADLINE_S)
    described = next(
        iter(admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values())
    )
    entries = described.result(DEADLINE_S)
    assert entries["retention.ms"].value == "60000"
    assert entries["max.message.bytes"].value == "2000000"
    assert entries["retention.ms"].source == 1
    assert entries["cleanup.policy"].source == 5
    admin.delete_topics([topic])[topic].result(DEADLINE_S)
    wait_until(lambda: topic not in names(), "the topic to be gone")
    wait_until(
        lambda: not [path for broker in cluster.brokers for path in broker.log_dir.glob(f"{topic}-?")],
        "the topic's directories to be gone",
    )
    for path in (f"/brokers/topics/{topic}", f"/config/topics/{topic}", f"/admin/delete_topics/{topic}"):
        wait_until(lambda path=path: cluster.znodes.exists(path) is None, f"{path} to be gone")


def test_a_changed_topic_setting_is_in_force_on_the_leader(cluster: Cluster, topic: str) -> None:
    client = CLIENTS["kafka-python"]()
    client.produce(cluster.bootstrap, topic, ["x" * 5_000])
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    resource.add_incremental_config(ConfigEntry("max.message.bytes", "1000", incremental_operation=SET))
    next(iter(admin.incremental_alter_configs([resource]).values())).result(DEADLINE_S)

    def refused() -> bool:
        try:
            client.produce(cluster.bootstrap, topic, ["x" * 5_000])
        except Exception as error:
            return type(error).__name__ == "MessageSizeTooLargeError"
        return False

    wait_until(refused, "large records to be refused")


def test_kafka_python_s_admin_client_sees_the_cluster_and_its_groups(cluster: Cluster, topic: str) -> None:
    client = CLIENTS["kafka-python"]()
    client.produce(cluster.bootstrap, topic, ["a"])
    client.consume(cluster.bootstrap, topic, "seen by admins", 1)
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap.split(","))
    try:
        described = admin.describe_cluster()
        assert sorted(broker["broker_id"] for broker in described["brokers"]) == [0, 1]
        groups = {group["group_id"] if isinstance(group, dict) else group[0] for group in admin.list_groups()}
        assert "seen by admins" in groups
    finally:
        admin.close()
