# SPDX-License-Identifier: Apache-2.0
"""Writes that only the elected controller can make (Kafka: KafkaZkClient's *-with-controller-epoch requests).

/controller_epoch counts terms of office. Its znode version, learned when the term began, is checked in the
same multi as every later write: as soon as another broker has been elected, the check fails and nothing is
written. A controller that was paused for an hour can therefore do no harm when it wakes up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from commitlog.coordination import paths
from commitlog.coordination.client import (
    BadVersion,
    Check,
    ClientClosed,
    ConnectionLoss,
    Coordination,
    CoordinationError,
    Create,
    Delete,
    NodeExists,
    NoNode,
    Op,
    OpResult,
    SessionExpired,
    SetData,
    Stat,
)
from commitlog.coordination.documents import (
    ControllerDocument,
    decode_controller_epoch,
    encode_controller_epoch,
)

T = TypeVar("T")

OPS_PER_MULTI = 50
"""Far below jute.maxbuffer (1 MiB) with any partition's state, and a refused one costs little."""


class ControllerMoved(Exception):
    """Another broker is the controller now; whoever meets this must resign."""


class Undecided(Exception):
    """Writes that were to be made together were not, or it is not known whether they were."""


class Fence:
    """The epoch of one term, and the only way to write during it."""

    def __init__(self, coordination: Coordination, max_in_flight: int) -> None:
        self._coordination = coordination
        self._in_flight = asyncio.Semaphore(max_in_flight)
        self.epoch_zk_version = -1
        self.session_id: int | None = None
        """The session of the event under way: what began in one session never goes on in the next."""

    async def elect(self, broker_id: int, now_ms: int) -> int:
        """Take office in one multi and return the new epoch; ControllerMoved when somebody else has it."""
        epoch, version = await self._read_or_create_epoch()
        document = ControllerDocument(broker_id, now_ms).encode()
        ops: list[Op] = [
            Create(paths.CONTROLLER, document, ephemeral=True),
            SetData(paths.CONTROLLER_EPOCH, encode_controller_epoch(epoch + 1), version),
        ]
        try:
            results = await self.read(lambda: self._coordination.multi(ops))
        except (NodeExists, BadVersion):
            self.epoch_zk_version = await self._confirm_election(broker_id, epoch + 1)
        else:
            stat = results[1]
            assert isinstance(stat, Stat)
            self.epoch_zk_version = stat.version
        return epoch + 1

    async def _read_or_create_epoch(self) -> tuple[int, int]:
        try:
            data, stat = await self.read(lambda: self._coordination.get(paths.CONTROLLER_EPOCH))
        except NoNode:
            with contextlib.suppress(NodeExists):
                await self.read(
                    lambda: self._coordination.create(paths.CONTROLLER_EPOCH, encode_controller_epoch(0))
                )
            data, stat = await self.read(lambda: self._coordination.get(paths.CONTROLLER_EPOCH))
        return decode_controller_epoch(data), stat.version

    async def _confirm_election(self, broker_id: int, epoch: int) -> int:
        """The multi of a lost reply may have won: then both znodes say so."""
        try:
            data, _ = await self.read(lambda: self._coordination.get(paths.CONTROLLER))
            elected = ControllerDocument.decode(data).broker_id
        except NoNode:
            raise ControllerMoved(
                "The ephemeral node at /controller went away while checking whether the controller election "
                "succeeded"
            ) from None
        data, stat = await self.read(lambda: self._coordination.get(paths.CONTROLLER_EPOCH))
        if elected == broker_id and decode_controller_epoch(data) == epoch:
            return stat.version
        raise ControllerMoved("Controller moved to another broker. Aborting controller startup procedure")

    async def read(self, operation: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Any operation that may be repeated over lost connections; a limited number are in flight."""
        async with self._in_flight:
            while True:
                self._check_session()
                try:
                    return await operation()
                except ConnectionLoss:
                    await self._coordination.wait_connected()

    def _check_session(self) -> None:
        if self.session_id is not None and self.session_id != self._coordination.session_id:
            raise SessionExpired

    async def write(self, op: Op) -> OpResult:
        """multi[check of the epoch, op], repeated over lost connections."""
        return (await self.read(lambda: self._guarded(op)))[1]

    async def _guarded(self, *ops: Op) -> list[OpResult]:
        check = Check(paths.CONTROLLER_EPOCH, self.epoch_zk_version)
        try:
            return await self._coordination.multi([check, *ops])
        except (BadVersion, NoNode) as error:
            if error.path == paths.CONTROLLER_EPOCH:
                raise ControllerMoved(
                    f"Controller epoch zkVersion check fails. Expected zkVersion = {self.epoch_zk_version}"
                ) from error
            raise

    async def create(self, path: str, data: bytes | None = None, *, ignore_existing: bool = False) -> None:
        try:
            await self.write(Create(path, data))
        except NodeExists:
            if not ignore_existing:
                raise

    async def set(self, path: str, data: bytes, version: int = -1) -> Stat:
        stat = await self.write(SetData(path, data, version))
        assert isinstance(stat, Stat)
        return stat

    async def write_together(self, ops: Sequence[Op]) -> list[OpResult]:
        """All of them in one multi with the check, which costs ZooKeeper one sync, or Undecided: then none is
        written, or a reply was lost, and each has to be tried by itself."""
        async with self._in_flight:
            self._check_session()
            try:
                return (await self._guarded(*ops))[1:]
            except ConnectionLoss as error:
                await self._coordination.wait_connected()
                raise Undecided from error
            except (SessionExpired, ClientClosed):
                raise
            except CoordinationError as error:
                raise Undecided from error

    async def set_all(self, writes: Sequence[tuple[str, bytes, int]]) -> list[Stat | Exception]:
        """``set_conditionally`` for each (path, data, version), a good number to a multi."""
        chunks = [writes[at : at + OPS_PER_MULTI] for at in range(0, len(writes), OPS_PER_MULTI)]
        results = await self.all(self._set_some(chunk) for chunk in chunks)
        return [result for some in results for result in some]

    async def _set_some(self, writes: Sequence[tuple[str, bytes, int]]) -> list[Stat | Exception]:
        uncertain = len(writes) > 1
        if uncertain:
            try:
                stats = await self.write_together([SetData(*one) for one in writes])
            except Undecided as reason:
                uncertain = isinstance(reason.__cause__, ConnectionLoss)
            else:
                return [stat for stat in stats if isinstance(stat, Stat)]
        return await self.settle(self.set_conditionally(*one, uncertain=uncertain) for one in writes)

    async def set_conditionally(
        self, path: str, data: bytes, version: int, *, uncertain: bool = False
    ) -> Stat:
        """As ``set``; BadVersion after a lost reply (uncertain: an earlier one may have been lost) is settled
        by reading whether the write was ours."""
        async with self._in_flight:
            while True:
                self._check_session()
                try:
                    written = (await self._guarded(SetData(path, data, version)))[1]
                    assert isinstance(written, Stat)
                    return written
                except ConnectionLoss:
                    uncertain = True
                    await self._coordination.wait_connected()
                    continue
                except BadVersion:
                    if not uncertain:
                        raise
                    try:
                        found, stat = await self._coordination.get(path)
                    except ConnectionLoss:
                        await self._coordination.wait_connected()
                        continue
                    if found != data or stat.version != version + 1:
                        raise
                    return stat

    async def delete(self, path: str) -> None:
        """Gone already is as good."""
        try:
            await self.write(Delete(path))
        except NoNode:
            return

    async def delete_recursively(self, path: str) -> None:
        try:
            names = await self.read(lambda: self._coordination.children(path))
        except NoNode:
            return
        await self.all(self.delete_recursively(f"{path}/{name}") for name in names)
        await self.delete(path)

    async def all(self, operations: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Run together, wait for all, then raise the first error."""
        results = await self.settle(operations)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return [result for result in results if not isinstance(result, Exception)]

    async def settle(self, operations: Iterable[Coroutine[Any, Any, T]]) -> list[T | Exception]:
        """Run together and give each one's result or error; what ends the term is raised."""
        results = await asyncio.gather(*operations, return_exceptions=True)
        settled: list[T | Exception] = []
        for result in results:
            if isinstance(result, ControllerMoved | SessionExpired | ClientClosed):
                raise result
            if isinstance(result, BaseException) and not isinstance(result, Exception):
                raise result
            settled.append(result)
        return settled
