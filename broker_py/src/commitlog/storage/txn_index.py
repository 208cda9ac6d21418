# SPDX-License-Identifier: Apache-2.0
"""`.txnindex`: the aborted transactions of a segment (TransactionIndex, KIP-98).

Entries of 34 bytes, big-endian: int16 version 0, int64 producer id, first offset, last offset (of the
marker), last stable offset when it was aborted. The file exists only once there is an entry. Written through;
after a crash recovery rebuilds it with the segment.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from commitlog.storage.file_cache import FileCache

ENTRY = Struct(">hqqqq")


class AbortedTxn(NamedTuple):
    """One entry."""

    version: int
    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class TransactionIndex:
    """The transaction index of one segment; entries are few and read whole."""

    def __init__(self, files: FileCache, path: str) -> None:
        self._files = files
        self.path = path
        self._exists = files.disk.exists(path)

    def append(self, entry: AbortedTxn) -> None:
        """Add an aborted transaction."""
        if not self._exists:
            self._files.disk.open(self.path, create=True)
            self._exists = True
        self._files.get(self.path).append(ENTRY.pack(*entry))

    def entries(self) -> list[AbortedTxn]:
        """All of them, oldest first."""
        if not self._exists:
            return []
        file = self._files.get(self.path)
        data = file.pread(file.size() // ENTRY.size * ENTRY.size, 0)
        return [AbortedTxn._make(fields) for fields in ENTRY.iter_unpack(data)]

    def collect(self, fetch_offset: int, upper_bound: int) -> tuple[list[AbortedTxn], bool]:
        """Those that touch [fetch_offset, upper_bound), and whether later segments cannot have more."""
        found: list[AbortedTxn] = []
        for entry in self.entries():
            if entry.last_offset >= fetch_offset and entry.first_offset < upper_bound:
                found.append(entry)
            if entry.last_stable_offset >= upper_bound:
                return found, True
        return found, False

    def truncate_to(self, offset: int) -> None:
        """Drop transactions that ended at or above offset."""
        entries = self.entries()
        kept = sum(entry.last_offset < offset for entry in entries)
        if kept < len(entries):
            self._files.get(self.path).truncate(kept * ENTRY.size)

    def reset(self) -> None:
        """Drop everything."""
        if self._exists:
            self._files.get(self.path).truncate(0)

    def is_sane(self, base_offset: int) -> bool:
        """Are the entries of this segment, and whole? (TransactionIndex.sanityCheck)"""
        if self._exists and self._files.get(self.path).size() % ENTRY.size:
            return False
        return all(entry.version == 0 and entry.last_offset >= base_offset for entry in self.entries())

    def sync(self) -> None:
        """fsync."""
        if self._exists:
            self._files.get(self.path).fsync()
