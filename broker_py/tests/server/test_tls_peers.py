# SPDX-License-Identifier: Apache-2.0
"""Peers that attack TLS before they have proved anything, and files that must not go past the encryption."""

from __future__ import annotations

import asyncio
import random
import ssl
import struct
from pathlib import Path
from typing import Any, cast

import pytest

from commitlog.coordination.client import Coordination
from commitlog.security.credentials import CredentialCache
from commitlog.server.connection_quotas import ConnectionLimits, ConnectionQuotas
from commitlog.server.listener import SocketListener
from commitlog.server.listener_security import ListenerSecurity
from commitlog.storage.disk import LocalDisk
from commitlog.wire.regions import FileRegion
from tests.security.certificates import LabCa
from tests.server.test_connection import Run, Script, frame, reply, until
from tests.server.test_connection import run as run
from tests.server.test_sasl import config, tls_settings

IDLE_MS = 400


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> LabCa:
    return LabCa(tmp_path_factory.mktemp("ca"))


class Server:
    """A listener with TLS; ``script`` answers where no SASL stands before it."""

    def __init__(self, ca: LabCa, protocol: str, script: Script, idle_ms: int = 60_000) -> None:
        broker = config(protocol, **tls_settings(ca, ca.directory))
        (described,) = (one for one in broker.listeners if one.name == protocol)
        security = ListenerSecurity(broker, described, CredentialCache(cast(Coordination, None)), lambda: 0)
        self.quotas = ConnectionQuotas(
            ConnectionLimits(max_connections=9, max_connections_per_ip=9, connections_max_idle_ms=idle_ms),
            lambda: 0,
        )
        self.listener = SocketListener(protocol, "127.0.0.1", 0, script, self.quotas, security)

    async def __aenter__(self) -> Server:
        await self.listener.bind()
        self.listener.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.listener.stop()

    async def connect(self, tls: ssl.SSLContext | None = None) -> Any:
        name = None if tls is None else "localhost"
        return await asyncio.open_connection(
            "127.0.0.1", self.listener.port, limit=1 << 24, ssl=tls, server_hostname=name
        )


def client_hello() -> bytes:
    """What a client says first."""
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_who_shakes_hands_in_drops_is_closed(ca: LabCa, run: Run, protocol: str) -> None:
    """Bytes that come do not prolong the time there is for a handshake."""

    async def main() -> None:
        async with Server(ca, protocol, Script(), IDLE_MS) as server:
            hello = client_hello()
            sent, began = 0, asyncio.get_running_loop().time()
            reader, writer = await server.connect()
            closed = asyncio.ensure_future(reader.read())
            while not closed.done():
                assert sent < len(hello) - 1, "the whole hello went through"
                writer.write(hello[sent : sent + 1])
                sent += 1
                await asyncio.sleep(IDLE_MS / 1000 / 20)
            assert asyncio.get_running_loop().time() - began >= IDLE_MS / 1000
            await until(lambda: not server.quotas.total)

    run(main())


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_a_handshake_message_without_end_is_refused_early(ca: LabCa, run: Run, protocol: str) -> None:
    """A ClientHello that promises 16 MB is not gathered: OpenSSL refuses it, and nothing is kept."""
    body = b"\x01\xff\xff\xff" + bytes(16_000)
    record = b"\x16\x03\x01" + struct.pack(">H", len(body)) + body

    async def main() -> None:
        async with Server(ca, protocol, Script()) as server:
            reader, writer = await server.connect()
            sent = 0
            try:
                while sent < 16_000_000 and not reader.at_eof():
                    writer.write(record)
                    sent += len(record)
                    await writer.drain()
                    await asyncio.sleep(0)
            except ConnectionError:
                pass
            await until(lambda: not server.quotas.total)
            assert sent < 8_000_000
            assert server.listener.memory.used == 0

    run(main())


def test_files_are_encrypted_not_sent_past_the_encryption(ca: LabCa, run: Run, tmp_path: Path) -> None:
    """By sendfile a segment would reach the socket as it is: the client could not read it, others could."""
    data = random.Random(2).randbytes(1_000_000)
    path = tmp_path / "00000000000000000000.log"
    path.write_bytes(data)
    script = Script()
    region = FileRegion(LocalDisk().open(str(path)), 0, len(data))
    script.regions[b"large"] = [struct.pack(">i", len(data) + 4), b"head", region]

    async def main() -> None:
        async with Server(ca, "SSL", script) as server:
            reader, writer = await server.connect(ssl.create_default_context(cadata=ca.text))
            for _ in range(3):
                writer.write(frame(b"large") + frame(b"next"))
                assert await reply(reader) == b"head" + data
                assert await reply(reader) == b"next"
            writer.close()

    run(main())
