# SPDX-License-Identifier: Apache-2.0
"""Whatever happens, in any order: one writer at a time, leaders in sync, epochs that only grow.

A seed chooses the events; a failing one can be run alone with ``-k "seed_<n>"``.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from commitlog.controller.context import TopicPartition
from commitlog.coordination import paths
from commitlog.coordination.client import CoordinationError
from commitlog.coordination.documents import PartitionState
from commitlog.wire.errors import KafkaError
from tests.controller.cluster import Cluster, Node
from tests.groups.virtual_loop import in_virtual_time

BROKERS = (1, 2, 3, 4)
STEPS = 60


class Watcher:
    """Looks at every commit to the tree and holds it against what may never happen."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._newest: dict[tuple[str, int], PartitionState] = {}
        self._controller_epoch = 0

    def forget(self, topic: str) -> None:
        self._newest = {name: state for name, state in self._newest.items() if name[0] != topic}

    async def look(self) -> None:
        epoch = await self._cluster.controller_epoch()
        assert epoch >= self._controller_epoch
        self._controller_epoch = epoch
        in_office = [
            node
            for node in self._cluster.nodes.values()
            if node.controller.is_active and node.controller.controller_epoch == epoch
        ]
        assert len(in_office) <= 1, "two controllers of one epoch"
        for topic in await self._cluster.tool.children(paths.BROKER_TOPICS):
            await self._look_at_topic(topic)

    async def _look_at_topic(self, topic: str) -> None:
        try:
            numbers = await self._cluster.tool.children(paths.topic_partitions(topic))
            for number in numbers:
                state = await self._cluster.state(topic, int(number))
                self._check(topic, int(number), state, await self._cluster.controller_epoch())
        except CoordinationError:
            return  # being created or deleted

    def _check(self, topic: str, partition: int, state: PartitionState, epoch: int) -> None:
        what = f"{topic}-{partition} {state}"
        assert state.isr, what
        assert state.leader == -1 or state.leader in state.isr, what
        assert state.controller_epoch <= epoch, what
        known = self._newest.get((topic, partition))
        if known is not None:
            assert state.leader_epoch >= known.leader_epoch, f"{what} after {known}"
            if state.leader_epoch == known.leader_epoch:
                assert state.leader == known.leader, f"{what} after {known}"
        self._newest[topic, partition] = state


class Mischief:
    """The events that a seed chooses from."""

    def __init__(self, cluster: Cluster, watcher: Watcher, rng: random.Random) -> None:
        self._cluster = cluster
        self._watcher = watcher
        self._rng = rng
        self._made = 0
        self._cut: set[int] = set()

    def _node(self, *, alive: bool) -> Node | None:
        nodes = [one for one in self._cluster.nodes.values() if one.fake.alive is alive]
        return self._rng.choice(nodes) if nodes else None

    async def step(self) -> None:
        chosen = self._rng.choice(
            (
                *(self.kill, self.restart, self.expire, self.cut, self.heal, self.create),
                *(self.delete, self.grow, self.shrink_isr, self.grow_isr, self.depose, self.move),
            )
        )
        try:
            await chosen()
        except (KafkaError, CoordinationError, TimeoutError, AssertionError) as error:
            if isinstance(error, AssertionError) and "active controllers" not in str(error):
                raise
        await asyncio.sleep(self._rng.choice((0, 0.002, 0.05, 1, 7, 25)))

    async def kill(self) -> None:
        node = self._node(alive=True)
        if node is not None and node.id not in self._cut:
            await node.stop()

    async def restart(self) -> None:
        node = self._node(alive=False)
        if node is not None:
            await self._cluster.add(node.id)

    async def expire(self) -> None:
        node = self._node(alive=True)
        if node is not None and node.id not in self._cut:
            node.expire_session()

    async def cut(self) -> None:
        node = self._node(alive=True)
        if node is not None:
            self._cut.add(node.id)
            node.coordination.disconnect()

    async def heal(self) -> None:
        for broker in sorted(self._cut):
            self._cluster.nodes[broker].coordination.reconnect()
        self._cut.clear()

    async def create(self) -> None:
        self._made += 1
        replicas = self._rng.sample(BROKERS, self._rng.randint(1, 3))
        settings = {"unclean_leader_election_enable": self._rng.choice(("true", "false"))}
        await self._cluster.create(f"t{self._made}", replicas, replicas[::-1], **settings)

    async def _topic(self) -> str:
        topics = await self._cluster.tool.children(paths.BROKER_TOPICS)
        return self._rng.choice(topics) if topics else "none"

    async def delete(self) -> None:
        await self._cluster.admin.delete_topic(await self._topic())

    async def grow(self) -> None:
        await self._cluster.admin.create_partitions(await self._topic(), self._rng.randint(2, 5))

    async def shrink_isr(self) -> None:
        topic = await self._topic()
        state = await self._cluster.state(topic)
        if state.leader > 0:
            await asyncio.wait_for(self._cluster.alter_isr(topic, (state.leader,)), 5)

    async def grow_isr(self) -> None:
        topic = await self._topic()
        state = await self._cluster.state(topic)
        document = await self._cluster.admin.assignment(topic)
        if state.leader > 0 and document is not None:
            await asyncio.wait_for(self._cluster.alter_isr(topic, document.partitions[0]), 5)

    async def depose(self) -> None:
        await self._cluster.tool.delete(paths.CONTROLLER)

    async def move(self) -> None:
        target = self._rng.sample(BROKERS, 2)
        wanted = {TopicPartition(await self._topic(), 0): target}
        controller = self._cluster.active.controller
        await asyncio.wait_for(controller.alter_partition_reassignments(wanted), 5)

    async def recover(self) -> None:
        await self.heal()
        await self._cluster.settle(30)
        for node in self._cluster.nodes.values():
            if not node.fake.alive:
                await self._cluster.add(node.id)
        await self._cluster.settle(30)
        await self._let_followers_catch_up()
        await self._cluster.settle(30)

    async def _let_followers_catch_up(self) -> None:
        """So that moves can end, and the deletions that wait for them."""
        for topic in await self._cluster.tool.children(paths.BROKER_TOPICS):
            document = await self._cluster.admin.assignment(topic)
            if document is not None and (document.adding_replicas or document.removing_replicas):
                await self._cluster.alter_isr(topic, document.partitions[0])


@pytest.mark.parametrize("seed", range(25), ids=lambda seed: f"seed_{seed}")
def test_invariants_hold(seed: int) -> None:
    @in_virtual_time
    async def run() -> None:
        rng = random.Random(seed)
        cluster = await Cluster(seed).start(*BROKERS)
        cluster.ensemble.delay = lambda client, direction: rng.choice((0, 0, 0.001, 0.01))
        watcher = Watcher(cluster)
        mischief = Mischief(cluster, watcher, rng)
        for _ in range(STEPS):
            await mischief.step()
            await watcher.look()
        await mischief.recover()
        await watcher.look()
        await everything_is_well(cluster)
        await cluster.close()

    run()


async def everything_is_well(cluster: Cluster) -> None:
    """With all brokers back there is one controller, all deletions are done, all partitions have leaders."""
    active = cluster.active
    assert active.controller.controller_epoch == await cluster.controller_epoch()
    assert await cluster.tool.children(paths.DELETE_TOPICS) == []
    topics = await cluster.tool.children(paths.BROKER_TOPICS)
    for node in cluster.nodes.values():
        # A broker that was away from ZooKeeper, but not down, may still know topics deleted meanwhile.
        assert set(node.fake.metadata.topics()) >= set(topics)
        assert node.fake.metadata.controller_id == active.id
        assert [one.id for one in node.fake.metadata.alive_brokers()] == list(BROKERS)
    for topic in topics:
        document = await cluster.admin.assignment(topic)
        assert document is not None
        for partition in document.partitions:
            state = await cluster.state(topic, partition)
            assert state.leader in state.isr, f"{topic}-{partition} {state}"
            hosted = cluster.nodes[state.leader].fake.hosted[TopicPartition(topic, partition)]
            assert (hosted.leader, hosted.leader_epoch) == (state.leader, state.leader_epoch)
