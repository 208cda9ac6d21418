# SPDX-License-Identifier: Apache-2.0
"""The settings of topics, as kept in ZooKeeper (Kafka's ZkConfigRepository), held in memory.

Kafka reads /config/topics/<topic> at the moment it creates a log. Here reading is asynchronous and creating
a log is not, so the overrides are read beforehand: all of them at start, those of new topics before
LeaderAndIsr is applied, and again when a notification names them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from commitlog.config.topic import TopicConfig
from commitlog.coordination import paths
from commitlog.coordination.client import ConnectionLoss, Coordination, SessionExpired, data_of
from commitlog.coordination.documents import ConfigEntity, DocumentError

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig

log = logging.getLogger("commitlog.server.topic_configs")

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
        """Read the topics' overrides afresh."""
        wanted = list(topics)
        found = await self._read([paths.topic_config(paths.sanitize(topic)) for topic in wanted])
        for topic, answer in zip(wanted, found, strict=True):
            self._overrides[topic] = _decode(topic, answer)
            self._configs.pop(topic, None)

    async def reload(self, topic: str) -> Mapping[str, str]:
        """One topic's, and what they are."""
        await self.refresh((topic,))
        return self._overrides[topic]

    async def _read(self, wanted: Sequence[str]) -> list[bytes | None]:
        """The data of each znode, None for one that is not there. Waits for ZooKeeper while it is away, as
        Kafka does: a controller does not repeat a LeaderAndIsr that failed."""
        while True:
            try:
                answers = await self._coordination.get_all(wanted)
            except (ConnectionLoss, SessionExpired):
                await self._coordination.wait_connected()
            else:
                return [data_of(answer) for answer in answers]


def _decode(topic: str, data: bytes | None) -> Mapping[str, str]:
    if data is None:
        return _NONE
    try:
        return ConfigEntity.decode(data).config
    except DocumentError as error:
        log.error("Topic %s: overrides cannot be read, the broker's defaults are used: %s", topic, error)
        return _NONE
