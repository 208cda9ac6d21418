# SPDX-License-Identifier: Apache-2.0
"""DescribeAcls (29), versions 0-3.

Behaviour (AclApis.handleDescribeAcls): Describe on the cluster; the ACLs that this broker has read and that
the filter finds, by resource pattern. Without an authorizer SECURITY_DISABLED.

Versions: 0 only literal patterns; 1 pattern types (KIP-290); 2 flexible; 3 (KIP-373) resource type User.
"""

from __future__ import annotations

from commitlog.apis.acl_requests import filter_of, refuse_unreadable
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourcePattern
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.describe_acls_request import DescribeAclsRequest
from commitlog.wire.messages.describe_acls_response import (
    AclDescription,
    DescribeAclsResource,
    DescribeAclsResponse,
)


def handle(
    services: Services, context: RequestContext, request: DescribeAclsRequest
) -> DescribeAclsResponse | None:
    wanted = filter_of(request, context.api_version)
    if wanted is None:
        refuse_unreadable(context)
        return None
    if context.authorizer is None:
        return DescribeAclsResponse(
            error_code=ErrorCode.SECURITY_DISABLED, error_message="No Authorizer is configured on the broker"
        )
    context.require_cluster(AclOperation.DESCRIBE)
    resources: dict[ResourcePattern, DescribeAclsResource] = {}
    for binding in context.authorizer.acls(wanted):
        pattern, entry = binding.pattern, binding.entry
        if pattern not in resources:
            resources[pattern] = DescribeAclsResource(
                resource_type=pattern.resource_type,
                resource_name=pattern.name,
                pattern_type=pattern.pattern_type,
            )
        resources[pattern].acls.append(
            AclDescription(
                principal=str(entry.principal),
                host=entry.host,
                operation=entry.operation,
                permission_type=entry.permission,
            )
        )
    return DescribeAclsResponse(resources=list(resources.values()))


API = Api(ApiKey.DESCRIBE_ACLS, 0, 3, handle)
