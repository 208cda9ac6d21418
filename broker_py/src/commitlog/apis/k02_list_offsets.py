# SPDX-License-Identifier: Apache-2.0
"""ListOffsets (2), versions 0-9.

Behaviour (KafkaApis.handleListOffsetRequest, ReplicaManager.fetchOffset): the offset of the first record that
is not older than a time, or one of the special timestamps. Consumers see up to the high watermark, with
read_committed up to the last stable offset; brokers up to the log's end; replica id -2 (debugging) may ask a
follower.

Versions: 0 answers up to maxNumOffsets segment starts; 1 one offset with its timestamp; 2 isolation level,
throttle time; 4 leader epochs; 5 OFFSET_NOT_AVAILABLE (LEADER_NOT_AVAILABLE before); 6 flexible; 7 -3 max
timestamp (KIP-734); 8 -4 earliest local; 9 -5 latest tiered (KIP-405, KIP-1005).
"""

from __future__ import annotations

import logging

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.replication.fetch import CONSUMER_REPLICA_ID, DEBUGGING_REPLICA_ID
from commitlog.replication.list_offsets import (
    EARLIEST_LOCAL_TIMESTAMP,
    EARLIEST_TIMESTAMP,
    LATEST_TIERED_TIMESTAMP,
    LATEST_TIMESTAMP,
    MAX_TIMESTAMP,
    legacy_offsets_before,
)
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.list_offsets_request import ListOffsetsPartition, ListOffsetsRequest
from commitlog.wire.messages.list_offsets_response import (
    ListOffsetsPartitionResponse,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

logger = logging.getLogger("commitlog.apis.list_offsets")

_FIRST_VERSION_OF_TIMESTAMP = {
    LATEST_TIMESTAMP: 0,
    EARLIEST_TIMESTAMP: 0,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL_TIMESTAMP: 8,
    LATEST_TIERED_TIMESTAMP: 9,
}


def handle(services: Services, context: RequestContext, request: ListOffsetsRequest) -> ListOffsetsResponse:
    duplicates = _duplicates(request)
    response = ListOffsetsResponse()
    described = context.authorized(
        AclOperation.DESCRIBE, ResourceType.TOPIC, (topic.name for topic in request.topics)
    )
    for topic in request.topics:
        answer = ListOffsetsTopicResponse(name=topic.name)
        response.topics.append(answer)
        if topic.name not in described:
            denied = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            answer.partitions = [_error(partition, denied) for partition in topic.partitions]
            continue
        for partition in topic.partitions:
            key = topic.name, partition.partition_index
            if context.api_version > 0 and key in duplicates:
                answer.partitions.append(_error(partition, ErrorCode.INVALID_REQUEST))
            else:
                answer.partitions.append(_answer(services, context, request, topic.name, partition))
    return response


def _duplicates(request: ListOffsetsRequest) -> set[tuple[str, int]]:
    seen: set[tuple[str, int]] = set()
    duplicates = set()
    for topic in request.topics:
        for partition in topic.partitions:
            key = topic.name, partition.partition_index
            if key in seen:
                duplicates.add(key)
            seen.add(key)
    return duplicates


def _answer(
    services: Services,
    context: RequestContext,
    request: ListOffsetsRequest,
    topic: str,
    partition: ListOffsetsPartition,
) -> ListOffsetsPartitionResponse:
    version = context.api_version
    timestamp = partition.timestamp
    if timestamp < 0 and version < _FIRST_VERSION_OF_TIMESTAMP.get(timestamp, version + 1):
        return _error(partition, ErrorCode.UNSUPPORTED_VERSION)
    try:
        if version == 0:
            return _legacy(services, request, topic, partition)
        return _found(services, request, version, topic, partition)
    except KafkaError as error:
        code = error.code
        if code is ErrorCode.OFFSET_NOT_AVAILABLE and version < 5:
            code = ErrorCode.LEADER_NOT_AVAILABLE
        logger.debug(
            "Offset request from client %s on partition %s-%d failed due to %s",
            context.client_id,
            topic,
            partition.partition_index,
            error,
        )
        return _error(partition, code)


def _found(
    services: Services, request: ListOffsetsRequest, version: int, topic: str, partition: ListOffsetsPartition
) -> ListOffsetsPartitionResponse:
    is_client = request.replica_id == CONSUMER_REPLICA_ID
    found = services.replicas.list_offset(
        topic,
        partition.partition_index,
        partition.timestamp,
        isolation_level=request.isolation_level if is_client else None,
        current_leader_epoch=partition.current_leader_epoch,
        require_leader=request.replica_id != DEBUGGING_REPLICA_ID,
    )
    return ListOffsetsPartitionResponse(
        partition_index=partition.partition_index,
        timestamp=found.timestamp,
        offset=found.offset,
        leader_epoch=found.leader_epoch if version >= 4 else -1,
    )


def _legacy(
    services: Services, request: ListOffsetsRequest, topic: str, partition: ListOffsetsPartition
) -> ListOffsetsPartitionResponse:
    offsets = legacy_offsets_before(
        services.replicas.partition(topic, partition.partition_index),
        partition.timestamp,
        partition.max_num_offsets,
        from_consumer=request.replica_id == CONSUMER_REPLICA_ID,
        require_leader=request.replica_id != DEBUGGING_REPLICA_ID,
    )
    return ListOffsetsPartitionResponse(partition_index=partition.partition_index, old_style_offsets=offsets)


def _error(partition: ListOffsetsPartition, code: ErrorCode) -> ListOffsetsPartitionResponse:
    return ListOffsetsPartitionResponse(partition_index=partition.partition_index, error_code=code)


def error_response(request: ListOffsetsRequest, code: ErrorCode, message: str | None) -> ListOffsetsResponse:
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name, partitions=[_error(partition, code) for partition in topic.partitions]
            )
            for topic in request.topics
        ]
    )


API = Api(ApiKey.LIST_OFFSETS, 0, 9, handle, error_response=error_response)
