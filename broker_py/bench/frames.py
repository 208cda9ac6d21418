# SPDX-License-Identifier: Apache-2.0
"""Request frames, encoded before the clock starts, so that the client's encoding is not measured.

Versions are the newest that all peers serve. Timestamps of records are those of the encoding.
"""

from __future__ import annotations

import os
import struct
import time

from commitlog.records.batch import build_batch
from commitlog.wire.frames import encode_request
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData

PRODUCE_VERSION = 9
FETCH_VERSION = 12
LIST_OFFSETS_VERSION = 6
CLIENT_ID = "bench"
_CORRELATION = struct.Struct(">i")
_CORRELATION_AT = 8


def batch(records: int, value_bytes: int) -> bytearray:
    """One batch of records with incompressible values and no keys."""
    now = int(time.time() * 1000)
    return build_batch((now, None, os.urandom(value_bytes), ()) for _ in range(records))


def produce(topic: str, records: bytes | bytearray, acks: int, partition: int = 0) -> bytearray:
    """A Produce frame; `with_correlation` makes it the next request of a connection."""
    request = ProduceRequest(
        acks=acks,
        timeout_ms=60_000,
        topic_data=[
            TopicProduceData(
                name=topic, partition_data=[PartitionProduceData(index=partition, records=bytes(records))]
            )
        ],
    )
    return bytearray(encode_request(request, PRODUCE_VERSION, 0, CLIENT_ID))


def with_correlation(frame: bytearray, correlation_id: int) -> bytearray:
    _CORRELATION.pack_into(frame, _CORRELATION_AT, correlation_id)
    return frame


def fetch(topic: str, offset: int, max_bytes: int, wait_ms: int, partition: int = 0) -> bytes:
    """A Fetch frame without a session."""
    request = FetchRequest(
        max_wait_ms=wait_ms,
        min_bytes=1,
        max_bytes=max_bytes,
        session_id=0,
        session_epoch=-1,
        topics=[
            FetchTopic(
                topic=topic,
                partitions=[
                    FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=max_bytes)
                ],
            )
        ],
    )
    return encode_request(request, FETCH_VERSION, 0, CLIENT_ID)
