# SPDX-License-Identifier: Apache-2.0
"""AlterConfigs (33), versions 0-2.

Behaviour (ZkAdminManager.alterConfigs): the settings given replace all that the resource had; what is
left out goes back to its default. IncrementalAlterConfigs is the one to use.

Versions: 1 throttled clients wait themselves; 2 flexible.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from commitlog.apis.config_changes import Resource, change_all, change_resource, require_alter
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.config.definitions import Definition
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_configs_request import AlterConfigsRequest
from commitlog.wire.messages.alter_configs_response import AlterConfigsResourceResponse, AlterConfigsResponse


async def handle(
    services: Services, context: RequestContext, request: AlterConfigsRequest
) -> AlterConfigsResponse:
    async def change_one(resource: Resource) -> None:
        require_alter(services, context, resource)
        change = partial(_replaced, resource)
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
    return AlterConfigsResponse(responses=responses)


def _replaced(
    resource: Resource, now: Mapping[str, str], definitions: Mapping[str, Definition]
) -> dict[str, str]:
    return {config.name: config.value for config in resource.configs if config.value is not None}


def error_response(
    request: AlterConfigsRequest, code: ErrorCode, message: str | None
) -> AlterConfigsResponse:
    responses = [
        AlterConfigsResourceResponse(
            error_code=code,
            error_message=message,
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
        )
        for resource in request.resources
    ]
    return AlterConfigsResponse(responses=responses)


API = Api(ApiKey.ALTER_CONFIGS, 0, 2, handle, error_response=error_response)
