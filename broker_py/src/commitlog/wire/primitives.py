# SPDX-License-Identifier: Apache-2.0
"""What compiled readers and writers call for the rare cases: long varints, tagged fields, packed arrays.

Varints are those of org.apache.kafka.common.utils.ByteUtils, tagged sections those of KIP-482.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from struct import Struct

from commitlog.wire.message import RawTaggedField

MAX_STRING_BYTES = 32767
_CACHED_LENGTHS = 1024


class MalformedMessage(ValueError):
    """Bytes that are no valid encoding of the message they should be."""


class EncodeError(ValueError):
    """A message that has no encoding: a value out of its type's range, or null where null is not allowed."""


class UnsupportedField(EncodeError):
    """A field is set that the chosen version lacks and must not drop (UnsupportedVersionException)."""


_JAVA_INT = 0x7FFFFFFF


def read_uvarint(buf: bytes | memoryview, pos: int) -> tuple[int, int]:
    """An unsigned varint at `pos`, a tag or the size of its field, and the position behind it."""
    first = buf[pos]
    if first < 128:
        return first, pos + 1
    value, pos = _rest(buf, pos + 1, first)
    if value > _JAVA_INT:
        raise MalformedMessage("a tagged field has a negative size")
    return value, pos


def read_uvarint_rest(buf: bytes | memoryview, pos: int, first: int) -> tuple[int, int]:
    """The rest of a length or count whose first byte, `first`, says that more follows. What does not fit into
    an int of Java is negative there, and no length: null, as 0 is."""
    value, pos = _rest(buf, pos, first)
    return (value, pos) if value <= _JAVA_INT else (0, pos)


def _rest(buf: bytes | memoryview, pos: int, first: int) -> tuple[int, int]:
    value = first & 0x7F
    for shift in (7, 14, 21, 28):
        byte = buf[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 128:
            return value & 0xFFFFFFFF, pos
    raise MalformedMessage("a varint is longer than 5 bytes")


def uvarint(value: int) -> bytes:
    """`value`, which is not negative, as an unsigned varint."""
    out = bytearray()
    while value > 127:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def compact_string_length(length_plus_one: int) -> bytes:
    """The length of a compact string of 127 bytes and more; Kafka allows 32767 in either encoding."""
    if length_plus_one > MAX_STRING_BYTES + 1:
        raise EncodeError(f"a string of {length_plus_one - 1} bytes is longer than {MAX_STRING_BYTES}")
    return uvarint(length_plus_one)


def tag_section(known: Sequence[tuple[int, bytes]], unknown: Iterable[RawTaggedField]) -> bytes:
    """A tagged section: count, then each field as tag, size, data, in the order of the tags."""
    fields = sorted([*known, *((raw.tag, raw.data) for raw in unknown)])
    for (before, _), (tag, _) in pairwise(fields):
        if before == tag:
            raise EncodeError(f"tag {tag} is used twice")
    out = [uvarint(len(fields))]
    for tag, data in fields:
        out += (uvarint(tag), uvarint(len(data)), data)
    return b"".join(out)


class ArrayStructs(dict[int, Struct]):
    """Structs of n values of one format, big-endian; kept for the lengths that are common."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code

    def __missing__(self, length: int) -> Struct:
        made = Struct(f">{length}{self._code}")
        if length < _CACHED_LENGTHS:
            self[length] = made
        return made


class FusedPacks(dict[object, Callable[..., bytes]]):
    """Packers of fixed fields and arrays in one go, by the arrays' lengths; kept up to a number of them."""

    def __init__(self, template: str) -> None:
        super().__init__()
        self._template = template

    def __missing__(self, lengths: int | tuple[int, ...]) -> Callable[..., bytes]:
        made = Struct(self._template % lengths).pack
        if len(self) >= _CACHED_LENGTHS:
            self.clear()
        self[lengths] = made
        return made


ARRAYS = {code: ArrayStructs(code) for code in "?bhHiqd"}
