# SPDX-License-Identifier: Apache-2.0
"""AlterPartitionReassignments (45), version 0 (KIP-455): move replicas, or call a move off (replicas null).

Behaviour (KafkaApis.handleAlterPartitionReassignmentsRequest): the active controller only starts the move and
answers at once; ListPartitionReassignments tells how it goes.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.controller.context import TopicPartition
from commitlog.security.acl import AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.alter_partition_reassignments_request import AlterPartitionReassignmentsRequest
from commitlog.wire.messages.alter_partition_reassignments_response import (
    AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)


async def handle(
    services: Services, context: RequestContext, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    context.require_cluster(AclOperation.ALTER)
    wanted = {
        TopicPartition(topic.name, one.partition_index): one.replicas
        for topic in request.topics
        for one in topic.partitions
    }
    try:
        results = await services.controller.alter_partition_reassignments(wanted)
    except KafkaError as error:
        text = error.message or error.code.message
        return AlterPartitionReassignmentsResponse(error_code=error.code, error_message=text)
    topics: dict[str, list[ReassignablePartitionResponse]] = {}
    for (name, partition), (code, message) in results.items():
        topics.setdefault(name, []).append(
            ReassignablePartitionResponse(partition_index=partition, error_code=code, error_message=message)
        )
    return AlterPartitionReassignmentsResponse(
        responses=[ReassignableTopicResponse(name=name, partitions=ones) for name, ones in topics.items()]
    )


def error_response(
    request: AlterPartitionReassignmentsRequest, code: ErrorCode, message: str | None
) -> AlterPartitionReassignmentsResponse:
    return AlterPartitionReassignmentsResponse(
        error_code=code,
        error_message=message,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[
                    ReassignablePartitionResponse(
                        partition_index=one.partition_index, error_code=code, error_message=message
                    )
                    for one in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


API = Api(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, 0, handle, error_response=error_response)
