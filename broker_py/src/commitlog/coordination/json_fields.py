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
    """The errors say where the document is broken and quote nothing of it: it may be a credential."""
    try:
        value = json.loads(data)
    except json.JSONDecodeError as error:
        where = f"{error.msg} at character {error.pos} of {len(data)} bytes"
        raise DocumentError(f"{what}: not JSON: {where}") from None
    except ValueError:
        raise DocumentError(f"{what}: not JSON: the {len(data)} bytes are no text") from None
    if not isinstance(value, dict):
        raise DocumentError(f"{what}: not a JSON object but {_kind(value)} of {len(data)} bytes")
    return value


def _kind(value: object) -> str:
    names = {list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def integer(what: str, value: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A number, or text of a number (Kafka's parser reads both)."""
    found = value.get(key, default)
    try:
        if isinstance(found, int | str) and not isinstance(found, bool):
            return int(found)
    except ValueError:
        pass
    raise DocumentError(f"{what}: {key} is {found!r}, not a number")
