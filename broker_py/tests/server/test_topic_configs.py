# SPDX-License-Identifier: Apache-2.0
"""Topic settings while ZooKeeper is away: a broker waits for it, since nobody would repeat the reading."""

from __future__ import annotations

import asyncio

from commitlog.config.broker import BrokerConfig
from commitlog.coordination import paths
from commitlog.coordination.documents import ConfigEntity
from commitlog.coordination.memory import MemoryEnsemble
from commitlog.server.topic_configs import TopicConfigRepository

CONFIG = BrokerConfig.from_properties({"broker.id": "0", "zookeeper.connect": "localhost:2181"})


def test_reading_waits_out_a_lost_connection_and_a_lost_session() -> None:
    async def test() -> None:
        ensemble = MemoryEnsemble()
        client = ensemble.client(session_timeout_ms=60_000)
        await client.start()
        path = paths.topic_config("orders")
        await client.create(path, ConfigEntity({"retention.ms": "1000"}).encode(), make_parents=True)
        repository = TopicConfigRepository(client, CONFIG)

        client.disconnect()
        reading = asyncio.ensure_future(repository.refresh(["orders"]))
        await asyncio.sleep(0)
        assert not reading.done()
        client.reconnect()
        await reading
        assert repository.overrides("orders") == {"retention.ms": "1000"}

        reading = asyncio.ensure_future(repository.refresh(["orders", "none"]))
        await asyncio.sleep(0)
        ensemble.expire(client.session_id)
        await reading
        assert repository.config("orders").retention_ms == 1000
        assert repository.overrides("none") == {}

    asyncio.run(asyncio.wait_for(test(), 20))
