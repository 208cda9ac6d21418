# SPDX-License-Identifier: Apache-2.0
"""ACLs in ZooKeeper (ZkAclStore, ZkAclChangeStore and KafkaZkClient's part in them).

A znode per resource pattern, /kafka-acl/<Type>/<name> for literal ones and
/kafka-acl-extended/prefixed/<Type>/<name>, holds all entries of the pattern and is written under the
condition that its version is the one that was read. A sequential znode in /kafka-acl-changes or
/kafka-acl-extended-changes tells every broker which pattern to read again.

    {"version":1,"acls":[{"principal":"User:a","permissionType":"Allow","operation":"Read","host":"*"}]}
    Topic:name                                                           a change of a literal pattern
    {"version":1,"resourceType":"TOPIC","name":"n","patternType":"PREFIXED"}        of a prefixed one
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from commitlog.coordination import paths
from commitlog.coordination.client import (
    BadVersion,
    Coordination,
    NodeExists,
    NoNode,
    ensure_path,
    retry_until_connected,
)
from commitlog.coordination.json_fields import DocumentError, dump, integer, load
from commitlog.security.acl import (
    RESOURCE_TYPES,
    AclEntry,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from commitlog.security.principal import KafkaPrincipal

log = logging.getLogger("commitlog.security.acl_store")

VERSION = 1
NO_VERSION = -2
"""ZkVersion.UnknownVersion: the znode is not there."""

ROOTS = {PatternType.LITERAL: paths.ACL, PatternType.PREFIXED: f"{paths.EXTENDED_ACL}/prefixed"}
CHANGES = {PatternType.LITERAL: paths.ACL_CHANGES, PatternType.PREFIXED: paths.EXTENDED_ACL_CHANGES}


@dataclass(frozen=True, slots=True)
class VersionedAcls:
    """The entries of one pattern, and the version of the znode that they were read from."""

    entries: frozenset[AclEntry] = frozenset()
    version: int = NO_VERSION


NO_ACLS = VersionedAcls()


class AclStore:
    """Reads and conditional writes. A write returns the new version, or None when somebody else was first."""

    def __init__(self, coordination: Coordination) -> None:
        self._coordination = coordination

    async def create_paths(self) -> None:
        for root in ROOTS.values():
            for resource_type in RESOURCE_TYPES:
                await ensure_path(self._coordination, f"{root}/{resource_type.pascal_case}")
        for changes in CHANGES.values():
            await ensure_path(self._coordination, changes)

    async def load_all(self) -> AsyncIterator[tuple[ResourcePattern, VersionedAcls]]:
        for pattern_type, root in ROOTS.items():
            for type_name in await self._children(root):
                resource_type = ResourceType.from_name(type_name)
                if resource_type is ResourceType.UNKNOWN:
                    log.warning("Ignoring unknown ResourceType: %s", type_name)
                    continue
                for name in await self._children(f"{root}/{type_name}"):
                    pattern = ResourcePattern(resource_type, name, pattern_type)
                    yield pattern, await self.read(pattern)

    async def _children(self, path: str) -> list[str]:
        return await retry_until_connected(self._coordination, lambda: self._coordination.children(path))

    async def read(self, pattern: ResourcePattern) -> VersionedAcls:
        path = _path(pattern)
        try:
            data, stat = await retry_until_connected(self._coordination, lambda: self._coordination.get(path))
        except NoNode:
            return NO_ACLS
        return VersionedAcls(decode_entries(data), stat.version)

    async def create(self, pattern: ResourcePattern, entries: Iterable[AclEntry]) -> int | None:
        path, data = _path(pattern), encode_entries(entries)
        try:
            await retry_until_connected(self._coordination, lambda: self._coordination.create(path, data))
        except NodeExists:
            return None
        return 0

    async def set(self, pattern: ResourcePattern, entries: Iterable[AclEntry], version: int) -> int | None:
        path, data = _path(pattern), encode_entries(entries)
        try:
            stat = await retry_until_connected(
                self._coordination, lambda: self._coordination.set(path, data, version)
            )
        except (NoNode, BadVersion):
            return None
        return stat.version

    async def delete(self, pattern: ResourcePattern, version: int) -> int | None:
        path = _path(pattern)
        try:
            await retry_until_connected(self._coordination, lambda: self._coordination.delete(path, version))
        except NoNode:
            return NO_VERSION
        except BadVersion:
            return None
        return NO_VERSION

    async def tell(self, pattern: ResourcePattern) -> None:
        """Have every broker read the pattern again."""
        path = f"{CHANGES[pattern.pattern_type]}/{paths.ACL_CHANGE_PREFIX}"
        data = encode_change(pattern)
        await retry_until_connected(
            self._coordination, lambda: self._coordination.create(path, data, sequential=True)
        )


def _path(pattern: ResourcePattern) -> str:
    return f"{ROOTS[pattern.pattern_type]}/{pattern.resource_type.pascal_case}/{pattern.name}"


def encode_entries(entries: Iterable[AclEntry]) -> bytes:
    acls = [
        {
            "principal": str(entry.principal),
            "permissionType": entry.permission.pascal_case,
            "operation": entry.operation.pascal_case,
            "host": entry.host,
        }
        for entry in sorted(entries, key=str)
    ]
    return dump({"version": VERSION, "acls": acls})


def decode_entries(data: bytes) -> frozenset[AclEntry]:
    """AclEntry.fromBytes: no data is no entry."""
    if not data:
        return frozenset()
    what = "acls"
    document = load(what, data)
    if integer(what, document, "version") != VERSION:
        raise DocumentError(f"{what}: version {document['version']} is not known")
    try:
        return frozenset(
            AclEntry(
                KafkaPrincipal.parse(acl["principal"]),
                acl["host"],
                AclOperation.from_name(acl["operation"]),
                AclPermissionType.from_name(acl["permissionType"]),
            )
            for acl in document["acls"]
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DocumentError(f"{what}: not a list of entries: {data[:80]!r}") from error


def encode_change(pattern: ResourcePattern) -> bytes:
    if pattern.pattern_type is PatternType.LITERAL:
        return f"{pattern.resource_type.name}:{pattern.name}".encode()
    return dump(
        {
            "version": VERSION,
            "resourceType": pattern.resource_type.name,
            "name": pattern.name,
            "patternType": pattern.pattern_type.name,
        }
    )


def decode_literal_change(data: bytes) -> ResourcePattern:
    kind, separator, name = data.decode(errors="replace").partition(":")
    if not separator:
        raise DocumentError(f"acl change: expected a string in format ResourceType:ResourceName: {data!r}")
    return _changed("acl change", kind, name, PatternType.LITERAL)


def decode_extended_change(data: bytes) -> ResourcePattern:
    what = "extended acl change"
    event = load(what, data)
    if integer(what, event, "version") > VERSION:
        raise DocumentError(f"{what}: version {event['version']} is not known")
    pattern_type = PatternType.from_name(str(event.get("patternType")))
    return _changed(what, str(event.get("resourceType")), str(event.get("name")), pattern_type)


def _changed(what: str, kind: str, name: str, pattern_type: PatternType) -> ResourcePattern:
    """The type stands as TRANSACTIONAL_ID, in older clusters as TransactionalId."""
    resource_type = ResourceType.from_name(kind.replace("_", ""))
    if resource_type not in RESOURCE_TYPES or pattern_type not in ROOTS:
        raise DocumentError(f"{what}: {kind}:{name} of pattern type {pattern_type.name} is no resource")
    return ResourcePattern(resource_type, name, pattern_type)
