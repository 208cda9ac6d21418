# SPDX-License-Identifier: Apache-2.0
"""CreateAcls (30), versions 0-3.

Behaviour (AclApis.handleCreateAcls): Alter on the cluster; every binding has an answer of its own. Any broker
writes them: the znode's version guards against another one that does the same.

Versions: 0 only literal patterns; 1 pattern types (KIP-290); 2 flexible; 3 (KIP-373) resource type User.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from commitlog.apis.acl_requests import UNKNOWN, refuse_unreadable
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import (
    CLUSTER_NAME,
    AclBinding,
    AclEntry,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from commitlog.security.authorizer import AclAuthorizer, InvalidBinding
from commitlog.security.principal import KafkaPrincipal
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.create_acls_request import AclCreation, CreateAclsRequest
from commitlog.wire.messages.create_acls_response import AclCreationResult, CreateAclsResponse

log = logging.getLogger("commitlog.apis.k30_create_acls")


async def handle(
    services: Services, context: RequestContext, request: CreateAclsRequest
) -> CreateAclsResponse | None:
    if not _readable(request, context.api_version):
        refuse_unreadable(context)
        return None
    if context.authorizer is None:
        return error_response(request, ErrorCode.SECURITY_DISABLED, "No Authorizer is configured.")
    context.require_cluster(AclOperation.ALTER)
    patterns = [_pattern(creation) for creation in request.creations]
    results = [_refusal(pattern) for pattern in patterns]
    bindings: dict[int, AclBinding] = {}
    broken: set[ResourcePattern] = set()
    for index, (creation, pattern) in enumerate(zip(request.creations, patterns, strict=True)):
        if results[index] is None:
            entry = _entry(creation)
            if entry is None:
                broken.add(pattern)
            else:
                bindings[index] = AclBinding(pattern, entry)
    for index, pattern in enumerate(patterns):
        if pattern in broken and results[index] is None:
            # One principal that is none spoils the write of its whole pattern.
            results[index] = AclCreationResult(ErrorCode.UNKNOWN_SERVER_ERROR, None)
            bindings.pop(index, None)
    made = await _create(context.authorizer, list(bindings.values()))
    for index, result in zip(bindings, made, strict=True):
        results[index] = result
    return CreateAclsResponse(results=[result for result in results if result is not None])


def _readable(request: CreateAclsRequest, version: int) -> bool:
    """CreateAclsRequest.validate."""
    for creation in request.creations:
        if version == 0 and creation.resource_pattern_type != PatternType.LITERAL:
            return False
        codes = (
            creation.resource_pattern_type,
            creation.resource_type,
            creation.permission_type,
            creation.operation,
        )
        if UNKNOWN in codes:
            return False
    return True


def _pattern(creation: AclCreation) -> ResourcePattern:
    pattern = ResourcePattern(
        ResourceType.from_code(creation.resource_type),
        creation.resource_name,
        PatternType.from_code(creation.resource_pattern_type),
    )
    if (
        pattern.resource_type is ResourceType.ANY
        or pattern.pattern_type in (PatternType.ANY, PatternType.MATCH)
        or creation.operation == AclOperation.ANY
        or creation.permission_type == AclPermissionType.ANY
    ):
        # What only a filter can say. Kafka has no answer of its own for it: the whole request fails.
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
    return pattern


def _refusal(pattern: ResourcePattern) -> AclCreationResult | None:
    message = None
    if pattern.resource_type is ResourceType.CLUSTER and pattern.name != CLUSTER_NAME:
        message = f"The only valid name for the CLUSTER resource is {CLUSTER_NAME}"
    elif not pattern.name:
        message = "Invalid empty resource name"
    return None if message is None else AclCreationResult(ErrorCode.INVALID_REQUEST, message)


def _entry(creation: AclCreation) -> AclEntry | None:
    try:
        principal = KafkaPrincipal.parse(creation.principal)
    except ValueError as error:
        log.info("Failed to add an acl to %s: %s", creation.resource_name, error)
        return None
    return AclEntry(
        principal,
        creation.host,
        AclOperation.from_code(creation.operation),
        AclPermissionType.from_code(creation.permission_type),
    )


async def _create(authorizer: AclAuthorizer, bindings: Sequence[AclBinding]) -> list[AclCreationResult]:
    return [
        AclCreationResult()
        if error is None
        else AclCreationResult(ErrorCode.INVALID_REQUEST, str(error))
        if isinstance(error, InvalidBinding)
        else AclCreationResult(ErrorCode.UNKNOWN_SERVER_ERROR, None)
        for error in await authorizer.create_acls(bindings)
    ]


def error_response(request: CreateAclsRequest, code: ErrorCode, message: str | None) -> CreateAclsResponse:
    return CreateAclsResponse(results=[AclCreationResult(code, message) for _ in request.creations])


API = Api(ApiKey.CREATE_ACLS, 0, 3, handle, error_response=error_response)
