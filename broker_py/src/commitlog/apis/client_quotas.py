# SPDX-License-Identifier: Apache-2.0
"""Whom a quota API speaks of, and what may be set (ZkAdminManager.describeClientQuotas and
alterClientQuotas).

An entity is a user, a client id, both, or an IP; a name of None is the default of its type.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from commitlog.config.definitions import format_double
from commitlog.coordination.paths import DEFAULT_ENTITY, desanitize, sanitize
from commitlog.security.client_quotas import CLIENT_QUOTAS, IP_QUOTA, WHOLE_NUMBERS
from commitlog.wire.errors import ErrorCode, KafkaError

USER, CLIENT_ID, IP = "user", "client-id", "ip"
_EPSILON = 1e-6
_LIMITS = {"LONG": 2**63 - 1, "INT": 2**31 - 1}

Names = dict[str, str | None]
"""Entity type → name, None for the default."""


class MatchType(IntEnum):
    """How a component of a filter matches names (DescribeClientQuotasRequest)."""

    EXACT = 0
    DEFAULT = 1
    SPECIFIED = 2


@dataclass(frozen=True, slots=True)
class Component:
    """One component of a filter: a name, None for the default, or any name."""

    name: str | None
    any_name: bool

    def matches(self, names: Names, entity_type: str) -> bool:
        return entity_type in names and (self.any_name or names[entity_type] == self.name)


class _Op(Protocol):
    key: str
    value: float
    remove: bool


def to_path(name: str | None) -> str:
    """The name as it stands in ZooKeeper."""
    return DEFAULT_ENTITY if name is None else sanitize(name)


def from_path(name: str) -> str | None:
    return None if name == DEFAULT_ENTITY else desanitize(name)


def bad_request(text: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, text)


async def config_path(names: Names) -> tuple[str, str]:
    """(config type, sanitized entity) of the entity's znode; raises KafkaError(INVALID_REQUEST)."""
    if not names:
        raise bad_request("Invalid empty client quota entity")
    for entity_type, name in names.items():
        if entity_type not in (USER, CLIENT_ID, IP):
            raise bad_request(f"Unhandled client quota entity type: {entity_type}")
        if name == "":
            raise bad_request(f"Empty {entity_type} not supported")
    if IP in names:
        if len(names) > 1:
            raise bad_request(
                "Invalid quota entity combination, IP entity should not be used with user/client ID entity."
            )
        name = names[IP]
        if name is not None and not await _resolves(name):
            raise bad_request(f"{to_path(name)} is not a valid IP or resolvable host.")
        return "ips", to_path(name)
    if USER in names and CLIENT_ID in names:
        return "users", f"{to_path(names[USER])}/clients/{to_path(names[CLIENT_ID])}"
    if USER in names:
        return "users", to_path(names[USER])
    return "clients", to_path(names[CLIENT_ID])


async def _resolves(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        try:
            await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:
            return False
    return True


def edited(config_type: str, now: Mapping[str, str], ops: Iterable[_Op]) -> dict[str, str]:
    """The overrides after the ops; raises KafkaError(INVALID_REQUEST)."""
    known = (IP_QUOTA,) if config_type == "ips" else CLIENT_QUOTAS
    wanted = dict(now)
    for op in ops:
        if op.remove:
            wanted.pop(op.key, None)
            continue
        if op.key not in known:
            raise bad_request(f"Invalid configuration key {op.key}")
        wanted[op.key] = _text(op.key, op.value)
    return wanted


def _text(key: str, value: float) -> str:
    """The value as ZooKeeper has it; byte rates and connection rates are whole numbers."""
    kind = "LONG" if key in WHOLE_NUMBERS else "INT" if key == IP_QUOTA else None
    if kind is None:
        return format_double(value)
    # As a cast does it in Java: NaN is 0, and what is too large is the largest.
    limit = _LIMITS[kind]
    whole = 0 if value != value else int(max(-limit - 1, min(limit, value + _EPSILON)))
    if abs(whole - value) > _EPSILON:
        raise bad_request(f"Configuration {key} must be a {kind} value")
    return str(whole)
