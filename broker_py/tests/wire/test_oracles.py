# SPDX-License-Identifier: Apache-2.0
"""Other people's codecs read what we write: the same values under the same names, and the same bytes back.

kio 0.5.0 and kafka-python were each written from Kafka's schemas without us; they differ from us in types
(kio has timedelta and UUID) but not in what the bytes say.
"""

from __future__ import annotations

import datetime
import importlib
import io
import uuid
import warnings
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kio.serial import entity_reader, entity_writer

from commitlog.wire.codec import reader, writer
from commitlog.wire.message import ZERO_UUID, Message, RawTaggedField
from commitlog.wire.messages.api_versions_response import ApiVersionsResponse
from commitlog.wire.schema import MessageSpec, StructSpec
from tests.wire.samples import full_sample, message_specs, messages, version_id

KAFKA_PYTHON_MODULES = ("admin", "consumer", "metadata", "producer", "sasl")
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


def their_value(theirs: Any, name: str) -> Any:
    """kio drops a unit and steps aside for builtins; both split KRaft."""
    for candidate in (name, name.removesuffix("_ms"), f"{name}_", name.replace("kraft", "k_raft")):
        if hasattr(theirs, candidate):
            return getattr(theirs, candidate)
    raise AssertionError(f"{type(theirs).__name__} has nothing like {name}")


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
