# SPDX-License-Identifier: Apache-2.0
"""Clusters whose brokers are Apache Kafka's or this one's, each over the same directory, port and
server.properties.

That a broker's process may be exchanged for the other's while its directory stays is the promise that these
tests are about, so here it is one call: ``broker.become(JVM)`` while it is stopped.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from kazoo.exceptions import NoNodeError

from tests import kafka_jars
from tests.end_to_end.cluster import BrokerProcess, Cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess

JVM = "jvm"
PYTHON = "python"
BROKER_HEAP_MB = 400
LOG4J = Path(__file__).with_name("log4j.properties")


class EitherBroker(BrokerProcess):
    """A broker that is one or the other, each time it is started."""

    def __init__(
        self, kind: str, directory: Path, broker_id: int, zookeeper_connect: str, settings: dict[str, str]
    ) -> None:
        super().__init__(directory, broker_id, zookeeper_connect, settings)
        self.kind = kind

    def become(self, kind: str) -> None:
        assert not self.running
        self.kind = kind

    def _command(self) -> list[str]:
        if self.kind == PYTHON:
            return super()._command()
        options = (f"-Dlog4j.configuration=file:{LOG4J}",)
        return [*kafka_jars.java(BROKER_HEAP_MB, options=options), "kafka.Kafka"]


class MixedCluster(Cluster):
    """One broker per kind, with ids from 0 in that order."""

    brokers: list[EitherBroker]  # type: ignore[assignment]

    def __init__(
        self, directory: Path, zookeeper: ZooKeeperProcess, kinds: Sequence[str], settings: dict[str, str]
    ) -> None:
        super().__init__(directory, zookeeper, 0)
        replicas = str(min(len(kinds), 2))
        defaults = {
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": "1",
            "num.network.threads": "2",
            "num.io.threads": "2",
            "background.threads": "2",
            "log.cleaner.dedupe.buffer.size": "8000000",
        }
        self.brokers = [
            EitherBroker(kind, directory, number, self.connect_string, {**defaults, **settings})
            for number, kind in enumerate(kinds)
        ]

    def of_kind(self, kind: str) -> EitherBroker:
        return next(broker for broker in self.brokers if broker.kind == kind)

    def make_controller(self, broker: EitherBroker) -> None:
        """Have the controller elected anew while the brokers that should not win stand still."""
        while self.controller() is not broker:
            others = [other for other in self.brokers if other is not broker and other.running]
            for other in others:
                other.pause()
            try:
                with contextlib.suppress(NoNodeError):
                    self.znodes.delete("/controller")
                wait_until(self.controller, "a controller")
            finally:
                for other in others:
                    other.resume()

    def wait_session_ended(self, broker: EitherBroker) -> None:
        """A JVM broker does not wait for the session of its killed predecessor: it ends with NodeExists."""
        path = f"/brokers/ids/{broker.id}"
        wait_until(lambda: self.znodes.exists(path) is None, f"the session of broker {broker.id} to end")

    def same_logs(self, topic: str, partitions: int = 1) -> None:
        """Wait until every replica of the topic holds the same bytes, and some."""
        for partition in range(partitions):
            replicas = self.document(f"/brokers/topics/{topic}")["partitions"][str(partition)]
            brokers = [broker for broker in self.brokers if broker.id in replicas]
            wait_until(
                lambda brokers=brokers, partition=partition: (
                    len({broker.log_bytes(topic, partition) for broker in brokers}) == 1
                    and brokers[0].log_bytes(topic, partition)
                ),
                f"all replicas of {topic}-{partition} to hold the same bytes",
            )


@contextlib.contextmanager
def mixed_cluster(
    directory: Path, zookeeper: ZooKeeperProcess, kinds: Sequence[str], **settings: str
) -> Iterator[MixedCluster]:
    """A started cluster; settings are named with "_" for ".". Its processes end with the block, and tell what
    they logged when a test failed."""
    named = {name.replace("_", "."): value for name, value in settings.items()}
    cluster = MixedCluster(directory, zookeeper, kinds, named)
    try:
        cluster.start()
        yield cluster
    except BaseException:
        for broker in cluster.brokers:
            print(f"--- broker {broker.id} ({broker.kind}):\n{broker.output[-8000:]}", file=sys.stderr)
        raise
    finally:
        cluster.close()
