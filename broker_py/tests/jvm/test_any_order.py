# SPDX-License-Identifier: Apache-2.0
"""Faults in any order on a cluster of both kinds of brokers, under records and transactions that have to be
kept.

COMMITLOG_JVM_SEED and COMMITLOG_JVM_FAULTS ask for another order and for more of it; the clock is the real
one, so a seed gives the same faults, but not the same run.
"""

from __future__ import annotations

import collections
import os
import random
import threading
import time
from pathlib import Path

import confluent_kafka
from confluent_kafka import KafkaException

from tests.end_to_end.cluster import DEADLINE_S, wait_until
from tests.end_to_end.test_failover import create
from tests.jvm.cluster import JVM, PYTHON, EitherBroker, MixedCluster, mixed_cluster
from tests.jvm.test_takeover import read_committed
from tests.real_zookeeper import ZooKeeperProcess

SEED = int(os.environ.get("COMMITLOG_JVM_SEED", "1"))
FAULTS = int(os.environ.get("COMMITLOG_JVM_FAULTS", "5"))
PARTITIONS = 2
SETTINGS = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "transaction.state.log.num.partitions": "2",
}


class Writer:
    """One thread, one producer, until `end`; what became of every value that it wrote."""

    def __init__(self, cluster: MixedCluster, **settings: object) -> None:
        self.fates: dict[str, str] = {}
        self._ended = threading.Event()
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "enable.idempotence": True,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
                **settings,
            }
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            self.write(f"value {len(self.fates)}")

    def write(self, value: str) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self._ended.set()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        assert self._producer.flush(DEADLINE_S) == 0

    def values(self, fate: str) -> list[str]:
        return [value for value, became in self.fates.items() if became == fate]


class RecordWriter(Writer):
    """Records with acks=all to each partition in turn."""

    def write(self, value: str) -> None:
        def delivered(error: object, message: object) -> None:
            self.fates[value] = "lost" if error is not None else "kept"

        self.fates[value] = "under way"
        partition = len(self.fates) % PARTITIONS
        self._producer.produce("records", value, partition=partition, on_delivery=delivered)
        self._producer.poll(0.005)


class TransactionWriter(Writer):
    """Transactions over all partitions; every third is aborted."""

    def __init__(self, cluster: MixedCluster) -> None:
        super().__init__(cluster, **{"transactional.id": "writer"})

    def _run(self) -> None:
        self._until_done(self._producer.init_transactions)
        super()._run()

    def write(self, value: str) -> None:
        aborting = len(self.fates) % 3 == 2
        self.fates[value] = "under way"
        self._producer.begin_transaction()
        for partition in range(PARTITIONS):
            self._producer.produce("transactions", value, partition=partition)
        if aborting:
            self._producer.flush(DEADLINE_S)
            self._until_done(self._producer.abort_transaction)
        else:
            self._until_done(self._producer.commit_transaction)
        self.fates[value] = "aborted" if aborting else "kept"

    def _until_done(self, call: object) -> None:
        assert callable(call)
        while True:
            try:
                call(DEADLINE_S)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
            else:
                return


def strike(cluster: MixedCluster, fault: str, broker: EitherBroker, rng: random.Random) -> None:
    """One fault, and its end."""
    if fault == "controller":
        cluster.make_controller(broker)
    elif fault == "pause":
        broker.pause()
        time.sleep(rng.choice([0.5, 6]))  # shorter and longer than a ZooKeeper session
        broker.resume()
    else:
        broker.stop() if fault == "stop" or rng.random() < 0.5 else broker.kill()
        cluster.wait_session_ended(broker)
        if fault == "replace":
            broker.become(JVM if broker.kind == PYTHON else PYTHON)
        broker.start()


def test_nothing_acknowledged_is_lost(zookeeper: ZooKeeperProcess, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    settings = {name.replace(".", "_"): value for name, value in SETTINGS.items()}
    with mixed_cluster(tmp_path, zookeeper, [PYTHON, JVM, PYTHON], **settings) as cluster:
        for topic in ("records", "transactions"):
            create(cluster, topic, PARTITIONS, 3, min_insync_replicas="2")
        records, transactions = RecordWriter(cluster), TransactionWriter(cluster)
        for _ in range(FAULTS):
            fault = rng.choice(["kill", "stop", "pause", "replace", "controller"])
            broker = rng.choice(cluster.brokers)
            print(f"{fault} {broker.id} ({broker.kind})")
            strike(cluster, fault, broker, rng)
            for topic in ("records", "transactions", "__transaction_state"):
                for partition in range(PARTITIONS):
                    cluster.wait_isr(topic, {0, 1, 2}, partition)
        records.end()
        transactions.end()
        assert records.values("lost") == []
        for topic in ("records", "transactions"):
            cluster.same_logs(topic, PARTITIONS)
        found = [value for partition in range(PARTITIONS) for value in read(cluster, "records", partition)]
        assert collections.Counter(found) == collections.Counter(records.values("kept"))
        for partition in range(PARTITIONS):
            wait_until(
                lambda partition=partition: (
                    read(cluster, "transactions", partition) == transactions.values("kept")
                ),
                "every committed transaction to be read, once and in order, and no other",
            )


def read(cluster: MixedCluster, topic: str, partition: int) -> list[str]:
    values, _ = read_committed(cluster.brokers[0], topic, partition)
    return values
