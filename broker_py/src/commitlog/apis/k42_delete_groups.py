# SPDX-License-Identifier: Apache-2.0
"""DeleteGroups (42), versions 0-2.

Behaviour (GroupCoordinator.handleDeleteGroups): only a group without members can go (else NON_EMPTY_GROUP),
with all its offsets; each group has its own error.

Versions: 2 flexible.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.delete_groups_request import DeleteGroupsRequest
from commitlog.wire.messages.delete_groups_response import DeletableGroupResult, DeleteGroupsResponse


def handle(services: Services, context: RequestContext, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
    names = request.groups_names
    deletable = context.authorized(AclOperation.DELETE, ResourceType.GROUP, names)
    answer = services.groups.delete_groups([name for name in names if name in deletable])
    answer.results += [
        DeletableGroupResult(group_id=name, error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
        for name in dict.fromkeys(names)
        if name not in deletable
    ]
    return answer


def error_response(
    request: DeleteGroupsRequest, code: ErrorCode, message: str | None
) -> DeleteGroupsResponse:
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(group_id=group_id, error_code=code) for group_id in request.groups_names
        ]
    )


API = Api(ApiKey.DELETE_GROUPS, 0, 2, handle, error_response=error_response)
