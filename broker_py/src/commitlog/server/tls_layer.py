# SPDX-License-Identifier: Apache-2.0
"""TLS between a socket's transport and a connection (Kafka's SslTransportLayer).

To the transport it is a protocol, to the connection a transport. Records are decrypted straight into the
connection's own receive buffer. The connection counts against the limits from its first byte, before the
handshake, and each one takes the context that is in force when it comes, so certificates change without a
restart. A listener without TLS never meets this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from commitlog.server.connection import Connection

READ_BYTES = 128 * 1024
"""What is taken from the socket at once. The bytes go into OpenSSL before the next read, so all connections
of the loop share one piece of memory."""

_scratch = memoryview(bytearray(READ_BYTES))

Secured = Callable[["Connection", bytes | None], None]
"""secured(connection, the peer's certificate in DER): the handshake is done; raises ValueError to refuse."""


class TlsLayer(asyncio.BufferedProtocol, asyncio.Transport):
    """One connection's TLS. ``failed`` is told why a handshake did not succeed."""

    def __init__(
        self,
        context: ssl.SSLContext,
        connection: Connection,
        secured: Secured,
        failed: Callable[[Connection, str], None],
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._connection = connection
        self._secured = secured
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._raw: asyncio.Transport | None = None
        self._ready = False
        self._paused = False
        self._pumping = False
        self._closing = False

    # the socket's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        self._connection.connection_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ready and not self._closing and self._connection.admitted:
            self._failed(self._connection, "the peer closed the connection during the TLS handshake")
        self._closing = True
        self._connection.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _scratch

    def buffer_updated(self, nbytes: int) -> None:
        if not self._closing:
            self._incoming.write(_scratch[:nbytes])
            self._pump()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    # records

    def _pump(self) -> None:
        """Take what OpenSSL can give: the handshake first, then data while the connection has room."""
        if self._closing or self._pumping:
            return
        self._pumping = True
        try:
            if self._ready or self._shake_hands():
                self._read_records()
        except ssl.SSLError as error:
            self._send()
            self.abort_for(error)
        finally:
            self._pumping = False
        self._send()

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self._ready = True
        try:
            self._secured(self._connection, self._tls.getpeercert(binary_form=True))
        except ValueError as error:
            self._refuse(str(error))
            return False
        return True

    def _read_records(self) -> None:
        connection = self._connection
        while not (self._paused or self._closing):
            room = connection.get_buffer(-1)
            filled = 0
            try:
                while filled < len(room):
                    count = cast(int, self._tls.read(len(room) - filled, room[filled:]))
                    if count == 0:
                        break
                    filled += count
                ended = filled < len(room)
            except ssl.SSLWantReadError:
                ended = False
            except ssl.SSLZeroReturnError:
                ended = True
            if filled:
                connection.buffer_updated(filled)
            if ended:
                connection.close()
            if filled < len(room) or not filled:
                return

    def abort_for(self, error: ssl.SSLError) -> None:
        if not self._ready:
            self._refuse(f"SSL handshake failed: {_reason(error)}")
        else:
            self.close()

    def _refuse(self, reason: str) -> None:
        self._failed(self._connection, reason)
        self._send()
        self._connection.close()

    def _send(self) -> None:
        if self._outgoing.pending and self._raw is not None and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())

    # the connection's transport

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._closing:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[self._tls.write(view) :]
        except ssl.SSLError:
            self.abort()
            return
        self._send()

    def close(self) -> None:
        """Say goodbye (close_notify), send what is queued, and close."""
        if self._closing:
            return
        self._closing = True
        if self._ready:
            # The peer's own close_notify is not waited for.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
        self._send()
        if self._raw is not None:
            self._raw.close()

    def abort(self) -> None:
        self._closing = True
        if self._raw is not None:
            self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._paused = True
        if self._raw is not None and not self._raw.is_closing():
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        if self._raw is None or self._raw.is_closing():
            return
        self._raw.resume_reading()
        if not self._pumping:
            self._loop.call_soon(self._pump)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert self._raw is not None
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return 0 if self._raw is None else self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "sslcontext":
            # Nothing may go past this layer: files are read and encrypted, never sent by sendfile.
            return self._tls.context
        return default if self._raw is None else self._raw.get_extra_info(name, default)


def _reason(error: ssl.SSLError) -> str:
    """In a few words; of a certificate, whether it has expired, or nobody trusts who signed it."""
    text = (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
        return f"{text}: {error.verify_message}"
    return text
