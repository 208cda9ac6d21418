# SPDX-License-Identifier: Apache-2.0
"""The authorizer's settings in server.properties: what they mean, and what is refused in one line."""

from __future__ import annotations

import pytest

from commitlog.config.broker import BrokerConfig
from commitlog.config.properties import ConfigError
from commitlog.security.authorizer_settings import AuthorizerSettings, authorizer_settings
from commitlog.security.principal import KafkaPrincipal

AUTHORIZER = {"authorizer.class.name": "kafka.security.authorizer.AclAuthorizer"}


def read(**settings: str) -> AuthorizerSettings | None:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    config = BrokerConfig.from_properties({"broker.id": "1", "zookeeper.connect": "z:2181"} | named)
    assert config.warnings == []
    return authorizer_settings(config)


def test_there_is_none_unless_it_is_named() -> None:
    assert read(super_users="User:admin") is None


def test_super_users_are_divided_by_semicolons() -> None:
    found = read(**AUTHORIZER, super_users="User:admin; User:CN=broker,O=a ;")
    assert found is not None
    users = {KafkaPrincipal("User", "admin"), KafkaPrincipal("User", "CN=broker,O=a")}
    assert found.super_users == users
    assert not found.allow_everyone_if_no_acl_found
    assert found.prefixed


def test_everyone_is_allowed_only_by_the_word() -> None:
    found = read(**AUTHORIZER, allow_everyone_if_no_acl_found="TRUE ")
    assert found is not None
    assert found.allow_everyone_if_no_acl_found


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"super_users": "admin"}, "super.users: expected a string in format principalType:principalName"),
        (
            {"allow_everyone_if_no_acl_found": "yes"},
            "allow.everyone.if.no.acl.found=yes must be true or false",
        ),
        ({"authorizer_zookeeper_url": "other:2181"}, "authorizer.zookeeper.url=other:2181 is not supported"),
    ],
)
def test_what_is_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(**AUTHORIZER, **settings)
    assert str(refused.value).startswith("config/server.properties: " + message)
