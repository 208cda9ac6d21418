# SPDX-License-Identifier: Apache-2.0
"""One connection of kazoo's, as a broker needs it: results in the order of the socket, cheap waiting, our own
TLS context, and a DIGEST-MD5 login without a package that has no wheel."""

from __future__ import annotations

import math
import select
import socket
from collections.abc import Sequence
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, ConnectionDropped
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol import serialization as kazoo_messages
from kazoo.protocol.connection import ConnectionHandler

from commitlog.coordination.digest_md5 import DigestError, DigestMd5Client
from commitlog.coordination.zookeeper_security import ZooKeeperSecurity


class Secured:
    """What secures the next connection: files with certificates and passwords change
    while a session lives."""

    def __init__(self, security: ZooKeeperSecurity) -> None:
        self.now = security
        self.is_tls = security.tls is not None
        self.has_login = security.username is not None

    def refresh(self) -> ZooKeeperSecurity:
        if self.now.read_again is not None:
            self.now = self.now.read_again()
        return self.now


class InlineHandler(SequentialThreadingHandler):  # type: ignore[misc]
    """kazoo's handler without its two worker threads: results and watch events are passed on by the
    connection's thread itself, so that they keep the order of the socket. What is passed on only posts to the
    loop."""

    def __init__(self, secured: Secured, hosts: int = 1) -> None:
        super().__init__()
        self._secured = secured
        self._hosts = hosts
        self.tls_error: str | None = None
        """Why the last TLS handshake failed."""

    def create_connection(self, address: Any, hostname: str | None = None, **options: Any) -> Any:
        """kazoo's, but with our TLS context: its own takes files only. A host that is lost takes its share of
        the session timeout only, as with the Java client; kazoo would wait for it the whole time."""
        options["timeout"] = options["timeout"] / self._hosts
        tls = self._secured.refresh().tls
        if tls is None:
            return super().create_connection(address, hostname=hostname, **options)
        raw = socket.create_connection(address, options.get("timeout"))
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return tls.wrap_socket(raw, server_hostname=hostname)
        except OSError as error:
            raw.close()
            self.tls_error = str(error)
            raise

    def start(self) -> None:
        return

    def stop(self) -> None:
        return

    def dispatch_callback(self, callback: Any) -> None:
        callback.func(*callback.args)

    def select(
        self,
        readers: Sequence[Any],
        writers: Sequence[Any],
        exceptional: Sequence[Any],
        timeout: float | None = None,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """select.select, for descriptors of any number. kazoo's own makes an epoll object for each call and
        asks the kernel six times; this is called twice for each request."""
        poll = select.poll()
        for one in readers:
            poll.register(one, select.POLLIN)
        for one in writers:
            poll.register(one, select.POLLOUT)
        ready = dict(poll.poll(None if timeout is None else max(0, math.ceil(timeout * 1000))))
        readable = [one for one in readers if ready.get(one.fileno(), 0) & ~select.POLLOUT]
        return readable, [one for one in writers if one.fileno() in ready], []


class LoggingIn(ConnectionHandler):  # type: ignore[misc]
    """kazoo's connection with a DIGEST-MD5 login of our own: kazoo's needs a package that has no wheel."""

    def __init__(self, client: KazooClient, secured: Secured) -> None:
        super().__init__(client, client._conn_retry.copy(), logger=client.logger, sasl_options={})
        self._secured = secured
        self._accepted: str | None = None
        self._refusals: dict[str, int] = {}
        self.refused = False

    def _password(self, host: str) -> str:
        """The file's, and in turn with it the one that was accepted last: while the password of an ensemble
        changes, its servers are restarted one by one, and each knows one of the two."""
        known = list(dict.fromkeys([self._secured.now.password or "", self._accepted or ""]))
        return known[self._refusals.get(host, 0) % (2 if self._accepted and len(known) > 1 else 1)]

    def _authenticate_with_sasl(self, host: str, timeout: float) -> None:
        password = self._password(host)
        login = DigestMd5Client(self._secured.now.username or "", password)
        try:
            challenge = self._sasl(b"", 1, timeout)
            login.check(self._sasl(login.respond(challenge), 2, timeout))
        except (ConnectionDropped, DigestError) as error:
            # ZooKeeper answers wrong credentials by closing the connection. A login that worked before is
            # tried again, for ever: it may be the server that is in a bad way.
            if self._accepted is not None:
                self._refusals[host] = self._refusals.get(host, 0) + 1
                raise ConnectionDropped(f"login failed: {error}") from None
            self.refused = True
            raise AuthFailedError(str(error)) from None
        self._accepted = password
        self._refusals.pop(host, None)

    def _sasl(self, token: bytes, xid: int, timeout: float) -> bytes:
        self._submit(kazoo_messages.SASL(token), timeout, xid)
        header, buffer, offset = self._read_header(timeout)
        if header.err or header.xid != xid:
            raise DigestError(f"the server answered with error {header.err}")
        answer: bytes = kazoo_messages.SASL.deserialize(buffer, offset)[0]
        return answer
