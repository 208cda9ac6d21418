# SPDX-License-Identifier: Apache-2.0
"""The bases of the generated message classes: what a request, a response and a stored record have in common.

They mirror org.apache.kafka.common.protocol.ApiMessage, as far as the codec and its callers need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

ZERO_UUID = bytes(16)
"""Uuid.ZERO_UUID: the topic id of a topic that has none."""


@dataclass(slots=True, frozen=True)
class RawTaggedField:
    """A tagged field that the schema does not know; kept as it came, and written back (KIP-482)."""

    tag: int
    data: bytes


class Message:
    """Any top-level message. SCHEMA names its file in wire/schemas."""

    __slots__ = ()

    SCHEMA: ClassVar[str]
    MIN_VERSION: ClassVar[int]
    MAX_VERSION: ClassVar[int]
    FLEXIBLE_VERSION: ClassVar[int | None]
    """First version with compact encodings and tagged fields; None: no version has them."""

    unknown_tagged_fields: Sequence[RawTaggedField]


class Response(Message):
    """What a broker answers."""

    __slots__ = ()

    API_KEY: ClassVar[int]


R_co = TypeVar("R_co", bound=Response, covariant=True)


class Request(Message, Generic[R_co]):
    """What a client or another broker asks; the parameter is the class of its answer."""

    __slots__ = ()

    API_KEY: ClassVar[int]


class RecordMessage(Message):
    """A key or value in a coordinator's topic, or a blob inside a message: int16 version, then the body."""

    __slots__ = ()
