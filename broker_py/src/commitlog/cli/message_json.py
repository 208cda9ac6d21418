# SPDX-License-Identifier: Apache-2.0
"""Messages as JSON, as Kafka's generated JsonConverters write them: names as in the schemas, bytes in Base64,
tagged fields only where they differ from their default."""

from __future__ import annotations

import base64
from typing import Any

from commitlog.coordination.documents import uuid_to_text
from commitlog.wire import schema
from commitlog.wire.message import Message
from commitlog.wire.schema import FieldSpec, StructSpec


def to_json(message: Message, version: int) -> dict[str, Any]:
    """The fields that the message has in that version, in their order."""
    specs = {spec.name: spec for spec in schema.load(message.SCHEMA)}
    return _struct(specs[type(message).__name__].root, message, version)


def _struct(spec: StructSpec, value: Any, version: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in spec.fields:
        if version not in field.versions:
            continue
        content = getattr(value, field.attribute)
        if field.is_tagged(version) and content in (None, "", b"", [], 0):
            continue
        # The names of some schemas begin with a capital, which JSON does not.
        found[field.name[:1].lower() + field.name[1:]] = _content(field, content, version)
    return found


def _content(field: FieldSpec, content: Any, version: int) -> Any:
    if content is None:
        return None
    if field.is_array:
        return [_one(field, one, version) for one in content]
    return _one(field, content, version)


def _one(field: FieldSpec, content: Any, version: int) -> Any:
    if field.struct is not None:
        return _struct(field.struct, content, version)
    if field.type == "uuid":
        return uuid_to_text(content)
    if isinstance(content, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(content)).decode()
    return content
