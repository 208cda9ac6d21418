# SPDX-License-Identifier: Apache-2.0
"""kafka-dump-log.sh: the files beside a segment: indexes, checked against the log, snapshots of producers,
and aborted transactions."""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from collections.abc import Iterator

from commitlog.cli.dump_records import base_offset, mapped
from commitlog.cli.jopt import Parsed
from commitlog.cli.topics_errors import ToolError
from commitlog.records.batch import BatchHeader, decode_records, iterate_headers
from commitlog.records.header import NO_TIMESTAMP
from commitlog.storage import offset_index, time_index, txn_index
from commitlog.storage.producer_snapshot import CorruptSnapshot, decode_snapshot

MAX_SEQUENCE = 2**31 - 1


class IndexDump:
    """Prints indexes; remembers what does not agree with the log."""

    def __init__(self, parsed: Parsed) -> None:
        self._only_sanity = parsed.has("index-sanity-check")
        self._only_verify = parsed.has("verify-index-only")
        self._max_message_size = parsed.only_number("max-message-size")
        self._mismatches: dict[str, list[tuple[int, int]]] = {}
        self._time_mismatches: dict[str, list[tuple[int, int]]] = {}
        self._disorder: dict[str, list[tuple[int, int]]] = {}
        self._not_found: list[tuple[int, int]] = []

    def complaints(self) -> Iterator[str]:
        for path, pairs in self._mismatches.items():
            yield f"Mismatches in :{path}"
            for index, log in reversed(pairs):
                yield f"  Index offset: {index}, log offset: {log}"
        for path, pairs in self._time_mismatches.items():
            yield f"Found timestamp mismatch in :{path}"
            for index, log in pairs:
                yield f"  Index timestamp: {index}, log timestamp: {log}"
        for path, pairs in self._disorder.items():
            yield f"Found out of order timestamp in :{path}"
            for index, previous in pairs:
                yield f"  Index timestamp: {index}, Previously indexed timestamp: {previous}"
        if self._not_found:
            yield "The following indexed offsets are not found in the log."
            for index, log in self._not_found:
                yield f"Indexed offset: {index}, found log offset: {log}"

    def dump_offsets(self, path: str) -> None:
        base = base_offset(path)
        with mapped(_beside(path, ".log")) as log:
            entries = _entries(path)
            if not entries:
                print(f"{path} is empty.")
                return
            if self._only_sanity:
                _check_size(path, offset_index.ENTRY.size, base + entries[-1][0], base)
                print(f"{path} passed sanity check.")
                return
            for number, (relative, position) in enumerate(entries):
                if number and relative == 0:
                    return  # zeros that a crash left behind
                found = self._first_batch(log, position)
                if found.last_offset != base + relative:
                    pair = (base + relative, found.last_offset)
                    self._mismatches.setdefault(os.path.abspath(path), []).append(pair)
                if not self._only_verify:
                    print(f"offset: {base + relative} position: {position}")

    def _first_batch(self, log: memoryview, position: int) -> BatchHeader:
        for _, header in iterate_headers(log[position : position + self._max_message_size]):
            return header
        raise ToolError(
            f"no batch of at most {self._max_message_size} bytes begins at position {position} of the log"
        )

    def dump_times(self, path: str) -> None:
        base = base_offset(path)
        positions = _entries(_beside(path, ".index"))
        with open(path, "rb") as file:
            data = file.read()
        entries = list(time_index.ENTRY.iter_unpack(data[: len(data) // 12 * 12]))
        if self._only_sanity:
            if entries:
                _check_size(path, time_index.ENTRY.size, base + entries[-1][1], base)
            print(f"{path} passed sanity check.")
            return
        previous = NO_TIMESTAMP
        with mapped(_beside(path, ".log")) as log:
            for number, (timestamp, relative) in enumerate(entries):
                if number and relative == 0:
                    return
                self._check_time(path, log, positions, base, timestamp, relative, previous)
                if not self._only_verify:
                    print(f"timestamp: {timestamp} offset: {base + relative}")
                previous = timestamp

    def _check_time(
        self,
        path: str,
        log: memoryview,
        positions: list[tuple[int, int]],
        base: int,
        timestamp: int,
        relative: int,
        previous: int,
    ) -> None:
        at = bisect_right(positions, relative, key=lambda entry: entry[0])
        start = positions[at - 1][1] if at else 0
        offset = base + relative
        name = os.path.abspath(path)
        for position, header in iterate_headers(log[start:]):
            if header.last_offset < offset:
                continue
            if header.last_offset != offset:
                self._not_found.append((offset, header.last_offset))
                return
            newest = max(
                (record.timestamp for record in decode_records(log, start + position, header)),
                default=NO_TIMESTAMP,
            )
            if newest != timestamp:
                self._time_mismatches.setdefault(name, []).append((timestamp, newest))
            if previous >= timestamp:
                self._disorder.setdefault(name, []).append((timestamp, previous))
            return
        self._not_found.append((offset, -1))


def _beside(path: str, suffix: str) -> str:
    name = os.path.basename(path).partition(".")[0]
    return os.path.join(os.path.dirname(os.path.abspath(path)), name + suffix)


def _entries(path: str) -> list[tuple[int, int]]:
    with open(path, "rb") as file:
        data = file.read()
    size = offset_index.ENTRY.size
    return list(offset_index.ENTRY.iter_unpack(data[: len(data) // size * size]))


def _check_size(path: str, entry_size: int, last: int, base: int) -> None:
    """OffsetIndex.sanityCheck and TimeIndex.sanityCheck."""
    full = os.path.abspath(path)
    if last < base:
        raise ToolError(
            f"Corrupt index found, index file ({full}) has non-zero size but the last offset is {last} "
            "which is "
            f"less than the base offset {base}"
        )
    length = os.path.getsize(path)
    if length % entry_size:
        raise ToolError(
            f"Index file {full} is corrupt, found {length} bytes which is neither positive nor a multiple of "
            f"{entry_size}"
        )


def dump_snapshot(path: str) -> None:
    with open(path, "rb") as file:
        data = file.read()
    try:
        entries = decode_snapshot(data)
    except CorruptSnapshot as error:
        sys.stdout.flush()
        print(error, file=sys.stderr)
        return
    for entry in entries:
        first = -1 if entry.txn_first_offset is None else entry.txn_first_offset
        line = (
            f"producerId: {entry.producer_id} producerEpoch: {entry.producer_epoch} coordinatorEpoch: "
            f"{entry.coordinator_epoch} currentTxnFirstOffset: {_optional(first)} lastTimestamp: "
            f"{entry.last_timestamp} "
        )
        if entry.batches:
            batch = entry.batches[0]
            first_sequence = (batch.last_sequence - batch.offset_delta) % (MAX_SEQUENCE + 1)
            if batch.last_sequence < 0:
                first_sequence = batch.last_sequence - batch.offset_delta
            line += (
                f"firstSequence: {first_sequence} lastSequence: {batch.last_sequence} lastOffset: "
                f"{batch.last_offset} offsetDelta: {batch.offset_delta} timestamp: {batch.timestamp}"
            )
        print(line)


def _optional(offset: int) -> str:
    return "OptionalLong.empty" if offset < 0 else f"OptionalLong[{offset}]"


def dump_transactions(path: str) -> None:
    with open(path, "rb") as file:
        data = file.read()
    size = txn_index.ENTRY.size
    for fields in txn_index.ENTRY.iter_unpack(data[: len(data) // size * size]):
        entry = txn_index.AbortedTxn._make(fields)
        print(
            f"version: {entry.version} producerId: {entry.producer_id} firstOffset: {entry.first_offset} "
            "lastOffset: "
            f"{entry.last_offset} lastStableOffset: {entry.last_stable_offset}"
        )
