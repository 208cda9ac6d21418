# SPDX-License-Identifier: Apache-2.0
"""A Produce of one batch for one partition, as most are, from the frame's bytes to those of the answer.

It does what k00_produce does by way of messages, for the plain case only: acks 1 or all, format v2, no
transaction. Whatever else a frame holds, bytes that are no Produce included, is not looked at further: it
takes the long way, before anything has changed. Whether somebody may write, or has to be throttled, is not
asked here, so this is for brokers without an authorizer and clients without quotas.

``tests/apis/test_produce_one.py`` compares the two ways, frame by frame.
"""

from __future__ import annotations

from functools import cache
from struct import Struct
from struct import error as struct_error
from typing import NamedTuple

from commitlog.replication.produce import INTERNAL_TOPICS, AppendResult

_HEAD = Struct(">hhih")  # api key, version, correlation id, length of the client id
_FLEXIBLE = Struct(">BBhiBB")  # header tags, transactional id, acks, timeout, topics, name length
_CLASSIC = Struct(">hhiih")  # transactional id, acks, timeout, topics, length of the name
_FLEXIBLE_PARTITION = Struct(">Bi")  # partitions, index
_CLASSIC_PARTITION = Struct(">iii")  # partitions, index, length of the records
_BATCH = Struct(">iibIh")  # from byte 8: length, leader epoch, magic, crc, attributes

_OLDEST, _FLEXIBLE_FROM, _ZSTD_FROM, _NEWEST = 3, 9, 7, 11
_LOG_START_FROM, _RECORD_ERRORS_FROM = 5, 8
_BATCH_OVERHEAD = 61
_LOG_OVERHEAD = 12
_ZSTD = 4
_TRANSACTIONAL_OR_CONTROL = 0x30
_NO_TAGS = b"\0\0\0"
"""Of the partition, the topic and the request."""
_SIZE_BYTES = 4


class ProduceOne(NamedTuple):
    """What the frame asks for. ``records`` is a view of the frame."""

    version: int
    correlation_id: int
    acks: int
    timeout_ms: int
    topic: str
    partition: int
    records: memoryview


def parse(frame: memoryview) -> ProduceOne | None:
    """The request of a frame (without its size), None when it is not the plain case."""
    try:
        api_key, version, correlation_id, id_length = _HEAD.unpack_from(frame)
        if api_key or not _OLDEST <= version <= _NEWEST:
            return None
        at = _HEAD.size + id_length if id_length > 0 else _HEAD.size
        if version >= _FLEXIBLE_FROM:
            found = _parse_flexible(frame, at)
        else:
            found = _parse_classic(frame, at)
        if found is None:
            return None
        acks, timeout_ms, name, index, start, end = found
        if acks not in (1, -1) or end - start < _BATCH_OVERHEAD:
            return None
        length, _, magic, _, attributes = _BATCH.unpack_from(frame, start + 8)
        if magic != 2 or length + _LOG_OVERHEAD != end - start or attributes & _TRANSACTIONAL_OR_CONTROL:
            return None
        if attributes & 7 == _ZSTD and version < _ZSTD_FROM:
            return None
        topic = str(name, "utf-8")
    except (struct_error, IndexError, UnicodeDecodeError):
        return None
    if topic in INTERNAL_TOPICS:
        return None
    return ProduceOne(version, correlation_id, acks, timeout_ms, topic, index, frame[start:end])


_Found = tuple[int, int, memoryview, int, int, int]  # acks, timeout, name, index, records


def _parse_flexible(frame: memoryview, at: int) -> _Found | None:
    tags, transactional_id, acks, timeout_ms, topics, name_length = _FLEXIBLE.unpack_from(frame, at)
    # Lengths are one more than they are, 0 is null; 128 and more take another byte.
    if tags or transactional_id or topics != 2 or not 1 < name_length < 128:
        return None
    at += _FLEXIBLE.size
    name_end = at + name_length - 1
    name = frame[at:name_end]
    partitions, index = _FLEXIBLE_PARTITION.unpack_from(frame, name_end)
    if partitions != 2:
        return None
    at = name_end + _FLEXIBLE_PARTITION.size
    byte = frame[at]
    size, shift = byte & 0x7F, 7
    while byte & 0x80:
        at += 1
        byte = frame[at]
        size |= (byte & 0x7F) << shift
        shift += 7
        if shift > 28:
            return None
    start = at + 1
    end = start + size - 1
    if end + len(_NO_TAGS) != len(frame) or frame[end:] != _NO_TAGS:
        return None
    return acks, timeout_ms, name, index, start, end


def _parse_classic(frame: memoryview, at: int) -> _Found | None:
    transactional_id, acks, timeout_ms, topics, name_length = _CLASSIC.unpack_from(frame, at)
    if transactional_id != -1 or topics != 1 or name_length < 1:
        return None
    at += _CLASSIC.size
    name_end = at + name_length
    name = frame[at:name_end]
    partitions, index, size = _CLASSIC_PARTITION.unpack_from(frame, name_end)
    start = name_end + _CLASSIC_PARTITION.size
    if partitions != 1 or start + size != len(frame):
        return None
    return acks, timeout_ms, name, index, start, start + size


@cache
def _answer(version: int, name_length: int) -> Struct:
    """The whole answer as one structure; a topic's name has at most 249 bytes, so there are few of them."""
    name = f"{name_length}s"
    if version >= _FLEXIBLE_FROM:
        return Struct(f">iiBBB{name}BihqqqBBBBiB")
    log_start = "q" if version >= _LOG_START_FROM else ""
    record_errors = "ih" if version >= _RECORD_ERRORS_FROM else ""
    return Struct(f">iiih{name}iihqq{log_start}{record_errors}i")


def encode(one: ProduceOne, result: AppendResult) -> bytes:
    """The frame, with its size, that says where the records are."""
    name = one.topic.encode()
    answer = _answer(one.version, len(name))
    size = answer.size - _SIZE_BYTES
    if one.version >= _FLEXIBLE_FROM:
        return answer.pack(
            size, one.correlation_id, 0, 2, len(name) + 1, name, 2, one.partition, 0, result.base_offset,
            result.log_append_time_ms, result.log_start_offset, 1, 0, 0, 0, 0, 0,
        )  # fmt: skip
    log_start = (result.log_start_offset,) if one.version >= _LOG_START_FROM else ()
    record_errors = (0, -1) if one.version >= _RECORD_ERRORS_FROM else ()
    return answer.pack(
        size, one.correlation_id, 1, len(name), name, 1, one.partition, 0, result.base_offset,
        result.log_append_time_ms, *log_start, *record_errors, 0,
    )  # fmt: skip
