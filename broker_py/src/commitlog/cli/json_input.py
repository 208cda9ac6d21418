# SPDX-License-Identifier: Apache-2.0
"""JSON files that people give to tools, with the complaints of Kafka's Json and DecodeJson."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from commitlog.cli.java_order import strings_in_hash_order
from commitlog.cli.topics_errors import ToolError


def read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        raise ToolError(f"Unable to read file {path}") from None


def parse(text: str) -> Any:
    """The document; ValueError when the text is no JSON."""
    return json.loads(text)


def shown(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def dump_hash_map(value: Mapping[str, object]) -> str:
    """What Jackson writes for HashMaps, nested ones included."""
    return shown(_in_hash_order(value))


def _in_hash_order(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _in_hash_order(value[key]) for key in strings_in_hash_order(value)}
    if isinstance(value, list):
        return [_in_hash_order(one) for one in value]
    return value


def as_object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ToolError(f"Expected JSON object, received {shown(value)}")
    return value


def as_list(value: object) -> Iterable[Any]:
    if not isinstance(value, list):
        raise ToolError(f"Expected JSON array, received {shown(value)}")
    return value


def _field(document: Mapping[str, Any], name: str) -> Any:
    if name not in document:
        raise ToolError(f"No such field exists: `{name}`")
    return document[name]


def text_field(document: Mapping[str, Any], name: str) -> str:
    value = _field(document, name)
    if not isinstance(value, str):
        raise ToolError(f"Expected `String` value, received {shown(value)}")
    return value


def integer_field(document: Mapping[str, Any], name: str, kind: str = "Integer") -> int:
    return integer(_field(document, name), kind)


def integer(value: object, kind: str = "Integer") -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ToolError(f"Expected `{kind}` value, received {shown(value)}")
    return value


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ToolError(f"Expected `String` value, received {shown(value)}")
    return value
