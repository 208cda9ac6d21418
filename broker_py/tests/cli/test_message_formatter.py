# SPDX-License-Identifier: Apache-2.0
"""Records as lines: what Kafka's DefaultMessageFormatter prints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commitlog.cli.message_formatter import (
    CREATE_TIME,
    LOG_APPEND_TIME,
    NO_TIMESTAMP,
    ConsumedRecord,
    DefaultFormatter,
    make_formatter,
)

RECORD = ConsumedRecord(
    partition=3,
    offset=42,
    timestamp_type=CREATE_TIME,
    timestamp=1700000000123,
    headers=[("h", b"1"), ("n", None)],
    key=b"k",
    value=b"v",
)
EVERYTHING = {f"print.{what}": "true" for what in ("timestamp", "partition", "offset", "headers", "key")}


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({}, b"v\n"),
        ({"print.key": "true"}, b"k\tv\n"),
        ({"print.key": " True "}, b"k\tv\n"),
        ({"print.value": "false"}, b""),
        ({"print.key": "true", "key.separator": "|", "line.separator": ";"}, b"k|v;"),
        (EVERYTHING, b"CreateTime:1700000000123\tPartition:3\tOffset:42\th:1,n:null\tk\tv\n"),
        (
            EVERYTHING | {"headers.separator": "+", "null.literal": "nil", "key.separator": " "},
            b"CreateTime:1700000000123 Partition:3 Offset:42 h:1+n:nil k v\n",
        ),
    ],
)
def test_columns(properties: dict[str, str], text: bytes) -> None:
    assert DefaultFormatter(properties)(RECORD) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (CREATE_TIME, b"CreateTime:1700000000123"),
        (LOG_APPEND_TIME, b"LogAppendTime:1700000000123"),
        (NO_TIMESTAMP, b"NO_TIMESTAMP"),
    ],
)
def test_timestamp_types(kind: int, text: bytes) -> None:
    formatter = DefaultFormatter({"print.timestamp": "true"})
    assert formatter(replace(RECORD, timestamp_type=kind)) == text + b"\tv\n"


def test_what_is_not_there() -> None:
    formatter = DefaultFormatter({"print.key": "true", "print.headers": "true"})
    assert formatter(replace(RECORD, headers=(), key=None, value=None)) == b"NO_HEADERS\tnull\tnull\n"


def test_bytes_are_printed_as_they_are() -> None:
    assert DefaultFormatter({})(replace(RECORD, value=b"\xff\0\n")) == b"\xff\0\n\n"


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("IntegerDeserializer", b"\xff\xff\xff\xfe", b"-2"),
        ("LongDeserializer", b"\0\0\0\0\0\0\1\0", b"256"),
        ("ShortDeserializer", b"\0\7", b"7"),
        ("DoubleDeserializer", b"\x3f\xf8\0\0\0\0\0\0", b"1.5"),
        ("StringDeserializer", "ü".encode(), "ü".encode()),
    ],
)
def test_deserializers(name: str, data: bytes, text: bytes) -> None:
    formatter = DefaultFormatter({"value.deserializer": f"org.apache.kafka.common.serialization.{name}"})
    assert formatter(replace(RECORD, value=data)) == text + b"\n"


def test_deserializer_that_does_not_fit_the_bytes() -> None:
    name = "org.apache.kafka.common.serialization.IntegerDeserializer"
    with pytest.raises(ValueError, match="Size of data received is not 4"):
        DefaultFormatter({"value.deserializer": name})(RECORD)


def test_deserializer_that_nobody_knows_is_left_out() -> None:
    assert DefaultFormatter({"key.deserializer": "com.example.Mine"})(RECORD) == b"v\n"


@pytest.mark.parametrize(
    "name",
    [
        "org.apache.kafka.tools.consumer.DefaultMessageFormatter",
        "kafka.tools.DefaultMessageFormatter",
        "kafka.consumer.DefaultMessageFormatter",
    ],
)
def test_default_formatter_of_every_age(name: str) -> None:
    formatter = make_formatter(name, {})
    assert formatter is not None
    assert formatter(RECORD) == b"v\n"


def test_other_formatters() -> None:
    nothing = make_formatter("org.apache.kafka.tools.consumer.NoOpMessageFormatter", {})
    assert nothing is not None
    assert nothing(RECORD) == b""
    assert make_formatter("com.example.Mine", {}) is None
