# SPDX-License-Identifier: Apache-2.0
"""ListPartitionReassignments (46), version 0 (KIP-455): the moves under way, all of them or of some
partitions.

Behaviour (KafkaApis.handleListPartitionReassignmentsRequest): answered by the active controller.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.controller.context import TopicPartition
from commitlog.security.acl import AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import KafkaError
from commitlog.wire.messages.list_partition_reassignments_request import ListPartitionReassignmentsRequest
from commitlog.wire.messages.list_partition_reassignments_response import (
    ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)


async def handle(
    services: Services, context: RequestContext, request: ListPartitionReassignmentsRequest
) -> ListPartitionReassignmentsResponse:
    context.require_cluster(AclOperation.DESCRIBE)
    wanted = None
    if request.topics is not None:
        wanted = [
            TopicPartition(topic.name, one) for topic in request.topics for one in topic.partition_indexes
        ]
    try:
        found = await services.controller.list_partition_reassignments(wanted)
    except KafkaError as error:
        text = error.message or error.code.message
        return ListPartitionReassignmentsResponse(error_code=error.code, error_message=text)
    topics: dict[str, list[OngoingPartitionReassignment]] = {}
    for (name, partition), assignment in sorted(found.items()):
        topics.setdefault(name, []).append(
            OngoingPartitionReassignment(
                partition_index=partition,
                replicas=list(assignment.replicas),
                adding_replicas=list(assignment.adding),
                removing_replicas=list(assignment.removing),
            )
        )
    return ListPartitionReassignmentsResponse(
        topics=[OngoingTopicReassignment(name=name, partitions=ones) for name, ones in topics.items()]
    )


API = Api(ApiKey.LIST_PARTITION_REASSIGNMENTS, 0, 0, handle)
