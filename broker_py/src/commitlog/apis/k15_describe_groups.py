# SPDX-License-Identifier: Apache-2.0
"""DescribeGroups (15), versions 0-5.

Behaviour (KafkaApis.handleDescribeGroupsRequest): a group that does not exist is described as Dead, without
an error; metadata and assignments are shown of a stable group only.

Versions: 1 throttle time; 3 authorized operations (KIP-430): without an authorizer all that a group knows;
4 group instance id; 5 flexible.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.describe_groups_request import DescribeGroupsRequest
from commitlog.wire.messages.describe_groups_response import DescribedGroup, DescribeGroupsResponse


def handle(
    services: Services, context: RequestContext, request: DescribeGroupsRequest
) -> DescribeGroupsResponse:
    described, refused = [], []
    for group_id in request.groups:
        if not context.authorize(AclOperation.DESCRIBE, ResourceType.GROUP, group_id):
            denied = ErrorCode.GROUP_AUTHORIZATION_FAILED
            refused.append(DescribedGroup(group_id=group_id, error_code=denied))
            continue
        group = services.groups.describe_group(group_id)
        if request.include_authorized_operations and group.error_code == ErrorCode.NONE:
            group.authorized_operations = context.authorized_operations(ResourceType.GROUP, group_id)
        described.append(group)
    return DescribeGroupsResponse(groups=refused + described)


def error_response(
    request: DescribeGroupsRequest, code: ErrorCode, message: str | None
) -> DescribeGroupsResponse:
    return DescribeGroupsResponse(
        groups=[DescribedGroup(group_id=group_id, error_code=code) for group_id in request.groups]
    )


API = Api(ApiKey.DESCRIBE_GROUPS, 0, 5, handle, error_response=error_response)
