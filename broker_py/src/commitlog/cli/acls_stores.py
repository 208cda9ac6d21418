# SPDX-License-Identifier: Apache-2.0
"""Where kafka-acls.sh finds and changes ACLs: at the brokers, or in ZooKeeper as the brokers' authorizer
does."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from commitlog.cli.admin import Admin, check, connected
from commitlog.cli.jopt import Parsed
from commitlog.cli.topics_errors import ToolError
from commitlog.security.acl import (
    AclBinding,
    AclEntry,
    AclFilter,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from commitlog.security.principal import KafkaPrincipal
from commitlog.wire.messages.create_acls_request import AclCreation, CreateAclsRequest
from commitlog.wire.messages.delete_acls_request import DeleteAclsFilter, DeleteAclsRequest
from commitlog.wire.messages.describe_acls_request import DescribeAclsRequest

CONNECTION_TIMEOUT_MS = 30_000
AUTHORIZERS = ("kafka.security.authorizer.AclAuthorizer", "kafka.security.auth.SimpleAclAuthorizer")


class Acls(Protocol):
    """What the command needs; a pattern None stands for all resources."""

    async def add(self, pattern: ResourcePattern, entries: Sequence[AclEntry]) -> None: ...

    async def remove(self, pattern: ResourcePattern, entries: Sequence[AclEntry]) -> None: ...

    async def find(self, pattern: ResourcePattern | None) -> list[AclBinding]: ...


@asynccontextmanager
async def open_acls(parsed: Parsed) -> AsyncIterator[Acls]:
    bootstrap = parsed.only("bootstrap-server")
    if bootstrap is not None:
        async with connected(bootstrap, parsed.only("command-config") or None) as admin:
            yield BrokerAcls(admin)
    else:
        async with _authorizer(parsed) as acls:
            yield acls


class BrokerAcls:
    """By DescribeAcls, CreateAcls and DeleteAcls; a broker passes changes on to the controller where it
    must."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    async def add(self, pattern: ResourcePattern, entries: Sequence[AclEntry]) -> None:
        creations = [
            AclCreation(
                resource_type=pattern.resource_type,
                resource_name=pattern.name,
                resource_pattern_type=pattern.pattern_type,
                principal=str(entry.principal),
                host=entry.host,
                operation=entry.operation,
                permission_type=entry.permission,
            )
            for entry in entries
        ]
        response = await self._admin.ask(CreateAclsRequest(creations=creations))
        for result in response.results:
            check(result.error_code, result.error_message)

    async def remove(self, pattern: ResourcePattern, entries: Sequence[AclEntry]) -> None:
        filters = [
            DeleteAclsFilter(
                resource_type_filter=one.resource_type,
                resource_name_filter=one.name,
                pattern_type_filter=one.pattern_type,
                principal_filter=one.principal,
                host_filter=one.host,
                operation=one.operation,
                permission_type=one.permission,
            )
            for one in _filters(pattern, entries)
        ]
        response = await self._admin.ask(DeleteAclsRequest(filters=filters))
        for result in response.filter_results:
            check(result.error_code, result.error_message)
            for removed in result.matching_acls:
                check(removed.error_code, removed.error_message)

    async def find(self, pattern: ResourcePattern | None) -> list[AclBinding]:
        one = _filter(pattern)
        request = DescribeAclsRequest(
            resource_type_filter=one.resource_type,
            resource_name_filter=one.name,
            pattern_type_filter=one.pattern_type,
            principal_filter=None,
            host_filter=None,
            operation=one.operation,
            permission_type=one.permission,
        )
        response = await self._admin.ask(request)
        check(response.error_code, response.error_message)
        return [
            AclBinding(
                ResourcePattern(
                    ResourceType.from_code(resource.resource_type),
                    resource.resource_name,
                    PatternType.from_code(resource.pattern_type),
                ),
                AclEntry(
                    KafkaPrincipal.parse(acl.principal),
                    acl.host,
                    AclOperation.from_code(acl.operation),
                    AclPermissionType.from_code(acl.permission_type),
                ),
            )
            for resource in response.resources
            for acl in resource.acls
        ]


def _filter(pattern: ResourcePattern | None, entry: AclEntry | None = None) -> AclFilter:
    return AclFilter(
        ResourceType.ANY if pattern is None else pattern.resource_type,
        None if pattern is None else pattern.name,
        PatternType.ANY if pattern is None else pattern.pattern_type,
        None if entry is None else str(entry.principal),
        None if entry is None else entry.host,
        AclOperation.ANY if entry is None else entry.operation,
        AclPermissionType.ANY if entry is None else entry.permission,
    )


def _filters(pattern: ResourcePattern, entries: Sequence[AclEntry]) -> list[AclFilter]:
    return [_filter(pattern, entry) for entry in entries] or [_filter(pattern)]


@asynccontextmanager
async def _authorizer(parsed: Parsed) -> AsyncIterator[Acls]:
    """The brokers' own authorizer, over the ZooKeeper that --authorizer-properties names."""
    from commitlog.coordination.client import CoordinationTimeout
    from commitlog.coordination.kazoo_client import KazooCoordination
    from commitlog.coordination.kazoo_words import unresolvable_hosts
    from commitlog.security.authorizer import AclAuthorizer
    from commitlog.security.authorizer_settings import AuthorizerSettings
    from commitlog.security.zookeeper import zookeeper_security

    connect, settings_given = _authorizer_properties(parsed)
    unknown = unresolvable_hosts(connect)
    if unknown:
        raise CoordinationTimeout(
            f"Unable to connect to ZooKeeper at {connect}: unknown host {', '.join(unknown)}"
        )
    coordination = KazooCoordination(
        connect,
        session_timeout_ms=CONNECTION_TIMEOUT_MS,
        create_chroot=False,
        security=zookeeper_security(settings_given.get, parsed.only("zk-tls-config-file")),
    )
    await coordination.start()
    try:
        settings = AuthorizerSettings(frozenset(), allow_everyone_if_no_acl_found=False, prefixed=True)
        authorizer = AclAuthorizer(
            coordination, settings, now_ms=lambda: int(time.time() * 1000), rng=random.Random()
        )
        await authorizer.start()
        try:
            yield ZookeeperAcls(authorizer)
        finally:
            await authorizer.stop()
    finally:
        await coordination.close()


def _authorizer_properties(parsed: Parsed) -> tuple[str, Mapping[str, str]]:
    """Where the ensemble is, and how it is spoken to: settings with or without "authorizer." before them."""
    from commitlog.config import properties

    name = parsed.only("authorizer") or AUTHORIZERS[0]
    if name not in AUTHORIZERS:
        raise ToolError(f"--authorizer {name}: only {AUTHORIZERS[0]} can be used here")
    settings: dict[str, str] = {}
    for text in parsed.all("authorizer-properties"):
        key, _, value = text.partition("=")
        if not value:
            raise ToolError(f"Missing value for key {key}}}")
        settings[key] = value
    path = parsed.only("zk-tls-config-file")
    if path is not None:
        found = properties.load(path)
        settings |= {key.removeprefix("authorizer."): value for key, value in found.items()}
    connect = settings.get("authorizer.zookeeper.url") or settings.get("zookeeper.connect")
    if not connect:
        raise ToolError("--authorizer-properties must name the ensemble: zookeeper.connect=host:port")
    return connect, settings


class ZookeeperAcls:
    """What an authorizer can do; a failure of one of several is said, and the others go on."""

    def __init__(self, authorizer: object) -> None:
        from commitlog.security.authorizer import AclAuthorizer

        assert isinstance(authorizer, AclAuthorizer)
        self._authorizer = authorizer

    async def add(self, pattern: ResourcePattern, entries: Sequence[AclEntry]) -> None:
        for failure in await self._authorizer.create_acls([AclBinding(pattern, entry) for entry in entries]):
            if failure is not None:
                print(f"Error while adding ACLs: {failure}")

    async def remove(self, pattern: ResourcePattern, entries: Sequence[AclEntry]) -> None:
        for found in await self._authorizer.delete_acls(_filters(pattern, entries)):
            for _, failure in found:
                if failure is not None:
                    print(f"Error while removing ACLs: {failure}")

    async def find(self, pattern: ResourcePattern | None) -> list[AclBinding]:
        return self._authorizer.acls(_filter(pattern))
