# SPDX-License-Identifier: Apache-2.0
"""What DescribeAcls, CreateAcls and DeleteAcls share: filters from requests, and what no parser takes."""

from __future__ import annotations

import logging
from typing import Protocol

from commitlog.apis.services import RequestContext
from commitlog.security.acl import AclFilter, AclOperation, AclPermissionType, PatternType, ResourceType
from commitlog.wire.messages import api_name

log = logging.getLogger("commitlog.apis.acl_requests")

UNKNOWN = 0


class FilterFields(Protocol):
    """DescribeAcls is one such filter, DeleteAcls holds a list of them."""

    resource_type_filter: int
    resource_name_filter: str | None
    pattern_type_filter: int
    principal_filter: str | None
    host_filter: str | None
    operation: int
    permission_type: int


def filter_of(fields: FilterFields, version: int) -> AclFilter | None:
    """None for what the request may not say: UNKNOWN anywhere, or in version 0 a pattern type beyond
    LITERAL (which ANY means there)."""
    pattern_type = PatternType.from_code(fields.pattern_type_filter)
    if version == 0:
        if pattern_type not in (PatternType.ANY, PatternType.LITERAL):
            return None
        pattern_type = PatternType.LITERAL
    codes = (
        fields.resource_type_filter,
        fields.pattern_type_filter,
        fields.operation,
        fields.permission_type,
    )
    if UNKNOWN in codes:
        return None
    return AclFilter(
        ResourceType.from_code(fields.resource_type_filter),
        fields.resource_name_filter,
        pattern_type,
        fields.principal_filter,
        fields.host_filter,
        AclOperation.from_code(fields.operation),
        AclPermissionType.from_code(fields.permission_type),
    )


def refuse_unreadable(context: RequestContext) -> None:
    """As for bytes that do not parse: the connection is closed, nothing is answered."""
    log.error(
        "Closing socket for %s because of error: %s version %d contains UNKNOWN elements",
        context.connection_id,
        api_name(context.header.api_key),
        context.api_version,
    )
    context.close()
