# SPDX-License-Identifier: Apache-2.0
"""Two worlds in which the one contract is tested: the ensemble in memory, and a real ZooKeeper behind a proxy
that can cut the line."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kazoo.client import KazooClient

from commitlog.coordination.client import Coordination, SessionState
from commitlog.coordination.kazoo_client import KazooCoordination
from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
from tests import real_zookeeper

WAIT_S = 20.0
_numbers = itertools.count()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that are coroutines; the fixture `world`, where there is one, is closed on the same loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def run() -> None:
        try:
            async with asyncio.timeout(60):
                await pyfuncitem.obj(**arguments)
        finally:
            world = arguments.get("world")
            if world is not None:
                await world.close()

    asyncio.run(run())
    return True


class Recorder:
    """A watch callback or session listener that remembers what it was called with."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self._changed = asyncio.Event()

    def __call__(self, what: Any) -> None:
        self.seen.append(what)
        self._changed.set()

    async def wait(self, condition: Callable[[list[Any]], bool]) -> list[Any]:
        """Return what was seen once it satisfies `condition`."""
        async with asyncio.timeout(WAIT_S):
            while not condition(self.seen):
                self._changed.clear()
                await self._changed.wait()
        return self.seen

    async def first(self) -> Any:
        return (await self.wait(bool))[0]


class World:
    """What the tests need of either maker."""

    def __init__(self) -> None:
        self.clients: list[Coordination] = []

    async def client(self, **options: Any) -> Any:
        """A started client in this test's own part of the tree."""
        client = self.make(**options)
        self.clients.append(client)
        await client.start()
        return client

    def make(self, *, chroot: str = "") -> Coordination:
        raise NotImplementedError

    async def expire(self, client: Any) -> None:
        raise NotImplementedError

    async def cut(self, client: Any) -> None:
        raise NotImplementedError

    async def heal(self, client: Any) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        for client in self.clients:
            await client.close()


class MemoryWorld(World):
    def __init__(self) -> None:
        super().__init__()
        self.ensemble = MemoryEnsemble(now_ms=lambda: 1_700_000_000_000)

    def make(self, *, chroot: str = "") -> MemoryCoordination:
        return self.ensemble.client(chroot=chroot)

    async def expire(self, client: MemoryCoordination) -> None:
        self.ensemble.expire(client.session_id)

    async def cut(self, client: MemoryCoordination) -> None:
        client.disconnect()

    async def heal(self, client: MemoryCoordination) -> None:
        client.reconnect()


class _Proxy:
    """A line to ZooKeeper that can be cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._writers -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()


class ZooKeeperWorld(World):
    def __init__(self, process: real_zookeeper.ZooKeeperProcess) -> None:
        super().__init__()
        self._process = process
        self._root = f"/test{next(_numbers)}"
        self._proxies: dict[int, _Proxy] = {}

    async def client(self, **options: Any) -> Any:
        proxy = _Proxy(self._process.port)
        await proxy.open()
        client = KazooCoordination(
            f"127.0.0.1:{proxy.port}{self._root}{options.get('chroot', '')}", session_timeout_ms=10_000
        )
        self._proxies[id(client)] = proxy
        self.clients.append(client)
        await client.start()
        return client

    async def expire(self, client: KazooCoordination) -> None:
        """Close the session from a second connection that claims it."""
        thief = KazooClient(self._process.connect_string, client_id=client._client.client_id)

        def steal() -> None:
            thief.start(WAIT_S)
            thief.stop()
            thief.close()

        await asyncio.get_running_loop().run_in_executor(None, steal)

    async def cut(self, client: KazooCoordination) -> None:
        suspended = Recorder()
        client.add_session_listener(suspended)
        await self._proxies[id(client)].cut()
        await suspended.wait(lambda seen: SessionState.SUSPENDED in seen)
        client.remove_session_listener(suspended)

    async def heal(self, client: KazooCoordination) -> None:
        await self._proxies[id(client)].open()

    async def close(self) -> None:
        await super().close()
        for proxy in self._proxies.values():
            await proxy.cut()


@pytest.fixture(scope="session")
def zookeeper_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real_zookeeper.ZooKeeperProcess]:
    reason = real_zookeeper.missing()
    if reason is not None:
        pytest.skip(f"no real ZooKeeper: {reason}")
    process = real_zookeeper.ZooKeeperProcess(tmp_path_factory.mktemp("real"))
    yield process
    process.kill()


@pytest.fixture(params=["memory", pytest.param("zookeeper", marks=pytest.mark.zookeeper)])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return MemoryWorld()
    return ZooKeeperWorld(request.getfixturevalue("zookeeper_process"))
