# SPDX-License-Identifier: Apache-2.0
"""A connection to a broker: requests by correlation id, many in flight, one answer each (as NetworkClient).

Used by follower fetchers, the controller's channel, AlterPartition and the tools. It never retries and
never reconnects: whoever owns it knows what a failure means. A response's record data are views into a
buffer that nothing else is received into while anybody holds such a view.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar, cast

from commitlog import __version__
from commitlog.wire.api_keys import API_VERSIONS
from commitlog.wire.codec import MalformedMessage
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.frames import decode_response, encode_request
from commitlog.wire.message import Request, Response
from commitlog.wire.messages.api_versions_request import ApiVersionsRequest

R = TypeVar("R", bound=Response)

_SCRATCH_BYTES = 64 * 1024
_SESSION_SHARE = 0.85
"""A session is renewed after this part of its life, at the latest with the next request."""
_LOGIN_KEYS = frozenset((17, 36))
_SIZE_BYTES = 4
_SPARE_MOST_BYTES = 16 * 1024 * 1024
"""The largest buffer that is kept for the next large response: replica.fetch.response.max.bytes and more."""
_SPARE_STEP_BYTES = 1024 * 1024


@dataclass(slots=True)
class _InFlight:
    """A request that waits for its answer."""

    api_key: int
    version: int
    answer: asyncio.Future[Response]
    timer: asyncio.TimerHandle


class _ResponseFrames(asyncio.BufferedProtocol):
    """Cuts what arrives into frames; one too large for the scratch buffer is received where it will stay."""

    def __init__(
        self, max_bytes: int, on_frame: Callable[[memoryview], None], on_lost: Callable[[Exception], None]
    ) -> None:
        self._max_bytes = max_bytes
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._scratch = memoryview(bytearray(_SCRATCH_BYTES))
        self._filled = 0
        self._spare = bytearray()
        self._large: memoryview | None = None
        self._large_filled = 0
        self.writable = asyncio.Event()
        self.writable.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._large is not None:
            return self._large[self._large_filled :]
        return self._scratch[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        try:
            if self._large is None:
                self._filled += nbytes
                self._cut_frames()
                return
            self._large_filled += nbytes
            if self._large_filled == len(self._large):
                frame, self._large = self._large, None
                self._on_frame(frame)
        except MalformedMessage as exc:
            self._on_lost(ConnectionError(f"the broker's answer cannot be read: {exc}"))

    def _cut_frames(self) -> None:
        start = 0
        while self._filled - start >= _SIZE_BYTES:
            size = int.from_bytes(self._scratch[start : start + _SIZE_BYTES], "big", signed=True)
            if not _SIZE_BYTES <= size <= self._max_bytes:
                raise MalformedMessage(f"a response of {size} bytes, where {self._max_bytes} are allowed")
            start += _SIZE_BYTES
            if self._filled - start < size:
                self._keep_tail(start, size)
                return
            self._on_frame(memoryview(bytes(self._scratch[start : start + size])))
            start += size
        self._move_to_front(start)

    def _keep_tail(self, start: int, size: int) -> None:
        """The scratch buffer ends within a frame of `size` bytes that begins at `start`."""
        if size + _SIZE_BYTES <= _SCRATCH_BYTES:
            self._move_to_front(start - _SIZE_BYTES)
            return
        have = self._filled - start
        self._large = self._room(size)
        self._large[:have] = self._scratch[start : self._filled]
        self._large_filled = have
        self._filled = 0

    def _room(self, size: int) -> memoryview:
        """A buffer for a large frame: that of the one before, when nobody holds a view of it any more.

        New memory costs a follower of a busy leader as much as checking the records does.
        """
        if len(self._spare) >= size:
            try:
                self._spare.append(0)  # refused while there are views
                self._spare.pop()
                return memoryview(self._spare)[:size]
            except BufferError:
                return memoryview(bytearray(size))
        if size > _SPARE_MOST_BYTES:
            return memoryview(bytearray(size))
        self._spare = bytearray(-(-size // _SPARE_STEP_BYTES) * _SPARE_STEP_BYTES)
        return memoryview(self._spare)[:size]

    def _move_to_front(self, start: int) -> None:
        left = self._filled - start
        if start and left:
            self._scratch[:left] = bytes(self._scratch[start : self._filled])
        self._filled = left

    def eof_received(self) -> None:
        self._on_lost(ConnectionResetError("the broker closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(exc or ConnectionResetError("the connection is closed"))

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


class ClientSecurity(Protocol):
    """How to reach a broker that wants more than PLAINTEXT."""

    def tls_context(self) -> ssl.SSLContext | None:
        """None: without TLS."""

    async def authenticate(self, connection: Any) -> int:
        """Log in over the connection; how many milliseconds the session lasts, 0 for ever."""


class BrokerConnection:
    """One connection. Any failure closes it and fails what is in flight (ConnectionError, TimeoutError)."""

    def __init__(self, name: str, client_id: str, request_timeout_ms: int, max_response_bytes: int) -> None:
        self.api_versions: dict[int, tuple[int, int]] = {}
        """What the broker listed, once `negotiate` or a send without version has asked; empty before."""
        self._name = name
        self._client_id = client_id
        self._request_timeout_s = request_timeout_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._frames = _ResponseFrames(max_response_bytes, self._frame_received, self._fail)
        self._transport: asyncio.Transport | None = None
        self._in_flight: dict[int, _InFlight] = {}
        self._next_correlation_id = 0
        self._failure: Exception | None = None
        self._negotiation: asyncio.Task[None] | None = None
        self._security: ClientSecurity | None = None
        self._session_ends: float | None = None
        self._renewal: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        client_id: str,
        *,
        connect_timeout_ms: int = 10_000,
        request_timeout_ms: int = 30_000,
        max_response_bytes: int = 100 * 1024 * 1024,
        security: ClientSecurity | None = None,
    ) -> Self:
        """Connect, and log in where that is asked for; OSError (ConnectionError among them) or TimeoutError
        when that fails, PermissionError when the broker or its certificate is refused."""
        self = cls(f"{host}:{port}", client_id, request_timeout_ms, max_response_bytes)
        async with asyncio.timeout(connect_timeout_ms / 1000):
            tls = None if security is None else security.tls_context()
            try:
                transport, _ = await self._loop.create_connection(
                    lambda: self._frames,
                    host,
                    port,
                    ssl=tls,
                    server_hostname=host if tls is not None else None,
                )
            except ssl.SSLError as error:
                raise PermissionError(f"SSL handshake with {self._name} failed: {error}") from None
        self._transport = transport
        if security is not None:
            self._security = security
            await self._log_in()
        return self

    async def _log_in(self) -> None:
        """Prove who we are; again before the session that the broker grants is over (KIP-368)."""
        assert self._security is not None
        self._session_ends = None
        try:
            lifetime_ms = await self._security.authenticate(self)
        except KafkaError as error:
            failure = PermissionError(f"authentication with {self._name} failed: {error}")
            self._fail(failure)
            raise failure from None
        except BaseException:
            self.close()
            raise
        if lifetime_ms > 0:
            self._session_ends = self._loop.time() + lifetime_ms / 1000 * _SESSION_SHARE

    async def _renew_session(self) -> None:
        """Requests wait while a new exchange is under way."""
        if self._renewal is None:
            self._renewal = self._loop.create_task(self._log_in())
            self._renewal.add_done_callback(self._renewed)
        await asyncio.shield(self._renewal)

    def _renewed(self, task: asyncio.Task[None]) -> None:
        self._renewal = None
        _seen(task)

    @property
    def closed(self) -> bool:
        """Whether the connection is of no more use."""
        return self._failure is not None

    async def send(self, msg: Request[R], version: int | None = None, *, timeout_ms: int | None = None) -> R:
        """Send and wait for the answer; version None is the highest that both sides know.

        KafkaError(UNSUPPORTED_VERSION) when the broker has no version of the API that we have; EncodeError
        when the message cannot be written at that version. Neither closes the connection.
        """
        if self._session_ends is not None and self._loop.time() >= self._session_ends:
            await self._renew_session()
        elif self._renewal is not None and msg.API_KEY not in _LOGIN_KEYS:
            await asyncio.shield(self._renewal)
        if version is None:
            version = await self.choose_version(msg.API_KEY)
        timeout_s = self._request_timeout_s if timeout_ms is None else timeout_ms / 1000
        answer: asyncio.Future[Response] = self._loop.create_future()
        correlation_id = self._write(msg, version)
        timer = self._loop.call_later(timeout_s, self._timed_out, msg, timeout_s)
        self._in_flight[correlation_id] = _InFlight(msg.API_KEY, version, answer, timer)
        await self._frames.writable.wait()
        return cast(R, await answer)

    async def choose_version(self, api_key: int) -> int:
        """The highest version of an API that both sides know."""
        await self.negotiate()
        ours = API_VERSIONS[api_key]
        low, high = self.api_versions.get(api_key, (0, -1))
        chosen = min(ours.high, high)
        if chosen < max(ours.low, low):
            raise KafkaError(
                ErrorCode.UNSUPPORTED_VERSION,
                f"{self._name} serves api key {api_key} in versions {low} to {high}, "
                f"we have {ours.low} to {ours.high}",
            )
        return chosen

    async def negotiate(self) -> dict[int, tuple[int, int]]:
        """Ask ApiVersions unless that is done already; the ranges by api key."""
        if not self.api_versions:
            if self._negotiation is None:
                self._negotiation = self._loop.create_task(self._ask_api_versions())
                self._negotiation.add_done_callback(_seen)
            await asyncio.shield(self._negotiation)
        return self.api_versions

    def close(self) -> None:
        """Close now; what is in flight fails with ConnectionError."""
        self._fail(ConnectionAbortedError(f"the connection to {self._name} was closed by its owner"))

    async def _ask_api_versions(self) -> None:
        request = ApiVersionsRequest(client_software_name="commitlog", client_software_version=__version__)
        response = await self.send(request, request.MAX_VERSION)
        if response.error_code == ErrorCode.UNSUPPORTED_VERSION:
            highest = {api.api_key: api.max_version for api in response.api_keys}.get(request.API_KEY, 0)
            response = await self.send(request, min(highest, request.MAX_VERSION))
        if response.error_code:
            raise KafkaError(ErrorCode.of(response.error_code))
        self.api_versions = {api.api_key: (api.min_version, api.max_version) for api in response.api_keys}

    def _write(self, msg: Request[Any], version: int) -> int:
        if self._failure is not None:
            raise ConnectionError(
                f"the connection to {self._name} is closed: {self._failure}"
            ) from self._failure
        assert self._transport is not None
        correlation_id = self._next_correlation_id
        self._next_correlation_id = (correlation_id + 1) & 0x7FFFFFFF
        self._transport.write(encode_request(msg, version, correlation_id, self._client_id))
        return correlation_id

    def _frame_received(self, payload: memoryview) -> None:
        correlation_id = int.from_bytes(payload[:_SIZE_BYTES], "big", signed=True)
        waiting = self._in_flight.pop(correlation_id, None)
        if waiting is None:
            raise MalformedMessage(f"correlation id {correlation_id} belongs to no request")
        waiting.timer.cancel()
        try:
            _, response = decode_response(waiting.api_key, waiting.version, payload)
        except MalformedMessage:
            self._in_flight[correlation_id] = waiting
            raise
        if not waiting.answer.done():
            waiting.answer.set_result(response)

    def _timed_out(self, msg: Request[Any], timeout_s: float) -> None:
        text = f"{type(msg).__name__} to {self._name} was not answered within {timeout_s * 1000:.0f} ms"
        self._fail(TimeoutError(text))

    def _fail(self, failure: Exception) -> None:
        """Close, and tell everyone who waits; only the first failure counts."""
        if self._failure is not None:
            return
        self._failure = failure
        if self._transport is not None:
            self._transport.abort()
        self._frames.writable.set()
        in_flight, self._in_flight = self._in_flight, {}
        for waiting in in_flight.values():
            waiting.timer.cancel()
            if not waiting.answer.done():
                waiting.answer.set_exception(self._as_connection_error(failure))

    def _as_connection_error(self, failure: Exception) -> Exception:
        if isinstance(failure, ConnectionError | TimeoutError) and failure.errno is None:
            return type(failure)(*failure.args)
        return ConnectionError(f"the connection to {self._name} failed: {failure}")


def _seen(task: asyncio.Task[None]) -> None:
    """Whoever asked may have gone away: then nobody else would look at the task's error, and the loop would
    complain."""
    if not task.cancelled():
        task.exception()
