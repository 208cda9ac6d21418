# SPDX-License-Identifier: Apache-2.0
"""OffsetForLeaderEpoch (23), versions 0-4.

Behaviour (KafkaApis.handleOffsetForLeaderEpochRequest, LeaderEpochFileCache.endOffsetFor): where a leader
epoch ends in this leader's log. Followers truncate by it (KIP-101), consumers detect truncation by it
(KIP-320).

Versions: 1 the epoch that the end offset belongs to (KIP-279); 2 current leader epoch, throttle time; 3
replica id; 4 flexible.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import EVERYTHING, RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.offset_for_leader_epoch_request import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
)
from commitlog.wire.messages.offset_for_leader_epoch_response import (
    EpochEndOffset,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderTopicResult,
)


def handle(
    services: Services, context: RequestContext, request: OffsetForLeaderEpochRequest
) -> OffsetForLeaderEpochResponse:
    described = EVERYTHING
    if not context.authorize_cluster(AclOperation.CLUSTER_ACTION, log_if_denied=False):
        described = context.authorized(
            AclOperation.DESCRIBE, ResourceType.TOPIC, (topic.topic for topic in request.topics)
        )
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[
                    _answer(services, topic.topic, partition)
                    if topic.topic in described
                    else EpochEndOffset(
                        error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED, partition=partition.partition
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _answer(services: Services, topic: str, partition: OffsetForLeaderPartition) -> EpochEndOffset:
    try:
        epoch, end_offset = services.replicas.offset_for_leader_epoch(
            topic,
            partition.partition,
            partition.leader_epoch,
            current_leader_epoch=partition.current_leader_epoch,
        )
    except KafkaError as error:
        return EpochEndOffset(error_code=error.code, partition=partition.partition)
    return EpochEndOffset(partition=partition.partition, leader_epoch=epoch, end_offset=end_offset)


def error_response(
    request: OffsetForLeaderEpochRequest, code: ErrorCode, message: str | None
) -> OffsetForLeaderEpochResponse:
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[
                    EpochEndOffset(error_code=code, partition=partition.partition)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


API = Api(ApiKey.OFFSET_FOR_LEADER_EPOCH, 0, 4, handle, error_response=error_response)
