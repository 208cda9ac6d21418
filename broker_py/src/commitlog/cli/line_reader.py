# SPDX-License-Identifier: Apache-2.0
"""Lines of standard input as records: kafka-console-producer.sh's LineMessageReader.

`[headers<headers.delimiter>][key<key.separator>]value`, where headers are `name:value,name:value`. A line
ends with LF, CR or CRLF, as for Java's readLine. What is between the separators is taken byte for byte.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from commitlog.cli.topics_errors import ToolError

Header = tuple[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One record to send."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


def read_lines(source: BinaryIO, *, prompts: bool) -> Iterator[bytes]:
    """Lines without their ends. On a terminal each one is asked for with `>`."""
    while True:
        if prompts:
            sys.stdout.write(">")
            sys.stdout.flush()
        raw = source.readline()
        if not raw:
            return
        yield from raw.removesuffix(b"\n").removesuffix(b"\r").split(b"\r")


class LineReader:
    """Takes lines apart as its properties (--property) say. Raises ToolError for a line that does not fit."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._parse_key = _flag(properties, "parse.key")
        self._parse_headers = _flag(properties, "parse.headers")
        self._ignore_error = _flag(properties, "ignore.error")
        self._key_separator = properties.get("key.separator", "\t").encode()
        self._headers_delimiter = properties.get("headers.delimiter", "\t").encode()
        self._headers_separator = properties.get("headers.separator", ",").encode()
        self._headers_key_separator = properties.get("headers.key.separator", ":").encode()
        marker = properties.get("null.marker")
        self._null_marker = None if marker is None else marker.encode()
        self._line_number = 0
        self._check_separators()

    def _check_separators(self) -> None:
        named = {
            "headers.delimiter": self._headers_delimiter,
            "headers.separator": self._headers_separator,
            "headers.key.separator": self._headers_key_separator,
        }
        names = list(named)
        pairs = [(one, two) for i, one in enumerate(names) for two in names[i + 1 :]]
        if self._null_marker is not None:
            named |= {"null.marker": self._null_marker, "key.separator": self._key_separator}
            pairs += [("null.marker", name) for name in ("key.separator", *names)]
        for one, two in pairs:
            if named[one] == named[two]:
                raise ToolError(f"{one} and {two} may not be equal")
        if b"" in named.values():
            raise ToolError("separators may not be empty")

    def parse(self, line: bytes) -> Line:
        self._line_number += 1
        headers, rest = self._cut(
            self._parse_headers, line, line, self._headers_delimiter, "headers delimiter"
        )
        key, value = self._cut(self._parse_key, rest, line, self._key_separator, "key separator")
        return Line(
            key=self._or_null(key),
            value=self._or_null(value),
            headers=() if headers is None or headers == self._null_marker else self._split_headers(headers),
        )

    def _cut(
        self, enabled: bool, text: bytes, line: bytes, separator: bytes, name: str
    ) -> tuple[bytes | None, bytes]:
        if not enabled:
            return None, text
        before, found, after = text.partition(separator)
        if found:
            return before, after
        if self._ignore_error:
            return None, text
        shown = line.decode(errors="replace")
        raise ToolError(f"No {name} found on line number {self._line_number}: '{shown}'")

    def _or_null(self, text: bytes | None) -> bytes | None:
        return None if text == self._null_marker else text

    def _split_headers(self, headers: bytes) -> list[Header]:
        return [self._header(pair) for pair in headers.split(self._headers_separator)]

    def _header(self, pair: bytes) -> Header:
        name, found, value = pair.partition(self._headers_key_separator)
        shown = name.decode(errors="replace")
        if not found:
            if self._ignore_error:
                return shown, None
            raise ToolError(
                f"No header key separator found in pair '{shown}' on line number {self._line_number}"
            )
        if name == self._null_marker:
            raise ToolError(
                f"Header keys should not be equal to the null marker '{shown}' as they can't be null"
            )
        return shown, self._or_null(value)


def _flag(properties: Mapping[str, str], name: str) -> bool:
    return properties.get(name, "false").strip().lower() == "true"
