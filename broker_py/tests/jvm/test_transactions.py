# SPDX-License-Identifier: Apache-2.0
"""One transactional id, coordinated by a broker of either kind in turn, and what Kafka's tool shows of it."""

from __future__ import annotations

from pathlib import Path

import confluent_kafka

from tests.end_to_end.cluster import DEADLINE_S, wait_until
from tests.jvm.cluster import JVM, PYTHON, mixed_cluster
from tests.jvm.test_takeover import read_committed, stop
from tests.jvm.tools import KafkaTools
from tests.real_zookeeper import ZooKeeperProcess


def test_a_transactional_id_moves_between_the_two_kinds_of_coordinators(
    zookeeper: ZooKeeperProcess, tools: KafkaTools, tmp_path: Path
) -> None:
    settings = {"transaction_state_log_num_partitions": "1", "offsets_topic_num_partitions": "1"}
    with mixed_cluster(tmp_path, zookeeper, [JVM, PYTHON], **settings) as cluster:
        jvm, python = cluster.brokers
        for topic in ("__transaction_state", "test"):
            command = ["--bootstrap-server", jvm.address, "--create", "--topic", topic]
            tools.run("kafka-topics", *command, "--replica-assignment", "1:0")
            cluster.wait_isr(topic, {0, 1})
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": cluster.bootstrap, "transactional.id": "one", "log_level": 0}
        )
        producer.init_transactions(DEADLINE_S)

        def send(value: str) -> None:
            producer.begin_transaction()
            producer.produce("test", value)
            assert producer.flush(DEADLINE_S) == 0

        send("python")
        producer.commit_transaction(DEADLINE_S)
        send("aborted")
        producer.abort_transaction(DEADLINE_S)
        send("begun by python, ended by jvm")
        listed = tools.run("kafka-transactions", "--bootstrap-server", jvm.address, "list").out
        assert [line.split()[0] for line in listed.splitlines()] == ["TransactionalId", "one"]
        assert "Ongoing" in listed
        command = ["--bootstrap-server", jvm.address, "describe", "--transactional-id", "one"]
        assert "test-0" in tools.run("kafka-transactions", *command).out
        command = ["--bootstrap-server", python.address, "describe-producers", "--topic", "test"]
        assert len(tools.run("kafka-transactions", *command, "--partition", "0").out.splitlines()) == 2

        stop(python)
        wait_until(lambda: cluster.leader("__transaction_state") is jvm, "the JVM broker to coordinate")
        producer.commit_transaction(DEADLINE_S)
        committed = ["python", "begun by python, ended by jvm"]
        wait_until(lambda: read_committed(jvm, "test")[0] == committed, "the commit to be marked")
        send("begun by jvm, ended by python")
        python.start()
        for topic in ("__transaction_state", "test"):
            cluster.wait_isr(topic, {0, 1})
            election = ["--bootstrap-server", jvm.address, "--election-type", "preferred"]
            tools.run("kafka-leader-election", *election, "--topic", topic, "--partition", "0")
        wait_until(lambda: cluster.leader("__transaction_state") is python, "the Python broker to coordinate")
        producer.commit_transaction(DEADLINE_S)
        committed.append("begun by jvm, ended by python")
        wait_until(lambda: read_committed(python, "test")[0] == committed, "the commit to be marked")
        cluster.same_logs("test")
