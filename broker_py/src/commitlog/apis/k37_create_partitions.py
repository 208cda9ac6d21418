# SPDX-License-Identifier: Apache-2.0
"""CreatePartitions (37), versions 0-3.

Behaviour (KafkaApis.handleCreatePartitionsRequest, ZkAdminManager.createPartitions): only the active
controller does it. The count is the new total; it can only grow. The answer comes when every partition has a
leader in its cache or the time is over.

Versions: 2 flexible; 3 quotas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.throttling import MutationQuota
from commitlog.apis.topic_changes import change_topics
from commitlog.apis.topic_waits import wait_for_leaders
from commitlog.coordination.client import CoordinationError
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.create_partitions_request import CreatePartitionsRequest, CreatePartitionsTopic
from commitlog.wire.messages.create_partitions_response import (
    CreatePartitionsResponse,
    CreatePartitionsTopicResult,
)


async def handle(
    services: Services, context: RequestContext, request: CreatePartitionsRequest
) -> CreatePartitionsResponse:
    if not services.controller.is_active:
        return error_response(request, ErrorCode.NOT_CONTROLLER, None)
    quota = MutationQuota(services, context, strict_since=3)
    times_named = Counter(topic.name for topic in request.topics)
    once = [name for name, times in times_named.items() if times == 1]
    alterable = context.authorized(AclOperation.ALTER, ResourceType.TOPIC, once)
    results = await change_topics(
        request.topics,
        lambda topic: _grow(services, topic, alterable, request.validate_only, quota),
        lambda name: _failed(name, ErrorCode.INVALID_REQUEST, "Duplicate topic in request."),
    )
    grown = {
        topic.name: topic.count
        for topic in request.topics
        if results[topic.name].error_code == ErrorCode.NONE
    }
    if not request.validate_only and grown:
        for name in await wait_for_leaders(services.metadata, grown, request.timeout_ms):
            results[name] = _failed(name, ErrorCode.REQUEST_TIMED_OUT, None)
    return CreatePartitionsResponse(results=list(results.values()))


async def _grow(
    services: Services,
    topic: CreatePartitionsTopic,
    alterable: Container[str],
    validate_only: bool,
    quota: MutationQuota,
) -> CreatePartitionsTopicResult:
    if topic.name not in alterable:
        denied = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        return _failed(topic.name, denied, "The topic authorization is failed.")
    assignments = None
    if topic.assignments is not None:
        assignments = [list(one.broker_ids) for one in topic.assignments]
    try:
        if await services.topic_admin.is_marked_for_deletion(topic.name):
            return _failed(topic.name, ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic is queued for deletion.")
        await services.topic_admin.create_partitions(
            topic.name, topic.count, assignments, validate_only=validate_only, permit=quota.record
        )
    except KafkaError as error:
        return _failed(topic.name, error.code, error.message)
    except CoordinationError as error:
        return _failed(topic.name, ErrorCode.UNKNOWN_SERVER_ERROR, str(error))
    return CreatePartitionsTopicResult(name=topic.name)


def _failed(name: str, code: ErrorCode, message: str | None) -> CreatePartitionsTopicResult:
    return CreatePartitionsTopicResult(name=name, error_code=code, error_message=message)


def error_response(
    request: CreatePartitionsRequest, code: ErrorCode, message: str | None
) -> CreatePartitionsResponse:
    return CreatePartitionsResponse(results=[_failed(topic.name, code, message) for topic in request.topics])


API = Api(ApiKey.CREATE_PARTITIONS, 0, 3, handle, error_response=error_response)
