# SPDX-License-Identifier: Apache-2.0
"""Appending to a log, as leader and as follower (UnifiedLog.append), in Kafka's order of steps.

Validate and assign offsets, note the leader epoch, roll if the segment is full, check the producer, write
once, account for producers and transactions. Nothing of the log has changed when the write fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commitlog.records.header import (
    NO_TIMESTAMP,
    BatchHeader,
    Buffer,
    CorruptBatch,
    Record,
    check_crc,
    iterate_headers,
)
from commitlog.storage.log_base import LogBase
from commitlog.storage.producer_rebuild import marker_of
from commitlog.storage.producer_state import BatchMetadata
from commitlog.storage.segment import LogSegment
from commitlog.storage.validator import Origin
from commitlog.wire.errors import ErrorCode, KafkaError


@dataclass(slots=True)
class AppendInfo:
    """What an append did. For a duplicate the offsets are those of the batch that is already in the log."""

    first_offset: int
    last_offset: int
    log_append_time: int
    log_start_offset: int
    duplicate: bool
    records_bytes: int
    leader_epoch: int = -1


class UnexpectedAppendOffset(KafkaError):
    """A follower was given batches that begin below its log end (UnexpectedAppendOffsetException)."""

    def __init__(self, message: str, first_offset: int, last_offset: int) -> None:
        super().__init__(ErrorCode.UNKNOWN_SERVER_ERROR, message)
        self.first_offset = first_offset
        self.last_offset = last_offset


class LogAppends(LogBase):
    """The part of a log that grows it."""

    def append_as_leader(
        self, records: bytearray | memoryview, leader_epoch: int, *, origin: Origin = "client"
    ) -> AppendInfo:
        """Validate, assign offsets in place (records must be writable), append. Raises KafkaError."""
        if self._closed:
            self._check_open()
        offset = self.log_end_offset
        ready, header, append_time_ms = self._validator.validate(
            records, self.config,
            next_offset=offset, leader_epoch=leader_epoch, origin=origin, now_ms=self._now_ms(),
        )  # fmt: skip
        batches = ((0, header),)
        marker = None
        try:
            if leader_epoch != self.leader_epochs.latest_epoch and leader_epoch >= 0:
                self.leader_epochs.assign(leader_epoch, offset)
            segment = self._segment_for(len(ready), batches, header.max_timestamp)
            if header.producer_id >= 0:
                if header.is_control:
                    marker = self._check_marker(ready, header, offset)
                elif duplicate := self._check_producer(header, offset, origin):
                    return AppendInfo(
                        duplicate.first_offset, duplicate.last_offset, duplicate.timestamp,
                        self.log_start_offset, True, 0, leader_epoch,
                    )  # fmt: skip
            self._write(segment, ready, batches)
            if header.producer_id >= 0:
                self._account(segment, header, marker)
            self._after_append()
        except OSError as error:
            raise self._io_error("Error while appending records to", error) from error
        return AppendInfo(
            offset, header.last_offset, append_time_ms, self.log_start_offset, False, len(ready), leader_epoch
        )

    def _check_producer(self, header: BatchHeader, offset: int, origin: Origin) -> BatchMetadata | None:
        """The batch that this one repeats; KafkaError when it may not be appended."""
        client = origin == "client"
        duplicate = self._states.find_duplicate(header) if client else None
        if duplicate is None and client:
            self._producers.recall(self._segments, header)
            duplicate = self._states.find_duplicate(header)
        if duplicate is None:
            self._states.check(header, offset, from_client=client)
        return duplicate

    def _check_marker(self, data: Buffer, header: BatchHeader, offset: int) -> Record | None:
        marker = marker_of(data, header)
        if marker is not None:
            self._states.check_marker(header, marker, offset)
        return marker

    def append_as_follower(self, records: Buffer, *, leader_epoch: int | None = None) -> AppendInfo:
        """Append batches as the leader sent them; a partial batch at the end is left out.

        leader_epoch is what the follower knows: batches of a later epoch are left out too (KAFKA-18723),
        since the leader's answer may be newer than the truncation that this follower has done.
        """
        self._check_open()
        headers = self._check_replicated(records, leader_epoch)
        if not headers:
            return AppendInfo(-1, -1, NO_TIMESTAMP, self.log_start_offset, False, 0)
        first, last = headers[0][1], headers[-1][1]
        size = headers[-1][0] + last.size
        newest = max(header.max_timestamp for _, header in headers)
        valid = records if size == len(records) else memoryview(records)[:size]
        try:
            self._note_epochs(headers)
            segment = self._segment_for(size, headers, newest)
            self._write(segment, valid, headers)
            for position, header in headers:
                if header.producer_id >= 0:
                    data = memoryview(records)[position : position + header.size]
                    self._account(segment, header, marker_of(data, header))
            self._after_append()
        except OSError as error:
            raise self._io_error("Error while appending records to", error) from error
        return AppendInfo(
            first.base_offset,
            last.last_offset,
            NO_TIMESTAMP,
            self.log_start_offset,
            False,
            size,
            last.leader_epoch,
        )

    def _check_replicated(self, records: Buffer, leader_epoch: int | None) -> list[tuple[int, BatchHeader]]:
        headers: list[tuple[int, BatchHeader]] = []
        expected = self.log_end_offset
        for position, header in iterate_headers(records):
            if leader_epoch is not None and header.leader_epoch > leader_epoch:
                break
            if not check_crc(records, position, header):
                raise CorruptBatch(
                    f"Record is corrupt (stored crc = {header.crc}) in topic partition {self.name}."
                )
            if (header.base_offset if header.magic >= 2 else header.last_offset) < expected:
                raise UnexpectedAppendOffset(
                    f"Unexpected offset in append to {self.name}. Offset {header.base_offset} is less than "
                    f"the next offset {expected}. Log start offset = {self.log_start_offset}",
                    header.base_offset,
                    header.last_offset,
                )
            headers.append((position, header))
            expected = header.next_offset
        return headers

    def _note_epochs(self, headers: list[tuple[int, BatchHeader]]) -> None:
        for _, header in headers:
            if header.magic < 2:
                # Truncation falls back to the high watermark while the old format has no epochs.
                self.leader_epochs.clear()
            elif header.leader_epoch != self.leader_epochs.latest_epoch and header.leader_epoch >= 0:
                self.leader_epochs.assign(header.leader_epoch, header.base_offset)

    def _segment_for(
        self, size: int, batches: Sequence[tuple[int, BatchHeader]], max_timestamp: int
    ) -> LogSegment:
        """The active segment, a new one when the old cannot take the batches."""
        config = self.config
        last_offset = batches[-1][1].last_offset
        if size > config.segment_bytes:
            raise KafkaError(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"Message batch size is {size} bytes in append to partition {self.name}, which exceeds the "
                f"maximum configured segment size of {config.segment_bytes}.",
            )
        segment = self._segments.active
        if segment.should_roll(
            size, max_timestamp, last_offset, self._now_ms(),
            config.segment_bytes, config.segment_ms, config.segment_index_bytes,
        ):  # fmt: skip
            return self._roll(batches[0][1].base_offset)
        return segment

    def _write(
        self, segment: LogSegment, records: Buffer, batches: Sequence[tuple[int, BatchHeader]]
    ) -> None:
        if self._topic_id_file.is_behind:
            self._topic_id_file.flush()  # no data without the id of its topic
        segment.append(records, batches, self.config.index_interval_bytes)
        end = batches[-1][1].next_offset
        self.log_end_offset = end
        self._segments.remember(end, segment, segment.size)

    def _account(self, segment: LogSegment, header: BatchHeader, marker: Record | None) -> None:
        aborted = self._producers.states_saw(header, marker)
        if aborted is not None:
            segment.txn_index.append(aborted)

    def _after_append(self) -> None:
        self._states.map_end_offset = self.log_end_offset
        if self.log_end_offset - self.recovery_point >= self.config.flush_messages:
            self.flush()
