# SPDX-License-Identifier: Apache-2.0
"""The authorizer's own settings, which stand among the broker's in server.properties
(AclAuthorizer.configure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from commitlog.config.properties import ConfigError
from commitlog.security.principal import KafkaPrincipal

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig

SUPER_USERS = "super.users"
ALLOW_EVERYONE = "allow.everyone.if.no.acl.found"
OWN_ZOOKEEPER = "authorizer.zookeeper.url"
FIRST_PREFIXED = "2.0-IV1"


@dataclass(frozen=True, slots=True)
class AuthorizerSettings:
    super_users: frozenset[KafkaPrincipal]
    allow_everyone_if_no_acl_found: bool
    prefixed: bool
    """Whether all brokers of the cluster read prefixed ACLs (inter.broker.protocol.version >= 2.0-IV1)."""


def authorizer_settings(config: BrokerConfig) -> AuthorizerSettings | None:
    """None without authorizer.class.name; ConfigError for a value that cannot be used."""
    if not config.authorizer_class_name:
        return None
    settings = config.static_properties
    try:
        users = frozenset(
            KafkaPrincipal.parse(one.strip())
            for one in settings.get(SUPER_USERS, "").split(";")
            if one.strip()
        )
    except ValueError as error:
        raise ConfigError(f"{SUPER_USERS}: {error}", source=config.source, name=SUPER_USERS) from None
    allow = settings.get(ALLOW_EVERYONE, "false").strip().lower()
    if allow not in ("true", "false"):
        raise ConfigError(
            f"{ALLOW_EVERYONE}={allow} must be true or false", source=config.source, name=ALLOW_EVERYONE
        )
    own = settings.get(OWN_ZOOKEEPER, config.zookeeper_connect)
    if own != config.zookeeper_connect:
        raise ConfigError(
            f"{OWN_ZOOKEEPER}={own} is not supported: this broker keeps ACLs in zookeeper.connect",
            source=config.source,
            name=OWN_ZOOKEEPER,
        )
    return AuthorizerSettings(users, allow == "true", config.ibp_at_least(FIRST_PREFIXED))
