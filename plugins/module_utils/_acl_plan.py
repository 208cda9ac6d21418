# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ACLs as they are and as they are wanted. No I/O."""

from __future__ import annotations

import dataclasses
import fnmatch
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ModuleFailure

OPERATIONS = (
    "all",
    "read",
    "write",
    "create",
    "delete",
    "alter",
    "describe",
    "cluster_action",
    "describe_configs",
    "alter_configs",
    "idempotent_write",
    "create_tokens",
    "describe_tokens",
)
RESOURCE_TYPES = ("topic", "group", "cluster", "transactional_id", "delegation_token", "user")
CLUSTER_NAME = "kafka-cluster"


class AclConflict(ModuleFailure):
    """The list of ACLs cannot be meant; the text says which entry and why."""


@dataclasses.dataclass(frozen=True, order=True)
class Acl:
    """One ACL. All texts but the names are lower case."""

    principal: str
    resource_type: str
    resource_name: str
    pattern_type: str
    operation: str
    permission: str
    host: str

    def __str__(self) -> str:
        verb = "may" if self.permission == "allow" else "may not"
        return "{0} {1} {2} {3} {4} ({5}) from {6}".format(
            self.principal, verb, self.operation, self.resource_type, self.resource_name, self.pattern_type, self.host
        )


@dataclasses.dataclass
class AclPlan:
    """What to create and what to delete, in order."""

    creations: list[Acl]
    deletions: list[Acl]


def expand(entries: list[dict[str, t.Any]]) -> tuple[set[Acl], set[Acl]]:
    """The ACLs that should be there, and those that should not. Raises AclConflict, naming the entry."""
    wanted: dict[str, set[Acl]] = {"present": set(), "absent": set()}
    for number, entry in enumerate(entries):
        wanted[entry["state"]].update(_expand_one("acls[{0}]".format(number), entry))
    both = sorted(wanted["present"] & wanted["absent"])
    if both:
        raise AclConflict("acls: both present and absent is '{0}'".format(both[0]))
    return wanted["present"], wanted["absent"]


def _expand_one(place: str, entry: dict[str, t.Any]) -> set[Acl]:
    name = entry["resource_name"]
    if entry["resource_type"] == "cluster":
        name = name or CLUSTER_NAME
        if name != CLUSTER_NAME:
            raise AclConflict("{0}.resource_name: the cluster's name is {1}, not {2}".format(place, CLUSTER_NAME, name))
    elif not name:
        raise AclConflict("{0}.resource_name: required for a {1}".format(place, entry["resource_type"]))
    if ":" not in entry["principal"]:
        raise AclConflict("{0}.principal: {1} has no type; did you mean User:{1}?".format(place, entry["principal"]))
    return {
        Acl(entry["principal"], entry["resource_type"], name, entry["pattern_type"], operation, entry["permission"], host)
        for operation in entry["operations"]
        for host in entry["hosts"]
    }


def plan_acls(current: t.Collection[Acl], present: set[Acl], absent: set[Acl], purge: list[str], protected: list[str]) -> AclPlan:
    """What to change. `purge` has patterns of principals whose ACLs go unless they are wanted or protected."""
    have = set(current)
    doomed = have & absent
    for acl in have - present:
        if _fits(acl.principal, purge) and not _fits(acl.principal, protected):
            doomed.add(acl)
    return AclPlan(sorted(present - have), sorted(doomed))


def _fits(principal: str, patterns: list[str]) -> bool:
    return any(principal == pattern or fnmatch.fnmatchcase(principal, pattern) for pattern in patterns)


def documents(acls: t.Iterable[Acl]) -> list[dict[str, str]]:
    """ACLs as the modules return them."""
    return [dataclasses.asdict(acl) for acl in sorted(acls)]
