# SPDX-License-Identifier: Apache-2.0
"""DeleteRecords (21), versions 0-2.

Behaviour (KafkaApis.handleDeleteRecordsRequest): the leader raises its log start offset; the answer waits
until every live replica has done so too, or timeoutMs. Offset -1 means the high watermark.

Versions: 1 no change on the wire (throttling after the answer); 2 flexible.
"""

from __future__ import annotations

from collections.abc import Awaitable

from commitlog.apis.named_twice import named_once
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.replication.delete_records import DeleteRecordsResult
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.delete_records_request import DeleteRecordsRequest
from commitlog.wire.messages.delete_records_response import (
    DeleteRecordsPartitionResult,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)


def handle(
    services: Services, context: RequestContext, request: DeleteRecordsRequest
) -> DeleteRecordsResponse | Awaitable[DeleteRecordsResponse]:
    known: list[tuple[str, int, int]] = []
    refused: list[tuple[str, int, int]] = []
    deletable = context.authorized(
        AclOperation.DELETE, ResourceType.TOPIC, (topic.name for topic in request.topics)
    )
    for topic in named_once(request.topics):
        for partition in topic.partitions:
            entry = topic.name, partition.partition_index, partition.offset
            if topic.name not in deletable or (
                services.metadata.partition_state(topic.name, partition.partition_index) is None
            ):
                refused.append(entry)
            else:
                known.append(entry)

    def respond(results: list[DeleteRecordsResult]) -> DeleteRecordsResponse:
        topics: dict[str, DeleteRecordsTopicResult] = {}
        refusals = [
            DeleteRecordsResult(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                if name in deletable
                else ErrorCode.TOPIC_AUTHORIZATION_FAILED
            )
            for name, _, _ in refused
        ]
        for (name, index, _), result in zip([*known, *refused], [*results, *refusals], strict=True):
            topics.setdefault(name, DeleteRecordsTopicResult(name=name)).partitions.append(
                DeleteRecordsPartitionResult(
                    partition_index=index, low_watermark=result.low_watermark, error_code=result.error
                )
            )
        return DeleteRecordsResponse(topics=list(topics.values()))

    outcome = services.replicas.delete_records(request.timeout_ms, known)
    return respond(outcome) if isinstance(outcome, list) else outcome.then(respond)


def error_response(
    request: DeleteRecordsRequest, code: ErrorCode, message: str | None
) -> DeleteRecordsResponse:
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name,
                partitions=[
                    DeleteRecordsPartitionResult(
                        partition_index=partition.partition_index, low_watermark=-1, error_code=code
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


API = Api(ApiKey.DELETE_RECORDS, 0, 2, handle, error_response=error_response)
