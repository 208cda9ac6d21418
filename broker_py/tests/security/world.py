# SPDX-License-Identifier: Apache-2.0
"""Authorizers of several brokers over one ensemble in memory, and ACLs in few words."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
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
from commitlog.security.authorizer import AclAuthorizer
from commitlog.security.authorizer_settings import AuthorizerSettings
from commitlog.security.principal import KafkaPrincipal

ALICE = KafkaPrincipal("User", "alice")
HOST = "10.0.0.1"


def settings(
    *super_users: KafkaPrincipal, everyone: bool = False, prefixed: bool = True
) -> AuthorizerSettings:
    return AuthorizerSettings(frozenset(super_users), everyone, prefixed)


def acl(text: str) -> AclBinding:
    """ "allow User:alice READ TOPIC:orders", a name that ends in ** is a prefix, "from host" may follow."""
    permission, principal, operation, resource, *rest = text.split()
    kind, _, name = resource.partition(":")
    prefixed = name.endswith("**")
    return AclBinding(
        ResourcePattern(
            ResourceType[kind],
            name.removesuffix("**"),
            PatternType.PREFIXED if prefixed else PatternType.LITERAL,
        ),
        AclEntry(
            KafkaPrincipal.parse(principal),
            rest[1] if rest else "*",
            AclOperation[operation],
            AclPermissionType[permission.upper()],
        ),
    )


def everything(
    kind: ResourceType = ResourceType.ANY,
    name: str | None = None,
    pattern_type: PatternType = PatternType.ANY,
    principal: str | None = None,
) -> AclFilter:
    return AclFilter(kind, name, pattern_type, principal, None, AclOperation.ANY, AclPermissionType.ANY)


class World:
    def __init__(self) -> None:
        self.ensemble = MemoryEnsemble()
        self.now_ms = 0
        self._started: list[AclAuthorizer] = []

    async def client(self, name: str = "tool") -> MemoryCoordination:
        client = self.ensemble.client(name)
        await client.start()
        return client

    async def authorizer(
        self, chosen: AuthorizerSettings | None = None, client: MemoryCoordination | None = None
    ) -> AclAuthorizer:
        made = AclAuthorizer(
            client or await self.client(f"broker-{len(self._started)}"),
            chosen or settings(),
            now_ms=lambda: self.now_ms,
            rng=random.Random(1),
        )
        self._started.append(made)
        await made.start()
        return made

    async def holding(self, *acls: str, everyone: bool = False) -> AclAuthorizer:
        made = await self.authorizer(settings(everyone=everyone))
        assert await made.create_acls([acl(one) for one in acls]) == [None] * len(acls)
        return made

    async def stop(self) -> None:
        for one in self._started:
            await one.stop()


def run(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        world = World()
        try:
            await asyncio.wait_for(test(world), 20)
        finally:
            await world.stop()

    asyncio.run(whole())


def may(
    authorizer: AclAuthorizer,
    operation: str,
    resource: str,
    *,
    who: KafkaPrincipal = ALICE,
    host: str = HOST,
) -> bool:
    kind, _, name = resource.partition(":")
    return authorizer.authorize(who, host, AclOperation[operation], ResourceType[kind], name)
