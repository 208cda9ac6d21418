# SPDX-License-Identifier: Apache-2.0
"""Faults by a seed, within what Kafka promises to survive.

Kafka acknowledges what is in the memory of all in-sync replicas. So processes may die at any moment, all at
once too: their pages stay with the kernel. A loss of power, which takes what was not synced, is survived as
long as another in-sync replica keeps its data and takes over; in ZooKeeper mode nobody would notice that a
replica came back with less while it is still in the ISR (KIP-966 tells of that). So the plug is pulled only
when nothing else is wrong and every ISR has another member, nothing else happens until the controller has
taken the broker out of every ISR, and only then it may start again.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from commitlog.coordination import paths
from commitlog.coordination.client import NoNode
from commitlog.coordination.documents import ControllerDocument
from tests.simulation.checker import Violation
from tests.simulation.disk import TOTAL_BYTES
from tests.simulation.network import LIFE

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster, SimulatedBroker
    from tests.simulation.network import Host, Life

PATIENCE_S = 30
ARMED_S = 5
CLOCK_JUMPS_MS = (40, 2_500, 20_000, 900_000)

Fault = Callable[[], Coroutine[None, None, None]]


class Schedule:
    """Runs faults, several at a time, until told to stop; then everything is repaired."""

    def __init__(self, cluster: Cluster, clients: list[Host]) -> None:
        self._cluster = cluster
        self._clients = clients
        self._network = cluster.loop.network
        self._rng = random.Random(f"schedule {cluster.loop.seed}")
        self._under_way: set[asyncio.Task[None]] = set()
        self._exclusive = False
        self._suspects: set[int] = set()
        """Brokers that something is being done to: nothing more is, until it is over."""
        faults: list[tuple[int, Fault]] = [
            (6, self._kill),
            (3, self._power_off),
            (4, self._ambush),
            (3, self._stop),
            (4, self._pause),
            (5, self._cut_line),
            (3, self._isolate),
            (3, self._lose_zookeeper),
            (2, self._expire_session),
            (3, self._break_connections),
            (3, self._slow_down),
            (1, self._kill_everything),
            (1, self._zookeeper_away),
            (2, self._depose_controller),
            (5, self._depose_the_busy),
            (3, self._lag),
            (2, self._disk_fails),
            (5, self._die_at_a_step),
            (5, self._die_within),
            (3, self._jump_clock),
        ]
        # Swarm testing: each seed leaves some kinds of faults out, so that others come in longer rows.
        kept = [fault for fault in faults if self._rng.randrange(3)]
        self._faults = kept or faults
        self._most = self._rng.randint(1, 3)
        self._pace_s = self._rng.choice((0.3, 1.0, 2.5))

    async def run(self, seconds: float) -> None:
        """Make faults for so long, then end them."""
        loop = self._cluster.loop
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(self._rng.expovariate(1 / self._pace_s))
            if self._exclusive or len(self._under_way) >= self._most:
                continue
            (fault,) = self._rng.choices(
                [fault for _, fault in self._faults], [weight for weight, _ in self._faults]
            )
            task = loop.create_task(fault())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if self._under_way:
            await asyncio.gather(*self._under_way)
        self._network.heal()

    # -- helpers

    def _note(self, text: str) -> None:
        self._cluster.trace.note(text)

    async def _wait(self, low: float, high: float) -> None:
        await asyncio.sleep(self._rng.uniform(low, high))

    def _victim(self) -> SimulatedBroker | None:
        """A broker that nothing is done to; rather one that matters."""
        brokers = self._cluster.brokers
        free = [one for one in brokers.values() if one.running and one.id not in self._suspects]
        if not free:
            return None
        chosen = None
        kind = self._rng.randrange(3)
        if kind == 0:
            chosen = self._controller()
        elif kind == 1:
            states = self._cluster.partition_states()
            chosen = states[self._rng.choice(sorted(states))].leader if states else None
        if chosen is not None and any(one.id == chosen for one in free):
            return brokers[chosen]
        return self._rng.choice(free)

    def _controller(self) -> int | None:
        try:
            data, _ = self._cluster.ensemble.tree.get(paths.CONTROLLER)
        except NoNode:
            return None
        return ControllerDocument.decode(data).broker_id

    # -- processes

    async def _kill(self) -> None:
        broker = self._victim()
        if broker is None:
            return
        self._suspects.add(broker.id)
        self._note(f"kill {broker}")
        broker.kill()
        await self._wait(0.1, 6)
        self._boot(broker)

    async def _ambush(self) -> None:
        """Kill a new leader, or who led before, just when leadership changes."""
        states = self._cluster.partition_states
        before = {key: state.leader for key, state in states().items()}
        deadline = self._cluster.loop.time() + 5
        changed: list[tuple[int, int]] = []
        while not changed:
            if self._cluster.loop.time() > deadline:
                return
            await asyncio.sleep(0.003)
            changed = [
                (before[key], state.leader)
                for key, state in states().items()
                if key in before and state.leader not in (before[key], -1)
            ]
        chosen = self._rng.choice(self._rng.choice(changed))
        await self._wait(0, 0.03)
        broker = self._cluster.brokers.get(chosen)
        if broker is None or not broker.running or broker.id in self._suspects or self._exclusive:
            return
        self._suspects.add(broker.id)
        self._note(f"kill {broker} while leadership changes")
        broker.kill()
        await self._wait(0.1, 4)
        self._boot(broker)

    async def _die_at_a_step(self) -> None:
        """kill -9 between any two steps of its tasks and callbacks: at any await."""
        broker = self._victim()
        if broker is None:
            return
        self._suspects.add(broker.id)
        life, steps = broker.host.life, round(10 ** self._rng.uniform(0, 3.5))

        def end() -> None:
            if life.alive and not life.paused:
                self._note(f"kill {broker} after {steps} steps")
                broker.kill()

        broker.end_after(steps, end)
        await self._until_dead(life)
        await self._wait(0.1, 4)
        self._boot(broker)

    async def _die_within(self) -> None:
        """kill -9 between any two system calls on its disk, within what the broker does in one step."""
        broker = self._victim()
        if broker is None:
            return
        self._suspects.add(broker.id)
        changes = round(10 ** self._rng.uniform(0, 2))

        def end() -> bool:
            self._note(f"kill {broker} within change {changes} of its disk")
            broker.kill()
            return True

        broker.end_within(changes, end)
        await self._until_dead(broker.host.life)
        broker.disk.fault = None
        await self._wait(0.1, 4)
        self._boot(broker)

    async def _until_dead(self, life: Life) -> None:
        deadline = self._cluster.loop.time() + ARMED_S
        while life.alive and self._cluster.loop.time() < deadline:  # noqa: ASYNC110 - the dead set no event
            await asyncio.sleep(0.05)
        life.end_after(0, lambda: None)

    def _boot(self, broker: SimulatedBroker) -> None:
        if not broker.running:  # else its supervisor was quicker
            self._note(f"boot {broker}")
            broker.boot()
        self._suspects.discard(broker.id)

    async def _kill_everything(self) -> None:
        if self._suspects:
            return
        brokers = list(self._cluster.brokers.values())
        self._note("kill all brokers")
        for broker in brokers:
            self._suspects.add(broker.id)
            broker.kill()
        self._rng.shuffle(brokers)
        for broker in brokers:
            await self._wait(0.1, 4)
            self._boot(broker)

    async def _stop(self) -> None:
        broker = self._victim()
        if broker is None:
            return
        self._suspects.add(broker.id)
        self._note(f"stop {broker}")
        await broker.stop()
        self._note(f"{broker} has stopped")
        await self._wait(0.1, 4)
        self._boot(broker)

    async def _pause(self) -> None:
        broker = self._victim()
        if broker is None:
            return
        self._suspects.add(broker.id)
        self._note(f"pause {broker}")
        broker.pause()
        await self._wait(0.2, 6)
        self._note(f"resume {broker}")
        broker.resume()
        self._suspects.discard(broker.id)

    async def _power_off(self) -> None:
        if len(self._under_way) > 1 or self._suspects:
            return
        broker = self._victim()
        if broker is None or not self._can_lose(broker.id):
            return
        self._exclusive = True
        self._suspects.add(broker.id)
        if self._rng.randrange(2):
            changes, life = round(10 ** self._rng.uniform(0, 2)), broker.host.life
            broker.end_within(changes, lambda: self._can_lose(broker.id) and self._pull_the_plug(broker))
            await self._until_dead(life)
            broker.disk.fault = None
            if broker.host.powered:
                self._exclusive = False
                self._boot(broker)
                return
        else:
            self._pull_the_plug(broker)
        deadline = self._cluster.loop.time() + PATIENCE_S
        while any(broker.id in isr for isr in self._isrs()):
            if self._cluster.loop.time() > deadline:
                raise Violation(f"{broker} is dead for {PATIENCE_S} s, but still in an ISR")
            await asyncio.sleep(0.1)
        self._exclusive = False
        await self._wait(0.1, 4)
        self._boot(broker)

    def _pull_the_plug(self, broker: SimulatedBroker) -> bool:
        self._note(f"power off {broker}, {broker.disk.unsynced_bytes} bytes unsynced")
        broker.power_off()
        return True

    def _can_lose(self, broker_id: int) -> bool:
        """Every ISR has another member, and all is well with the others."""
        brokers = self._cluster.brokers.values()
        if not all(one.serving for one in brokers) or len(self._cluster.registered()) < len(brokers):
            return False
        return all(isr - {broker_id} for isr in self._isrs())

    def _isrs(self) -> list[set[int]]:
        """Those that matter: of a topic that is about to be deleted, the dead stay in the ISR."""
        doomed = self._cluster.ensemble.tree.children(paths.DELETE_TOPICS)
        states = self._cluster.partition_states()
        return [set(state.isr) for (topic, _), state in states.items() if topic not in doomed]

    async def _disk_fails(self) -> None:
        """Some operations of a broker's disk fail for a while; with its only directory the broker ends."""
        broker = self._victim()
        if broker is None:
            return
        self._suspects.add(broker.id)
        operations = self._rng.choice(
            (("write",), ("fsync",), ("rename", "write_atomic"), ("write", "truncate"), ("read",), ("room",))
        )
        self._note(f"the disk of {broker} fails: {' '.join(operations)}")

        def fault(operation: str, path: str) -> None:
            if operation in operations and LIFE.get() is not None:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)

        broker.disk.fault = fault
        if "room" in operations:
            broker.disk.fill()
        await self._wait(0.01, 3)
        broker.disk.fault, broker.disk.total_bytes = None, TOTAL_BYTES
        self._note(f"the disk of {broker} works again")
        self._suspects.discard(broker.id)

    async def _jump_clock(self) -> None:
        """Its wall clock is set, forward or back, and later right again; all else may happen meanwhile."""
        broker = self._rng.choice(list(self._cluster.brokers.values()))
        by_ms = self._rng.choice(CLOCK_JUMPS_MS) * self._rng.choice((-1, 1))
        self._note(f"the clock of {broker} jumps by {by_ms} ms")
        broker.move_clock(by_ms)
        await self._wait(0.2, 8)
        self._note(f"the clock of {broker} jumps by {-by_ms} ms")
        broker.move_clock(-by_ms)

    # -- lines

    def _host(self) -> Host:
        """A broker's host, or now and then a client's."""
        if self._rng.randrange(6) == 0:
            return self._rng.choice(self._clients)
        return self._rng.choice(list(self._cluster.brokers.values())).host

    async def _cut_line(self) -> None:
        one, other = self._host(), self._host()
        if one is other:
            return
        one_way = self._rng.randrange(2) == 0
        self._note(f"cut {one} {'->' if one_way else '--'} {other}")
        self._network.cut(one, other, one_way=one_way)
        await self._wait(0.2, 8)
        self._note(f"heal {one} -- {other}")
        self._network.heal(one, other)

    async def _isolate(self) -> None:
        """Off from everything; with or without ZooKeeper."""
        broker = self._victim()
        if broker is None:
            return
        self._suspects.add(broker.id)
        from_zookeeper = self._rng.randrange(2) == 0
        self._note(f"isolate {broker}{' from ZooKeeper too' if from_zookeeper else ''}")
        self._network.isolate(broker.host)
        if from_zookeeper:
            broker.cut_from_zookeeper()
        await self._wait(0.5, 8)
        self._note(f"heal {broker}")
        self._network.heal(broker.host)
        if from_zookeeper:
            await self._wait(0, 1)
            broker.reconnect_to_zookeeper()
        self._suspects.discard(broker.id)

    async def _break_connections(self) -> None:
        one, other = self._host(), self._host()
        self._note(f"reset connections {one} -- {other}")
        self._network.break_connections(one, other)

    async def _slow_down(self) -> None:
        host = self._host()
        factor = self._rng.choice((10, 50, 200))
        self._note(f"{host} is slow by {factor}")
        self._network.slow_down(host, factor)
        await self._wait(0.5, 8)
        self._note(f"{host} is as fast as before")
        self._network.slow_down(host, 1)

    # -- ZooKeeper

    async def _lose_zookeeper(self) -> None:
        broker = self._victim()
        if broker is None:
            return
        self._suspects.add(broker.id)
        self._note(f"cut {broker} from ZooKeeper")
        broker.cut_from_zookeeper()
        await self._wait(0.1, 7)
        self._note(f"{broker} reaches ZooKeeper again")
        broker.reconnect_to_zookeeper()
        self._suspects.discard(broker.id)

    async def _expire_session(self) -> None:
        broker = self._victim()
        if broker is None or broker.coordination is None:
            return
        self._note(f"expire the session of {broker}")
        self._cluster.ensemble.expire(broker.coordination.session_id)

    async def _zookeeper_away(self) -> None:
        if self._suspects:
            return
        self._note("ZooKeeper is away")
        brokers = [broker for broker in self._cluster.brokers.values() if broker.running]
        self._suspects.update(broker.id for broker in brokers)
        self._cluster.ensemble.available = False
        for broker in brokers:
            broker.cut_from_zookeeper()
        await self._wait(0.2, 2.5)
        self._note("ZooKeeper is back")
        self._cluster.ensemble.available = True
        for broker in brokers:
            broker.reconnect_to_zookeeper()
            self._suspects.discard(broker.id)

    async def _lag(self) -> None:
        """A broker's ZooKeeper server is behind: it acts on old news."""
        broker = self._victim()
        if broker is None:
            return
        seconds = self._rng.choice((0.05, 0.3, 1.0))
        self._note(f"{broker} hears from ZooKeeper {seconds} s late")
        self._cluster.ensemble.lag(broker.host.name, seconds)
        await self._wait(0.5, 6)
        self._note(f"{broker} hears from ZooKeeper in time")
        self._cluster.ensemble.lag(broker.host.name, 0)

    async def _depose_controller(self) -> None:
        """An administrator deletes /controller to force an election; the old one learns of it later."""
        if self._controller() is not None:
            self._note("delete /controller")
            self._cluster.ensemble.delete(paths.CONTROLLER)

    async def _depose_the_busy(self) -> None:
        """Another controller is elected while the old one, which is behind, is in the midst of its work: what
        it still writes must be refused, and what it has sent arrives after its successor's requests."""
        brokers = self._cluster.brokers
        elected = self._controller()
        free = [one for one in brokers.values() if one.serving and one.id not in self._suspects]
        others = [one for one in free if one.id != elected]
        if len(others) < 2 or len(others) == len(free):
            return
        assert elected is not None
        old, bounced, deaf = brokers[elected], *self._rng.sample(others, 2)
        self._suspects.add(old.id)
        seconds = self._rng.choice((0.1, 0.2, 0.4))
        self._note(f"{old} hears from ZooKeeper {seconds} s late; cut {old} -> {deaf}")
        self._cluster.ensemble.lag(old.host.name, seconds)
        self._network.cut(old.host, deaf.host, one_way=True)
        if bounced.coordination is not None:
            self._note(f"expire the session of {bounced}")
            self._cluster.ensemble.expire(bounced.coordination.session_id)
        await self._wait(seconds, 5 * seconds)
        await self._depose_controller()
        await self._wait(0.1, 0.9)
        self._note(f"{old} hears from ZooKeeper in time; heal {old} -> {deaf}")
        self._network.heal(old.host, deaf.host)
        await self._wait(0, seconds)
        self._cluster.ensemble.lag(old.host.name, 0)
        self._suspects.discard(old.id)
