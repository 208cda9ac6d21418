# SPDX-License-Identifier: Apache-2.0
"""Lines of standard input as records, as Kafka's LineMessageReader takes them apart."""

from __future__ import annotations

import io

import pytest

from commitlog.cli.line_reader import Line, LineReader, read_lines
from commitlog.cli.topics_errors import ToolError

KEY = {"parse.key": "true"}
HEADERS = {"parse.headers": "TRUE "}


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"one\ntwo", [b"one", b"two"]),
        (b"one\r\ntwo\r\n", [b"one", b"two"]),
        (b"one\rtwo\n", [b"one", b"two"]),
        (b"\n\n", [b"", b""]),
        ("ünï\n".encode(), ["ünï".encode()]),
        (b"\xff\xfe\n", [b"\xff\xfe"]),
    ],
)
def test_lines_end_as_in_java(data: bytes, lines: list[bytes]) -> None:
    assert list(read_lines(io.BytesIO(data), prompts=False)) == lines


def test_prompt_before_every_line_and_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(read_lines(io.BytesIO(b"one\ntwo\n"), prompts=True)) == [b"one", b"two"]
    assert capsys.readouterr().out == ">>>"


@pytest.mark.parametrize(
    ("properties", "text", "line"),
    [
        ({}, b"a\tb", Line(None, b"a\tb")),
        (KEY, b"k\tv\tw", Line(b"k", b"v\tw")),
        (KEY, b"\tv", Line(b"", b"v")),
        (KEY | {"key.separator": "::"}, b"k::v", Line(b"k", b"v")),
        (KEY | {"ignore.error": "true"}, b"no key", Line(None, b"no key")),
        (KEY | {"null.marker": "NULL"}, b"NULL\tNULL", Line(None, None)),
        (HEADERS, b"a:1,b:2\tv", Line(None, b"v", [("a", b"1"), ("b", b"2")])),
        (HEADERS, b"a:1:2\tv", Line(None, b"v", [("a", b"1:2")])),
        (HEADERS | KEY, b"a:1\tk\tv", Line(b"k", b"v", [("a", b"1")])),
        (HEADERS | {"null.marker": "NULL"}, b"a:NULL\tv", Line(None, b"v", [("a", None)])),
        (HEADERS | {"null.marker": "NULL"}, b"NULL\tv", Line(None, b"v")),
        (HEADERS | {"ignore.error": "true"}, b"alone\tv", Line(None, b"v", [("alone", None)])),
        (
            HEADERS | {"headers.delimiter": "|", "headers.separator": ";", "headers.key.separator": "="},
            b"a=1;b=2|v",
            Line(None, b"v", [("a", b"1"), ("b", b"2")]),
        ),
    ],
)
def test_parts(properties: dict[str, str], text: bytes, line: Line) -> None:
    assert LineReader(properties).parse(text) == line


@pytest.mark.parametrize(
    ("properties", "text", "message"),
    [
        (KEY, b"oops", "No key separator found on line number 1: 'oops'"),
        (HEADERS, b"oops", "No headers delimiter found on line number 1: 'oops'"),
        (HEADERS, b"a\tv", "No header key separator found in pair 'a' on line number 1"),
        (
            HEADERS | {"null.marker": "N"},
            b"N:1\tv",
            "Header keys should not be equal to the null marker 'N' as they can't be null",
        ),
    ],
)
def test_what_does_not_fit(properties: dict[str, str], text: bytes, message: str) -> None:
    with pytest.raises(ToolError) as caught:
        LineReader(properties).parse(text)
    assert str(caught.value) == message


def test_error_names_the_line() -> None:
    reader = LineReader(KEY)
    reader.parse(b"k\tv")
    with pytest.raises(ToolError, match="line number 2"):
        reader.parse(b"oops")


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"headers.delimiter": ","}, "headers.delimiter and headers.separator may not be equal"),
        ({"headers.separator": ":"}, "headers.separator and headers.key.separator may not be equal"),
        ({"null.marker": "\t"}, "null.marker and key.separator may not be equal"),
        ({"null.marker": ","}, "null.marker and headers.separator may not be equal"),
        ({"key.separator": "", "null.marker": "N"}, "separators may not be empty"),
    ],
)
def test_separators_must_differ(properties: dict[str, str], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        LineReader(properties)
