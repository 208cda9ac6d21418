# SPDX-License-Identifier: Apache-2.0
"""kafka-dump-log.sh: batches and records of a segment (DumpLogSegments.dumpLog)."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from commitlog.cli.dump_decoders import Decoder, choose_decoder
from commitlog.cli.jopt import Parsed
from commitlog.cli.topics_errors import ToolError
from commitlog.records.batch import (
    BatchHeader,
    CorruptBatch,
    Record,
    check_crc,
    decode_records,
    iterate_headers,
)
from commitlog.records.control import parse_marker
from commitlog.records.header import NO_TIMESTAMP, increment_sequence

WHOLE_FILE = 2**31 - 1
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
TIMESTAMP_TYPES = ("CreateTime", "LogAppendTime")
CONTROL_TYPES = {
    2: "LEADER_CHANGE",
    3: "SNAPSHOT_HEADER",
    4: "SNAPSHOT_FOOTER",
    5: "KRAFT_VERSION",
    6: "KRAFT_VOTERS",
}


@contextmanager
def mapped(path: str) -> Iterator[memoryview]:
    """The bytes of a file, which may be larger than memory."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield memoryview(b"")
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            view = memoryview(content)
            try:
                yield view
            finally:
                view.release()


def base_offset(path: str) -> int:
    """The offset that a file is named for."""
    name = os.path.basename(path).partition(".")[0]
    if not name.isdecimal():
        raise ToolError(f'For input string: "{name}"')
    return int(name)


class RecordDump:
    """Prints segments; remembers where offsets do not follow each other."""

    def __init__(self, parsed: Parsed) -> None:
        from commitlog.cli.dump_log import PRINTING

        self._prints = any(map(parsed.has, PRINTING))
        self._deep = self._prints or parsed.has("deep-iteration")
        self._with_metadata = not parsed.has("skip-record-metadata")
        self._max_bytes = parsed.only_number("max-bytes")
        self._decode: Decoder = choose_decoder(parsed)
        self._gaps: dict[str, list[tuple[int, int]]] = {}

    def complaints(self) -> Iterator[str]:
        for path, pairs in self._gaps.items():
            yield f"Non-consecutive offsets in {path}"
            for first, second in reversed(pairs):
                yield f"  {first} is followed by {second}"

    def dump(self, path: str) -> None:
        if path.endswith(".log"):
            print(f"Log starting offset: {base_offset(path)}")
        else:
            offset, _, epoch = os.path.basename(path).partition(".")[0].partition("-")
            if not offset.isdecimal() or not epoch.isdecimal():
                raise ToolError(f"{path} is not a snapshot of a KRaft log")
            print(f"Snapshot end offset: {int(offset)}, epoch: {int(epoch)}")
        with mapped(path) as content:
            limited = content[: self._max_bytes]
            try:
                valid = self._dump_batches(path, limited)
            finally:
                size = len(limited)
                limited.release()
        if size > valid and self._max_bytes == WHOLE_FILE:
            print(f"Found {size - valid} invalid bytes at the end of {os.path.basename(path)}")

    def _dump_batches(self, path: str, content: memoryview) -> int:
        """How many bytes were whole batches."""
        valid = 0
        last: int | None = None
        for position, header in iterate_headers(content):
            print(_batch_line(header, position, is_valid=check_crc(content, position, header)))
            if self._deep:
                try:
                    records = decode_records(content, position, header)
                except CorruptBatch as error:
                    raise ToolError(error.message or str(error)) from None
                for record in records:
                    if last is not None and record.offset != last + 1:
                        self._gaps.setdefault(os.path.abspath(path), []).append((last, record.offset))
                    last = record.offset
                    print(self._record_line(header, record))
            valid = position + header.size
        return valid

    def _record_line(self, header: BatchHeader, record: Record) -> str:
        line, prefix = "", "| "
        if self._with_metadata:
            line, prefix = prefix + _metadata(header, record), " "
        if self._prints and not header.is_control:
            key, payload = self._decode(record)
            if key is not None:
                line += f"{prefix}key: {key}"
            if payload is not None:
                line += f" payload: {payload}"
        return line


def _timestamp_type(header: BatchHeader) -> str:
    return TIMESTAMP_TYPES[header.timestamp_type] if header.magic else "NoTimestampType"


def _batch_line(header: BatchHeader, position: int, *, is_valid: bool) -> str:
    if header.magic >= 2:
        horizon = header.delete_horizon_ms
        shown_horizon = "OptionalLong.empty" if horizon is None else f"OptionalLong[{horizon}]"
        line = (
            f"baseOffset: {header.base_offset} lastOffset: {header.last_offset} count: {header.record_count} "
            f"baseSequence: {header.base_sequence} lastSequence: {header.last_sequence} producerId: "
            f"{header.producer_id} producerEpoch: {header.producer_epoch} partitionLeaderEpoch: "
            f"{header.leader_epoch} isTransactional: {_java(header.is_transactional)} isControl: "
            f"{_java(header.is_control)} deleteHorizonMs: {shown_horizon}"
        )
    else:
        line = f"offset: {header.last_offset}"
    return (
        f"{line} position: {position} {_timestamp_type(header)}: {header.max_timestamp} size: {header.size} "
        "magic: "
        f"{header.magic} compresscodec: {_codec(header)} crc: {header.crc} isvalid: {_java(is_valid)}"
    )


def _codec(header: BatchHeader) -> str:
    return CODECS[header.codec] if header.codec < len(CODECS) else f"unknown({header.codec})"


def _java(value: bool) -> str:
    return str(value).lower()


def _size(data: bytes | None) -> int:
    return -1 if data is None else len(data)


def _metadata(header: BatchHeader, record: Record) -> str:
    timestamp = record.timestamp if header.magic else NO_TIMESTAMP
    line = (
        f"offset: {record.offset} {_timestamp_type(header)}: {timestamp} keySize: {_size(record.key)} "
        "valueSize: "
        f"{_size(record.value)}"
    )
    if header.magic >= 2:
        sequence = -1
        if header.base_sequence >= 0:
            sequence = increment_sequence(header.base_sequence, record.offset - header.base_offset)
        keys = ",".join(name for name, _ in record.headers)
        line += f" sequence: {sequence} headerKeys: [{keys}]"
    elif not header.codec:
        # The brace is Kafka's.
        line += f" isValid: true crc: {header.crc}}}"
    return line + (_control(record) if header.is_control else "")


def _control(record: Record) -> str:
    marker = parse_marker(record)
    if marker is not None:
        committed, epoch = marker
        return f" endTxnMarker: {'COMMIT' if committed else 'ABORT'} coordinatorEpoch: {epoch}"
    number = int.from_bytes((record.key or b"")[2:4], "big", signed=True)
    return f" controlType: {CONTROL_TYPES.get(number, 'UNKNOWN')}({number})"
