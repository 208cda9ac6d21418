# SPDX-License-Identifier: GPL-3.0-or-later
"""ACLs, quotas, SCRAM credentials, dynamic settings and purges: the parts without I/O."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from ansible_collections.commitlog.kafka.plugins.module_utils._acl_plan import Acl, AclConflict, expand, plan_acls
from ansible_collections.commitlog.kafka.plugins.module_utils._purge import (
    PurgeRefused,
    refuse_protected,
    refuse_too_many,
    to_purge,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._quota_plan import (
    QuotaConflict,
    parse_entity,
    parse_quotas,
    plan_quotas,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._scram import (
    BadCredential,
    is_password_of,
    parse_credential,
    sanitized,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._settings_plan import plan_settings


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "state": "present",
        "principal": "User:bob",
        "permission": "allow",
        "operations": ["read"],
        "resource_type": "topic",
        "resource_name": "t",
        "pattern_type": "literal",
        "hosts": ["*"],
        **changes,
    }


def test_an_entry_means_one_acl_for_every_operation_and_host() -> None:
    present, absent = expand([entry(operations=["read", "write"], hosts=["a", "b"]), entry(state="absent", principal="User:eve")])
    assert (len(present), len(absent)) == (4, 1)
    assert str(min(absent)) == "User:eve may read topic t (literal) from *"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"principal": "bob"}, r"acls\[0\]\.principal: bob has no type"),
        ({"resource_name": None}, r"acls\[0\]\.resource_name: required for a topic"),
        ({"resource_type": "cluster", "resource_name": "x"}, "the cluster's name is kafka-cluster, not x"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AclConflict, match=message):
        expand([entry(**changes)])


def test_the_same_acl_cannot_be_there_and_not() -> None:
    with pytest.raises(AclConflict, match="both present and absent is 'User:bob may read topic t"):
        expand([entry(), entry(state="absent")])


def test_only_acls_in_reach_of_a_purge_go() -> None:
    acls = [Acl(f"User:{name}", "topic", "t", "literal", "read", "allow", "*") for name in ("bob", "eve", "admin")]
    plan = plan_acls(acls, {acls[0]}, set(), ["*"], ["User:adm*"])
    assert (plan.creations, plan.deletions) == ([], [acls[1]])
    assert plan_acls(acls, set(), {acls[2]}, [], ["User:adm*"]).deletions == [acls[2]]
    assert plan_acls(acls, set(), set(), ["User:bob"], []).deletions == [acls[0]]


def test_whose_quota_it_is_must_be_said_once() -> None:
    nobody = {"user": None, "client": None, "ip": None, "defaults": []}
    assert parse_entity({**nobody, "user": "bob", "defaults": ["client"]}) == {"user": "bob", "client-id": None}
    for params, message in [
        (nobody, "must be said"),
        ({**nobody, "user": "bob", "defaults": ["user"]}, "named as well, as bob"),
        ({**nobody, "user": "bob", "ip": "::1"}, "ip: the quota of an address"),
    ]:
        with pytest.raises(QuotaConflict, match=message):
            parse_entity(params)


@pytest.mark.parametrize("value", [0, -1, "many", "inf", "nan"])
def test_a_quota_is_a_positive_number(value: object) -> None:
    with pytest.raises(QuotaConflict, match=r"quotas\.producer_byte_rate"):
        parse_quotas({"producer_byte_rate": value}, {"user": "bob"})


def test_quotas_that_are_not_named_stay() -> None:
    to_set, to_remove, after = plan_quotas({"a": 1.0, "b": 2.0}, {"b": None, "c": 3.0, "d": None})
    assert (to_set, to_remove, after) == ({"c": 3.0}, ["b"], {"a": 1.0, "c": 3.0})


def credential(password: str, name: str = "sha256", iterations: int = 4096) -> str:
    salt = b"salt"
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations)
    stored = hashlib.new(name, hmac.new(salted, b"Client Key", name).digest()).digest()
    parts = {"salt": salt, "stored_key": stored, "server_key": b"unused"}
    encoded = [f"{key}={base64.b64encode(value).decode()}" for key, value in parts.items()]
    return ",".join([*encoded, f"iterations={iterations}"])


def test_a_password_is_known_by_the_hash_in_zookeeper() -> None:
    found = parse_credential(credential("sesame"))
    assert is_password_of("sesame", found, "SCRAM-SHA-256")
    assert not is_password_of("sesam", found, "SCRAM-SHA-256")
    assert not is_password_of("sesame", found, "SCRAM-SHA-512")


def test_a_damaged_hash_is_told_from_another_password() -> None:
    for text in ("", "salt=!,stored_key=x,iterations=4096", "salt=YQ==,stored_key=YQ=="):
        with pytest.raises(BadCredential):
            parse_credential(text)


def test_names_are_written_as_kafka_writes_them_in_paths() -> None:
    assert sanitized("CN=a b*,O=ä~") == "CN%3Da%20b%2A%2CO%3D%C3%A4%7E"


def test_secrets_are_set_where_there_are_none_and_never_shown() -> None:
    arguments: tuple[Any, ...] = ({"n.password": None, "a": "1"}, {"n.password": "x", "a": "1"}, {"a": "INT"}, {"n.password"})
    assert plan_settings(*arguments, False).empty
    plan = plan_settings(*arguments, True)
    assert plan.set_config == {"n.password": "x"}
    assert plan.shown == {"n.password": "(secret)"}
    assert plan.before != plan.after
    assert "x" not in plan.after.values()


def test_what_is_protected_or_kafkas_own_is_never_purged() -> None:
    existing = ["__consumer_offsets", "connect-a", "stray", "wanted"]
    assert to_purge(existing, {"wanted"}, ["connect-*"]) == ["stray"]
    with pytest.raises(PurgeRefused, match="__consumer_offsets, connect-a may not be deleted"):
        refuse_protected(existing, ["connect-*"])
    refuse_too_many(["a", "b"], 2)
    with pytest.raises(PurgeRefused, match="3 would be deleted and the limit is 2; nothing was changed"):
        refuse_too_many(["a", "b", "c"], 2)
