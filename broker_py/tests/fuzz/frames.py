# SPDX-License-Identifier: Apache-2.0
"""Request frames that nobody should send, drawn by a seed: fields out of range, names too long, ids unknown,
epochs stale, record data damaged; then frames cut short, bits flipped, lengths that lie.

Names and ids are mostly those of things that exist, so that a request gets past the first check.
"""

from __future__ import annotations

import random
import struct
import sys
from contextlib import suppress
from typing import Any

from commitlog.records.batch import build_batch
from commitlog.records.header import Codec, CorruptBatch, Record, compute_crc, read_header
from commitlog.records.message_set import build_message_set
from commitlog.wire.frames import encode_request
from commitlog.wire.message import Message, RawTaggedField
from commitlog.wire.primitives import EncodeError
from commitlog.wire.schema import FieldSpec, MessageSpec, StructSpec, load
from tests.wire.samples import message_class

TOPICS = ("fuzz", "compacted", "__consumer_offsets", "__transaction_state", "nobody", "")
GROUPS = ("readers", "transactional", "nobody", "")
STRINGS = (
    *TOPICS,
    *GROUPS,
    "member-1",
    "a/../b",
    "x" * 249,
    "x" * 250,
    "x" * 32_767,
    "é\0\n",
    "range",
    "consumer",
)
NUMBERS = (0, 1, 2, 3, -1, -2, -3, -4, -5, -6, 5, 10, 100, 1_000)
LIES = (
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x80\0\0\0",
    b"\xff\xff\xff\xff\x0f",
    b"\x7f\xff",
    b"\xff\xff",
    b"\0\0",
)
BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


class Drawer:
    """Draws one frame after the other."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.topic_ids: list[bytes] = []
        """The ids of topics that exist."""

    def frame(self, schema: str, low: int, high: int) -> bytes:
        """A request frame without its size, damaged one time in three."""
        rng = self._rng
        version = rng.randint(low, high)
        spec = next(message for message in load(schema) if message.kind == "request")
        while True:
            try:
                whole = encode_request(self._message(spec, version), version, rng.randrange(2**31), "fuzz")  # type: ignore[arg-type]
                break
            except (EncodeError, struct.error, OverflowError):
                continue  # a string that is too long for its length field
        return self._damaged(whole[4:]) if rng.random() < 0.33 else whole[4:]

    def _message(self, spec: MessageSpec, version: int) -> Message:
        module = sys.modules[message_class(spec).__module__]
        message = self._struct(module, spec.root, spec, version, 0)
        assert isinstance(message, Message)
        return message

    def _struct(self, module: Any, struct: StructSpec, spec: MessageSpec, version: int, depth: int) -> Any:
        fields: dict[str, Any] = {}
        for field in struct.fields:
            # A field keeps its default now and then, which is often the sane value.
            if version in field.versions and self._rng.random() > 0.08:
                fields[field.attribute] = self._field(module, field, spec, version, depth)
        if spec.is_flexible(version) and self._rng.random() < 0.05:
            fields["unknown_tagged_fields"] = [RawTaggedField(self._rng.randint(100, 2**31 - 1), b"unknown")]
        return getattr(module, struct.name)(**fields)

    def _field(self, module: Any, field: FieldSpec, spec: MessageSpec, version: int, depth: int) -> Any:
        rng = self._rng
        if field.is_nullable(version) and rng.random() < 0.2:
            return None
        if not field.is_array:
            return self._value(module, field, spec, version, depth)
        length = (
            rng.choice((0, 1, 1, 1, 2, 3)) if rng.random() < 0.98 else rng.choice((50, 300 >> (4 * depth)))
        )
        return [self._value(module, field, spec, version, depth + 1) for _ in range(length)]

    def _value(self, module: Any, field: FieldSpec, spec: MessageSpec, version: int, depth: int) -> Any:
        rng = self._rng
        if field.struct is not None:
            return self._struct(module, field.struct, spec, version, depth)
        if field.type == "bool":
            return rng.random() < 0.5
        if field.type in BITS:
            return self._number(field)
        if field.type == "uint16":
            return rng.choice((0, 9092, 2**16 - 1))
        if field.type == "float64":
            return rng.choice((0.0, -1.0, 1e300, float("inf"), float("nan")))
        if field.type == "uuid":
            return rng.choice([bytes(16), rng.randbytes(16), *self.topic_ids * 3])
        if field.type == "string":
            return self._text(field)
        return self._records() if field.type == "records" else rng.choice((b"", b"\0\1", rng.randbytes(60)))

    def _number(self, field: FieldSpec) -> int:
        rng = self._rng
        if ("partition" in field.attribute or field.attribute == "leader_id") and rng.random() < 0.7:
            return 0
        if rng.random() < 0.6:
            return rng.choice((0, 0, 1, -1))
        bits = BITS[field.type]
        top = 1 << (bits - 1)
        near = rng.choice((*NUMBERS, top - 1, -top, top - 2, rng.randrange(-top, top)))
        return max(-top, min(top - 1, near))

    def _text(self, field: FieldSpec) -> str:
        rng = self._rng
        roll = rng.random()
        if roll < 0.5 and ("topic" in field.attribute or field.attribute == "name"):
            return rng.choice(TOPICS[:4])
        if roll < 0.6 and ("group" in field.attribute or field.attribute in ("key", "transactional_id")):
            return rng.choice(GROUPS[:2])
        return rng.choice(STRINGS)

    def _records(self) -> bytes:
        rng = self._rng
        times = [rng.choice((-1, 0, 10**12, 2**62)) for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.3:
            codec = rng.choice((Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4))
            old = [Record(n, time, b"k", b"v" * 20) for n, time in enumerate(times)]
            data = build_message_set(old, magic=rng.choice((0, 1)), codec=codec)
        else:
            producer = (
                (-1, -1, -1)
                if rng.random() < 0.6
                else (rng.choice((0, 1, 7)), 0, rng.choice((0, 3, 2**31 - 1)))
            )
            data = build_batch(
                [(time, rng.choice((None, b"k")), b"v" * 20, [("h", None)]) for time in times],
                codec=rng.choice(list(Codec)),
                producer_id=producer[0],
                producer_epoch=producer[1],
                base_sequence=producer[2],
                is_transactional=rng.random() < 0.2,
                is_control=rng.random() < 0.05,
            )
        if rng.random() < 0.4:
            return bytes(data)
        if rng.random() < 0.5:
            return self._damaged(bytes(data))
        return self._with_true_crc(bytearray(self._damaged(bytes(data))))

    def _with_true_crc(self, data: bytearray) -> bytes:
        """Damaged data whose checksum is right gets further than other damaged data."""
        with suppress(CorruptBatch, struct.error, IndexError):
            header = read_header(data)
            if header.magic == 2:
                struct.pack_into(">I", data, 17, compute_crc(data, 0, header))
            else:
                struct.pack_into(">I", data, 12, compute_crc(data, 0, header))
        return bytes(data)

    def _damaged(self, data: bytes) -> bytes:
        rng = self._rng
        broken = bytearray(data)
        if not broken:
            return data
        how = rng.random()
        at = rng.randrange(len(broken))
        if how < 0.25:
            del broken[at:]
        elif how < 0.6:
            lie = rng.choice(LIES)
            broken[at : at + len(lie)] = lie
        else:
            for _ in range(rng.randint(1, 4)):
                broken[rng.randrange(len(broken))] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        return bytes(broken)
