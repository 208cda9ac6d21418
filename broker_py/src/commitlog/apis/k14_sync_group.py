# SPDX-License-Identifier: Apache-2.0
"""SyncGroup (14), versions 0-5.

Behaviour (GroupCoordinator.handleSyncGroup): the leader brings everybody's assignment; it is written to
`__consumer_offsets`, and then every member is answered with its own part.

Versions: 1 throttle time; 3 group instance id (KIP-345); 4 flexible; 5 protocol type and name, which are
mandatory then and must be the group's (KIP-559).
"""

from __future__ import annotations

from collections.abc import Awaitable

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.groups.group import sync_error
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.sync_group_request import SyncGroupRequest
from commitlog.wire.messages.sync_group_response import SyncGroupResponse

MANDATORY_PROTOCOL_VERSION = 5


def handle(
    services: Services, context: RequestContext, request: SyncGroupRequest
) -> SyncGroupResponse | Awaitable[SyncGroupResponse]:
    if context.api_version >= MANDATORY_PROTOCOL_VERSION and (
        request.protocol_type is None or request.protocol_name is None
    ):
        return sync_error(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    context.require(AclOperation.READ, ResourceType.GROUP, request.group_id)
    return services.groups.sync_group(request)


API = Api(ApiKey.SYNC_GROUP, 0, 5, handle)
