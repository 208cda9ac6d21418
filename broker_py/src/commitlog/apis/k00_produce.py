# SPDX-License-Identifier: Apache-2.0
"""Produce (0), versions 0-11.

Behaviour (KafkaApis.handleProduceRequest, ProduceRequest.validateRecords): each partition is checked and
appended by itself. With acks=0 nothing is answered, and an error closes the connection, so that the producer
notices. With acks=-1 the answer waits until the high watermark has passed the records, or timeoutMs. Records
that open a transaction in a partition wait for the transaction's coordinator to confirm it (KIP-890).

Versions: 0-2 message sets v0 and v1; 1 throttle time; 2 append time; 3 one batch v2 a partition,
transactional id; 5 log start offset; 7 zstd; 8 record errors and error message; 9 flexible; 10 the current
leader in a NOT_LEADER_OR_FOLLOWER; 11 TRANSACTION_ABORTABLE may be answered (KIP-890).
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.verification import refusals, unverified
from commitlog.replication.produce import AppendResult, Entry
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.transactions.verification import Verification
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest
from commitlog.wire.messages.produce_response import (
    BatchIndexAndErrorMessage,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)

ADMIN_CLIENT_ID = "__admin_client"
"""The client id with which Kafka's own tools may write into internal topics (AdminUtils.ADMIN_CLIENT_ID)."""

ABORTABLE_VERSION = 11
"""From here on TRANSACTION_ABORTABLE may be answered."""

_HEAD = struct.Struct(">iibIh")  # from byte 8: length, leader epoch, magic, crc, attributes
_HEAD_END = 8 + _HEAD.size
_LOG_OVERHEAD = 12
_MAGIC_END = 17
_SMALLEST_LENGTH = 14  # a message v0 without key and value
_MAGIC_V2 = 2
_ZSTD = 4
_ONE_BATCH = 3
"""From here on there is one batch of format v2."""
_WITH_ZSTD = 7
_TRANSACTIONAL = 0x10
_NO_LEADER = LeaderIdAndEpoch()


def handle(
    services: Services, context: RequestContext, request: ProduceRequest
) -> ProduceResponse | Awaitable[ProduceResponse | None] | None:
    if not _may_write_transactions(context, request):
        failed = error_response(request, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, None)
        if failed is None:
            context.close()
        return failed
    refused: dict[tuple[str, int], AppendResult] = {}
    entries: list[Entry] = []
    metadata = services.metadata
    version = context.api_version
    writable = context.authorized(
        AclOperation.WRITE, ResourceType.TOPIC, (topic.name for topic in request.topic_data)
    )
    for topic in request.topic_data:
        name = topic.name
        if name not in writable:
            denied = AppendResult(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
            refused |= {(name, data.index): denied for data in topic.partition_data}
            continue
        known = metadata.partitions(name)
        for data in topic.partition_data:
            if data.index not in known:
                refused[name, data.index] = AppendResult(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                continue
            records = _records(data)
            error = _check(version, records)
            if error is not None:
                refused[name, data.index] = AppendResult(error)
            else:
                entries.append((name, data.index, records))
    if len(entries) > 1:
        # Of a partition that is named twice Kafka sees the last.
        entries = list({entry[:2]: entry for entry in entries}.values())
    if request.transactional_id is not None and (asked := unverified(services, entries)):
        return _verify_and_append(services, context, request, entries, refused, asked)
    return _append(services, context, request, entries, refused)


async def _verify_and_append(
    services: Services,
    context: RequestContext,
    request: ProduceRequest,
    entries: list[Entry],
    refused: dict[tuple[str, int], AppendResult],
    asked: list[Verification],
) -> ProduceResponse | None:
    # Waiting gives the connection's buffer away.
    kept = [(topic, index, bytearray(records)) for topic, index, records in entries]
    refused |= await refusals(
        services,
        request.transactional_id or "",
        asked,
        knows_abortable=context.api_version >= ABORTABLE_VERSION,
    )
    verified = [entry for entry in kept if entry[:2] not in refused]
    answer = _append(services, context, request, verified, refused)
    return await answer if isinstance(answer, Awaitable) else answer


def _append(
    services: Services,
    context: RequestContext,
    request: ProduceRequest,
    entries: Sequence[Entry],
    refused: dict[tuple[str, int], AppendResult],
) -> ProduceResponse | Awaitable[ProduceResponse] | None:
    outcome = services.replicas.append_records(
        acks=request.acks,
        timeout_ms=request.timeout_ms,
        entries=entries,
        allow_internal=context.client_id == ADMIN_CLIENT_ID,
    )
    if request.acks == 0:
        # Never parked: nobody waits for an answer.
        results = cast("list[AppendResult]", outcome)
        if any(result.error for result in (*refused.values(), *results)):
            context.close()
        return None
    respond = responder(services, context, [(topic, index) for topic, index, _ in entries], refused)
    return respond(outcome) if isinstance(outcome, list) else outcome.then(respond)


def _records(data: PartitionProduceData) -> bytearray | memoryview:
    """Decoded records are one view of the connection's own, writable buffer."""
    return cast("memoryview", data.records) if data.records is not None else bytearray()


def _may_write_transactions(context: RequestContext, request: ProduceRequest) -> bool:
    name = request.transactional_id
    if name is not None and context.authorizer is None:
        return True
    return not _has_transactional_records(request) or (
        name is not None and context.authorize(AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, name)
    )


def _has_transactional_records(request: ProduceRequest) -> bool:
    for topic in request.topic_data:
        for data in topic.partition_data:
            first = _first_batch(_records(data))
            if first is not None and first[1] >= _MAGIC_V2 and first[2] & _TRANSACTIONAL:
                return True
    return False


def _first_batch(records: bytearray | memoryview) -> tuple[int, int, int] | None:
    """Size, magic and attributes of the first whole batch; None when there is none, which is no error yet.
    Raises KafkaError where the bytes can be no batch (ByteBufferLogInputStream.nextBatchSize)."""
    left = len(records)
    if left < _LOG_OVERHEAD:
        return None
    length = int.from_bytes(records[8:12], "big", signed=True)
    if length < _SMALLEST_LENGTH:
        raise KafkaError(
            ErrorCode.CORRUPT_MESSAGE,
            f"Record size {length} is less than the minimum record overhead ({_SMALLEST_LENGTH})",
        )
    if left < _MAGIC_END:
        return None
    magic = int.from_bytes(records[16:17], "big", signed=True)
    if not 0 <= magic <= _MAGIC_V2:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"Invalid magic found in record: {magic}")
    size = _LOG_OVERHEAD + length
    if left < size:
        return None
    attributes = int.from_bytes(records[21:23], "big") if magic == _MAGIC_V2 else 0
    return size, magic, attributes


def _check(version: int, records: bytearray | memoryview) -> ErrorCode | None:
    """ProduceRequest.validateRecords: from version 3 on one batch of format v2, zstd only from 7 on; a part
    of a second one is ignored. NONE is the answer to old data without one whole message: there is nothing
    to do. Raises KafkaError for the whole request where the bytes can be no batch."""
    if len(records) >= _HEAD_END:
        length, _, magic, _, attributes = _HEAD.unpack_from(records, 8)
        if (
            version >= _ONE_BATCH
            and magic == _MAGIC_V2
            and _LOG_OVERHEAD + length == len(records)
            and (attributes & 7 != _ZSTD or version >= _WITH_ZSTD)
        ):
            return None
    first = _first_batch(records)
    if version < _ONE_BATCH:
        return ErrorCode.NONE if first is None else None
    if first is None:
        return ErrorCode.INVALID_RECORD
    size, magic, attributes = first
    if magic != _MAGIC_V2:
        return ErrorCode.INVALID_RECORD
    if attributes & 7 == _ZSTD and version < _WITH_ZSTD:
        return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    try:
        return None if _first_batch(records[size:]) is None else ErrorCode.INVALID_RECORD
    except KafkaError as error:
        return error.code


def responder(
    services: Services,
    context: RequestContext,
    appended: list[tuple[str, int]],
    refused: dict[tuple[str, int], AppendResult],
) -> Callable[[list[AppendResult]], ProduceResponse]:
    """What makes the response of the results, now or when the followers have the records."""

    def respond(results: list[AppendResult]) -> ProduceResponse:
        response = ProduceResponse()
        topic: TopicProduceResponse | None = None
        for (name, index), result in [*zip(appended, results, strict=True), *refused.items()]:
            if topic is None or topic.name != name:
                topic = TopicProduceResponse(name=name)
                response.responses.append(topic)
            topic.partition_responses.append(_partition(index, result))
            if result.error is ErrorCode.NOT_LEADER_OR_FOLLOWER and context.api_version >= 10:
                _point_to_leader(services, context, response, name, topic.partition_responses[-1])
        return response

    return respond


def _partition(index: int, result: AppendResult) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index,
        error_code=result.error,
        base_offset=result.base_offset,
        log_append_time_ms=result.log_append_time_ms,
        log_start_offset=result.log_start_offset,
        record_errors=[
            BatchIndexAndErrorMessage(batch_index=batch_index, batch_index_error_message=text)
            for batch_index, text in result.record_errors
        ],
        error_message=result.error_message,
        current_leader=_NO_LEADER,
    )


def _point_to_leader(
    services: Services,
    context: RequestContext,
    response: ProduceResponse,
    topic: str,
    partition: PartitionProduceResponse,
) -> None:
    """Where the leader is now (KIP-951), so that the producer need not ask for metadata first."""
    leader_id, leader_epoch = services.replicas.current_leader(topic, partition.index)
    partition.current_leader = LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=leader_epoch)
    endpoint = services.metadata.broker_endpoint(leader_id, context.listener_name)
    if endpoint is not None and all(node.node_id != leader_id for node in response.node_endpoints):
        broker = services.metadata.broker(leader_id)
        rack = None if broker is None else broker.rack
        response.node_endpoints.append(
            NodeEndpoint(node_id=leader_id, host=endpoint.host, port=endpoint.port, rack=rack)
        )


def error_response(request: ProduceRequest, code: ErrorCode, message: str | None) -> ProduceResponse | None:
    """One error for every partition; the response has no place for it above them. None with acks=0: a
    producer that waits for no answer would take it for that of a later request."""
    if request.acks == 0:
        return None
    return ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                partition_responses=[
                    PartitionProduceResponse(
                        index=data.index, error_code=code, base_offset=-1, error_message=message
                    )
                    for data in topic.partition_data
                ],
            )
            for topic in request.topic_data
        ]
    )


API = Api(ApiKey.PRODUCE, 0, 11, handle, error_response=error_response)
