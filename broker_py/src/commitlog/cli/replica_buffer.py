# SPDX-License-Identifier: Apache-2.0
"""Batches of all replicas of a partition, compared in step up to their high watermarks
(ReplicaVerificationTool.ReplicaBuffer)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

from commitlog.cli import terminal
from commitlog.cli.admin import TopicPartition
from commitlog.cli.topics_errors import ToolError
from commitlog.records.header import BatchHeader, Buffer, CorruptBatch, iterate_headers
from commitlog.wire.messages.fetch_response import PartitionData


class ReplicaBuffer:
    """What each replica of each partition answered, and how far all of them agree."""

    def __init__(
        self,
        partitions: Iterable[TopicPartition],
        offsets: dict[TopicPartition, int],
        report_interval_ms: int,
        say: Callable[[str], None] = lambda text: print(text, flush=True),
    ) -> None:
        self.offsets = offsets
        self._cache: dict[TopicPartition, dict[int, PartitionData]] = {each: {} for each in partitions}
        self._report_interval_s = report_interval_ms / 1000
        self._say = say
        self._reported = time.monotonic()
        self._max_lag_of: TopicPartition | None = None
        self._max_lag_at = -1

    def add(self, partition: TopicPartition, replica: int, data: PartitionData) -> None:
        self._cache[partition][replica] = data

    def verify(self) -> bool:
        """Compare what was fetched, go on where all agree, and report when it is time. False: an offset of
        one replica is not that of another, and it makes no sense to go on."""
        max_lag = -1
        for partition, answers in self._cache.items():
            if not self._compare(partition, answers):
                return False
            highest = max((data.high_watermark for data in answers.values()), default=-1)
            if (lag := highest - self.offsets[partition]) > max_lag:
                max_lag, self._max_lag_of, self._max_lag_at = lag, partition, self.offsets[partition]
            answers.clear()
        self._report(max_lag)
        return True

    def _report(self, max_lag: int) -> None:
        if time.monotonic() - self._reported <= self._report_interval_s:
            return
        self._reported = time.monotonic()
        named = "null" if self._max_lag_of is None else self._max_lag_of
        self._say(
            f"{terminal.log_time()}: max lag is {max_lag} for partition {named} at offset "
            f"{self._max_lag_at} among {len(self._cache)} partitions"
        )

    def _compare(self, partition: TopicPartition, answers: Mapping[int, PartitionData]) -> bool:
        """Batch by batch, up to each replica's high watermark."""
        batches = {
            replica: iterate_headers(cast("Buffer", data.records or b""))
            for replica, data in sorted(answers.items())
        }
        in_all = bool(batches)
        while in_all:
            first = None
            for replica, rest in batches.items():
                header = self._next(partition, replica, rest)
                if header is None or header.last_offset >= answers[replica].high_watermark:
                    in_all = False
                elif first is None:
                    first = replica, header
                elif first[1].last_offset != header.last_offset:
                    self._say_parted(partition, *first, replica, header)
                    return False
                elif first[1].crc != header.crc:
                    self._say_unlike(partition, *first, replica, header)
            if in_all and first is not None:
                self.offsets[partition] = first[1].next_offset
        return True

    def _next(
        self, partition: TopicPartition, replica: int, rest: Iterator[tuple[int, BatchHeader]]
    ) -> BatchHeader | None:
        try:
            _, header = next(rest, (0, None))
        except CorruptBatch as error:
            place = f"replica {replica} in partition {partition} at offset {self.offsets[partition]}"
            raise ToolError(f"Error in processing {place}: {error}") from None
        return header

    def _say_parted(
        self, partition: TopicPartition, one: int, of_one: BatchHeader, other: int, of_other: BatchHeader
    ) -> None:
        self._say(
            f"{terminal.log_time()}: partition {partition}: replica {one}'s offset {of_one.last_offset} "
            f"doesn't match replica {other}'s offset {of_other.last_offset}"
        )

    def _say_unlike(
        self, partition: TopicPartition, one: int, of_one: BatchHeader, other: int, of_other: BatchHeader
    ) -> None:
        self._say(
            f"{terminal.log_time()}: partition {partition} has unmatched checksum at offset "
            f"{of_other.last_offset}; replica {one}'s checksum {of_one.crc}; replica {other}'s checksum "
            f"{of_other.crc}"
        )
