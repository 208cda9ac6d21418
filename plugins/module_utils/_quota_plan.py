# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas as they are and as they are wanted. No I/O."""

from __future__ import annotations

import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ModuleFailure

# The options that name an entity, and Kafka's names for what they name.
ENTITY_TYPES = {"user": "user", "client": "client-id", "ip": "ip"}
CLIENT_QUOTAS = ("consumer_byte_rate", "controller_mutation_rate", "producer_byte_rate", "request_percentage")
IP_QUOTAS = ("connection_creation_rate",)

Entity = t.Dict[str, t.Optional[str]]
Quotas = t.Dict[str, float]


class QuotaConflict(ModuleFailure):
    """The quota cannot be; the text says why."""


def parse_entity(params: dict[str, t.Any]) -> Entity:
    """Whose quota it is, by Kafka's entity types; None stands for the default. Raises QuotaConflict."""
    entity: Entity = {}
    for option, kind in ENTITY_TYPES.items():
        if option in params["defaults"] and params[option] is not None:
            raise QuotaConflict("defaults: {0} is named as well, as {1}".format(option, params[option]))
        if option in params["defaults"]:
            entity[kind] = None
        elif params[option] is not None:
            entity[kind] = params[option]
    if not entity:
        raise QuotaConflict("whose quota it is must be said by user, client, ip or defaults")
    if "ip" in entity and len(entity) > 1:
        raise QuotaConflict("ip: the quota of an address cannot be one of a user or client as well")
    return entity


def parse_quotas(raw: dict[t.Any, t.Any], entity: Entity) -> dict[str, t.Optional[float]]:
    """The quotas option with numbers for its values. Raises QuotaConflict, naming the quota."""
    known = IP_QUOTAS if "ip" in entity else CLIENT_QUOTAS
    wanted: dict[str, t.Optional[float]] = {}
    for name, value in raw.items():
        if name not in known:
            raise QuotaConflict("quotas.{0}: unknown; there are {1}".format(name, ", ".join(known)))
        try:
            wanted[name] = None if value is None else float(value)
        except (TypeError, ValueError) as error:
            raise QuotaConflict("quotas.{0}: {1} is not a number".format(name, value)) from error
        if wanted[name] is not None and not 0 < float(value) < float("inf"):
            raise QuotaConflict("quotas.{0}: {1} is not a positive number; null removes the quota".format(name, value))
    return wanted


def plan_quotas(current: Quotas, wanted: dict[str, t.Optional[float]]) -> tuple[Quotas, list[str], Quotas]:
    """What to set, what to remove, and the quotas afterwards."""
    to_set = {name: value for name, value in sorted(wanted.items()) if value is not None and current.get(name) != value}
    to_remove = sorted(name for name, value in wanted.items() if value is None and name in current)
    after = {name: value for name, value in {**current, **to_set}.items() if name not in to_remove}
    return to_set, to_remove, dict(sorted(after.items()))
