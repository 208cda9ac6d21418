# SPDX-License-Identifier: Apache-2.0
"""Properties files as java.util.Properties reads them, so that a file means here what it means to a JVM
broker.

Layout: lines in ISO-8859-1, ended by LF, CR or CRLF; `#` or `!` starts a comment line; a line that ends in an
odd number of backslashes goes on in the next line without that line's leading blanks; the key ends at the
first unescaped `=`, `:` or blank; `\\t \\n \\r \\f` and `\\uXXXX` are escapes, any other escaped character is
itself. Blanks after a value belong to it. The last of several equal keys wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_BLANKS = " \t\f"


class ConfigError(ValueError):
    """A setting that cannot be used: one line with file, key, value and what is allowed."""

    def __init__(self, message: str, *, source: str | None = None, name: str | None = None) -> None:
        super().__init__(f"{source}: {message}" if source else message)
        self.message = message
        self.source = source
        self.name = name


def _logical_lines(text: str) -> Iterator[str]:
    """Lines with their continuations joined; comments and blank lines are left out."""
    pending: str | None = None
    for line in re.split(r"\r\n|\r|\n", text):
        line = line.lstrip(_BLANKS)
        if pending is None and (not line or line[0] in "#!"):
            continue
        joined = (pending or "") + line
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            pending = joined[:-1]
        else:
            pending = None
            yield joined
    if pending:
        yield pending


def _split(line: str) -> tuple[str, str]:
    """Key and value, both still escaped."""
    position = 0
    while position < len(line) and line[position] not in "=:" + _BLANKS:
        position += 2 if line[position] == "\\" else 1
    key, rest = line[:position], line[position:].lstrip(_BLANKS)
    if rest and rest[0] in "=:":
        rest = rest[1:].lstrip(_BLANKS)
    return key, rest


def _unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] == "u":
            raise ConfigError("Malformed \\uxxxx encoding.")
        return _ESCAPES.get(match[2], match[2])

    if "\\" not in text:
        return text
    units = re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", replace, text, flags=re.DOTALL)
    # A character beyond the basic plane is written as two escapes, a surrogate pair.
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse(text: str) -> dict[str, str]:
    return {_unescape(key): _unescape(value) for key, value in map(_split, _logical_lines(text))}


def load(path: str | Path) -> dict[str, str]:
    """Read a properties file; ConfigError when it cannot be read."""
    try:
        return parse(Path(path).read_bytes().decode("latin-1"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"cannot be read: {reason}", source=str(path)) from error
    except ConfigError as error:
        raise ConfigError(error.message, source=str(path)) from error


def dump(properties: Mapping[str, str]) -> str:
    """A properties file that reads back as `properties`, with java.util.Properties' escapes."""

    def escape(text: str, *, is_key: bool) -> str:
        shown = []
        for position, character in enumerate(text):
            if character == " " and (is_key or position == 0):
                shown.append("\\ ")
            elif character in "\t\n\r\f":
                shown.append("\\" + "tnrf"["\t\n\r\f".index(character)])
            elif character in "\\=:#!":
                shown.append("\\" + character)
            elif " " <= character <= "~":
                shown.append(character)
            else:
                units = character.encode("utf-16-be").hex().upper()
                shown.extend(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
        return "".join(shown)

    return "".join(
        f"{escape(key, is_key=True)}={escape(value, is_key=False)}\n" for key, value in properties.items()
    )


def parse_overrides(overrides: Iterable[str]) -> dict[str, str]:
    """The values of repeated `--override key=value` options, as CommandLineUtils.parseKeyValueArgs takes
    them."""
    found: dict[str, str] = {}
    for item in overrides:
        key, separator, value = item.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"--override {item!r}: must be key=value")
        found[key.strip()] = value
    return found
