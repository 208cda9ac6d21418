# SPDX-License-Identifier: Apache-2.0
"""Records as kafka-console-consumer.sh prints them: Kafka's DefaultMessageFormatter and NoOpMessageFormatter.

Columns in a fixed order, each behind the last with key.separator: timestamp, partition, offset, headers, key,
value, then line.separator.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

NO_TIMESTAMP, CREATE_TIME, LOG_APPEND_TIME = 0, 1, 2
_TIMESTAMP_NAMES = {CREATE_TIME: b"CreateTime", LOG_APPEND_TIME: b"LogAppendTime"}


@dataclass(frozen=True, slots=True)
class ConsumedRecord:
    """What a consumer got, as far as it can be printed."""

    partition: int
    offset: int
    timestamp_type: int
    timestamp: int
    headers: Sequence[tuple[str, bytes | None]]
    key: bytes | None
    value: bytes | None


Formatter = Callable[[ConsumedRecord], bytes]
Deserializer = Callable[[bytes], bytes]


def _number(form: str) -> Deserializer:
    layout = struct.Struct(form)

    def deserialize(data: bytes) -> bytes:
        if len(data) != layout.size:
            raise ValueError(f"Size of data received is not {layout.size}")
        return str(layout.unpack(data)[0]).encode()

    return deserialize


_DESERIALIZERS: Mapping[str, Deserializer] = {
    "StringDeserializer": lambda data: data.decode(errors="replace").encode(),
    "BytesDeserializer": lambda data: data,
    "ByteArrayDeserializer": lambda data: data,
    "ShortDeserializer": _number(">h"),
    "IntegerDeserializer": _number(">i"),
    "LongDeserializer": _number(">q"),
    "DoubleDeserializer": _number(">d"),
    "UUIDDeserializer": lambda data: str(uuid.UUID(data.decode())).encode(),
}
_PACKAGE = "org.apache.kafka.common.serialization."


def known_deserializer(name: str) -> bool:
    return name.startswith(_PACKAGE) and name.removeprefix(_PACKAGE) in _DESERIALIZERS


class DefaultFormatter:
    """See the module. `properties` are those of --property; a deserializer nobody knows leaves the bytes
    alone."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        def flag(name: str, default: str = "false") -> bool:
            return properties.get(name, default).strip().lower() == "true"

        self._timestamp = flag("print.timestamp")
        self._partition = flag("print.partition")
        self._offset = flag("print.offset")
        self._headers = flag("print.headers")
        self._key = flag("print.key")
        self._value = flag("print.value", "true")
        self._separator = properties.get("key.separator", "\t").encode()
        self._end = properties.get("line.separator", "\n").encode()
        self._headers_separator = properties.get("headers.separator", ",").encode()
        self._null = properties.get("null.literal", "null").encode()
        self._deserialize_key = _deserializer(properties.get("key.deserializer"))
        self._deserialize_value = _deserializer(properties.get("value.deserializer"))
        self._deserialize_header = _deserializer(properties.get("headers.deserializer"))

    def __call__(self, record: ConsumedRecord) -> bytes:
        columns: list[bytes] = []
        if self._timestamp:
            name = _TIMESTAMP_NAMES.get(record.timestamp_type)
            columns.append(b"NO_TIMESTAMP" if name is None else b"%s:%d" % (name, record.timestamp))
        if self._partition:
            columns.append(b"Partition:%d" % record.partition)
        if self._offset:
            columns.append(b"Offset:%d" % record.offset)
        if self._headers:
            columns.append(self._format_headers(record))
        if self._key:
            columns.append(self._text(self._deserialize_key, record.key))
        if self._value:
            columns.append(self._text(self._deserialize_value, record.value))
        # Kafka's formatter ends the line with the last column, and the key's column only before a value.
        return self._separator.join(columns) + self._end if columns else b""

    def _format_headers(self, record: ConsumedRecord) -> bytes:
        if not record.headers:
            return b"NO_HEADERS"
        return self._headers_separator.join(
            name.encode() + b":" + self._text(self._deserialize_header, value)
            for name, value in record.headers
        )

    def _text(self, deserialize: Deserializer, data: bytes | None) -> bytes:
        return deserialize(self._null if data is None else data)


def _deserializer(name: str | None) -> Deserializer:
    if name is not None and known_deserializer(name):
        return _DESERIALIZERS[name.removeprefix(_PACKAGE)]
    return _DESERIALIZERS["BytesDeserializer"]


def print_nothing(_: ConsumedRecord) -> bytes:
    return b""


def make_formatter(class_name: str, properties: Mapping[str, str]) -> Formatter | None:
    """The formatter of that Java class; None for one that is not here."""
    name = class_name.removeprefix("org.apache.kafka.tools.consumer.").removeprefix("kafka.tools.")
    if name.removeprefix("kafka.consumer.") == "DefaultMessageFormatter":
        return DefaultFormatter(properties)
    if name.removeprefix("kafka.consumer.") == "NoOpMessageFormatter":
        return print_nothing
    return None
