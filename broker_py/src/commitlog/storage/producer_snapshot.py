# SPDX-License-Identifier: Apache-2.0
"""`<offset, 20 digits>.snapshot`: the producers of a partition up to (not including) an offset.

Big-endian: int16 version 1, uint32 CRC-32C of everything after it, int32 count, then per producer int64 id,
int16 epoch, int32 last sequence, int64 last offset, int32 offset delta, int64 timestamp, int32 coordinator
epoch, int64 first offset of the open transaction (-1 none). Only the last batch of each producer is kept.
One is written at every roll, at clean close and after recovery; one that does not check out is removed and
the one before is used, since the log can always be scanned from there (ProducerStateManager).
"""

from __future__ import annotations

import contextlib
import logging
import posixpath
from collections.abc import Iterable
from struct import Struct

from crc32c import crc32c

from commitlog.storage.disk import Disk
from commitlog.storage.producer_state import BatchMetadata, ProducerEntry

SUFFIX = ".snapshot"
_VERSION = 1
_HEAD = Struct(">hI")
_COUNT = Struct(">i")
_ENTRY = Struct(">qhiqiqiq")

_log = logging.getLogger("commitlog.storage.producer_snapshot")


class CorruptSnapshot(Exception):
    """The snapshot does not check out."""


def encode_snapshot(entries: Iterable[ProducerEntry]) -> bytes:
    """A snapshot file's bytes."""
    packed = []
    for entry in entries:
        last = entry.batches[-1] if entry.batches else BatchMetadata(-1, -1, 0, -1)
        first_offset = -1 if entry.txn_first_offset is None else entry.txn_first_offset
        packed.append(
            _ENTRY.pack(
                entry.producer_id, entry.producer_epoch, last.last_sequence, last.last_offset,
                last.offset_delta, entry.last_timestamp, entry.coordinator_epoch, first_offset,
            )
        )  # fmt: skip
    body = _COUNT.pack(len(packed)) + b"".join(packed)
    return _HEAD.pack(_VERSION, crc32c(body)) + body


def decode_snapshot(data: bytes) -> list[ProducerEntry]:
    """The producers of a snapshot. Raises CorruptSnapshot."""
    if len(data) < _HEAD.size + _COUNT.size:
        raise CorruptSnapshot(f"{len(data)} bytes are too few")
    version, crc = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise CorruptSnapshot(f"Snapshot contained an unknown file version {version}")
    body = memoryview(data)[_HEAD.size :]
    if crc32c(body) != crc:
        raise CorruptSnapshot(f"Snapshot is corrupt (CRC is no longer valid). Stored crc: {crc}")
    count = _COUNT.unpack_from(body)[0]
    if len(body) != _COUNT.size + count * _ENTRY.size:
        raise CorruptSnapshot(f"{count} producers do not take {len(body)} bytes")
    return [_entry(fields) for fields in _ENTRY.iter_unpack(body[_COUNT.size :])]


def _entry(fields: tuple[int, ...]) -> ProducerEntry:
    producer_id, epoch, sequence, offset, delta, timestamp, coordinator_epoch, first_offset = fields
    txn_first_offset = first_offset if first_offset >= 0 else None
    entry = ProducerEntry(producer_id, epoch, coordinator_epoch, timestamp, txn_first_offset)
    if offset >= 0:
        entry.batches.append(BatchMetadata(sequence, offset, delta, timestamp))
    return entry


class Snapshots:
    """The snapshot files of one partition directory."""

    def __init__(self, disk: Disk, directory: str) -> None:
        self._disk = disk
        self._directory = directory
        self._offsets: list[int] = []
        self.reload()

    @property
    def offsets(self) -> list[int]:
        """Offsets of the snapshots there are, ascending."""
        return list(self._offsets)

    def move_to(self, directory: str) -> None:
        """The log's directory has another name now."""
        self._directory = directory

    def path(self, offset: int) -> str:
        """The file of an offset."""
        return posixpath.join(self._directory, f"{offset:020d}{SUFFIX}")

    def reload(self) -> None:
        """Look at the directory again."""
        names = (name for name in self._disk.listdir(self._directory) if name.endswith(SUFFIX))
        self._offsets = sorted(int(stem) for name in names if (stem := name.removesuffix(SUFFIX)).isdigit())

    def write(self, offset: int, entries: Iterable[ProducerEntry]) -> None:
        """Write the snapshot of offset."""
        file = self._disk.open(self.path(offset), create=True)
        file.truncate(0)
        file.append(encode_snapshot(entries))
        if offset not in self._offsets:
            self._offsets = sorted([*self._offsets, offset])

    def sync(self, offset: int) -> None:
        """fsync the snapshot of offset, if it is still there."""
        if offset in self._offsets:
            with contextlib.suppress(FileNotFoundError):
                self._disk.open(self.path(offset)).fsync()

    def load_latest(self) -> tuple[int, list[ProducerEntry]] | None:
        """(offset, producers) of the newest good one; bad ones are removed."""
        while self._offsets:
            offset = self._offsets[-1]
            try:
                return offset, decode_snapshot(self._disk.read_bytes(self.path(offset)))
            except (CorruptSnapshot, FileNotFoundError) as reason:
                _log.warning("Failed to load producer snapshot from %s: %s", self.path(offset), reason)
                self.remove(offset)
        return None

    def remove(self, offset: int) -> None:
        """Remove the snapshot of offset, if there is one."""
        if offset in self._offsets:
            self._offsets.remove(offset)
            if self._disk.exists(self.path(offset)):
                self._disk.remove(self.path(offset))

    def forget(self, offset: int) -> str | None:
        """Take a snapshot out of use; its path, for whoever removes the file later."""
        if offset not in self._offsets:
            return None
        self._offsets.remove(offset)
        return self.path(offset)

    def remove_strays(self, base_offsets: list[int]) -> None:
        """Keep those at segment starts, and the newest other one if it is above all of them."""
        strays = [offset for offset in self._offsets if offset not in set(base_offsets)]
        if strays and strays[-1] >= max(base_offsets, default=0):
            strays.pop()
        for offset in strays:
            self.remove(offset)
