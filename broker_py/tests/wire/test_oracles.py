# SPDX-License-Identifier: Apache-2.0
"""Other people's codecs read what we write: the same values under the same names, and the same bytes back.

kio 0.5.0 and kafka-python were each written from Kafka's schemas without us; they differ from us in types
(kio has timedelta and UUID) but not in what the bytes say.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import io
import typing
import uuid
import warnings
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer
from kio.static.primitive import TZAware, i64Timedelta

from commitlog.wire.codec import reader, writer
from commitlog.wire.message import ZERO_UUID, Message, RawTaggedField
from commitlog.wire.messages.api_versions_response import ApiVersionsResponse
from commitlog.wire.schema import MessageSpec, StructSpec
from tests.wire.samples import full_sample, message_specs, messages, version_id

KAFKA_PYTHON_MODULES = ("admin", "consumer", "metadata", "producer", "sasl")
YEAR_2500 = 16_725_225_600
ERROR_CODES = [code.value for code in ErrorCode]
MILLISECOND = datetime.timedelta(milliseconds=1)


def kio_class(spec: MessageSpec, version: int) -> Any:
    folder = spec.module if spec.kind == "record" else spec.module.rpartition("_")[0]
    kind = "data" if spec.kind == "record" else spec.kind
    return getattr(importlib.import_module(f"kio.schema.{folder}.v{version}.{kind}"), spec.name)


def has_kio(spec: MessageSpec) -> bool:
    """It has no coordinator records, and headers only as part of a request."""
    return not spec.name.endswith(("Key", "Value", "Header"))


def kafka_python_classes() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of how it reads its own package data
        from kafka.protocol.api_message import ApiMessage

        for name in KAFKA_PYTHON_MODULES:
            importlib.import_module(f"kafka.protocol.{name}")

    def below(cls: Any) -> Iterator[Any]:
        for sub in cls.__subclasses__():
            yield sub
            yield from below(sub)

    return {cls.__name__: cls for cls in below(ApiMessage)}


KAFKA_PYTHON = kafka_python_classes()


def plain(value: Any) -> Any:
    """A value of kio or kafka-python as the plain value that we have for it."""
    if isinstance(value, datetime.datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, datetime.timedelta):
        return value // MILLISECOND
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, uuid.UUID):
        return value.bytes
    return value


def their_name(theirs: Any, name: str) -> str:
    """kio drops a unit and steps aside for builtins; both split KRaft."""
    known = getattr(theirs, "__dataclass_fields__", None)
    for candidate in (name, name.removesuffix("_ms"), f"{name}_", name.replace("kraft", "k_raft")):
        if candidate in known if known is not None else hasattr(theirs, candidate):
            return candidate
    raise AssertionError(f"{theirs} has nothing like {name}")


def their_value(theirs: Any, name: str) -> Any:
    return getattr(theirs, their_name(theirs, name))


def assert_same(ours: Any, theirs: Any, struct: StructSpec, version: int) -> None:
    for spec in struct.fields:
        if version not in spec.versions or spec.attribute.endswith("authorized_operations"):
            continue  # kafka-python turns the bits into a set
        our, their = getattr(ours, spec.attribute), their_value(theirs, spec.attribute)
        if (our is None or their is None) and spec.type != "uuid":
            assert our is their, f"{struct.name}.{spec.name}"
            continue
        if spec.struct is None:
            their = [plain(each) for each in their] if spec.is_array else plain(their)
            their = ZERO_UUID if spec.type == "uuid" and their is None else their
            assert our == their, f"{struct.name}.{spec.name}"
            continue
        pairs = zip(our, their, strict=True) if spec.is_array else [(our, their)]
        for our_one, their_one in pairs:
            assert_same(our_one, their_one, spec.struct, version)


def encoded(message: Message, version: int) -> bytes:
    return b"".join(writer(type(message), version)(message))  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", [s for s in message_specs() if has_kio(s)], ids=version_id)
def test_kio_agrees(spec: MessageSpec) -> None:
    for version in range(spec.min_version, spec.max_version + 1):
        theirs = kio_class(spec, version)
        message = full_sample(spec, version)
        data = encoded(message, version)
        found, _ = entity_reader(theirs)(data, 0)
        again = io.BytesIO()
        entity_writer(theirs)(again, found)
        assert again.getvalue().hex() == data.hex(), f"v{version}"
        assert_same(message, found, spec.root, version)


def fit(message: Any, theirs: Any, struct: StructSpec, version: int) -> None:
    """Change what kio has no value for: an error that is none, a time that datetime cannot say."""
    hints = typing.get_type_hints(theirs)
    for spec in struct.fields:
        if version not in spec.versions:
            continue
        value = getattr(message, spec.attribute)
        kinds = set(_leaves(hints[their_name(theirs, spec.attribute)]))
        if spec.struct is not None:
            below = next(kind for kind in kinds if dataclasses.is_dataclass(kind))
            for one in value or () if spec.is_array else [value] if value is not None else []:
                fit(one, below, spec.struct, version)
        elif ErrorCode in kinds:
            setattr(message, spec.attribute, _each(value, lambda one: ERROR_CODES[one % len(ERROR_CODES)]))
        elif kinds & {TZAware, i64Timedelta}:  # in whole seconds, since kio reckons in floating point
            setattr(message, spec.attribute, _each(value, lambda one: one % YEAR_2500 * 1000))


def _leaves(hint: Any) -> Iterator[Any]:
    parts = [part for part in typing.get_args(hint) if part is not Ellipsis]
    if not parts:
        yield hint
    for part in parts:
        yield from _leaves(part)


def _each(value: Any, change: Callable[[int], int]) -> Any:
    return [change(one) for one in value] if isinstance(value, list) else change(value)


@pytest.mark.parametrize("spec", [s for s in message_specs() if has_kio(s)], ids=version_id)
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_kio_agrees_on_any_values(spec: MessageSpec, data: st.DataObject) -> None:
    """In every version, both ways."""
    for version in range(spec.min_version, spec.max_version + 1):
        theirs = kio_class(spec, version)
        message = data.draw(messages(spec, version, unknown_tags=False), label=f"v{version}")
        fit(message, theirs, spec.root, version)
        written = encoded(message, version)
        found, _ = entity_reader(theirs)(written, 0)
        again = io.BytesIO()
        entity_writer(theirs)(again, found)
        assert again.getvalue().hex() == written.hex(), f"v{version}"
        assert_same(message, found, spec.root, version)
        assert encoded(reader(type(message), version)(memoryview(written), 0), version) == written


@pytest.mark.parametrize("spec", [s for s in message_specs() if s.name in KAFKA_PYTHON], ids=version_id)
def test_kafka_python_agrees(spec: MessageSpec) -> None:
    theirs = KAFKA_PYTHON[spec.name]
    for version in range(spec.min_version, min(spec.max_version, theirs.max_version) + 1):
        message = full_sample(spec, version)
        if isinstance(message, ApiVersionsResponse):
            message.error_code = 0  # kafka-python takes any error for an answer in v0
        data = encoded(message, version)
        found = theirs.decode(data, version=version)
        found._header = None  # which encode expects, and decode without a header leaves unset
        assert found.encode(version=version).hex() == data.hex(), f"v{version}"
        assert_same(message, found, spec.root, version)


@pytest.mark.parametrize("spec", [s for s in message_specs() if s.name in KAFKA_PYTHON], ids=version_id)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_kafka_python_agrees_on_any_values(spec: MessageSpec, data: st.DataObject) -> None:
    theirs = KAFKA_PYTHON[spec.name]
    version = data.draw(st.integers(spec.min_version, min(spec.max_version, theirs.max_version)))
    message = data.draw(messages(spec, version, unknown_tags=False))
    if isinstance(message, ApiVersionsResponse):
        message.error_code = 0
    written = encoded(message, version)
    found = theirs.decode(written, version=version)
    found._header = None
    assert found.encode(version=version).hex() == written.hex()
    assert_same(message, found, spec.root, version)
    if spec.is_flexible(version):
        # A field of the future: Kafka keeps it, kafka-python passes over it, and both read the rest.
        message.unknown_tagged_fields = [RawTaggedField(5_000, b"later")]
        later = encoded(message, version)
        assert_same(message, theirs.decode(later, version=version), spec.root, version)
        again = reader(type(message), version)(memoryview(later), 0)
        assert encoded(again, version) == later


def test_kafka_python_covers_the_client_apis() -> None:
    assert len([spec for spec in message_specs() if spec.name in KAFKA_PYTHON]) >= 98
