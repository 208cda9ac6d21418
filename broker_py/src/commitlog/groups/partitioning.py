# SPDX-License-Identifier: Apache-2.0
"""Which partition of an internal topic an id belongs to: Kafka's `Utils.abs(id.hashCode) % partitions`.

Brokers and tools of every kind must agree on this number, so it is Java's String.hashCode, bit for bit:
over UTF-16 code units (a character outside of the BMP counts as two), in 32-bit arithmetic that overflows.
`Utils.abs` maps the one value without a positive counterpart, -2^31, to 0; masking the sign bit instead
would give other partitions.
"""

from __future__ import annotations

import struct

_INT32_MIN = -(1 << 31)


def java_string_hash(text: str) -> int:
    """Java's `String.hashCode()`. Lone surrogates, which Java strings may hold, are hashed as they are."""
    encoded = text.encode("utf-16-le", "surrogatepass")
    value = 0
    for (unit,) in struct.iter_unpack("<H", encoded):
        value = (value * 31 + unit) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def partition_for(key: str, partition_count: int) -> int:
    """The partition of `__consumer_offsets` (or `__transaction_state`) that holds `key`."""
    value = java_string_hash(key)
    return (0 if value == _INT32_MIN else abs(value)) % partition_count
