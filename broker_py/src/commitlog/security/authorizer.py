# SPDX-License-Identifier: Apache-2.0
"""Who may do what (kafka.security.authorizer.AclAuthorizer).

Super users may do everything. Else a deny that holds for the resource, from whatever pattern, wins over every
allow; without an allow the answer is no. A resource that no pattern speaks of is open to all only with
allow.everyone.if.no.acl.found. Read, Write, Delete and Alter imply Describe, AlterConfigs implies
DescribeConfigs; a deny implies nothing.

The ACLs live in ZooKeeper (``acl_store.py``); every broker keeps all of them in memory and reads a pattern
again when a change notification names it. Changes are made under the condition that nobody else made one
meanwhile, and tried again when somebody did.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from commitlog.coordination import paths
from commitlog.coordination.change_notifications import ChangeNotifications
from commitlog.coordination.client import Coordination
from commitlog.security.acl import (
    SUPPORTED_OPERATIONS,
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
    printable,
)
from commitlog.security.acl_cache import AclCache
from commitlog.security.acl_store import (
    NO_VERSION,
    AclStore,
    VersionedAcls,
    decode_extended_change,
    decode_literal_change,
)
from commitlog.security.authorizer_settings import AuthorizerSettings
from commitlog.security.principal import KafkaPrincipal

log = logging.getLogger("kafka.authorizer.logger")
update_log = logging.getLogger("commitlog.security.authorizer")

TRACE = 5
MAX_UPDATE_RETRIES = 10
RETRY_BACKOFF_MS = 100
RETRY_BACKOFF_JITTER_MS = 50
HOSTS_REMEMBERED = 4096
ANSWERS_REMEMBERED = 8192
LONGEST_NAME_REMEMBERED = 249
"""A topic's longest name. Longer ones are asked afresh each time: what is remembered must not grow with what
a peer sends."""

_IMPLIED_BY = {
    AclOperation.DESCRIBE: (
        AclOperation.DESCRIBE,
        AclOperation.READ,
        AclOperation.WRITE,
        AclOperation.DELETE,
        AclOperation.ALTER,
    ),
    AclOperation.DESCRIBE_CONFIGS: (AclOperation.DESCRIBE_CONFIGS, AclOperation.ALTER_CONFIGS),
}


_Question = tuple[KafkaPrincipal, str, AclOperation, ResourceType, str]


class InvalidBinding(Exception):
    """A binding that cannot be kept: an element is not known, or no znode can have the name."""


class UpdateFailed(Exception):
    """Somebody else changed the same pattern each time when this broker was about to."""


@lru_cache(maxsize=HOSTS_REMEMBERED)
def host_address(host: str) -> str:
    """An address as Java's InetAddress.getHostAddress writes it, which is how ACLs name hosts."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    value = int(address)
    groups = ":".join(f"{value >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))
    return f"{groups}%{address.scope_id}" if address.scope_id else groups


class AclAuthorizer:
    """``start`` before the first question; questions are answered from memory."""

    def __init__(
        self,
        coordination: Coordination,
        settings: AuthorizerSettings,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
    ) -> None:
        self._store = AclStore(coordination)
        self._cache = AclCache()
        self._answers: dict[_Question, bool] = {}
        self._super_users = settings.super_users
        self._allow_if_no_acl = settings.allow_everyone_if_no_acl_found
        self._prefixed = settings.prefixed
        self._rng = rng
        self._lock = asyncio.Lock()
        self._changes = [
            ChangeNotifications(coordination, root, paths.ACL_CHANGE_PREFIX, handler, now_ms)
            for root, handler in (
                (paths.ACL_CHANGES, self._literal_changed),
                (paths.EXTENDED_ACL_CHANGES, self._extended_changed),
            )
        ]

    async def start(self) -> None:
        """Listen first, then load, so that no change is lost between the two."""
        await self._store.create_paths()
        for changes in self._changes:
            await changes.start()
        async with self._lock:
            async for pattern, acls in self._store.load_all():
                self._remember(pattern, acls)

    async def stop(self) -> None:
        for changes in self._changes:
            await changes.stop()

    # questions

    def authorize(
        self,
        principal: KafkaPrincipal,
        host: str,
        operation: AclOperation,
        resource_type: ResourceType,
        name: str,
        *,
        request: str = "",
        log_if_allowed: bool = True,
        log_if_denied: bool = True,
        count: int = 1,
    ) -> bool:
        """Whether the principal may; ``request`` and ``count`` (how often the request names the resource) are
        for the log line."""
        host = host_address(host)
        allowed = self._is_super_user(principal) or self._acls_allow(
            principal, host, operation, resource_type, name
        )
        level = _level(allowed, log_if_allowed, log_if_denied)
        if log.isEnabledFor(level):
            resource = f"{resource_type.pascal_case}:LITERAL:{name}"
            _audit(level, allowed, principal, host, operation, resource, request, count)
        return allowed

    def authorized_operations(
        self, principal: KafkaPrincipal, host: str, resource_type: ResourceType, name: str, request: str = ""
    ) -> int:
        """The bit field of all operations that the principal may do on the resource."""
        return sum(
            1 << operation
            for operation in SUPPORTED_OPERATIONS[resource_type]
            if self.authorize(
                principal,
                host,
                operation,
                resource_type,
                name,
                request=request,
                log_if_allowed=False,
                log_if_denied=False,
            )
        )

    def authorize_by_resource_type(
        self,
        principal: KafkaPrincipal,
        host: str,
        operation: AclOperation,
        resource_type: ResourceType,
        *,
        request: str = "",
    ) -> bool:
        """Whether there is any resource of the type on which the principal may do this."""
        if self._is_super_user(principal):
            return True
        host = host_address(host)
        allowed = self._any_allowed(principal, host, operation, resource_type)
        level = _level(allowed, True, True)
        if log.isEnabledFor(level):
            resource = f"{resource_type.pascal_case}:UNKNOWN:NONE"
            _audit(level, allowed, principal, host, operation, resource, request, 0)
        return allowed

    def _is_super_user(self, principal: KafkaPrincipal) -> bool:
        if principal not in self._super_users:
            return False
        log.debug(
            "principal = %s is a super user, allowing operation without checking acls.",
            printable(str(principal)),
        )
        return True

    def _acls_allow(
        self,
        principal: KafkaPrincipal,
        host: str,
        operation: AclOperation,
        resource_type: ResourceType,
        name: str,
    ) -> bool:
        question = (principal, host, operation, resource_type, name)
        known = self._answers.get(question)
        if known is not None and not log.isEnabledFor(logging.DEBUG):
            return known
        acls = self._cache.matching(resource_type, name)
        if not acls:
            answer = self._allow_if_no_acl
            if log.isEnabledFor(logging.DEBUG):
                resource = ResourcePattern(resource_type, name)
                log.debug("No acl found for resource %s, authorized = %s", resource, answer)
        else:
            entry = _decide(acls, principal, host, operation)
            answer = entry is not None and entry.permission is AclPermissionType.ALLOW
            if entry is not None and log.isEnabledFor(logging.DEBUG):
                log.debug(
                    "operation = %s on resource = %s from host = %s is %s based on acl = %s",
                    operation.name,
                    ResourcePattern(resource_type, name),
                    host,
                    entry.permission.name,
                    entry,
                )
        if len(name) <= LONGEST_NAME_REMEMBERED:
            if len(self._answers) >= ANSWERS_REMEMBERED:
                self._answers.clear()
            self._answers[question] = answer
        return answer

    def _any_allowed(
        self, principal: KafkaPrincipal, host: str, operation: AclOperation, resource_type: ResourceType
    ) -> bool:
        def names(permission: AclPermissionType, pattern_type: PatternType) -> set[str]:
            return self._cache.names(principal, host, operation, permission, resource_type, pattern_type)

        denied = names(AclPermissionType.DENY, PatternType.LITERAL)
        if WILDCARD_RESOURCE in denied:
            return False
        if self._allow_if_no_acl:
            return True
        denied_prefixes = names(AclPermissionType.DENY, PatternType.PREFIXED)

        def under_denied_prefix(name: str) -> bool:
            return any(name[:length] in denied_prefixes for length in range(1, len(name) + 1))

        if any(not under_denied_prefix(one) for one in names(AclPermissionType.ALLOW, PatternType.PREFIXED)):
            return True
        return any(
            one == WILDCARD_RESOURCE or (one not in denied and not under_denied_prefix(one))
            for one in names(AclPermissionType.ALLOW, PatternType.LITERAL)
        )

    # what there is, and changes of it

    def acls(self, acl_filter: AclFilter) -> list[AclBinding]:
        """The bindings that a filter finds, those not yet read from ZooKeeper left out."""
        return list(self._cache.bindings(acl_filter))

    async def create_acls(self, bindings: Sequence[AclBinding]) -> list[Exception | None]:
        """Add the bindings, those of one pattern in one write; per binding what went wrong."""
        results: list[Exception | None] = [self._invalid(binding) for binding in bindings]
        by_pattern: dict[ResourcePattern, list[int]] = {}
        for index, binding in enumerate(bindings):
            if results[index] is None:
                by_pattern.setdefault(binding.pattern, []).append(index)
        async with self._lock:
            for pattern, indexes in by_pattern.items():
                added = frozenset(bindings[index].entry for index in indexes)
                try:
                    await self._update(pattern, added.union)
                except Exception as error:
                    update_log.error("ACLs of %s could not be changed: %s", pattern, error)
                    for index in indexes:
                        results[index] = error
        return results

    async def delete_acls(
        self, filters: Sequence[AclFilter]
    ) -> list[list[tuple[AclBinding, Exception | None]]]:
        """Remove what the filters find; per filter the bindings removed (each told once, at the first filter
        that finds it), with what went wrong."""
        results: list[list[tuple[AclBinding, Exception | None]]] = [[] for _ in filters]
        async with self._lock:
            named = [pattern for one in filters for pattern in one.patterns_named()]
            for pattern in dict.fromkeys([*self._cache.patterns(), *named]):
                matching = [(index, one) for index, one in enumerate(filters) if one.matches_pattern(pattern)]
                if matching:
                    await self._delete(pattern, matching, results)
        return results

    async def _delete(
        self,
        pattern: ResourcePattern,
        matching: Sequence[tuple[int, AclFilter]],
        results: list[list[tuple[AclBinding, Exception | None]]],
    ) -> None:
        found: dict[AclEntry, int] = {}
        failure: Exception | None = None

        def without_matching(entries: frozenset[AclEntry]) -> frozenset[AclEntry]:
            removed = set()
            found.clear()
            for entry in entries:
                index = next((at for at, one in matching if one.matches_entry(entry)), None)
                if index is not None:
                    removed.add(entry)
                    found[entry] = index
            return entries - removed

        try:
            await self._update(pattern, without_matching)
        except Exception as error:
            update_log.error("ACLs of %s could not be changed: %s", pattern, error)
            failure = error
        for entry, index in found.items():
            results[index].append((AclBinding(pattern, entry), failure))

    def _invalid(self, binding: AclBinding) -> InvalidBinding | None:
        pattern, entry = binding.pattern, binding.entry
        unknown = 0 in (pattern.resource_type, pattern.pattern_type, entry.operation, entry.permission)
        unserved = pattern.pattern_type is PatternType.PREFIXED and not self._prefixed
        if unknown or unserved or "/" in pattern.name:
            return InvalidBinding("Failed to create ACL")
        return None

    async def _update(
        self,
        pattern: ResourcePattern,
        new_entries: Callable[[frozenset[AclEntry]], frozenset[AclEntry]],
    ) -> None:
        """Write what becomes of a pattern's entries, on the version that they were read at."""
        current = self._cache.get(pattern) if pattern in self._cache else await self._store.read(pattern)
        for _ in range(MAX_UPDATE_RETRIES + 1):
            entries = new_entries(current.entries)
            if not entries:
                version = await self._store.delete(pattern, current.version)
            elif current.version == NO_VERSION:
                version = await self._store.create(pattern, entries)
            else:
                version = await self._store.set(pattern, entries, current.version)
            if version is not None:
                break
            backoff_ms = RETRY_BACKOFF_MS + self._rng.randrange(RETRY_BACKOFF_JITTER_MS)
            await asyncio.sleep(backoff_ms / 1000)
            current = await self._store.read(pattern)
        else:
            raise UpdateFailed(
                f"Failed to update ACLs for {pattern} after trying a maximum of {MAX_UPDATE_RETRIES} times"
            )
        self._remember(pattern, VersionedAcls(entries, version))
        if entries != current.entries:
            update_log.info("Updated ACLs for %s with new version %d", pattern, version)
            await self._store.tell(pattern)

    async def _literal_changed(self, data: bytes) -> None:
        await self._changed(decode_literal_change(data))

    async def _extended_changed(self, data: bytes) -> None:
        await self._changed(decode_extended_change(data))

    async def _changed(self, pattern: ResourcePattern) -> None:
        async with self._lock:
            acls = await self._store.read(pattern)
            update_log.info(
                "Processing Acl change notification for %s, versionedAcls : {%s}, zkVersion : %d",
                pattern,
                ", ".join(sorted(map(str, acls.entries))),
                acls.version,
            )
            self._remember(pattern, acls)

    def _remember(self, pattern: ResourcePattern, acls: VersionedAcls) -> None:
        """Answers that were given under other ACLs are forgotten in the same turn of the loop."""
        self._cache.update(pattern, acls)
        self._answers.clear()


def _decide(
    acls: Sequence[frozenset[AclEntry]], principal: KafkaPrincipal, host: str, operation: AclOperation
) -> AclEntry | None:
    """The entry that decides: a deny for the operation, else an allow for it or for what implies it."""
    implying = _IMPLIED_BY.get(operation, (operation,))
    found = None
    for entries in acls:
        for entry in entries:
            if entry.principal not in (principal, WILDCARD_PRINCIPAL) or entry.host not in (
                host,
                WILDCARD_HOST,
            ):
                continue
            asked = entry.operation
            if entry.permission is AclPermissionType.DENY:
                if asked is operation or asked is AclOperation.ALL:
                    return entry
            elif entry.permission is AclPermissionType.ALLOW and (
                asked in implying or asked is AclOperation.ALL
            ):
                found = entry
    return found


def _level(allowed: bool, log_if_allowed: bool, log_if_denied: bool) -> int:
    """A denied attempt is worth a line; whatever only filters or describes is not."""
    if allowed:
        return logging.DEBUG if log_if_allowed else TRACE
    return logging.INFO if log_if_denied else TRACE


def _audit(
    level: int,
    allowed: bool,
    principal: KafkaPrincipal,
    host: str,
    operation: AclOperation,
    resource: str,
    request: str,
    count: int,
) -> None:
    log.log(
        level,
        "Principal = %s is %s Operation = %s from host = %s on resource = %s for request = %s with "
        "resourceRefCount = %d",
        printable(str(principal)),
        "Allowed" if allowed else "Denied",
        operation.pascal_case,
        host,
        printable(resource),
        request,
        count,
    )
