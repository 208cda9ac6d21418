# SPDX-License-Identifier: Apache-2.0
"""OffsetFetch (9), versions 0-9.

Behaviour (KafkaApis.handleOffsetFetchRequest):
- version 0 reads from ZooKeeper, where 0.8 consumers and OffsetCommit version 0 write;
- from version 1 on the group coordinator answers; a partition without an offset has offset -1 and no error;
- no topics (null) asks for all offsets of the group, which is possible from version 2 on;
- require_stable (7) answers UNSTABLE_OFFSET_COMMIT while a commit of the partition is under way (KIP-447).

Versions: 2 top-level error (before, the group's error is repeated in every partition); 3 throttle time; 5
leader epoch; 6 flexible; 7 require_stable; 8 several groups (KIP-709); 9 (KIP-848) member id and epoch, which
classic groups do not look at.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.coordination import paths
from commitlog.coordination.client import CoordinationError, NoNode, retry_until_connected
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from commitlog.wire.messages.offset_fetch_response import (
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

logger = logging.getLogger("commitlog.apis.k09_offset_fetch")

NO_OFFSET = -1
TOP_LEVEL_ERROR_VERSION = 2
BATCHED_VERSION = 8

Topics = Sequence[OffsetFetchRequestTopic | OffsetFetchRequestTopics]


def handle(
    services: Services, context: RequestContext, request: OffsetFetchRequest
) -> OffsetFetchResponse | Awaitable[OffsetFetchResponse]:
    version = context.api_version
    if version == 0:
        context.require(AclOperation.DESCRIBE, ResourceType.GROUP, request.group_id)
        return _fetch_from_zookeeper(services, context, request)
    stable = request.require_stable
    if version >= BATCHED_VERSION:
        groups = [
            _fetch(services, context, group.group_id, group.topics, stable=stable) for group in request.groups
        ]
        return OffsetFetchResponse(groups=groups)
    answer = _fetch(services, context, request.group_id, request.topics, stable=stable)
    if version < TOP_LEVEL_ERROR_VERSION and answer.error_code != ErrorCode.NONE:
        return _all_failed(request, ErrorCode.of(answer.error_code))
    return _flatten(answer)


def _partitions(topics: Topics) -> list[tuple[str, int]]:
    return list(dict.fromkeys((topic.name, index) for topic in topics for index in topic.partition_indexes))


def _fetch(
    services: Services, context: RequestContext, group_id: str, topics: Topics | None, *, stable: bool
) -> OffsetFetchResponseGroup:
    """The offsets of one group; topics that may not be described are named only if the request named them."""
    if not context.authorize(AclOperation.DESCRIBE, ResourceType.GROUP, group_id):
        return OffsetFetchResponseGroup(group_id=group_id, error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    if topics is None:
        answer = services.groups.fetch_offsets(group_id, None, require_stable=stable)
        described = context.authorized(
            AclOperation.DESCRIBE, ResourceType.TOPIC, (topic.name for topic in answer.topics)
        )
        answer.topics = [topic for topic in answer.topics if topic.name in described]
        return answer
    described = context.authorized(
        AclOperation.DESCRIBE, ResourceType.TOPIC, (topic.name for topic in topics)
    )
    shown = [topic for topic in topics if topic.name in described]
    answer = services.groups.fetch_offsets(group_id, _partitions(shown), require_stable=stable)
    if answer.error_code == ErrorCode.NONE:
        answer.topics += [_denied(topic) for topic in topics if topic.name not in described]
    return answer


def _denied(topic: OffsetFetchRequestTopic | OffsetFetchRequestTopics) -> OffsetFetchResponseTopics:
    return OffsetFetchResponseTopics(
        name=topic.name,
        partitions=[
            OffsetFetchResponsePartitions(
                partition_index=index,
                committed_offset=NO_OFFSET,
                metadata="",
                error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED,
            )
            for index in topic.partition_indexes
        ],
    )


def _flatten(group: OffsetFetchResponseGroup) -> OffsetFetchResponse:
    """The one group of the versions before 8."""
    return OffsetFetchResponse(
        error_code=group.error_code,
        topics=[
            OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=partition.partition_index,
                        committed_offset=partition.committed_offset,
                        committed_leader_epoch=partition.committed_leader_epoch,
                        metadata=partition.metadata,
                        error_code=partition.error_code,
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in group.topics
        ],
    )


def _failed(index: int, error: ErrorCode) -> OffsetFetchResponsePartition:
    return OffsetFetchResponsePartition(
        partition_index=index, committed_offset=NO_OFFSET, metadata="", error_code=error
    )


def _all_failed(request: OffsetFetchRequest, error: ErrorCode) -> OffsetFetchResponse:
    """Versions 0 and 1 have no room for an error but in the partitions."""
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name=topic.name, partitions=[_failed(index, error) for index in topic.partition_indexes]
            )
            for topic in request.topics or []
        ]
    )


async def _fetch_from_zookeeper(
    services: Services, context: RequestContext, request: OffsetFetchRequest
) -> OffsetFetchResponse:
    asked = request.topics or []
    described = context.authorized(AclOperation.DESCRIBE, ResourceType.TOPIC, (topic.name for topic in asked))
    topics: dict[str, OffsetFetchResponseTopic] = {}
    for name, index in _partitions(asked):
        if name not in described:
            found = _failed(index, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
        elif index not in services.metadata.partitions(name):
            found = _failed(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        else:
            found = await _read(services, paths.consumer_offset(request.group_id, name, index), index)
        topics.setdefault(name, OffsetFetchResponseTopic(name=name)).partitions.append(found)
    return OffsetFetchResponse(topics=list(topics.values()))


async def _read(services: Services, path: str, index: int) -> OffsetFetchResponsePartition:
    """KafkaZkClient.getConsumerOffset; no offset is what an unknown partition has, too."""
    zookeeper = services.coordination
    try:
        data, _ = await retry_until_connected(zookeeper, lambda: zookeeper.get(path))
        offset = int(data)
    except NoNode:
        return _failed(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    except (CoordinationError, ValueError) as reason:
        logger.warning("Could not read an offset from %s: %s", path, reason)
        return _failed(index, ErrorCode.UNKNOWN_SERVER_ERROR)
    return OffsetFetchResponsePartition(partition_index=index, committed_offset=offset, metadata="")


def error_response(request: OffsetFetchRequest, code: ErrorCode, message: str | None) -> OffsetFetchResponse:
    """The error where each version looks for it: all three are set, and the version takes what it knows."""
    if request.groups:
        groups = [
            OffsetFetchResponseGroup(group_id=group.group_id, error_code=code) for group in request.groups
        ]
        return OffsetFetchResponse(groups=groups)
    answer = _all_failed(request, code)
    answer.error_code = code
    return answer


API = Api(ApiKey.OFFSET_FETCH, 0, 9, handle, error_response=error_response)
