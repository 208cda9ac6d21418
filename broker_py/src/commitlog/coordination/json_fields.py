# SPDX-License-Identifier: Apache-2.0
"""JSON as Kafka writes it into ZooKeeper, and tolerant reading with errors that name the document.

Kafka's `kafka.utils.Json` writes UTF-8 without blanks and leaves characters beyond ASCII as they are; its
reader takes a number also where it stands as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class DocumentError(ValueError):
    """A znode whose data is not the document that Kafka keeps there."""


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def load(what: str, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise DocumentError(f"{what}: not JSON: {data[:80]!r}") from error
    if not isinstance(value, dict):
        raise DocumentError(f"{what}: not a JSON object: {data[:80]!r}")
    return value


def integer(what: str, value: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A number, or text of a number (Kafka's parser reads both)."""
    found = value.get(key, default)
    try:
        if isinstance(found, int | str) and not isinstance(found, bool):
            return int(found)
    except ValueError:
        pass
    raise DocumentError(f"{what}: {key} is {found!r}, not a number")
