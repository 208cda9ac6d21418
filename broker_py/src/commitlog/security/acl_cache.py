# SPDX-License-Identifier: Apache-2.0
"""All ACLs of the cluster, arranged for the question of every request (AclAuthorizer's aclCache and
resourceCache).

Its size is that of /kafka-acl and /kafka-acl-extended; no question makes it grow. A question looks at the
wildcard, at the resource's own pattern, and at one prefix per length of prefix that there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from commitlog.security.acl import (
    WILDCARD_HOST,
    WILDCARD_PRINCIPAL,
    WILDCARD_RESOURCE,
    AclBinding,
    AclEntry,
    AclFilter,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from commitlog.security.acl_store import NO_ACLS, VersionedAcls
from commitlog.security.principal import KafkaPrincipal

Names = dict[tuple[ResourceType, PatternType, AclEntry], set[str]]


class AclCache:
    def __init__(self) -> None:
        self._patterns: dict[ResourcePattern, VersionedAcls] = {}
        self._prefix_lengths: dict[ResourceType, Counter[int]] = {kind: Counter() for kind in ResourceType}
        self._names: Names = {}

    def __contains__(self, pattern: ResourcePattern) -> bool:
        return pattern in self._patterns

    def get(self, pattern: ResourcePattern) -> VersionedAcls:
        return self._patterns.get(pattern, NO_ACLS)

    def patterns(self) -> list[ResourcePattern]:
        return list(self._patterns)

    def update(self, pattern: ResourcePattern, acls: VersionedAcls) -> None:
        """What was read of a pattern, or written to it; no entries: the pattern is gone."""
        before = self.get(pattern).entries
        for entry in acls.entries - before:
            self._names.setdefault((pattern.resource_type, pattern.pattern_type, entry), set()).add(
                pattern.name
            )
        for entry in before - acls.entries:
            key = (pattern.resource_type, pattern.pattern_type, entry)
            names = self._names[key]
            names.discard(pattern.name)
            if not names:
                del self._names[key]
        if pattern.pattern_type is PatternType.PREFIXED and bool(before) != bool(acls.entries):
            lengths = self._prefix_lengths[pattern.resource_type]
            lengths[len(pattern.name)] += 1 if acls.entries else -1
            if not lengths[len(pattern.name)]:
                del lengths[len(pattern.name)]
        if acls.entries:
            self._patterns[pattern] = acls
        else:
            self._patterns.pop(pattern, None)

    def matching(self, resource_type: ResourceType, name: str) -> list[frozenset[AclEntry]]:
        """The entries of every pattern that holds for a resource; empty when no pattern speaks of it."""
        patterns = self._patterns
        found = []
        for length in self._prefix_lengths[resource_type]:
            if length <= len(name):
                acls = patterns.get(ResourcePattern(resource_type, name[:length], PatternType.PREFIXED))
                if acls is not None:
                    found.append(acls.entries)
        for literal in (WILDCARD_RESOURCE,) if name == WILDCARD_RESOURCE else (WILDCARD_RESOURCE, name):
            acls = patterns.get(ResourcePattern(resource_type, literal))
            if acls is not None:
                found.append(acls.entries)
        return found

    def bindings(self, acl_filter: AclFilter) -> Iterator[AclBinding]:
        for pattern, acls in self._patterns.items():
            if acl_filter.matches_pattern(pattern):
                for entry in acls.entries:
                    if acl_filter.matches_entry(entry):
                        yield AclBinding(pattern, entry)

    def names(
        self,
        principal: KafkaPrincipal,
        host: str,
        operation: AclOperation,
        permission: AclPermissionType,
        resource_type: ResourceType,
        pattern_type: PatternType,
    ) -> set[str]:
        """The names of all patterns of a type with an entry for this principal, host and operation."""
        found: set[str] = set()
        for entry in entries_for(principal, host, operation, permission):
            found |= self._names.get((resource_type, pattern_type, entry), set())
        return found


def entries_for(
    principal: KafkaPrincipal, host: str, operation: AclOperation, permission: AclPermissionType
) -> tuple[AclEntry, ...]:
    """Every entry that speaks of this principal, host and operation: itself or a wildcard in each place."""
    return tuple(
        AclEntry(one, place, act, permission)
        for act in (operation, AclOperation.ALL)
        for one in (principal, WILDCARD_PRINCIPAL)
        for place in (host, WILDCARD_HOST)
    )
