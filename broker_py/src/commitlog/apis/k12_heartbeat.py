# SPDX-License-Identifier: Apache-2.0
"""Heartbeat (12), versions 0-4.

Behaviour (GroupCoordinator.handleHeartbeat): restarts the member's session timeout; REBALANCE_IN_PROGRESS
tells it to join again.

Versions: 1 throttle time; 3 group instance id (KIP-345); 4 flexible.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.heartbeat_response import HeartbeatResponse


def handle(services: Services, context: RequestContext, request: HeartbeatRequest) -> HeartbeatResponse:
    context.require(AclOperation.READ, ResourceType.GROUP, request.group_id)
    return services.groups.heartbeat(request)


API = Api(ApiKey.HEARTBEAT, 0, 4, handle)
