# SPDX-License-Identifier: Apache-2.0
"""Which resources and which entries the options of kafka-acls.sh mean
(AclCommand.getResourceFilterToAcls)."""

from __future__ import annotations

from collections.abc import Sequence

from commitlog.cli.jopt import Parsed, UsageError
from commitlog.cli.topics_errors import ToolError
from commitlog.security.acl import (
    CLUSTER_NAME,
    SUPPORTED_OPERATIONS,
    WILDCARD_HOST,
    AclEntry,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from commitlog.security.principal import KafkaPrincipal

CLUSTER = ResourcePattern(ResourceType.CLUSTER, CLUSTER_NAME, PatternType.LITERAL)
_TYPES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
    "delegation-token": ResourceType.DELEGATION_TOKEN,
    "user-principal": ResourceType.USER,
}

Wanted = dict[ResourcePattern, list[AclEntry]]


def _pattern_type(parsed: Parsed) -> PatternType:
    text = parsed.only("resource-pattern-type") or ""
    found = PatternType.from_name(text)
    if found is PatternType.UNKNOWN:
        raise ToolError(f"Cannot parse argument '{text}' of option resource-pattern-type")
    return found


def patterns(parsed: Parsed, *, required: bool = True) -> list[ResourcePattern]:
    """The resources named; a pattern of the type ANY or MATCH only finds others."""
    kind = _pattern_type(parsed)
    found: dict[ResourcePattern, None] = {}
    for option, resource_type in _TYPES.items():
        if option == "group" and kind is PatternType.LITERAL and _names_cluster(parsed):
            found[CLUSTER] = None
        for name in parsed.all(option):
            found[ResourcePattern(resource_type, name.strip(), kind)] = None
    if not found and required:
        raise UsageError(
            "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or "
            "--delegation-token <Delegation Token ID>"
        )
    return list(found)


def _names_cluster(parsed: Parsed) -> bool:
    return parsed.has("cluster") or parsed.has("idempotent")


def principals(parsed: Parsed, option: str) -> list[KafkaPrincipal]:
    try:
        return list(dict.fromkeys(KafkaPrincipal.parse(text.strip()) for text in parsed.all(option)))
    except ValueError as error:
        raise ToolError(str(error)) from None


def _hosts(parsed: Parsed, option: str, principal_option: str) -> list[str]:
    if parsed.has(option):
        return [host.strip() for host in parsed.all(option)]
    return [WILDCARD_HOST] if parsed.has(principal_option) else []


def _entries(parsed: Parsed, operations: Sequence[AclOperation]) -> list[AclEntry]:
    found: dict[AclEntry, None] = {}
    for word, permission in (("allow", AclPermissionType.ALLOW), ("deny", AclPermissionType.DENY)):
        for principal in principals(parsed, f"{word}-principal"):
            for operation in operations:
                for host in _hosts(parsed, f"{word}-host", f"{word}-principal"):
                    found[AclEntry(principal, host, operation, permission)] = None
    return list(found)


def _named_operations(parsed: Parsed) -> list[AclOperation]:
    names = parsed.all("operation") or [parsed.only("operation") or ""]
    return [AclOperation.from_name(name.strip()) for name in names]


def wanted(parsed: Parsed) -> Wanted:
    """Entries by resource; no entries mean all of that resource's."""
    found: Wanted = {}
    if not parsed.has("producer") and not parsed.has("consumer"):
        entries = _entries(parsed, _named_operations(parsed))
        found = {pattern: list(entries) for pattern in patterns(parsed)}
    if parsed.has("producer"):
        found |= _producer(parsed)
    if parsed.has("consumer"):
        for pattern, more in _consumer(parsed).items():
            found[pattern] = list(dict.fromkeys([*more, *found.get(pattern, ())]))
    _check_operations(found)
    return found


def _producer(parsed: Parsed) -> Wanted:
    topic = _entries(parsed, (AclOperation.WRITE, AclOperation.DESCRIBE, AclOperation.CREATE))
    transactional = _entries(parsed, (AclOperation.WRITE, AclOperation.DESCRIBE))
    named = patterns(parsed)
    found = {one: list(topic) for one in named if one.resource_type is ResourceType.TOPIC}
    found |= {one: list(transactional) for one in named if one.resource_type is ResourceType.TRANSACTIONAL_ID}
    if parsed.has("idempotent"):
        found[CLUSTER] = _entries(parsed, (AclOperation.IDEMPOTENT_WRITE,))
    return found


def _consumer(parsed: Parsed) -> Wanted:
    topic = _entries(parsed, (AclOperation.READ, AclOperation.DESCRIBE))
    group = _entries(parsed, (AclOperation.READ,))
    named = patterns(parsed)
    found = {one: list(topic) for one in named if one.resource_type is ResourceType.TOPIC}
    return found | {one: list(group) for one in named if one.resource_type is ResourceType.GROUP}


def _check_operations(found: Wanted) -> None:
    for pattern, entries in found.items():
        valid = (*SUPPORTED_OPERATIONS[pattern.resource_type], AclOperation.ALL)
        if any(entry.operation not in valid for entry in entries):
            names = ", ".join(operation.pascal_case for operation in valid)
            raise UsageError(f"ResourceType {pattern.resource_type.name} only supports operations {names}")


def to_add(parsed: Parsed) -> Wanted:
    """AclCommand.getResourceToAcls."""
    kind = _pattern_type(parsed)
    if kind in (PatternType.ANY, PatternType.MATCH):
        raise UsageError(f"A '--resource-pattern-type' value of '{kind.name}' is not valid when adding acls.")
    found = wanted(parsed)
    if any(not entries for entries in found.values()):
        raise UsageError(
            "You must specify one of: --allow-principal, --deny-principal when trying to add ACLs."
        )
    return found
