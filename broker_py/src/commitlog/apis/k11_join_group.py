# SPDX-License-Identifier: Apache-2.0
"""JoinGroup (11), versions 0-9.

Behaviour (GroupCoordinator.handleJoinGroup): the answer comes when the group's rebalance is complete; the
leader is told of every member and its metadata, the others of themselves only.

Versions: 0 has no rebalance timeout (the session timeout serves); 2 throttle time; 4 a member without an id
is given one and asked to come again with MEMBER_ID_REQUIRED (KIP-394); 5 group instance id (KIP-345); 6
flexible; 7 protocol type, and the protocol name is null instead of empty when there is none; 8 reason
(KIP-800); 9 a static leader may skip the assignment (KIP-814).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.groups.group import join_error
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.join_group_request import JoinGroupRequest
from commitlog.wire.messages.join_group_response import JoinGroupResponse

NULLABLE_PROTOCOL_VERSION = 7


def handle(
    services: Services, context: RequestContext, request: JoinGroupRequest
) -> JoinGroupResponse | Awaitable[JoinGroupResponse]:
    if not context.authorize(AclOperation.READ, ResourceType.GROUP, request.group_id):
        return _fit(join_error("", ErrorCode.GROUP_AUTHORIZATION_FAILED), context.api_version)
    answer = services.groups.join_group(
        request,
        version=context.api_version,
        client_id=context.client_id,
        client_host=f"/{context.client_host}",  # as InetAddress.toString shows it
    )
    if isinstance(answer, JoinGroupResponse):
        return _fit(answer, context.api_version)
    return _fit_later(answer, context.api_version)


async def _fit_later(answer: asyncio.Future[JoinGroupResponse], version: int) -> JoinGroupResponse:
    return _fit(await answer, version)


def _fit(response: JoinGroupResponse, version: int) -> JoinGroupResponse:
    """No protocol is the empty string in old versions and null in new ones."""
    if not response.protocol_name:
        response.protocol_name = "" if version < NULLABLE_PROTOCOL_VERSION else None
    return response


def error_response(request: JoinGroupRequest, code: ErrorCode, message: str | None) -> JoinGroupResponse:
    response = join_error("", code)
    response.protocol_name = ""  # all versions can say this
    return response


API = Api(ApiKey.JOIN_GROUP, 0, 9, handle, error_response=error_response)
