# SPDX-License-Identifier: Apache-2.0
"""One segment: `<base offset, 20 digits>.log` with its .index, .timeindex and .txnindex (LogSegment).

The .log is batches one after another, nothing else. After a crash recovery scans it from its first byte;
what it finds behind the last whole, valid batch is cut off. Only the log that owns a segment changes it;
the cleaner reads sealed ones from its own thread.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterator, Sequence

from commitlog.records.header import (
    BATCH_OVERHEAD,
    HEADER_SIZE_UP_TO_MAGIC,
    LOG_OVERHEAD,
    BatchHeader,
    Buffer,
    CorruptBatch,
    check_crc,
    read_header,
)
from commitlog.storage.checked_ranges import CheckedRanges
from commitlog.storage.disk import File
from commitlog.storage.file_cache import FileCache
from commitlog.storage.offset_index import ENTRY as OFFSET_ENTRY
from commitlog.storage.offset_index import OffsetIndex
from commitlog.storage.time_index import ENTRY as TIME_ENTRY
from commitlog.storage.time_index import TimeIndex
from commitlog.storage.txn_index import TransactionIndex

LOG, INDEX, TIME_INDEX, TXN_INDEX = ".log", ".index", ".timeindex", ".txnindex"
SUFFIXES = (LOG, INDEX, TIME_INDEX, TXN_INDEX)
DELETED, CLEANED, SWAP = ".deleted", ".cleaned", ".swap"

MAX_RELATIVE_OFFSET = 2**31 - 1
_WINDOW = 16 * 1024
_CHECK_BYTES = 1024 * 1024


def file_name(base_offset: int, suffix: str) -> str:
    """Kafka's name of a segment's file."""
    return f"{base_offset:020d}{suffix}"


def headers_of(file: File, position: int, end: int) -> Iterator[tuple[int, BatchHeader]]:
    """(position, header) of the whole batches in [position, end) of a .log file. Raises CorruptBatch."""
    window, start = b"", position
    while end - position >= HEADER_SIZE_UP_TO_MAGIC:
        at = position - start
        if len(window) - at < BATCH_OVERHEAD:
            window, start, at = file.pread(min(_WINDOW, end - position), position), position, 0
        header = read_header(window, at)
        following = position + header.batch_length + LOG_OVERHEAD
        if following > end:
            return
        yield position, header
        position = following


def check_offsets(header: BatchHeader, expected: int, base_offset: int) -> None:
    """The base offset is not under the CRC, but it has to grow and to fit the index. Raises CorruptBatch."""
    if header.magic >= 2 and header.base_offset < expected:
        raise CorruptBatch(f"Batch offset {header.base_offset} is less than the next offset {expected}")
    if not expected <= header.last_offset <= base_offset + MAX_RELATIVE_OFFSET:
        raise CorruptBatch(f"Batch's last offset {header.last_offset} does not fit its segment")


class LogSegment:
    """A segment. Positions are bytes from the start of its .log file."""

    def __init__(
        self, files: FileCache, directory: str, base_offset: int, *, created_ms: int, suffix: str = ""
    ) -> None:
        """Open an existing segment; its index files must exist. suffix is that of compaction's new files."""
        self._files = files
        self.directory = directory
        self.base_offset = base_offset
        self.created_ms = created_ms
        self._suffix = suffix
        self.path = self._sibling(LOG)
        self.offset_index = OffsetIndex(files, self._sibling(INDEX), base_offset)
        self.time_index = TimeIndex(files, self._sibling(TIME_INDEX), base_offset)
        self.txn_index = TransactionIndex(files, self._sibling(TXN_INDEX))
        self._active: File | None = None
        self.size = files.get(self.path).size()
        self.jitter_ms = 0
        self._max_timestamp: tuple[int, int] | None = None
        self._bytes_since_index_entry = 0
        self._first_timestamp: int | None = None
        # Bytes that this process has not written or checked end where the file ended when it was opened.
        self._unchecked_end = self.size
        self._checked = CheckedRanges()

    @classmethod
    def create(
        cls, files: FileCache, directory: str, base_offset: int, *, created_ms: int, suffix: str = ""
    ) -> LogSegment:
        """A new, empty segment, active."""
        path = posixpath.join(directory, file_name(base_offset, LOG) + suffix)
        files.forget(path)
        files.disk.open(path, create=True).truncate(0)
        segment = cls(files, directory, base_offset, created_ms=created_ms, suffix=suffix)
        segment.offset_index.create()
        segment.time_index.create()
        segment.activate()
        return segment

    def _sibling(self, suffix: str) -> str:
        return posixpath.join(self.directory, file_name(self.base_offset, suffix) + self._suffix)

    def __repr__(self) -> str:
        return f"LogSegment(baseOffset={self.base_offset}, size={self.size}, dir={self.directory})"

    @property
    def file(self) -> File:
        """The .log file, open."""
        return self._active or self._files.get(self.path)

    @property
    def paths(self) -> list[str]:
        """All files that it has."""
        paths = [self._sibling(suffix) for suffix in SUFFIXES]
        return [path for path in paths if self._files.disk.exists(path)]

    @property
    def last_modified_ms(self) -> int:
        """Modification time of the .log file."""
        return self._files.disk.mtime_ms(self.path)

    def activate(self) -> None:
        """Make it the segment that is appended to: its file stays open, its indexes are in memory."""
        self._active = self._files.get(self.path)
        self.offset_index.load()
        self.time_index.load()

    # ---- timestamps

    @property
    def max_timestamp(self) -> tuple[int, int]:
        """(largest timestamp, last offset of the batch that has it); (-1, base offset) without timestamps."""
        if self._max_timestamp is None:
            self._max_timestamp = self.time_index.last_entry
        return self._max_timestamp

    @property
    def largest_timestamp(self) -> int:
        """What retention by time looks at: modification time when there are no timestamps."""
        timestamp = self.max_timestamp[0]
        return timestamp if timestamp >= 0 else self.last_modified_ms

    def first_timestamp(self) -> int | None:
        """Max timestamp of the first batch, from which rolling by time counts."""
        if self._first_timestamp is None and self.size >= HEADER_SIZE_UP_TO_MAGIC:
            self._first_timestamp = next((h.max_timestamp for _, h in self.headers(0, self.size)), None)
        return self._first_timestamp

    # ---- append

    def should_roll(
        self,
        size: int,
        max_timestamp: int,
        last_offset: int,
        now_ms: int,
        segment_bytes: int,
        segment_ms: int,
        index_bytes: int,
    ) -> bool:
        """Must a new segment take the append? (LogSegment.shouldRoll)"""
        if self.size > segment_bytes - size or last_offset - self.base_offset > MAX_RELATIVE_OFFSET:
            return True
        if self.size:
            first = self._first_timestamp if self._first_timestamp is not None else self.first_timestamp()
            waited = max_timestamp - first if first is not None and first >= 0 else now_ms - self.created_ms
            if waited > segment_ms - self.jitter_ms:
                return True
        return (
            self.offset_index.count >= index_bytes // OFFSET_ENTRY.size
            or self.time_index.count >= index_bytes // TIME_ENTRY.size - 1
        )

    def append(
        self, records: Buffer, batches: Sequence[tuple[int, BatchHeader]], index_interval: int
    ) -> None:
        """Write batches, given with their places in records. On an OSError the file is as long as before."""
        position = self.size
        file = self._active or self.file
        try:
            file.append(records)
        except OSError:
            file.truncate(position)
            raise
        self.size = position + len(records)
        largest = self.max_timestamp[0]
        for at, header in batches:
            if header.max_timestamp > largest:
                largest = header.max_timestamp
                self._max_timestamp = (largest, header.last_offset)
            if self._bytes_since_index_entry > index_interval:
                self.offset_index.add(header.last_offset, position + at)
                self.time_index.maybe_add(*self.max_timestamp)
                self._bytes_since_index_entry = 0
            self._bytes_since_index_entry += header.batch_length + LOG_OVERHEAD
        if position == 0:
            self._first_timestamp = batches[0][1].max_timestamp

    # ---- reading

    def headers(self, position: int, end: int) -> Iterator[tuple[int, BatchHeader]]:
        """(position, header) of the whole batches in [position, end), unchecked. Raises CorruptBatch."""
        return headers_of(self.file, position, end)

    def batches(self, position: int, end: int) -> Iterator[tuple[int, BatchHeader, memoryview]]:
        """(position, header, bytes) of the batches in [position, end), CRC and order of offsets checked.

        Raises CorruptBatch at the first that is damaged or does not end by end.
        """
        file = self.file
        expected = self.base_offset
        while position < end:
            data = memoryview(file.pread(min(_CHECK_BYTES, end - position), position))
            if not data:
                raise CorruptBatch(f"File ends {end - position} bytes early")
            at = 0
            while at < len(data):
                left = len(data) - at
                if at and left < BATCH_OVERHEAD and position + len(data) < end:
                    break  # the header goes on in the next window
                header = read_header(data, at)
                if header.size > left:
                    if position + at + header.size > end:
                        reach = end - position - at
                        raise CorruptBatch(f"Batch of {header.size} bytes where {reach} are left")
                    if at:
                        break
                    data = memoryview(file.pread(header.size, position))
                if not check_crc(data, at, header):
                    raise CorruptBatch(f"Record is corrupt (stored crc = {header.crc})")
                check_offsets(header, expected, self.base_offset)
                expected = header.next_offset
                yield position + at, header, data[at : at + header.size]
                at += header.size
            position += at

    def find(self, offset: int) -> tuple[int, BatchHeader] | None:
        """The first batch whose last offset is >= offset. Raises CorruptBatch, also for a wrong index."""
        start = reached = self.offset_index.lookup(offset)
        for found, header in self.headers(start, self.size):
            if found == start > 0 and header.base_offset > offset:
                raise CorruptBatch(f"Index {self.offset_index.path} points past offset {offset}")
            if header.base_offset + header.last_offset_delta >= offset:
                return found, header
            reached = found + header.size
        if reached != self.size:
            raise CorruptBatch(f"No batch at position {reached} of {self.path}")
        return None

    def last_boundary(self, start: int, limit: int) -> tuple[int, int | None]:
        """(end of the last whole batch from start on that ends by limit, next offset there if known)."""
        position = max(start, self.offset_index.floor_position(limit))
        end, next_offset = start, None
        with contextlib.suppress(CorruptBatch):  # what is before the damage is the answer
            for found, header in self.headers(position, limit):
                end, next_offset = found + header.size, header.next_offset
        return max(end, position), next_offset

    def check(self, start: int, end: int) -> tuple[int, str] | None:
        """CRC-check what this process has not checked yet of the batches in [start, end).

        (position, reason) of the first bad one. Data that was appended by this process was checked then.
        """
        if start >= self._unchecked_end:
            return None
        stop = min(end, self._unchecked_end)
        begin = self._checked.first_unchecked(start, stop)
        if begin >= stop:
            return None
        good = begin
        bad = None
        try:
            for position, header, _ in self.batches(begin, stop):
                good = position + header.size
        except CorruptBatch as reason:
            bad = good, reason.message or ""
        self._checked.add(start, good)
        return bad

    def mark_checked(self) -> None:
        """Recovery has read and checked everything."""
        self._unchecked_end = 0

    def read_batch(self, position: int, header: BatchHeader) -> bytes:
        """A batch's bytes, CRC-checked. Raises CorruptBatch."""
        data = self.file.pread(header.size, position)
        if not check_crc(data, 0, header):
            raise CorruptBatch(f"Record is corrupt (stored crc = {header.crc}) at {self.path}:{position}")
        return data

    def next_offset(self) -> int:
        """Offset after the last batch, found from the last index entry (LogSegment.readNextOffset)."""
        found = self.base_offset
        for _, header in self.headers(self.offset_index.lookup(self.offset_index.last_offset), self.size):
            found = header.next_offset
        return found

    # ---- changes

    def truncate_to(self, offset: int) -> bool:
        """Drop batches from the one that holds offset on; False when there are none."""
        found = self.find(offset)
        self.offset_index.truncate_to(offset)
        self.time_index.truncate_to(offset)
        self.txn_index.truncate_to(offset)
        if found is None:
            return False
        self.file.truncate(found[0])
        # The log may go on in a new segment. Were the truncation not durable before that one is, a power cut
        # could bring back what was dropped, below data that is acknowledged.
        self.file.fsync()
        self.size = found[0]
        self._unchecked_end = min(self._unchecked_end, self.size)
        self._bytes_since_index_entry = 0
        self._max_timestamp = None
        if self.size == 0:
            self._first_timestamp = None
        last_indexed = self.offset_index.lookup(offset)
        for _, header in self.headers(last_indexed, self.size):
            if header.max_timestamp > self.max_timestamp[0]:
                self._max_timestamp = (header.max_timestamp, header.last_offset)
        return True

    def reset_indexes(self) -> None:
        """Empty all indexes, before recovery fills them again."""
        self.offset_index.create()
        self.time_index.create()
        self.txn_index.reset()
        self._max_timestamp = (-1, self.base_offset)
        self._first_timestamp = None

    def rebuild_offset_index(self, interval: int) -> bool:
        """Write the offset index anew from batch headers; False, and no change, when those are damaged."""
        entries = []
        last_entry = 0
        expected = self.base_offset
        try:
            for position, header in self.headers(0, self.size):
                check_offsets(header, expected, self.base_offset)
                expected = header.next_offset
                if position - last_entry > interval:
                    entries.append((header.last_offset, position))
                    last_entry = position
        except CorruptBatch:
            return False
        self.offset_index.create()
        for entry in entries:
            self.offset_index.add(*entry)
        self.offset_index.flush()
        if self._active is None:
            self.offset_index.seal()
        return True

    def note_recovered(self, position: int, header: BatchHeader, last_entry: int, interval: int) -> int:
        """Index one batch as LogSegment.recover does; returns the position of the last index entry."""
        if header.max_timestamp > self.max_timestamp[0]:
            self._max_timestamp = (header.max_timestamp, header.last_offset)
        if position - last_entry <= interval:
            return last_entry
        self.offset_index.add(header.last_offset, position)
        self.time_index.maybe_add(*self.max_timestamp)
        return position

    def cut(self, size: int) -> None:
        """Cut the .log at a batch boundary that recovery found."""
        self.file.truncate(size)
        self.size = size

    def seal(self) -> None:
        """No more appends: final time index entry, indexes written and trimmed, file released."""
        if self._max_timestamp is not None:
            self.time_index.maybe_add(*self._max_timestamp)
        self.offset_index.seal()
        self.time_index.seal()
        self._active = None

    def write_indexes(self) -> None:
        """Write index entries that are only in memory."""
        self.offset_index.flush()
        self.time_index.flush()

    def sync(self) -> None:
        """fsync all files; they may have been retired meanwhile."""
        with contextlib.suppress(FileNotFoundError):
            self.file.fsync()
            self._files.get(self.offset_index.path).fsync()
            self._files.get(self.time_index.path).fsync()
            self.txn_index.sync()

    def forget(self) -> None:
        """Drop its files from the cache, before they are renamed or removed."""
        self._active = None
        for suffix in SUFFIXES:
            self._files.forget(self._sibling(suffix))

    def change_suffix(self, suffix: str) -> None:
        """Rename all files, as compaction does: `.cleaned` to `.swap` to none."""
        self.forget()
        old = {kind: self._sibling(kind) for kind in SUFFIXES}
        self._suffix = suffix
        for kind, path in old.items():
            if self._files.disk.exists(path):
                self._files.disk.rename(path, self._sibling(kind))
        self._name_files()

    def move_to(self, directory: str) -> None:
        """Its directory has another name now; an active segment stays active."""
        was_active = self._active is not None
        self.forget()
        self.directory = directory
        self._name_files()
        if was_active:
            self.activate()

    def _name_files(self) -> None:
        self.path = self._sibling(LOG)
        self.offset_index.path = self._sibling(INDEX)
        self.time_index.path = self._sibling(TIME_INDEX)
        self.txn_index.path = self._sibling(TXN_INDEX)
