# SPDX-License-Identifier: Apache-2.0
"""Messages to test with: every class, fixed samples of every version, and hypothesis strategies."""

from __future__ import annotations

import base64
import struct
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import count
from typing import Any

from hypothesis import strategies as st

from commitlog.wire.message import Message, RawTaggedField
from commitlog.wire.schema import FIXED_FORMATS, FieldSpec, MessageSpec, StructSpec, load, schema_names

INTEGERS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


def message_specs() -> Iterator[MessageSpec]:
    for name in schema_names():
        yield from load(name)


def message_class(spec: MessageSpec) -> type[Message]:
    found: type[Message] = getattr(import_module(f"commitlog.wire.messages.{spec.module}"), spec.name)
    return found


def every_version() -> list[tuple[MessageSpec, int]]:
    return [
        (spec, version)
        for spec in message_specs()
        for version in range(spec.min_version, spec.max_version + 1)
    ]


def version_id(value: object) -> str | None:
    """A test id such as FetchRequest-12 out of the pair's two values."""
    return value.name if isinstance(value, MessageSpec) else None


# -- fixed samples: the same in every run, so that bytes made by Kafka itself can be kept beside the tests


def full_sample(spec: MessageSpec, version: int) -> Message:
    """Every field of the version set, to values that differ from each other and from the defaults."""
    return _Sampler(spec, version, full=True).struct(spec.root)


def sparse_sample(spec: MessageSpec, version: int) -> Message:
    """Null where null is allowed, empty arrays and strings, zeros."""
    return _Sampler(spec, version, full=False).struct(spec.root)


class _Sampler:
    def __init__(self, spec: MessageSpec, version: int, *, full: bool) -> None:
        self._module = sys.modules[message_class(spec).__module__]
        self._version = version
        self._full = full
        self._counter = count(1)

    def struct(self, struct: StructSpec) -> Any:
        fields = {f.attribute: self._field(f) for f in struct.fields if self._version in f.versions}
        return getattr(self._module, struct.name)(**fields)

    def _field(self, spec: FieldSpec) -> object:
        if not self._full and spec.is_nullable(self._version):
            return None
        if spec.is_array:
            return [self._value(spec) for _ in range(2)] if self._full else []
        return self._value(spec)

    def _value(self, spec: FieldSpec) -> object:
        if spec.struct is not None:
            return self.struct(spec.struct)
        number = next(self._counter) if self._full else 0
        if spec.type == "bool":
            return self._full and spec.literal() != "True"
        if spec.attribute.endswith("error_code"):
            return number % 98
        if "time" in spec.attribute and spec.type in ("int32", "int64"):
            return number * 1000
        if spec.type in INTEGERS:
            return number if spec.type == "int8" else number * -257 if number % 2 else number * 257
        if spec.type == "float64":
            return number / 8
        if spec.type == "uuid":
            return struct.pack(">qq", number * 0x0101_0101, number)
        text = f"{spec.attribute[:6]}é{number}" if self._full else ""
        return text if spec.type == "string" else text.encode()


def to_kafka_json(message: object, struct: StructSpec, version: int) -> dict[str, object]:
    """A message as the JsonConverter classes of Kafka read it."""
    present = (spec for spec in struct.fields if version in spec.versions)
    return {
        spec.name[0].lower() + spec.name[1:]: _field_json(getattr(message, spec.attribute), spec, version)
        for spec in present
    }


def _field_json(value: Any, spec: FieldSpec, version: int) -> object:
    if value is None:
        return None
    if spec.is_array:
        return [_value_json(each, spec, version) for each in value]
    return _value_json(value, spec, version)


def _value_json(value: Any, spec: FieldSpec, version: int) -> object:
    if spec.struct is not None:
        return to_kafka_json(value, spec.struct, version)
    if spec.type == "uuid":
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    if spec.type in ("bytes", "records"):
        return base64.b64encode(value).decode()
    return value


# -- strategies


def messages(spec: MessageSpec, version: int, *, unknown_tags: bool = True) -> st.SearchStrategy[Any]:
    """Any message of a version: fields that it lacks keep their defaults."""
    return _structs(spec, spec.root, version, unknown_tags)


def _structs(
    message: MessageSpec, struct: StructSpec, version: int, unknown_tags: bool
) -> st.SearchStrategy[Any]:
    cls = getattr(sys.modules[message_class(message).__module__], struct.name)
    fields = {
        f.attribute: _fields(message, f, version, unknown_tags)
        for f in struct.fields
        if version in f.versions
    }
    if unknown_tags and message.is_flexible(version):
        fields["unknown_tagged_fields"] = _UNKNOWN_TAGS
    return st.builds(cls, **fields)


def _fields(
    message: MessageSpec, spec: FieldSpec, version: int, unknown_tags: bool
) -> st.SearchStrategy[Any]:
    if spec.struct is not None:
        value = _structs(message, spec.struct, version, unknown_tags)
    else:
        value = _VALUES[spec.type]
    if spec.is_array:
        value = st.lists(value, max_size=3)
    return st.none() | value if spec.is_nullable(version) else value


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.just("x" * 130)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int8": st.integers(-(2**7), 2**7 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False),
    "uuid": st.binary(min_size=16, max_size=16),
    "string": _TEXT,
    "bytes": st.binary(max_size=200),
    "records": st.binary(max_size=200) | st.just(bytes(5000)),
}
_UNKNOWN_TAGS = st.just(()) | st.lists(
    st.builds(RawTaggedField, st.integers(100, 2**31 - 1), st.binary(max_size=9)),
    max_size=2,
    unique_by=lambda raw: raw.tag,
).map(lambda raws: sorted(raws, key=lambda raw: raw.tag) or ())
assert set(FIXED_FORMATS) <= set(_VALUES)
