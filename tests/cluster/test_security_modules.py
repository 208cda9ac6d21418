# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, ACLs, quotas and tokens: idempotent, foreseen by check mode, and without a secret in what they return."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from modules import Modules

SECURED = True


@pytest.fixture
def alice(modules: Modules) -> dict[str, Any]:
    """The connection of somebody who may do everything."""
    return {
        "bootstrap_servers": [modules.sasl],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "alice",
        "sasl_password": "alice-secret",
    }


def test_a_user_is_made_and_its_password_changed_once(modules: Modules, alice: dict[str, Any]) -> None:
    if modules.kind == "jvm":
        pytest.skip("of a login that Apache Kafka refuses kafka-python tells only that the connection ended")
    both = {"name": "bob with space", "mechanisms": ["SCRAM-SHA-256", "SCRAM-SHA-512"]}
    made = modules.changes("user", **both, password="sesame", **alice)
    assert made["after"]["mechanisms"] == {"SCRAM-SHA-256": 4096, "SCRAM-SHA-512": 4096}
    assert modules.changes("user", **both, password="mushroom", **alice)["password_set"] == both["mechanisms"]
    assert "mushroom" not in json.dumps(modules("user", **both, password="mushroom", **alice))
    in_zookeeper = {"zookeeper_connect": modules.zookeeper}
    assert not modules("user", **both, password="mushroom", **in_zookeeper)["changed"]
    modules.changes("user", **both, password="sesame", **in_zookeeper)
    stronger = modules.changes("user", name=both["name"], password="sesame", iterations=8192, **alice)
    assert stronger["password_set"] == ["SCRAM-SHA-512"]
    assert modules("user_info")["users"] == [{"name": both["name"], "mechanisms": {"SCRAM-SHA-256": 4096, "SCRAM-SHA-512": 8192}}]
    modules.changes("user", name=both["name"], mechanisms=["SCRAM-SHA-256"], state="absent")
    assert modules.changes("user", name=both["name"], state="absent")["after"] == {}


def test_a_password_that_cannot_be_compared_is_set_with_a_warning(modules: Modules) -> None:
    user = {"name": "carol", "password": "x"}
    modules("user", **user)
    again = modules("user", **user)
    assert again["changed"]
    assert "cannot be found out over PLAINTEXT" in json.dumps(again["warnings"])
    assert not modules("user", **user, update_password="on_create")["changed"]


def test_a_wrong_password_is_said_at_once(modules: Modules, alice: dict[str, Any]) -> None:
    text = modules.fails("user_info", **{**alice, "sasl_password": "wrong", "timeout": 20})
    kafkas = "Apache Kafka may end a connection so when it refuses the login"
    assert "SaslAuthenticationFailedError" in text or (modules.kind == "jvm" and kafkas in text)


def test_acls_are_as_listed(modules: Modules) -> None:
    reader = {"principal": "User:bob", "resource_type": "topic", "resource_name": "payments", "operations": ["read", "describe"]}
    prefix = {"principal": "User:bob", "resource_type": "group", "resource_name": "b-", "pattern_type": "prefixed"}
    cluster = {"principal": "User:eve", "resource_type": "cluster", "permission": "deny", "operations": ["all"]}
    listed = [reader, {**prefix, "operations": ["read"], "hosts": ["10.0.0.1", "10.0.0.2"]}, cluster]
    assert len(modules.changes("acl", acls=listed)["after"]) == 5
    assert len(modules("acl_info", resource_type="group", resource_name="b-1", matching=True)["acls"]) == 2
    assert "5 would be deleted and the limit is 1" in modules.fails("acl", acls=[], purge=True, max_deletions=1)
    kept = modules.changes("acl", acls=[reader], purge=True, protected=["User:eve"])
    assert (len(kept["before"]), kept["kept"]) == (2, 3)
    modules.changes("acl", acls=[{**cluster, "state": "absent"}])
    modules.changes("acl", acls=[], purge=True)
    assert modules("acl_info")["acls"] == []
    assert "did you mean User:bob" in modules.fails("acl", acls=[{**reader, "principal": "bob"}])


def test_quotas_are_set_one_by_one(modules: Modules) -> None:
    modules.changes("quota", user="bob", quotas={"producer_byte_rate": 1000, "request_percentage": 12.5})
    changed = modules.changes("quota", user="bob", quotas={"producer_byte_rate": None, "consumer_byte_rate": 5})
    assert changed["after"] == {"consumer_byte_rate": 5.0, "request_percentage": 12.5}
    modules.changes("quota", user="bob", defaults=["client"], quotas={"producer_byte_rate": 7})
    modules.changes("quota", defaults=["ip"], quotas={"connection_creation_rate": 100})
    entities = [entry["entity"] for entry in modules("quota_info")["quotas"]]
    assert sorted(map(str, entities)) == sorted(map(str, [{"user": "bob", "client-id": None}, {"ip": None}, {"user": "bob"}]))
    modules.changes("quota", user="bob", state="absent")
    modules.changes("quota", user="bob", defaults=["client"], state="absent")
    modules.changes("quota", defaults=["ip"], state="absent")
    assert modules("quota_info")["quotas"] == []
    assert "unknown; there are" in modules.fails("quota", user="bob", quotas={"producer_rate": 1})


def test_a_token_is_kept_in_a_file_and_nowhere_else(modules: Modules, alice: dict[str, Any], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "token.json"
    wanted = {"path": str(path), "renewers": ["User:bob"], **alice}
    foreseen = modules("delegation_token", check=True, **wanted)
    made = modules("delegation_token", **wanted)
    assert (foreseen["changed"], foreseen["requests"]) == (True, made["requests"])
    secret = json.loads(path.read_text())["hmac"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret not in json.dumps(made)
    assert made["after"]["owner"] == "User:alice"
    again = modules("delegation_token", **wanted)
    assert (again["changed"], again["before"]) == (False, made["after"])
    longer = modules("delegation_token", **wanted, valid_for=8 * 24 * 3600)
    assert longer["after"]["token_id"] != made["after"]["token_id"], "none lasts so long, so it is another one"
    modules.changes("delegation_token", **wanted, state="absent")
    assert not path.exists()
