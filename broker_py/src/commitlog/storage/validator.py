# SPDX-License-Identifier: Apache-2.0
"""What a leader demands of records before it appends them, and offset assignment (LogValidator, UnifiedLog).

The usual produce request is one batch v2 that is appended as it came: its header and CRC are checked and
offset and leader epoch written over it in place. Records are looked at one by one only when the topic
demands it: another codec (compression.type), keys (cleanup.policy=compact), timestamp limits, or messages
v0/v1 to convert.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from commitlog.records.batch import decode_records, encode_batch
from commitlog.records.header import (
    CODEC_MASK,
    CONTROL_BIT,
    LOG_APPEND_TIME,
    LOG_OVERHEAD,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_BIT,
    BatchHeader,
    Buffer,
    Codec,
    CorruptBatch,
    Record,
    check_crc,
    iterate_headers,
    read_header,
    stamp,
    stamp_log_append_time,
)
from commitlog.storage.log_config import LogConfig
from commitlog.wire.errors import ErrorCode, KafkaError

Origin = Literal["client", "replication", "coordinator"]

_NO_LIMIT_MS = 2**63 - 1
_SHOWN_ERRORS = 3
_CODEC_AND_CONTROL = CODEC_MASK | CONTROL_BIT


class RecordValidationError(KafkaError):
    """Single records were refused: (index in the batch, why), for a Produce response's record errors."""

    def __init__(self, code: ErrorCode, message: str, record_errors: list[tuple[int, str]]) -> None:
        super().__init__(code, message)
        self.record_errors = record_errors


class Validated(NamedTuple):
    """Records ready to be written: offsets and leader epoch are in them."""

    records: Buffer
    header: BatchHeader  # with the assigned base offset
    append_time_ms: int


class Validator:
    """Checks what is appended to one partition."""

    def __init__(self, partition_name: str) -> None:
        self._name = partition_name
        self._config: LogConfig | None = None
        self._opens_all = False
        self._append_time = False

    def _learn(self, config: LogConfig) -> None:
        """Draw from a configuration, which is replaced and not changed, what every append asks."""
        self._config = config
        self._append_time = config.message_timestamp_type == "LogAppendTime"
        limited = (
            config.message_timestamp_before_max_ms != _NO_LIMIT_MS
            or config.message_timestamp_after_max_ms != _NO_LIMIT_MS
        )
        self._opens_all = "compact" in config.cleanup_policy or (limited and not self._append_time)

    def validate(
        self,
        records: bytearray | memoryview,
        config: LogConfig,
        *,
        next_offset: int,
        leader_epoch: int,
        origin: Origin,
        now_ms: int,
    ) -> Validated:
        """Check one batch v2 (or a v0/v1 message set) and give it its offsets. Raises KafkaError."""
        if config is not self._config:
            self._learn(config)
        header = read_header(records)
        if header.magic != 2:
            header, records = self._convert(records, config, leader_epoch)
        elif header.base_offset != 0 and origin == "client":  # before the checksum, as in Kafka
            problem = f"The baseOffset of the record batch should be 0, but it is {header.base_offset}"
            raise KafkaError(ErrorCode.INVALID_RECORD, f"{problem} in topic partition {self._name}")
        elif header.batch_length + LOG_OVERHEAD != len(records):
            records = self._only_batch(records, header)
        self._check_batch(records, header, config)
        # What a coordinator of this broker has written is as its topic wants it.
        if origin == "client":
            self._check_client_batch(header)
            if self._must_open(header, config):
                header, records = self._open(records, header, config, now_ms)
        stamp(records, 0, next_offset, leader_epoch)
        append_time_ms = NO_TIMESTAMP
        if self._append_time:
            append_time_ms = now_ms
            stamp_log_append_time(records, 0, now_ms)
            header = read_header(records)
        return Validated(records, BatchHeader(next_offset, *header[1:]), append_time_ms)

    def _only_batch(self, records: bytearray | memoryview, header: BatchHeader) -> memoryview:
        """The buffer is longer or shorter than its first batch: a partial second one is ignored."""
        if header.size > len(records):
            raise CorruptBatch(f"Record batch for {self._name} is cut short")
        if sum(1 for _ in iterate_headers(records)) > 1:
            raise _more_than_one_batch()
        return memoryview(records)[: header.size]

    def _check_batch(self, records: Buffer, header: BatchHeader, config: LogConfig) -> None:
        if len(records) > config.max_message_bytes:
            raise KafkaError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"The record batch size in the append to {self._name} is {len(records)} bytes "
                f"which exceeds the maximum configured value of {config.max_message_bytes}.",
            )
        if not check_crc(records, 0, header):
            raise CorruptBatch(
                f"Record is corrupt (stored crc = {header.crc}) in topic partition {self._name}."
            )
        if self._append_time and header.timestamp_type == LOG_APPEND_TIME:
            text = (
                "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime."
            )
            raise RecordValidationError(
                ErrorCode.INVALID_TIMESTAMP, _summary(ErrorCode.INVALID_TIMESTAMP, []), [(0, text)]
            )

    def _check_client_batch(self, header: BatchHeader) -> None:
        count = header.record_count
        if (
            count == header.last_offset_delta + 1 > 0
            and header.attributes & _CODEC_AND_CONTROL <= Codec.ZSTD
            and (header.producer_id < 0 or header.base_sequence >= 0)
        ):
            return
        if header.last_offset_delta < 0:
            problem = f"Batch has an invalid offset range: [0, {header.last_offset_delta}]"
        elif count <= 0:
            problem = f"Invalid reported count for record batch: {count}"
        elif header.last_offset_delta + 1 != count:
            problem = f"Inconsistent batch offset range [0, {header.last_offset_delta}] and count {count}"
        elif header.is_control:
            problem = "Clients are not allowed to write control records"
        elif header.producer_id >= 0 and header.base_sequence < 0:
            problem = (
                f"Invalid sequence number {header.base_sequence} in record batch with producerId "
                f"{header.producer_id}"
            )
        else:
            problem = f"Unknown compression type id: {header.codec}"
        raise KafkaError(ErrorCode.INVALID_RECORD, f"{problem} in topic partition {self._name}")

    def _must_open(self, header: BatchHeader, config: LogConfig) -> bool:
        """Does anything need the single records?"""
        return (
            self._opens_all
            or header.attributes & TIMESTAMP_TYPE_BIT != 0
            or target_codec(config, header.codec) != header.codec
        )

    def _open(
        self, records: bytearray | memoryview, header: BatchHeader, config: LogConfig, now_ms: int
    ) -> tuple[BatchHeader, bytearray | memoryview]:
        """Check every record; write the batch anew when its codec or timestamp type is not the topic's."""
        attributes = header.attributes & ~TIMESTAMP_TYPE_BIT
        decoded = self._decode(records, header._replace(attributes=attributes))
        self._check_records(decoded, config, now_ms)
        target = target_codec(config, header.codec)
        attributes = attributes & ~CODEC_MASK | target
        if attributes == header.attributes:
            return header, records
        max_timestamp = max(record.timestamp for record in decoded)
        changed = header._replace(attributes=attributes, max_timestamp=max_timestamp)
        rebuilt = encode_batch(changed, decoded, level=compression_level(config, target))
        self._check_converted_size(rebuilt, config)
        return read_header(rebuilt), rebuilt

    def _decode(self, records: Buffer, header: BatchHeader) -> list[Record]:
        try:
            decoded = decode_records(records, 0, header)
        except CorruptBatch as reason:
            message = f"{reason.message} in topic partition {self._name}"
            raise KafkaError(ErrorCode.INVALID_RECORD, message) from reason
        if any(record.offset != header.base_offset + i for i, record in enumerate(decoded)):
            raise KafkaError(
                ErrorCode.INVALID_RECORD, f"Offsets inside the batch are not consecutive in {self._name}"
            )
        return decoded

    def _check_records(self, records: list[Record], config: LogConfig, now_ms: int) -> None:
        compacted = "compact" in config.cleanup_policy
        create_time = config.message_timestamp_type == "CreateTime"
        earliest = now_ms - config.message_timestamp_before_max_ms
        latest = now_ms + config.message_timestamp_after_max_ms
        errors: list[tuple[int, str]] = []
        code = ErrorCode.INVALID_RECORD
        for i, record in enumerate(records):
            if compacted and record.key is None:
                text = f"Compacted topic cannot accept message without key in topic partition {self._name}"
                errors.append((i, text))
            elif (
                create_time
                and record.timestamp != NO_TIMESTAMP
                and not earliest <= record.timestamp <= latest
            ):
                code = ErrorCode.INVALID_TIMESTAMP
                text = (
                    f"Timestamp {record.timestamp} of message with offset {record.offset} is out of range. "
                    f"The timestamp should be within [{earliest}, {latest}]"
                )
                errors.append((i, text))
        if errors:
            raise RecordValidationError(code, _summary(code, errors), errors)

    def _convert(
        self, message_set: bytearray | memoryview, config: LogConfig, leader_epoch: int
    ) -> tuple[BatchHeader, bytearray]:
        """Messages v0/v1 of a Produce v0-v2 as one batch v2; the log holds nothing older (IBP 3.0)."""
        records: list[Record] = []
        codec: int = Codec.NONE
        batches = 0
        magic = message_set[16]
        for position, header in iterate_headers(message_set):
            if header.magic != magic:
                raise KafkaError(
                    ErrorCode.INVALID_RECORD,
                    f"Batch magic {header.magic} is not the same as the first batch's magic byte {magic} "
                    f"in topic partition {self._name}",
                )
            if not check_crc(message_set, position, header):
                raise CorruptBatch(
                    f"Record is corrupt (stored crc = {header.crc}) in topic partition {self._name}."
                )
            codec = codec or header.codec
            batches += 1
            try:
                records += decode_records(message_set, position, header)
            except CorruptBatch as reason:
                message = f"{reason.message} in topic partition {self._name}"
                raise KafkaError(ErrorCode.INVALID_RECORD, message) from reason
        if codec and batches > 1:
            raise _more_than_one_batch()
        if not records:
            raise CorruptBatch(f"Message set for {self._name} holds no whole message")
        target = target_codec(config, codec)
        fields = BatchHeader(
            0, 0, leader_epoch, 2, 0, target, len(records) - 1, records[0].timestamp,
            max(record.timestamp for record in records), -1, -1, -1, 0,
        )  # fmt: skip
        renumbered = [record._replace(offset=i) for i, record in enumerate(records)]
        converted = encode_batch(fields, renumbered, level=compression_level(config, target))
        self._check_converted_size(converted, config)
        return read_header(converted), converted

    def _check_converted_size(self, records: Buffer, config: LogConfig) -> None:
        if len(records) > config.max_message_bytes:
            raise KafkaError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"Message batch size is {len(records)} bytes in append to partition {self._name} "
                f"which exceeds the maximum configured size of {config.max_message_bytes}.",
            )


def _more_than_one_batch() -> KafkaError:
    return KafkaError(ErrorCode.INVALID_RECORD, "Compressed outer record has more than one batch")


_CODECS = {
    "uncompressed": Codec.NONE,
    "gzip": Codec.GZIP,
    "snappy": Codec.SNAPPY,
    "lz4": Codec.LZ4,
    "zstd": Codec.ZSTD,
}


def target_codec(config: LogConfig, source: int) -> int:
    """The codec that the topic wants: its own, or (`producer`) whatever came."""
    name = config.compression_type
    return source if name == "producer" else _CODECS[name]


def compression_level(config: LogConfig, codec: int) -> int | None:
    """The topic's level for a codec (KIP-390); lz4 has only one here, snappy has none at all."""
    if codec == Codec.GZIP:
        return config.compression_gzip_level
    if codec == Codec.ZSTD:
        return config.compression_zstd_level
    return None


def _summary(code: ErrorCode, errors: list[tuple[int, str]]) -> str:
    if code == ErrorCode.INVALID_TIMESTAMP:
        return "One or more records have been rejected due to invalid timestamp"
    shown = "; ".join(text for _, text in errors[:_SHOWN_ERRORS])
    return (
        f"One or more records have been rejected due to {len(errors)} record errors in total, "
        f"and only showing the first three errors at most: {shown}"
    )
