# SPDX-License-Identifier: Apache-2.0
"""Frames: the size, the request or response header, and the message behind it.

Header versions follow ApiKeys.requestHeaderVersion and responseHeaderVersion: request header v2 and response header v1
exactly when the message's version is flexible; ControlledShutdown v0 has request header v0 (no client id); ApiVersions
responses always have header v0, since the client does not know yet what the broker speaks (KIP-511).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from commitlog.wire.message import Message, RecordMessage, Request, Response
from commitlog.wire.regions import Part

R = TypeVar("R", bound=RecordMessage)


@dataclass(slots=True, frozen=True)
class RequestHeader:
    """What precedes a request; `body_offset` is where the request itself begins in the frame."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    body_offset: int


def decode_request_header(frame: memoryview) -> RequestHeader:
    """Read the header of a frame (without its size). Any api key and version pass, so that the caller can answer
    an unknown ApiVersions version; MalformedMessage if the bytes are no header."""
    raise NotImplementedError


def decode_request(header: RequestHeader, frame: memoryview) -> Request[Any]:
    """Read the request behind a header; records fields are views into `frame`. MalformedMessage for bad bytes, and
    for an api key or version that has no schema."""
    raise NotImplementedError


def encode_request(msg: Request[Any], version: int, correlation_id: int, client_id: str | None) -> bytes:
    """A whole frame, with its size."""
    raise NotImplementedError


def encode_response(msg: Response, version: int, correlation_id: int) -> list[Part]:
    """The parts of a whole frame, with its size; none is empty, file regions are left for the edge to send."""
    raise NotImplementedError


def decode_response(api_key: int, version: int, payload: memoryview) -> tuple[int, Response]:
    """Correlation id and message of a response frame (without its size)."""
    raise NotImplementedError


def encode_record(msg: Message, version: int) -> bytes:
    """A coordinator's key or value, or an embedded blob (ConsumerProtocol): int16 version, then the body."""
    raise NotImplementedError


def decode_record(cls: type[R], data: bytes | bytearray | memoryview) -> R:
    """The reverse of encode_record; MalformedMessage for a version that `cls` does not have."""
    raise NotImplementedError
