# SPDX-License-Identifier: Apache-2.0
"""ListGroups (16), versions 0-5.

Behaviour (GroupCoordinator.handleListGroups): the groups that this broker coordinates; while some are being
loaded the list is what there is, with COORDINATOR_LOAD_IN_PROGRESS. Filters do not look at upper and lower
case.

Versions: 1 throttle time; 3 flexible; 4 filter by state, and the state (KIP-518); 5 filter by type, and the
type (KIP-848): all groups here are "classic".
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages.list_groups_request import ListGroupsRequest
from commitlog.wire.messages.list_groups_response import ListGroupsResponse


def handle(services: Services, context: RequestContext, request: ListGroupsRequest) -> ListGroupsResponse:
    answer = services.groups.list_groups(request)
    if not context.authorize_cluster(AclOperation.DESCRIBE, log_if_denied=False):
        described = context.authorized(
            AclOperation.DESCRIBE,
            ResourceType.GROUP,
            (group.group_id for group in answer.groups),
            log_if_denied=False,
        )
        answer.groups = [group for group in answer.groups if group.group_id in described]
    return answer


API = Api(ApiKey.LIST_GROUPS, 0, 5, handle)
