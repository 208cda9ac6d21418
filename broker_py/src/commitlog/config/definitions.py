# SPDX-License-Identifier: Apache-2.0
"""What a setting is: name, type, default, limits, documentation (Kafka's `ConfigDef`), read from two tables
beside this file.

`broker.table` and `topic.table` have one line per setting of Kafka 3.9, columns divided by " | ". Values are
parsed and refused with the words of `ConfigDef`, because clients and people match on them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources

from commitlog.config.metadata_version import rank

Value = bool | int | float | str | list[str] | None


class Type(Enum):
    """ConfigDef.Type; the values are what DescribeConfigs answers (ConfigResponse.ConfigType)."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class InvalidValue(ValueError):
    """A value that a definition refuses; the text is Kafka's ConfigException's."""

    def __init__(self, name: str, value: object, reason: str) -> None:
        super().__init__(f"Invalid value {_show(value)} for configuration {name}: {reason}")
        self.name = name
        self.value = value
        self.reason = reason


def _show(value: object) -> object:
    return "null" if value is None else format_double(value) if isinstance(value, float) else value


def format_double(value: float) -> str:
    """As Java's Double.toString prints it: scientific from 10^7 up and below 10^-3."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    mantissa, _, exponent = f"{value!r}".partition("e")
    if not exponent:
        mantissa, _, exponent = f"{value:.17e}".partition("e")
        mantissa = repr(float(mantissa))
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


Check = Callable[[str, Value], None]


def _between(low: float | None, high: float | None) -> Check:
    def show(limit: float) -> str:
        return str(int(limit)) if limit == int(limit) else format_double(limit)

    def check(name: str, value: Value) -> None:
        if not isinstance(value, int | float):
            raise InvalidValue(name, value, "Value must be non-null")
        if low is not None and value < low:
            raise InvalidValue(name, value, f"Value must be at least {show(low)}")
        if high is not None and value > high:
            raise InvalidValue(name, value, f"Value must be no more than {show(high)}")

    return check


def _one_of(allowed: list[str], *, ignore_case: bool = False) -> Check:
    shown = ", ".join(allowed)

    def check(name: str, value: Value) -> None:
        for item in value if isinstance(value, list) else [value]:
            found = item.upper() if ignore_case and isinstance(item, str) else item
            if found not in allowed:
                words = "String must be one of (case insensitive)" if ignore_case else "String must be one of"
                raise InvalidValue(name, item, f"{words}: {shown}")

    return check


def _level_or_default(low: int, high: int, otherwise: int) -> Check:
    def check(name: str, value: Value) -> None:
        if not isinstance(value, int) or not (low <= value <= high or value == otherwise):
            raise InvalidValue(name, value, f"Value must be between {low} and {high} or equal to {otherwise}")

    return check


def _check_metadata_version(name: str, value: Value) -> None:
    try:
        rank(str(value))
    except ValueError:
        raise InvalidValue(name, value, f"Version {value} is not a valid version") from None


def _check_not_empty(name: str, value: Value) -> None:
    if isinstance(value, str) and not value:
        raise InvalidValue(name, value, "String must be non-empty")


def _check_throttled_replicas(name: str, value: Value) -> None:
    items = value if isinstance(value, list) else [str(value)]
    if items == ["*"] or all(re.fullmatch(r"[0-9]+:[0-9]+", item.strip()) for item in items):
        return
    words = "must be the literal '*' or a list of replicas in the following format:"
    form = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
    raise InvalidValue(name, f"[{', '.join(items)}]", f"{name} {words} {form}")


def _parse_allowed(text: str) -> Check | None:
    """The "allowed" column, in the forms in which Kafka prints its validators."""
    if not text or text in ("non-null string", "non-empty list"):
        return None
    if text == "metadata version":
        return _check_metadata_version
    if text == "non-empty string":
        return _check_not_empty
    if text.startswith("[partitionId]"):
        return _check_throttled_replicas
    if found := re.fullmatch(r"\[(-?\d+),\.\.\.,(-?\d+)\] or (-?\d+)", text):
        return _level_or_default(*(int(part) for part in found.groups()))
    if found := re.fullmatch(r"\[(-?[\d.]+),\.\.\.(?:,(-?[\d.]+))?\]", text):
        low, high = found.groups()
        return _between(float(low), None if high is None else float(high))
    if found := re.fullmatch(r"(\(case insensitive\) )?\[(.*)\]", text):
        return _one_of(found[2].split(", "), ignore_case=found[1] is not None)
    raise ValueError(f"unknown limit {text!r} in the table of settings")


JAVA_SPACE = "".join(map(chr, range(0x21)))
"""What Java's String.trim takes away."""
_BITS = {Type.SHORT: 15, Type.INT: 31, Type.LONG: 63}


def parse_value(name: str, kind: Type, text: str) -> Value:
    """ConfigDef.parseType: text of a properties file or of a request to a typed value."""
    given, text = text, text.strip(JAVA_SPACE)
    if kind in _BITS:
        limit = 1 << _BITS[kind]
        if not re.fullmatch(r"[+-]?[0-9]+", text) or not -limit <= int(text) < limit:
            raise InvalidValue(name, given, f"Not a number of type {kind.name}")
        return int(text)
    if kind is Type.BOOLEAN:
        if text.lower() not in ("true", "false"):
            raise InvalidValue(name, given, "Expected value to be either true or false")
        return text.lower() == "true"
    if kind is Type.DOUBLE:
        try:
            return float(text)
        except ValueError:
            raise InvalidValue(name, given, "Not a number of type DOUBLE") from None
    if kind is Type.LIST:
        return re.split(r"\s*,\s*", text) if text else []
    return text


def format_value(kind: Type, value: Value) -> str | None:
    """ConfigDef.convertToString, but for passwords, which callers must not show at all."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(value)
    if kind is Type.DOUBLE and isinstance(value, float):
        return format_double(value)
    return str(value)


@dataclass(frozen=True, slots=True)
class Definition:
    """One row of a table. `update` is "read-only", "cluster-wide" or "per-broker"; `topic_name` is the
    topic-level name."""

    name: str
    type: Type
    default: Value
    check: Check | None
    importance: str
    doc: str
    update: str = "read-only"
    internal: bool = False
    topic_name: str | None = None

    @property
    def sensitive(self) -> bool:
        return self.type is Type.PASSWORD

    @property
    def attribute(self) -> str:
        """The Python attribute's name on BrokerConfig."""
        return self.name.replace(".", "_")

    def parse(self, text: str) -> Value:
        """Text to a typed value within the limits; raises InvalidValue."""
        value = parse_value(self.name, self.type, text)
        if self.check is not None:
            self.check(self.name, value)
        return value

    def format(self, value: Value) -> str | None:
        return format_value(self.type, value)


def _lines(table: str) -> list[list[str]]:
    text = resources.files(__package__).joinpath(table).read_text("utf-8")
    return [line.split(" | ") for line in text.splitlines() if line and not line.startswith("#")]


def _default(name: str, kind: Type, text: str) -> Value:
    return None if text == "null" else parse_value(name, kind, text)


@cache
def broker_definitions() -> Mapping[str, Definition]:
    """Every broker setting by name, in the table's order."""
    found: dict[str, Definition] = {}
    for name, type_name, default, allowed, importance, update, topic_name, doc in _lines("broker.table"):
        kind = Type[type_name]
        mode, _, internal = update.partition(" ")
        found[name] = Definition(
            name=name,
            type=kind,
            default=_default(name, kind, default),
            check=_parse_allowed(allowed),
            importance=importance,
            doc=doc,
            update=mode,
            internal=internal == "internal",
            topic_name=topic_name or None,
        )
    return found


@cache
def topic_definitions() -> Mapping[str, Definition]:
    """Every topic setting by name, sorted."""
    found: dict[str, Definition] = {}
    for name, type_name, default, allowed, importance, doc in _lines("topic.table"):
        kind = Type[type_name]
        found[name] = Definition(
            name, kind, _default(name, kind, default), _parse_allowed(allowed), importance, doc
        )
    return found


# ServerTopicConfigSynonyms: broker settings in the order in which they give a topic's default; the first one
# counts.
_TIME_SYNONYMS = {
    "retention.ms": ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
    "segment.ms": ("log.roll.ms", "log.roll.hours"),
    "segment.jitter.ms": ("log.roll.jitter.ms", "log.roll.jitter.hours"),
    "flush.ms": ("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
}


@cache
def topic_synonyms() -> Mapping[str, tuple[str, ...]]:
    """The broker settings behind each topic setting, most important first."""
    found = {row.topic_name: (row.name,) for row in broker_definitions().values() if row.topic_name}
    return {**found, **_TIME_SYNONYMS}


def broker_synonyms(name: str) -> tuple[str, ...]:
    """DynamicBrokerConfig.brokerConfigSynonyms: the settings that can give `name` its value, itself first in
    Kafka's order."""
    for names in _TIME_SYNONYMS.values():
        if name in names:
            return names
    return (name,)
