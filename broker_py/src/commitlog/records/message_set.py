# SPDX-License-Identifier: Apache-2.0
"""Message sets v0/v1 (before KIP-98): parse, build, and conversion to and from record batches (RecordsUtil)."""

from __future__ import annotations

from commitlog.records.batch import Buffer


def up_convert(message_set: Buffer) -> bytearray:
    """v0/v1 messages of a Produce v0-v2 as one batch v2 with offsets from 0. Raises CorruptBatch."""
    raise NotImplementedError


def down_convert(batches: Buffer, magic: int, *, first_offset: int = 0) -> bytearray:
    """Batches as v0/v1 messages for Fetch v0-v3: headers and control batches are dropped, and records below
    first_offset."""
    raise NotImplementedError
