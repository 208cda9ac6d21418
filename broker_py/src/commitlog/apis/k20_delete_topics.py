# SPDX-License-Identifier: Apache-2.0
"""DeleteTopics (20), versions 0-6.

Behaviour (KafkaApis.handleDeleteTopicsRequest): only the active controller does it. It marks the topics in
ZooKeeper and answers when they are gone from its cache, which is before the files are gone, or when the time
is over.

Versions: 1 throttle time; 3 TOPIC_DELETION_DISABLED instead of INVALID_REQUEST; 4 flexible; 5 error messages;
6 topics by name or by id (KIP-516).
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.throttling import MutationQuota
from commitlog.apis.topic_waits import wait_until_gone
from commitlog.coordination.client import CoordinationError
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.message import ZERO_UUID
from commitlog.wire.messages.delete_topics_request import DeleteTopicsRequest, DeleteTopicState
from commitlog.wire.messages.delete_topics_response import DeletableTopicResult, DeleteTopicsResponse


async def handle(
    services: Services, context: RequestContext, request: DeleteTopicsRequest
) -> DeleteTopicsResponse:
    if not services.controller.is_active:
        return error_response(request, ErrorCode.NOT_CONTROLLER, None)
    if not services.config.delete_topic_enable:
        old = context.api_version < 3
        code = ErrorCode.INVALID_REQUEST if old else ErrorCode.TOPIC_DELETION_DISABLED
        return error_response(request, code, None)
    quota = MutationQuota(services, context, strict_since=5)
    results = [_resolve(services, topic) for topic in _topics(request)]
    names = [result.name for result in results if result.name is not None]
    _refuse(context, request, results, names)
    marked: dict[str, DeletableTopicResult] = {}
    for result in results:
        if result.name is not None and result.error_code == ErrorCode.NONE:
            if not services.metadata.contains_topic(result.name):
                result.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
                marked.setdefault(result.name, result)  # of a name given twice the first
    for name, result in marked.items():
        await _delete(services, name, result, quota)
    deleted = [name for name, result in marked.items() if result.error_code == ErrorCode.NONE]
    for name in await wait_until_gone(services.metadata, deleted, request.timeout_ms):
        marked[name].error_code = ErrorCode.REQUEST_TIMED_OUT
    return DeleteTopicsResponse(responses=results)


def _topics(request: DeleteTopicsRequest) -> list[DeleteTopicState]:
    return [DeleteTopicState(name=name) for name in request.topic_names] + list(request.topics)


def _resolve(services: Services, topic: DeleteTopicState) -> DeletableTopicResult:
    result = DeletableTopicResult(name=topic.name, topic_id=topic.topic_id)
    if topic.name is not None:
        if topic.topic_id != ZERO_UUID:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "Topic name and topic ID can not both be specified.")
        result.topic_id = services.metadata.topic_id(topic.name)
        return result
    if topic.topic_id == ZERO_UUID:  # neither: nobody may delete that
        result.error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        return result
    result.name = services.metadata.topic_name(topic.topic_id)
    if result.name is None:
        result.error_code = ErrorCode.UNKNOWN_TOPIC_ID
    return result


def _refuse(
    context: RequestContext,
    request: DeleteTopicsRequest,
    results: list[DeletableTopicResult],
    names: list[str],
) -> None:
    """Mark what who asks may not delete. Whoever gave an id and may not describe the topic does not learn its
    name, and whoever gave a name does not learn the id."""
    described = context.authorized(AclOperation.DESCRIBE, ResourceType.TOPIC, names)
    deletable = context.authorized(AclOperation.DELETE, ResourceType.TOPIC, names)
    by_id = {topic.topic_id for topic in request.topics if topic.name is None}
    for result in results:
        if result.name is None:
            continue
        hidden = result.topic_id in by_id and result.name not in described
        if not hidden and result.name in deletable:
            continue
        result.error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        if hidden:
            result.name = None
        elif result.topic_id not in by_id:
            result.topic_id = ZERO_UUID


async def _delete(services: Services, name: str, result: DeletableTopicResult, quota: MutationQuota) -> None:
    try:
        quota.record(len(services.metadata.partitions(name)))
        await services.topic_admin.delete_topic(name)
    except KafkaError as error:
        result.error_code = error.code
        result.error_message = error.message
    except CoordinationError as error:
        result.error_code = ErrorCode.UNKNOWN_SERVER_ERROR
        result.error_message = str(error)


def error_response(
    request: DeleteTopicsRequest, code: ErrorCode, message: str | None
) -> DeleteTopicsResponse:
    return DeleteTopicsResponse(
        responses=[
            DeletableTopicResult(name=topic.name, topic_id=topic.topic_id, error_code=code)
            for topic in _topics(request)
        ]
    )


API = Api(ApiKey.DELETE_TOPICS, 0, 6, handle, error_response=error_response)
