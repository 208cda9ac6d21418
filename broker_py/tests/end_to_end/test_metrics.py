# SPDX-License-Identifier: Apache-2.0
"""The Prometheus endpoint of running brokers: what it names, and that the figures are true."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import DEADLINE_S, BrokerProcess, Cluster, wait_until
from tests.end_to_end.test_quotas import limit
from tests.real_zookeeper import ZooKeeperProcess, free_port

client = CLIENTS["confluent-kafka"]()

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "metrics.md"
# prometheus-client's own: of the process and of the interpreter.
FOREIGN = ("process_", "python_")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {"default.replication.factor": "2", "quota.window.num": "2"}
    running = Cluster(tmp_path_factory.mktemp("metrics"), zookeeper, 2, settings)
    for broker in running.brokers:
        broker.settings["commitlog.prometheus.listener"] = f"127.0.0.1:{free_port()}"
    try:
        running.start()
        yield running
    finally:
        running.close()


def create(cluster: Cluster, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    made = admin.create_topics([NewTopic(topic, partitions, 2)], operation_timeout=DEADLINE_S)
    made[topic].result(DEADLINE_S)


def scrape(broker: BrokerProcess) -> tuple[set[str], Samples]:
    """The names of the metrics, and every sample by name and labels."""
    address = broker.settings["commitlog.prometheus.listener"]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    names = {one.name + ("_total" if one.type == "counter" else "") for one in families}
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    return names, samples


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_what_is_produced_consumed_and_copied_is_counted(cluster: Cluster) -> None:
    prefix = "kafka_server_brokertopicmetrics"
    create(cluster, "counted", 1)
    client.produce(cluster.bootstrap, "counted", [f"value {number}" for number in range(50)])
    assert len(client.consume(cluster.bootstrap, "counted", "readers", 50)) == 50
    leader = cluster.leader("counted")
    (follower,) = cluster.others(leader)
    size = len(leader.log_bytes("counted"))

    _, samples = scrape(leader)
    assert value(samples, f"{prefix}_messagesin_total", topic="counted") == 50
    assert value(samples, f"{prefix}_bytesin_total", topic="counted") == size
    assert value(samples, f"{prefix}_bytesout_total", topic="counted") >= size
    assert value(samples, f"{prefix}_messagesin_total") >= 50
    assert value(samples, "kafka_log_log_size", topic="counted", partition="0") == size
    assert value(samples, "kafka_log_log_logendoffset", topic="counted", partition="0") == 50
    assert value(samples, "kafka_cluster_partition_replicascount", topic="counted", partition="0") == 2
    assert value(samples, "kafka_server_replicamanager_underreplicatedpartitions") == 0
    assert value(samples, "kafka_server_kafkaserver_brokerstate") == 3
    produced = [
        count
        for (name, labels), count in samples.items()
        if name == "kafka_network_requestmetrics_requests_total" and ("request", "Produce") in labels
    ]
    assert sum(produced) >= 1
    assert value(samples, "kafka_network_requestmetrics_totaltimems_count", request="Produce") >= 1
    quantile = value(samples, "kafka_network_requestmetrics_totaltimems", request="Produce", quantile="0.99")
    assert 0 < quantile < 60_000

    wait_until(lambda: len(follower.log_bytes("counted")) == size, "the follower to have it all")
    _, samples = scrape(follower)
    assert value(samples, f"{prefix}_replicationbytesin_total") >= size
    labels = {"clientId": f"ReplicaFetcherThread-0-{leader.id}", "topic": "counted", "partition": "0"}
    assert value(samples, "kafka_server_fetcherlagmetrics_consumerlag", **labels) == 0


def test_one_broker_is_the_controller(cluster: Cluster) -> None:
    found = {broker.id: scrape(broker)[1] for broker in cluster.brokers}
    controller = cluster.controller()
    name = "kafka_controller_kafkacontroller_activecontrollercount"
    assert {one: value(samples, name) for one, samples in found.items()} == {
        broker.id: float(broker is controller) for broker in cluster.brokers
    }
    assert value(found[controller.id], "kafka_controller_kafkacontroller_activebrokercount") == 2
    assert value(found[controller.id], "kafka_controller_kafkacontroller_offlinepartitionscount") == 0


def test_a_broker_that_is_gone_leaves_partitions_under_replicated(cluster: Cluster) -> None:
    create(cluster, "short", 1)
    leader = cluster.leader("short")
    (other,) = cluster.others(leader)
    cluster.wait_isr("short", {leader.id, other.id})
    other.stop()
    cluster.wait_isr("short", {leader.id})

    def told() -> bool:
        _, samples = scrape(leader)
        return (
            value(samples, "kafka_server_replicamanager_underreplicatedpartitions") > 0
            and value(samples, "kafka_cluster_partition_underreplicated", topic="short", partition="0") == 1
        )

    wait_until(told, "the metrics to say so")
    other.start()
    cluster.wait_isr("short", {leader.id, other.id})


def test_the_documentation_lists_what_there_is(cluster: Cluster) -> None:
    """And what it lists is what the alert rules and the dashboard may use."""
    create(cluster, "listed", 2)
    client.produce(cluster.bootstrap, "listed", ["one"])
    client.consume(cluster.bootstrap, "listed", "listed", 1)
    for key in ("producer_byte_rate", "controller_mutation_rate", "request_percentage"):
        limit(cluster, {"client-id": "limited"}, key, 1e6)
    listed = set(re.findall(r"^\| `(kafka_\w+)`", DOCUMENTATION.read_text(), re.MULTILINE))
    exported = set().union(*(scrape(broker)[0] for broker in cluster.brokers))
    assert {name for name in exported if not name.startswith(FOREIGN)} == listed
    assert {name for name in exported if name.startswith("process_")}


def test_there_is_no_endpoint_unless_it_is_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    silent = BrokerProcess(tmp_path, 8, cluster.connect_string, {})
    silent.launch("--override", "commitlog.prometheus.listener=nonsense")
    assert silent.wait_ended() == 1
    assert "nonsense" in silent.errors
    assert "commitlog.prometheus.listener: expected host:port" in silent.errors
    assert silent.errors.count("\n") == 1
