# SPDX-License-Identifier: Apache-2.0
"""DescribeConfigs (32), versions 0-4.

Behaviour (ConfigHelper.describeConfigs): every setting of a topic, of this broker, or (a broker
resource with an empty name) the cluster-wide dynamic ones, with the place that each value comes from.
Sensitive values are not told.

Versions: 0 names and values; 1 source and synonyms (KIP-226); 2 throttled
clients wait themselves; 3 type and documentation (KIP-569); 4 flexible.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from commitlog.apis.broker_loggers import describe_loggers
from commitlog.apis.config_changes import CLIENT_METRICS, ResourceType, authorization_error, resource_name
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.config.describe import (
    ConfigEntry,
    describe_broker,
    describe_cluster_default,
    describe_topic,
)
from commitlog.controller.topic_names import validate_topic_name
from commitlog.security.acl import AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.describe_configs_request import DescribeConfigsRequest, DescribeConfigsResource
from commitlog.wire.messages.describe_configs_response import (
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

log = logging.getLogger("commitlog.apis.describe_configs")

VERSION_WITH_SOURCES = 1


async def handle(
    services: Services, context: RequestContext, request: DescribeConfigsRequest
) -> DescribeConfigsResponse:
    if any(resource.resource_type not in (*ResourceType, CLIENT_METRICS) for resource in request.resources):
        raise KafkaError(ErrorCode.INVALID_REQUEST)
    return DescribeConfigsResponse(
        results=[await _describe(services, context, resource, request) for resource in request.resources]
    )


async def _describe(
    services: Services,
    context: RequestContext,
    resource: DescribeConfigsResource,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResult:
    result = DescribeConfigsResult(resource_type=resource.resource_type, resource_name=resource.resource_name)
    denied = authorization_error(context, AclOperation.DESCRIBE_CONFIGS, resource)
    if denied is not None:
        result.error_code = denied
        result.error_message = denied.message
        return result
    try:
        entries = await _entries(services, resource)
    except KafkaError as error:
        log.info("Error processing describe configs request for %s: %s", resource_name(resource), error)
        result.error_code = error.code
        result.error_message = error.message
        return result
    keys = resource.configuration_keys or None  # none named is all, too
    result.configs = [
        _entry(entry, request, context.api_version) for entry in entries if keys is None or entry.name in keys
    ]
    return result


async def _entries(services: Services, resource: DescribeConfigsResource) -> Sequence[ConfigEntry]:
    name = resource.resource_name
    if resource.resource_type == ResourceType.TOPIC:
        validate_topic_name(name)
        if not services.metadata.contains_topic(name):
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "")
        overrides = await services.topic_admin.entity_configs.read("topics", name)
        return describe_topic(services.config, overrides)
    if resource.resource_type == ResourceType.BROKER:
        if not name:
            return describe_cluster_default(services.config)
        if _broker_id(name) != services.broker_id:
            text = f"Unexpected broker id, expected {services.broker_id} or empty string, but received {name}"
            raise KafkaError(ErrorCode.INVALID_REQUEST, text)
        return describe_broker(services.config)
    if resource.resource_type == CLIENT_METRICS:
        text = "Config type client-metrics is only supported on KRaft clusters"
        raise KafkaError(ErrorCode.INVALID_REQUEST, text)
    if not name:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Broker id must not be empty")
    if _broker_id(name) != services.broker_id:
        text = f"Unexpected broker id, expected {services.broker_id} but received {name}"
        raise KafkaError(ErrorCode.INVALID_REQUEST, text)
    return describe_loggers()


def _broker_id(name: str) -> int:
    try:
        return int(name)
    except ValueError:
        text = f"Broker id must be an integer, but it is: {name}"
        raise KafkaError(ErrorCode.INVALID_REQUEST, text) from None


def _entry(
    entry: ConfigEntry, request: DescribeConfigsRequest, version: int
) -> DescribeConfigsResourceResult:
    result = DescribeConfigsResourceResult(
        name=entry.name, value=entry.value, read_only=entry.read_only, is_sensitive=entry.sensitive
    )
    if version < VERSION_WITH_SOURCES:
        return result  # is_default is version 0's, and Apache Kafka 3.9 sets it nowhere
    result.config_source = entry.source
    result.config_type = entry.type
    result.documentation = entry.documentation if request.include_documentation else None
    if request.include_synonyms:
        result.synonyms = [
            DescribeConfigsSynonym(name=one.name, value=one.value, source=one.source)
            for one in entry.synonyms
        ]
    return result


def error_response(
    request: DescribeConfigsRequest, code: ErrorCode, message: str | None
) -> DescribeConfigsResponse:
    return DescribeConfigsResponse(
        results=[
            DescribeConfigsResult(
                error_code=code,
                error_message=code.message,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
            for resource in request.resources
        ]
    )


API = Api(ApiKey.DESCRIBE_CONFIGS, 0, 4, handle, error_response=error_response)
