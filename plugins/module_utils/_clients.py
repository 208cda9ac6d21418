# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One record through kafka-python's producer and consumer, for smoke tests."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed, one_line
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import client_options

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

Record = t.Dict[str, t.Any]


def produce(
    params: dict[str, t.Any],
    topic: str,
    partition: t.Optional[int],
    key: t.Optional[bytes],
    value: t.Optional[bytes],
    headers: list[tuple[str, bytes]],
    acks: t.Union[int, str],
) -> tuple[int, int]:
    """Write one record and wait until it is acknowledged; its partition and offset."""
    timeout_ms = params["timeout"] * 1000
    what = "Produce to {0}".format(topic)
    with one_line(what):
        producer = KafkaProducer(acks=acks, max_block_ms=timeout_ms, delivery_timeout_ms=timeout_ms, **client_options(params))
    try:
        with one_line(what):
            sent = producer.send(topic, value=value, key=key, partition=partition, headers=headers)
            found = sent.get(timeout=params["timeout"])
    finally:
        producer.close(timeout=params["timeout"])
    return found.partition, found.offset


def read(
    params: dict[str, t.Any],
    topic: str,
    partitions: list[int],
    starts: dict[int, int],
    matches: t.Callable[[Record], bool],
) -> Record:
    """The first record from these offsets on that matches. Raises RequestFailed when none has come in time."""
    timeout_s = params["timeout"]
    with one_line("Fetch from {0}".format(topic)):
        consumer = KafkaConsumer(enable_auto_commit=False, group_id=None, **client_options(params))
    try:
        with one_line("Fetch from {0}".format(topic)):
            consumer.assign([TopicPartition(topic, index) for index in partitions])
            for index in partitions:
                consumer.seek(TopicPartition(topic, index), starts[index])
            deadline = time.monotonic() + timeout_s
            seen = 0
            while time.monotonic() < deadline:
                for batch in consumer.poll(timeout_ms=500).values():
                    for entry in batch:
                        record = _document(entry)
                        if matches(record):
                            return record
                        seen += 1
    finally:
        consumer.close()
    raise RequestFailed(
        "no such record in {0} within {1} s; {2} others were read from offsets {3} on".format(topic, timeout_s, seen, starts)
    )


def _document(entry: t.Any) -> Record:
    return dict(
        topic=entry.topic,
        partition=entry.partition,
        offset=entry.offset,
        timestamp=entry.timestamp,
        key=_text(entry.key),
        value=_text(entry.value),
        headers={name: _text(value) for name, value in entry.headers},
    )


def _text(value: t.Optional[bytes]) -> t.Optional[str]:
    return None if value is None else value.decode("utf-8", "backslashreplace")
