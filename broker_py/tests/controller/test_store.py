# SPDX-License-Identifier: Apache-2.0
"""Bulk reads and writes: each partition's own outcome, and lost replies."""

from __future__ import annotations

from collections.abc import Sequence

from commitlog.controller.context import LeaderAndIsr, TopicPartition
from commitlog.controller.fencing import Fence
from commitlog.controller.store import ControllerStore
from commitlog.coordination import paths
from commitlog.coordination.client import ConnectionLoss, Create, NoNode, Op, OpResult, ensure_path
from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
from tests.groups.virtual_loop import in_virtual_time

T0, T1, T2 = (TopicPartition("t", number) for number in range(3))
STATE = LeaderAndIsr(1, 0, (1, 2), controller_epoch=1)


class LosesOneReply:
    """The reply to the first multi that touches ``path`` is lost."""

    def __init__(self, inner: MemoryCoordination, path: str) -> None:
        self._inner = inner
        self._path: str | None = path

    async def multi(self, ops: Sequence[Op]) -> list[OpResult]:
        results = await self._inner.multi(ops)
        if any(op.path == self._path for op in ops):
            self._path = None
            raise ConnectionLoss("reply lost")
        return results

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


async def store_in_office(lossy_path: str = "") -> tuple[ControllerStore, MemoryCoordination]:
    client = MemoryEnsemble().client("controller")
    await client.start()
    await ensure_path(client, paths.topic("t"))
    coordination = LosesOneReply(client, lossy_path)
    fence = Fence(coordination, 10)  # type: ignore[arg-type]
    await fence.elect(1, 0)
    return ControllerStore(coordination, fence), client  # type: ignore[arg-type]


@in_virtual_time
async def test_a_first_state_whose_reply_was_lost_is_in_place() -> None:
    store, _ = await store_in_office(paths.partition_state("t", 0))
    assert await store.create_partition_states({T0: STATE, T1: STATE}) == {T0: None, T1: None}
    assert await store.partition_states((T0, T1, T2)) == {T0: STATE, T1: STATE}


@in_virtual_time
async def test_a_first_state_that_another_wrote_is_an_error() -> None:
    store, client = await store_in_office()
    await store.create_partition_states({T0: STATE})
    other = STATE.new_leader(2)
    results = await store.create_partition_states({T0: other, T1: other})
    assert results[T1] is None
    assert results[T0] is not None
    assert (await store.partition_states((T0,)))[T0] == STATE
    assert await client.exists(paths.partition_state("t", 1)) is not None


@in_virtual_time
async def test_updates_tell_written_failed_and_overtaken_apart() -> None:
    store, _ = await store_in_office(paths.partition_state("t", 0))
    await store.create_partition_states({T0: STATE, T1: STATE})
    shrunk = STATE.new_leader_and_isr(1, (1,))
    await store.update_partition_states({T1: shrunk})
    finished, retry = await store.update_partition_states({T0: shrunk, T1: shrunk, T2: shrunk})
    assert finished[T0] == shrunk.at_partition_epoch(1)
    assert isinstance(finished[T2], NoNode)
    assert retry == [T1]


@in_virtual_time
async def test_garbage_is_one_partitions_trouble() -> None:
    store, client = await store_in_office()
    await store.create_partition_states({T0: STATE, T1: STATE})
    await client.set(paths.partition_state("t", 0), b"{}")
    found = await store.partition_states((T0, T1))
    assert isinstance(found[T0], ValueError)
    assert found[T1] == STATE


@in_virtual_time
async def test_a_registration_that_nobody_can_read_is_left_out() -> None:
    store, client = await store_in_office()
    await client.multi(
        [Create("/brokers/ids"), Create("/brokers/ids/1", b"?"), Create("/brokers/ids/x", b"")]
    )
    good = b'{"version":1,"host":"h","port":9092}'
    await client.create("/brokers/ids/2", good)
    brokers = await store.brokers()
    assert list(brokers) == [2]
    assert brokers[2].endpoints[0].port == 9092
