# SPDX-License-Identifier: Apache-2.0
"""What may be wrong with a request: a good one, and each field of it changed in turn to what nobody should
send, then its frame cut short, made longer, and with lengths that lie.

What stands in angle brackets is filled in by each side with what it has under that name: ids that brokers
make up differ, and ``<fresh>`` is new in every question.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import request_class
from commitlog.wire.schema import FieldSpec, MessageSpec, StructSpec, load
from tests.server.authorization_table import make

TOPIC, READ, VICTIM = "matrix", "read", "victim"
"""The topic of most requests; one of two batches that nobody writes to; one that brokers' requests name."""
GROUP, STATIC = "readers", "static"
UNKNOWN_ID = b"\x07" * 16
BITS = {"int8": 8, "int16": 16, "uint16": 16, "int32": 32, "int64": 64}
SMALL = {"num_partitions": 10, "count": 10, "broker_epoch": 99}
"""What larger values are not asked for: Apache Kafka makes as many partitions as memory holds and more, and
a registration's epoch is a number that ZooKeeper gives."""
TEXTS = ("", "nobody", "..", "a/b", "é\0 \n", "x" * 249, "x" * 250, "x" * 32_767)
OTHER_RESOURCES = (16, 32)
"""Client metrics and groups, which a broker in ZooKeeper mode has no settings of."""
LIES = (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\xff\x07", b"\x7f\xff")
PLACES = 12
"""At how many places of a frame it is damaged."""
AFTER_CLIENT_ID = 2 + 2 + 4 + 2 + len("test")

Fill = Callable[[Any], Any]
"""A side's value for a name in angle brackets; every other value stays."""


@dataclass(frozen=True)
class Good:
    """A request that a client could send; ``fields`` may name fields of any version, and those that are
    ``kept`` are asked as they are: another value would have both brokers wait, or Apache Kafka never answer.
    """

    key: ApiKey
    what: str
    fields: dict[str, Any]
    since: int = 0
    until: int = 99
    kept: tuple[str, ...] = ()
    damaged: bool = True
    hopeless: tuple[str, ...] = ()
    """Fields that no bad value of is ever done: Kafka waits for as long as it may, so that is short."""
    skipped: tuple[str, ...] = ()
    """How the questions begin that are not asked: Apache Kafka never answers them, or as nobody should."""


def spec_of(key: ApiKey) -> MessageSpec:
    return next(spec for spec in load(request_class(key).SCHEMA) if spec.kind == "request")


def in_version(struct: StructSpec, version: int, values: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that the version lacks."""
    found = {}
    for field in struct.fields:
        if field.attribute in values and version in field.versions:
            value = values[field.attribute]
            if field.struct is not None and isinstance(value, list):
                value = [in_version(field.struct, version, one) for one in value]
            elif field.struct is not None and isinstance(value, dict):
                value = in_version(field.struct, version, value)
            found[field.attribute] = value
    return found


def filled(value: Any, fill: Fill) -> Any:
    if isinstance(value, dict):
        return {name: filled(one, fill) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, fill) for one in value]
    return fill(value)


@dataclass(frozen=True)
class Question:
    """A request in one version; ``what`` names what is wrong with it."""

    key: ApiKey
    version: int
    what: str
    fields: dict[str, Any]

    def request(self, fill: Fill) -> Any:
        return make(request_class(self.key), filled(self.fields, fill))

    def __str__(self) -> str:
        return f"{self.key.name} {self.version}, {self.what}"


def questions(good: Good, version: int) -> Iterator[Question]:
    """The good request, and then each of its fields with every bad value."""
    spec = spec_of(good.key)
    fields = in_version(spec.root, version, good.fields)
    yield Question(good.key, version, good.what, fields)
    for path, field in _places(spec.root, version, fields, ()):
        if field.attribute in good.kept:
            continue
        for value in _bad(field, version, _at(fields, path)):
            if field.attribute in SMALL and isinstance(value, int) and value >= SMALL[field.attribute]:
                continue
            changed = copy.deepcopy(fields)
            _put(changed, path, value)
            if field.attribute in good.hopeless:
                changed["timeout_ms"] = 1
            shown = repr(value) if len(repr(value)) < 60 else f"{repr(value)[:50]}... ({len(value)})"
            where = ".".join(str(step) for step in path)
            if not f"{where} = {shown}".startswith(good.skipped):
                yield Question(good.key, version, f"{good.what}, {where} = {shown}", changed)


Path = tuple[str | int, ...]


def _places(
    struct: StructSpec, version: int, fields: dict[str, Any], before: Path
) -> Iterator[tuple[Path, FieldSpec]]:
    for field in struct.fields:
        if version not in field.versions:
            continue
        path = (*before, field.attribute)
        value = fields.get(field.attribute)
        if field.is_array or field.struct is None:
            yield path, field
        if field.struct is not None and field.is_array and value:
            yield from _places(field.struct, version, value[0], (*path, 0))
        elif field.struct is not None and not field.is_array and value is not None:
            yield from _places(field.struct, version, value, path)


def _at(fields: Any, path: Path) -> Any:
    for step in path:
        fields = fields.get(step) if isinstance(fields, dict) else fields[step]
    return fields


def _put(fields: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        fields = fields[step]
    fields[path[-1]] = value


def _bad(field: FieldSpec, version: int, value: Any) -> Iterator[Any]:
    if field.is_nullable(version) and value is not None:
        yield None
    if field.is_array:
        yield []
        if value:
            yield [*value, *value]
        if field.struct is None:
            yield from ([one] for one in _bad_values(field))
        return
    yield from (one for one in _bad_values(field) if one != value)


def _bad_values(field: FieldSpec) -> Iterator[Any]:
    if field.attribute == "resource_type":
        yield from OTHER_RESOURCES
    if field.type in BITS:
        top = 1 << (BITS[field.type] - 1)
        yield from (-2, -1, 0, 1, 99, top - 1, -top)
    elif field.type == "string":
        yield from TEXTS
    elif field.type == "bool":
        yield from (False, True)
    elif field.type == "float64":
        yield from (0.0, -1.0, 0.5, 1e300, float("inf"), float("nan"))
    elif field.type == "uuid":
        yield from (bytes(16), UNKNOWN_ID)
    elif field.type == "bytes":
        yield from (b"", b"\0\1", b"\xff" * 60)


Change = Callable[[bytes], bytes]


def damages(size: int) -> Iterator[tuple[str, Change]]:
    """How a frame of at least that size is cut short, made longer, or holds a length that lies."""
    yield "longer", lambda frame: frame + b"\0\1\2"
    step = max(1, size // PLACES)
    for at in range(0, size, step):
        yield f"cut to {at}", lambda frame, at=at: frame[:at]
    for at in range(AFTER_CLIENT_ID, size, step):
        for lie in LIES:
            yield (
                f"{lie.hex()} at {at}",
                lambda frame, at=at, lie=lie: frame[:at] + lie + frame[at + len(lie) :],
            )
