# SPDX-License-Identifier: Apache-2.0
"""LeaveGroup (13), versions 0-5.

Behaviour (GroupCoordinator.handleLeaveGroup): members are removed and the group rebalances at once, instead
of after their session timeout. An administrator may name static members by their instance, without a member
id.

Versions: up to 2 one member, whose error is the answer's; 1 throttle time; 3 several members with an error
each (KIP-345); 4 flexible; 5 reason (KIP-800).
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.leave_group_request import LeaveGroupRequest, MemberIdentity
from commitlog.wire.messages.leave_group_response import LeaveGroupResponse

BATCHED_VERSION = 3


def handle(services: Services, context: RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse:
    context.require(AclOperation.READ, ResourceType.GROUP, request.group_id)
    if context.api_version >= BATCHED_VERSION:
        return services.groups.leave_group(request.group_id, request.members)
    answer = services.groups.leave_group(request.group_id, [MemberIdentity(member_id=request.member_id)])
    error = answer.error_code
    if error == ErrorCode.NONE:
        error = answer.members[0].error_code
    return LeaveGroupResponse(error_code=error)


API = Api(ApiKey.LEAVE_GROUP, 0, 5, handle)
