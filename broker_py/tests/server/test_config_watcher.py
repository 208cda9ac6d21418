# SPDX-License-Identifier: Apache-2.0
"""Config change notifications: each once, in order, whatever lies among them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from commitlog.config.broker import BrokerConfig
from commitlog.coordination import paths
from commitlog.coordination.change_notifications import CHANGE_EXPIRATION_MS
from commitlog.coordination.client import ensure_path
from commitlog.coordination.documents import ConfigChange, ConfigEntity
from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
from commitlog.server.config_watcher import ConfigWatcher
from commitlog.server.topic_configs import TopicConfigRepository

PREFIX = f"{paths.CONFIG_CHANGES}/{paths.CONFIG_CHANGE_PREFIX}"


class World:
    def __init__(self) -> None:
        self.ensemble = MemoryEnsemble()
        self.client: MemoryCoordination = self.ensemble.client("broker")
        self.seen: list[str] = []
        self.now_ms = 0

    async def start(self) -> ConfigWatcher:
        await self.client.start()
        await ensure_path(self.client, paths.CONFIG_CHANGES)
        await ensure_path(self.client, "/config/topics")

        async def handle(entity: str) -> None:
            self.seen.append(entity)
            if entity == "broken":
                raise ZeroDivisionError

        return ConfigWatcher(self.client, {"topics": handle}, lambda: self.now_ms)

    async def notify(self, data: bytes) -> str:
        return await self.client.create(PREFIX, data, sequential=True)

    async def wait(self, seen: list[str]) -> None:
        while self.seen != seen:  # noqa: ASYNC110 - the watcher tells nobody
            await asyncio.sleep(0)


def run(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(World()), 20))


def test_changes_are_applied_in_order_those_before_the_start_too() -> None:
    async def test(world: World) -> None:
        watcher = await world.start()
        await world.notify(ConfigChange("topics/first").encode())
        await watcher.start()
        assert world.seen == ["first"]
        for name in ("second", "third", "with%20blank"):
            await world.notify(ConfigChange(f"topics/{name}").encode())
        await world.wait(["first", "second", "third", "with%20blank"])
        await watcher.stop()

    run(test)


def test_what_cannot_be_read_or_applied_stops_nothing() -> None:
    async def test(world: World) -> None:
        watcher = await world.start()
        await watcher.start()
        await world.notify(b'"0.8.1 wrote only a string"')
        await world.notify(b"\x00")
        await world.notify(ConfigChange("clients/nobody-listens").encode())
        await world.notify(ConfigChange("topics/broken").encode())
        await world.notify(ConfigChange("topics/fine").encode())
        await world.wait(["broken", "fine"])
        await watcher.stop()

    run(test)


def test_after_a_new_session_changes_are_seen_again_but_none_twice() -> None:
    async def test(world: World) -> None:
        watcher = await world.start()
        await watcher.start()
        await world.notify(ConfigChange("topics/before").encode())
        await world.wait(["before"])
        world.ensemble.expire(world.client.session_id)
        other = world.ensemble.client("other")
        await other.start()
        await other.create(PREFIX, ConfigChange("topics/meanwhile").encode(), sequential=True)
        await world.wait(["before", "meanwhile"])
        await world.client.wait_connected()
        await world.notify(ConfigChange("topics/after").encode())
        await world.wait(["before", "meanwhile", "after"])
        await watcher.stop()

    run(test)


def test_old_notifications_are_removed() -> None:
    async def test(world: World) -> None:
        watcher = await world.start()
        old = await world.notify(ConfigChange("topics/old").encode())
        stat = await world.client.exists(old)
        assert stat is not None
        world.now_ms = stat.ctime_ms + CHANGE_EXPIRATION_MS + 1
        await watcher.start()
        assert world.seen == ["old"]
        assert await world.client.children(paths.CONFIG_CHANGES) == []
        await watcher.stop()

    run(test)


def test_overrides_of_topics_are_read_at_start_and_on_demand() -> None:
    async def test(world: World) -> None:
        await world.start()
        config = BrokerConfig.from_properties({"zookeeper.connect": "localhost:2181", "broker.id": "0"})
        repository = TopicConfigRepository(world.client, config)
        await world.client.create(paths.topic_config("a"), ConfigEntity({"retention.ms": "5000"}).encode())
        await world.client.create(paths.topic_config("bad"), b"no document")
        await repository.load_all()
        assert repository.config("a").retention_ms == 5000
        assert (
            repository.config("bad").retention_ms == repository.config("unknown").retention_ms == 604_800_000
        )
        await world.client.set(paths.topic_config("a"), ConfigEntity({}).encode())
        assert repository.config("a").retention_ms == 5000
        await repository.refresh(["a"])
        assert repository.config("a").retention_ms == 604_800_000
        config.update_dynamic({"log.retention.ms": "7000"}, {})
        repository.broker_defaults_changed()
        assert repository.config("a").retention_ms == 7000

    run(test)
