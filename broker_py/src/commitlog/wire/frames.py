# SPDX-License-Identifier: Apache-2.0
"""Frames: the size, the request or response header, and the message behind it.

Header versions follow ApiKeys.requestHeaderVersion and responseHeaderVersion: request header v2 and
response header v1 exactly when the message's version is flexible; ControlledShutdown v0 has request header
v0 (no client id); ApiVersions responses always have header v0, since the client cannot know yet what the
broker speaks (KIP-511).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import Any, TypeVar

from commitlog.wire.api_keys import API_VERSIONS, ApiKey
from commitlog.wire.codec import EncodeError, MalformedMessage, Reader, reader, writer
from commitlog.wire.errors import ErrorCode
from commitlog.wire.message import Message, RecordMessage, Request, Response
from commitlog.wire.messages import request_class, response_class
from commitlog.wire.primitives import MAX_STRING_BYTES, read_uvarint
from commitlog.wire.regions import Buffer, FileRegion, Part

R = TypeVar("R", bound=RecordMessage)

_API_VERSIONS_KEY = int(ApiKey.API_VERSIONS)
_CONTROLLED_SHUTDOWN_KEY = int(ApiKey.CONTROLLED_SHUTDOWN)
_NEVER = 32768

_ROUTE = Struct(">hhi")
_INT32 = Struct(">i")
_RESPONSE_V0 = Struct(">ii")
_RESPONSE_V1 = Struct(">iiB")
_INT16 = Struct(">h")

_request_readers: dict[tuple[int, int], Reader[Request[Any]]] = {}
_flexible_from = {int(key): versions.flexible for key, versions in API_VERSIONS.items()}


@dataclass(slots=True)
class RequestHeader:
    """What precedes a request; `body_offset` is where the request itself begins in the frame."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    body_offset: int


def decode_request_header(frame: memoryview) -> RequestHeader:
    """Read the header of a frame (without its size).

    Any api key and version pass: the caller may have to answer an ApiVersions version that nobody knows
    yet. Bytes that are no header raise MalformedMessage.
    """
    try:
        api_key, version, correlation_id = _ROUTE.unpack_from(frame)
        position = _ROUTE.size
        client_id: str | None = None
        if version or api_key != _CONTROLLED_SHUTDOWN_KEY:
            (length,) = _INT16.unpack_from(frame, position)
            position += _INT16.size
            if length > 0:
                start, position = position, position + length
                client_id = str(frame[start:position], "utf-8", "replace")
            elif length == 0:
                client_id = ""
        if version >= _flexible_from.get(api_key, _NEVER):
            position = _skip_tags(frame, position)
    except (struct_error, IndexError) as exc:
        raise MalformedMessage("the bytes end within the request header") from exc
    if position > len(frame):
        raise MalformedMessage("the client id is longer than what remains")
    return RequestHeader(api_key, version, correlation_id, client_id, position)


def decode_request(header: RequestHeader, frame: memoryview) -> Request[Any]:
    """Read the request behind a header; records fields are views into `frame`.

    MalformedMessage for bad bytes, and for an api key or version that has no schema.
    """
    route = (header.api_key, header.api_version)
    read = _request_readers.get(route)
    if read is None:
        versions = API_VERSIONS.get(header.api_key)
        if versions is None or not versions.low <= header.api_version <= versions.high:
            raise MalformedMessage(f"no request has api key {route[0]} and version {route[1]}")
        read = _request_readers[route] = reader(request_class(header.api_key), header.api_version)
    return read(frame, header.body_offset)


def encode_request(msg: Request[Any], version: int, correlation_id: int, client_id: str | None) -> bytes:
    """A whole frame, with its size."""
    parts = writer(type(msg), version)(msg)
    head = [_ROUTE.pack(msg.API_KEY, version, correlation_id)]
    if (msg.API_KEY, version) != (_CONTROLLED_SHUTDOWN_KEY, 0):
        head.append(_nullable_string(client_id))
    if version >= _flexible_from[msg.API_KEY]:
        head.append(b"\0")
    body = [part.read() if isinstance(part, FileRegion) else part for part in parts]
    size = sum(map(len, head)) + sum(map(len, body))
    return b"".join((_INT32.pack(size), *head, *body))


def encode_response(msg: Response, version: int, correlation_id: int) -> list[Part]:
    """The parts of a whole frame, with its size; none is empty, and file regions stay regions."""
    parts = writer(type(msg), version)(msg)
    api_key = msg.API_KEY
    size = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
    if version >= _flexible_from[api_key] and api_key != _API_VERSIONS_KEY:
        head = _RESPONSE_V1.pack(size + 5, correlation_id, 0)
    else:
        head = _RESPONSE_V0.pack(size + 4, correlation_id)
    first = parts[0]
    assert isinstance(first, bytes), "no response begins with record data"
    parts[0] = head + first
    return parts


def decode_response(api_key: int, version: int, payload: Buffer) -> tuple[int, Response]:
    """Correlation id and message of a response frame (without its size)."""
    try:
        (correlation_id,) = _INT32.unpack_from(payload)
        position = 4
        if api_key == _API_VERSIONS_KEY:
            # A broker that does not know the version answers in v0 with UNSUPPORTED_VERSION (KIP-511).
            (error,) = _INT16.unpack_from(payload, 4)
            version = 0 if error == ErrorCode.UNSUPPORTED_VERSION else version
        elif version >= _flexible_from[api_key]:
            position = _skip_tags(payload, position)
    except (struct_error, IndexError) as exc:
        raise MalformedMessage("the bytes end within the response header") from exc
    return correlation_id, reader(response_class(api_key), version)(memoryview(payload), position)


def encode_record(msg: Message, version: int) -> bytes:
    """A coordinator's key or value, or an embedded blob (ConsumerProtocol): int16 version, then the body."""
    parts = writer(type(msg), version)(msg)
    return b"".join((_INT16.pack(version), *(part for part in parts if not isinstance(part, FileRegion))))


def decode_record(cls: type[R], data: Buffer, *, newer_as_highest: bool = False) -> R:
    """The reverse of encode_record; MalformedMessage for a version that `cls` does not have.

    `newer_as_highest` reads a newer version as the highest known one, as ConsumerProtocol does with what
    clients of the future embed.
    """
    if len(data) < _INT16.size:
        raise MalformedMessage(f"{cls.__name__}: no room for a version")
    (version,) = _INT16.unpack_from(data)
    if newer_as_highest:
        version = min(version, cls.MAX_VERSION)
    if not cls.MIN_VERSION <= version <= cls.MAX_VERSION:
        raise MalformedMessage(f"{cls.__name__} has no version {version}")
    return reader(cls, version)(memoryview(data), _INT16.size)


def record_version(data: Buffer) -> int:
    """The version in front of a record, which tells the keys of a coordinator's topic apart."""
    if len(data) < _INT16.size:
        raise MalformedMessage("no room for a version")
    version: int = _INT16.unpack_from(data)[0]
    return version


def _skip_tags(buf: Buffer, position: int) -> int:
    """Step over a tagged section: headers have no tagged field that means anything to a broker of 3.9."""
    view = memoryview(buf)
    count, position = read_uvarint(view, position)
    for _ in range(count):
        _, position = read_uvarint(view, position)
        size, position = read_uvarint(view, position)
        position += size
        if position > len(view):
            raise MalformedMessage("a tagged field of the header is longer than what remains")
    return position


def _nullable_string(text: str | None) -> bytes:
    if text is None:
        return b"\xff\xff"
    data = text.encode()
    if len(data) > MAX_STRING_BYTES:
        raise EncodeError("the client id is too long")
    return _INT16.pack(len(data)) + data
