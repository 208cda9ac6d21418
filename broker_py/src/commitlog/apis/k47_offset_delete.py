# SPDX-License-Identifier: Apache-2.0
"""OffsetDelete (47), version 0 (KIP-496).

Behaviour (KafkaApis.handleOffsetDeleteRequest): partitions that do not exist are
UNKNOWN_TOPIC_OR_PARTITION, those of topics that an active member subscribes to GROUP_SUBSCRIBED_TO_TOPIC;
an error of the group stands alone, without topics.
"""

from __future__ import annotations

from commitlog.apis.named_twice import named_once
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.offset_delete_request import OffsetDeleteRequest
from commitlog.wire.messages.offset_delete_response import (
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


def handle(services: Services, context: RequestContext, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
    context.require(AclOperation.DELETE, ResourceType.GROUP, request.group_id)
    readable = context.authorized(
        AclOperation.READ, ResourceType.TOPIC, (topic.name for topic in request.topics)
    )
    refused: list[tuple[str, list[int], ErrorCode]] = []
    for topic in request.topics:
        if topic.name not in readable:
            indexes = [one.partition_index for one in topic.partitions]
            refused.append((topic.name, indexes, ErrorCode.TOPIC_AUTHORIZATION_FAILED))
            topic.partitions = []
            continue
        exists = services.metadata.partitions(topic.name)
        unknown = [one.partition_index for one in topic.partitions if one.partition_index not in exists]
        if unknown:
            refused.append((topic.name, unknown, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
        topic.partitions = [one for one in topic.partitions if one.partition_index in exists]
    request.topics = named_once([topic for topic in request.topics if topic.partitions])
    answer = services.groups.delete_offsets(request)
    if answer.error_code == ErrorCode.NONE:
        for name, indexes, error in refused:
            _add(answer, name, indexes, error)
    return answer


def _add(answer: OffsetDeleteResponse, name: str, indexes: list[int], error: ErrorCode) -> None:
    topic = next((topic for topic in answer.topics if topic.name == name), None)
    if topic is None:
        topic = OffsetDeleteResponseTopic(name=name)
        answer.topics.append(topic)
    topic.partitions += [
        OffsetDeleteResponsePartition(partition_index=index, error_code=error) for index in indexes
    ]


API = Api(ApiKey.OFFSET_DELETE, 0, 0, handle)
