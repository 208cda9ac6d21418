# SPDX-License-Identifier: Apache-2.0
"""The settings of topics, as kept in ZooKeeper (Kafka's ZkConfigRepository), held in memory.

Kafka reads /config/topics/<topic> at the moment it creates a log. Here reading is asynchronous and creating
a log is not, so the overrides are read beforehand: all of them at start, those of new topics before
LeaderAndIsr is applied, and again when a notification names them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from commitlog.config.topic import TopicConfig
from commitlog.coordination import paths
from commitlog.coordination.client import ConnectionLoss, Coordination, NoNode, SessionExpired
from commitlog.coordination.documents import ConfigEntity, DocumentError

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig

log = logging.getLogger("commitlog.server.topic_configs")

READS_AT_ONCE = 64
_NONE: Mapping[str, str] = {}


class TopicConfigRepository:
    """Overrides by topic, and the TopicConfig they make with the broker's defaults."""

    def __init__(self, coordination: Coordination, broker_config: BrokerConfig) -> None:
        self._coordination = coordination
        self._broker_config = broker_config
        self._overrides: dict[str, Mapping[str, str]] = {}
        self._configs: dict[str, TopicConfig] = {}

    def overrides(self, topic: str) -> Mapping[str, str]:
        return self._overrides.get(topic, _NONE)

    def config(self, topic: str) -> TopicConfig:
        """The topic's whole view; logs of the same topic share it."""
        config = self._configs.get(topic)
        if config is None:
            config = self._configs[topic] = TopicConfig.build(self._broker_config, self.overrides(topic))
        return config

    def broker_defaults_changed(self) -> None:
        self._configs.clear()

    async def load_all(self) -> None:
        """At start: whatever is under /config/topics."""
        names = await self._coordination.children(paths.config_type("topics"))
        await self.refresh(map(paths.desanitize, names))

    async def refresh(self, topics: Iterable[str]) -> None:
        wanted = list(topics)
        for start in range(0, len(wanted), READS_AT_ONCE):
            await asyncio.gather(*(self.reload(topic) for topic in wanted[start : start + READS_AT_ONCE]))

    async def reload(self, topic: str) -> Mapping[str, str]:
        """Read the topic's overrides afresh."""
        try:
            data = await self._read(paths.topic_config(paths.sanitize(topic)))
            overrides = ConfigEntity.decode(data).config
        except NoNode:
            overrides = _NONE
        except DocumentError as error:
            log.error("Topic %s: overrides cannot be read, the broker's defaults are used: %s", topic, error)
            overrides = _NONE
        self._overrides[topic] = overrides
        self._configs.pop(topic, None)
        return overrides

    async def _read(self, path: str) -> bytes:
        """Wait for ZooKeeper while it is away, as Kafka does: a controller does not repeat a LeaderAndIsr
        that failed."""
        while True:
            try:
                data, _ = await self._coordination.get(path)
            except (ConnectionLoss, SessionExpired):
                await self._coordination.wait_connected()
            else:
                return data
