# SPDX-License-Identifier: Apache-2.0
"""How long a partition takes no write while brokers go and come back, as a client sees it.

`python -m tests.end_to_end.availability` (in broker_py) measures what docs/durability.md says: the longest
time between two acknowledgements of a partition, acks=all, three replicas, a record every 10 ms for each.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.end_to_end.cluster import DEADLINE_S, BrokerProcess, Cluster, running_cluster
from tests.real_zookeeper import ZooKeeperProcess

TOPIC = "available"
PARTITIONS = 6
PACE_S = 0.01
ROUNDS = 5
LONG_SESSION_MS = 18_000

SETTINGS = {
    "min.insync.replicas": "2",
    "default.replication.factor": "3",
    "auto.leader.rebalance.enable": "false",
}


class Writer:
    """Writes to every partition all the time, and remembers when each acknowledged and what failed."""

    def __init__(self, bootstrap: str) -> None:
        self.errors: list[str] = []
        self.values: dict[int, list[str]] = defaultdict(list)
        """Acknowledged values of each partition, in the order of their offsets."""
        self._acknowledged: dict[int, list[float]] = defaultdict(list)
        self._count = 0
        self._stopping = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,
                "retry.backoff.ms": 10,
                "retry.backoff.max.ms": 50,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 100,
                "topic.metadata.refresh.fast.interval.ms": 50,
                "message.timeout.ms": int(DEADLINE_S * 1000),
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._count += 1
            for partition in range(PARTITIONS):
                value = f"{partition}/{self._count}".encode()
                self._producer.produce(TOPIC, value, partition=partition, on_delivery=self._delivered)
            until = time.monotonic() + PACE_S
            while (left := until - time.monotonic()) > 0:
                self._producer.poll(left)
        if left := self._producer.flush(DEADLINE_S):
            self.errors.append(f"{left} records were not acknowledged")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        partition = message.partition()
        if error is not None or partition is None:
            self.errors.append(f"partition {partition}: {error}")
            return
        self.values[partition].append((message.value() or b"").decode())
        self._acknowledged[partition].append(time.monotonic())

    def wait_writing(self, partitions: list[int]) -> None:
        """Until each has acknowledged something that was sent after now."""
        already = {partition: len(self._acknowledged[partition]) for partition in partitions}
        deadline = time.monotonic() + DEADLINE_S
        while any(len(self._acknowledged[one]) < already[one] + 50 for one in partitions):
            assert time.monotonic() < deadline, f"writes to {partitions} do not go on: {self.errors}"
            time.sleep(0.02)

    def longest_gap(self, since: float, partitions: list[int]) -> float:
        """In seconds, from the last acknowledgement before `since` on."""
        gaps = [0.0]
        for partition in partitions:
            times = self._acknowledged[partition]
            first = next((at for at, one in enumerate(times) if one >= since), len(times))
            times = times[max(0, first - 1) :]
            gaps += [after - before for before, after in itertools.pairwise(times)]
        return max(gaps)


def make_topic(cluster: Cluster) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    topic = NewTopic(TOPIC, PARTITIONS, len(cluster.brokers))
    admin.create_topics([topic], operation_timeout=DEADLINE_S)[TOPIC].result(DEADLINE_S)


def led_by(cluster: Cluster, broker: BrokerProcess) -> list[int]:
    return [one for one in range(PARTITIONS) if cluster.state(TOPIC, one)["leader"] == broker.id]


def wait_whole(cluster: Cluster) -> None:
    for partition in range(PARTITIONS):
        cluster.wait_isr(TOPIC, {broker.id for broker in cluster.brokers}, partition)


def gap(cluster: Cluster, writer: Writer, victim: BrokerProcess, action: Callable[[], object]) -> float:
    """The longest gap of what the victim led."""
    partitions = led_by(cluster, victim)
    began = time.monotonic()
    action()
    writer.wait_writing(partitions)
    return writer.longest_gap(began, partitions)


def measure(directory: Path, what: str, session_ms: int, act: Callable[[BrokerProcess], object]) -> None:
    # ZooKeeper grants 20 ticks at most.
    zookeeper = ZooKeeperProcess(directory, tick_ms=1_000)
    settings = {**SETTINGS, "zookeeper.session.timeout.ms": str(session_ms)}
    gaps = []
    try:
        with running_cluster(directory, zookeeper, 3, settings) as cluster:
            make_topic(cluster)
            with Writer(cluster.bootstrap) as writer:
                writer.wait_writing(list(range(PARTITIONS)))
                for round_number in range(ROUNDS):
                    victim = cluster.leader(TOPIC, round_number % PARTITIONS)
                    gaps.append(gap(cluster, writer, victim, lambda victim=victim: act(victim)))  # type: ignore[misc]
                    if not victim.running:
                        victim.start()
                    wait_whole(cluster)
                writer.stop()
                assert writer.errors == []
    finally:
        zookeeper.stop()
    print(f"{what}: median {median(gaps):.3f} s, {min(gaps):.3f} to {max(gaps):.3f} s, {ROUNDS} times")


def main() -> None:
    def kill_and_start(victim: BrokerProcess) -> None:
        victim.kill()
        victim.start()

    cases: list[tuple[str, int, Callable[[BrokerProcess], object]]] = [
        ("controlled shutdown", LONG_SESSION_MS, BrokerProcess.stop),
        ("kill -9, session timeout 4 s", 4_000, BrokerProcess.kill),
        ("kill -9 and started again at once, session timeout 18 s", LONG_SESSION_MS, kill_and_start),
    ]
    for what, session_ms, act in cases:
        with tempfile.TemporaryDirectory() as directory:
            measure(Path(directory), what, session_ms, act)


if __name__ == "__main__":
    main()
