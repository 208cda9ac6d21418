# SPDX-License-Identifier: Apache-2.0
"""One simulated run: a cluster, its clients and its faults from beginning to end, all by one seed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from commitlog.storage.log import Log
from tests.simulation.checker import Checker, Violation
from tests.simulation.cluster import Cluster
from tests.simulation.loop import SimulatedLoop, SimulationStuck, simulate
from tests.simulation.schedule import Schedule
from tests.simulation.workload import ACKS_ALL, Client, Committer, Consumer, History, Producer, create_topic

TOPIC = "orders"
PARTITIONS = 2
FAULTS_S = 25.0
RECOVERY_S = 60.0


@dataclass(slots=True)
class Outcome:
    """What a run came to. `digest` covers every byte on every line and every write to ZooKeeper."""

    seed: int
    violation: str | None
    digest: str
    trace: list[str]
    acknowledged: int = 0


class Simulation:
    """The parts of one run, in its order."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.cluster = Cluster(loop)
        self.history = History(TOPIC, PARTITIONS)
        self.checker = Checker(self.cluster, self.history)
        self.history.on_acknowledged = self.checker.acknowledged
        self._client = Client(self.cluster, "admin", TOPIC)
        self._clients = [self._client]
        self._producers: list[Producer] = []
        self._consumers: list[Consumer] = []
        self._committer = Committer(self._new_client("committer"), self.history)

    def _new_client(self, name: str) -> Client:
        client = Client(self.cluster, name, TOPIC)
        self._clients.append(client)
        return client

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
        await self._client.host.spawn(create_topic(self._client, PARTITIONS, len(self.cluster.brokers)))
        self._start_clients()
        hosts = [client.host for client in self._clients]
        await Schedule(self.cluster, hosts).run(FAULTS_S)
        self.cluster.trace.note("no more faults")
        await self._settle()
        self.checker.check_promises()
        self.checker.check_committed_offsets(await self._committed_offsets())

    def _start_clients(self) -> None:
        replicas = list(self.cluster.brokers)
        for partition in range(PARTITIONS):
            client = self._new_client(f"writer-{partition}")
            self._producers += [
                Producer(client, "idempotent", self.history, partition),
                Producer(client, "acks-1", self.history, partition, acks=1, idempotent=False),
            ]
            consumer = self._new_client(f"reader-{partition}")
            self._consumers.append(Consumer(consumer, self.checker, partition, replicas))
            for producer in self._producers[-2:]:
                client.start(producer.run())
            consumer.start(self._consumers[-1].run())
        other = self._new_client("other-writer")
        self._producers.append(Producer(other, "acks-all", self.history, 0, acks=ACKS_ALL, idempotent=False))
        other.start(self._producers[-1].run())
        self._clients[1].start(self._committer.run())

    async def _settle(self) -> None:
        """Clients finish what they have begun, and all replicas come into sync again."""
        loop = self.cluster.loop
        deadline = loop.time() + RECOVERY_S
        self._committer.stopping = True
        for producer in self._producers:
            producer.stopping = True
        writers = [client for client in self._clients if "writer" in client.host.name]
        while not (all(client.idle for client in writers) and self.checker.recovered()):
            if loop.time() > deadline:
                busy = [client.host.name for client in writers if not client.idle]
                why = self.checker.why_not_recovered()
                raise Violation(f"not recovered after {RECOVERY_S:.0f} s; busy: {busy}\n{why}")
            await asyncio.sleep(0.1)
        for consumer in self._consumers:
            consumer.stopping = True
        while not all(client.idle for client in self._clients):  # noqa: ASYNC110 - they set no event
            await asyncio.sleep(0.1)

    async def _committed_offsets(self) -> dict[int, int]:
        deadline = self.cluster.loop.time() + RECOVERY_S
        while True:
            try:
                return await self._clients[1].host.spawn(self._committer.fetch_offsets())
            except Exception as error:
                if self.cluster.loop.time() > deadline:
                    raise Violation(f"the group's offsets cannot be had: {error!r}") from error
                await asyncio.sleep(0.2)


def run_seed(seed: int) -> Outcome:
    """Run one seed in a world of its own."""
    simulations: list[Simulation] = []

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
    return Outcome(seed, violation, trace.digest(), trace.lines, acknowledged)


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
