# SPDX-License-Identifier: Apache-2.0
"""What the records of `__transaction_state` say (Kafka's TransactionLog).

Keys are TransactionLogKey v0, values TransactionLogValue: v0 is written, since v1 needs the feature
transaction.version, which a ZooKeeper cluster does not have; both are read. No value is a tombstone.
"""

from __future__ import annotations

from collections.abc import Iterable

from commitlog.transactions.metadata import (
    TopicPartition,
    TransactionMetadata,
    TransactionState,
    Transition,
)
from commitlog.wire.codec import MalformedMessage
from commitlog.wire.frames import decode_record, encode_record, record_version
from commitlog.wire.messages.transaction_log_key import TransactionLogKey
from commitlog.wire.messages.transaction_log_value import PartitionsSchema, TransactionLogValue

_KEY_VERSION = 0
_VALUE_VERSION = 0


def transaction_key(transactional_id: str) -> bytes:
    return encode_record(TransactionLogKey(transactional_id=transactional_id), _KEY_VERSION)


def transaction_value(transition: Transition) -> bytes:
    value = TransactionLogValue(
        producer_id=transition.producer_id,
        producer_epoch=transition.producer_epoch,
        transaction_timeout_ms=transition.timeout_ms,
        transaction_status=transition.state,
        transaction_partitions=(
            None if transition.state is TransactionState.EMPTY else _by_topic(transition.partitions)
        ),
        transaction_last_update_timestamp_ms=transition.last_update_ms,
        transaction_start_timestamp_ms=transition.start_ms,
    )
    return encode_record(value, _VALUE_VERSION)


def _by_topic(partitions: Iterable[TopicPartition]) -> list[PartitionsSchema]:
    topics: dict[str, list[int]] = {}
    for topic, index in sorted(partitions):
        topics.setdefault(topic, []).append(index)
    return [PartitionsSchema(topic=topic, partition_ids=indexes) for topic, indexes in topics.items()]


def read_key(data: bytes) -> str | int:
    """The transactional id, or the version of a kind of key that is not ours."""
    version = record_version(data)
    if version != _KEY_VERSION:
        return version
    return decode_record(TransactionLogKey, data).transactional_id


def read_value(transactional_id: str, data: bytes) -> TransactionMetadata:
    value = decode_record(TransactionLogValue, data)
    try:
        state = TransactionState(value.transaction_status)
    except ValueError as reason:
        raise MalformedMessage(f"Unknown transaction state id {value.transaction_status}") from reason
    partitions: frozenset[TopicPartition] = frozenset()
    if state is not TransactionState.EMPTY:
        partitions = frozenset(
            (topic.topic, index)
            for topic in value.transaction_partitions or ()
            for index in topic.partition_ids
        )
    return TransactionMetadata(
        transactional_id=transactional_id,
        producer_id=value.producer_id,
        producer_epoch=value.producer_epoch,
        timeout_ms=value.transaction_timeout_ms,
        state=state,
        partitions=partitions,
        start_ms=value.transaction_start_timestamp_ms,
        last_update_ms=value.transaction_last_update_timestamp_ms,
    )
