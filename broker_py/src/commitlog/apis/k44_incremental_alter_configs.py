# SPDX-License-Identifier: Apache-2.0
"""IncrementalAlterConfigs (44), versions 0-1.

Behaviour (KIP-339, ZkAdminManager.incrementalAlterConfigs): sets and deletes single settings, adds to
and takes from lists; what is not named stays as it is.

Levels of this broker's loggers are changed in this process only (KIP-412).

Versions: 1 flexible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from commitlog.apis.broker_loggers import change_levels, check_levels
from commitlog.apis.config_changes import (
    Operation,
    Resource,
    ResourceType,
    broker_id_of,
    change_all,
    change_resource,
    edit_list,
    require_alter,
    resource_name,
)
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.config.definitions import Definition
from commitlog.coordination import paths
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.incremental_alter_configs_request import (
    AlterableConfig,
    IncrementalAlterConfigsRequest,
)
from commitlog.wire.messages.incremental_alter_configs_response import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsResponse,
)


async def handle(
    services: Services, context: RequestContext, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse:
    edits = {(one.resource_type, one.resource_name): one.configs for one in request.resources}

    async def change_one(resource: Resource) -> None:
        require_alter(services, context, resource)
        changes = edits[resource.resource_type, resource.resource_name]
        if resource.resource_type == ResourceType.BROKER_LOGGER:
            _change_levels(services, resource.resource_name, changes, validate_only=request.validate_only)
            return
        if resource.resource_type == ResourceType.TOPIC:
            _check_path(resource)
        change = partial(_edited, changes)
        await change_resource(services, resource, change, validate_only=request.validate_only)

    outcomes = await change_all(request.resources, change_one)
    responses = [
        AlterConfigsResourceResponse(
            error_code=outcome.code,
            error_message=outcome.message,
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
        )
        for resource, outcome in zip(request.resources, outcomes, strict=True)
    ]
    return IncrementalAlterConfigsResponse(responses=responses)


def _check_path(resource: Resource) -> None:
    """Kafka reads what is to be edited before it asks whether there is such a topic."""
    path = paths.topic_config(resource.resource_name)
    reason = paths.invalid_reason(path) if resource.resource_name else None
    if reason is not None:
        text = f'Invalid path string "{path}" caused by {reason}'
        named = resource_name(resource)
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Invalid config value for resource {named}: {text}")


def _change_levels(
    services: Services, name: str, changes: Sequence[AlterableConfig], *, validate_only: bool
) -> None:
    if broker_id_of(services, name, unexpected="node id. Expected") is None:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Node id must be an integer, but it is: ")
    check_levels(changes)
    if not validate_only:
        change_levels(changes)


def _edited(
    edits: Sequence[AlterableConfig], now: Mapping[str, str], definitions: Mapping[str, Definition]
) -> dict[str, str]:
    wanted = dict(now)
    for edit in edits:
        try:
            operation = Operation(edit.config_operation)
        except ValueError:
            text = f"Unknown operation {edit.config_operation} for config {edit.name}"
            raise KafkaError(ErrorCode.INVALID_REQUEST, text) from None
        if operation is Operation.DELETE:
            wanted.pop(edit.name, None)
        elif operation is Operation.SET:
            wanted[edit.name] = edit.value or ""
        else:
            value = edit.value or ""
            wanted[edit.name] = edit_list(operation, edit.name, value, wanted.get(edit.name), definitions)
    return wanted


def error_response(
    request: IncrementalAlterConfigsRequest, code: ErrorCode, message: str | None
) -> IncrementalAlterConfigsResponse:
    responses = [
        AlterConfigsResourceResponse(
            error_code=code,
            error_message=message,
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
        )
        for resource in request.resources
    ]
    return IncrementalAlterConfigsResponse(responses=responses)


API = Api(ApiKey.INCREMENTAL_ALTER_CONFIGS, 0, 1, handle, error_response=error_response)
