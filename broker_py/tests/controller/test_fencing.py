# SPDX-License-Identifier: Apache-2.0
"""Only the elected controller can write, and a lost reply changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from commitlog.controller.fencing import OPS_PER_MULTI, ControllerMoved, Fence
from commitlog.coordination import paths
from commitlog.coordination.client import BadVersion, ConnectionLoss, NodeExists, Op, OpResult
from commitlog.coordination.documents import ControllerDocument
from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
from tests.groups.virtual_loop import in_virtual_time


async def fence_of(ensemble: MemoryEnsemble, name: str) -> tuple[Fence, MemoryCoordination]:
    client = ensemble.client(name)
    await client.start()
    return Fence(client, 10), client


class LosesReplies:
    """Passes everything on, but the reply to a multi is lost while ``losing``."""

    def __init__(self, inner: MemoryCoordination) -> None:
        self.multis = 0
        self._inner = inner
        self.losing = False

    async def multi(self, ops: Sequence[Op]) -> list[OpResult]:
        self.multis += 1
        results = await self._inner.multi(ops)
        if self.losing:
            self.losing = False
            raise ConnectionLoss("reply lost")
        return results

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


@in_virtual_time
async def test_the_first_controller_has_epoch_1_and_later_ones_count_on() -> None:
    ensemble = MemoryEnsemble()
    first, client = await fence_of(ensemble, "a")
    assert await first.elect(1, 5) == 1
    assert first.epoch_zk_version == 1
    data, stat = await client.get(paths.CONTROLLER)
    assert ControllerDocument.decode(data) == ControllerDocument(1, 5)
    assert stat.ephemeral_owner == client.session_id
    await client.close()
    second, client = await fence_of(ensemble, "b")
    assert await second.elect(2, 6) == 2
    assert (await client.get(paths.CONTROLLER_EPOCH))[0] == b"2"


@in_virtual_time
async def test_who_comes_second_is_not_elected() -> None:
    ensemble = MemoryEnsemble()
    first, _ = await fence_of(ensemble, "a")
    second, client = await fence_of(ensemble, "b")
    await first.elect(1, 0)
    with pytest.raises(ControllerMoved):
        await second.elect(2, 0)
    assert (await client.get(paths.CONTROLLER_EPOCH))[0] == b"1", "a lost election counts no epoch"


@in_virtual_time
async def test_an_election_whose_reply_was_lost_is_recognized_as_won() -> None:
    ensemble = MemoryEnsemble()
    client = ensemble.client("a")
    await client.start()
    unlucky = LosesReplies(client)
    fence = Fence(unlucky, 10)  # type: ignore[arg-type]
    unlucky.losing = True
    assert await fence.elect(1, 0) == 1
    await fence.create("/x", b"")
    assert await client.exists("/x") is not None


@in_virtual_time
async def test_ones_own_znode_of_an_earlier_session_is_no_victory() -> None:
    ensemble = MemoryEnsemble()
    zombie, _ = await fence_of(ensemble, "earlier session")
    await zombie.elect(1, 0)
    fence, _ = await fence_of(ensemble, "new session")
    with pytest.raises(ControllerMoved):
        await fence.elect(1, 0)


@in_virtual_time
async def test_a_deposed_controller_writes_nothing_in_any_way() -> None:
    ensemble = MemoryEnsemble()
    old, client = await fence_of(ensemble, "old")
    await old.elect(1, 0)
    await old.create("/x", b"old")
    await old.create("/x/y")
    await client.delete(paths.CONTROLLER)  # as if the session had ended while the process was paused
    new, _ = await fence_of(ensemble, "new")
    await new.elect(2, 0)
    before = await client.get("/x")
    attempts = [
        old.create("/z"),
        old.create("/x", ignore_existing=True),
        old.set("/x", b"stale"),
        old.set_conditionally("/x", b"stale", 0),
        old.set_all([("/x", b"stale", 0), ("/x/y", b"stale", 0)]),
        old.delete("/x/y"),
        old.delete_recursively("/x"),
        old.delete(paths.CONTROLLER),
    ]
    for attempt in attempts:
        with pytest.raises(ControllerMoved):
            await attempt
    assert await client.get("/x") == before
    assert await client.exists("/z") is None
    assert await client.exists("/x/y") is not None
    await new.set("/x", b"new")
    assert (await client.get("/x"))[0] == b"new"


@in_virtual_time
async def test_a_conditional_write_tells_its_own_write_from_anothers() -> None:
    ensemble = MemoryEnsemble()
    client = ensemble.client("a")
    await client.start()
    unlucky = LosesReplies(client)
    fence = Fence(unlucky, 10)  # type: ignore[arg-type]
    await fence.elect(1, 0)
    await fence.create("/state", b"0")
    unlucky.losing = True
    assert (await fence.set_conditionally("/state", b"mine", 0)).version == 1
    await client.set("/state", b"leader's")
    with pytest.raises(BadVersion):
        await fence.set_conditionally("/state", b"mine again", 1)


@in_virtual_time
async def test_errors_of_the_operation_itself_are_not_taken_for_the_fence() -> None:
    ensemble = MemoryEnsemble()
    fence, client = await fence_of(ensemble, "a")
    await fence.elect(1, 0)
    await fence.create("/x")
    with pytest.raises(NodeExists):
        await fence.create("/x")
    await fence.create("/x", ignore_existing=True)
    with pytest.raises(BadVersion):
        await fence.set("/x", b"", version=5)
    await fence.delete("/not/there")
    await fence.delete_recursively("/not/there")
    await fence.create("/x/y")
    await fence.create("/x/y/z")
    await fence.delete_recursively("/x")
    assert await client.exists("/x") is None


@in_virtual_time
async def test_many_conditional_writes_share_a_multi_and_one_that_is_refused_stops_no_other() -> None:
    ensemble = MemoryEnsemble()
    client = ensemble.client("a")
    await client.start()
    unlucky = LosesReplies(client)
    fence = Fence(unlucky, 10)  # type: ignore[arg-type]
    await fence.elect(1, 0)
    names = [f"/{number}" for number in range(2 * OPS_PER_MULTI)]
    for name in names:
        await fence.create(name)
    before = unlucky.multis
    stats = await fence.set_all([(name, b"1", 0) for name in names])
    assert [stat.version for stat in stats if not isinstance(stat, Exception)] == [1] * len(names)
    assert unlucky.multis == before + 2

    await client.set("/3", b"leader's")
    results = await fence.set_all([(name, b"2", 1) for name in names])
    assert [name for name, one in zip(names, results, strict=True) if isinstance(one, BadVersion)] == ["/3"]
    assert [(await client.get(name))[0] for name in names[2:5]] == [b"2", b"leader's", b"2"]

    unlucky.losing = True
    assert not any(
        isinstance(one, Exception) for one in await fence.set_all([("/1", b"3", 2), ("/2", b"3", 2)])
    )
    assert (await client.get("/2"))[1].version == 3, "written once, although the reply was lost"
