# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ACLs through kafka-python's admin client."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._acl_plan import Acl, AclPlan
from ansible_collections.commitlog.kafka.plugins.module_utils._admin import Admin, RequestFailed, one_line

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    import kafka.errors as kafka_errors
    from kafka.admin import (
        ACL,
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePattern,
        ResourcePatternFilter,
        ResourceType,
    )

NO_AUTHORIZER = "the brokers have no authorizer; set authorizer.class.name before ACLs can be kept"


class AclAdmin(Admin):
    """Reads, creates and deletes ACLs."""

    def acls(
        self,
        principal: t.Optional[str] = None,
        resource_type: t.Optional[str] = None,
        resource_name: t.Optional[str] = None,
        matching: bool = False,
    ) -> list[Acl]:
        """The ACLs that these filters let through; with `matching`, those that apply to the resource named."""
        kind = ResourceType[(resource_type or "any").upper()]
        pattern = ACLResourcePatternType.MATCH if matching else ACLResourcePatternType.ANY
        wanted = ACLFilter(
            principal=principal,
            host=None,
            operation=ACLOperation.ANY,
            permission_type=ACLPermissionType.ANY,
            resource_pattern=ResourcePatternFilter(kind, resource_name, pattern),
        )
        with one_line("DescribeAcls"):
            try:
                found, _error = self.client.describe_acls(wanted)
            except kafka_errors.SecurityDisabledError as error:
                raise RequestFailed("DescribeAcls: " + NO_AUTHORIZER) from error
        return sorted(_from_kafka(entry) for entry in found)

    def create(self, acls: list[Acl]) -> None:
        """Create ACLs in one request; in check mode this is only noted."""
        if not acls:
            return
        self.note("CreateAcls", acls=[str(acl) for acl in acls])
        if self.check_mode:
            return
        with one_line("CreateAcls"):
            outcome = self.client.create_acls([ACL(*_parts(acl), _pattern(acl, ResourcePattern)) for acl in acls])
        if outcome["failed"]:
            raise RequestFailed(
                "CreateAcls: {0} of {1} were refused with {2}".format(
                    len(outcome["failed"]), len(acls), ", ".join(sorted({error.__name__ for error in outcome["failed"]}))
                )
            )

    def delete(self, acls: list[Acl]) -> None:
        """Delete exactly these ACLs in one request; in check mode this is only noted."""
        if not acls:
            return
        self.note("DeleteAcls", acls=[str(acl) for acl in acls])
        if self.check_mode:
            return
        filters = [ACLFilter(*_parts(acl), _pattern(acl, ResourcePatternFilter)) for acl in acls]
        with one_line("DeleteAcls"):
            outcome = self.client.delete_acls(filters)
        for acl, (_filter, _gone, error) in zip(acls, outcome):
            if error is not kafka_errors.NoError:
                raise RequestFailed("DeleteAcls for '{0}': {1}".format(acl, error.__name__))

    def wait_until_shown(self, plan: AclPlan) -> None:
        """Wait until the broker that is asked tells what was just accepted."""

        def state() -> tuple[t.Optional[bool], str]:
            have = set(self.acls())
            missing, left = set(plan.creations) - have, set(plan.deletions) & have
            if missing or left:
                return None, "{0} are not shown yet and {1} still are".format(len(missing), len(left))
            return True, ""

        if self.requests and not self.check_mode:
            self.wait("the ACLs were accepted but are not as asked", state)


def _parts(acl: Acl) -> tuple[str, str, t.Any, t.Any]:
    return acl.principal, acl.host, ACLOperation[acl.operation.upper()], ACLPermissionType[acl.permission.upper()]


def _pattern(acl: Acl, kind: t.Any) -> t.Any:
    return kind(ResourceType[acl.resource_type.upper()], acl.resource_name, ACLResourcePatternType[acl.pattern_type.upper()])


def _from_kafka(entry: t.Any) -> Acl:
    pattern = entry.resource_pattern
    return Acl(
        principal=entry.principal,
        resource_type=pattern.resource_type.name.lower(),
        resource_name=pattern.resource_name,
        pattern_type=pattern.pattern_type.name.lower(),
        operation=entry.operation.name.lower(),
        permission=entry.permission_type.name.lower(),
        host=entry.host,
    )
