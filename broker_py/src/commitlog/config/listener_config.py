# SPDX-License-Identifier: Apache-2.0
"""A setting as one listener sees it (KafkaConfig.valuesWithPrefixOverride).

The first of `listener.name.<listener>.<mechanism>.<setting>`, `listener.name.<listener>.<setting>`,
`<setting>` that is set counts; the listener's and the mechanism's name are in lower case there.
"""

from __future__ import annotations

from typing import Any

from commitlog.config.broker import BrokerConfig
from commitlog.config.definitions import InvalidValue, broker_definitions
from commitlog.config.properties import ConfigError


class ListenerConfig:
    """Reads the broker's configuration of this moment; keep no value that may change."""

    def __init__(self, config: BrokerConfig, listener: str) -> None:
        self.broker = config
        self.listener = listener
        self.prefix = f"listener.name.{listener.lower()}."

    def value(self, name: str, mechanism: str | None = None) -> Any:
        """The typed value; ConfigError names the key that holds a bad one."""
        key = self.key(name, mechanism)
        if key == name:
            return self.broker.value(name)
        try:
            return broker_definitions()[name].parse(self.broker.properties_in_force()[key])
        except InvalidValue as error:
            row = broker_definitions()[name]
            shown = "[hidden]" if row.sensitive else error.value
            raise ConfigError(
                f"Invalid value {shown} for configuration {key}: {error.reason}", name=key
            ) from None

    def key(self, name: str, mechanism: str | None = None) -> str:
        """Under which key the setting's value stands."""
        in_force = self.broker.properties_in_force()
        if name.startswith("listener.name."):
            return name
        if mechanism is not None and (key := f"{self.prefix}{mechanism.lower()}.{name}") in in_force:
            return key
        return key if (key := self.prefix + name) in in_force else name

    def is_own(self, name: str) -> bool:
        """Whether the listener has the setting under its own prefix."""
        return self.prefix + name in self.broker.properties_in_force()

    def error(self, name: str, message: str, mechanism: str | None = None) -> ConfigError:
        """What to raise for a value that cannot be used: file, key and reason."""
        key = self.key(name, mechanism)
        return ConfigError(f"{key}: {message}", source=self.broker.source, name=key)
