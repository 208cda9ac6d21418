# SPDX-License-Identifier: Apache-2.0
"""A cluster in one process: whole brokers on simulated disks, lines and a simulated ZooKeeper.

A broker here is what `kafka-server-start.sh` runs (`commitlog.server.broker.Broker`), with other things
behind its doors. What is done to it from outside is what can be done to a machine or a process; like systemd
on a real host, the cluster starts a broker again that has ended by itself.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import random
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from commitlog.config.broker import BrokerConfig
from commitlog.coordination import paths
from commitlog.coordination.client import CoordinationError, Delete, NoNode, Op, OpResult
from commitlog.coordination.documents import PartitionState, TopicAssignment
from commitlog.coordination.memory import MemoryEnsemble
from commitlog.coordination.memory_client import MemoryCoordination
from commitlog.server.broker import Broker
from commitlog.server.errors import StartupError
from tests.simulation.disk import CHANGES, Died, SimulatedDisk
from tests.simulation.network import LIFE, Host
from tests.simulation.transport import Signal

if TYPE_CHECKING:
    from commitlog.replication.replica_manager import ReplicaManager
    from commitlog.storage.log import Log
    from tests.simulation.loop import SimulatedLoop

PORT = 9092
LOG_DIR = "/data"
SESSION_TIMEOUT_MS = 3_000
RESTART_PAUSE_S = 1.0
CLOCK_SKEW_MS = 200

SETTINGS: Mapping[str, str] = {
    "log.dirs": LOG_DIR,
    "zookeeper.connect": "zookeeper:2181",
    "zookeeper.session.timeout.ms": str(SESSION_TIMEOUT_MS),
    "min.insync.replicas": "2",
    "default.replication.factor": "3",
    "num.partitions": "2",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.num.partitions": "2",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "group.initial.rebalance.delay.ms": "200",
    "replica.lag.time.max.ms": "3000",
    "replica.fetch.backoff.ms": "200",
    "replica.socket.timeout.ms": "3000",
    "request.timeout.ms": "3000",
    "socket.connection.setup.timeout.ms": "1000",
    "controlled.shutdown.retry.backoff.ms": "200",
    "leader.imbalance.check.interval.seconds": "4",
    "log.segment.bytes": "8192",
    "log.initial.task.delay.ms": "100",
    "replica.high.watermark.checkpoint.interval.ms": "500",
    "log.flush.offset.checkpoint.interval.ms": "2000",
    "unclean.leader.election.enable": "false",
}
"""Kafka's defaults, but impatient: what takes a minute in a data centre takes seconds here."""


class Trace:
    """Everything that happened, as a digest; and what is told to people about it."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.lines: list[str] = []
        self._loop = loop
        self._digest = hashlib.blake2b(digest_size=16)
        self._closed = False

    def note(self, text: str) -> None:
        """An event that people should read about when a simulation fails."""
        line = f"{self._loop.time() - 1000:9.3f} {text}"
        self.lines.append(line)
        self._digest.update(line.encode())

    def arrived(self, source: Host, target: Host, segments: Sequence[bytes | Signal]) -> None:
        if self._closed:
            return
        digest = self._digest
        digest.update(f"{self._loop.time()!r}{source.name}>{target.name}".encode())
        for segment in segments:
            digest.update(segment if isinstance(segment, bytes) else segment.name.encode())

    def written(self, session_id: int, ops: Sequence[Op]) -> None:
        if not self._closed:
            self._digest.update(f"{self._loop.time()!r}{session_id}{ops}".encode())

    def close(self) -> None:
        """The run is over; how the world is torn down afterwards does not matter."""
        self._closed = True

    def digest(self) -> str:
        return self._digest.hexdigest()


WriteObserver = Callable[[int, Sequence[Op], Sequence[OpResult]], None]


class RecordingEnsemble(MemoryEnsemble):
    """Tells observers of every write that was done, and by which session."""

    def __init__(self, loop: SimulatedLoop, rng: random.Random) -> None:
        super().__init__(now_ms=loop.now_ms, delay=self._draw_delay)
        self.observers: list[WriteObserver] = []
        self._rng = rng
        self._lag_s: dict[str, float] = {}

    def lag(self, client: str, seconds: float) -> None:
        """Let a client hear everything so much later: its server is behind the others."""
        self._lag_s[client] = seconds

    def write(self, session_id: int, ops: Sequence[Op]) -> list[OpResult]:
        results = super().write(session_id, ops)
        for observe in self.observers:
            observe(session_id, ops, results)
        return results

    def delete(self, path: str) -> None:
        """As an administrator does, with a session of his own."""
        self.write(self.open_session(self.client("administrator")), [Delete(path)])

    def _draw_delay(self, client: str, direction: str) -> float:
        lag = self._lag_s.get(client, 0.0) if direction == "answer" else 0.0
        if self._rng.randrange(40) == 0:
            return lag + self._rng.uniform(0.01, 0.1)
        return lag + self._rng.uniform(0.0005, 0.004)


class SimulatedBroker:
    """A machine with a broker's disk, and the broker while it runs."""

    def __init__(self, cluster: Cluster, broker_id: int) -> None:
        self.id = broker_id
        self.host = cluster.loop.network.add_host(f"broker-{broker_id}")
        seed = cluster.loop.seed
        self.disk = SimulatedDisk(random.Random(f"disk {seed} {broker_id}"), now_ms=self.now_ms)
        self.disk.mkdir(LOG_DIR)
        self.broker: Broker | None = None
        self.coordination: MemoryCoordination | None = None
        self.serving = False
        self.wanted = False
        """Whether a supervisor would start it again."""
        self.boots = 0
        self._cluster = cluster
        self._skew_ms = random.Random(f"skew {seed} {broker_id}").randint(-CLOCK_SKEW_MS, CLOCK_SKEW_MS)
        self.host.kill()

    def __repr__(self) -> str:
        return self.host.name

    def now_ms(self) -> int:
        return self._cluster.loop.now_ms() + self._skew_ms

    def move_clock(self, by_ms: int) -> None:
        """Its wall clock jumps; its timers do not, as with a monotonic clock."""
        self._skew_ms += by_ms

    @property
    def running(self) -> bool:
        return self.host.alive

    @property
    def replicas(self) -> ReplicaManager | None:
        """Its replica manager, once it is far enough in its start."""
        return (
            self.broker.services.replicas
            if self.broker is not None and hasattr(self.broker, "services")
            else None
        )

    def log(self, topic: str, partition: int) -> Log | None:
        """Its log of a partition that it hosts."""
        hosted = None if self.replicas is None else self.replicas.hosted_partition(topic, partition)
        return None if hosted is None else hosted.log

    # -- what can be done to it

    def boot(self) -> None:
        """Start the broker's process, and the machine if need be."""
        self.boots += 1
        self.wanted = True
        self.host.boot()
        self.host.spawn(self._serve())

    def kill(self) -> None:
        """kill -9; its supervisor has been told to leave it alone."""
        self.wanted = False
        if self.running:
            self._cluster.on_death(self, False)
            self.host.kill()
            self.disk.kill()
            self._died()

    def power_off(self) -> None:
        """The plug is pulled: what was not synced is lost as far as the seed says."""
        self.wanted = False
        self._cluster.on_death(self, True)
        self.host.power_off()
        self.disk.power_off()
        self._died()

    async def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        life, broker = self.host.life, self.broker
        if broker is None or not life.alive:
            self.kill()
            return
        task = self.host.spawn(broker.stop())
        while not task.done() and life.alive:  # noqa: ASYNC110 - a dead host sets no event
            await asyncio.sleep(0.05)
        if self.host.life is life:
            self.kill()

    def pause(self) -> None:
        """The process stands still (SIGSTOP, a virtual machine that moves); ZooKeeper hears nothing of it."""
        self.host.pause()
        if self.coordination is not None and self.coordination.session_id:
            self._cluster.ensemble.detach(self.coordination.session_id, SESSION_TIMEOUT_MS)

    def resume(self) -> None:
        """It goes on, and finds out only after a while that its connection to ZooKeeper is gone."""
        life = self.host.life
        self.host.resume()

        def notice() -> None:
            if self.host.life is life and life.alive:
                self.cut_from_zookeeper()
                self.reconnect_to_zookeeper()

        self._cluster.loop.call_later(self._cluster.rng.uniform(0, 1), notice)

    def cut_from_zookeeper(self) -> None:
        if self.coordination is not None and self.running:
            self.coordination.disconnect()

    def reconnect_to_zookeeper(self) -> None:
        if self.coordination is not None and self.running:
            self.host.run(self.coordination.reconnect)

    def end_after(self, steps: int, end: Callable[[], None]) -> None:
        """Do something to it when its tasks and callbacks have gone so many steps further."""
        self.host.life.end_after(steps, end)

    def end_within(self, changes: int, end: Callable[[], bool]) -> None:
        """Do something to it just before the so-manieth change of its disk: between two system calls.

        `end` says whether the process has died of it.
        """
        left = changes
        life = self.host.life

        def fault(operation: str, path: str) -> None:
            nonlocal left
            if LIFE.get() is not life or not life.alive or operation not in CHANGES:
                return
            left -= 1
            if left == 0:
                self.disk.fault = None
                # From outside: what is set in motion by a death must not be the work of the dead.
                if self._cluster.loop.network.context.copy().run(end):
                    raise Died

        self.disk.fault = fault

    # -- inside

    async def _serve(self) -> None:
        """The process's main function."""
        cluster = self._cluster
        config = BrokerConfig.from_properties(
            {**SETTINGS, "broker.id": str(self.id), "listeners": f"PLAINTEXT://{self.host.name}:{PORT}"}
        )
        self.coordination = cluster.ensemble.client(self.host.name, session_timeout_ms=SESSION_TIMEOUT_MS)
        self.broker = broker = Broker(
            config,
            disk=self.disk,
            coordination=self.coordination,
            now_ms=self.now_ms,
            rng=random.Random(f"broker {cluster.loop.seed} {self.id} {self.boots}"),
        )
        try:
            await broker.start()
        except (StartupError, CoordinationError) as error:
            reason = str(error)
        else:
            self.serving = True
            await broker.failed.wait()
            await broker.stop()
            reason = "failed"
        cluster.outside(lambda: self._ended(reason))

    def _ended(self, reason: str) -> None:
        """The process ended by itself; its supervisor starts it again."""
        if not self.running:
            return
        self._cluster.trace.note(f"{self} ended: {reason}")
        self.kill()
        self.wanted = True
        life = self.host.life

        def start_again() -> None:
            if self.wanted and self.host.life is life:
                self.boot()

        self._cluster.loop.call_later(RESTART_PAUSE_S, start_again)

    def _died(self) -> None:
        client = self.coordination
        if client is not None and client.session_id:
            self._cluster.ensemble.detach(client.session_id, SESSION_TIMEOUT_MS)
        self.broker = self.coordination = None
        self.serving = False


class Cluster:
    """All brokers, their ZooKeeper, and what it says."""

    def __init__(self, loop: SimulatedLoop, brokers: int = 3) -> None:
        self.loop = loop
        self.rng = random.Random(f"cluster {loop.seed}")
        self.trace = Trace(loop)
        loop.network.on_arrival = self.trace.arrived
        self.ensemble = RecordingEnsemble(loop, random.Random(f"zookeeper {loop.seed}"))
        self.ensemble.observers.append(lambda session, ops, results: self.trace.written(session, ops))
        self.brokers = {broker_id: SimulatedBroker(self, broker_id) for broker_id in range(brokers)}
        self.crashes = Crashes(loop)
        self.on_death: Callable[[SimulatedBroker, bool], None] = lambda broker, lost_power: None
        """Told just before a broker dies."""
        self._states: dict[tuple[str, int], PartitionState] = {}
        self._states_at = -1

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [(broker.host.name, PORT) for broker in self.brokers.values()]

    def outside(self, callback: Callable[[], None]) -> None:
        """Do something soon that is not the work of the host that asks for it."""
        self.loop.call_soon(callback, context=self.loop.network.context.copy())

    async def start(self) -> None:
        for broker in self.brokers.values():
            broker.boot()
            await asyncio.sleep(self.rng.uniform(0, 0.5))
        async with asyncio.timeout(60):
            while not all(broker.serving for broker in self.brokers.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def partition_states(self) -> dict[tuple[str, int], PartitionState]:
        """The state of every partition, as ZooKeeper has it now."""
        tree = self.ensemble.tree
        if self._states_at == tree.zxid:
            return self._states
        self._states_at = tree.zxid
        found = self._states = {}
        if tree.stat(paths.BROKER_TOPICS) is None:
            return found
        for topic in tree.children(paths.BROKER_TOPICS):
            data, _ = tree.get(paths.topic(topic))
            for index in sorted(TopicAssignment.decode(topic, data).partitions):
                try:
                    state, _ = tree.get(paths.partition_state(topic, index))
                except NoNode:
                    continue
                found[topic, index] = PartitionState.decode(topic, index, state)
        return found

    def assignments(self) -> dict[tuple[str, int], set[int]]:
        """Who is to hold each partition, as ZooKeeper has it now; all who take part in a reassignment too."""
        found = {}
        for topic, index in self.partition_states():
            data, _ = self.ensemble.tree.get(paths.topic(topic))
            found[topic, index] = set(TopicAssignment.decode(topic, data).partitions[index])
        return found

    def registered(self) -> set[int]:
        return {int(name) for name in self.ensemble.tree.children(paths.BROKER_IDS)}


class Crashes(logging.Handler):
    """Exceptions that the code under test did not expect: it logs them with their traceback."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self._loop = loop
        loop.set_exception_handler(self._in_the_loop)

    def emit(self, record: logging.LogRecord) -> None:
        life = LIFE.get()
        if record.exc_info and (life is None or life.alive):
            where = "outside" if life is None else life.host.name
            text = logging.Formatter().formatException(record.exc_info)
            self.found.append(f"{self._loop.time() - 1000:.3f} {where} {record.getMessage()}\n{text}")

    def _in_the_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, Died) or (isinstance(error, OSError) and error.errno == errno.ESTALE):
            return  # the last words of one who died within an operation of its disk
        text = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
        self.found.append(f"{self._loop.time() - 1000:.3f} event loop: {context.get('message')}\n{text}")
