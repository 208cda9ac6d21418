# SPDX-License-Identifier: Apache-2.0
"""What DescribeConfigs tells of topics and brokers: value, source, synonyms (Kafka's `ConfigHelper`,
KIP-226)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from commitlog.config.broker import BrokerConfig
from commitlog.config.definitions import (
    Definition,
    Type,
    Value,
    broker_definitions,
    broker_synonyms,
    topic_definitions,
    topic_synonyms,
)
from commitlog.config.dynamic import THROTTLES, is_dynamic
from commitlog.config.topic import topic_values


class ConfigSource(IntEnum):
    """DescribeConfigsResponse.ConfigSource."""

    UNKNOWN = 0
    TOPIC_CONFIG = 1
    DYNAMIC_BROKER_CONFIG = 2
    DYNAMIC_DEFAULT_BROKER_CONFIG = 3
    STATIC_BROKER_CONFIG = 4
    DEFAULT_CONFIG = 5
    DYNAMIC_BROKER_LOGGER_CONFIG = 6


_OF_MECHANISMS = (
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
)
"""DynamicBrokerConfig.ListenerMechanismConfigs."""


@dataclass(frozen=True, slots=True)
class Synonym:
    name: str
    value: str | None
    source: ConfigSource


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One described setting; a sensitive one has no value. `type` is 0 for a name that no table knows."""

    name: str
    value: str | None
    source: ConfigSource
    read_only: bool
    sensitive: bool
    type: int
    documentation: str
    synonyms: Sequence[Synonym]


def describe_topic(broker: BrokerConfig, overrides: Mapping[str, str]) -> list[ConfigEntry]:
    """Every topic setting. `overrides` as stored in ZooKeeper; what cannot be parsed shows as it is
    stored."""
    rows = topic_definitions()
    usable = {name: text for name, text in overrides.items() if name in rows and _parses(rows[name], text)}
    values = topic_values(broker, usable)
    entries = [_topic_entry(broker, row, values[name], overrides) for name, row in rows.items()]
    for name, text in overrides.items():
        if name not in rows:
            entries.append(_unknown_entry(name, text, ConfigSource.TOPIC_CONFIG, read_only=False))
    return entries


def _parses(row: Definition, text: str) -> bool:
    try:
        row.parse(text)
    except ValueError:
        return False
    return True


def _topic_entry(
    broker: BrokerConfig, row: Definition, value: Value, overrides: Mapping[str, str]
) -> ConfigEntry:
    text = row.format(value)
    synonyms: list[Synonym] = []
    if row.name in topic_synonyms():
        primary = topic_synonyms()[row.name][0]
        synonyms = _broker_synonyms(broker, primary, broker_synonyms(primary), sensitive=False)
    if row.name in overrides:
        synonyms.insert(0, Synonym(row.name, text, ConfigSource.TOPIC_CONFIG))
    return _entry(row, text, synonyms, read_only=False)


def describe_broker(broker: BrokerConfig) -> list[ConfigEntry]:
    """Every setting of one broker: what it was started with, and what was changed since."""
    entries: list[ConfigEntry] = []
    for name, row in broker_definitions().items():
        if row.internal:
            continue
        entries.append(_broker_entry(broker, row, row.format(broker.value(name)), per_broker=True))
    for name, text in broker.properties_in_force().items():
        if name in broker_definitions():
            continue
        if name in THROTTLES:
            entries.append(_broker_entry(broker, THROTTLES[name], text, per_broker=True))
        elif (base := _of_listener(name)) is not None:
            entries.append(_listener_entry(broker, name, base, text))
        else:
            # A name of a plug-in may hold anything, so it is shown as a secret (KafkaConfig.maybeSensitive).
            source = _source_of(broker, name)
            entries.append(_unknown_entry(name, None, source, read_only=True))
    return entries


def _of_listener(name: str) -> Definition | None:
    """What `listener.name.<listener>.`, and for some a mechanism, stands before, if that is a setting
    (KafkaConfig.configType)."""
    found = re.fullmatch(r"listener\.name\.[^.]*\.(.*)", name)
    if found is None:
        return None
    base = next((one for one in _OF_MECHANISMS if found[1].endswith(one)), found[1])
    return broker_definitions().get(base)


def _listener_entry(broker: BrokerConfig, name: str, row: Definition, text: str) -> ConfigEntry:
    synonyms = _broker_synonyms(broker, name, (name, row.name), sensitive=row.sensitive)
    return replace(_entry(row, text, synonyms, read_only=True), name=name, documentation="")


def describe_cluster_default(broker: BrokerConfig) -> list[ConfigEntry]:
    """The broker resource with an empty name: the cluster-wide dynamic settings only."""
    entries: list[ConfigEntry] = []
    for name, text in broker.dynamic_cluster.items():
        row = broker_definitions().get(name) or THROTTLES.get(name)
        if row is None:
            source = ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG
            entries.append(_unknown_entry(name, None, source, read_only=True))
        else:
            entries.append(_broker_entry(broker, row, text, per_broker=False))
    return entries


def _source_of(broker: BrokerConfig, name: str) -> ConfigSource:
    for source, level in _levels(broker):
        if name in level:
            return source
    return ConfigSource.DEFAULT_CONFIG


def _levels(broker: BrokerConfig) -> list[tuple[ConfigSource, Mapping[str, str]]]:
    """Strongest first."""
    return [
        (ConfigSource.DYNAMIC_BROKER_CONFIG, broker.dynamic_broker),
        (ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, broker.dynamic_cluster),
        (ConfigSource.STATIC_BROKER_CONFIG, broker.static_properties),
    ]


def _broker_synonyms(
    broker: BrokerConfig, name: str, names: Sequence[str], *, sensitive: bool
) -> list[Synonym]:
    """ConfigHelper.configSynonyms: each level in turn with every name that counts, defaults last; what stands
    before the name itself belongs to a more specific setting."""
    found: list[Synonym] = []
    for source, level in _levels(broker):
        for synonym in names:
            if synonym in level:
                found.append(Synonym(synonym, None if sensitive else level[synonym], source))
    for synonym in names:
        row = broker_definitions().get(synonym)
        default = row.format(row.default) if row is not None else None
        if default is not None:
            found.append(Synonym(synonym, None if sensitive else default, ConfigSource.DEFAULT_CONFIG))
    while found and found[0].name != name:
        found.pop(0)
    return found


def _broker_entry(
    broker: BrokerConfig, row: Definition, text: str | None, *, per_broker: bool
) -> ConfigEntry:
    synonyms = _broker_synonyms(broker, row.name, broker_synonyms(row.name), sensitive=row.sensitive)
    if not per_broker:
        synonyms = [item for item in synonyms if item.source is ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG]
    return _entry(row, text, synonyms, read_only=not is_dynamic(row.name))


def _entry(row: Definition, text: str | None, synonyms: Sequence[Synonym], *, read_only: bool) -> ConfigEntry:
    return ConfigEntry(
        name=row.name,
        value=None if row.sensitive else text,
        source=synonyms[0].source if synonyms else ConfigSource.DEFAULT_CONFIG,
        read_only=read_only,
        sensitive=row.sensitive,
        type=row.type.value if row.type in Type else 0,
        documentation=row.doc,
        synonyms=tuple(synonyms),
    )


def _unknown_entry(name: str, text: str | None, source: ConfigSource, *, read_only: bool) -> ConfigEntry:
    synonym = Synonym(name, None, source)
    return ConfigEntry(name, None, source, read_only, text is None, 0, "", (synonym,))
