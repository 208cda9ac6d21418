# SPDX-License-Identifier: Apache-2.0
"""Whom a quota is for, and which of several holds (Kafka's ClientQuotaManager.DefaultQuotaCallback).

The most specific one holds, in this order:

1. /config/users/<user>/clients/<client-id>
2. /config/users/<user>/clients/<default>
3. /config/users/<user>
4. /config/users/<default>/clients/<client-id>
5. /config/users/<default>/clients/<default>
6. /config/users/<default>
7. /config/clients/<client-id>
8. /config/clients/<default>

Names are sanitized throughout, as they stand in ZooKeeper: a user may be called "<default>", and is
%3Cdefault%3E then.
"""

from __future__ import annotations

from commitlog.coordination.paths import DEFAULT_ENTITY

Entity = tuple[str | None, str | None]
"""(user, client id), sanitized or DEFAULT_ENTITY; None where the quota does not speak of it."""

Tags = tuple[str, str]
"""(user, client id) that share one limit; "" where all share it."""


def describe(entity: Entity) -> str:
    """As log lines name an entity: "user u client-id c"."""
    return " ".join(
        f"default {word}" if name == DEFAULT_ENTITY else f"{word} {name}"
        for word, name in zip(("user", "client-id"), entity, strict=True)
        if name is not None
    )


class QuotaLimits:
    """The limits of one kind of quota."""

    def __init__(self) -> None:
        self._limits: dict[Entity, float] = {}

    def __bool__(self) -> bool:
        return bool(self._limits)

    def get(self, entity: Entity) -> float | None:
        """The limit of exactly this entity."""
        return self._limits.get(entity)

    def put(self, entity: Entity, limit: float | None) -> None:
        """Set a limit, or take it away."""
        if limit is None:
            self._limits.pop(entity, None)
        else:
            self._limits[entity] = limit

    def find(self, user: str, client_id: str) -> tuple[Tags, float | None]:
        """With whom this client shares a limit, and the limit; None when there is none."""
        both, alone = (user, client_id), (user, "")
        candidates: tuple[tuple[Entity, Tags], ...] = (
            ((user, client_id), both),
            ((user, DEFAULT_ENTITY), both),
            ((user, None), alone),
            ((DEFAULT_ENTITY, client_id), both),
            ((DEFAULT_ENTITY, DEFAULT_ENTITY), both),
            ((DEFAULT_ENTITY, None), alone),
            ((None, client_id), ("", client_id)),
            ((None, DEFAULT_ENTITY), ("", client_id)),
        )
        for entity, tags in candidates:
            if entity[1] is not None and not client_id:
                # Quotas for client ids do not hold for whoever gives none.
                continue
            limit = self._limits.get(entity)
            if limit is not None:
                return tags, limit
        return ("", client_id), None
