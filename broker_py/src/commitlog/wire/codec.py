# SPDX-License-Identifier: Apache-2.0
"""Readers and writers of messages: straight-line Python, compiled from the schema per version at first use.

The wire rules are those of Kafka's generated classes (MessageDataGenerator): KIP-482 for compact encodings
and tagged fields, defaults for fields that a version lacks, and a refusal to drop a field in silence unless
it is ignorable.
"""

from __future__ import annotations

import linecache
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar, cast

from commitlog.wire import primitives
from commitlog.wire.compile_reader import ReaderSource
from commitlog.wire.compile_writer import WriterSource
from commitlog.wire.message import ZERO_UUID, Message, RawTaggedField
from commitlog.wire.primitives import EncodeError, MalformedMessage, UnsupportedField
from commitlog.wire.regions import Buffer, Part, Records
from commitlog.wire.schema import MessageSpec, load

__all__ = ["EncodeError", "MalformedMessage", "UnsupportedField", "reader", "writer"]

M = TypeVar("M", bound=Message)
Reader = Callable[[Buffer, int], M]
Writer = Callable[[Message], list[Part]]

_JOIN_BELOW_BYTES = 4096
"""Record data below this size is copied into the bytes around it; larger data stays a part."""

_readers: dict[tuple[type[Message], int], Reader[Any]] = {}
_writers: dict[tuple[type[Message], int], Writer] = {}


def reader(cls: type[M], version: int) -> Reader[M]:
    """The function that reads a `cls` of `version` from a buffer at a position, to its end at most.

    It raises MalformedMessage. Bytes behind the message are left alone, as Kafka does.
    """
    found = _readers.get((cls, version))
    if found is None:
        source = ReaderSource(*_subject(cls, version))
        found = _readers[cls, version] = _compile(source.source(), source.namespace, "read", cls, version)
    return found


def writer(cls: type[Message], version: int) -> Writer:
    """The function that gives the parts of an encoded message; file regions and large buffers stay parts.

    It raises EncodeError, of which UnsupportedField is one kind.
    """
    found = _writers.get((cls, version))
    if found is None:
        source = WriterSource(*_subject(cls, version))
        found = _writers[cls, version] = _compile(source.source(), source.namespace, "write", cls, version)
    return found


def _subject(cls: type[Message], version: int) -> tuple[MessageSpec, int, Mapping[str, object]]:
    """The schema of a class, and the namespace in which its reader or writer lives."""
    if not cls.MIN_VERSION <= version <= cls.MAX_VERSION:
        raise EncodeError(
            f"{cls.__name__} has no version {version}, only {cls.MIN_VERSION} to {cls.MAX_VERSION}"
        )
    spec = next(message for message in load(cls.SCHEMA) if message.name == cls.__name__)
    module = sys.modules[cls.__module__]
    classes = {name: getattr(module, name) for name in (spec.root.name, *spec.structs)}
    return spec, version, {**_RUNTIME, **classes}


def _compile(source: str, namespace: dict[str, object], entry: str, cls: type[Message], version: int) -> Any:
    filename = f"<{entry} {cls.__name__} v{version}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    # The source is made of our own schemas, never of what a peer sent.
    exec(compile(source, filename, "exec"), namespace)  # nosec B102
    return namespace[entry]


def _records_size(records: Records) -> int:
    if isinstance(records, bytes | bytearray | memoryview):
        return len(records)
    return sum(map(len, records))


def _put_records(records: Records, parts: list[bytes], out: list[Part]) -> None:
    """Add record data; `parts` are the bytes since the last part of `out`."""
    pieces = [records] if isinstance(records, bytes | bytearray | memoryview) else records
    for piece in pieces:
        if isinstance(piece, bytes | bytearray | memoryview) and len(piece) < _JOIN_BELOW_BYTES:
            parts.append(cast(bytes, piece))
        elif len(piece):
            if before := b"".join(parts):
                out.append(before)
            parts.clear()
            out.append(piece)


def _refuse_tags(version: int) -> NoReturn:
    raise UnsupportedField(
        f"Tagged fields were set, but version {version} of this message does not support them"
    )


_RUNTIME: Mapping[str, object] = {
    "struct_error": struct.error,
    "MalformedMessage": MalformedMessage,
    "EncodeError": EncodeError,
    "UnsupportedField": UnsupportedField,
    "RawTaggedField": RawTaggedField,
    "ZERO_UUID": ZERO_UUID,
    "read_uvarint": primitives.read_uvarint,
    "read_uvarint_rest": primitives.read_uvarint_rest,
    "uvarint": primitives.uvarint,
    "compact_string_length": primitives.compact_string_length,
    "tag_section": primitives.tag_section,
    "records_size": _records_size,
    "put_records": _put_records,
    "refuse_tags": _refuse_tags,
    **{f"arrays_{code.replace('?', 'o')}": arrays for code, arrays in primitives.ARRAYS.items()},
}
