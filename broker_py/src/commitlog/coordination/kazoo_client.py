# SPDX-License-Identifier: Apache-2.0
"""Coordination by a real Apache ZooKeeper, through kazoo.

kazoo runs a thread for the connection. Everything that it learns (results, watch events, session states) is
handed to the event loop in the order in which it came from the socket, and only the loop touches this
object's state. kazoo forgets watches when a connection breaks; they are left again here after a reconnection
to the same session, and fire if something happened in between, as the Java client's SetWatches would have it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import (
    KazooException,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol import serialization as kazoo_messages
from kazoo.protocol.states import KazooState, WatchedEvent, ZnodeStat
from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE

from commitlog.coordination.base_client import BaseClient
from commitlog.coordination.client import (
    ANY_VERSION,
    Check,
    ClientClosed,
    ConnectionLoss,
    CoordinationError,
    CoordinationTimeout,
    Create,
    Delete,
    NodeExists,
    Op,
    OpResult,
    SessionExpired,
    SessionState,
    SetData,
    Stat,
    Unimplemented,
    Watch,
    WatchEvent,
    check_path,
    check_request_size,
    read_alone,
)
from commitlog.coordination.kazoo_connection import InlineHandler, LoggingIn, Secured
from commitlog.coordination.kazoo_multi_read import READS_PER_REQUEST, MultiRead
from commitlog.coordination.kazoo_words import (
    EVENT_TYPES,
    split_connect_string,
    to_error,
    to_stat,
    unresolvable_hosts,
)
from commitlog.coordination.zookeeper_security import (
    CREATOR_AND_READERS,
    CREATOR_ONLY,
    OPEN,
    ZooKeeperSecurity,
)

log = logging.getLogger("commitlog.coordination.kazoo_client")

_ACLS = {
    OPEN: OPEN_ACL_UNSAFE,
    CREATOR_AND_READERS: [*CREATOR_ALL_ACL, *READ_ACL_UNSAFE],
    CREATOR_ONLY: CREATOR_ALL_ACL,
}

# Kafka's defaults: zookeeper.session.timeout.ms and zookeeper.max.in.flight.requests.
SESSION_TIMEOUT_MS = 18_000
MAX_IN_FLIGHT_REQUESTS = 10


class KazooCoordination(BaseClient):
    """See `client.Coordination`; made in production by the broker and by the command line tools."""

    def __init__(
        self,
        connect_string: str,
        *,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        connection_timeout_ms: int | None = None,
        max_in_flight_requests: int = MAX_IN_FLIGHT_REQUESTS,
        create_chroot: bool = True,
        security: ZooKeeperSecurity | None = None,
    ) -> None:
        self._connect_string = connect_string
        self._hosts, chroot = split_connect_string(connect_string)
        super().__init__(chroot, log)
        self._connection_timeout_ms = connection_timeout_ms or session_timeout_ms
        self._create_chroot = create_chroot
        self._security = security or ZooKeeperSecurity()
        self._secured = Secured(self._security)
        self._handler = self._make_handler()
        self._client = KazooClient(
            hosts=self._hosts,
            timeout=session_timeout_ms / 1000,
            handler=self._handler,
            use_ssl=self._secured.is_tls,
            connection_retry={"max_tries": -1, "delay": 0.05, "backoff": 2, "max_delay": 1.0},
            logger=logging.getLogger("commitlog.coordination.kazoo"),
        )
        self._login: LoggingIn | None = None
        if self._secured.has_login:
            self._login = self._client._connection = LoggingIn(self._client, self._secured)
        self._in_flight = asyncio.Semaphore(max_in_flight_requests)
        self._reads_many = True
        self._outstanding: set[asyncio.Future[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._password = b""

    def _make_handler(self) -> InlineHandler:
        return InlineHandler(self._secured, self._hosts.count(",") + 1)

    # The session

    @property
    def session_ticket(self) -> bytes:
        return f"{self._session_id:x}:{self._password.hex()}".encode()

    async def end_session(self, ticket: bytes) -> None:
        session_id, _, password = ticket.decode().partition(":")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._end_session, int(session_id, 16), bytes.fromhex(password))

    def _end_session(self, session_id: int, password: bytes) -> None:
        """Attach to it and close it. If it is over, ZooKeeper gives us another one, which is closed too."""
        client = KazooClient(
            hosts=self._hosts,
            timeout=self._connection_timeout_ms / 1000,
            client_id=(session_id, password),
            handler=self._make_handler(),
            use_ssl=self._secured.is_tls,
            logger=logging.getLogger("commitlog.coordination.kazoo"),
        )
        if self._secured.has_login:
            client._connection = LoggingIn(client, self._secured)
        try:
            client.start(self._connection_timeout_ms / 1000)
        except KazooTimeoutError as error:
            raise CoordinationTimeout(f"cannot reach ZooKeeper at {self._hosts}: {error}") from None
        finally:
            client.stop()
            client.close()

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._client.add_listener(self._on_kazoo_state)
        self._client.start_async()
        try:
            async with asyncio.timeout(self._connection_timeout_ms / 1000):
                await self._connected.wait()
        except TimeoutError:
            self._abandon()
            unknown = await self._loop.run_in_executor(None, unresolvable_hosts, self._connect_string)
            reason = f": unknown host {', '.join(unknown)}" if unknown else self._refusal()
            raise CoordinationTimeout(
                f"cannot reach ZooKeeper at {self._hosts} within {self._connection_timeout_ms} ms{reason}",
            ) from None
        try:
            if self._login is not None:
                await self.exists("/")
            if self._create_chroot:
                await self._make_chroot()
        except SessionExpired:
            # kazoo says connected before it logs in.
            if self._login is None or not self._login.refused:
                raise
            raise CoordinationTimeout(f"cannot use ZooKeeper at {self._hosts}{self._refusal()}") from None

    def _refusal(self) -> str:
        """What ZooKeeper, or its certificate, had against us."""
        if self._handler.tls_error is not None:
            return f": TLS handshake failed: {self._handler.tls_error}"
        if self._login is not None and self._login.refused:
            return f": the login as {self._security.username} was refused"
        return ""

    def _acl(self, path: str) -> Any:
        return _ACLS[self._security.acl(path)]

    def _abandon(self) -> None:
        """Stop a client that never connected. kazoo may sit in a connect() for as long as the session
        timeout, so its end is not waited for; its thread is a daemon."""
        self._closed = True
        threading.Thread(target=self._client.stop, daemon=True).start()

    async def _make_chroot(self) -> None:
        made = ""
        for part in filter(None, self._chroot.split("/")):
            made += f"/{part}"
            try:
                await self._ask(made, self._creation(made))
            except NodeExists:
                continue

    def _creation(self, target: str) -> Callable[[], Any]:
        """Of one part of the chroot; it holds nothing secret itself."""
        return lambda: self._client.create_async(target, None, acl=self._acl("/"))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._connected.set()  # wakes wait_connected, which then says ClientClosed
        self._watches.clear()
        if self._loop is not None:
            await self._loop.run_in_executor(None, self._stop)
            self._fail_outstanding(ClientClosed)

    def _stop(self) -> None:
        self._client.stop()
        self._client.close()

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        """Have the loop call something; from kazoo's thread."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        try:
            loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            log.debug("The event loop closed before a ZooKeeper event could be handed over")

    def _on_kazoo_state(self, state: str) -> None:
        self._post(self._on_state, state, self._client._session_id or 0, self._client._session_passwd or b"")

    def _on_state(self, state: str, session_id: int, password: bytes) -> None:
        if self._closed:
            return
        if state == KazooState.CONNECTED:
            same_session = session_id == self._session_id
            self._session_id, self._password = session_id, password
            self._connected.set()
            if same_session:
                self._rearm()
            self._tell(SessionState.CONNECTED)
        elif state == KazooState.SUSPENDED:
            self._connected.clear()
            self._fail_outstanding(ConnectionLoss)
            self._tell(SessionState.SUSPENDED)
        elif state == KazooState.LOST:
            self._connected.clear()
            self._watches.clear()
            self._fail_outstanding(SessionExpired)
            self._tell(SessionState.EXPIRED)

    def _fail_outstanding(self, error: type[CoordinationError]) -> None:
        """kazoo fails what it knows of, but forgets a request that comes while it resets its queues. Whether
        such a request is still sent after a reconnection does not matter: that is what these errors say."""
        outstanding, self._outstanding = self._outstanding, set()
        for future in outstanding:
            if not future.done():
                future.set_exception(error())

    # Watches

    def _on_kazoo_event(self, event: WatchedEvent) -> None:
        kind = EVENT_TYPES.get(event.type)
        if kind is not None:  # NONE tells of the session, which the listener does
            self._post(self._fire, WatchEvent(kind, self._without_chroot(event.path)))

    def _fire(self, event: WatchEvent) -> None:
        if not self._closed:
            self._watches.fire(event)

    def _rearm(self) -> None:
        """Leave all watches again after a reconnection, firing those that missed something."""
        for path in self._watches.data_paths():
            result = self._client.exists_async(self._with_chroot(path), watch=self._on_kazoo_event)
            result.rawlink(lambda done, path=path: self._post(self._rearmed_data, path, done))
        for path in self._watches.child_paths():
            result = self._client.get_children_async(
                self._with_chroot(path), watch=self._on_kazoo_event, include_data=True
            )
            result.rawlink(lambda done, path=path: self._post(self._rearmed_child, path, done))

    def _rearmed_data(self, path: str, done: Any) -> None:
        if not done.successful():
            return  # the connection broke again: the next reconnection does it
        stat = done.value
        kind = self._watches.missed_data_event(path, to_stat(stat) if stat is not None else None)
        if kind is not None:
            self._fire(WatchEvent(kind, path))

    def _rearmed_child(self, path: str, done: Any) -> None:
        if done.successful():
            stat: Stat | None = to_stat(done.value[1])
        elif isinstance(done.exception, NoNodeError):
            stat = None
        else:
            return
        kind = self._watches.missed_child_event(path, stat)
        if kind is not None:
            self._fire(WatchEvent(kind, path))

    # Operations

    async def _ask(
        self, path: str | None, send: Callable[[], Any], on_answer: Callable[[Any], None] | None = None
    ) -> Any:
        """Send one request and wait for its answer. `on_answer` runs on the loop before any later event does,
        so that a watch is known before it can fire."""
        async with self._in_flight:
            if self._closed:
                raise ClientClosed(path)
            if not self._connected.is_set():
                raise ConnectionLoss(path)
            assert self._loop is not None
            future: asyncio.Future[Any] = self._loop.create_future()
            self._outstanding.add(future)
            future.add_done_callback(self._outstanding.discard)

            def finish(done: Any) -> None:
                if future.done():
                    return
                if done.successful():
                    if on_answer is not None:
                        on_answer(done.value)
                    future.set_result(done.value)
                else:
                    future.set_exception(to_error(done.exception, path))

            try:
                send().rawlink(lambda done: self._post(finish, done))
            except KazooException as error:
                raise to_error(error, path) from error
            return await future

    async def _create(self, path: str, data: bytes | None, *, ephemeral: bool, sequential: bool) -> str:
        target = self._with_chroot(path)
        check_request_size(path, data)

        def send() -> Any:
            return self._client.create_async(
                target, data, acl=self._acl(path), ephemeral=ephemeral, sequence=sequential
            )

        return self._without_chroot(await self._ask(path, send))

    async def get(self, path: str, watch: Watch | None = None) -> tuple[bytes, Stat]:
        target = self._with_chroot(path)
        kazoo_watch = self._on_kazoo_event if watch is not None else None

        def answered(value: Any) -> None:
            if watch is not None:
                self._watches.add_data(path, watch, to_stat(value[1]))

        data, stat = await self._ask(
            path, lambda: self._client.get_async(target, watch=kazoo_watch), answered
        )
        return data or b"", to_stat(stat)

    async def get_all(self, wanted: Sequence[str]) -> list[tuple[bytes, Stat] | CoordinationError]:
        chunks = [wanted[at : at + READS_PER_REQUEST] for at in range(0, len(wanted), READS_PER_REQUEST)]
        answers = await asyncio.gather(*(self._get_some(chunk) for chunk in chunks), return_exceptions=True)
        found: list[tuple[bytes, Stat] | CoordinationError] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            found += answer
        return found

    async def _get_some(self, wanted: Sequence[str]) -> list[tuple[bytes, Stat] | CoordinationError]:
        if not self._reads_many:
            return [await read_alone(self, path) for path in wanted]
        request = MultiRead([self._with_chroot(path) for path in wanted])
        try:
            answers = await self._ask(wanted[0], lambda: request.send(self._client))
        except Unimplemented:
            # A server before ZooKeeper 3.6. It closes the connection, too: the caller asks again.
            self._reads_many = False
            raise ConnectionLoss(wanted[0]) from None
        return [
            to_error(one, path) if isinstance(one, Exception) else (one[0] or b"", to_stat(one[1]))
            for path, one in zip(wanted, answers, strict=True)
        ]

    async def set(self, path: str, data: bytes, version: int = ANY_VERSION) -> Stat:
        target = self._with_chroot(path)
        check_request_size(path, data)
        return to_stat(await self._ask(path, lambda: self._client.set_async(target, data, version)))

    async def take_over(self, path: str) -> bool:
        """Give a znode the ACL that it would be created with now; whether it had another."""
        target, wanted = self._with_chroot(path), self._acl(path)
        acls, _ = await self._ask(path, lambda: self._client.get_acls_async(target))
        # AUTH stands for whoever creates, by every proof given; a certificate is one beside the login.
        found = {(one.perms, one.id.scheme) for one in acls if one.id.scheme != "x509"}
        if found == {(one.perms, "sasl" if one.id.scheme == "auth" else one.id.scheme) for one in wanted}:
            return False
        await self._ask(path, lambda: self._client.set_acls_async(target, wanted))
        return True

    async def delete(self, path: str, version: int = ANY_VERSION) -> None:
        target = self._with_chroot(path)
        await self._ask(path, lambda: self._client.delete_async(target, version))

    async def exists(self, path: str, watch: Watch | None = None) -> Stat | None:
        target = self._with_chroot(path)
        kazoo_watch = self._on_kazoo_event if watch is not None else None

        def answered(value: Any) -> None:
            if watch is not None:
                self._watches.add_data(path, watch, to_stat(value) if value is not None else None)

        stat = await self._ask(path, lambda: self._client.exists_async(target, watch=kazoo_watch), answered)
        return to_stat(stat) if stat is not None else None

    async def children(self, path: str, watch: Watch | None = None) -> list[str]:
        target = self._with_chroot(path)
        kazoo_watch = self._on_kazoo_event if watch is not None else None

        def answered(value: Any) -> None:
            if watch is not None:
                self._watches.add_child(path, watch, to_stat(value[1]))

        names, _ = await self._ask(
            path,
            lambda: self._client.get_children_async(target, watch=kazoo_watch, include_data=True),
            answered,
        )
        return sorted(names)

    async def multi(self, ops: Sequence[Op]) -> list[OpResult]:
        for op in ops:
            check_path(op.path)
            if isinstance(op, Create | SetData):
                check_request_size(op.path, op.data)
        if not ops:
            return []
        results = await self._ask(ops[0].path, lambda: self._transaction(ops).commit_async())
        for op, result in zip(ops, results, strict=True):
            if isinstance(result, Exception) and not isinstance(
                result, RolledBackError | RuntimeInconsistency
            ):
                raise to_error(result, op.path)
        return [self._result(result) for result in results]

    def _transaction(self, ops: Sequence[Op]) -> Any:
        transaction = self._client.transaction()
        for op in ops:
            path = self._with_chroot(op.path)
            match op:
                case Create(_, data, ephemeral, sequential):
                    # kazoo's own create() refuses null data here, which Kafka writes for bare znodes.
                    flags = int(ephemeral) | int(sequential) << 1
                    acl = self._acl(op.path)
                    transaction.operations.append(kazoo_messages.Create(path, data, acl, flags))
                case SetData(_, data, version):
                    transaction.set_data(path, data, version)
                case Delete(_, version):
                    transaction.delete(path, version)
                case Check(_, version):
                    transaction.check(path, version)
        return transaction

    def _result(self, result: object) -> OpResult:
        if isinstance(result, str):
            return self._without_chroot(result)
        if isinstance(result, ZnodeStat):
            return to_stat(result)
        return None
