# SPDX-License-Identifier: Apache-2.0
"""Many partitions on three brokers, three replicas each: `python -m tests.end_to_end.many_partitions 3000`.

Says how long it takes to make them, what memory and descriptors a broker needs for them, and how long the
controller's failover and a broker's return take. docs/durability.md has figures.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from tests.end_to_end.cluster import BrokerProcess, Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess

PER_TOPIC = 100
PATIENCE_S = 900
SESSION_MS = 6_000


def memory_mb(broker: BrokerProcess) -> float:
    lines = Path(f"/proc/{broker.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def descriptors(broker: BrokerProcess) -> int:
    return len(os.listdir(f"/proc/{broker.pid}/fd"))


def cpu_s(broker: BrokerProcess) -> float:
    fields = Path(f"/proc/{broker.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ready(cluster: Cluster, topics: list[str], isr: int) -> bool:
    """Whether every partition has a living leader and so many in-sync replicas."""
    alive = {broker.id for broker in cluster.brokers if broker.running}
    pending = [
        cluster.znodes.get_async(f"/brokers/topics/{topic}/partitions/{partition}/state")
        for topic in topics
        for partition in range(PER_TOPIC)
    ]
    states = [answer.get(60)[0] for answer in pending]
    return all(
        (found := json.loads(state))["leader"] in alive and len(found["isr"]) == isr for state in states
    )


def report(cluster: Cluster, what: str) -> None:
    for broker in cluster.brokers:
        if broker.running:
            print(
                f"  broker {broker.id}, {what}: {memory_mb(broker):.0f} MB, "
                f"{descriptors(broker)} descriptors, {cpu_s(broker):.1f} s of processor time",
                flush=True,
            )


def measure(directory: Path, partitions: int) -> None:
    zookeeper = ZooKeeperProcess(directory)
    settings = {"zookeeper.session.timeout.ms": str(SESSION_MS), "auto.leader.rebalance.enable": "false"}
    topics = [f"many{number}" for number in range(partitions // PER_TOPIC)]
    try:
        with running_cluster(directory, zookeeper, 3, settings) as cluster:
            report(cluster, "idle")
            began = time.monotonic()
            admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
            for topic in topics:
                made = admin.create_topics(
                    [NewTopic(topic, PER_TOPIC, 3)], operation_timeout=600, request_timeout=600
                )
                made[topic].result(PATIENCE_S)
            print(f"{partitions} partitions made in {time.monotonic() - began:.1f} s", flush=True)
            wait_until(lambda: ready(cluster, topics, 3), "all partitions in sync", PATIENCE_S)
            print(f"... and in sync after {time.monotonic() - began:.1f} s", flush=True)
            report(cluster, "with them")
            if "--pause" in sys.argv:
                input("enter goes on ")
            fail_over(cluster, topics)
            rejoin(cluster, topics)
    finally:
        zookeeper.stop()


def fail_over(cluster: Cluster, topics: list[str]) -> None:
    victim = cluster.controller()
    began = time.monotonic()
    victim.kill()
    wait_until(lambda: cluster.controller() is not victim, "another controller", PATIENCE_S)
    elected = time.monotonic()
    wait_until(
        lambda: "Ready to serve as the new controller" in cluster.controller().output,
        "it to be ready",
        PATIENCE_S,
    )
    served = time.monotonic()
    wait_until(lambda: ready(cluster, topics, 2), "leaders for all", PATIENCE_S)
    whole = time.monotonic()
    print(
        f"controller killed: another after {elected - began:.1f} s, session timeout {SESSION_MS / 1000:.0f} s"
    )
    print(
        f"... ready {served - elected:.1f} s later, all have a leader {whole - elected:.1f} s later",
        flush=True,
    )


def rejoin(cluster: Cluster, topics: list[str]) -> None:
    (dead,) = [broker for broker in cluster.brokers if not broker.running]
    began = time.monotonic()
    dead.launch()
    wait_until(lambda: f"[KafkaServer id={dead.id}] started" in dead.output, "it to start", PATIENCE_S)
    started = time.monotonic()
    wait_until(lambda: ready(cluster, topics, 3), "all in sync", PATIENCE_S)
    print(
        f"started again in {started - began:.1f} s, in sync {time.monotonic() - started:.1f} s later",
        flush=True,
    )
    report(cluster, "in the end")


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    with tempfile.TemporaryDirectory() as directory:
        measure(Path(directory), int(sys.argv[1]))


if __name__ == "__main__":
    main()
