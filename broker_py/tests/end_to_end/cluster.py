# SPDX-License-Identifier: Apache-2.0
"""A ZooKeeper and brokers as real processes on loopback, to be killed, paused, stopped and started again.

Everything waits on conditions, with a deadline that is only there to end a test that has failed.
Clusters of one test session share a ZooKeeper, each under a chroot of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from commitlog.config.properties import dump
from commitlog.wire.client import BrokerConnection
from commitlog.wire.messages.metadata_request import MetadataRequest
from commitlog.wire.messages.metadata_response import MetadataResponse
from tests.real_zookeeper import ZooKeeperProcess, free_port

DEADLINE_S = 60.0
SESSION_TIMEOUT_MS = 4_000

_numbers = itertools.count()


def wait_until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """The condition's value as soon as it is true; errors of a cluster in motion count as not yet."""
    deadline = time.monotonic() + deadline_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except (OSError, NoNodeError) as error:
            last = error
        time.sleep(0.02)
    raise AssertionError(f"waited {deadline_s:.0f} s for {what}; last seen: {last!r}")


class BrokerProcess:
    """One broker with its own directory, port and server.properties; data survives stop, kill and start."""

    def __init__(
        self, directory: Path, broker_id: int, zookeeper_connect: str, settings: dict[str, str]
    ) -> None:
        self.id = broker_id
        self.port = free_port()
        self.home = directory / f"broker{broker_id}"
        self.log_dir = self.home / "data"
        self.home.mkdir(parents=True)
        self.properties = self.home / "server.properties"
        self.settings = {
            "broker.id": str(broker_id),
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": str(self.log_dir),
            "zookeeper.connect": zookeeper_connect,
            "zookeeper.session.timeout.ms": str(SESSION_TIMEOUT_MS),
            "zookeeper.connection.timeout.ms": "20000",
            "group.initial.rebalance.delay.ms": "0",
            "offsets.topic.num.partitions": "4",
            "controlled.shutdown.retry.backoff.ms": "200",
            **settings,
        }
        self._runs = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """What this run has written to standard output."""
        path = self.home / f"output{self._runs}"
        return path.read_text() if path.exists() else ""

    @property
    def errors(self) -> str:
        """What this run has written to standard error."""
        path = self.home / f"errors{self._runs}"
        return path.read_text() if path.exists() else ""

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "commitlog.cli.server_start"]

    def launch(self, *arguments: str) -> None:
        """Start the process without waiting for anything."""
        assert not self.running
        self.properties.write_text(dump(self.settings))
        self._runs += 1
        with (
            (self.home / f"output{self._runs}").open("wb") as output,
            (self.home / f"errors{self._runs}").open("wb") as errors,
        ):
            self._process = subprocess.Popen(
                [*self._command(), str(self.properties), *arguments],
                stdout=output,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "KAFKA_HOME": str(self.home)},
            )

    def start(self) -> None:
        """Start and wait until it serves."""
        self.launch()
        self.wait_started()

    def wait_started(self) -> None:
        def started() -> bool:
            if not self.running:
                raise AssertionError(f"broker {self.id} ended: {self.errors}\n{self.output[-4000:]}")
            return f"[KafkaServer id={self.id}] started" in self.output

        wait_until(started, f"broker {self.id} to start")

    def wait_ended(self) -> int:
        assert self._process is not None
        return self._process.wait(DEADLINE_S)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)

    def stop(self) -> int:
        """SIGTERM, a controlled shutdown; the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait_ended()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def log_bytes(self, topic: str, partition: int = 0) -> bytes:
        """Every byte of the partition's log on this broker's disk."""
        directory = self.log_dir / f"{topic}-{partition}"
        return b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))


class Cluster:
    """Brokers that share a chroot, and a look into their ZooKeeper."""

    def __init__(
        self,
        directory: Path,
        zookeeper: ZooKeeperProcess,
        brokers: int,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.zookeeper = zookeeper
        self.connect_string = f"{zookeeper.connect_string}/cluster{next(_numbers)}"
        defaults = {"offsets.topic.replication.factor": str(min(brokers, 2))}
        self.brokers = [
            BrokerProcess(directory, broker_id, self.connect_string, {**defaults, **(settings or {})})
            for broker_id in range(brokers)
        ]
        self.znodes = KazooClient(self.connect_string)

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.address for broker in self.brokers)

    def start(self) -> None:
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait_started()
        self.znodes.start()
        for broker in self.brokers:
            wait_until(
                lambda broker=broker: self.is_known_to(broker), f"broker {broker.id} to know the cluster"
            )

    def is_known_to(self, broker: BrokerProcess) -> bool:
        """Whether the broker's metadata have every broker and a controller. Clients that ask before
        that are told of none, as by Kafka, and some ask again only minutes later."""

        async def ask() -> MetadataResponse:
            connection = await BrokerConnection.open("127.0.0.1", broker.port, "test")
            try:
                return await connection.send(MetadataRequest(topics=[]), 12)
            finally:
                connection.close()

        found = asyncio.run(ask())
        return found.controller_id >= 0 and len(found.brokers) == len(self.brokers)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.znodes.stop()
            self.znodes.close()
        for broker in self.brokers:
            if broker.running:
                broker.resume()
                broker.kill()

    # What ZooKeeper says

    def document(self, path: str) -> dict[str, Any]:
        data, _ = self.znodes.get(path)
        found = json.loads(data)
        assert isinstance(found, dict)
        return found

    def controller(self) -> BrokerProcess:
        broker_id = self.document("/controller")["brokerid"]
        return next(broker for broker in self.brokers if broker.id == broker_id)

    def state(self, topic: str, partition: int = 0) -> dict[str, Any]:
        return self.document(f"/brokers/topics/{topic}/partitions/{partition}/state")

    def leader(self, topic: str, partition: int = 0) -> BrokerProcess:
        """The partition's leader, once it has one."""

        def elected() -> list[BrokerProcess]:
            leader = self.state(topic, partition)["leader"]
            return [broker for broker in self.brokers if broker.id == leader]

        found: list[BrokerProcess] = wait_until(elected, f"a leader of {topic}-{partition}")
        return found[0]

    def wait_isr(self, topic: str, isr: set[int], partition: int = 0) -> None:
        wait_until(lambda: set(self.state(topic, partition)["isr"]) == isr, f"the ISR of {topic} to be {isr}")

    def wait_new_leader(self, topic: str, old: BrokerProcess, partition: int = 0) -> BrokerProcess:
        wait_until(
            lambda: self.state(topic, partition)["leader"] not in (old.id, -1),
            f"{topic}-{partition} to be led by another than {old.id}",
        )
        return self.leader(topic, partition)

    def others(self, *brokers: BrokerProcess) -> list[BrokerProcess]:
        return [broker for broker in self.brokers if broker not in brokers]


@contextlib.contextmanager
def running_cluster(
    directory: Path, zookeeper: ZooKeeperProcess, brokers: int, settings: dict[str, str] | None = None
) -> Iterator[Cluster]:
    """A started cluster; its processes end with the block, and tell what they logged when a test failed."""
    cluster = Cluster(directory, zookeeper, brokers, settings)
    try:
        cluster.start()
        yield cluster
    except BaseException:
        for broker in cluster.brokers:
            print(f"--- broker {broker.id}:\n{broker.output[-6000:]}")
        raise
    finally:
        cluster.close()
