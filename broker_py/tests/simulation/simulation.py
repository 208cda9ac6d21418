# SPDX-License-Identifier: Apache-2.0
"""One simulated run: a cluster, its clients and its faults from beginning to end, all by one seed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from commitlog.storage.log import Log
from tests.simulation.administration import Administrator, create_topic
from tests.simulation.checker import Checker, Violation
from tests.simulation.cluster import Cluster
from tests.simulation.groups import Committer, Coordinator, GroupRecord, Member, commit_first
from tests.simulation.loop import START_S, SimulatedLoop, SimulationStuck, simulate
from tests.simulation.schedule import Schedule
from tests.simulation.transactions import (
    CommittedReader,
    Ledger,
    TransactionalProducer,
    check_transactions,
    visible,
)
from tests.simulation.workload import ACKS_ALL, KNOWN_LATER, Client, Consumer, History, Producer

TOPIC = "orders"
PARTITIONS = 2
REPLICAS = 3
FAULTS_S = 25.0
RECOVERY_S = 60.0

Reader = Consumer | CommittedReader | Committer | Member


@dataclass(slots=True)
class Outcome:
    """What a run came to. `digest` covers every byte on every line and every write to ZooKeeper."""

    seed: int
    violation: str | None
    digest: str
    trace: list[str]
    acknowledged: int = 0
    simulated_s: float = 0.0


class Simulation:
    """The parts of one run, in its order."""

    def __init__(self, loop: SimulatedLoop) -> None:
        rng = random.Random(f"simulation {loop.seed}")
        self.cluster = Cluster(loop, rng.choice((3, 3, 4)))
        self.history = History(TOPIC, PARTITIONS)
        self.checker = Checker(self.cluster, self.history)
        self.history.on_acknowledged = self.checker.acknowledged
        self._clients: list[Client] = []
        self._writers: list[Client] = []
        self._producers: list[Producer] = []
        self._readers: list[Reader] = []
        self._committer = Committer(self._coordinator("committer", "without-members"))
        self._group = GroupRecord()
        self._members = [
            Member(self._coordinator(f"member-{number}", "sharing"), self._group) for number in range(2)
        ]
        admin = self._new_client("admin")
        self._admin = admin
        self._administrator = Administrator(admin, list(self.cluster.brokers), PARTITIONS, REPLICAS)
        self._administered = rng.randrange(2) == 0
        self._ledger = Ledger()
        self._transactional = [
            TransactionalProducer(self._new_client(f"transactional-{number}"), self.history, self._ledger)
            for number in range(2)
        ]
        self._committed_readers = [
            CommittedReader(self._new_client(f"committed-reader-{partition}"), partition, self._ledger)
            for partition in range(PARTITIONS)
        ]
        self._consumers: list[Consumer] = []

    def _new_client(self, name: str) -> Client:
        client = Client(self.cluster, name, TOPIC)
        self._clients.append(client)
        return client

    def _coordinator(self, client: str, group: str) -> Coordinator:
        return Coordinator(self._new_client(client), group, PARTITIONS)

    async def run(self) -> None:
        """Raises Violation."""
        work = asyncio.ensure_future(self._run())
        watch = asyncio.ensure_future(self.checker.watch())
        done, pending = await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()

    async def _run(self) -> None:
        await self.cluster.start()
        await self._admin.host.spawn(create_topic(self._admin, TOPIC, PARTITIONS, REPLICAS))
        first = self._members[0].coordinator
        await first.client.host.spawn(commit_first(first))
        self._start_clients()
        hosts = [client.host for client in self._clients]
        await Schedule(self.cluster, hosts).run(FAULTS_S)
        self.cluster.trace.note("no more faults")
        await self._settle()
        self.checker.check_promises()
        shown = {
            partition: visible(self.checker.committed(TOPIC, partition), f"{TOPIC}-{partition}")
            for partition in range(PARTITIONS)
        }
        readers = [*self._committed_readers, *(one for many in self._transactional for one in many.readers)]
        check_transactions(self._ledger.transactions, shown, readers)
        self._ledger.check_cycles()
        for consumer in self._consumers:
            self.checker.check_reading(consumer.partition, consumer.offsets, consumer.position)
        self._committer.commits.check(await self._committed_offsets())

    def _start_clients(self) -> None:
        for partition in range(PARTITIONS):
            writer = self._new_client(f"writer-{partition}")
            self._write(writer, Producer(writer, "idempotent", self.history, partition))
            self._write(writer, Producer(writer, "acks-1", self.history, partition, acks=1, idempotent=False))
            reader = self._new_client(f"reader-{partition}")
            consumer = Consumer(reader, self.checker, partition, list(self.cluster.brokers))
            self._consumers.append(consumer)
            self._read(reader, consumer)
        other = self._new_client("other-writer")
        self._write(other, Producer(other, "acks-all", self.history, 0, acks=ACKS_ALL, idempotent=False))
        self._read(self._committer.coordinator.client, self._committer)
        for member in self._members:
            self._read(member.coordinator.client, member)
        for transactional in self._transactional:
            self._writers.append(transactional.client)
            transactional.client.start(transactional.run())
        for committed_reader in self._committed_readers:
            self._read(committed_reader.client, committed_reader)
        if self._administered:
            self._admin.start(self._administrator.run())
        self._writers.append(self._admin)

    def _write(self, client: Client, producer: Producer) -> None:
        self._writers.append(client)
        self._producers.append(producer)
        client.start(producer.run())

    def _read(self, client: Client, reader: Reader) -> None:
        self._readers.append(reader)
        client.start(reader.run())

    async def _settle(self) -> None:
        """Clients finish what they have begun, and all replicas come into sync again."""
        loop = self.cluster.loop
        deadline = loop.time() + RECOVERY_S
        self._committer.stopping = self._administrator.stopping = True
        for producer in (*self._producers, *self._transactional):
            producer.stopping = True
        while not (self._settled() and self.checker.recovered()):
            if loop.time() > deadline:
                busy = [client.host.name for client in self._writers if not client.idle]
                groups = [(member.generation, member.assigned) for member in self._members]
                why = self.checker.why_not_recovered()
                raise Violation(
                    f"not recovered after {RECOVERY_S:.0f} s; busy: {busy}, group: {groups}\n{why}"
                )
            await asyncio.sleep(0.1)
        for reader in self._readers:
            reader.stopping = True
        while not all(client.idle for client in self._clients):  # noqa: ASYNC110 - they set no event
            await asyncio.sleep(0.1)

    def _settled(self) -> bool:
        """Writers have nothing left to do, and the group shares out all partitions in one generation."""
        if self._group.violations:
            raise Violation(self._group.violations[0])
        shares = sorted(partition for member in self._members for partition in member.assigned)
        generations = {member.generation for member in self._members}
        return (
            all(client.idle for client in self._writers)
            and shares == list(range(PARTITIONS))
            and len(generations) == 1
        )

    async def _committed_offsets(self) -> dict[int, int]:
        deadline = self.cluster.loop.time() + RECOVERY_S
        coordinator = self._committer.coordinator
        while True:
            try:
                return await coordinator.client.host.spawn(coordinator.fetch_offsets())
            except KNOWN_LATER as error:
                if self.cluster.loop.time() > deadline:
                    raise Violation(f"the group's offsets cannot be had: {error!r}") from error
                await asyncio.sleep(0.2)


def run_seed(seed: int) -> Outcome:
    """Run one seed in a world of its own."""
    simulations: list[Simulation] = []
    _collect_garbage()

    async def main(loop: SimulatedLoop) -> None:
        simulation = Simulation(loop)
        simulations.append(simulation)
        with _observed(simulation):
            try:
                await simulation.run()
            finally:
                simulation.cluster.trace.close()

    violation = None
    try:
        simulate(main, seed)
    except (Violation, SimulationStuck) as error:
        violation = str(error)
    except Exception:
        violation = f"the simulation failed\n{traceback.format_exc()}"
    simulation = simulations[0]
    trace = simulation.cluster.trace
    acknowledged = sum(len(values) for values in simulation.history.promised.values())
    simulated_s = simulation.cluster.loop.time() - START_S
    return Outcome(seed, violation, trace.digest(), trace.lines, acknowledged, simulated_s)


def _collect_garbage() -> None:
    """What an earlier run left half done goes now: in the midst of this one it would count as its work."""
    threshold = logging.root.manager.disable
    logging.disable()
    gc.collect()
    logging.disable(threshold)


@contextlib.contextmanager
def _observed(simulation: Simulation) -> Iterator[None]:
    """What no door shows: truncations, and errors that are logged with a traceback."""
    log = logging.getLogger("commitlog")
    crashes = simulation.cluster.crashes
    truncate_to = Log.truncate_to

    def observed(self: Log, offset: int) -> bool:
        simulation.checker.truncating(self, offset)
        return truncate_to(self, offset)

    log.addHandler(crashes)
    Log.truncate_to = observed  # type: ignore[method-assign]
    try:
        yield
    finally:
        Log.truncate_to = truncate_to  # type: ignore[method-assign]
        log.removeHandler(crashes)
