# SPDX-License-Identifier: Apache-2.0
"""kafka-dump-log.sh: keys and values as text, as numbers, or as the coordinators' records."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

from commitlog.cli.jopt import Parsed
from commitlog.cli.message_json import to_json
from commitlog.cli.topics_errors import ToolError
from commitlog.records.header import Record
from commitlog.wire.codec import MalformedMessage
from commitlog.wire.frames import decode_record, record_version
from commitlog.wire.message import RecordMessage
from commitlog.wire.messages.consumer_group_current_member_assignment_key import (
    ConsumerGroupCurrentMemberAssignmentKey,
)
from commitlog.wire.messages.consumer_group_current_member_assignment_value import (
    ConsumerGroupCurrentMemberAssignmentValue,
)
from commitlog.wire.messages.consumer_group_member_metadata_key import ConsumerGroupMemberMetadataKey
from commitlog.wire.messages.consumer_group_member_metadata_value import ConsumerGroupMemberMetadataValue
from commitlog.wire.messages.consumer_group_metadata_key import ConsumerGroupMetadataKey
from commitlog.wire.messages.consumer_group_metadata_value import ConsumerGroupMetadataValue
from commitlog.wire.messages.consumer_group_partition_metadata_key import ConsumerGroupPartitionMetadataKey
from commitlog.wire.messages.consumer_group_partition_metadata_value import (
    ConsumerGroupPartitionMetadataValue,
)
from commitlog.wire.messages.consumer_group_target_assignment_member_key import (
    ConsumerGroupTargetAssignmentMemberKey,
)
from commitlog.wire.messages.consumer_group_target_assignment_member_value import (
    ConsumerGroupTargetAssignmentMemberValue,
)
from commitlog.wire.messages.consumer_group_target_assignment_metadata_key import (
    ConsumerGroupTargetAssignmentMetadataKey,
)
from commitlog.wire.messages.consumer_group_target_assignment_metadata_value import (
    ConsumerGroupTargetAssignmentMetadataValue,
)
from commitlog.wire.messages.consumer_protocol_assignment import ConsumerProtocolAssignment
from commitlog.wire.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from commitlog.wire.messages.group_metadata_key import GroupMetadataKey
from commitlog.wire.messages.group_metadata_value import GroupMetadataValue
from commitlog.wire.messages.offset_commit_key import OffsetCommitKey
from commitlog.wire.messages.offset_commit_value import OffsetCommitValue
from commitlog.wire.messages.transaction_log_key import TransactionLogKey
from commitlog.wire.messages.transaction_log_value import TransactionLogValue

Decoder = Callable[[Record], tuple[str | None, str | None]]

_GROUP_RECORDS: dict[int, tuple[type[RecordMessage], type[RecordMessage]]] = {
    0: (OffsetCommitKey, OffsetCommitValue),
    1: (OffsetCommitKey, OffsetCommitValue),
    2: (GroupMetadataKey, GroupMetadataValue),
    3: (ConsumerGroupMetadataKey, ConsumerGroupMetadataValue),
    4: (ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue),
    5: (ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue),
    6: (ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue),
    7: (ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue),
    8: (ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue),
}
_TRANSACTION_STATES = (
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
)
_NUMBERS = {"IntegerDecoder": 4, "LongDecoder": 8}


def choose_decoder(parsed: Parsed) -> Decoder:
    """DumpLogSegmentsOptions.messageParser."""
    if parsed.has("offsets-decoder"):
        return decode_group_record
    if parsed.has("transaction-log-decoder"):
        return decode_transaction
    for name in ("cluster-metadata-decoder", "remote-log-metadata-decoder"):
        if parsed.has(name):
            raise ToolError(f"--{name}: a cluster with ZooKeeper and without tiered storage has no such log")
    key = _by_class(parsed.only("key-decoder-class") or "")
    value = _by_class(parsed.only("value-decoder-class") or "")

    def decode(record: Record) -> tuple[str | None, str | None]:
        return (
            None if record.key is None else key(record.key),
            None if record.value is None else value(record.value),
        )

    return decode


def _by_class(name: str) -> Callable[[bytes], str]:
    package, _, simple = name.rpartition(".")
    if package in ("", "org.apache.kafka.tools.api", "kafka.serializer"):
        if simple in ("", "StringDecoder"):
            return lambda data: bytes(data).decode("utf-8", "replace")
        if simple in _NUMBERS:
            return lambda data: str(int.from_bytes(data[: _NUMBERS[simple]], "big", signed=True))
    raise ToolError(
        f"{name}: only org.apache.kafka.tools.api.{{String,Integer,Long}}Decoder can be used here"
    )


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def decode_group_record(record: Record) -> tuple[str | None, str | None]:
    """A record of __consumer_offsets (OffsetsMessageParser)."""
    if record.key is None:
        raise ToolError(
            f"Failed to decode message at offset {record.offset} using offset topic decoder (message had a "
            "missing "
            "key)"
        )
    try:
        kind = record_version(record.key)
        if kind not in _GROUP_RECORDS:
            return f"Unknown record type {kind} at offset {record.offset}, skipping.", None
        key_class, value_class = _GROUP_RECORDS[kind]
        key = to_json(decode_record(key_class, record.key), kind)
        shown = _compact({"type": str(kind), "data": key})
        if record.value is None:
            return shown, "<DELETE>"
        version = record_version(record.value)
        value = to_json(decode_record(value_class, record.value), version)
    except MalformedMessage as error:
        return f"Error at offset {record.offset}, skipping. {error}", None
    if value_class is GroupMetadataValue and value.get("protocolType") == "consumer":
        _open_members(record, value)
    return shown, _compact({"version": str(version), "data": value})


def _open_members(record: Record, value: dict[str, Any]) -> None:
    """Subscription and assignment of consumers are messages of their own; what cannot be read stays bytes."""
    group = decode_record(GroupMetadataValue, record.value or b"")
    for member, shown in zip(group.members, value["members"], strict=True):
        for name, data, message_class in (
            ("subscription", member.subscription, ConsumerProtocolSubscription),
            ("assignment", member.assignment, ConsumerProtocolAssignment),
        ):
            with contextlib.suppress(MalformedMessage):
                message: RecordMessage = decode_record(message_class, bytes(data))
                shown[name] = to_json(message, record_version(bytes(data)))


def decode_transaction(record: Record) -> tuple[str | None, str | None]:
    """A record of __transaction_state (TransactionLog.formatRecordKeyAndValue)."""
    version = record_version(record.key or b"")
    if version > TransactionLogKey.MAX_VERSION:
        return f"unknown::version={version}", None
    key = decode_record(TransactionLogKey, record.key or b"")
    shown = f"transaction_metadata::transactionalId={key.transactional_id}"
    if record.value is None:
        return shown, "<DELETE>"
    value = decode_record(TransactionLogValue, record.value)
    partitions = ",".join(
        f"{topic.topic}-{number}"
        for topic in value.transaction_partitions or ()
        for number in topic.partition_ids
    )
    return shown, (
        f"producerId:{value.producer_id},producerEpoch:{value.producer_epoch},state="
        f"{_TRANSACTION_STATES[value.transaction_status]},partitions=[{partitions}],txnLastUpdateTimestamp="
        f"{value.transaction_last_update_timestamp_ms},txnTimeoutMs={value.transaction_timeout_ms}"
    )
