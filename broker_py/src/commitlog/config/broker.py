# SPDX-License-Identifier: Apache-2.0
"""A broker's configuration as the rest of the broker sees it: server.properties plus dynamic changes.

Kafka's `KafkaConfig` and `DynamicBrokerConfig` in one: a setting's value is the first of per-broker dynamic,
cluster-wide dynamic, file, default (KIP-226).
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

from commitlog.config import legacy, properties
from commitlog.config.checks import check_broker
from commitlog.config.definitions import (
    Definition,
    InvalidValue,
    Value,
    broker_definitions,
)
from commitlog.config.listeners import parse_listeners, parse_protocol_map, with_host
from commitlog.config.metadata_version import rank
from commitlog.config.properties import ConfigError
from commitlog.config.settings import BrokerSettings, Listener

__all__ = ["BrokerConfig", "ConfigError", "Listener", "nearest_names"]

log = logging.getLogger("commitlog.config.broker")

DEFAULT_SOURCE = "config/server.properties"

# Settings with one of these prefixes belong to plug-ins or to one listener: they cannot be checked against
# the table.
FREE_PREFIXES = (
    "listener.name.",
    "ssl.principal.",
    "rsm.config.",
    "rlmm.config.",
    "metrics.context.",
    "commitlog.",
    "authorizer.zookeeper.",
    "super.users",
    "allow.everyone.if.no.acl.found",
)

PROMETHEUS_LISTENER = "commitlog.prometheus.listener"

LISTENER_LIMITS = ("max.connections", "max.connection.creation.rate")
"""What may be limited by listener, as listener.name.<listener>.<name>."""

ChangeListener = Callable[[frozenset[str]], None]

ChangeValidator = Callable[["BrokerConfig", frozenset[str], bool], None]
"""validator(the configuration as it would be, the settings whose text changes, whether files may have changed
too): raises ConfigError to refuse (Reconfigurable.validateReconfiguration)."""


def nearest_names(name: str, known: Iterable[str]) -> str:
    """', did you mean x?' or nothing."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else ""


class BrokerConfig(BrokerSettings):
    """Typed attributes (see `BrokerSettings`), replaced in place by dynamic changes: read them where they are
    used, or have `add_listener` tell of a change."""

    def __init__(self, static: Mapping[str, str], source: str, warnings: list[str]) -> None:
        self.source = source
        self.warnings = warnings
        self.static_properties: Mapping[str, str] = dict(static)
        self.dynamic_cluster: Mapping[str, str] = {}
        self.dynamic_broker: Mapping[str, str] = {}
        self._values: dict[str, Value] = {}
        self._taken_id: int | None = None
        self._listeners: list[ChangeListener] = []
        self._validators: list[ChangeValidator] = []
        self._apply(self.static_properties)
        self.prometheus_listener  # noqa: B018 - refuses a bad value before anything is started

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], source: str = DEFAULT_SOURCE) -> Self:
        """Check and type everything; raises ConfigError. Unknown names are in `warnings`, one line each."""
        try:
            static, notes = legacy.translate(properties)
            known = broker_definitions()
            for name in static:
                if name not in known and not name.startswith(FREE_PREFIXES):
                    hint = nearest_names(name, (*known, *legacy.NAMES))
                    notes.append(f"unknown setting {name}{hint or ' is ignored'}")
            _give_both_ids(static)
            return cls(static, source, [f"{source}: {note}" for note in notes])
        except InvalidValue as error:
            raise ConfigError(_hide_secret(error), source=source, name=error.name) from None
        except ConfigError as error:
            if error.source is not None:
                raise
            raise ConfigError(error.message, source=source, name=error.name) from None

    @classmethod
    def from_file(cls, path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """server.properties with `--override key=value` options on top."""
        settings = properties.load(path)
        settings.update(properties.parse_overrides(overrides))
        return cls.from_properties(settings, str(path))

    # What is set

    def value(self, name: str) -> Value:
        """The typed value of one setting by its Kafka name, before any fallback (log.retention.ms may be
        None)."""
        return self._values[name]

    def properties_in_force(self) -> dict[str, str]:
        """What is set at any level, the strongest level winning; defaults are left out."""
        return {**self.static_properties, **self.dynamic_cluster, **self.dynamic_broker}

    @property
    def prometheus_listener(self) -> tuple[str, int] | None:
        """(host, port) of the Prometheus endpoint; None when there shall be none. Not a setting of Kafka's,
        which has a Java agent for this: its name is none that Kafka could ever use."""
        text = self.static_properties.get(PROMETHEUS_LISTENER, "").strip()
        if not text:
            return None
        host, colon, port = text.removeprefix("http://").rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            raise ConfigError(
                f"Invalid value {text} for configuration {PROMETHEUS_LISTENER}: expected host:port",
                source=self.source,
                name=PROMETHEUS_LISTENER,
            )
        return host.strip("[]"), int(port)

    def ibp_at_least(self, version: str) -> bool:
        """Whether inter.broker.protocol.version is `version` ("2.8-IV0") or newer."""
        return rank(self.inter_broker_protocol_version) >= rank(version)

    @property
    def inter_broker_listener(self) -> Listener:
        """The advertised listener over which brokers talk to each other."""
        return next(
            listener
            for listener in self.advertised_listeners
            if listener.name == self.inter_broker_listener_name
        )

    def set_broker_id(self, broker_id: int) -> None:
        """Take the id that was generated in ZooKeeper or read from meta.properties (broker.id=-1 in the
        file)."""
        self._taken_id = broker_id
        self._put_broker_id(broker_id)

    # Dynamic changes

    def add_listener(self, listener: ChangeListener) -> None:
        """Have `listener` called with the names whose values a dynamic change has altered."""
        self._listeners.append(listener)

    def add_validator(self, validator: ChangeValidator) -> None:
        """Have `validator` asked before a dynamic change is accepted, and before one is put in force."""
        self._validators.append(validator)

    def update_dynamic(self, cluster: Mapping[str, str], broker: Mapping[str, str]) -> frozenset[str]:
        """Put the dynamic settings read from ZooKeeper in force; the names whose values changed.

        As in Kafka, what cannot be used is logged and left out: a bad znode never stops a broker."""
        usable_cluster = self._usable(cluster, "cluster-wide")
        usable_broker = self._usable(broker, "per-broker")
        before = dict(self._values)
        try:
            self._validate(self._trial(usable_cluster, usable_broker), files_too=False)
            self._apply({**self.static_properties, **usable_cluster, **usable_broker})
        except (ConfigError, InvalidValue) as error:
            log.error("Dynamic configs could not be applied and are ignored: %s", error)
            self._apply(self.properties_in_force())
            return frozenset()
        self.dynamic_cluster, self.dynamic_broker = usable_cluster, usable_broker
        changed = frozenset(name for name, value in self._values.items() if before.get(name) != value)
        if changed:
            for listener in self._listeners:
                listener(changed)
        return changed

    def check_dynamic(self, changes: Mapping[str, str], *, per_broker: bool) -> None:
        """Raise ConfigError if the broker would break with `changes` as the whole of that dynamic level;
        nothing is put in force."""
        cluster = self.dynamic_cluster if per_broker else changes
        broker = changes if per_broker else self.dynamic_broker
        try:
            self._validate(self._trial(cluster, broker), files_too=per_broker)
        except InvalidValue as error:
            raise ConfigError(_hide_secret(error), name=error.name) from None

    def _trial(self, cluster: Mapping[str, str], broker: Mapping[str, str]) -> BrokerConfig:
        """The configuration with other dynamic settings; raises ConfigError and InvalidValue."""
        trial = BrokerConfig.__new__(BrokerConfig)
        trial.source, trial.warnings = self.source, []
        trial.static_properties = self.static_properties
        trial.dynamic_cluster, trial.dynamic_broker = cluster, broker
        trial._listeners, trial._validators = [], []
        trial._taken_id = self._taken_id
        trial._apply(trial.properties_in_force())
        return trial

    def _validate(self, trial: BrokerConfig, *, files_too: bool) -> None:
        now, then = self.properties_in_force(), trial.properties_in_force()
        changed = frozenset(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
        for validator in self._validators:
            validator(trial, changed, files_too)

    def _usable(self, dynamic: Mapping[str, str], level: str) -> dict[str, str]:
        usable: dict[str, str] = {}
        for name, text in dynamic.items():
            row = broker_definitions().get(name)
            if row is not None and row.update == "read-only":
                log.error("Non-dynamic %s config %s is ignored", level, name)
                continue
            if row is not None and row.update == "per-broker" and level == "cluster-wide":
                log.error("Per-broker config %s at the cluster-wide level is ignored", name)
                continue
            try:
                if row is not None:
                    row.parse(text)
            except InvalidValue as error:
                log.error("Dynamic %s config is ignored: %s", level, _hide_secret(error))
                continue
            usable[name] = text
        return usable

    # From text to attributes

    def _apply(self, settings: Mapping[str, str]) -> None:
        values: dict[str, Value] = {}
        for name, row in broker_definitions().items():
            text = settings.get(name)
            if text is None:
                text = _older_name(name, settings)
            values[name] = _default(row) if text is None else row.parse(text)
        self._values = values
        for name, row in broker_definitions().items():
            setattr(self, row.attribute, values[name])
        self._compute_times()
        self._compute_listeners(settings)
        _check_listener_limits(settings)
        check_broker(self)
        if self._taken_id is not None:
            self._put_broker_id(self._taken_id)

    def _put_broker_id(self, broker_id: int) -> None:
        for name in ("broker.id", "node.id"):
            self._values[name] = broker_id
        self.broker_id = self.node_id = broker_id

    def _number(self, *names: str) -> int | None:
        """The first of several settings that has a value."""
        for name in names:
            value = self._values[name]
            if isinstance(value, int):
                return value
        return None

    def _compute_times(self) -> None:
        hour_ms, minute_ms = 3_600_000, 60_000
        retention = self._number("log.retention.ms")
        if retention is None:
            minutes = self._number("log.retention.minutes")
            hours = self._number("log.retention.hours") or 0
            retention = minutes * minute_ms if minutes is not None else hours * hour_ms
        self.log_retention_ms = -1 if retention < 0 else retention
        roll, jitter = self._number("log.roll.ms"), self._number("log.roll.jitter.ms")
        self.log_roll_ms = self.log_roll_hours * hour_ms if roll is None else roll
        self.log_roll_jitter_ms = self.log_roll_jitter_hours * hour_ms if jitter is None else jitter
        flush = self._number("log.flush.interval.ms", "log.flush.scheduler.interval.ms")
        self.log_flush_interval_ms = 0 if flush is None else flush
        timeout = self._number("zookeeper.connection.timeout.ms", "zookeeper.session.timeout.ms")
        self.zookeeper_connection_timeout_ms = 0 if timeout is None else timeout
        dirs = self._values["log.dirs"]
        text = str(self._values["log.dir"] if dirs is None else dirs)
        # Without a "/" at the end, as Java's File has them: tools name directories as DescribeLogDirs does.
        self.log_dirs = [part.strip().rstrip("/") or "/" for part in text.split(",") if part.strip()]
        threads = self._number("num.replica.alter.log.dirs.threads")
        self.num_replica_alter_log_dirs_threads = len(self.log_dirs) if threads is None else threads

    def _compute_listeners(self, settings: Mapping[str, str]) -> None:
        protocols = parse_protocol_map(str(self._values["listener.security.protocol.map"]))
        self.listener_security_protocol_map = protocols
        text = str(self._values["listeners"])
        self.listeners = parse_listeners(text, protocols, setting="listeners", distinct_ports=True)
        advertised = self._values["advertised.listeners"]
        if advertised is None:
            published = self.listeners
        else:
            published = parse_listeners(
                str(advertised), protocols, setting="advertised.listeners", distinct_ports=False
            )
        self.advertised_listeners = [with_host(listener) for listener in published]
        name = self._values["inter.broker.listener.name"]
        if name is None:
            protocol = str(self._values["security.inter.broker.protocol"])
            self.inter_broker_listener_name = self.security_inter_broker_protocol = protocol
            return
        if "security.inter.broker.protocol" in settings:
            raise ConfigError(
                "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set."
            )
        self.inter_broker_listener_name = str(name).upper()
        if self.inter_broker_listener_name not in protocols:
            raise ConfigError(
                f"Listener with name {self.inter_broker_listener_name} defined in inter.broker.listener.name "
                "not found in listener.security.protocol.map."
            )
        self.security_inter_broker_protocol = protocols[self.inter_broker_listener_name]


def _give_both_ids(static: dict[str, str]) -> None:
    """broker.id and node.id stand in for each other (KafkaConfig.populateSynonyms)."""
    for name, other in (("broker.id", "node.id"), ("node.id", "broker.id")):
        if name in static:
            static.setdefault(other, static[name])


def _older_name(name: str, settings: Mapping[str, str]) -> str | None:
    """The value under a name that Kafka 3.9 still reads beside a newer one."""
    if name == "delegation.token.secret.key":
        return settings.get("delegation.token.master.key")
    return None


def _check_listener_limits(settings: Mapping[str, str]) -> None:
    """listener.name.<listener>.max.connections and its like are numbers as those without the prefix are."""
    for name, text in settings.items():
        for limit in LISTENER_LIMITS:
            if name.startswith("listener.name.") and name.endswith("." + limit):
                try:
                    broker_definitions()[limit].parse(text)
                except InvalidValue as error:
                    raise InvalidValue(name, error.value, error.reason) from None


def _default(row: Definition) -> Value:
    return list(row.default) if isinstance(row.default, list) else row.default


def _hide_secret(error: InvalidValue) -> str:
    row = broker_definitions().get(error.name)
    if row is not None and row.sensitive:
        return f"Invalid value [hidden] for configuration {error.name}: {error.reason}"
    return str(error)
