# SPDX-License-Identifier: Apache-2.0
"""CreateTopics (19), versions 0-7.

Behaviour (KafkaApis.handleCreateTopicsRequest, ZkAdminManager.createTopics): only the active controller does
it, topic by topic, and answers when every partition has a leader in its cache or the time is over. A name
given twice is refused, whatever else is asked for it.

Versions: 1 validateOnly, error messages; 2 throttle time; 4 partitions and replication factor -1 mean the
broker's defaults (KIP-464); 5 flexible, answers with the topic's settings; 6 quotas; 7 topic ids in answers.
"""

from __future__ import annotations

from collections.abc import Container

from commitlog.apis.registry import Api
from commitlog.apis.services import EVERYTHING, RequestContext, Services
from commitlog.apis.throttling import MutationQuota
from commitlog.apis.topic_changes import change_topics
from commitlog.apis.topic_waits import wait_for_leaders
from commitlog.config.describe import describe_topic
from commitlog.controller.topic_admin import CreatedTopic, NewTopic
from commitlog.controller.topic_names import CLUSTER_METADATA_TOPIC
from commitlog.coordination.client import CoordinationError
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from commitlog.wire.messages.create_topics_response import (
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsResponse,
)


async def handle(
    services: Services, context: RequestContext, request: CreateTopicsRequest
) -> CreateTopicsResponse:
    if not services.controller.is_active:
        return error_response(request, ErrorCode.NOT_CONTROLLER, "")
    quota = MutationQuota(services, context, strict_since=6)
    names = {topic.name for topic in request.topics} - {CLUSTER_METADATA_TOPIC}
    creatable = EVERYTHING
    if not context.authorize_cluster(AclOperation.CREATE, log_if_denied=False):
        creatable = context.authorized(AclOperation.CREATE, ResourceType.TOPIC, names)
    results = await change_topics(
        request.topics,
        lambda topic: _create(services, topic, creatable, request.validate_only, quota),
        lambda name: _failed(name, ErrorCode.INVALID_REQUEST, "Found multiple entries for this topic."),
    )
    created = {
        name: result.num_partitions for name, result in results.items() if result.error_code == ErrorCode.NONE
    }
    if not request.validate_only and created:
        for name in await wait_for_leaders(services.metadata, created, request.timeout_ms):
            results[name] = _failed(name, ErrorCode.REQUEST_TIMED_OUT, None)
    described = context.authorized(
        AclOperation.DESCRIBE_CONFIGS, ResourceType.TOPIC, names, log_if_denied=False
    )
    for name in names:
        if name not in described:
            _hide_configs(results[name])
    return CreateTopicsResponse(topics=[results[topic.name] for topic in request.topics])


def _hide_configs(result: CreatableTopicResult) -> None:
    """What was made of a topic is told only to whoever may describe its settings."""
    result.topic_config_error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    result.num_partitions = result.replication_factor = -1
    result.configs = []


async def _create(
    services: Services,
    topic: CreatableTopic,
    creatable: Container[str],
    validate_only: bool,
    quota: MutationQuota,
) -> CreatableTopicResult:
    if topic.name == CLUSTER_METADATA_TOPIC:
        reason = f"Creation of internal topic {CLUSTER_METADATA_TOPIC} is prohibited."
        return _failed(topic.name, ErrorCode.INVALID_REQUEST, reason)
    if topic.name not in creatable:
        return _failed(topic.name, ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Authorization failed.")
    if services.metadata.contains_topic(topic.name):  # before anything else that may be wrong with it
        return _failed(topic.name, ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic.name}' already exists.")
    try:
        made = await services.topic_admin.create_topic(
            _new_topic(topic), validate_only=validate_only, permit=quota.record
        )
    except KafkaError as error:
        return _failed(topic.name, error.code, error.message)
    except CoordinationError as error:
        return _failed(topic.name, ErrorCode.UNKNOWN_SERVER_ERROR, str(error))
    return _succeeded(services, made)


def _new_topic(topic: CreatableTopic) -> NewTopic:
    return NewTopic(
        topic.name,
        topic.num_partitions,
        topic.replication_factor,
        {one.partition_index: list(one.broker_ids) for one in topic.assignments},
        {one.name: one.value for one in topic.configs},
    )


def _succeeded(services: Services, made: CreatedTopic) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=made.name,
        topic_id=made.topic_id,
        error_message=None,
        num_partitions=made.num_partitions,
        replication_factor=made.replication_factor,
        configs=[
            CreatableTopicConfigs(
                name=entry.name,
                value=entry.value,
                read_only=entry.read_only,
                config_source=entry.source,
                is_sensitive=entry.sensitive,
            )
            for entry in describe_topic(services.config, made.configs)
        ],
    )


def _failed(name: str, code: ErrorCode, message: str | None) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=code, error_message=message)


def error_response(
    request: CreateTopicsRequest, code: ErrorCode, message: str | None
) -> CreateTopicsResponse:
    return CreateTopicsResponse(topics=[_failed(topic.name, code, message) for topic in request.topics])


API = Api(ApiKey.CREATE_TOPICS, 0, 7, handle, error_response=error_response)
