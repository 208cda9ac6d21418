# SPDX-License-Identifier: Apache-2.0
"""The words of an ACL and what a filter finds (AclBinding, ResourcePattern, AccessControlEntry and their
filters, SecurityUtils).

Codes are those on the wire; names in ZooKeeper and in log lines are Pascal case ("TransactionalId"), and are
read in any case, as Kafka reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from commitlog.security.principal import USER_TYPE, KafkaPrincipal

WILDCARD_RESOURCE = "*"
WILDCARD_HOST = "*"
WILDCARD_PRINCIPAL = KafkaPrincipal(USER_TYPE, "*")
CLUSTER_NAME = "kafka-cluster"


class AclEnum(IntEnum):
    """What UNKNOWN and ANY are to all of them: a code from the future, and the filter that lets all pass."""

    @property
    def pascal_case(self) -> str:
        return self.name.title().replace("_", "")

    @classmethod
    def from_code(cls, code: int) -> Self:
        """UNKNOWN for a code that this version does not know."""
        return cls._value2member_map_.get(code, cls(0))  # type: ignore[return-value]

    @classmethod
    def from_name(cls, name: str) -> Self:
        wanted = name.upper()
        return next((one for one in cls if one.pascal_case.upper() == wanted), cls(0))


class ResourceType(AclEnum):
    UNKNOWN = 0
    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


class PatternType(AclEnum):
    UNKNOWN = 0
    ANY = 1
    MATCH = 2
    LITERAL = 3
    PREFIXED = 4


class AclOperation(AclEnum):
    UNKNOWN = 0
    ANY = 1
    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12
    CREATE_TOKENS = 13
    DESCRIBE_TOKENS = 14


class AclPermissionType(AclEnum):
    UNKNOWN = 0
    ANY = 1
    DENY = 2
    ALLOW = 3


RESOURCE_TYPES = tuple(one for one in ResourceType if one not in (ResourceType.UNKNOWN, ResourceType.ANY))

# AclEntry.supportedOperations: the bits of "authorized operations" in answers.
SUPPORTED_OPERATIONS: dict[ResourceType, tuple[AclOperation, ...]] = {
    ResourceType.TOPIC: (
        AclOperation.READ,
        AclOperation.WRITE,
        AclOperation.CREATE,
        AclOperation.DELETE,
        AclOperation.ALTER,
        AclOperation.DESCRIBE,
        AclOperation.DESCRIBE_CONFIGS,
        AclOperation.ALTER_CONFIGS,
    ),
    ResourceType.GROUP: (AclOperation.READ, AclOperation.DELETE, AclOperation.DESCRIBE),
    ResourceType.CLUSTER: (
        AclOperation.CREATE,
        AclOperation.ALTER,
        AclOperation.DESCRIBE,
        AclOperation.CLUSTER_ACTION,
        AclOperation.DESCRIBE_CONFIGS,
        AclOperation.ALTER_CONFIGS,
        AclOperation.IDEMPOTENT_WRITE,
    ),
    ResourceType.TRANSACTIONAL_ID: (AclOperation.WRITE, AclOperation.DESCRIBE),
    ResourceType.DELEGATION_TOKEN: (AclOperation.DESCRIBE,),
    ResourceType.USER: (AclOperation.CREATE_TOKENS, AclOperation.DESCRIBE_TOKENS),
}


@dataclass(frozen=True, slots=True)
class ResourcePattern:
    """One resource (LITERAL), all resources of a type (LITERAL ``*``), or those whose name begins so
    (PREFIXED)."""

    resource_type: ResourceType
    name: str
    pattern_type: PatternType = PatternType.LITERAL

    def __str__(self) -> str:
        return (
            f"ResourcePattern(resourceType={self.resource_type.name}, name={printable(self.name)}, "
            f"patternType={self.pattern_type.name})"
        )


@dataclass(frozen=True, slots=True)
class AclEntry:
    """Who may (or may not) do what, from where, on the resources that the entry stands at."""

    principal: KafkaPrincipal
    host: str
    operation: AclOperation
    permission: AclPermissionType

    def __str__(self) -> str:
        return (
            f"{printable(str(self.principal))} has {self.permission.name} permission for operations: "
            f"{self.operation.name} from hosts: {printable(self.host)}"
        )


@dataclass(frozen=True, slots=True)
class AclBinding:
    pattern: ResourcePattern
    entry: AclEntry


@dataclass(frozen=True, slots=True)
class AclFilter:
    """AclBindingFilter: None and ANY let everything pass; a principal is compared as text."""

    resource_type: ResourceType
    name: str | None
    pattern_type: PatternType
    principal: str | None
    host: str | None
    operation: AclOperation
    permission: AclPermissionType

    def matches_pattern(self, pattern: ResourcePattern) -> bool:
        """MATCH finds the patterns that hold for the name; the others find the pattern of that name."""
        if self.resource_type not in (ResourceType.ANY, pattern.resource_type):
            return False
        if self.pattern_type not in (PatternType.ANY, PatternType.MATCH, pattern.pattern_type):
            return False
        if self.name is None:
            return True
        if self.pattern_type is not PatternType.MATCH:
            return self.name == pattern.name
        if pattern.pattern_type is PatternType.PREFIXED:
            return self.name.startswith(pattern.name)
        return pattern.name in (self.name, WILDCARD_RESOURCE)

    def matches_entry(self, entry: AclEntry) -> bool:
        return (
            self.principal in (None, str(entry.principal))
            and self.host in (None, entry.host)
            and self.operation in (AclOperation.ANY, entry.operation)
            and self.permission in (AclPermissionType.ANY, entry.permission)
        )

    def patterns_named(self) -> tuple[ResourcePattern, ...]:
        """What a filter without an open end can only mean; nothing when it has to be searched for."""
        undecided = (ResourceType.ANY, ResourceType.UNKNOWN)
        if self.resource_type in undecided or self.name is None:
            return ()
        if self.pattern_type is PatternType.ANY:
            kinds: tuple[PatternType, ...] = (PatternType.LITERAL, PatternType.PREFIXED)
        elif self.pattern_type in (PatternType.LITERAL, PatternType.PREFIXED):
            kinds = (self.pattern_type,)
        else:
            return ()
        return tuple(ResourcePattern(self.resource_type, self.name, kind) for kind in kinds)


def printable(text: str) -> str:
    """What a peer sent, for a log: a line break or an escape sequence of its must not make a line of ours."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
