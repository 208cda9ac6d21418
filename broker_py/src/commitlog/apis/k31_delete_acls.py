# SPDX-License-Identifier: Apache-2.0
"""DeleteAcls (31), versions 0-3.

Behaviour (AclApis.handleDeleteAcls): Alter on the cluster; every filter has an answer of its own, with the
bindings that were deleted. A binding that several filters find stands at the first of them.

Versions: 0 only literal patterns; 1 pattern types (KIP-290); 2 flexible; 3 (KIP-373) resource type User.
"""

from __future__ import annotations

from commitlog.apis.acl_requests import filter_of, refuse_unreadable
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclBinding, AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.delete_acls_request import DeleteAclsRequest
from commitlog.wire.messages.delete_acls_response import (
    DeleteAclsFilterResult,
    DeleteAclsMatchingAcl,
    DeleteAclsResponse,
)


async def handle(
    services: Services, context: RequestContext, request: DeleteAclsRequest
) -> DeleteAclsResponse | None:
    filters = [
        wanted for one in request.filters if (wanted := filter_of(one, context.api_version)) is not None
    ]
    if len(filters) < len(request.filters):
        refuse_unreadable(context)
        return None
    if context.authorizer is None:
        return error_response(request, ErrorCode.SECURITY_DISABLED, "No Authorizer is configured.")
    context.require_cluster(AclOperation.ALTER)
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(
                error_message=None,
                matching_acls=[_matching(binding, error) for binding, error in deleted],
            )
            for deleted in await context.authorizer.delete_acls(filters)
        ]
    )


def _matching(binding: AclBinding, error: Exception | None) -> DeleteAclsMatchingAcl:
    pattern, entry = binding.pattern, binding.entry
    return DeleteAclsMatchingAcl(
        error_code=ErrorCode.NONE if error is None else ErrorCode.UNKNOWN_SERVER_ERROR,
        error_message=None,
        resource_type=pattern.resource_type,
        resource_name=pattern.name,
        pattern_type=pattern.pattern_type,
        principal=str(entry.principal),
        host=entry.host,
        operation=entry.operation,
        permission_type=entry.permission,
    )


def error_response(request: DeleteAclsRequest, code: ErrorCode, message: str | None) -> DeleteAclsResponse:
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(error_code=code, error_message=message) for _ in request.filters
        ]
    )


API = Api(ApiKey.DELETE_ACLS, 0, 3, handle, error_response=error_response)
