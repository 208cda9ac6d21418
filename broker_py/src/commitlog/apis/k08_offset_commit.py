# SPDX-License-Identifier: Apache-2.0
"""OffsetCommit (8), versions 0-9.

Behaviour (KafkaApis.handleOffsetCommitRequest):
- partitions that the metadata cache does not know are answered with UNKNOWN_TOPIC_OR_PARTITION, the others
  are committed;
- version 0 writes to ZooKeeper, /consumers/<group>/offsets/<topic>/<partition>, where 0.8 consumers look; the
  group coordinator takes no part in it;
- from version 1 on the offsets go to the group coordinator and are answered when they are written.

Versions: 1 generation, member id and a commit timestamp (only in 1); 2 retention time (until 4); 3 throttle
time; 6 leader epoch (KIP-320); 7 group instance id (KIP-345); 8 flexible; 9 (KIP-848) as 8 for classic
groups.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from commitlog.apis.named_twice import named_once
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.coordination import paths
from commitlog.coordination.client import CoordinationError, NodeExists, NoNode, retry_until_connected
from commitlog.groups.commits import is_too_long
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.offset_commit_request import OffsetCommitRequest, OffsetCommitRequestTopic
from commitlog.wire.messages.offset_commit_response import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

logger = logging.getLogger("commitlog.apis.k08_offset_commit")


def handle(
    services: Services, context: RequestContext, request: OffsetCommitRequest
) -> OffsetCommitResponse | Awaitable[OffsetCommitResponse]:
    context.require(AclOperation.READ, ResourceType.GROUP, request.group_id)
    refused, known = _split(services, context, request)
    if not known:
        return OffsetCommitResponse(topics=refused)
    request.topics = known
    if context.api_version == 0:
        return _commit_to_zookeeper(services, request, refused)
    request.topics = named_once(known)
    answer = services.groups.commit_offsets(request)
    if isinstance(answer, OffsetCommitResponse):
        return _merge(refused, answer)
    if not refused:
        return answer
    return _merge_later(refused, answer)


def _split(
    services: Services, context: RequestContext, request: OffsetCommitRequest
) -> tuple[list[OffsetCommitResponseTopic], list[OffsetCommitRequestTopic]]:
    """Answers for partitions that may not be read or do not exist, and the topics with those that do."""
    refused: list[OffsetCommitResponseTopic] = []
    known: list[OffsetCommitRequestTopic] = []
    readable = context.authorized(
        AclOperation.READ, ResourceType.TOPIC, (topic.name for topic in request.topics)
    )
    for topic in request.topics:
        if topic.name not in readable:
            indexes = [one.partition_index for one in topic.partitions]
            refused.append(_answer(topic.name, indexes, ErrorCode.TOPIC_AUTHORIZATION_FAILED))
            continue
        exists = services.metadata.partitions(topic.name)
        missing = [one.partition_index for one in topic.partitions if one.partition_index not in exists]
        if missing:
            refused.append(_answer(topic.name, missing, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
            topic.partitions = [one for one in topic.partitions if one.partition_index in exists]
        if topic.partitions:
            known.append(topic)
    return refused, known


def _answer(topic: str, indexes: list[int], error: ErrorCode) -> OffsetCommitResponseTopic:
    return OffsetCommitResponseTopic(
        name=topic,
        partitions=[
            OffsetCommitResponsePartition(partition_index=index, error_code=error) for index in indexes
        ],
    )


def _merge(refused: list[OffsetCommitResponseTopic], answer: OffsetCommitResponse) -> OffsetCommitResponse:
    """One entry a topic, as OffsetCommitResponse.Builder.merge makes it."""
    topics = {topic.name: topic for topic in refused}
    for topic in answer.topics:
        if topic.name in topics:
            topics[topic.name].partitions.extend(topic.partitions)
        else:
            topics[topic.name] = topic
    answer.topics = list(topics.values())
    return answer


async def _merge_later(
    refused: list[OffsetCommitResponseTopic], answer: asyncio.Future[OffsetCommitResponse]
) -> OffsetCommitResponse:
    return _merge(refused, await answer)


async def _commit_to_zookeeper(
    services: Services, request: OffsetCommitRequest, refused: list[OffsetCommitResponseTopic]
) -> OffsetCommitResponse:
    limit = services.config.offset_metadata_max_bytes
    answer = OffsetCommitResponse()
    for topic in request.topics:
        answered = OffsetCommitResponseTopic(name=topic.name)
        for partition in topic.partitions:
            error = ErrorCode.OFFSET_METADATA_TOO_LARGE
            if not is_too_long(partition.committed_metadata, limit):
                path = paths.consumer_offset(request.group_id, topic.name, partition.partition_index)
                error = await _set_or_create(services, path, str(partition.committed_offset).encode())
            answered.partitions.append(
                OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=error)
            )
        answer.topics.append(answered)
    return _merge(refused, answer)


async def _set_or_create(services: Services, path: str, data: bytes) -> ErrorCode:
    """KafkaZkClient.setOrCreateConsumerOffset; somebody else creating it in between is no error."""
    zookeeper = services.coordination

    async def write() -> None:
        try:
            await zookeeper.set(path, data)
        except NoNode:
            try:
                await zookeeper.create(path, data, make_parents=True)
            except NodeExists:
                await zookeeper.set(path, data)

    try:
        await retry_until_connected(zookeeper, write)
    except CoordinationError as reason:
        logger.warning("Could not write offset %s to %s: %s", data.decode(), path, reason)
        return ErrorCode.UNKNOWN_SERVER_ERROR
    return ErrorCode.NONE


def error_response(
    request: OffsetCommitRequest, code: ErrorCode, message: str | None
) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            _answer(topic.name, [one.partition_index for one in topic.partitions], code)
            for topic in request.topics
        ]
    )


API = Api(ApiKey.OFFSET_COMMIT, 0, 9, handle, error_response=error_response)
