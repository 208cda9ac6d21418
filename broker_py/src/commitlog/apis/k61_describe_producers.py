# SPDX-License-Identifier: Apache-2.0
"""DescribeProducers (61), version 0 (KIP-664): who writes to a partition, and whose transactions are open.

Behaviour (KafkaApis.handleDescribeProducersRequest, ReplicaManager.activeProducerState): a topic that is not
known is UNKNOWN_TOPIC_OR_PARTITION; any replica here answers, a follower too.
"""

from __future__ import annotations

from collections.abc import Sequence

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.controller.topic_names import validate_topic_name
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.storage.producer_state import ProducerEntry
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.describe_producers_request import DescribeProducersRequest
from commitlog.wire.messages.describe_producers_response import (
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)


def handle(
    services: Services, context: RequestContext, request: DescribeProducersRequest
) -> DescribeProducersResponse:
    return DescribeProducersResponse(
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=_topic(services, context, topic.name, topic.partition_indexes),
            )
            for topic in request.topics
        ]
    )


def _topic(
    services: Services, context: RequestContext, topic: str, indexes: Sequence[int]
) -> list[PartitionResponse]:
    try:
        validate_topic_name(topic)
        context.require(AclOperation.READ, ResourceType.TOPIC, topic)
    except KafkaError as reason:
        code, message = reason.code, reason.message or reason.code.message
        return [
            PartitionResponse(partition_index=index, error_code=code, error_message=message)
            for index in indexes
        ]
    return [_describe(services, topic, index) for index in indexes]


def _describe(services: Services, topic: str, index: int) -> PartitionResponse:
    if not services.metadata.contains_topic(topic):
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return PartitionResponse(partition_index=index, error_code=unknown, error_message=unknown.message)
    try:
        log = services.replicas.partition(topic, index).log
    except KafkaError as reason:
        return PartitionResponse(partition_index=index, error_code=reason.code)
    if log is None:
        return PartitionResponse(partition_index=index, error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER)
    return PartitionResponse(
        partition_index=index,
        active_producers=[_state(entry) for entry in log.producer_states.entries.values()],
    )


def _state(entry: ProducerEntry) -> ProducerState:
    return ProducerState(
        producer_id=entry.producer_id,
        producer_epoch=entry.producer_epoch,
        last_sequence=entry.batches[-1].last_sequence if entry.batches else -1,
        last_timestamp=entry.last_timestamp,
        coordinator_epoch=entry.coordinator_epoch,
        current_txn_start_offset=-1 if entry.txn_first_offset is None else entry.txn_first_offset,
    )


def error_response(
    request: DescribeProducersRequest, code: ErrorCode, message: str | None
) -> DescribeProducersResponse:
    return DescribeProducersResponse(
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=[
                    PartitionResponse(partition_index=index, error_code=code, error_message=message)
                    for index in topic.partition_indexes
                ],
            )
            for topic in request.topics
        ]
    )


API = Api(ApiKey.DESCRIBE_PRODUCERS, 0, 0, handle, error_response=error_response)
