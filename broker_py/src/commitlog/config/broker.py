# SPDX-License-Identifier: Apache-2.0
"""A broker's configuration as the rest of the broker sees it: server.properties plus dynamic changes (Kafka's `KafkaConfig`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from commitlog.config.settings import BrokerSettings, Listener


class ConfigError(ValueError):
    """A setting that cannot be used: one line with file, key, value and what is allowed."""


class BrokerConfig(BrokerSettings):
    """Typed attributes (see `BrokerSettings`), replaced in place by dynamic changes: read them where they are used."""

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], source: str = "config/server.properties") -> Self:
        """Check and type everything; raises ConfigError. Unknown names are in `warnings`, one line each."""
        raise NotImplementedError

    @property
    def inter_broker_listener(self) -> Listener:
        """The advertised listener over which brokers talk to each other."""
        raise NotImplementedError
