# SPDX-License-Identifier: Apache-2.0
"""Readers and writers of messages: straight-line Python, compiled from the schema per class and version at first use.

The wire rules are those of Kafka's generated classes (MessageDataGenerator): KIP-482 for compact encodings and tagged
fields, defaults for fields that a version lacks, and a refusal to drop a field in silence unless it is ignorable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from commitlog.wire.message import Message
from commitlog.wire.regions import Part

M = TypeVar("M", bound=Message)


class MalformedMessage(ValueError):
    """Bytes that are no valid encoding of the message they should be."""


class EncodeError(ValueError):
    """A message that has no encoding: a value out of its type's range, or null where null is not allowed."""


class UnsupportedField(EncodeError):
    """A field is set that the chosen version cannot carry and must not drop (Kafka's UnsupportedVersionException)."""


def reader(cls: type[M], version: int) -> Callable[[memoryview, int], M]:
    """The function that reads a `cls` of `version` from a buffer at a position, to the buffer's end at most."""
    raise NotImplementedError


def writer(cls: type[Message], version: int) -> Callable[[Message], list[Part]]:
    """The function that gives the parts of an encoded message; file regions and large buffers stand for themselves."""
    raise NotImplementedError
