# SPDX-License-Identifier: Apache-2.0
"""One client of the ensemble in memory: its connection, its session as it sees it, and its watches.

Requests travel to the ensemble, answers and watch events back, through two first-in-first-out channels on the
event loop: so a client sees events and answers in ZooKeeper's order, whatever delay a simulator puts on the
way.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from commitlog.coordination.base_client import BaseClient
from commitlog.coordination.client import (
    ANY_VERSION,
    ClientClosed,
    ConnectionLoss,
    CoordinationError,
    CoordinationTimeout,
    Create,
    Delete,
    EventType,
    NoNode,
    Op,
    OpResult,
    SessionExpired,
    SessionState,
    SetData,
    Stat,
    Watch,
    WatchEvent,
    check_request_size,
)
from commitlog.coordination.tree import Tree

if TYPE_CHECKING:
    from commitlog.coordination.memory import MemoryEnsemble

log = logging.getLogger("commitlog.coordination.memory")

T = TypeVar("T")


class _Channel:
    """One direction of a connection: what is sent arrives later, in order.

    It arrives in the client's context, whoever sent it: a watch callback is code of the broker that left the
    watch, and a simulator tells brokers apart by their contexts.
    """

    def __init__(self, context: contextvars.Context) -> None:
        self._context = context
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer: asyncio.Handle | None = None

    def send(self, delay_s: float, arrive: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._waiting.append((loop.time() + delay_s, arrive))
        if self._timer is None:
            self._schedule()

    def _schedule(self) -> None:
        loop, due = asyncio.get_running_loop(), self._waiting[0][0]
        if due <= loop.time():
            self._timer = loop.call_soon(self._deliver, context=self._context)
        else:
            self._timer = loop.call_at(due, self._deliver, context=self._context)

    def _deliver(self) -> None:
        self._timer = None
        _, arrive = self._waiting.popleft()
        try:
            arrive()
        finally:
            if self._waiting and self._timer is None:
                self._schedule()

    def cut(self) -> None:
        """Everything on the way is lost."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class MemoryCoordination(BaseClient):
    """See `client.Coordination`."""

    def __init__(self, ensemble: MemoryEnsemble, name: str, session_timeout_ms: int, chroot: str) -> None:
        super().__init__(chroot, log)
        self.name = name
        self._ensemble = ensemble
        self._session_timeout_ms = session_timeout_ms
        self._cut_off = False
        self._context = contextvars.copy_context()
        self._requests, self._answers = _Channel(self._context), _Channel(self._context)
        self._pending: list[asyncio.Future[object]] = []

    # The session

    async def start(self) -> None:
        if not self._ensemble.available or self._cut_off:
            await asyncio.sleep(self._session_timeout_ms / 1000)
        if not self._ensemble.available or self._cut_off:
            raise CoordinationTimeout(
                f"cannot reach ZooKeeper at memory within {self._session_timeout_ms} ms"
            )
        self._connect()
        made = ""
        for part in filter(None, self._chroot.split("/")):
            made += f"/{part}"
            if self._ensemble.tree.stat(made) is None:
                self._ensemble.write(self._session_id, [Create(made)])

    async def close(self) -> None:
        if self._closed:
            return
        if self._connected.is_set():
            await self._flush()
        self._closed = True
        self._fail_pending(ClientClosed)
        self._connected.set()  # wakes wait_connected, which then says ClientClosed
        self._watches.clear()
        self._requests.cut()
        self._answers.cut()
        if not self._cut_off and self._ensemble.available:
            self._ensemble.close_session(self._session_id)

    @property
    def session_ticket(self) -> bytes:
        return str(self._session_id).encode()

    async def end_session(self, ticket: bytes) -> None:
        if self._cut_off or not self._ensemble.available:
            raise CoordinationTimeout("cannot reach ZooKeeper at memory")
        self._ensemble.expire(int(ticket))

    async def _flush(self) -> None:
        """Requests that were sent before the close are still done, as on a socket."""
        if self._pending:
            await asyncio.wait(tuple(self._pending))

    def disconnect(self) -> None:
        """Break the connection: what is on the way is lost, the session lives on until its timeout."""
        self._cut_off = True
        if self._closed or not self._connected.is_set():
            return
        self._ensemble.detach(self._session_id, self._session_timeout_ms)
        self._suspend(ConnectionLoss)

    def reconnect(self) -> None:
        """Let the client reach the ensemble again; it finds its session alive or expired."""
        self._cut_off = False
        if self._closed or self._connected.is_set() or self._session_id == 0:
            return
        if self._ensemble.attach(self._session_id, self):
            self._rearm()
            self._connected.set()
            self._tell(SessionState.CONNECTED)
        else:
            self._expire()

    def session_ended(self) -> None:
        """The ensemble ended the session of a connected client."""
        self._suspend(SessionExpired)
        asyncio.get_running_loop().call_soon(self._expire, context=self._context)

    def _connect(self) -> None:
        self._session_id = self._ensemble.open_session(self)
        self._connected.set()
        self._tell(SessionState.CONNECTED)

    def _suspend(self, error: type[CoordinationError]) -> None:
        self._connected.clear()
        self._requests.cut()
        self._answers.cut()
        self._fail_pending(error)
        self._tell(SessionState.SUSPENDED)

    def _expire(self) -> None:
        if self._closed or self._connected.is_set():
            return
        self._watches.clear()
        self._tell(SessionState.EXPIRED)
        if not self._cut_off:
            self._connect()

    def _fail_pending(self, error: type[CoordinationError]) -> None:
        pending, self._pending = self._pending, []
        for future in pending:
            if not future.done():
                future.set_exception(error())

    # Watches

    def event_sent(self, event: WatchEvent) -> None:
        """The ensemble sends a watch event down this client's connection."""
        shown = WatchEvent(event.type, self._without_chroot(event.path))
        self._answers.send(self._ensemble.delay(self.name, "answer"), lambda: self._watches.fire(shown))

    def _rearm(self) -> None:
        """After a reconnection to the same session: leave the watches again, fire those that missed
        something."""
        tree = self._ensemble.tree
        for path in self._watches.data_paths():
            target = self._chroot + path
            kind = self._watches.missed_data_event(path, tree.stat(target))
            self._leave_again(path, kind, data=target)
        for path in self._watches.child_paths():
            target = self._chroot + path
            kind = self._watches.missed_child_event(path, tree.stat(target))
            self._leave_again(path, kind, child=target)

    def _leave_again(
        self, path: str, missed: EventType | None, *, data: str | None = None, child: str | None = None
    ) -> None:
        if missed is None:
            self._ensemble.read(self._session_id, lambda _tree: None, data=data, child=child)
            return
        event = WatchEvent(missed, path)
        self._answers.send(self._ensemble.delay(self.name, "answer"), lambda: self._watches.fire(event))

    # Operations

    async def _ask(
        self,
        path: str | None,
        serve: Callable[[int], T],
        on_answer: Callable[[T], None] | None = None,
    ) -> T:
        """Send a request through both channels. `on_answer` runs when the answer arrives, before any later
        event."""
        if self._closed:
            raise ClientClosed(path)
        if not self._connected.is_set():
            raise ConnectionLoss(path)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending.append(future)  # type: ignore[arg-type]

        def answer(error: CoordinationError | None, value: T | None) -> None:
            if future in self._pending:
                self._pending.remove(future)  # type: ignore[arg-type]
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
                return
            if on_answer is not None:
                on_answer(value)  # type: ignore[arg-type]
            future.set_result(value)  # type: ignore[arg-type]

        def arrive() -> None:
            error: CoordinationError | None = None
            value: T | None = None
            try:
                value = serve(self._session_id)
            except CoordinationError as raised:
                error = raised
            self._answers.send(self._ensemble.delay(self.name, "answer"), lambda: answer(error, value))

        self._requests.send(self._ensemble.delay(self.name, "request"), arrive)
        return await future

    def _check_size(self, path: str, data: bytes | None) -> None:
        check_request_size(path, data, self._ensemble.jute_max_buffer_bytes)

    async def _create(self, path: str, data: bytes | None, *, ephemeral: bool, sequential: bool) -> str:
        target = self._with_chroot(path)
        self._check_size(path, data)
        operation = Create(target, data, ephemeral, sequential)
        results = await self._ask(path, lambda session: self._ensemble.write(session, [operation]))
        return self._without_chroot(str(results[0]))

    async def get(self, path: str, watch: Watch | None = None) -> tuple[bytes, Stat]:
        target = self._with_chroot(path)

        def answered(value: tuple[bytes, Stat]) -> None:
            if watch is not None:
                self._watches.add_data(path, watch, value[1])

        left = target if watch is not None else None
        return await self._ask(
            path,
            lambda session: self._ensemble.read(session, lambda tree: tree.get(target), data=left),
            answered,
        )

    async def get_all(self, wanted: Sequence[str]) -> list[tuple[bytes, Stat] | CoordinationError]:
        targets = [self._with_chroot(path) for path in wanted]

        def look(tree: Tree) -> list[tuple[bytes, Stat] | CoordinationError]:
            return [tree.get(target) if tree.stat(target) else NoNode(target) for target in targets]

        if not targets:
            return []
        return await self._ask(wanted[0], lambda session: self._ensemble.read(session, look))

    async def set(self, path: str, data: bytes, version: int = ANY_VERSION) -> Stat:
        target = self._with_chroot(path)
        self._check_size(path, data)
        operation = SetData(target, data, version)
        results = await self._ask(path, lambda session: self._ensemble.write(session, [operation]))
        assert isinstance(results[0], Stat)
        return results[0]

    async def delete(self, path: str, version: int = ANY_VERSION) -> None:
        operation = Delete(self._with_chroot(path), version)
        await self._ask(path, lambda session: self._ensemble.write(session, [operation]))

    async def exists(self, path: str, watch: Watch | None = None) -> Stat | None:
        target = self._with_chroot(path)

        def answered(stat: Stat | None) -> None:
            if watch is not None:
                self._watches.add_data(path, watch, stat)

        left = target if watch is not None else None
        return await self._ask(
            path,
            lambda session: self._ensemble.read(session, lambda tree: tree.stat(target), data=left),
            answered,
        )

    async def children(self, path: str, watch: Watch | None = None) -> list[str]:
        target = self._with_chroot(path)

        def look(tree: Tree) -> tuple[list[str], Stat]:
            return tree.children(target), tree.get(target)[1]

        def answered(value: tuple[list[str], Stat]) -> None:
            if watch is not None:
                self._watches.add_child(path, watch, value[1])

        left = target if watch is not None else None
        names, _ = await self._ask(
            path, lambda session: self._ensemble.read(session, look, child=left), answered
        )
        return names

    async def multi(self, ops: Sequence[Op]) -> list[OpResult]:
        if not ops:
            return []
        for op in ops:
            if isinstance(op, Create | SetData):
                self._check_size(op.path, op.data)
        moved = [_moved(op, self._with_chroot(op.path)) for op in ops]
        results = await self._ask(ops[0].path, lambda session: self._ensemble.write(session, moved))
        return [self._without_chroot(item) if isinstance(item, str) else item for item in results]


def _moved(op: Op, target: str) -> Op:
    """The operation on the path below the chroot."""
    match op:
        case Create(_, data, ephemeral, sequential):
            return Create(target, data, ephemeral, sequential)
        case SetData(_, data, version):
            return SetData(target, data, version)
        case Delete(_, version):
            return Delete(target, version)
        case _:
            return type(op)(target, op.version)
